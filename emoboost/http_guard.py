"""Which machines a recording may be fetched from by HTTP.

A manifest from elsewhere must not make this machine ask itself, its neighbours on the link, or a cloud's metadata
service, which hands out credentials to whoever asks from here. What counts is the address that a connection goes to: a
name may resolve to anything, to another address the second time, and a server may redirect.
"""

import ipaddress
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            *("fd00:ec2::/32", "fd20:ce::/32", "fd00:c1::a9fe:a9fe/128", "fd00:42::42/128"),
            *("100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
        ),
    )
)
"""Metadata services that are not link-local: by IPv6 of Amazon, Google, Oracle and Scaleway, then of Alibaba, Azure and
Oracle."""
TRANSLATED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
"""IPv6 addresses whose last 32 bits are the IPv4 address that a gateway connects to."""


class RefusedAddressError(OSError):
    """A connection to an address that recordings may not come from."""

    def __init__(self) -> None:
        # The same words for every address: aiohttp passes on one of several equal errors as it is.
        super().__init__("it leads to this machine, its own link or a cloud's metadata service")


def is_refused(text: str) -> bool:
    """Whether recordings may not come from an address.

    >>> [is_refused(text) for text in ("127.0.0.1", "::ffff:169.254.169.254", "192.0.2.7")]
    [True, True, False]

    Args:
        text: IPv4 or IPv6, with or without a zone (`fe80::1%eth0`).
    """
    return any(_is_near(address) for address in _meant(ipaddress.ip_address(text)))


def refusal_in(error: BaseException | None) -> RefusedAddressError | None:
    """The refusal that an error of aiohttp or fsspec stands for, if it does."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, RefusedAddressError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


async def guarded_client(**options: Any) -> "aiohttp.ClientSession":
    """A session for fsspec's HTTP file system that connects to no refused address."""
    import aiohttp

    # aiohttp asks for a socket with the address at hand, for names, for literals and after every redirect.
    return aiohttp.ClientSession(**{**options, "connector": aiohttp.TCPConnector(socket_factory=_socket_to)})


def _socket_to(address: Any) -> socket.socket:
    family, kind, protocol, _, (host, *_) = address
    if is_refused(host):
        raise RefusedAddressError
    return socket.socket(family, kind, protocol)


def _meant(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 address that packets to it may end at."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo
        yield from (each for each in (address.ipv4_mapped, address.sixtofour, teredo and teredo[1]) if each)
        if any(address in network for network in TRANSLATED):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _is_near(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or (address.version == 4 and int(address) >> 24 == 0)
        or any(address.version == network.version and address in network for network in METADATA)
    )
