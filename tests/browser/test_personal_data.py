"""Canaries in every personal field, and a search of everything that leaves the server or is written down.

Everything is recorded that other people are sent (pages, websocket frames, tiles), that programs are (`/ogc`, tiles,
exports, errors), and the logs. What a browser is sent travels over HTTP and one websocket: a program speaks both here
as the browser does, and keeps every byte. Where personal data is shown, to the team and to the person themselves, is
looked at last: there it must be found, which shows that the search finds.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from urllib.parse import quote
from uuid import uuid4

import pytest
from sqlalchemy import text
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value, generate_xsrf_token_string

from masterplan import accounts
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.cluster import log_file
from masterplan.database import owner_transaction, transaction
from masterplan.origins import keyed_hash
from masterplan.pages.plain import plain
from masterplan.secrets import secret
from masterplan.settings import PROJECT_ROOT
from proposals import consultations
from proposals.filters import EVERYTHING, ProposalFilter
from proposals.routes import staff_export
from proposals.submitting import Submission, set_status, submit, submit_many
from tests.browser.conftest import Server, free_port, start_server, wait_for
from tests.browser.page_client import PageClient, page_client

TYPED, IMPORTED, BY_HAND = "canar.tastat@exemplu.ro", "canar.importat@exemplu.ro", "canar.scris@exemplu.ro"
#: For documentation (RFC 5737): nobody has it.
ADDRESS = "198.51.100.77"
TITLE, LETTER, SIGNED_IN = "Podul nu are trotuar", "Scrisoare despre zgomot", "Parcul are nevoie de umbră"
INVITED = "canar.invitat@exemplu.ro"
ISSUER = "https://canar.emitent.exemplu.ro"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, as the provider would vouch for them."""

    email: str
    name: str
    subject: str
    issuer: str = "https://conturi.exemplu.ro"

    def claims(self, **otherwise: object) -> dict[str, object]:
        now = int(time.time())
        return {
            "iss": self.issuer, "sub": self.subject, "email": self.email, "email_verified": True, "name": self.name,
            "iat": now - 1, "exp": now + 3600, "is_logged_in": True,
        } | otherwise  # fmt: skip

    @property
    def personal(self) -> tuple[str, ...]:
        return (self.email, self.name, self.subject)


ANA = Person("canar.cont@exemplu.ro", "Canara Numescu", "canar-subiect-4711", ISSUER)
#: Has published, and opened a session: what staff do leaves traces too.
STAFF = Person("canar.planificator@exemplu.ro", "Canarian Planuitu", "canar-subiect-4712", ISSUER)
PLANNER = Person("planificator@exemplu.ro", "Alt Planificator", "subiect-1")
ADMINISTRATOR = Person("administrator@exemplu.ro", "Un Administrator", "subiect-2")
NEIGHBOUR = Person("vecin@exemplu.ro", "Un Vecin", "subiect-3")


# -- what is recorded ------------------------------------------------------------------------


@dataclass
class Record:
    """Everything that was received, by where it came from."""

    parts: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, where: str, content: bytes | str) -> None:
        self.parts.append((where, content.encode() if isinstance(content, str) else content))

    def hits(self, canary: str) -> list[str]:
        """Where a canary is found, also as Markdown, JSON, an address, HTML or base 64 would write it."""
        forms = {form.encode() for form in (canary, plain(canary), quote(canary), json.dumps(plain(canary))[1:-1],
                                            canary.replace("@", "&#64;"), canary.replace("@", "&#x40;"))}  # fmt: skip
        for shift in range(3):
            packed = base64.b64encode(b"\0" * shift + canary.encode())
            forms.add(packed[4 if shift else 0 : -4])
        return [where for where, content in self.parts if any(form in content for form in forms)]


@dataclass
class Somebody:
    """One browser session, signed in or not, behind the stated proxy; all it is sent goes into the record."""

    page: PageClient
    record: Record

    def open(self, path: str, **query: str) -> None:
        before = len(self.page.frames)
        self.page.open(path, "&".join(f"{name}={quote(value)}" for name, value in query.items()))
        for frame in self.page.frames[before:]:
            self.record.add(f"websocket of /{path}", frame)

    def sees(self, words: str) -> bool:
        return words.encode() in b"".join(self.page.frames)


class Browsers:
    """Opens sessions, each with the cookie that signing in gives."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.opened: list = []

    def open(self, record: Record, person: Person | None = None, **claims: object) -> Somebody:
        headers = {"X-Forwarded-For": f"203.0.113.1, {ADDRESS}"}
        protocols = ["streamlit"]
        if person is not None:
            token = generate_xsrf_token_string()
            user = json.dumps(person.claims(origin=self.server.address, **claims))
            signed = create_signed_value(secret("cookie_secret"), "_streamlit_user", user).decode()
            headers["Cookie"] = f"_streamlit_xsrf={token}; _streamlit_user={signed}"
            protocols.append(token)
        opened = page_client(self.server.address, additional_headers=headers, subprotocols=protocols)
        self.opened.append(opened)
        return Somebody(opened.__enter__(), record)

    def close(self) -> None:
        for opened in self.opened:
            opened.__exit__(None, None, None)


@pytest.fixture(scope="module")
def guarded(database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that believes a proxy on this machine, and a provider that need not be asked."""
    log, port = tmp_path_factory.mktemp("server") / "server.log", free_port()
    process, running = start_server(
        database_name, log, PORT=str(port), MASTERPLAN_TRUSTED_PROXY="127.0.0.1",
        MASTERPLAN_SIGN_IN_CLIENT_ID="masterplan", MASTERPLAN_SIGN_IN_CLIENT_SECRET="a secret of the tests",
        MASTERPLAN_SIGN_IN_ADDRESS=f"http://127.0.0.1:{port}",
        MASTERPLAN_SIGN_IN_METADATA_URL="http://127.0.0.1:9/.well-known/openid-configuration",
    )  # fmt: skip
    running.port = port
    wait_for(running, process)
    yield running
    process.terminate()
    process.wait(20)


@pytest.fixture
def browsers(guarded: Server) -> Iterator[Browsers]:
    made = Browsers(guarded)
    yield made
    made.close()


# -- what is planted -------------------------------------------------------------------------


def typed_by_a_visitor(browsers: Browsers) -> None:
    """An observation with an e-mail address, typed into the form by somebody behind the proxy."""
    page = browsers.open(Record()).page
    page.open("propune")
    page.type_in("text_area", "Unde", "47.1585, 27.6014")
    page.run_again()
    page.type_in("selectbox", "Temă", "Mobilitate")
    page.type_in("text_input", "Titlu", TITLE)
    page.type_in("text_input", "E-mail", TYPED)
    page.press("Trimite și vezi rezultatul")


def written_by_ana(browsers: Browsers) -> str:
    """Somebody signed in submits, and leaves the address of the account."""
    browsers.open(Record(), ANA).open("despre")
    submission = Submission(
        submission_key=uuid4(), kind="observation", theme="public_space", title=SIGNED_IN, description="",
        geometry={"type": "Point", "coordinates": [27.567, 47.179]}, email=ANA.email,
    )  # fmt: skip
    return submit(submission, Actor(Role.STAKEHOLDER, user=str(number_of(ANA)))).receipt


def number_of(person: Person) -> int:
    (found,) = [a.number for a in accounts.everyone(SYSTEM) if (a.issuer, a.email) == (person.issuer, person.email)]
    return found


def done_by_staff(browsers: Browsers) -> tuple[str, str]:
    """A letter entered and published, and a session opened; the letter's receipt and the session's code."""
    browsers.open(Record(), STAFF).open("despre")
    staff = Actor(Role.PLANNER, user=str(number_of(STAFF)))
    (letter,) = submit_many([
        Submission(
            submission_key=uuid4(), kind="observation", theme="other", title=LETTER, description="Se aude din stradă.",
            geometry={"type": "Point", "coordinates": [27.59, 47.16]}, channel="letter",
            source_event=f"Scrisoarea nr. 7 ({BY_HAND})", email=IMPORTED,
        )
    ], staff)  # fmt: skip
    set_status([letter.receipt], "published", staff)
    now = datetime.now(UTC)
    return letter.receipt, consultations.open_one("Sala Polivalentă", 9, now + timedelta(hours=1), now, staff)


def stored() -> dict[str, object]:
    with transaction(SYSTEM) as connection:
        row = connection.execute(text(
            "SELECT p.receipt, p.session, p.submission_key::text AS key, c.email, c.consent_version FROM"
            " masterplan.proposal p JOIN masterplan.contact c ON c.proposal_id = p.id WHERE p.title = :title"
        ), {"title": TITLE}).one()  # fmt: skip
    with owner_transaction() as connection:
        origins = connection.scalars(text("SELECT whose FROM masterplan.submission_mark WHERE kind = 'origin'")).all()
    return row._asdict() | {"origins": origins}


# -- what is asked ---------------------------------------------------------------------------


def ask(record: Record, url: str, **headers: str) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            record.add(url, str(answer.headers))
            record.add(url, answer.read())
    except urllib.error.HTTPError as error:
        record.add(url, str(error.headers))
        record.add(url, error.read())


PAGES = ("", "propune", "registru", "criterii", "analiza", "despre", "conturi")
#: What programs ask: the public parts, and mistakes of several kinds.
ASKED = (
    "/healthz", "/ogc/", "/ogc/api", "/ogc/collections", "/ogc/collections/proposals",
    "/ogc/collections/proposals/queryables", "/ogc/collections/proposals/items?limit=100",
    "/ogc/collections/proposals/items?f=csv", "/ogc/collections/proposals/items?f=geojsonseq",
    "/ogc/collections/proposals/items?f=html", "/ogc/collections/proposals/items?sortby=email",
    "/ogc/collections/proposals/items?filter=email%20LIKE%20%27%25%27",
    "/ogc/collections/proposals/items?filter=session%20IS%20NOT%20NULL", "/ogc/collections/contact/items",
    "/ogc/collections/account/items", "/ogc/collections/invitation/items",
    "/ogc/collections/proposals/items/none", "/ogc/collections/proposals/tiles/WebMercatorQuad/10/590/359",
    *(f"/tiles/proposals/{z}/{x}/{y}.mvt" for z, x, y in (
        (8, 147, 89), (9, 295, 179), (10, 590, 359), (12, 2362, 1437), (14, 9449, 5750), (15, 18898, 11501))),
    "/map/style.json", "/map/panel.json",
    "/tiles/proposals/99/1/1.mvt", "/staff/export?t=x", "/staff/tiles/1/1/1.mvt", "/nimic", "/staff/nimic",
    "/auth/login", "/oauth2callback?code=x&state=y", "/oauth2callback?error=access_denied",
)  # fmt: skip


def everybody_looks_around(browsers: Browsers, record: Record, receipts: list[str], code: str) -> None:
    """Every page as anybody may, and the register with what was submitted open; signed in, and as the team's."""
    visitor = browsers.open(record)
    for path in PAGES:
        visitor.open(path, sesiune=code)
    for receipt in receipts:
        for language, standing in (("ro", "Cum stă locul față de criterii"),
                                   ("en", "How the place stands against the criteria")):  # fmt: skip
            visitor.open("registru", cod=receipt, lang=language)
            assert visitor.sees(standing), receipt
    neighbour = browsers.open(record, NEIGHBOUR)
    for path in ("registru", "analiza", "conturi"):
        neighbour.open(path)
    assert neighbour.sees(NEIGHBOUR.name), "signed in"


def a_planner_works(browsers: Browsers, record: Record) -> None:
    """The table, the queue and the sessions, with no submission open; and a page that is not theirs."""
    planner = browsers.open(record, PLANNER)
    planner.open("analiza")
    assert planner.sees("Găsite: 3"), re.findall(rb"[A-Za-z].{20,}", b"".join(planner.page.frames))[-40:]
    for part in ("De moderat", "Sesiuni de consultare"):
        before = len(planner.page.frames)
        planner.page.choose("Partea paginii", part)
        for frame in planner.page.frames[before:]:
            record.add(f"websocket of the desk: {part}", frame)
    assert planner.sees("Sala Polivalentă")
    planner.open("conturi")


def exports(record: Record, server: Server, tmp_path) -> None:
    number, since = str(number_of(PLANNER)), int(time.time())
    for wanted in (EVERYTHING, ProposalFilter(statuses=("submitted",))):
        ask(record, server.address + staff_export("e" * 32, number, wanted, "ro", since))
    file = tmp_path / "export.geojson"
    for command in (["proposals", "export", "--output", str(file)], ["worker", "--until-idle"]):
        done = subprocess.run([sys.executable, "cli.py", *command], cwd=PROJECT_ROOT, env=os.environ.copy(),
                              capture_output=True)  # fmt: skip
        record.add("command " + command[0], done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
    record.add("export of the command line", file.read_bytes())
    assert LETTER.encode() in file.read_bytes(), "the export holds what was submitted"


def test_personal_data_is_nowhere_but_where_it_belongs(browsers: Browsers, guarded: Server, tmp_path) -> None:
    log_began = log_file().stat().st_size
    for person, role in ((STAFF, Role.PLANNER), (PLANNER, Role.PLANNER), (ADMINISTRATOR, Role.ADMINISTRATOR)):
        accounts.grant(person.email, role, (), SYSTEM)
    accounts.grant(INVITED, Role.PLANNER, (), SYSTEM)
    typed_by_a_visitor(browsers)
    of_ana = written_by_ana(browsers)
    letter, code = done_by_staff(browsers)
    facts = stored()
    assert (facts["email"], facts["consent_version"]) == (TYPED, "2026-11")
    origin = keyed_hash(ip_network(f"{ADDRESS}/32"))
    assert facts["origins"] == [origin], "the last address before the stated proxy, and only its hash"

    record = Record()
    everybody_looks_around(browsers, record, [str(facts["receipt"]), of_ana, letter], code)
    a_planner_works(browsers, record)
    expired = browsers.open(record, ANA, exp=int(time.time()) - 10)
    expired.open("registru")
    assert expired.sees("Autentificarea a expirat"), "a token that is no longer good is said without saying whose"
    for path in (*(f"/{page}" for page in PAGES), f"/registru?cod={letter}"):
        ask(record, guarded.address + path, Accept="text/html")
    for path in ASKED:
        ask(record, guarded.address + path)
    exports(record, guarded, tmp_path)

    own, administrators, at_the_desk = Record(), Record(), Record()
    ana = browsers.open(own, ANA)
    for path in PAGES:
        ana.open(path, cod=of_ana)
    browsers.open(administrators, ADMINISTRATOR).open("conturi")
    browsers.open(at_the_desk, PLANNER).open("analiza", cod=str(facts["receipt"]))
    record.add("log of the server", guarded.log.read_bytes())
    record.add("log of PostgreSQL", log_file().read_bytes()[log_began:])

    assert len(record.parts) > 100 and record.hits(LETTER), "what is public was recorded"
    websockets = Record([part for part in record.parts if part[0].startswith("websocket")])
    assert websockets.hits(TITLE) and websockets.hits(SIGNED_IN), "websocket frames are readable here"
    secrets = (origin, str(facts["session"]), str(facts["key"]), ANA.subject, STAFF.subject)
    for canary in (TYPED, IMPORTED, BY_HAND, INVITED, ISSUER, ADDRESS, *ANA.personal, *STAFF.personal, *secrets):
        assert record.hits(canary) == [], canary
    for canary in secrets:
        assert own.hits(canary) == administrators.hits(canary) == at_the_desk.hits(canary) == [], canary

    assert own.hits(ANA.name) and own.hits(ANA.email), "people see who they are"
    for canary in (ANA.email, ANA.name, STAFF.email, INVITED, ISSUER):
        assert administrators.hits(canary), "the search finds what is there"
    assert at_the_desk.hits(TYPED) and not at_the_desk.hits(ANA.email), "the contact of what is open, and no other"
