"""Demonstration rows: the same from the same seed, plausible, marked, and never among real ones."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import transaction
from masterplan.errors import MasterplanError
from proposals.seeding import clear, make_rows, seed
from proposals.submitting import Submission, submit

COUNT = 240
#: All that a seed decides; ids and receipts' order are the database's.
CONTENT = text("""
    SELECT receipt, submission_key, kind, status, channel, source_event, author_kind, theme, title, description,
        ST_AsEWKB(geom) AS geom, uat, on_behalf_of, budget_lei, documentation_stage, attributes, created_at,
        updated_at, demo
    FROM masterplan.proposal ORDER BY receipt
""")


@pytest.fixture(scope="module")
def seeded(database_name: str) -> list:
    """The rows of seed 7."""
    seed(COUNT, 7)
    return content()


def content() -> list:
    with transaction(SYSTEM) as connection:
        return connection.execute(CONTENT).all()


def ask(question: str):
    with transaction(SYSTEM) as connection:
        return connection.execute(text(question)).one()


def test_the_same_seed_gives_the_same_rows_and_another_one_others(
    seeded: list, fresh_database: str
):
    make_rows(COUNT, 8)
    others = content()
    assert len(others) == COUNT and not {row.receipt for row in others} & {row.receipt for row in seeded}
    make_rows(COUNT, 7, replace=True)
    assert content() == seeded


def test_every_row_is_marked_placed_measured_and_scored(seeded: list):
    found = ask("""
        SELECT count(*) FILTER (WHERE demo) AS marked, count(*) FILTER (WHERE uat IS NOT NULL) AS placed,
            count(*) FILTER (WHERE kind = 'proposal' AND on_behalf_of = uat) AS own,
            count(*) FILTER (WHERE kind = 'proposal') AS proposals,
            count(m.proposal_id) AS measured, count(s.proposal_id) AS scored, count(DISTINCT uat) AS uats
        FROM masterplan.proposal p LEFT JOIN masterplan.measurement m ON m.proposal_id = p.id AND NOT m.stale
        LEFT JOIN masterplan.score s ON s.proposal_id = p.id
    """)
    assert (found.marked, found.placed, found.measured, found.scored) == (COUNT,) * 4
    assert found.own == found.proposals and 0.15 < found.proposals / COUNT < 0.35
    assert found.uats >= 15


def test_shapes_and_places_are_plausible(seeded: list):
    found = ask("""
        SELECT avg((ST_Dimension(p.geom) = 0)::int) AS points, avg((ST_Dimension(p.geom) = 1)::int) AS lines,
            bool_and(ST_IsValid(p.geom)) AS valid,
            bool_and(EXISTS (SELECT FROM masterplan.current_feature f
                WHERE f.layer_id = 'uat' AND f.properties @> '{"in_zone": true}' AND ST_Intersects(f.geom, p.geom))
            ) AS in_zone,
            avg((p.uat = '95060')::int) AS in_the_city
        FROM masterplan.proposal p
    """)
    assert 0.62 < found.points < 0.78 and 0.08 < found.lines < 0.22
    assert found.valid and found.in_zone
    # The city has 56 % of the residents on 6 % of the land.
    assert 0.3 < found.in_the_city < 0.7


def test_texts_are_romanian_with_the_right_diacritics(seeded: list):
    written = " ".join(f"{row.title} {row.description} {row.source_event}" for row in seeded)
    assert "{place}" not in written
    assert not set("şţŞŢãõ") & set(written), "s and t take a comma below, not a cedilla"
    assert set("ăâîșț") <= set(written)
    assert {row.theme for row in seeded} == {
        "mobility", "development", "green_blue", "energy_renovation", "public_space", "water", "other"
    }  # fmt: skip


def test_moments_spread_over_months_and_end_before_the_day_of_the_data(seeded: list):
    moments = [row.created_at for row in seeded]
    assert (max(moments) - min(moments)).days > 200
    assert max(moments).isoformat() < "2026-11-02"
    assert all(row.updated_at == row.created_at for row in seeded)


def test_most_are_published(seeded: list):
    published = sum(row.status == "published" for row in seeded) / COUNT
    assert 0.8 < published < 0.9
    assert {row.status for row in seeded} == {"published", "submitted"}


def test_seeding_twice_is_refused_unless_asked_to_replace(seeded: list):
    with pytest.raises(MasterplanError, match=f"{COUNT} demonstration rows already"):
        seed(10, 1)
    assert len(content()) == COUNT


def test_only_the_system_deletes_and_only_demonstration(seeded: list):
    with pytest.raises(ProgrammingError, match="permission denied"), transaction(VISITOR) as connection:
        connection.execute(text("DELETE FROM masterplan.proposal"))
    assert len(content()) == COUNT


@pytest.mark.parametrize("count", [0, -1, 10_000_000])
def test_absurd_numbers_are_refused(count: int):
    with pytest.raises(MasterplanError, match="can be made"):
        seed(count, 1)


def test_none_is_made_once_real_ones_exist(fresh_database: str):
    submit(
        Submission(uuid4(), "observation", "other", "O observație adevărată", "", {
            "type": "Point", "coordinates": [27.583, 47.165]
        }),
        VISITOR,
    )  # fmt: skip
    for replace in (False, True):
        with pytest.raises(MasterplanError, match=r"Real submissions are there already \(1\)"):
            seed(10, 1, replace=replace)
    with transaction(SYSTEM) as connection:
        connection.execute(text("DELETE FROM masterplan.proposal"))
    assert len(content()) == 1, "the real one stays, whatever the system is told"


def test_demonstration_rows_can_go_while_a_real_one_stays(fresh_database: str):
    make_rows(20, 1)
    real = Submission(
        submission_key=uuid4(), kind="observation", theme="water", title="Un canal înfundat", description="",
        geometry={"type": "Point", "coordinates": [27.58, 47.16]},
    )  # fmt: skip
    receipt = submit(real, VISITOR).receipt
    assert clear() == 20
    assert [row.receipt for row in content()] == [receipt]
