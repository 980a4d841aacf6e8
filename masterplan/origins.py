"""Where a request comes from, as a keyed hash: enough to count by, too little to find a person.

An origin is known only when the request came through a proxy that the installation states
(`MASTERPLAN_TRUSTED_PROXY`); whoever else writes X-Forwarded-For is not believed. Addresses are
neither stored nor logged: pages see the hash, in a header that only `OriginStamp` sets.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from masterplan.errors import ConfigurationError
from masterplan.language import N_
from masterplan.secrets import secret
from masterplan.settings import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Carries the hash from the door to the pages; what a browser sends under this name is dropped.
ORIGIN_HEADER = "x-masterplan-origin"
#: A subscriber of IPv6 holds at least such a network, and changes addresses within it at will.
IPV6_PREFIX = 64

NOT_A_PROXY = N_(
    "MASTERPLAN_TRUSTED_PROXY names “{name}”, which is neither an address nor a network (10.0.0.0/8); several are"
    " separated by commas."
)


@cache
def trusted_proxies() -> tuple[Network, ...]:
    """The networks whose X-Forwarded-For is believed.

    Raises
    ------
    ConfigurationError
        When the setting names what is no address and no network.
    """
    names = [name.strip() for name in settings().trusted_proxy.split(",") if name.strip()]
    return tuple(map(_network, names))


def _network(name: str) -> Network:
    try:
        return ip_network(name)
    except ValueError as wrong:
        raise ConfigurationError(NOT_A_PROXY, name=name) from wrong


def origin_of(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> Network | None:
    """The network that a request came from: an IPv4 address or an IPv6 /64; None when it is not known.

    `peer` is who is connected, `forwarded_for` the X-Forwarded-For headers in their order. Each proxy
    adds whom it was called by, so the last address that is no trusted proxy is the one to count.
    """
    address = _address(peer)
    if address is None or not _is_trusted(address, trusted):
        return None
    for entry in reversed(",".join(forwarded_for).split(",")):
        address = _address(entry)
        if address is None:
            return None
        if not _is_trusted(address, trusted):
            return _counted_network(address)
    return None


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _address(written: str) -> Address | None:
    """An address, also with a port behind it, or an IPv4 address written as IPv6."""
    name = written.strip()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _counted_network(address: Address) -> Network:
    return ip_network(f"{address}/{32 if address.version == 4 else IPV6_PREFIX}", strict=False)


def keyed_hash(network: Network) -> str:
    """Names a network without telling it: nobody without this installation's key can find it by trying."""
    key = secret("origin_key").encode()
    return hmac.new(key, str(network).encode(), hashlib.sha256).hexdigest()


class OriginStamp:
    """Writes the origin of each request into `ORIGIN_HEADER`, empty when it is not known.

    From a trusted proxy it also takes whether the visitor speaks https.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = _stamped(scope)
        await self.app(scope, receive, send)


def _stamped(scope: Scope) -> Scope:
    name = ORIGIN_HEADER.encode()
    headers = Headers(scope=scope)
    peer = scope["client"][0] if scope.get("client") else ""
    network = origin_of(peer, headers.getlist("x-forwarded-for"), trusted_proxies())
    kept = [pair for pair in scope["headers"] if pair[0] != name]
    stamped = {**scope, "headers": [*kept, (name, keyed_hash(network).encode() if network else b"")]}
    told = headers.get("x-forwarded-proto", "")
    address = _address(peer)
    if told in ("http", "https") and address is not None and _is_trusted(address, trusted_proxies()):
        stamped["scheme"] = told.replace("http", "ws") if scope["type"] == "websocket" else told
    return stamped
