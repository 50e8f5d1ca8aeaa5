"""The guarded way out: which addresses are public, and that the checked address is the one that is connected to."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from jobs.providers.guard import AddressRefused, GuardedTransport, is_public
from jobs.providers.wire import Wire, read_retry_after

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - it is refused here, not bound to
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fdaa::3",
    "fdaa:0:1::2",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]


class Sent(httpx.AsyncBaseTransport):
    """What would have gone out."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path == "/moved":
            return httpx.Response(302, headers={"Location": "https://elsewhere.example/song"})
        return httpx.Response(200, headers={"Content-Type": "audio/mpeg"}, stream=httpx.ByteStream(b"sound"))


def guarded(sent: Sent, *addresses: str) -> GuardedTransport:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return GuardedTransport(("http", "127.0.0.1", 9), resolve=resolve, inner=sent)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_address_is_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("addresses", [[text] for text in PRIVATE] + [["8.8.8.8", "10.0.0.1"], ["::1", "8.8.8.8"]])
async def test_name_with_any_private_address_opens_no_connection(addresses: list[str]) -> None:
    sent = Sent()
    async with httpx.AsyncClient(transport=guarded(sent, *addresses)) as client:
        with pytest.raises(AddressRefused):
            await client.get("https://song.example/")
    assert sent.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://song.example/",
        "https://song.example:8443/",
        "https://user:pass@song.example/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://api.internal/",
        "https://_api.internal./",
        "https://app.flycast/",
        "https://PRINTER.LOCAL/",
        "http://127.0.0.1:10/",
    ],
)
async def test_address_of_the_wrong_form_is_refused_before_it_is_resolved(url: str) -> None:
    sent = Sent()
    async with httpx.AsyncClient(transport=guarded(sent, "8.8.8.8")) as client:
        with pytest.raises(AddressRefused):
            await client.get(url)
    assert sent.requests == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
async def test_connection_goes_to_the_checked_address_with_the_name_kept(address: str) -> None:
    sent = Sent()
    async with httpx.AsyncClient(transport=guarded(sent, address)) as client:
        await client.get("https://song.example/a?b=c")
    (request,) = sent.requests
    assert request.url.host == address
    assert request.url.raw_path == b"/a?b=c"
    assert request.headers["host"] == "song.example"
    assert request.extensions["sni_hostname"] == "song.example"


async def test_literal_addresses_are_checked_as_names_are() -> None:
    sent = Sent()
    async with httpx.AsyncClient(transport=GuardedTransport(inner=sent)) as client:
        for host in ("127.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "[fdaa::3]"):
            with pytest.raises(AddressRefused):
                await client.get(f"https://{host}/")
        await client.get("https://8.8.8.8/")
    assert [request.url.host for request in sent.requests] == ["8.8.8.8"]


async def test_name_without_an_address_is_a_failed_connection() -> None:
    async with httpx.AsyncClient(transport=guarded(Sent())) as client:
        with pytest.raises(AddressRefused):
            await client.get("https://song.example/")


async def test_our_key_goes_to_the_vendors_own_file_hosts_alone(tmp_path: Path) -> None:
    sent = Sent()
    wire = Wire(
        "https://api.replicate.com",
        "Bearer r8_secret",
        token_hosts=("replicate.delivery",),
        files=guarded(sent, "8.8.8.8"),
    )
    for url in (
        "https://pbxt.replicate.delivery/a",
        "https://replicate.delivery/moved",
        "https://evilreplicate.delivery/a",
        "https://replicate.delivery.evil.example/a",
    ):
        await wire.copy(url, tmp_path / "song", lambda _done: None)
    assert (tmp_path / "song").read_bytes() == b"sound"
    with_key = [request.headers["host"] for request in sent.requests if "authorization" in request.headers]
    assert with_key == ["pbxt.replicate.delivery", "replicate.delivery"]
    assert len(sent.requests) == 5
    await wire.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.replicate.com.evil.example/",
        "http://api.replicate.com/",
        "https://api.replicate.com:444/",
        "https://u:p@api.replicate.com/",
        "https://",
        "nonsense",
    ],
)
async def test_addresses_that_only_look_like_the_vendors_are_not_its_own(url: str) -> None:
    wire = Wire("https://api.replicate.com", "Bearer r8_secret")
    assert wire.is_own("https://api.replicate.com/v1/predictions/1")
    assert not wire.is_own(url)
    with pytest.raises(httpx.UnsupportedProtocol):
        await wire.ask("GET", url)
    await wire.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17),
        ("0.5", 0.5),
        ("-3", 0),
        ("99999", 600),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        (None, None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_retry_after_is_read_in_every_form(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, "Wed, 21 Oct 2026 07:28:00 GMT") == seconds
