"""What a client asks for, read from the JSON of a request or of a socket's message: one door for all transports."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from server.errors import Refusal
from server.operations.trusted import Library

DOCUMENT_IDS = ("documentId", "doc_id", "id")  # GraphQL over HTTP and urql; Relay's network layers, old and new


class BadRequest(Refusal):
    """The request is not a GraphQL request."""

    code = "BAD_REQUEST"
    status = 400


class HashMismatch(BadRequest):
    """`extensions.persistedQuery.sha256Hash` is not the SHA-256 of `query`, in lower-case hexadecimal."""

    code = "PERSISTED_QUERY_MISMATCH"


class DocumentNotFound(Refusal):
    """No document is known by this id; the manifest of this server is of another build, or it has none."""

    code = "DOCUMENT_NOT_FOUND"


class PersistedQueryNotFound(Refusal):
    """Send the document along; clients that speak this protocol do so by themselves."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class Asked(NamedTuple):
    """What a request, or a socket's message, asks for."""

    query: str
    name: str | None
    variables: dict[str, Any]

    @classmethod
    def of(cls, given: Any, library: Library) -> "Asked":
        """From its JSON; a Refusal, or DocumentErrors, for what is not as it should be or not to be had."""
        if not isinstance(given, dict):
            raise BadRequest("Send one JSON object; batches are not accepted")
        query, name, variables = given.get("query"), given.get("operationName"), given.get("variables")
        extensions = given.get("extensions")
        if name is not None and not isinstance(name, str):
            raise BadRequest("`operationName` must be a string or null")
        if variables is not None and not isinstance(variables, dict):
            raise BadRequest("`variables` must be an object or null")
        if extensions is not None and not isinstance(extensions, dict):
            raise BadRequest("`extensions` must be an object or null")
        if query is None or query == "":  # the latter from clients whose types demand a text
            query = _find_by_id(given, extensions or {}, library)
        elif not isinstance(query, str) or query.isspace():
            raise BadRequest("`query` must be a string with a GraphQL document")
        elif extensions and extensions.get("persistedQuery") is not None:
            _check_hash(query, name, variables or {}, extensions["persistedQuery"], library)
        if library.is_watchful:
            library.admit(query, name)
        return cls(query, name or None, variables or {})


def _find_by_id(given: Mapping[str, Any], extensions: Mapping[str, Any], library: Library) -> str:
    wanted = extensions.get("persistedQuery")
    if wanted is not None:
        text = library.find(_read_hash(wanted))
        if text is None:
            raise PersistedQueryNotFound("PersistedQueryNotFound")  # Apollo Client and urql look for this very word
        return text
    field = next((field for field in DOCUMENT_IDS if given.get(field) is not None), None)
    if field is None:
        raise BadRequest("`query` must be a string with a GraphQL document, or `documentId` the id of one")
    if not isinstance(given[field], str):
        raise BadRequest(f"`{field}` must be a string, the id of a document")
    text = library.find(given[field])
    if text is None:
        raise DocumentNotFound
    return text


def _check_hash(query: str, name: str | None, variables: dict[str, Any], wanted: Any, library: Library) -> None:
    """A document with its hash is to be remembered, if the two belong together."""
    digest = _read_hash(wanted)
    if library.find(digest) == query:
        return
    if sha256(query.encode()).hexdigest() != digest.removeprefix("sha256:"):
        raise HashMismatch
    library.remember(query, name, variables)


def _read_hash(wanted: Any) -> str:
    if not isinstance(wanted, dict):
        raise BadRequest("`extensions.persistedQuery` must be an object")
    version, digest = wanted.get("version"), wanted.get("sha256Hash")
    if type(version) is not int or version != 1:
        raise BadRequest("`extensions.persistedQuery.version` must be 1")
    if not isinstance(digest, str):
        raise BadRequest("`extensions.persistedQuery.sha256Hash` must be a string")
    return digest
