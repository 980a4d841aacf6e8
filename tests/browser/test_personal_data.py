"""Canaries in every personal field, and a search of everything that leaves the server or is written down.

Everything is recorded: what other people's browsers are sent (pages, scripts, tiles, websocket frames), what
programs are (`/ogc`, tiles, exports, errors), and the logs. The one place where an address is shown, a planner's
desk, is looked at last: there it must be found, which shows that the search finds.
"""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import text

from masterplan import demonstration
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.cluster import log_file
from masterplan.database import owner_transaction, transaction
from masterplan.origins import keyed_hash
from masterplan.pages.plain import plain
from masterplan.settings import PROJECT_ROOT
from proposals.filters import EVERYTHING, ProposalFilter
from proposals.routes import staff_export
from proposals.submitting import Submission, set_status, submit_many
from tests.browser.conftest import Server, choose, choose_role, map_of, start_server, wait_for

TYPED, IMPORTED, BY_HAND = "canar.tastat@exemplu.ro", "canar.importat@exemplu.ro", "canar.scris@exemplu.ro"
#: For documentation (RFC 5737): nobody has it.
ADDRESS = "198.51.100.77"
TITLE, LETTER = "Podul nu are trotuar", "Scrisoare despre zgomot"
PLANNER = Actor(Role.PLANNER, user="demo")


@dataclass
class Record:
    """Everything that was received, by where it came from."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, where: str, content: bytes | str) -> None:
        self.parts.append((where, content.encode() if isinstance(content, str) else content))

    def watch(self, page: Page) -> None:
        page.on("websocket", lambda ws: ws.on("framereceived", lambda payload: self.add("websocket", payload)))
        page.on("requestfinished", self._finished)

    def _finished(self, request) -> None:
        answer = request.response()
        if answer is not None and answer.status not in (101, 204, 304) and not 300 <= answer.status < 400:
            self.add(request.url, str(answer.all_headers()))
            self.add(request.url, answer.body())

    def hits(self, canary: str) -> list[str]:
        """Where a canary is found, also as Markdown, JSON, an address, HTML or base 64 would write it."""
        forms = {form.encode() for form in (canary, plain(canary), quote(canary), json.dumps(plain(canary))[1:-1],
                                            canary.replace("@", "&#64;"), canary.replace("@", "&#x40;"))}  # fmt: skip
        for shift in range(3):
            packed = base64.b64encode(b"\0" * shift + canary.encode())
            forms.add(packed[4 if shift else 0 : -4])
        return [where for where, content in self.parts if any(form in content for form in forms)]


class Proxy:
    """Passes connections on, and tells who was there first, as the stated proxy would."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=_pump, args=(server, caller), daemon=True).start()
        _pump(caller, server, lambda first: re.sub(
            rb"\r\n", f"\r\nX-Forwarded-For: 203.0.113.1, {ADDRESS}\r\n".encode(), first, count=1))  # fmt: skip

    def close(self) -> None:
        self.door.close()


def _pump(source: socket.socket, sink: socket.socket, first: Callable[[bytes], bytes] = bytes) -> None:
    """Copy until the source ends; the first piece is changed on the way."""
    change = first
    try:
        while piece := source.recv(65_536):
            sink.sendall(change(piece))
            change = bytes
    except OSError:
        pass
    finally:
        for end in (source, sink):
            end.close()


@pytest.fixture(scope="module")
def guarded(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes a proxy on this machine."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    process, running = start_server(database_name, log, MASTERPLAN_DEMO="1", MASTERPLAN_TRUSTED_PROXY="127.0.0.1")
    wait_for(running, process)
    yield running
    process.terminate()
    process.wait(20)


def submitted_through(browser: Browser, address: str) -> None:
    """An observation with an e-mail address, typed into the form by somebody behind the proxy."""
    with browser.new_context(viewport={"width": 1500, "height": 1000}) as context:
        page = context.new_page()
        page.goto(f"{address}/propune")
        field_of_points = page.get_by_role("textbox", name=re.compile("^Unde"))
        field_of_points.fill("47.1585, 27.6014")
        field_of_points.press("Control+Enter")
        choose(page, "Temă", "Mobilitate")
        page.get_by_role("textbox", name="Titlu").fill(TITLE)
        page.get_by_role("textbox", name=re.compile("^E-mail")).fill(TYPED)
        page.get_by_role("button", name="Trimite și vezi rezultatul").click()
        expect(page.get_by_text("Cum stă locul față de criterii")).to_be_visible()


def imported() -> str:
    """A letter that a planner entered: with an address, and another in the words about where it came from."""
    (outcome,) = submit_many([
        Submission(
            submission_key=uuid4(), kind="observation", theme="other", title=LETTER, description="Se aude din stradă.",
            geometry={"type": "Point", "coordinates": [27.59, 47.16]}, channel="letter",
            source_event=f"Scrisoarea nr. 7 ({BY_HAND})", email=IMPORTED,
        )
    ], PLANNER)  # fmt: skip
    return outcome.receipt


def stored() -> dict[str, object]:
    with transaction(SYSTEM) as connection:
        row = connection.execute(text(
            "SELECT p.receipt, p.session, p.submission_key::text AS key, c.email, c.consent_version FROM"
            " masterplan.proposal p JOIN masterplan.contact c ON c.proposal_id = p.id WHERE p.title = :title"
        ), {"title": TITLE}).one()  # fmt: skip
    with owner_transaction() as connection:
        origins = connection.scalars(text("SELECT whose FROM masterplan.submission_mark WHERE kind = 'origin'")).all()
    return row._asdict() | {"origins": origins}


def ask(record: Record, url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            record.add(url, str(answer.headers))
            record.add(url, answer.read())
    except urllib.error.HTTPError as error:
        record.add(url, error.read())


#: What programs ask: the public parts, and mistakes of several kinds.
ASKED = (
    "/healthz", "/ogc/", "/ogc/api", "/ogc/collections", "/ogc/collections/proposals",
    "/ogc/collections/proposals/queryables", "/ogc/collections/proposals/items?limit=100",
    "/ogc/collections/proposals/items?f=csv", "/ogc/collections/proposals/items?f=geojsonseq",
    "/ogc/collections/proposals/items?f=html", "/ogc/collections/proposals/items?sortby=email",
    "/ogc/collections/proposals/items?filter=email%20LIKE%20%27%25%27",
    "/ogc/collections/proposals/items?filter=session%20IS%20NOT%20NULL", "/ogc/collections/contact/items",
    "/ogc/collections/proposals/items/none", "/ogc/collections/proposals/tiles/WebMercatorQuad/10/590/359",
    *(f"/tiles/proposals/{z}/{x}/{y}.mvt" for z, x, y in (
        (8, 147, 89), (9, 295, 179), (10, 590, 359), (12, 2362, 1437), (14, 9449, 5750), (15, 18898, 11501))),
    "/tiles/proposals/99/1/1.mvt", "/staff/export?t=x", "/staff/tiles/1/1/1.mvt", "/nimic", "/staff/nimic",
)  # fmt: skip


def look_around(page: Page, address: str, receipts: list[str]) -> None:
    """As anybody may: every page, the register with what was submitted open, in both languages."""
    page.goto(address)
    map_of(page)
    for path in ("propune", "registru", "criterii", "analiza", "despre", "nimic"):
        page.goto(f"{address}/{path}")
        expect(page.get_by_text("MasterPlanul Metropolitan are caracter")).to_be_visible()
    for receipt in receipts:
        for language, last_part in (
            ("ro", "Cum stă locul față de criterii"),
            ("en", "How the place stands against the criteria"),
        ):
            page.goto(f"{address}/registru?cod={receipt}&lang={language}")
            expect(page.get_by_text(last_part, exact=True)).to_be_visible()


def work_at_the_desk(page: Page, address: str) -> None:
    """As a planner who opens no single submission: the table, the queue and the sessions."""
    page.goto(f"{address}/analiza?lang=ro")
    choose_role(page, "planificator")
    expect(page.get_by_text("Găsite: 2")).to_be_visible()
    page.get_by_role("radio", name="De moderat").click()
    expect(page.get_by_text(TITLE).first).to_be_visible()
    page.get_by_role("radio", name="Sesiuni de consultare").click()
    expect(page.get_by_role("button", name="Deschide sesiunea")).to_be_visible()


def exports(record: Record, server: Server, tmp_path) -> None:
    session = "e" * 32
    demonstration.play(session, Role.PLANNER)
    for wanted in (EVERYTHING, ProposalFilter(statuses=("submitted",))):
        ask(record, server.address + staff_export(session, "demo", wanted, "ro"))
    file = tmp_path / "export.geojson"
    cli = [sys.executable, "cli.py"]
    for command in (["proposals", "export", "--output", str(file)], ["worker", "--until-idle"], ["db", "status"]):
        done = subprocess.run([*cli, *command], cwd=PROJECT_ROOT, env=os.environ.copy(), capture_output=True)
        record.add("command " + command[0], done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
    record.add("export of the command line", file.read_bytes())
    assert LETTER.encode() in file.read_bytes(), "the export holds what was submitted"


def test_personal_data_is_nowhere_but_at_the_planners_desk(browser: Browser, guarded: Server, tmp_path):
    log_began = log_file().stat().st_size
    proxy = Proxy(guarded.port)
    through_the_proxy = f"http://127.0.0.1:{proxy.port}"
    submitted_through(browser, through_the_proxy)
    letter = imported()
    facts = stored()
    assert (facts["email"], facts["consent_version"]) == (TYPED, "2026-11")
    origin = keyed_hash(ip_network(f"{ADDRESS}/32"))
    assert facts["origins"] == [origin], "the last address before the stated proxy, and only its hash"

    record = Record()
    receipts = [str(facts["receipt"]), letter]
    with browser.new_context(viewport={"width": 1500, "height": 1000}) as context:
        page = context.new_page()
        record.watch(page)
        work_at_the_desk(page, guarded.address)
    set_status([letter], "published", PLANNER)
    with browser.new_context(viewport={"width": 1500, "height": 1000}) as context:
        page = context.new_page()
        record.watch(page)
        look_around(page, through_the_proxy, receipts)
    for path in ASKED:
        ask(record, guarded.address + path)
    exports(record, guarded, tmp_path)
    record.add("log of the server", guarded.log.read_bytes())
    record.add("log of PostgreSQL", log_file().read_bytes()[log_began:])
    proxy.close()

    assert len(record.parts) > 100 and record.hits(LETTER), "what is public was recorded"
    websockets = Record([part for part in record.parts if part[0] == "websocket"])
    assert websockets.hits(TITLE), "websocket frames are readable here"
    for canary in (TYPED, IMPORTED, BY_HAND, ADDRESS, origin, str(facts["session"]), str(facts["key"])):
        assert record.hits(canary) == [], canary

    at_the_desk = Record()
    with browser.new_context(viewport={"width": 1500, "height": 1000}) as context:
        page = context.new_page()
        at_the_desk.watch(page)
        page.goto(f"{guarded.address}/analiza")
        choose_role(page, "planificator")
        page.goto(f"{guarded.address}/analiza?cod={facts['receipt']}")
        choose_role(page, "planificator")
        expect(page.get_by_text(TYPED)).to_be_visible()
    assert at_the_desk.hits(TYPED), "the search finds what is there"
