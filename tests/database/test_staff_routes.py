"""Tickets, roles and downloads through the routes, in the test client and over a real server."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import httpx2 as httpx
import pytest
import uvicorn
from proposal_rows import insert, rows
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient
from vector_tile_reading import read_tile

from masterplan import tickets
from masterplan.actors import SYSTEM, Role
from masterplan.database import app_engine, transaction
from masterplan.demonstration import play
from masterplan.language import translator
from masterplan.settings import settings
from proposals import exporting
from proposals import routes as routes_module
from proposals.filters import EVERYTHING, ProposalFilter, from_words
from proposals.routes import routes, staff_export, staff_tiles

pytestmark = pytest.mark.database

ROWS = rows(1200, seed=31)
PUBLIC = [row for row in ROWS if row.status == "published"]
PLANNER, VISITOR, UAT = "session-of-a-planner", "session-of-a-visitor", "session-of-a-uat"
TILE = {"z": 5, "x": 18, "y": 11}
WANTED = from_words(theme=["water"])


@pytest.fixture(scope="module", autouse=True)
def _filled(database_name: str) -> Iterator[None]:
    with transaction(SYSTEM) as connection:
        insert(connection, ROWS)
    os.environ["MASTERPLAN_DEMO"] = "1"
    settings.cache_clear()
    play(PLANNER, Role.PLANNER)
    play(UAT, Role.UAT, ("95060",))
    yield
    del os.environ["MASTERPLAN_DEMO"]
    settings.cache_clear()


def _client(provider: bool = False) -> TestClient:
    return TestClient(Starlette(routes=routes(lambda: provider)), base_url="http://127.0.0.1:8501")


def _tile(address: str) -> str:
    return address.format(**TILE)


def _staff_addresses(session: str, wanted: ProposalFilter = EVERYTHING) -> list[str]:
    return [_tile(staff_tiles(session, "demo", wanted)), staff_export(session, "demo", wanted, "en")]


def _total(content: bytes) -> int:
    return sum(feature.properties["count"] for feature in read_tile(content)["proposals"])


# -- what staff get ------------------------------------------------------------------------


def test_the_download_is_what_the_filter_means() -> None:
    answer = _client().get(staff_export(PLANNER, "demo", WANTED, "ro"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = answer.headers["content-disposition"]
    assert name.startswith('attachment; filename="propuneri-20') and name.endswith('.geojson"')
    document = json.loads(answer.content)
    assert [f["id"] for f in document["features"]] == [row.receipt for row in ROWS if row.theme == "water"]
    assert document["filter"] == WANTED.to_dict()


def test_the_tile_is_what_the_filter_means() -> None:
    answer = _client().get(_tile(staff_tiles(PLANNER, "demo", WANTED)))
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "etag" not in answer.headers
    assert _total(answer.content) == sum(row.theme == "water" for row in ROWS)


def test_addresses_stay_while_the_filter_does() -> None:
    assert staff_tiles(PLANNER, "demo", WANTED) == staff_tiles(PLANNER, "demo", from_words(theme=["water", "water"]))
    assert staff_tiles(PLANNER, "demo", WANTED) != staff_tiles(PLANNER, "demo", EVERYTHING)


# -- who gets nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("session", [VISITOR, UAT, "", "nobody"])
def test_others_are_refused(session: str) -> None:
    for address in _staff_addresses(session):
        answer = _client().get(address)
        assert answer.status_code == 403
        assert answer.headers["cache-control"] == "private, no-store"
        assert set(answer.json()) == {"error"}


def test_a_ticket_stolen_from_a_session_that_was_demoted_is_refused() -> None:
    play("demoted", Role.PLANNER)
    addresses = _staff_addresses("demoted")
    assert [_client().get(address).status_code for address in addresses] == [200, 200]
    play("demoted", Role.VISITOR)
    assert [_client().get(address).status_code for address in addresses] == [403, 403]


def test_a_forged_or_old_ticket_is_refused() -> None:
    good = tickets.sign(tickets.Ticket(PLANNER, "demo", {}))
    old = tickets.sign(tickets.Ticket(PLANNER, "demo", {}), now=time.time() - 14 * 3600)
    for forged in ("", "x", good[:-2], good[1:], old, good.replace(".", "..", 1)):
        for address in ("/staff/tiles/5/18/11.mvt", "/staff/export"):
            assert _client().get(address, params={"t": forged}).status_code == 403
    assert _client().get("/staff/export").status_code == 403


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "10.0.0.1"}, {"Forwarded": "for=10.0.0.1"}, {"Host": "masterplan.example.org"}]
)
def test_nobody_plays_a_role_from_elsewhere(headers: dict) -> None:
    for address in _staff_addresses(PLANNER):
        assert _client().get(address, headers=headers).status_code == 403


def test_nobody_plays_a_role_where_people_sign_in() -> None:
    assert {_client(provider=True).get(address).status_code for address in _staff_addresses(PLANNER)} == {403}


def test_nobody_plays_a_role_without_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTERPLAN_DEMO")
    settings.cache_clear()
    try:
        assert {_client().get(address).status_code for address in _staff_addresses(PLANNER)} == {403}
    finally:
        monkeypatch.undo()
        settings.cache_clear()


# -- what is wrong is said in words --------------------------------------------------------


def test_errors_speak_the_readers_language() -> None:
    for language in ("ro", "en"):
        answer = _client().get(f"/staff/export?lang={language}")
        expected = translator(language)("This address is not valid. Open it again from the page.")
        assert answer.json() == {"error": expected}


@pytest.mark.parametrize("wanted", [{"criterion": [["lnd", ">=", 60.0]]}, {"from_another_release": 1}])
def test_a_filter_that_means_nothing_is_said_before_any_byte(wanted: dict) -> None:
    signed = tickets.sign(tickets.Ticket(PLANNER, "demo", wanted))
    answer = _client().get("/staff/export", params={"t": signed})
    assert answer.status_code == 400
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.json()["error"]


def test_every_fault_of_a_filter_is_said_at_once_with_its_place() -> None:
    """What is no filter at all, and what the database does not have, in one answer."""
    wanted = {"criterion": [["zone", ">=", 60.0]], "gate": [["land", "pass"]], "uat": ["999"], "theme": ["war"]}
    signed = tickets.sign(tickets.Ticket(PLANNER, "demo", wanted))
    answer = _client().get("/staff/export", params={"t": signed, "lang": "en"})
    assert answer.status_code == 400
    faults = {each["field"]: each["error"] for each in answer.json()["faults"]}
    assert set(faults) == set(wanted)
    assert "zone=pass" in faults["criterion"] and "land>=60" in faults["gate"]
    assert "95060 Iași" in faults["uat"] and "mobility" in faults["theme"]


def test_a_tile_that_does_not_exist_is_not_found() -> None:
    for path in ("/tiles/proposals/3/9/9.mvt", "/tiles/proposals/99/0/0.mvt"):
        assert _client().get(path).status_code == 404


# -- public tiles --------------------------------------------------------------------------


def test_public_tiles_hold_what_is_public_whoever_asks() -> None:
    address = _tile("/tiles/proposals/{z}/{x}/{y}.mvt")
    answer = _client().get(address + "?t=" + tickets.sign(tickets.Ticket(PLANNER, "demo", {})))
    assert answer.headers["cache-control"].startswith("public, max-age=")
    assert _total(answer.content) == len(PUBLIC)


def test_a_tile_that_did_not_change_is_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "_STAMP_GOOD_FOR_S", 0.0)
    address = _tile("/tiles/proposals/{z}/{x}/{y}.mvt")
    tag = {"If-None-Match": _client().get(address).headers["etag"]}
    assert _client().get(address, headers=tag).status_code == 304
    with transaction(SYSTEM) as connection:
        connection.execute(
            text("UPDATE masterplan.proposal SET status = 'hidden' WHERE receipt = :r"), {"r": PUBLIC[0].receipt}
        )
    answer = _client().get(address, headers=tag)
    assert answer.status_code == 200
    assert _total(answer.content) == len(PUBLIC) - 1
    with transaction(SYSTEM) as connection:
        connection.execute(
            text("UPDATE masterplan.proposal SET status = 'published' WHERE receipt = :r"), {"r": PUBLIC[0].receipt}
        )


# -- over a real server --------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    served = uvicorn.Server(uvicorn.Config(Starlette(routes=routes(lambda: False)), log_level="critical"))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    served.should_exit = True
    thread.join(timeout=10)


def test_a_whole_download_over_the_network(server: str) -> None:
    answer = httpx.get(server + staff_export(PLANNER, "demo", EVERYTHING, "en"), timeout=60)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.json()["features"]) == len(ROWS)


def test_a_download_that_fails_never_looks_complete(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exporting.stream_geojson

    def breaking(wanted, actor, explain):
        with closing(whole(wanted, actor, explain)) as pieces:
            yield next(pieces)
            yield next(pieces)
            raise RuntimeError("the database went away")

    monkeypatch.setattr(exporting, "stream_geojson", breaking)
    received = b""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("GET", server + staff_export(PLANNER, "demo", EVERYTHING, "en"), timeout=60) as answer,
    ):
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            received += piece
    assert received
    with pytest.raises(json.JSONDecodeError):
        json.loads(received)
    _until_no_connection_is_out()


def test_a_reader_who_leaves_ends_the_snapshot(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(wanted, actor, explain):
        with exporting._snapshot(actor):
            while True:
                yield b" " * 100_000

    monkeypatch.setattr(exporting, "stream_geojson", endless)
    with httpx.stream("GET", server + staff_export(PLANNER, "demo", EVERYTHING, "en"), timeout=60) as answer:
        next(answer.iter_raw(100))
        assert app_engine().pool.checkedout() == 1
    _until_no_connection_is_out()


def _until_no_connection_is_out() -> None:
    patience = time.monotonic() + 10
    while app_engine().pool.checkedout():
        assert time.monotonic() < patience, "a snapshot is left open"
        time.sleep(0.05)


def test_rows_are_enough_for_several_pieces() -> None:
    """Else the tests above would not break in the middle of anything."""
    assert len(ROWS) > 2 * exporting._ROWS_A_PIECE
