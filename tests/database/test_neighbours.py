"""A line that appears, changes or disappears leaves exactly the lines that end near it to be measured again."""

from __future__ import annotations

import random

import measures_world as worlds
import pytest
import shapely.affinity
from shapely.geometry import LineString
from sqlalchemy import create_engine, text
from test_measures_paths import insert, to_degrees

from masterplan import database
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from masterplan.jobs import run_one
from proposals.measuring import Candidate, measure_all, score_all, stale_ids
from proposals.neighbours import LINES_CHANGED, mark_ending_near
from proposals.work import HANDLERS

pytestmark = pytest.mark.database

#: Far from every layer of the invented world: only the lines of others can be met.
AWAY = (worlds.WEST - 60_000, worlds.SOUTH - 60_000)


@pytest.fixture(autouse=True)
def _world(fresh_database: str) -> None:
    with database.owner_transaction() as connection:
        worlds.store(connection, worlds.invent(seed=2))


def line(connection, *points, uat="95060", status="published", theme="mobility") -> int:
    shape = LineString([(AWAY[0] + x, AWAY[1] + y) for x, y in points])
    return insert(connection, Candidate(to_degrees(connection, shape), theme, "proposal", "uat", uat), status)


def settle() -> None:
    with transaction(SYSTEM) as connection:
        measure_all(connection)
        score_all(connection)
        connection.execute(text("UPDATE masterplan.job SET state = 'done' WHERE state = 'queued'"))


def waiting() -> list[dict]:
    with transaction(SYSTEM) as connection:
        return list(connection.scalars(
            text("SELECT payload FROM masterplan.job WHERE kind = :k AND state = 'queued' ORDER BY id"),
            {"k": LINES_CHANGED},
        ))  # fmt: skip


def marked() -> list[int]:
    with transaction(SYSTEM) as connection:
        for payload in waiting():
            mark_ending_near(connection, payload)
        return stale_ids(connection)


def changes(statement: str, **values) -> None:
    with transaction(SYSTEM) as connection:
        connection.execute(text(statement), values)


def test_exactly_the_lines_that_end_near_are_stale():
    """Tolerance of v0: 100 m. The new line runs along y = 0 from 0 to 1000."""
    with transaction(SYSTEM) as connection:
        near = line(connection, (500, 99), (500, 5000), uat="97679")
        line(connection, (500, 101), (500, 5000), uat="97679")
        line(connection, (500, 99), (600, 5000), uat="95060")
        line(connection, (500, -3000), (500, 3000), uat="97679")
        line(connection, (500, 99), (500, 5000), uat="97679", theme="water")
        ring = line(connection, (0, 50), (300, 50), (300, 900), (0, 900), (0, 50), uat="97679")
        new = line(connection, (0, 0), (1000, 0), status="submitted")
    settle()
    assert waiting() == []
    changes("UPDATE masterplan.proposal SET status = 'published' WHERE id = :n", n=new)
    assert marked() == [near, ring]
    settle()
    changes("UPDATE masterplan.proposal SET status = 'hidden' WHERE id = :n", n=new)
    assert marked() == [near, ring]
    settle()
    changes("UPDATE masterplan.proposal SET status = 'hidden' WHERE id = :n", n=new)
    assert waiting() == []


def test_the_worker_measures_them_again():
    with transaction(SYSTEM) as connection:
        near = line(connection, (500, 99), (500, 5000), uat="97679")
    settle()
    with transaction(SYSTEM) as connection:
        line(connection, (0, 0), (1000, 0))
    while run_one(HANDLERS):
        pass
    with transaction(SYSTEM) as connection:
        assert stale_ids(connection) == []
        value = connection.scalar(text("""SELECT r.value ->> 'value' FROM masterplan.score, jsonb_each(results) r
            WHERE proposal_id = :n AND r.key = 'continuity'"""), {"n": near})  # fmt: skip
    assert float(value) == 50


def test_a_line_that_moves_or_is_deleted_leaves_both_places_to_be_measured():
    with transaction(SYSTEM) as connection:
        one = line(connection, (500, 50), (500, 5000), uat="97679")
        other = line(connection, (500, 9000), (500, 7000), uat="97679")
        moving = line(connection, (0, 0), (1000, 0))
    settle()
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text("UPDATE masterplan.proposal SET geom = ST_Translate(geom, 0, 9000) WHERE id = :n"),
                           {"n": moving})  # fmt: skip
    assert marked() == [one, other]
    settle()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM masterplan.proposal WHERE id = :n"), {"n": moving})
    engine.dispose()
    assert marked() == [other]


def test_measuring_again_what_is_stale_finds_what_measuring_everything_would():
    dice = random.Random(11)
    with transaction(SYSTEM) as connection:
        ids = [
            line(connection, (x, y), (x + dice.uniform(-400, 400), y + dice.uniform(-400, 400)),
                 uat=dice.choice(["95060", "97679"]), status=dice.choice(["published", "submitted"]))
            for x, y in ((dice.uniform(0, 1500), dice.uniform(0, 1500)) for _ in range(60))
        ]  # fmt: skip
    settle()
    for number in dice.sample(ids, 12):
        with transaction(SYSTEM) as connection:
            connection.execute(text("""UPDATE masterplan.proposal SET status =
                CASE status WHEN 'published' THEN 'hidden' ELSE 'published' END WHERE id = :n"""), {"n": number})
    again = marked()
    assert 0 < len(again) < len(ids)

    def found() -> list:
        with transaction(SYSTEM) as connection:
            return connection.execute(text("SELECT proposal_id, measures FROM masterplan.measurement ORDER BY 1")).all()

    before = found()
    with transaction(SYSTEM) as connection:
        measure_all(connection, again)
    selectively = found()
    settle()
    assert selectively == found() != before


def test_very_many_at_once_name_the_moment_and_what_is_measured_since_stays():
    with transaction(SYSTEM) as connection:
        early = line(connection, (0, 0), (0, 90), uat="97679")
    settle()
    with transaction(SYSTEM) as connection:
        geometry = to_degrees(connection, shapely.affinity.translate(LineString([(0, 0), (50, 0)]), *AWAY))
        connection.execute(text("""
            INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,
                description, geom, on_behalf_of, attributes, criteria_set, edition)
            SELECT 'r' || n, gen_random_uuid(), 'proposal', 'published', 'online', 'uat', 'mobility', 'O linie', '',
                ST_Transform(ST_GeomFromWKB(:g, 4326), 3844), '95060', '{}', 'v0', 1
            FROM generate_series(1, 201) n"""), {"g": geometry})
    with transaction(SYSTEM) as connection:
        (payload,) = waiting()
        assert set(payload) == {"measured_before"}
        new = connection.scalars(text("SELECT id FROM masterplan.proposal WHERE id <> :n"), {"n": early})
        measure_all(connection, list(new))
    assert marked() == [early]
