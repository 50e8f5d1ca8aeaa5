"""Files that clients write into the folder themselves, by links that say what may be written and are signed by us."""

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar
from urllib.parse import urlencode

import orjson

from server.errors import LibrettoError, Unavailable
from storage.blobs import keys
from storage.blobs.arrivals import Grant, Part, PutLink, part_key
from storage.blobs.folder import TEMPORARY_FLAGS, Folder, describe, naming_faults
from storage.blobs.keys import Blob, BlobMissing, LinkExpired, LinkRefused

WRITE_BYTES = 256 << 10  # what one upload holds in memory
COPY_BYTES = 1 << 20

P = ParamSpec("P")
T = TypeVar("T")


class ArrivalRefused(LibrettoError):
    """What came is not what the link is for."""

    code = "ARRIVAL_REFUSED"


class WrongLength(ArrivalRefused):
    """The body is not as long as was announced."""

    code = "WRONG_LENGTH"


class WrongDigest(ArrivalRefused):
    """The bytes are not those whose SHA-256 was announced."""

    code = "WRONG_SHA256"


class LocalUploads:
    """The side of a folder that others write to."""

    def __init__(self, folder: Folder, base_url: str, seal: hmac.HMAC, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._base_url = base_url
        self._seal = seal
        self._clock = clock

    def link(self, grant: Grant, *, expires_in_seconds: int) -> PutLink:
        """A link for PUTs of exactly what is granted."""
        keys.check_key(grant.key)
        _, expires_at = keys.link_window(self._clock(), expires_in_seconds)
        asked = _write_query(grant) | {"expires": str(expires_at)}
        query = urlencode(asked | {"signature": self._sign(grant.key, asked)})
        headers = {"Content-Type": grant.mime_type} if grant.part is None else {}
        return PutLink(f"{self._base_url}/files/{grant.key}?{query}", headers)

    def check_link(self, key: str, query: Mapping[str, str]) -> Grant:
        """What the link with this query grants; `LinkRefused` when it is none of ours or has ended."""
        asked = {name: value for name, value in query.items() if name != "signature"}
        given = query.get("signature", "").encode(errors="replace")
        if not hmac.compare_digest(self._sign(key, asked).encode(), given):
            raise LinkRefused
        if int(asked["expires"]) <= int(self._clock()):
            raise LinkExpired
        part = asked.get("part")
        return Grant(
            key,
            int(asked["length"]),
            asked["type"],
            asked.get("sha256"),
            None if part is None else int(part),
            asked.get("token"),
        )

    async def receive(self, grant: Grant, chunks: AsyncIterator[bytes]) -> Blob:
        """Keep what comes, once all of it is here and is what was announced; until then nothing of it counts."""
        with naming_faults():
            await asyncio.to_thread(self._folder.check_space, grant.size_bytes)
            temporary = self._folder.new_temporary()
            file = await _finish(_create, temporary)
            try:
                await self._write(file, grant, chunks)
                return await _finish(self._place, file, temporary, grant)
            finally:
                file.close()
                temporary.unlink(missing_ok=True)

    async def begin(self, key: str, mime_type: str) -> str:
        """Begin a file that comes in parts."""
        keys.check_mime_type(key, mime_type)
        return secrets.token_hex(16)

    async def list_parts(self, key: str, token: str) -> list[Part]:
        """The parts that are here, by number."""
        with naming_faults():
            return await asyncio.to_thread(self._list_parts, key, token)

    async def join(self, key: str, token: str, parts: Sequence[Part]) -> Blob:
        """Make the parts one blob; a part that is sent again meanwhile does not change it."""
        with naming_faults():
            return await _finish(self._join, key, token, parts)

    async def drop(self, key: str, token: str) -> None:
        """Let go of the parts."""
        with naming_faults():
            await asyncio.to_thread(self._drop, key, token)

    async def list_begun(self, prefix: str) -> list[tuple[str, str, datetime]]:
        """None: our parts are blobs like any other."""
        keys.check_prefix(prefix)
        return []

    def _sign(self, key: str, asked: Mapping[str, str]) -> str:
        seal = self._seal.copy()
        seal.update(b"upload link\nPUT\n" + orjson.dumps([key, *sorted(asked.items())]))
        return base64.urlsafe_b64encode(seal.digest()).rstrip(b"=").decode()

    async def _write(self, file: BinaryIO, grant: Grant, chunks: AsyncIterator[bytes]) -> None:
        digest, count, gathered = hashlib.sha256(), 0, bytearray()

        def write() -> None:
            digest.update(gathered)
            file.write(gathered)

        async for chunk in chunks:
            count += len(chunk)
            if count > grant.size_bytes:
                raise WrongLength(f"More than the {grant.size_bytes} bytes that were announced")
            gathered += chunk
            if len(gathered) >= WRITE_BYTES:
                await _finish(write)
                gathered.clear()
        await _finish(write)
        if count < grant.size_bytes:
            raise WrongLength(f"{count} bytes, and {grant.size_bytes} were announced")
        if grant.sha256 and digest.hexdigest() != grant.sha256:
            raise WrongDigest

    def _place(self, file: BinaryIO, temporary: Path, grant: Grant) -> Blob:
        key = grant.key if grant.part is None else part_key(grant.key, grant.token or "", grant.part)
        file.flush()
        os.fsync(file.fileno())
        self._folder.place(temporary, key)
        return describe(key, os.fstat(file.fileno()))

    def _list_parts(self, key: str, token: str) -> list[Part]:
        _, found = self._folder.scan(_parts_folder(key, token))
        blobs = [blob for part, _ in found if (blob := self._folder.stat(part)) is not None]
        parts = [Part(int(blob.key[-9:-4]), blob.size_bytes, blob.etag) for blob in blobs]
        return sorted(parts, key=lambda part: part.number)

    def _join(self, key: str, token: str, parts: Sequence[Part]) -> Blob:
        self._folder.check_space(sum(part.size_bytes for part in parts))
        temporary = self._folder.new_temporary()
        try:
            with _create(temporary) as file:
                for part in parts:
                    self._append(file, part_key(key, token, part.number), part)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # whoever joins first decides what the parts were
                self._folder.place(temporary, key, is_first=True)
        finally:
            temporary.unlink(missing_ok=True)
        self._drop(key, token)
        joined = self._folder.stat(key)
        if joined is None:
            raise BlobMissing(f"{key} was deleted meanwhile")
        return joined

    def _append(self, file: BinaryIO, key: str, part: Part) -> None:
        opened = self._folder.open(key)
        with os.fdopen(opened.descriptor, "rb") as source:
            if opened.blob.etag != part.etag:
                raise Unavailable(f"Part {part.number} was sent again meanwhile")
            while chunk := source.read(COPY_BYTES):
                file.write(chunk)

    def _drop(self, key: str, token: str) -> None:
        for part, _ in self._folder.scan(_parts_folder(key, token))[1]:
            self._folder.delete(part)


def _parts_folder(key: str, token: str) -> list[str]:
    return keys.check_key(part_key(key, token, 1)).split("/")[:-1]


def _write_query(grant: Grant) -> dict[str, str]:
    asked = {"type": grant.mime_type, "length": str(grant.size_bytes)}
    if grant.sha256:
        asked["sha256"] = grant.sha256
    if grant.part is not None:
        asked |= {"part": str(grant.part), "token": grant.token or ""}
    return asked


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, TEMPORARY_FLAGS, 0o600), "wb")


async def _finish(function: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Run it in a thread and, even if we are cancelled, see it through: it holds a file that is closed next."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *given, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
