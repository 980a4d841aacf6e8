"""Where a request comes from: believed from the stated proxy only, and kept as a keyed hash."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from masterplan import origins
from masterplan.errors import ConfigurationError
from masterplan.origins import ORIGIN_HEADER, OriginStamp, keyed_hash, origin_of, trusted_proxies
from masterplan.settings import settings

PROXIES = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(("peer", "forwarded", "origin"), [
    ("127.0.0.1", ["203.0.113.7"], "203.0.113.7/32"),
    ("10.1.2.3", ["203.0.113.7, 10.9.9.9"], "203.0.113.7/32"),
    # What a visitor writes stands before what the proxy adds.
    ("127.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7/32"),
    ("127.0.0.1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7/32"),
    ("127.0.0.1", ["203.0.113.7:51234"], "203.0.113.7/32"),
    ("127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7/32"),
    # All of a subscriber's addresses are one origin.
    ("127.0.0.1", ["2001:db8:1:2:aaaa::1"], "2001:db8:1:2::/64"),
    ("127.0.0.1", ["2001:db8:1:2:ffff:ffff:ffff:ffff"], "2001:db8:1:2::/64"),
    ("fd00::1", ["[2001:db8:1:3::5]:443"], "2001:db8:1:3::/64"),
    # Not through a stated proxy, or nothing to go by.
    ("203.0.113.9", ["198.51.100.1"], None),
    ("203.0.113.9", [], None),
    ("127.0.0.1", [], None),
    ("127.0.0.1", [""], None),
    ("127.0.0.1", ["unknown"], None),
    ("127.0.0.1", ["203.0.113.7, not an address"], None),
    ("127.0.0.1", ["10.0.0.1"], None),
    ("", ["203.0.113.7"], None),
])  # fmt: skip
def test_the_origin_is_the_last_address_that_is_no_stated_proxy(peer, forwarded, origin):
    found = origin_of(peer, forwarded, PROXIES)
    assert found == (ip_network(origin) if origin else None)


def test_nobody_is_believed_unless_stated():
    assert origin_of("127.0.0.1", ["203.0.113.7"], ()) is None


@pytest.fixture
def proxy(monkeypatch, request):
    monkeypatch.setenv("MASTERPLAN_TRUSTED_PROXY", request.param)
    settings.cache_clear()
    trusted_proxies.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
    trusted_proxies.cache_clear()


@pytest.mark.parametrize("proxy", ["127.0.0.1, 10.0.0.0/8,fd00::/8"], indirect=True)
def test_the_setting_names_addresses_and_networks(proxy):
    assert trusted_proxies() == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("proxy", ["nginx.local"], indirect=True)
def test_a_wrong_setting_is_said(proxy):
    with pytest.raises(ConfigurationError, match="nginx.local"):
        trusted_proxies()


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setattr(origins, "secret", lambda name: {"origin_key": "k1"}[name])


def test_a_hash_tells_no_address_to_who_lacks_the_key(key, monkeypatch):
    first = keyed_hash(ip_network("203.0.113.7/32"))
    assert first == keyed_hash(ip_network("203.0.113.7/32")) != keyed_hash(ip_network("203.0.113.8/32"))
    plain = hashlib.sha256(b"203.0.113.7/32").hexdigest()
    assert first != plain and "203.0.113.7" not in first
    monkeypatch.setattr(origins, "secret", lambda _: "k2")
    assert keyed_hash(ip_network("203.0.113.7/32")) != first


def stamped(kind: str, peer: str, *headers: tuple[bytes, bytes]) -> dict:
    seen = {}

    async def app(scope, receive, send):
        seen.update(scope)

    scheme = "ws" if kind == "websocket" else "http"
    scope = {"type": kind, "client": (peer, 5), "headers": list(headers), "scheme": scheme}
    # In a thread of its own: a browser test run before it in this process leaves an event loop running.
    with ThreadPoolExecutor(1) as alone:
        alone.submit(asyncio.run, OriginStamp(app)(scope, None, None)).result()
    return seen


def origin_in(scope: dict) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == ORIGIN_HEADER.encode()]


@pytest.mark.parametrize("proxy", ["127.0.0.1"], indirect=True)
@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
def test_the_stamp_is_ours_alone(proxy, key, kind, scheme):
    forged = (ORIGIN_HEADER.encode(), b"forged")
    forwarded = (b"x-forwarded-for", b"203.0.113.7")
    through = stamped(kind, "127.0.0.1", forged, forwarded, (b"x-forwarded-proto", b"https"))
    assert origin_in(through) == [keyed_hash(ip_network("203.0.113.7/32")).encode()]
    assert through["scheme"] == scheme
    past = stamped(kind, "203.0.113.9", forged, forwarded, (b"x-forwarded-proto", b"https"))
    assert origin_in(past) == [b""], "who comes past the proxy cannot choose an origin"
    assert past["scheme"] in ("http", "ws")
