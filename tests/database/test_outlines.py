"""Outlines: what a filter keeps of a layer, dissolved and moved by its accuracy, never out of date."""

from __future__ import annotations

import json

import measures_world as worlds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon, box
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from masterplan import database
from masterplan.actors import SYSTEM, VISITOR
from proposals.criteria import MeasureSpec
from proposals.measures import Binds, features
from proposals.outlines import Outline, keep, outlines_of

pytestmark = pytest.mark.database

ACCURACY = 20.0
FLOODS = MeasureSpec("share_inside", {"layer": "flood_bands", "where": {"probability_percent": [10, 1]}})


def flood(name: str, shape: Polygon, percent: float) -> worlds.Feature:
    return worlds.Feature(name, shape, properties={"probability_percent": percent, "bank": "left"}, status="existing")


LEFT = flood("left", box(690_000, 630_000, 690_100, 630_100), 10)
RIGHT = flood("right", box(690_100, 630_000, 690_200, 630_100), 1)
RARE = flood("rare", box(691_000, 630_000, 691_100, 630_100), 0.1)
WORLD = {"flood_bands": [LEFT, RIGHT, RARE]}


@pytest.fixture
def world(fresh_database):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD, ACCURACY)


def area(connection, edge: str) -> float:
    of_edge = text("SELECT ST_Area(ST_Union(geom)) FROM masterplan.outline_part WHERE edge = :edge")
    return connection.scalar(of_edge, {"edge": edge})


def test_an_outline_is_the_union_as_it_is_and_moved_by_the_accuracy(world):
    with database.transaction(SYSTEM) as connection:
        keep(connection, [FLOODS])
        assert area(connection, "as_is") == pytest.approx(200 * 100)
        assert area(connection, "moved_in") == pytest.approx((200 - 40) * (100 - 40))
        assert area(connection, "moved_out") == pytest.approx(box(0, 0, 200, 100).buffer(20, quad_segs=8).area)
        named = connection.scalars(text("SELECT feature_id FROM masterplan.outline_part WHERE edge = 'feature'"))
        assert sorted(named) == ["left", "right"]


def test_an_outline_is_made_once_and_anew_when_a_feature_changes(world):
    ids = text("SELECT id FROM masterplan.outline")
    with database.transaction(SYSTEM) as connection:
        keep(connection, [FLOODS])
        (first,) = connection.scalars(ids)
        keep(connection, [FLOODS])
        assert list(connection.scalars(ids)) == [first]
    for change in (
        "UPDATE masterplan.feature SET geom = ST_Translate(geom, 5, 5) WHERE feature_id = 'left'",
        "DELETE FROM masterplan.feature WHERE feature_id = 'left'",
    ):
        with database.owner_transaction() as connection:
            connection.execute(text(change))
            assert list(connection.scalars(ids)) == []
        with database.transaction(SYSTEM) as connection:
            keep(connection, [FLOODS])
    with database.transaction(SYSTEM) as connection:
        assert area(connection, "as_is") == pytest.approx(100 * 100)


def test_a_new_version_of_the_layer_has_an_outline_of_its_own(world):
    with database.transaction(SYSTEM) as connection:
        keep(connection, [FLOODS])
    with database.owner_transaction() as connection:
        connection.execute(text("""
            INSERT INTO masterplan.layer_version (layer_id, version, source, source_date, indicative, accuracy_m,
                feature_count, file_sha256)
            SELECT layer_id, 2, source, source_date, indicative, 0, feature_count, file_sha256
            FROM masterplan.layer_version
        """))
        connection.execute(text("UPDATE masterplan.layer SET version = 2, accuracy_m = 0"))
    with database.transaction(SYSTEM) as connection:
        keep(connection, [FLOODS])
        assert list(connection.scalars(text("SELECT version FROM masterplan.outline"))) == [2]
        assert area(connection, "moved_in") == area(connection, "moved_out") == pytest.approx(20_000)


def test_neighbours_leave_no_gap_of_no_width_between_them(world):
    """A hole of a billionth of a square metre makes GEOS intersect what holds it to nothing."""
    (x, y), (right, top) = start, end = (690_100.0, 630_000.0), (690_187.3, 630_101.7)
    between = [(x + (right - x) * n / 7, y + (top - y) * n / 7) for n in range(1, 7)]
    west = Polygon([(690_000, y), start, end, (690_000, top)])
    east = Polygon([(690_300, y), (690_300, top), end, *reversed(between), start])
    with database.owner_transaction() as connection:
        worlds.store(connection, {"flood_bands": [flood("w", west, 10), flood("e", east, 10)]}, 0.0)
    with database.transaction(SYSTEM) as connection:
        keep(connection, [FLOODS])
        holes = connection.scalar(text("SELECT sum(ST_NumInteriorRings(geom)) FROM masterplan.outline_part"
                                       " WHERE edge = 'as_is'"))  # fmt: skip
        assert holes == 0
        assert area(connection, "as_is") == pytest.approx(300 * 101.7, abs=1e-3)


def test_a_visitor_has_an_outline_made_but_writes_none(world):
    with database.transaction(VISITOR) as connection:
        keep(connection, [FLOODS])
        assert connection.scalar(text("SELECT count(*) FROM masterplan.outline")) == 1
    for write in (
        "DELETE FROM masterplan.outline",
        "UPDATE masterplan.outline_part SET geom = NULL",
        "INSERT INTO masterplan.outline (layer_id, version, filter) VALUES ('flood_bands', 1, '{}')",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"), database.transaction(SYSTEM) as connection:
            connection.execute(text(write))


def test_equal_filters_written_in_another_order_share_an_outline():
    one = MeasureSpec("share_inside", {"layer": "flood_bands", "where": {"a": 1, "b": 2}})
    same = MeasureSpec("zone_membership", {"layer": "flood_bands", "where": {"b": 2, "a": 1}})
    assert outlines_of([one, same]) == [Outline("flood_bands", '{"a":1,"b":2}')]
    assert outlines_of([MeasureSpec("area", {})]) == []


VALUES = st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from([0.1, 1.0, 10.5, "ș", "a'b", ""]))
WANTED = st.one_of(
    VALUES,
    st.lists(VALUES, min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["below", "at_most", "at_least", "above"]), st.integers(-2, 2), min_size=1),
)


@settings(max_examples=200, deadline=None)
@given(facts=st.dictionaries(st.sampled_from("xyz"), VALUES), where=st.dictionaries(st.sampled_from("xyz"), WANTED))
def test_outlines_keep_the_features_that_other_measures_keep(database_name, facts, where):
    """`masterplan.keeps` in SQL and the conditions that `features` writes are two wordings of one rule."""
    bind = Binds()
    condition = features(bind, "l", where).partition(" WHERE ")[2]
    sql = f"""SELECT ({condition}) IS TRUE AS written, masterplan.keeps(CAST(:where AS jsonb), f.properties) AS kept
        FROM (SELECT 'l' AS layer_id, CAST(:facts AS jsonb) AS properties) f"""
    values = {"where": json.dumps(where), "facts": json.dumps(facts)}
    with database.transaction(SYSTEM) as connection:
        row = connection.execute(text(sql), bind.values | values).one()
    assert row.kept == row.written
