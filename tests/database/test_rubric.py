"""The rubric of what is being drawn: the same numbers as after submitting, and refusals in words."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from masterplan import tickets
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.demonstration import play
from masterplan.errors import Unavailable
from masterplan.language import translator
from masterplan.pace import Pace
from masterplan.settings import settings
from proposals import live, rubric_routes
from proposals.explained import explained, teller
from proposals.exporting import stream_geojson
from proposals.filters import EVERYTHING, from_words
from proposals.routes import routes as staff_routes
from proposals.routes import staff_tiles
from proposals.rubric_routes import evidence_address, routes, rubric_address, sheet_address
from proposals.submitting import Outcome, Submission, set_status, submit

pytestmark = pytest.mark.database

VISITOR = Actor(Role.VISITOR, session="rubric-of-a-visitor")
PLANNER = Actor(Role.PLANNER, user="demo", session="rubric-of-a-planner")
UAT = Actor(Role.UAT, user="demo", uats=("95060",), session="rubric-of-a-uat")
LINE = {"type": "LineString", "coordinates": [[27.55, 47.15], [27.57, 47.16], [27.59, 47.15]]}
AREA = {"type": "Polygon", "coordinates": [[[27.55, 47.15], [27.57, 47.16], [27.59, 47.15], [27.57, 47.13],
                                            [27.55, 47.15]]]}  # fmt: skip
POINT = {"type": "Point", "coordinates": [27.6, 47.17]}
HOSTILE = "</title><script>alert(1)</script> „Grădină” & {{7*7}}"


@pytest.fixture(scope="module", autouse=True)
def _roles(database_name: str) -> Iterator[None]:
    os.environ["MASTERPLAN_DEMO"] = "1"
    settings.cache_clear()
    play(PLANNER.session, Role.PLANNER)
    play(UAT.session, Role.UAT, UAT.uats)
    yield
    del os.environ["MASTERPLAN_DEMO"]
    settings.cache_clear()


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rubric_routes, "_PACE", Pace(per_second=1e6, burst=1000, names=10))


def client() -> TestClient:
    return TestClient(Starlette(routes=routes(lambda: False)), base_url="http://127.0.0.1:8501")


def ask(geometry: Any, theme: Any, actor: Actor = VISITOR, language: str = "en"):
    return client().post(f"{rubric_address(actor)}&lang={language}", json={"geometry": geometry, "theme": theme})


def submitted(geometry: dict, theme: str, actor: Actor = VISITOR, title: str = "Un loc") -> Outcome:
    proposal = actor.role is Role.UAT
    return submit(Submission(
        submission_key=uuid4(), kind="proposal" if proposal else "observation", theme=theme, title=title,
        description="", geometry=geometry, author_kind="uat" if proposal else "citizen",
        on_behalf_of=actor.uats[0] if proposal else None,
    ), actor)  # fmt: skip


# -- the same numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("actor", [VISITOR, UAT], ids=["visitor", "uat"])
@pytest.mark.parametrize(
    ("geometry", "theme"),
    [(LINE, "mobility"), (AREA, "development"), (AREA, "green_blue"), (POINT, "public_space"), (POINT, "other")],
)
def test_what_is_said_while_drawing_is_what_is_said_after_submitting(geometry: dict, theme: str, actor: Actor) -> None:
    before = ask(geometry, theme, actor).json()
    after = submitted(geometry, theme, actor).score
    assert (before["total"], before["coverage"]) == (after.total, after.coverage)
    gates = {gate["key"]: (gate["verdict"], gate["value"], gate["layer_version"]) for gate in before["gates"]}
    scores = {each["key"]: (each["score"], each["value"]) for each in before["criteria"]}
    assert gates == {
        key: (result["verdict"], result["value"], result.get("layer_version"))
        for key, result in after.results.items() if result["kind"] == "gate"
    }  # fmt: skip
    assert scores == {
        key: (result["score"], result["value"]) for key, result in after.results.items() if result["kind"] != "gate"
    }
    assert gates and scores
    assert (before["recommendation"] is None) == (after.recommendation is None) == (actor is VISITOR)


def test_gates_to_act_on_come_first_and_say_by_how_much() -> None:
    content = ask(LINE, "mobility").json()
    order = ["fail", "person", "not_assessed", "note", "pass"]
    places = [order.index(gate["verdict"]) for gate in content["gates"]]
    assert places == sorted(places)
    flood = next(gate for gate in content["gates"] if gate["key"] == "flood_rare")
    # The limit of this gate is 0 %: what is found is all over it.
    share = f"{flood['value']:.1f}"
    assert flood["said"].startswith(f"{share} % of the site lies in “")
    assert f"Over the limit by {share}\xa0percentage points." in flood["said"]
    assert content["first"].startswith(content["gates"][0]["question"])


def test_words_come_in_the_language_of_the_page() -> None:
    for language in ("ro", "en"):
        content = ask(POINT, "water", language=language).json()
        told = translator(language)("{total} of 100 points").partition("}")[2]
        assert content["total_words"].endswith(told)
    panel = client().get("/rubric/words.json?lang=ro").json()
    assert {"key": "mobility", "name": "Mobilitate"} in panel["themes"]
    assert panel["words"]["title"] == "Rezultat provizoriu"


def test_nothing_is_stored() -> None:
    tables = ("proposal", "measurement", "score", "contact", "job")

    def counts() -> list[int]:
        with transaction(SYSTEM) as connection:
            return [connection.scalar(text(f"SELECT count(*) FROM masterplan.{table}")) for table in tables]

    before = counts()
    assert ask(AREA, "development").status_code == 200
    assert counts() == before


def test_outlines_forgotten_with_a_layer_are_made_again() -> None:
    expected = ask(LINE, "mobility").json()["total"]
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.outline"))
    # Two ask at once, as a hand that draws on does.
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda _: ask(LINE, "mobility"), range(4)))
    assert [(answer.status_code, answer.json()["total"]) for answer in answers] == [(200, expected)] * 4


# -- who may ask ---------------------------------------------------------------------------


def test_a_ticket_for_something_else_a_forged_one_and_an_old_one_are_refused() -> None:
    foreign = staff_tiles(PLANNER.session, "demo", EVERYTHING).split("t=")[1]
    good = tickets.sign(tickets.Ticket(VISITOR.session, "", {"for": "rubric"}))
    old = tickets.sign(tickets.Ticket(VISITOR.session, "", {"for": "rubric"}), now=time.time() - 14 * 3600)
    for wrong in (foreign, "", "x", good[:-2], old):
        for path in ("/rubric", "/rubric/evidence"):
            answer = client().post(f"{path}?t={wrong}&lang=ro", json={"geometry": POINT, "theme": "water"})
            assert (answer.status_code, set(answer.json())) == (403, {"error"})
        for path in ("/evidence", "/result"):
            assert client().get(f"{path}?t={wrong}&cod=x&criterion=zone").status_code == 403
    answer = client().post(f"/rubric?t={good}", json={"geometry": POINT, "theme": "water"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"


def test_a_ticket_for_drawing_opens_no_staff_address() -> None:
    inside = TestClient(Starlette(routes=staff_routes(lambda: False)), base_url="http://127.0.0.1:8501")
    ticket = rubric_address(PLANNER).split("t=")[1]
    assert inside.get(f"/staff/export?t={ticket}").status_code == 400
    assert inside.get(f"/staff/tiles/5/18/11.mvt?t={ticket}").status_code == 400


def test_who_asks_too_often_is_told_when_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rubric_routes, "_PACE", Pace(per_second=0.5, burst=2, names=10, clock=lambda: 0.0))
    assert [ask(POINT, "water").status_code for _ in range(3)] == [200, 200, 429]
    refused = ask(POINT, "water", language="ro")
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["error"] == "Întrebați mai repede decât se poate răspunde. Continuă peste 2 s."
    assert ask(POINT, "water", PLANNER).status_code == 200


# -- what cannot be measured ---------------------------------------------------------------

_CIRCLE = [[27.6 + math.cos(i / 500) / 100, 47.15 + math.sin(i / 500) / 100] for i in range(2100)]


@pytest.mark.parametrize(
    "geometry",
    [
        None, [], "Point", 7, {}, {"type": "Point"}, {"type": "Point", "coordinates": ["27.6", "47.1"]},
        {"type": "Point", "coordinates": [47.17, 27.6]}, {"type": "Point", "coordinates": [1e308, 0]},
        {"type": "LineString", "coordinates": [[27.6, 47.1]]}, {"type": "LineString", "coordinates": _CIRCLE},
        {"type": "GeometryCollection", "geometries": []}, {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": [[[[27.6, 47.1]]]]},
        {"type": "Point", "coordinates": [True, False]},
    ],
    ids=lambda geometry: json.dumps(geometry)[:40],
)  # fmt: skip
def test_what_a_submission_would_refuse_is_refused_in_words(geometry: Any) -> None:
    answer = ask(geometry, "water", language="ro")
    assert answer.status_code == 400
    assert answer.json()["error"] and answer.json()["faults"][0]["field"] == "geometry"
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("theme", [None, 7, "war", ["water"], {"a": 1}, ""])
def test_an_unknown_theme_is_refused_in_words(theme: Any) -> None:
    answer = ask(POINT, theme, language="ro")
    assert answer.status_code == 400
    assert answer.json()["faults"][0]["field"] == "theme"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"geometry": {"type": "Point", "coordinates": [NaN, 47]}, "theme": "water"}',
     b'{"geometry": {"type": "Point", "coordinates": [Infinity, 47]}}', b"\xff\xfe", b"[" * 5000],
)  # fmt: skip
def test_what_is_no_json_is_refused(body: bytes) -> None:
    answer = client().post(f"{rubric_address(VISITOR)}&lang=ro", content=body,
                           headers={"content-type": "application/json"})  # fmt: skip
    assert (answer.status_code, answer.json()) == (400, {"error": "Ce s-a trimis nu poate fi citit."})


def test_a_form_of_another_page_cannot_ask() -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client().post(rubric_address(VISITOR), content=b'{"theme": "water"}', headers={"content-type": kind})
        assert answer.status_code == 400
    assert client().get(rubric_address(VISITOR)).status_code == 405


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 10_000

    answer = client().post(f"{rubric_address(VISITOR)}&lang=ro", content=pieces(),
                           headers={"content-type": "application/json"})  # fmt: skip
    assert answer.status_code == 413
    assert answer.json()["error"].startswith("Forma are prea multe puncte")


def test_what_takes_too_long_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_READ_ONLY", "SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '1ms'")
    answer = ask(AREA, "development", language="ro")
    assert (answer.status_code, answer.json()) == (
        503, {"error": "Măsurarea acestei forme durează prea mult. Desenați-o cu mai puține puncte."})  # fmt: skip


def test_a_measuring_that_would_write_fails_and_says_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def writes(connection, *_):
        connection.execute(text("DELETE FROM masterplan.outline"))

    monkeypatch.setattr(live, "measure_one", writes)
    answer = ask(AREA, "development", language="ro")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("Rezultatul nu poate fi calculat acum.")
    assert "DELETE" not in answer.text


def test_without_the_database_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_actor: Actor) -> None:
        raise Unavailable("The database cannot be reached. It is tried again by itself; nothing is lost.")

    monkeypatch.setattr(live, "transaction", away)
    answer = ask(AREA, "development", language="ro")
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("Baza de date")


# -- evidence and the result to print, of what is stored -----------------------------------


def _evidence(actor: Actor, receipt: str, key: str = "zone"):
    return client().get(evidence_address(actor, receipt, key, "en"))


def test_evidence_and_result_are_for_whom_the_proposal_is() -> None:
    stranger = Actor(Role.VISITOR, session="rubric-of-a-stranger")
    outcome = submitted(AREA, "development", title=HOSTILE)
    assert [_evidence(actor, outcome.receipt).status_code for actor in (VISITOR, PLANNER, stranger, UAT)] == [
        200, 200, 404, 404]  # fmt: skip
    set_status([outcome.receipt], "published", Actor(Role.PLANNER, user="demo"))
    assert [_evidence(actor, outcome.receipt).status_code for actor in (stranger, UAT)] == [200, 200]
    assert _evidence(VISITOR, outcome.receipt, "nothing").status_code == 404
    assert _evidence(VISITOR, "IS-0000-0000-0000").status_code in (400, 404)
    set_status([outcome.receipt], "hidden", Actor(Role.PLANNER, user="demo"), "Este o încercare.")
    assert _evidence(stranger, outcome.receipt).status_code == 404
    assert client().get(sheet_address(stranger, outcome.receipt, "ro")).status_code == 404


def test_stored_evidence_is_that_of_the_drawing() -> None:
    outcome = submitted(AREA, "development")
    for key in ("zone", "stormwater", "public_transport", "heat_buildings"):
        drawn = client().post(rubric_address(VISITOR).replace("/rubric?", "/rubric/evidence?") + "&lang=en",
                              json={"geometry": AREA, "theme": "development", "criterion": key})  # fmt: skip
        assert drawn.json() == _evidence(VISITOR, outcome.receipt, key).json()
        assert drawn.json()["features"]


def test_the_result_to_print_says_everything_and_runs_nothing() -> None:
    outcome = submitted(AREA, "development", title=HOSTILE)
    answer = client().get(sheet_address(VISITOR, outcome.receipt, "ro"))
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "private, no-store"
    page = answer.text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert '<html lang="ro">' in page and "@page { size: A4" in page
    questions = [c.question["ro"] for c in outcome.criteria.criteria if c.key in outcome.score.results]
    assert len(questions) > 20
    assert [question for question in questions if question.replace("'", "&#x27;") not in page] == []
    curves = [r for r in outcome.score.results.values() if r["kind"] == "scored" and r["score"] is not None]
    assert page.count('<img src="data:image/svg+xml;base64,') == len(curves)
    assert page.count('alt="Grila de punctare: ') == len(curves)


def test_an_export_that_explains_says_what_explaining_says_in_both_languages() -> None:
    outcome = submitted(AREA, "development", title=HOSTILE)
    wanted = from_words(receipt=[outcome.receipt])
    (feature,) = json.loads(b"".join(stream_geojson(wanted, PLANNER, explain=True)))["features"]
    with transaction(SYSTEM) as connection:
        now = explained(connection, outcome.receipt)
        told = {language: teller(connection, language).sentences(now.criteria, now.score.results)
                for language in ("ro", "en")}  # fmt: skip
    explanation = feature["properties"].pop("explanation")
    assert explanation == told and len(told["ro"]) > 20
    (plain,) = json.loads(b"".join(stream_geojson(wanted, PLANNER)))["features"]
    assert feature == plain
