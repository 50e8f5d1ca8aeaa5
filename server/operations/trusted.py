"""Trusted documents: those of the manifest that clients were built with, and those that clients have us remember."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import orjson

from schema.documents import DocumentErrors, Documents
from server import metrics
from server.errors import LibrettoError, Refusal
from server.logs import get_logger
from server.settings import Settings

APOLLO = "apollo-persisted-query-manifest"
MAX_REMEMBERED = 1_000  # documents, and as many again on probation: a few apps with a hundred screens each
MAX_REMEMBERED_CHARACTERS = 500_000  # of each of the two; a character costs up to 4 bytes: 4 MB in all
MAX_NOTED = 1_000  # texts that are logged in the life of a process; whatever comes after is counted only
SHOWN_CHARACTERS = 300
SHOWN_PROBLEMS = 20
PRIVATE = re.compile(r'#[^\n]*|"""(?:\\"""|(?!""").)*(?:"""|$)|"(?:\\.|[^"\\])*\\?(?:"|$)', re.DOTALL)

Mode = Literal["off", "log", "enforce"]

log = get_logger(__name__)


class ManifestUnusable(LibrettoError):
    """The manifest of trusted documents cannot be used."""

    code = "MANIFEST_UNUSABLE"


class DocumentNotTrusted(Refusal):
    """Only the documents of this server's manifest run here: send one by its id, or add this one to the manifest."""

    code = "DOCUMENT_NOT_TRUSTED"


class Shelf:
    """Texts by their hashes; what was put there longest ago makes room."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    def put(self, digest: str, text: str) -> None:
        """Lay it on top."""
        self.take(digest)
        self._texts[digest] = text
        self._characters += len(text)
        while len(self._texts) > MAX_REMEMBERED or self._characters > MAX_REMEMBERED_CHARACTERS:
            self._characters -= len(self._texts.popitem(last=False)[1])

    def take(self, digest: str) -> str | None:
        """Remove it, if it is there."""
        text = self._texts.pop(digest, None)
        self._characters -= len(text or "")
        return text


class Library:
    """The documents that may be asked for by an id; holds the documents of this process, which know what is valid.

    A client may have any valid document remembered, so one that floods us must not push out what others use: a document
    is on probation until somebody asks for it by its hash, and each of the two shelves has its own bounds.
    """

    def __init__(self, manifest: Mapping[str, str], mode: Mode, documents: Documents) -> None:
        self.documents = documents
        self.is_watchful = mode != "off"
        self._is_strict = mode == "enforce"
        self._trusted = frozenset(manifest.values())
        self._by_id = {_digest(text): text for text in self._trusted}
        self._by_id |= {_bare(document_id): text for document_id, text in manifest.items()}
        self._proven, self._probation = Shelf(), Shelf()
        self._noted: set[int] = set()

    def find(self, document_id: str) -> str | None:
        """The text of a document, by its id in the manifest or by its SHA-256, with `sha256:` before it or without."""
        document_id = _bare(document_id)
        text = self._by_id.get(document_id)
        if text is not None or self._is_strict:
            return text
        text = self._proven.take(document_id) or self._probation.take(document_id)
        if text is not None:
            self._proven.put(document_id, text)
        return text

    def remember(self, text: str, name: str | None, variables: Mapping[str, Any]) -> None:
        """Keep a document that a client sent with its hash; one that may not run is refused here and not kept."""
        if not self._is_strict:
            self.documents.find_operation(text, name, variables)
            self._probation.put(_digest(text), text)

    def admit(self, text: str, name: str | None) -> None:
        """Let a document of the manifest pass; note any other, and refuse it where only the manifest counts."""
        if text in self._trusted:
            return
        metrics.DOCUMENTS_UNTRUSTED.inc()
        self._note(text, name)
        if self._is_strict:
            raise DocumentNotTrusted

    def _note(self, text: str, name: str | None) -> None:
        if hash(text) in self._noted or len(self._noted) >= MAX_NOTED:
            return
        self._noted.add(hash(text))
        shown = {"sha256": _digest(text), "operation": (name or "")[:SHOWN_CHARACTERS], "text": _show(text)}
        log.warning("document.untrusted", **shown, refused=self._is_strict)
        if len(self._noted) == MAX_NOTED:
            log.warning("document.untrusted_many", advice="further ones are counted in /metrics only")


def open_library(settings: Settings) -> Library:
    """The library that the settings ask for; ManifestUnusable lists all that is wrong with the manifest."""
    path, documents = settings.trusted_documents, Documents()
    manifest = read_manifest(Path(path).expanduser()) if path else {}
    if problems := list(_find_problems(manifest, documents)):
        head = f"TRUSTED_DOCUMENTS: {len(problems)} of the {len(manifest)} documents in {path} cannot run here:"
        rest = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        raise ManifestUnusable("\n  ".join([head, *problems[:SHOWN_PROBLEMS], *rest]))
    return Library(manifest, settings.trusted_documents_mode, documents)


def read_manifest(path: Path) -> dict[str, str]:
    """Texts by their ids, as graphql-codegen, relay-compiler and Apollo's generator write them."""
    try:
        written = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} is not JSON: {error}") from None
    match written:
        case {"format": "apollo-persisted-query-manifest", "version": 1, "operations": list(operations)}:
            pairs = [_read_operation(operation, path) for operation in operations]
        case {"format": str(known), "version": version, **_others}:
            raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} is {known} {version}; {APOLLO} 1 can be read")
        case dict(by_id) if all(isinstance(text, str) for text in by_id.values()):
            pairs = list(by_id.items())
        case _:
            shape = f'one JSON object, {{"ID": "DOCUMENT", …}} or an {APOLLO}'
            raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} must hold {shape}")
    manifest = dict(pairs)
    if not manifest or "" in manifest:
        raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} holds {'an empty id' if manifest else 'no documents'}")
    if twice := sorted({document_id for document_id, text in pairs if manifest[document_id] != text}):
        raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} has two documents of one id: {', '.join(twice)}")
    return manifest


def _read_operation(operation: Any, path: Path) -> tuple[str, str]:
    match operation:
        case {"id": str(document_id), "body": str(text)}:
            return document_id, text
    raise ManifestUnusable(f"TRUSTED_DOCUMENTS: {path} has an operation without `id` and `body`")


def _find_problems(manifest: Mapping[str, str], documents: Documents) -> Iterator[str]:
    for document_id, text in manifest.items():
        try:
            documents.read(text)
        except (DocumentErrors, Refusal) as error:
            yield f"{document_id} ({text.strip().partition(chr(10))[0][:60] or 'empty'}): {error}"


def _bare(document_id: str) -> str:
    return document_id.removeprefix("sha256:")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _show(text: str) -> str:
    """The beginning of a document, without its strings: somebody writes a password there sooner or later."""
    return PRIVATE.sub("…", text.strip()[:SHOWN_CHARACTERS])
