"""Submitting on real PostGIS: once, clean, scored, and nobody else's business."""

from __future__ import annotations

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.coordinates import parse_point
from masterplan.database import owner_transaction, transaction
from masterplan.errors import Forbidden, InputError, NotFound
from masterplan.language import translator
from proposals import receipts, submitting
from proposals.submission import CONSENT, CONSENT_VERSION, MAX_VERTICES
from proposals.submitting import Submission, load_result, moderation_of, set_status, submit, submit_many
from proposals.work import score_pending

PENDING_JOBS = text("SELECT count(*) FROM masterplan.job WHERE kind = 'score_pending'")
IASI, MIROSLAVA = "95060", "97919"
PLANNER = Actor(Role.PLANNER, user="p")
MAYOR = Actor(Role.UAT, user="m", uats=(MIROSLAVA,), session="mayor")
CENTRE = {"type": "Point", "coordinates": [27.583, 47.165]}


@pytest.fixture(autouse=True, scope="module")
def _database(database_name: str) -> None:
    """Every test of this module works in one clone."""


def observation(**given) -> Submission:
    return replace(
        Submission(
            submission_key=uuid4(), kind="observation", theme="public_space",
            title="Trecere de pietoni periculoasă", description="Mașinile vin cu viteză.", geometry=CENTRE,
        ),
        **given,
    )  # fmt: skip


def test_what_cannot_be_measured_is_kept_and_measured_later(monkeypatch):
    def fails(connection, candidate, sets):
        connection.execute(text("SELECT 1 / 0"))

    with transaction(SYSTEM) as connection:
        waiting = connection.scalar(PENDING_JOBS)
    monkeypatch.setattr(submitting, "measure_one", fails)
    kept = submit(observation(email="ana@exemplu.ro"), VISITOR)
    assert (kept.created, kept.score) == (True, None)
    monkeypatch.undo()
    with transaction(SYSTEM) as connection:
        assert connection.scalar(PENDING_JOBS) == waiting + 1
    score_pending()
    with transaction(SYSTEM) as connection:
        assert load_result(connection, kept.receipt).score.total is not None


def polygon(*corners: tuple[float, float]) -> dict:
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in (*corners, corners[0])]]}


def faults_of(submission: Submission, actor: Actor = VISITOR) -> dict[str, str]:
    with pytest.raises(InputError) as refused:
        submit(submission, actor)
    return {field: str(fault) for field, fault in refused.value.faults}


def row_of(receipt: str):
    with transaction(SYSTEM) as connection:
        return connection.execute(
            text("SELECT p.*, ST_SRID(geom) AS srid, ST_GeometryType(geom) AS shape, ST_IsValid(geom) AS valid"
                 " FROM masterplan.proposal p WHERE receipt = :r"), {"r": receipt},
        ).one()  # fmt: skip


def count(what: str = "proposal") -> int:
    with transaction(SYSTEM) as connection:
        return connection.scalar(text(f"SELECT count(*) FROM masterplan.{what}"))


# -- the whole way -------------------------------------------------------------------------


def test_an_observation_is_stored_measured_and_scored_at_once():
    outcome = submit(observation(), Actor(Role.VISITOR, session="s1"))
    assert outcome.created and receipts.normalise(outcome.receipt) == outcome.receipt
    assert outcome.uat == IASI and outcome.geometry == "point"
    assert outcome.criteria.version == "v0"
    assert outcome.score is not None and 0 <= outcome.score.total <= 100
    assert outcome.score.recommendation is None, "an observation gets no recommendation"
    asked = {criterion.key for criterion in outcome.criteria.asked("public_space", "point")}
    assert set(outcome.score.results) == asked
    row = row_of(outcome.receipt)
    assert (row.srid, row.status, row.session, row.criteria_set, row.edition) == (3844, "submitted", "s1", "v0", 1)
    with transaction(SYSTEM) as connection:
        stored = connection.execute(
            text("SELECT s.total, s.results, m.stale, m.layer_versions FROM masterplan.score s"
                 " JOIN masterplan.measurement m USING (proposal_id) WHERE proposal_id = :id"),
            {"id": outcome.proposal_id},
        ).one()  # fmt: skip
    assert stored.total == outcome.score.total and stored.results == outcome.score.results
    assert not stored.stale and stored.layer_versions["uat"] == 1


def test_a_uat_proposes_for_itself_with_budget_and_stage():
    outcome = submit(
        observation(
            kind="proposal", on_behalf_of=MIROSLAVA, author_kind="uat", theme="mobility",
            budget_lei=12_500_000.5, documentation_stage="feasibility",
            geometry={"type": "LineString", "coordinates": [[27.52, 47.15], [27.53, 47.155]]},
        ),
        MAYOR,
    )  # fmt: skip
    row = row_of(outcome.receipt)
    assert (row.on_behalf_of, float(row.budget_lei)) == (MIROSLAVA, 12_500_000.5)
    assert row.documentation_stage == "feasibility"
    assert outcome.geometry == "line" and outcome.score.recommendation in ("integrate", "debate", "reject")


def test_typed_stereo_70_lands_where_it_says():
    typed = parse_point("X=635200 Y=695600")
    outcome = submit(observation(geometry=typed), VISITOR)
    with transaction(SYSTEM) as connection:
        x, y = connection.execute(
            text("SELECT ST_X(geom), ST_Y(geom) FROM masterplan.proposal WHERE receipt = :r"), {"r": outcome.receipt}
        ).one()
    assert math.dist((x, y), (typed.x, typed.y)) < 0.01


def test_the_uat_is_the_one_that_holds_most_of_it():
    with transaction(SYSTEM) as connection:
        shared = connection.execute(text("""
            SELECT ST_AsGeoJSON(ST_Transform(ST_Buffer(ST_PointOnSurface(edge), 400), 4326))::jsonb AS around,
                a.properties ->> 'siruta' AS one, b.properties ->> 'siruta' AS other
            FROM masterplan.current_feature a JOIN masterplan.current_feature b
                ON b.layer_id = 'uat' AND b.feature_id > a.feature_id AND ST_Intersects(a.geom, b.geom)
            CROSS JOIN LATERAL ST_Intersection(a.geom, b.geom) AS edge
            WHERE a.layer_id = 'uat' AND ST_Dimension(edge) = 1 AND ST_Length(edge) > 2000 LIMIT 1
        """)).one()
        sizes = dict(connection.execute(text("""
            SELECT properties ->> 'siruta', ST_Area(ST_Intersection(geom,
                ST_Transform(ST_SetSRID(ST_GeomFromGeoJSON(CAST(:g AS text)), 4326), 3844)))
            FROM masterplan.current_feature WHERE layer_id = 'uat'
        """), {"g": json.dumps(shared.around)}).all())  # fmt: skip
    outcome = submit(observation(theme="water", geometry=shared.around), VISITOR)
    assert outcome.uat == max(sizes, key=sizes.get)


def test_outside_every_uat_is_kept_without_one():
    outcome = submit(observation(geometry={"type": "Point", "coordinates": [27.30, 46.90]}), VISITOR)
    assert outcome.uat is None
    assert outcome.score.results["zone"]["verdict"] in ("fail", "person")


# -- once ----------------------------------------------------------------------------------


def test_eight_hands_on_one_button_make_one_row():
    submission = observation(email="cineva@exemplu.ro")
    before, start = count(), threading.Barrier(8)

    def press(_: int) -> object:
        start.wait()
        return submit(submission, Actor(Role.VISITOR, session="s8"))

    with ThreadPoolExecutor(8) as hands:
        outcomes = list(hands.map(press, range(8)))
    assert count() == before + 1
    assert len({outcome.receipt for outcome in outcomes}) == 1
    assert sum(outcome.created for outcome in outcomes) == 1
    assert all(outcome.score == outcomes[0].score for outcome in outcomes)


def test_a_retry_with_other_words_shows_the_first_row():
    first = observation()
    made = submit(first, VISITOR)
    again = submit(replace(first, title="Cu totul altceva"), VISITOR)
    assert (again.receipt, again.created, again.title) == (made.receipt, False, first.title)


def test_what_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    before = count()

    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("proposals.submitting.store_one", broken)
    with pytest.raises(RuntimeError):
        submit(observation(email="a@exemplu.ro"), VISITOR)
    assert count() == before


# -- what is refused, all at once ----------------------------------------------------------


def test_every_fault_is_said_at_once_under_its_field():
    faults = faults_of(
        observation(
            theme="", title=" x ", channel="letter", kind="proposal", author_kind="king", email="nobody",
            budget_lei=float("nan"), documentation_stage="soon", attributes={"Bad Name": 1},
            geometry={"type": "Point", "coordinates": [47.165, 27.583]},
        )
    )  # fmt: skip
    assert set(faults) == {
        "theme", "title", "channel", "source_event", "kind", "author_kind", "email", "budget_lei",
        "documentation_stage", "attributes", "geometry",
    }  # fmt: skip
    assert "exchanged" in faults["geometry"]


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        (None, "no geometry"),
        ("POINT(27 47)", "not an object"),
        ({}, "kind of geometry"),
        ({"type": "Point", "coordinates": []}, "empty"),
        ({"type": "Point", "coordinates": [27.58]}, "two numbers"),
        ({"type": "Point", "coordinates": [27.58, float("nan")]}, "too large"),
        ({"type": "Point", "coordinates": [27.58, float("inf")]}, "too large"),
        ({"type": "Point", "coordinates": ["27.58", "47.16"]}, "than numbers"),
        ({"type": "Point", "coordinates": [2.35, 48.85]}, "outside the area"),
        ({"type": "Point", "coordinates": [695600, 635200]}, "Stereo 70"),
        ({"type": "LineString", "coordinates": [[27.58, 47.16], [27.58, 47.16]]}, "no length"),
        ({"type": "LineString", "coordinates": [[27.58, 47.16]]}, "two positions"),
        ({"type": "LineString", "coordinates": [[27.58, 47.16], [27.580001, 47.16]]}, "shorter than a metre"),
        (polygon((27.4, 47.0), (27.8, 47.0), (27.8, 47.3), (27.4, 47.3)), "at most 200 km²"),
        (polygon((27.58, 47.16), (27.580001, 47.16), (27.58, 47.160001)), "square metre"),
        (polygon((27.58, 47.16), (27.59, 47.17), (27.59, 47.16), (27.58, 47.17)), "Draw it again"),
        (
            {"type": "LineString", "coordinates": [[27.5 + i * 1e-5, 47.1] for i in range(MAX_VERTICES + 1)]},
            "more than 2000 vertices",
        ),
        ({"type": "GeometryCollection", "geometries": [CENTRE, polygon((27.5, 47.1), (27.6, 47.1), (27.6, 47.2))]},
         "mixes kinds"),
    ],
)  # fmt: skip
def test_a_geometry_that_cannot_be_used_is_refused_with_the_reason(geometry, words: str):
    faults = faults_of(observation(geometry=geometry))
    assert set(faults) == {"geometry"} and words in faults["geometry"]


def test_what_can_be_repaired_is_and_says_so():
    nearly = {"type": "Polygon", "coordinates": [[
        [27.58, 47.16, 5], [27.59, 47.16, 5], [27.59, 47.17, 5], [27.5899, 47.16, 5], [27.58, 47.17, 5],
    ]]}  # fmt: skip
    outcome = submit(observation(geometry=nearly, title="Titlu\x00 cu\x07 controale\u202e"), VISITOR)
    said = " ".join(map(str, outcome.repairs))
    assert "Heights" in said and "closed" in said and "control characters" in said
    row = row_of(outcome.receipt)
    assert row.valid and row.title == "Titlu cu controale"


def test_a_multi_geometry_of_one_part_is_that_part():
    outcome = submit(
        observation(geometry={"type": "MultiPoint", "coordinates": [[27.58, 47.16]]}), VISITOR
    )
    assert row_of(outcome.receipt).shape == "ST_Point"


def test_a_feature_is_read_as_its_geometry():
    assert submit(observation(geometry={"type": "Feature", "properties": {}, "geometry": CENTRE}), VISITOR).created


def test_texts_are_kept_as_written_and_never_run():
    hostile = "{{7*7}} <script>alert(1)</script> '; DROP TABLE masterplan.proposal; -- %s %(x)s :id ＜ ș ț"
    outcome = submit(observation(title=hostile[:180], description=hostile + "\n\tsecond line"), VISITOR)
    row = row_of(outcome.receipt)
    assert row.title == hostile[:180] and row.description == hostile + "\n\tsecond line"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(title=st.text(max_size=220), description=st.text(max_size=300), email=st.none() | st.text(max_size=40))
def test_any_text_is_stored_or_refused_with_a_sentence(title: str, description: str, email: str | None):
    try:
        outcome = submit(observation(title=title, description=description, email=email), VISITOR)
    except InputError as refused:
        assert {field for field, _ in refused.faults} <= {"title", "description", "email"}
    else:
        assert 3 <= len(row_of(outcome.receipt).title) <= 200


# -- who may what --------------------------------------------------------------------------


def proposal(**given) -> Submission:
    return observation(**{"kind": "proposal", "on_behalf_of": MIROSLAVA} | given)


@pytest.mark.parametrize(
    ("submission", "actor", "field"),
    [
        (proposal(), VISITOR, "kind"),
        (proposal(), Actor(Role.STAKEHOLDER, user="s"), "kind"),
        (proposal(on_behalf_of=IASI), MAYOR, "on_behalf_of"),
        (proposal(on_behalf_of=None), MAYOR, "on_behalf_of"),
        (proposal(on_behalf_of="00000"), PLANNER, "on_behalf_of"),
        (observation(on_behalf_of=IASI), MAYOR, "on_behalf_of"),
        (observation(channel="letter", source_event="Scrisoarea 12"), MAYOR, "channel"),
        (observation(channel="letter"), PLANNER, "source_event"),
        (observation(source_event="ceva"), VISITOR, "source_event"),
    ],
)
def test_who_may_not_is_told_at_the_field(submission: Submission, actor: Actor, field: str):
    assert field in faults_of(submission, actor)


def test_staff_enter_what_came_on_paper():
    outcome = submit(observation(channel="letter", source_event=" Scrisoarea nr. 12\n/ 2026 "), PLANNER)
    row = row_of(outcome.receipt)
    assert (row.channel, row.source_event) == ("letter", "Scrisoarea nr. 12 / 2026")


def test_the_database_itself_refuses_what_a_page_forgot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("proposals.submission._check_rights", lambda *_: None)
    for submission in (proposal(), observation(channel="letter", source_event="x")):
        with pytest.raises(ProgrammingError, match="row-level security"):
            submit(submission, VISITOR)


# -- e-mails -------------------------------------------------------------------------------


def test_an_email_is_kept_apart_and_read_by_staff_only():
    outcome = submit(observation(email="  ion.popescu@exemplu.ro "), Actor(Role.VISITOR, session="mine"))
    read = text("SELECT email, consent_version FROM masterplan.contact WHERE proposal_id = :id")
    with transaction(PLANNER) as connection:
        assert connection.execute(read, {"id": outcome.proposal_id}).one() == ("ion.popescu@exemplu.ro", "2026-11")
    for actor in (VISITOR, Actor(Role.VISITOR, session="mine"), MAYOR):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction(actor) as connection:
            connection.execute(read, {"id": outcome.proposal_id})
    assert "popescu" not in repr(outcome)


# -- found again ---------------------------------------------------------------------------


def test_a_result_is_found_again_by_its_code_as_people_type_it():
    mine = Actor(Role.VISITOR, session="mine")
    outcome = submit(observation(), mine)
    with transaction(VISITOR) as connection:
        found = load_result(connection, f" {outcome.receipt.lower().replace('-', ' ')} ")
        acting = connection.scalar(text("SELECT current_setting('masterplan.role')"))
    assert (found.receipt, found.score, found.created) == (outcome.receipt, outcome.score, False)
    assert acting == "visitor", "who acted before acts again"


def test_a_hidden_one_is_shown_to_its_author_and_staff_only():
    outcome = submit(observation(), Actor(Role.VISITOR, session="mine"))
    assert set_status([outcome.receipt], "hidden", PLANNER, "Este o reclamă.") == 1
    with transaction(VISITOR) as connection, pytest.raises(NotFound, match="Este o reclamă."):
        load_result(connection, outcome.receipt, session="another")
    with transaction(VISITOR) as connection, pytest.raises(NotFound, match="Este o reclamă."):
        load_result(connection, outcome.receipt)
    with transaction(VISITOR) as connection:
        assert load_result(connection, outcome.receipt, session="mine").status == "hidden"
    with transaction(PLANNER) as connection:
        assert load_result(connection, outcome.receipt).status == "hidden"


def test_a_code_that_was_never_given_is_not_found():
    with transaction(VISITOR) as connection, pytest.raises(NotFound):
        load_result(connection, receipts.code(12345))


# -- staff ---------------------------------------------------------------------------------


def test_staff_publish_all_or_none():
    codes = [submit(observation(), VISITOR).receipt for _ in range(3)]
    with pytest.raises(NotFound, match=receipts.code(1)):
        set_status([*codes, receipts.code(1)], "published", PLANNER)
    assert {row_of(code).status for code in codes} == {"submitted"}
    assert set_status([code.lower() for code in codes], "published", PLANNER) == 3
    assert all(row_of(code).public for code in codes)
    assert set_status(codes, "published", PLANNER) == 0


def test_nothing_is_hidden_without_a_reason():
    code = submit(observation(), VISITOR).receipt
    for reason in ("", "  ", "nu", "x" * 1001):
        with pytest.raises(InputError, match="Say why"):
            set_status([code], "hidden", PLANNER, reason)
    assert row_of(code).status == "submitted"


def test_each_change_of_what_is_public_is_kept_with_its_reason_and_who_made_it():
    code = submit(observation(), VISITOR).receipt
    other = submit(observation(), VISITOR).receipt
    set_status([code], "published", PLANNER)
    set_status([code, other], "hidden", PLANNER, " Conține un număr de telefon. ")
    set_status([code, other], "hidden", PLANNER, "A doua oară nu se schimbă nimic.")
    with owner_transaction() as connection:
        kept = connection.execute(
            text("SELECT status, reason, made_by FROM masterplan.moderation WHERE receipt = :r ORDER BY id"),
            {"r": code},
        ).all()  # fmt: skip
    assert [tuple(row) for row in kept] == [
        ("published", "", "p"), ("hidden", "Conține un număr de telefon.", "p"),
    ]  # fmt: skip
    with transaction(VISITOR) as connection:
        said = moderation_of(connection, other)
    assert (said.status, said.reason) == ("hidden", "Conține un număr de telefon.")


@pytest.mark.parametrize("actor", [VISITOR, MAYOR])
def test_nobody_else_notes_a_moderation(actor: Actor):
    code = submit(observation(), VISITOR).receipt
    with pytest.raises(DBAPIError, match="only planners|permission denied"), transaction(actor) as connection:
        connection.execute(text("SELECT masterplan.note_moderation(ARRAY[:r], 'hidden', 'nu vreau')"), {"r": code})


def test_the_consent_text_of_the_form_is_the_one_kept_under_its_version():
    """Whoever changes the text must give it a new version, by a migration that keeps both."""
    with transaction(VISITOR) as connection:
        kept = connection.execute(
            text("SELECT ro, en FROM masterplan.consent_text(:v)"), {"v": CONSENT_VERSION}
        ).one()
    assert (kept.ro, kept.en) == (translator("ro")(CONSENT), CONSENT)


@pytest.mark.parametrize("actor", [VISITOR, MAYOR])
def test_nobody_else_publishes(actor: Actor):
    code = submit(observation(), VISITOR).receipt
    with pytest.raises(Forbidden):
        set_status([code], "published", actor)


# -- many ----------------------------------------------------------------------------------


def waiting_jobs() -> list[str]:
    with transaction(SYSTEM) as connection:
        return list(connection.scalars(text(
            "SELECT kind FROM masterplan.job WHERE state = 'queued' AND run_after <= now() ORDER BY id"
        )))  # fmt: skip


def test_many_are_stored_at_once_and_each_row_is_told():
    twin = uuid4()
    rows = [
        observation(email="unu@exemplu.ro"),
        observation(title=""),
        proposal(),
        observation(submission_key=twin, title="Prima"),
        observation(submission_key=twin, title="A doua"),
        observation(geometry={"type": "Point", "coordinates": [27.58, 47.16, 90]}),
    ]
    contacts, before = count("contact"), waiting_jobs()
    outcomes = submit_many(rows, PLANNER)
    assert [outcome.row for outcome in outcomes] == [1, 2, 3, 4, 5, 6]
    assert [outcome.created for outcome in outcomes] == [True, False, True, True, False, True]
    assert outcomes[1].receipt is None and outcomes[1].faults[0][0] == "title"
    assert outcomes[4].receipt == outcomes[3].receipt
    assert "Heights" in str(outcomes[5].repairs[0])
    assert count("contact") == contacts + 1
    assert row_of(outcomes[0].receipt).uat == IASI
    again = submit_many(rows, PLANNER)
    assert not any(outcome.created for outcome in again)
    assert [outcome.receipt for outcome in again] == [outcome.receipt for outcome in outcomes]
    assert count("contact") == contacts + 1
    assert waiting_jobs() == [*before, "score_pending"]


def test_only_staff_submit_many():
    with pytest.raises(Forbidden):
        submit_many([observation()], VISITOR)


def test_one_and_many_store_the_same():
    shape = polygon((27.58, 47.16), (27.59, 47.16), (27.59, 47.17))
    alone = submit(observation(geometry=shape, attributes={"use": "green", "n": 1.5}), PLANNER)
    (among,) = submit_many([observation(geometry=shape, attributes={"use": "green", "n": 1.5})], PLANNER)
    one, other = row_of(alone.receipt), row_of(among.receipt)
    for column in ("geom", "uat", "attributes", "criteria_set", "edition", "status", "channel", "kind"):
        assert getattr(one, column) == getattr(other, column), column
    assert isinstance(one.submission_key, UUID)
