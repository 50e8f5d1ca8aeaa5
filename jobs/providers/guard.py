"""The way out to addresses that others name: public ones only, checked when they are connected to, without redirects.

A name is resolved here, every address of it must be public, and the connection goes to that very address, so that a
name which changes between the check and the connection gains nothing. Python's `is_global` alone is no such check: it
lets multicast and addresses that carry an IPv4 address inside (mapped, compatible, 6to4, NAT64, Teredo) pass.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import cache

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Origin = tuple[str, str, int]  # scheme, host, port
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

RESOLVE_SECONDS = 5.0
PORTS = {"https": 443, "http": 80}
INNER_NAMES = (".internal", ".flycast", ".local", ".localhost", ".home.arpa")
REFUSED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.88.99.0/24",  # 6to4 relays
        "fec0::/10",  # site-local of old
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "100::/64",  # discard
        "64:ff9b:1::/48",  # NAT64 of a network's own
        "::/96",  # IPv4 inside of IPv6, as it was written long ago
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(httpx.TransportError):
    """The address is not one on the public internet."""


@cache
def make_tls() -> ssl.SSLContext:
    """What to trust; it takes 40 ms, so there is one for all clients."""
    return httpx.create_ssl_context(trust_env=False)


def is_public(address: Address) -> bool:
    """Whether this is an address of the public internet, and so is every address that it carries inside."""
    if not isinstance(address, ipaddress.IPv6Address):
        return _is_plain(address)
    if address in NAT64:  # how a network without IPv4 reaches the rest of the world
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return _is_plain(address) and all(is_public(inner) for inner in _carried_by(address))


def _is_plain(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in REFUSED_NETWORKS if network.version == address.version)


def _carried_by(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    return [inner for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if inner is not None]


def find_fault(url: httpx.URL, ports: Collection[int] = (PORTS["https"],)) -> str | None:
    """Why an address is refused before its name is looked up; None when only that can tell."""
    if url.scheme != "https" or origin_of(url)[2] not in ports or url.userinfo:
        named = " or ".join(map(str, ports))
        return f"Only plain https:// addresses on port {named} are connected to"
    name = url.host.rstrip(".").lower()
    if name.endswith(INNER_NAMES) or not {".", ":"} & set(name) or "%" in name:
        return "The host is a name of a private network"
    address = _read_literal(name)
    if address is not None and not is_public(address):
        return "The host has an address outside of the public internet"
    return None


def _read_literal(host: str) -> Address | None:
    """The address that a host is, in any of the forms that a resolver takes for one, such as 127.1 and 0x7f.1."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # a name, which may hold what is not ASCII
        return None


def origin_of(url: httpx.URL) -> Origin:
    """Scheme, host and port of a URL."""
    return url.scheme, url.host, PORTS.get(url.scheme, 0) if url.port is None else url.port


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to public addresses by HTTPS, and to origins of the operator's own choice whatever those are."""

    def __init__(
        self,
        *own: Origin,
        ports: Collection[int] = (PORTS["https"],),
        resolve: Resolve = resolve,
        inner: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._own = frozenset(own)
        self._ports = ports
        self._resolve = resolve
        # A kept connection would be shared by every host behind one address, whosever certificate it was opened with.
        self._inner = inner or httpx.AsyncHTTPTransport(
            verify=make_tls(), trust_env=False, limits=httpx.Limits(max_connections=20, max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Refuse, or send to the address that was checked."""
        if origin_of(request.url) not in self._own:
            request = await self._pin(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _pin(self, request: httpx.Request) -> httpx.Request:
        url = request.url
        if fault := find_fault(url, self._ports):
            raise AddressRefused(fault, request=request)
        return httpx.Request(
            request.method,
            url.copy_with(host=await self._find_public(url.host, request)),
            headers=request.headers,  # the Host of the name, not of the address
            stream=request.stream,
            extensions=request.extensions | {"sni_hostname": url.host},
        )

    async def _find_public(self, host: str, request: httpx.Request) -> str:
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await self._resolve(host, PORTS["https"])
            addresses = [ipaddress.ip_address(text) for text in found]
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise httpx.ConnectError("The host has no address", request=request) from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise AddressRefused("The host has an address outside of the public internet", request=request)
        return str(addresses[0])
