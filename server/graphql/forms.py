"""Operations with files, as graphql-multipart-request-spec has them: a form of `operations`, `map` and the files."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from schema.files import SentFile
from server.operations.asked import BadRequest
from server.origins import FORCING

MAX_FILE_BYTES = 10 << 20
MAX_TEXT_BYTES = 256 << 10  # of each, operations and map
MAX_FORM_BYTES = MAX_FILE_BYTES + 2 * MAX_TEXT_BYTES
MAX_FILES = 10


class NoPreflight(BadRequest):
    """A browser sends forms for any page; send `apollo-require-preflight: true` or `x-requested-with` along."""

    code = "PREFLIGHT_REQUIRED"


class FormTooLarge(BadRequest):
    """A form of files takes 10 MiB; announce larger files by createUpload and PUT them where it says."""

    code = "BODY_TOO_LARGE"
    status = 413


def is_form(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request is a form of files."""
    return headers.get(b"content-type", b"")[:19].lower() == b"multipart/form-data"


@asynccontextmanager
async def read_form(incoming: Request, headers: Mapping[bytes, bytes]) -> AsyncIterator[Any]:
    """The operation with its files in their places; they are on disk unless they are small, and gone with the block."""
    if not any(headers.get(name) for name in FORCING):
        raise NoPreflight
    if not 0 < int(headers.get(b"content-length", b"0")) <= MAX_FORM_BYTES:
        raise FormTooLarge
    try:
        form = await incoming.form(max_files=MAX_FILES, max_fields=2, max_part_size=MAX_TEXT_BYTES)
    except HTTPException as problem:
        raise BadRequest(problem.detail) from None
    except ClientDisconnect:
        raise BadRequest("The request ended early") from None
    try:
        yield _place_files(form)
    finally:
        await form.close()


def _place_files(form: FormData) -> Any:
    given, places = _parse(form, "operations"), _parse(form, "map")
    if not isinstance(given, dict) or not isinstance(places, dict):
        raise BadRequest("`operations` and `map` must be JSON objects; batches are not accepted")
    for name, paths in places.items():
        file = form.get(name)
        if not isinstance(file, UploadFile) or not isinstance(paths, list):
            raise BadRequest(f"`map` names {name[:80]!r}, which must be a file with a list of places")
        sent = SentFile(file.file, file.filename or "", file.content_type or "", file.size or 0)
        for path in paths:
            _place(given, str(path).split("."), sent)
    return given


def _parse(form: FormData, name: str) -> Any:
    text = form.get(name)
    try:
        return orjson.loads(text if isinstance(text, str) else "")
    except orjson.JSONDecodeError:
        raise BadRequest(f"The form needs a field `{name}` with JSON") from None


def _place(given: dict[str, Any], path: list[str], sent: SentFile) -> None:
    """Put a file where its path says: at a null somewhere in the variables."""
    at: Any = given
    *above, last = path
    for step in above:
        at = at[_find_step(at, step, path)]
    step_found = _find_step(at, last, path)
    if path[0] != "variables" or at[step_found] is not None:
        raise BadRequest(f"There must be a null at {'.'.join(path)[:80]!r}, in the variables")
    at[step_found] = sent


def _find_step(at: Any, step: str, path: list[str]) -> Any:
    if isinstance(at, dict) and step in at:
        return step
    if isinstance(at, list) and step.isdecimal() and len(step) < 4 and int(step) < len(at):
        return int(step)
    raise BadRequest(f"`operations` has no place {'.'.join(path)[:80]!r}")
