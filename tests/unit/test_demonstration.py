"""The role switch shows only when every condition holds."""

import pytest

from masterplan import demonstration
from masterplan.settings import Settings

LOCAL = {"host": "127.0.0.1:8501"}


@pytest.fixture
def demo_on(monkeypatch):
    monkeypatch.setattr(demonstration, "settings", lambda: Settings(demo=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8501", "localhost", "localhost:9000", "LOCALHOST:1"])
def test_allowed_on_this_machine(demo_on, host):
    assert demonstration.is_allowed({"host": host}, provider_configured=False)


@pytest.mark.parametrize("host", [
    "", "example.org", "127.0.0.1.example.org", "localhost.example.org", "127.0.0.1:x", "10.0.0.1", "[::1]:8501",
])  # fmt: skip
def test_refused_for_another_host(demo_on, host):
    assert not demonstration.is_allowed({"host": host}, provider_configured=False)


@pytest.mark.parametrize("header", [
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
    "X-Forwarded-Server", "x-original-host", "cf-connecting-ip", "true-client-ip", "x-client-ip",
])  # fmt: skip
def test_refused_behind_a_proxy(demo_on, header):
    assert not demonstration.is_allowed(LOCAL | {header: "x"}, provider_configured=False)


def test_refused_once_a_provider_is_configured(demo_on):
    assert not demonstration.is_allowed(LOCAL, provider_configured=True)


def test_refused_without_the_setting(monkeypatch):
    monkeypatch.setattr(demonstration, "settings", lambda: Settings(demo=False))
    assert not demonstration.is_allowed(LOCAL, provider_configured=False)


@pytest.mark.parametrize("listener", ["0.0.0.0", "::", "192.168.1.5", "", "masterplan.example", None])
def test_refused_on_a_listener_that_others_reach_or_that_nobody_told_of(demo_on, monkeypatch, listener):
    """None: another program, such as uvicorn, opened the listener, and we do not know where."""
    monkeypatch.setattr(demonstration, "_listener", listener)
    assert not demonstration.is_allowed(LOCAL, provider_configured=False)
