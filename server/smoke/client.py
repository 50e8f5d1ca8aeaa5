"""The HTTP half of the smoke test's client: GraphQL requests and plain ones, each with a time limit."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from server.smoke import documents
from server.smoke.breakage import Broken

REQUEST_SECONDS = 20.0
CONNECT_SECONDS = 5.0

Answer = dict[str, Any]


class Client:
    """Somebody who knows a deployment by its address, and keeps a session with it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.access_token = self.refresh_token = ""
        self._request_id = ""  # of the last operation
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    @property
    def socket_url(self) -> str:
        """Where subscriptions are served."""
        parts = urlsplit(f"{self.url}/graphql")
        return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))

    async def fetch(self, url: str, *, method: str = "GET", expected: int, **given: Any) -> httpx.Response:
        """One request, whose answer must have this status; a path stands for one of the deployment's own pages."""
        address = f"{self.url}{url}" if url.startswith("/") else url
        try:
            answer = await self._http.request(method, address, **given)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Broken(
                f"an answer to {method} {shorten(address)}",
                f"{type(error).__name__}: {error}",
                hint=f"Is it running at {self.url}, and can this machine reach it?",
            ) from error
        if answer.status_code != expected:
            raise Broken(
                f"{expected} from {method} {shorten(address)}",
                f"{answer.status_code} {answer.text if method != 'HEAD' else ''}",
                hint=_hint_of(answer.status_code),
                request_id=request_id_of(answer),
            )
        return answer

    async def ask(self, query: str, **variables: Any) -> Answer:
        """The data of an operation without errors."""
        given = {"query": query, "variables": variables}
        headers = {"Accept": "application/json"}
        if self.access_token:
            headers["Authorization"] = f"Bearer {self.access_token}"
        answer = await self.fetch("/graphql", method="POST", expected=200, json=given, headers=headers)
        self._request_id = request_id_of(answer)
        payload = _read_json(answer)
        if payload.get("errors") or not isinstance(payload.get("data"), dict):
            raise Broken("an answer without errors", answer.text, request_id=self._request_id)
        answered: Answer = payload["data"]
        return answered

    async def change(self, mutation: str, **variables: Any) -> Answer:
        """What a mutation answers; a Failure is a reason to stop."""
        (answer,) = (await self.ask(mutation, **variables)).values()
        if not isinstance(answer, dict):
            raise Broken("an answer to the mutation", answer, request_id=self._request_id)
        if "code" in answer:
            hint, came = _hint_of_code(answer["code"]), describe_failure(answer)
            raise Broken("the mutation to be accepted", came, hint=hint, request_id=self._request_id)
        return answer

    async def sign_up(self, email: str, password: str) -> None:
        """Open an account, and act on its behalf from now on."""
        given = {"email": email, "password": password, "displayName": "Smoke test"}
        self._keep_session(await self.change(documents.SIGN_UP, input=given))

    async def refresh_session(self) -> None:
        """Trade the refresh token for a new session."""
        given = {"refreshToken": self.refresh_token}
        self._keep_session(await self.change(documents.REFRESH_SESSION, input=given))

    def _keep_session(self, session: Mapping[str, str]) -> None:
        self.access_token, self.refresh_token = session["accessToken"], session["refreshToken"]


def shorten(url: str) -> str:
    """An address without its signature."""
    return url.partition("?")[0]


def request_id_of(answer: httpx.Response) -> str:
    """What the logs of the deployment know a request by."""
    return str(answer.headers.get("x-request-id", ""))


def describe_failure(failure: Mapping[str, Any]) -> str:
    """A Failure in one line."""
    fields = "".join(f"; {one['field']}: {one['message']}" for one in failure.get("fields", ()))
    return f"{failure['code']}: {failure['message']}{fields}"


def _read_json(answer: httpx.Response) -> Answer:
    try:
        payload = answer.json()
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise Broken("a JSON object", answer.text, hint="Is there a proxy that answers in its place?")
    return payload


def _hint_of(status: int) -> str:
    match status:
        case 401:
            return "Do all web processes share one SECRET_KEY, and do their clocks agree?"
        case 403:
            return "Do all web processes share one SECRET_KEY, and does every proxy pass the query string on unchanged?"
        case 404:
            return "Is this the address of Libretto itself? It stands at the root of its host."
        case 502 | 503 | 504:
            return "A process is missing or still starting; look at /readyz and at its log."
        case _ if status >= 500:
            return "Look for the request id in the log of the web process."
    return ""


def _hint_of_code(code: str) -> str:
    return {
        "INSUFFICIENT_CREDITS": "Raise CREDITS_AT_SIGN_UP, or ask for a shorter track.",
        "RATE_LIMITED": "Wait a minute, or lift RATE_LIMIT_SCALE.",
    }.get(code, "")
