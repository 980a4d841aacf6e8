"""The figures of decisions, against counts made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine, text

from masterplan import database
from masterplan.actors import VISITOR, Actor, Role
from proposals.deciding import Outcome
from proposals.predictability import Figures, Period, period

pytestmark = pytest.mark.database

#: theme, author, UAT, outcome (None: waits), days waited, day of publication, status, keys, reopened, demonstration.
_ROWS = (
    ("water", "uat", "95060", "integrate", 10, 1, "published", [], False, False),
    ("water", "uat", "95060", "integrate_partly", 20, 2, "published", [], False, False),
    ("water", "company", "97919", "reject", 40, 3, "published", ["flood", "isolated_land"], False, False),
    ("mobility", "company", "97919", "reject", 5, 30, "published", ["flood"], False, False),
    ("mobility", "uat", "95060", "ask_for_changes", 7, 4, "published", ["more_facts"], False, False),
    ("mobility", "uat", "95060", "redirect", 8, 5, "published", [], False, False),
    ("mobility", "uat", "95060", "integrate", 9, 5, "published", [], True, False),
    ("mobility", "uat", "95060", None, 0, 0, "published", [], False, False),
    ("mobility", "uat", "95060", "reject", 100, 3, "hidden", ["flood"], False, False),
    ("mobility", "uat", "95060", "reject", 100, 3, "published", ["flood"], False, True),
    ("mobility", "uat", "95060", None, 0, 0, "submitted", [], False, False),
)  # fmt: skip
_PROPOSAL = text("""
INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title, description,
    geom, on_behalf_of, criteria_set, edition, demo)
VALUES (gen_random_uuid()::text, gen_random_uuid(), 'proposal', :status, 'online', :author, :theme, 'Abc', '',
    ST_SetSRID(ST_MakePoint(695000, 632000), 3844), :uat, 'v0', 1, :demo) RETURNING id
""")
_DECISION = text("""
INSERT INTO masterplan.decision (proposal_id, outcome, reason_ro, reason_en, reason_keys, redirected_to, departure,
    criteria_set, received_at, published_at, reopened_at)
VALUES (:id, :outcome, 'abc', 'abc', :keys, '', '', 'v0', :received, :published, :reopened)
""")


@pytest.fixture(scope="module")
def world(database_name: str) -> Iterator[Connection]:
    engine = create_engine(database.admin_url())
    with engine.connect() as connection, connection.begin() as filled:
        for theme, author, uat, outcome, days, day, status, keys, reopened, demo in _ROWS:
            number = connection.scalar(_PROPOSAL, {"status": status, "author": author, "theme": theme, "uat": uat,
                                                   "demo": demo})  # fmt: skip
            if outcome:
                # Half an hour before midnight in Iași: in November, 21:30 UTC.
                at = datetime(2026, 11, day, 21, 30, tzinfo=UTC)
                connection.execute(_DECISION, {"id": number, "outcome": outcome, "keys": keys, "published": at,
                                               "received": at - timedelta(days=days),
                                               "reopened": at if reopened else None})  # fmt: skip
        yield connection
        filled.rollback()
    engine.dispose()


def seen(connection: Connection, actor: Actor, since: date | None = None, until: date | None = None) -> Period:
    with connection.begin_nested() as moment:
        database._take_role(connection, actor)
        found = period(connection, since, until)
        moment.rollback()
    return found


def told(groups: list[Figures]) -> dict[str, tuple]:
    return {g.group: (g.decided, g.integrated, g.judged, g.median_days) for g in groups}


def test_a_visitor_reads_counts_rates_and_waiting_times_of_what_is_public(world: Connection):
    found = seen(world, VISITOR)
    assert found.all.counts == {
        Outcome.INTEGRATE: 1, Outcome.PARTLY: 1, Outcome.CHANGES: 1, Outcome.REJECT: 2, Outcome.REDIRECT: 1,
    }  # fmt: skip
    assert (found.all.decided, found.all.rate) == (6, 0.5)
    assert found.all.median_days == 9.0, "the middle of 5 7 8 10 20 40"
    assert told(found.by["theme"]) == {"water": (3, 2, 3, 20.0), "mobility": (3, 0, 1, 7.0)}
    assert told(found.by["author_kind"]) == {"uat": (4, 2, 2, 9.0), "company": (2, 0, 2, 22.5)}
    assert found.rejections == [("flood", 2), ("isolated_land", 1)]
    assert found.waiting == 2, "one that was reopened, and one never decided; not what is held or made up"
    assert found.by["uat"] == []


def test_a_period_includes_both_its_days_on_the_zones_clock(world: Connection):
    found = seen(world, VISITOR, date(2026, 11, 2), date(2026, 11, 4))
    assert found.all.decided == 3
    assert seen(world, VISITOR, date(2026, 11, 30), None).all.decided == 1
    assert seen(world, VISITOR, None, date(2026, 10, 31)).all is None


def test_each_uat_reads_its_own_line_and_planners_every_one(world: Connection):
    miroslava = seen(world, Actor(Role.UAT, "", ("97919",), "x"))
    assert told(miroslava.by["uat"]) == {"97919": (2, 0, 2, 22.5)}
    planner = seen(world, Actor(Role.PLANNER, "", (), "x"))
    assert {g.group for g in planner.by["uat"]} == {"95060", "97919"}


def test_what_is_hidden_is_counted_for_nobody_but_the_team(world: Connection):
    assert seen(world, Actor(Role.PLANNER, "", (), "x")).all.counts[Outcome.REJECT] == 3
