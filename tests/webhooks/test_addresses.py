"""Webhooks reach the public internet and nothing else: no form of a private address has a connection opened to it."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
import pytest_asyncio

from jobs.providers.guard import AddressRefused, GuardedTransport, resolve
from jobs.webhooks.addresses import read_target
from jobs.webhooks.post import Post
from server.errors import ValidationFailed
from storage.webhooks import WebhookKind
from tests.fakes.receiver import Receiver
from tests.providers.test_guard import PRIVATE
from tests.studio import free_port

LITERALS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "127.0.0.1.",
    "0",
    "0.0.0.0",  # noqa: S104 - it is refused here, not bound to
    "10.0.0.1",
    "10.1",
    "0xa.1",
    "172.16.0.1",
    "192.168.1.1",
    "192.168.257",
    "3232235777",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:c0a8:101::1]",
    "[2001:0:7f00:1::1]",
    "[2001:0:53aa:64c:0:0:80ff:fffe]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "[::1%25lo]",
    "[fec0::1]",
    "[fc00::1]",
    "[fdaa::3]",
    "[fdaa:0:1:a7b::2]",
    "[ff02::1]",
    "[100::1]",
    "[2001:db8::1]",
]
NAMES = [
    "localhost",
    "localhost.",
    "LOCALHOST",
    "app.localhost",
    "intranet",
    "_api.internal",
    "top1.nearest.of.app.internal",
    "app.INTERNAL.",
    "app.flycast",
    "printer.local",
    "router.home.arpa",
    "127\u30020\u30020\u30021",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "exa mple.com",
    "ex%61mple.com",
    "",
]
ODD = [
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "https://example.com:80/",
    "https://example.com:22/",
    "https://example.com:0/",
    "https://example.com:5432/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com#@127.0.0.1/",
    "//example.com/",
    "example.com",
    "",
    "https://exam\nple.com/",
    "https://example.com/\x00",
    "https://example.com/" + "x" * 2048,
    "https://[::1/",
]


@pytest_asyncio.fixture
async def inside() -> AsyncIterator[tuple[int, list[Receiver]]]:
    """Receivers on every address of this machine, at one port."""
    port = free_port()
    async with Receiver.open("0.0.0.0", port) as old, Receiver.open("::", port) as new:  # noqa: S104 - so that all are counted
        yield port, [old, new]


@pytest.mark.parametrize("host", LITERALS + NAMES)
def test_private_host_is_refused_when_it_is_given(host: str) -> None:
    for port in ("", ":8443"):
        with pytest.raises(ValidationFailed) as refused:
            read_target(f"https://{host}{port}/hook", WebhookKind.STANDARD, ())
        assert list(refused.value.fields) == ["url"]


@pytest.mark.parametrize("url", ODD)
def test_odd_address_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_target(url, WebhookKind.STANDARD, ())
    assert list(refused.value.fields) == ["url"]


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook?key=1", "https://example.com:8443/", "https://8.8.8.8/", "https://[2606:4700::1]/"],
)
def test_public_address_is_taken_as_it_is(url: str) -> None:
    assert read_target(url, WebhookKind.STANDARD, ()).url == url


def test_only_the_very_origins_that_the_operator_names_are_private_and_allowed() -> None:
    own = {("http", "10.0.0.7", 8080)}
    assert read_target("http://10.0.0.7:8080/hook", WebhookKind.STANDARD, own).url == "http://10.0.0.7:8080/hook"
    for url in (
        "https://10.0.0.7:8080/",
        "http://10.0.0.7/",
        "http://10.0.0.7:8081/",
        "http://10.0.0.8:8080/",
        "http://user@10.0.0.7:8080/",
    ):
        with pytest.raises(ValidationFailed):
            read_target(url, WebhookKind.STANDARD, own)


async def test_no_form_of_a_private_address_is_connected_to(inside: tuple[int, list[Receiver]]) -> None:
    port, receivers = inside
    inner = httpx.AsyncHTTPTransport(trust_env=False)
    async with httpx.AsyncClient(transport=GuardedTransport(ports=(port,), resolve=resolve, inner=inner)) as client:
        for host in LITERALS:
            with pytest.raises((AddressRefused, httpx.InvalidURL)):
                await client.post(f"https://{host}:{port}/")
    assert [receiver.connections for receiver in receivers] == [0, 0]


async def test_name_with_any_private_address_is_not_connected_to(inside: tuple[int, list[Receiver]]) -> None:
    port, receivers = inside
    for addresses in [[text] for text in PRIVATE] + [["8.8.8.8", "127.0.0.1"], ["::1", "2606:4700::1"]]:

        async def find(_host: str, _port: int, found: Sequence[str] = tuple(addresses)) -> Sequence[str]:
            return found

        inner = httpx.AsyncHTTPTransport(trust_env=False)
        async with httpx.AsyncClient(transport=GuardedTransport(ports=(port,), resolve=find, inner=inner)) as client:
            with pytest.raises(AddressRefused):
                await client.post(f"https://hooks.example:{port}/")
    assert [receiver.connections for receiver in receivers] == [0, 0]


async def test_name_that_changes_after_the_check_gains_nothing(inside: tuple[int, list[Receiver]]) -> None:
    port, receivers = inside
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])
    connected = []

    async def rebind(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    async def take(request: httpx.Request) -> httpx.Response:
        connected.append(request.url.host)
        return httpx.Response(204)

    guarded = GuardedTransport(ports=(port,), resolve=rebind, inner=httpx.MockTransport(take))
    async with httpx.AsyncClient(transport=guarded) as client:
        await client.post(f"https://hooks.example:{port}/")
        with pytest.raises(AddressRefused):
            await client.post(f"https://hooks.example:{port}/")
    assert connected == ["8.8.8.8"]
    assert [receiver.connections for receiver in receivers] == [0, 0]


async def test_post_refuses_what_it_may_not_reach_and_says_so() -> None:
    async with Receiver.open() as private:
        post = Post((), connections=1)
        answers = [await post.send(f"{private.url}/x", b"{}", {}), await post.send("https://127.1:8443/", b"{}", {})]
        unknown = await post.send("https://no-such-name.invalid/", b"{}", {})
        await post.close()
        assert [answer.error_code for answer in answers] == ["ADDRESS_REFUSED", "ADDRESS_REFUSED"]
        assert unknown.error_code == "NO_ANSWER"
        assert private.connections == 0
