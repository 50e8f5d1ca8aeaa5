"""The blob store in a bucket of S3 or of anything that speaks it: one client held open, links signed without a call."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # it ships no types, nor does botocore
from aiobotocore.session import get_session  # type: ignore[import-untyped]
from aiohttp import ClientError as TransportError
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from server.errors import Unavailable
from server.logs import get_logger
from storage.blobs import keys
from storage.blobs.keys import Blob, BlobMissing
from storage.blobs.s3_faults import answering
from storage.blobs.s3_uploads import S3Uploads
from storage.blobs.signing import Signer

PART_BYTES = 16 * 1024 * 1024  # up to this a put is one request; R2 wants parts of one size
MAX_PARTS = 10_000
PARTS_AT_ONCE = 4
READ_CHUNK_BYTES = 256 * 1024
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
ATTEMPTS = 3
POOL_SIZE = 50
DEFAULT_REGION = "us-east-1"  # left alone, botocore says aws-global, which no signature may name
GOOGLE_ENDPOINT = "https://storage.googleapis.com"

log = get_logger(__name__)


@dataclass(frozen=True)
class Bucket:
    """What a `s3://` or `gs://` URL says."""

    name: str
    endpoint: str | None
    region: str | None
    path_style: bool
    checksums: str  # as botocore calls it


class S3Store:
    """Blobs as objects of one bucket."""

    def __init__(
        self,
        bucket: Bucket,
        client: Any,
        credentials: Any,
        stack: AsyncExitStack,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bucket = bucket.name
        self._client = client
        self._credentials = credentials
        self._stack = stack
        self._clock = clock
        self._base_url = _base_url(bucket, client.meta.endpoint_url)
        self.uploads = S3Uploads(
            bucket.name, client, lambda: self._signer, clock, signs_digests=bucket.checksums == "when_supported"
        )

    async def put(self, key: str, source: Path | bytes, mime_type: str) -> Blob:
        """Keep these bytes: all of them or, whatever happens on the way, none."""
        keys.check_mime_type(key, mime_type)
        size_bytes = len(source) if isinstance(source, bytes) else (await asyncio.to_thread(source.stat)).st_size
        with answering(key):
            if size_bytes <= PART_BYTES:
                body = await asyncio.to_thread(_slice, source, 0, size_bytes)
                answer = await self._client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=mime_type)
            else:
                answer = await self._put_parts(key, source, size_bytes, mime_type)
        await self.refresh_credentials()
        return Blob(key, size_bytes, mime_type, answer["ETag"].strip('"'))

    async def stat(self, key: str) -> Blob | None:
        """What is kept under this key."""
        keys.check_key(key)
        try:
            with answering(key):
                head = await self._client.head_object(Bucket=self._bucket, Key=key)
        except BlobMissing:
            return None
        return Blob(key, head["ContentLength"], keys.mime_type_of(key), head["ETag"].strip('"'))

    async def read(self, key: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` on, at most `length` of them."""
        keys.check_key(key)
        wanted: dict[str, str] = {}
        if start or length is not None:
            end = await self._find_end(key, start, length)
            if start >= end:
                return
            wanted["Range"] = f"bytes={start}-{end - 1}"
        with answering(key):
            answer = await self._client.get_object(Bucket=self._bucket, Key=key, **wanted)
            async with answer["Body"] as body:
                async for chunk in body.iter_chunks(READ_CHUNK_BYTES):
                    yield chunk

    async def delete(self, key: str) -> None:
        """Let go of a blob; fine when it is gone already."""
        keys.check_key(key)
        with suppress(BlobMissing), answering(key):
            await self._client.delete_object(Bucket=self._bucket, Key=key)

    async def list_keys(self, prefix: str) -> AsyncIterator[tuple[str, datetime]]:
        """Every key of ours that begins with `prefix`, with the time of its last change."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=keys.check_prefix(prefix)
        )
        with answering(prefix):
            async for page in pages:
                for entry in page.get("Contents", ()):
                    if keys.is_key(entry["Key"]):
                        yield entry["Key"], entry["LastModified"]

    def link(
        self,
        key: str,
        *,
        expires_in_seconds: int,
        download_name: str | None = None,
        is_shared: bool = False,  # noqa: ARG002 - a bucket ends its links by time alone
    ) -> str:
        """A URL that anybody may GET until it expires; S3 wants another signature for HEAD."""
        disposition = keys.content_disposition(keys.mime_type_of(key), download_name)
        query = {} if disposition == "inline" else {"response-content-disposition": disposition}
        signed_at, expires_at = keys.link_window(self._clock(), expires_in_seconds)
        return self._signer.sign("GET", key, query, signed_at=signed_at, expires_at=expires_at)

    async def ping(self) -> None:
        """`Unavailable` when the bucket cannot be reached."""
        with answering(self._bucket):
            try:
                await self._client.head_bucket(Bucket=self._bucket)
            except ClientError as fault:
                raise Unavailable(f"The blob store refuses the bucket {self._bucket}: {fault}") from fault
        await self.refresh_credentials()

    async def close(self) -> None:
        """Let go of the client and its connections."""
        await self._stack.aclose()

    async def refresh_credentials(self) -> None:
        """Take up credentials that a role renewed; `link` must not wait, so puts and pings do it beforehand."""
        with answering(self._bucket):
            frozen = await self._credentials.get_frozen_credentials()
        self._signer = Signer(
            self._base_url, self._client.meta.region_name, frozen.access_key, frozen.secret_key, frozen.token
        )

    async def _find_end(self, key: str, start: int, length: int | None) -> int:
        blob = await self.stat(key)  # servers disagree on ranges that lead beyond the end
        if blob is None:
            raise BlobMissing(f"There is no blob {key}")
        return blob.size_bytes if length is None else min(blob.size_bytes, start + length)

    async def _put_parts(self, key: str, source: Path | bytes, size_bytes: int, mime_type: str) -> dict[str, Any]:
        target = {"Bucket": self._bucket, "Key": key}
        upload = target | {
            "UploadId": (await self._client.create_multipart_upload(**target, ContentType=mime_type))["UploadId"]
        }
        try:
            parts = await self._upload_parts(upload, source, size_bytes)
            answer: dict[str, Any] = await self._client.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            await asyncio.shield(self._abort(upload))
            raise
        return answer

    async def _upload_parts(
        self, upload: dict[str, str], source: Path | bytes, size_bytes: int
    ) -> list[dict[str, Any]]:
        part_bytes = max(PART_BYTES, math.ceil(size_bytes / MAX_PARTS))
        turns = asyncio.Semaphore(PARTS_AT_ONCE)

        async def upload_part(number: int, start: int) -> dict[str, Any]:
            async with turns:
                body = await asyncio.to_thread(_slice, source, start, min(part_bytes, size_bytes - start))
                answer = await self._client.upload_part(**upload, PartNumber=number, Body=body)
                return {"PartNumber": number, "ETag": answer["ETag"]}

        try:
            async with asyncio.TaskGroup() as group:
                starts = enumerate(range(0, size_bytes, part_bytes), start=1)
                parts = [group.create_task(upload_part(number, start)) for number, start in starts]
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None  # the others followed from it
        return [part.result() for part in parts]

    async def _abort(self, upload: dict[str, str]) -> None:
        try:
            await self._client.abort_multipart_upload(**upload)
        except (BotoCoreError, ClientError, TransportError) as fault:
            log.warning("blob.upload_not_aborted", key=upload["Key"], upload_id=upload["UploadId"], fault=str(fault))


async def open_bucket(url: str) -> S3Store:
    """The store in the bucket that an `s3://` or `gs://` URL names, with credentials from the usual places of AWS."""
    bucket = parse_bucket(url)
    session = get_session()
    with answering(bucket.name):
        credentials = await session.get_credentials()
    if credentials is None:
        raise Unavailable("No credentials for the blob store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    region = bucket.region or session.get_config_variable("region") or DEFAULT_REGION
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            session.create_client("s3", endpoint_url=bucket.endpoint, region_name=region, config=_client_config(bucket))
        )
        store = S3Store(bucket, client, credentials, stack.pop_all())
    try:
        await store.refresh_credentials()
    except BaseException:
        await store.close()
        raise
    return store


def parse_bucket(url: str) -> Bucket:
    """Read a `s3://bucket?endpoint=…&region=…&path_style=…` or `gs://bucket` URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.netloc or parts.path.strip("/"):
        raise ValueError("BLOB_STORE_URL must name a bucket and nothing below it, as in s3://bucket?region=eu-west-1")
    if unknown := options.keys() - {"endpoint", "region", "path_style", "checksums"}:
        raise ValueError(
            f"BLOB_STORE_URL knows endpoint, region, path_style and checksums, not {', '.join(sorted(unknown))}"
        )
    google = parts.scheme == "gs"
    endpoint = options.get("endpoint") or (GOOGLE_ENDPOINT if google else None)
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise ValueError("The endpoint in BLOB_STORE_URL must begin with http:// or https://")
    region = options.get("region") or ("auto" if google else None)
    by_default = endpoint is not None or "." in parts.netloc  # no certificate covers a bucket name with a dot
    path_style = {"true": True, "1": True, "false": False, "0": False}.get(options.get("path_style", "").lower())
    if path_style is None and options.get("path_style"):
        raise ValueError("path_style in BLOB_STORE_URL must be true or false")
    checksums = options.get("checksums") or ("when_required" if endpoint else "when_supported")  # others choke on them
    if checksums not in ("when_required", "when_supported"):
        raise ValueError("checksums in BLOB_STORE_URL must be when_required or when_supported")
    return Bucket(parts.netloc, endpoint, region, by_default if path_style is None else path_style, checksums)


def _client_config(bucket: Bucket) -> AioConfig:
    return AioConfig(
        signature_version="s3v4",
        s3={"addressing_style": "path" if bucket.path_style else "virtual"},
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        max_pool_connections=POOL_SIZE,
        request_checksum_calculation=bucket.checksums,
        response_checksum_validation=bucket.checksums,
    )


def _base_url(bucket: Bucket, endpoint: str) -> str:
    parts = urlsplit(endpoint.rstrip("/"))
    default_port = {"http": ":80", "https": ":443"}[parts.scheme]
    host = parts.netloc.removesuffix(default_port)  # browsers leave it out of Host, and Host is signed
    if bucket.path_style:
        return f"{parts.scheme}://{host}{parts.path}/{bucket.name}"
    return f"{parts.scheme}://{bucket.name}.{host}{parts.path}"


def _slice(source: Path | bytes, start: int, length: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + length]
    with source.open("rb") as file:
        file.seek(start)
        piece = file.read(length)
    if len(piece) < length:
        raise Unavailable(f"{source.name} became shorter while it was kept")
    return piece
