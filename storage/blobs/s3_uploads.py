"""Files that clients write into the bucket themselves, by links that the bucket checks: length, type, part, digest."""

import base64
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from storage.blobs import keys
from storage.blobs.arrivals import Grant, Part, PutLink
from storage.blobs.keys import Blob, BlobMissing
from storage.blobs.s3_faults import answering
from storage.blobs.signing import Signer


class S3Uploads:
    """The side of a bucket that others write to.

    `signs_digests` says that the other side checks x-amz-checksum-sha256, which not all that speak S3 know.
    """

    def __init__(
        self,
        bucket: str,
        client: Any,
        find_signer: Callable[[], Signer],
        clock: Callable[[], float],
        *,
        signs_digests: bool,
    ) -> None:
        self._bucket = bucket
        self._client = client
        self._find_signer = find_signer
        self._clock = clock
        self._signs_digests = signs_digests

    def link(self, grant: Grant, *, expires_in_seconds: int) -> PutLink:
        """A link for PUTs of exactly what is granted."""
        keys.check_key(grant.key)
        signed_at, expires_at = keys.link_window(self._clock(), expires_in_seconds)
        query, headers = {}, {}
        if grant.part is not None:
            query = {"partNumber": str(grant.part), "uploadId": grant.token or ""}
        else:
            headers["Content-Type"] = grant.mime_type
            if grant.sha256 and self._signs_digests:
                headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(grant.sha256)).decode()
        signed = {name.lower(): value for name, value in headers.items()} | {"content-length": str(grant.size_bytes)}
        url = self._find_signer().sign("PUT", grant.key, query, signed, signed_at=signed_at, expires_at=expires_at)
        return PutLink(url, headers)

    async def begin(self, key: str, mime_type: str) -> str:
        """Begin a file that comes in parts."""
        keys.check_mime_type(key, mime_type)
        with answering(key):
            begun = await self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType=mime_type)
        token: str = begun["UploadId"]
        return token

    async def list_parts(self, key: str, token: str) -> list[Part]:
        """The parts that are here, by number."""
        parts: list[Part] = []
        pages = self._client.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=token)
        with suppress(BlobMissing), answering(key):
            async for page in pages:
                entries = page.get("Parts", ())
                parts += [Part(each["PartNumber"], each["Size"], each["ETag"].strip('"')) for each in entries]
        return parts

    async def join(self, key: str, token: str, parts: Sequence[Part]) -> Blob:
        """Make the parts one blob, by the tags that they were listed with."""
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with answering(key):
            await self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=token, MultipartUpload={"Parts": listed}
            )
            head = await self._client.head_object(Bucket=self._bucket, Key=key)
        return Blob(key, head["ContentLength"], keys.mime_type_of(key), head["ETag"].strip('"'))

    async def drop(self, key: str, token: str) -> None:
        """Let go of the parts."""
        with suppress(BlobMissing), answering(key):
            await self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=token)

    async def list_begun(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """Key, token and beginning of the files in parts that are neither joined nor dropped."""
        begun: list[tuple[str, str, datetime]] = []
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=keys.check_prefix(prefix)
        )
        with answering(prefix):
            async for page in pages:
                begun += [(each["Key"], each["UploadId"], each["Initiated"]) for each in page.get("Uploads", ())]
        return begun
