"""Signing in through a real certified provider, in a real browser: `oidc-provider` on loopback."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from masterplan import accounts
from masterplan.accounts import DISABLED, SESSION_ENDED, TOKEN_EXPIRED
from masterplan.actors import SYSTEM, Role
from masterplan.database import transaction
from masterplan.language import translator
from masterplan.pages import sign_in
from masterplan.settings import PROJECT_ROOT
from masterplan.sign_in import AWAY, FAILED
from tests.browser.conftest import Server, Watched, free_port, start_server, wait_for

pytestmark = pytest.mark.browser

MIROSLAVA = "97919"
_ = translator("ro")
CLIENT = {
    "MASTERPLAN_SIGN_IN_CLIENT_ID": "masterplan",
    "MASTERPLAN_SIGN_IN_CLIENT_SECRET": "a secret of the tests, shared by both",
}


@dataclass
class Provider:
    """The provider's process; `behave` changes what its next tokens are like."""

    port: int
    callback: str
    log: Path
    process: subprocess.Popen | None = None

    def start(self) -> None:
        node = shutil.which("node") or str(PROJECT_ROOT / ".venv" / "bin" / "node")
        modules = str(PROJECT_ROOT / "node_modules")
        program = [node, "tests/browser/provider.mjs", str(self.port), self.callback, modules]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(program, cwd=PROJECT_ROOT, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/.well-known/openid-configuration", timeout=2)
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        pytest.fail(self.log.read_text())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def behave(self, **ways: object) -> None:
        address = f"http://127.0.0.1:{self.port}/behave"
        urllib.request.urlopen(urllib.request.Request(address, json.dumps(ways).encode(), method="POST"), timeout=5)


@pytest.fixture(scope="module")
def application(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Provider]]:
    folder = tmp_path_factory.mktemp("sign_in")
    port = free_port()
    provider = Provider(free_port(), f"http://127.0.0.1:{port}/oauth2callback", folder / "provider.log")
    provider.start()
    process, server = start_server(
        database_name, folder / "server.log", **CLIENT, PORT=str(port), MASTERPLAN_DEMO="1",
        MASTERPLAN_SIGN_IN_ADDRESS=f"http://127.0.0.1:{port}",
        MASTERPLAN_SIGN_IN_METADATA_URL=f"http://127.0.0.1:{provider.port}/.well-known/openid-configuration",
    )  # fmt: skip
    server.port = port
    wait_for(server, process)
    yield server, provider
    process.terminate()
    process.wait(20)
    provider.stop()


@pytest.fixture
def server(application: tuple[Server, Provider]) -> Server:
    return application[0]


@pytest.fixture
def provider(application: tuple[Server, Provider]) -> Iterator[Provider]:
    yield application[1]
    application[1].behave(idTokenTtl=3600, tokens="good", verified=True)


def open_page(page: Page, server: Server, path: str = "/despre") -> None:
    page.goto(server.address + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def press_sign_in(page: Page) -> None:
    page.get_by_role("button", name=_("Sign in"), exact=True).click()


def sign_in_as(page: Page, server: Server, login: str) -> None:
    open_page(page, server)
    press_sign_in(page)
    page.get_by_label("Login").fill(login)
    page.get_by_role("button", name="Continue").click()


def expect_signed_in(page: Page, login: str, role: Role) -> None:
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text(f"Persoana {login}")).to_be_visible()
    expect(sidebar.get_by_text(_("Role: {role}").format(role=_(sign_in.ROLE_NAMES[role])))).to_be_visible()
    expect(sidebar.get_by_role("button", name=_("Sign out"))).to_be_visible()


def said(page: Page, msgid: str) -> None:
    expect(page.get_by_text(_(msgid)).first).to_be_visible()


def test_first_sign_in_makes_an_account_without_a_role(page: Page, server: Server, provider: Provider) -> None:
    sign_in_as(page, server, "ana")
    expect_signed_in(page, "ana", Role.STAKEHOLDER)
    expect(page.get_by_test_id("stSidebar").get_by_text(re.compile(r"ana\W*@\W*example\W*org"))).to_be_visible()
    (ana,) = [account for account in accounts.everyone(SYSTEM) if account.email == "ana@example.org"]
    assert (ana.role, ana.issuer) == ("stakeholder", f"http://127.0.0.1:{provider.port}")
    page.goto(server.address + "/analiza")
    said(page, "Here planners filter, judge and publish what came in. What is public is in the register.")
    expect(page.get_by_test_id("stSidebar").get_by_text(_("Demonstration"))).to_have_count(0)


def test_who_returns_is_still_signed_in_and_sees_their_uats(page: Page, server: Server, provider: Provider) -> None:
    accounts.grant("mayor@example.org", Role.UAT, (MIROSLAVA,), SYSTEM)
    sign_in_as(page, server, "mayor")
    expect_signed_in(page, "mayor", Role.UAT)
    expect(page.get_by_test_id("stSidebar").get_by_text("Miroslava")).to_be_visible()
    page.close()
    again = page.context.new_page()
    open_page(again, server)
    expect_signed_in(again, "mayor", Role.UAT)


def test_an_invitation_does_not_bind_to_an_unverified_address(page: Page, server: Server, provider: Provider) -> None:
    accounts.grant("boss@example.org", Role.ADMINISTRATOR, (), SYSTEM)
    provider.behave(verified=False)
    sign_in_as(page, server, "boss")
    expect_signed_in(page, "boss", Role.STAKEHOLDER)


def test_who_is_demoted_or_disabled_is_refused_at_the_next_action(
    page: Page, server: Server, provider: Provider
) -> None:
    accounts.grant("dan@example.org", Role.PLANNER, (), SYSTEM)
    sign_in_as(page, server, "dan")
    expect_signed_in(page, "dan", Role.PLANNER)
    page.get_by_role("link", name=_("Analysis and decision")).click()
    said(page, "Nothing has come in yet. What is submitted on the map, or by import, appears here at once.")
    accounts.revoke("dan@example.org", SYSTEM)
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_text("Your role changed meanwhile: you act as stakeholder now.")).to_be_visible()
    expect(page.get_by_text("Here planners filter, judge and publish what came in.")).to_be_visible()
    accounts.disable("dan@example.org", SYSTEM)
    page.get_by_role("link", name="Register", exact=True).click()
    expect(page.get_by_text(translator("en")(DISABLED))).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_a_cookie_copied_before_signing_out_is_refused(
    page: Page, server: Server, provider: Provider, browser: Browser, watched: Watched
) -> None:
    sign_in_as(page, server, "eva")
    expect_signed_in(page, "eva", Role.STAKEHOLDER)
    copied = page.context.cookies()
    page.get_by_role("button", name=_("Sign out")).click()
    page.get_by_role("button", name="Yes, sign me out").click()
    expect(page.get_by_role("button", name=_("Sign in"), exact=True)).to_be_visible()
    thief = browser.new_context()
    thief.add_cookies(copied)
    stolen = thief.new_page()
    watched.watch(stolen)
    open_page(stolen, server)
    said(stolen, SESSION_ENDED)
    expect(stolen.get_by_text("Persoana eva")).to_have_count(0)
    thief.close()
    sign_in_as(page, server, "eva")
    expect_signed_in(page, "eva", Role.STAKEHOLDER)


def test_an_expired_token_opens_no_session(page: Page, server: Server, provider: Provider) -> None:
    provider.behave(idTokenTtl=6)
    sign_in_as(page, server, "ion")
    # Signed in, or so late already that the token has expired meanwhile.
    expired = page.get_by_text(_(TOKEN_EXPIRED))
    expect(page.get_by_text("Persoana ion").or_(expired).first).to_be_visible()
    assert "ion@example.org" in {account.email for account in accounts.everyone(SYSTEM)}
    deadline = time.monotonic() + 60
    while expired.count() == 0 and time.monotonic() < deadline:
        page.wait_for_timeout(500)
        open_page(page, server)
    said(page, TOKEN_EXPIRED)
    expect(page.get_by_text("Persoana ion")).to_have_count(0)
    provider.behave(idTokenTtl=3600)
    page.get_by_role("button", name=_("Sign in again")).click()
    page.get_by_role("button", name="Yes, sign me out").click()
    sign_in_as(page, server, "ion")
    expect_signed_in(page, "ion", Role.STAKEHOLDER)


@pytest.mark.parametrize("forgery", ["tampered", "unsigned"])
def test_a_forged_token_signs_nobody_in(page: Page, server: Server, provider: Provider, forgery: str) -> None:
    accounts.grant("chief@example.org", Role.ADMINISTRATOR, (), SYSTEM)
    provider.behave(tokens=forgery)
    sign_in_as(page, server, "eve")
    said(page, sign_in._OUTCOMES[FAILED])
    expect(page.get_by_role("button", name=_("Sign in"), exact=True)).to_be_visible()
    with transaction(SYSTEM) as connection:
        made = connection.scalar(text("SELECT count(*) FROM masterplan.account WHERE subject IN ('forged', 'eve')"))
    assert made == 0
    assert "chief@example.org" in {a.email for a in accounts.everyone(SYSTEM) if a.state == "invited"}


def test_a_cookie_of_ones_own_making_signs_nobody_in(page: Page, server: Server, provider: Provider) -> None:
    forged = json.dumps({"iss": "x", "sub": "y", "is_logged_in": True, "origin": server.address})
    for value in (forged, "2|1:0|10:1800000000|15:_streamlit_user|4:e30=|" + "0" * 64, "x" * 3000):
        page.context.add_cookies([{"name": "_streamlit_user", "value": value.replace(";", ""), "url": server.address}])
        open_page(page, server)
        expect(page.get_by_role("button", name=_("Sign in"), exact=True)).to_be_visible()


def test_who_says_no_at_the_provider_is_told_so(page: Page, server: Server, provider: Provider) -> None:
    open_page(page, server)
    press_sign_in(page)
    page.get_by_role("button", name="Cancel").click()
    said(page, sign_in._OUTCOMES[FAILED])


def test_a_provider_that_is_away_is_said_and_breaks_nothing_else(
    page: Page, database_name: str, tmp_path: Path
) -> None:
    port = free_port()
    process, server = start_server(
        database_name, tmp_path / "server.log", **CLIENT, PORT=str(port),
        MASTERPLAN_SIGN_IN_ADDRESS=f"http://127.0.0.1:{port}",
        MASTERPLAN_SIGN_IN_METADATA_URL=f"http://127.0.0.1:{free_port()}/.well-known/openid-configuration",
    )  # fmt: skip
    server.port = port
    try:
        wait_for(server, process)
        open_page(page, server)
        press_sign_in(page)
        said(page, sign_in._OUTCOMES[AWAY])
        open_page(page, server, "/registru")
    finally:
        process.terminate()
        process.wait(20)


def test_a_half_configured_sign_in_is_said_at_the_start(database_name: str, tmp_path: Path) -> None:
    process, server = start_server(database_name, tmp_path / "server.log", **CLIENT)
    assert process.wait(60) != 0
    assert "MASTERPLAN_SIGN_IN_METADATA_URL" in server.log.read_text()
