"""What is away is said, breaks nothing else, and is back by itself."""

import json
import re
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from masterplan import database
from masterplan.provision import database_grants
from tests.browser.conftest import Server, Watched, map_of, start_server, wait_for
from tests.conftest import _administer


@pytest.fixture
def away(template_database: str, tmp_path):
    """A server whose database does not exist yet."""
    name = "away_and_back"
    _administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    process, server = start_server(name, tmp_path / "server.log")
    wait_for(server, process)
    yield server, name
    process.terminate()
    process.wait(20)
    _administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def come_back(name: str, template: str) -> None:
    _administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {database.OWNER_ROLE}")
    for statement in database_grants(name):
        _administer(statement)


def ask(server: Server, path: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(server.address + path, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def until(server: Server, path: str, status: int, seconds: float = 30) -> dict:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found, content = ask(server, path)
        if found == status:
            return content
        time.sleep(0.25)
    raise AssertionError(f"{path} did not answer {status} within {seconds} s")


def test_the_app_starts_without_its_database_and_finds_it_when_it_is_there(
    away, template_database, page: Page, watched: Watched
):
    server, name = away
    watched.expected += ["503"]
    status, content = ask(server, "/healthz")
    assert (status, content["status"]) == (503, "unavailable")
    assert content["reason"]

    for address in ("", "registru", "criterii", "despre", "propune"):
        page.goto(f"{server.address}/{address}")
        expect(page.get_by_text("Baza de date nu poate fi contactată").first).to_be_visible()
        expect(page.get_by_text("Traceback")).to_have_count(0)

    come_back(name, template_database)
    health = until(server, "/healthz", 200)
    assert (health["status"], health["edition"], health["proposals"]) == ("ok", 1, 0)
    assert health["layers"] > 20
    assert health["broken_views"] == {}
    assert len(until(server, "/ogc/collections", 200)["collections"]) == health["layers"] + 1
    page.get_by_role("button", name="Încearcă din nou").click()
    expect(page.get_by_text("Baza de date nu poate fi contactată")).to_have_count(0)

    _administer(f"DROP DATABASE {name} WITH (FORCE)")
    assert until(server, "/healthz", 503)["status"] == "unavailable"
    come_back(name, template_database)
    assert until(server, "/healthz", 200)["status"] == "ok"


def test_the_health_names_a_view_that_cannot_be_read(server: Server):
    with database.owner_transaction() as connection:
        connection.execute(text(
            "CREATE VIEW api.broken_view AS SELECT 'a'::text AS id, 1 / (length(current_user) - length(current_user))"
            " AS n, ST_SetSRID(ST_MakePoint(1, 1), 3844)::geometry(Point, 3844) AS geom"
        ))  # fmt: skip
        connection.execute(text("ALTER VIEW api.broken_view OWNER TO masterplan_public"))
        connection.execute(text("GRANT SELECT ON api.broken_view TO masterplan_ogc"))
    try:
        named = until_views(server, {"broken_view": "The view api.broken_view cannot be read (22012)."})
        assert named["status"] == "ok", "the rest is served"
    finally:
        with database.owner_transaction() as connection:
            connection.execute(text("DROP VIEW api.broken_view"))
    until_views(server, {})


def until_views(server: Server, broken: dict[str, str], seconds: float = 60) -> dict:
    """The answer of /healthz once it names these views and no others."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        health = until(server, "/healthz", 200)
        if health["broken_views"] == broken:
            return health
        time.sleep(0.25)
    raise AssertionError(f"/healthz still says {health['broken_views']}")


def test_a_failure_that_nobody_foresaw_is_a_sentence_and_goes_to_the_log(
    server: Server, page: Page, watched: Watched, database_name: str
):
    def may_read(word: str) -> None:
        preposition = {"GRANT": "TO", "REVOKE": "FROM"}[word]
        with database.owner_transaction() as connection:
            connection.execute(text(f"{word} SELECT ON masterplan.criteria_set {preposition} {database.EVERYONE}"))

    may_read("REVOKE")
    try:
        page.goto(f"{server.address}/criterii")
        expect(page.get_by_text("Ceva nu a mers aici și a fost notat.")).to_be_visible()
        for secret in ("Traceback", "permission denied", "criteria_set", "SELECT"):
            expect(page.get_by_text(secret)).to_have_count(0)
        assert "permission denied for table criteria_set" in server.log.read_text()
    finally:
        may_read("GRANT")
    page.reload()
    expect(page.get_by_text("Regula de decizie")).to_be_visible()


def test_a_basemap_that_cannot_be_reached_is_said_and_breaks_nothing(
    database_name, tmp_path, page: Page, watched: Watched
):
    watched.expected += ["tile.openstreetmap.org", "ERR_NAME_NOT_RESOLVED"]
    process, server = start_server(database_name, tmp_path / "server.log", MASTERPLAN_BASEMAP="OpenStreetMap.Mapnik")
    try:
        wait_for(server, process)
        page.goto(server.address)
        frame = map_of(page)
        expect(frame.get_by_text("Harta de fundal nu poate fi contactată")).to_be_visible()
        expect(frame.get_by_text(re.compile("OpenStreetMap contributors"))).to_be_visible()
    finally:
        process.terminate()
        process.wait(20)
