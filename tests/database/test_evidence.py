"""Evidence against shapely on the same invented world: what is drawn is what was measured."""

from __future__ import annotations

import json
import random

import measures_world as worlds
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import LineString, Point, shape
from sqlalchemy import text

from masterplan import database
from masterplan.place import place
from proposals.criteria import MeasureSpec
from proposals.evidence import EVIDENCE, MOST_ROWS, ROLES, evidence_statement
from proposals.measures import MEASURES, UAT_LINES, Binds, size
from proposals.measuring import UAT_LINES_SELECT

pytestmark = pytest.mark.database

WORLD = worlds.invent(seed=4)
_back = Transformer.from_crs(4326, place().storage_srid, always_xy=True).transform


@pytest.fixture(scope="module", autouse=True)
def world(database_name):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD, accuracy_m=20)


def drawn(connection, geometry: shapely.Geometry, function: str, **parameters) -> list[dict]:
    """The rows of the evidence of a geometry in the storage CRS, with shapes in it."""
    bind = Binds()
    rows = evidence_statement(MeasureSpec(function, parameters), bind)
    sql = f"""
        WITH {UAT_LINES} AS ({UAT_LINES_SELECT}), subject AS (
            SELECT 0::bigint AS id, g.geom, ST_Dimension(g.geom) AS dim,
                {size("g.geom", "ST_Dimension(g.geom)")} AS size,
                'mobility' AS theme, 'citizen' AS author_kind, NULL::text AS on_behalf_of, NULL::float8 AS budget_lei,
                '{{}}'::jsonb AS attributes
            FROM (SELECT ST_GeomFromWKB(:g, :srid) AS geom) g
        ) {rows}"""
    values = bind.values | {"g": shapely.to_wkb(geometry), "srid": place().storage_srid}
    found = connection.execute(text(sql), values).mappings().all()
    return [dict(row) | {"shape": shapely.transform(shape(json.loads(row["geometry"])), _back, interleaved=False)}
            for row in found]  # fmt: skip


def areas(count: int, seed: int) -> list[shapely.Polygon]:
    dice = random.Random(seed)
    return [worlds.blob(dice, *worlds.place(dice), 900) for _ in range(count)]


def test_the_shaded_part_is_the_part_inside_each_feature(connection) -> None:
    seen = 0
    for site in areas(25, 1):
        rows = [r for r in drawn(connection, site, "share_inside", layer="flood_bands") if r["role"] == "part"]
        inside = {f.id: f.geometry.intersection(site).area for f in WORLD["flood_bands"]}
        assert {r["feature"] for r in rows} == {name for name, area in inside.items() if area > 0}
        for row in rows:
            seen += 1
            # Six decimals of a degree on the way out are about a decimetre.
            assert row["shape"].area == pytest.approx(inside[row["feature"]], rel=0.01, abs=30)
            assert row["amount"] == pytest.approx(100 * inside[row["feature"]] / site.area, abs=1e-6)
    assert seen > 5


def test_where_nothing_is_met_a_line_goes_to_the_nearest(connection) -> None:
    seen = 0
    for site in areas(25, 2):
        distance, nearest = min((f.geometry.distance(site), f.id) for f in WORLD["protected_areas"])
        rows = {r["role"]: r for r in drawn(connection, site, "share_inside", layer="protected_areas")}
        if distance == 0:
            assert "line" not in rows
            continue
        seen += 1
        assert (rows["line"]["feature"], rows["feature"]["feature"]) == (nearest, nearest)
        assert rows["line"]["amount"] == pytest.approx(distance, abs=1e-6)
    assert seen > 3


def test_the_line_to_the_nearest_stop_is_as_long_as_the_measure_says(connection) -> None:
    dice = random.Random(3)
    for _ in range(15):
        site = Point(worlds.place(dice))
        distance, nearest = min((f.geometry.distance(site), f.id) for f in WORLD["transport_stops"])
        rows = {r["role"]: r for r in drawn(connection, site, "distance_to_nearest", layer="transport_stops")}
        assert rows["line"]["feature"] == nearest
        assert rows["line"]["amount"] == pytest.approx(distance, abs=1e-6)
        assert rows["line"]["shape"].length == pytest.approx(distance, abs=0.3)
        assert Point(rows["line"]["shape"].coords[0]).distance(site) < 0.3


def test_the_uats_crossed_are_named_and_what_lies_outside_is_drawn(connection) -> None:
    west, south, side = worlds.WEST, worlds.SOUTH, worlds.SIDE
    # From outside the world across the first row of squares; the first of them is not in the zone.
    line = LineString([(west - 1000, south + 100), (west + side * 0.8, south + 100)])
    rows = drawn(connection, line, "zone_membership", layer="uat", where={"in_zone": True})
    assert sorted(r["name_ro"] for r in rows if r["role"] == "part") == [
        "Numele uat-1-0", "Numele uat-2-0", "Numele uat-3-0"]  # fmt: skip
    (outside,) = [r for r in rows if r["role"] == "outside"]
    assert outside["shape"].length == pytest.approx(1000 + side / 4, rel=1e-4)
    assert outside["amount"] == pytest.approx(100 * (1000 + side / 4) / line.length, rel=1e-6)
    touched = drawn(connection, line, "count_touching", layer="uat")
    assert {r["feature"] for r in touched} == {f"uat-{i}-0" for i in range(4)}


def test_the_attribute_of_each_piece_is_told(connection) -> None:
    values = {f.id: f.properties["anomaly_c"] for f in WORLD["heat"]}
    for site in areas(5, 5):
        rows = drawn(connection, site, "attribute_at", layer="heat", attribute="anomaly_c", statistic="max")
        assert rows and {r["feature"]: r["amount"] for r in rows} == {
            name: values[name] for name in (f.id for f in WORLD["heat"] if f.geometry.intersection(site).area > 0)
        }


def test_residents_counted_are_those_within_reach(connection) -> None:
    people = [(f.geometry, f.properties["residents"]) for f in WORLD["population"]]
    for site in areas(5, 6):
        rows = {r["role"]: r for r in drawn(
            connection, site, "residents_served", population="population", residents="residents", uat="uat",
            total="population", radius_m=1000)}  # fmt: skip
        near = [(point, residents) for point, residents in people if point.distance(site) <= 1000]
        assert rows["counted"]["amount"] == sum(residents for _, residents in near)
        assert len(shapely.get_parts(rows["counted"]["shape"])) == len(near)
        assert rows["reach"]["amount"] == 1000


def test_ends_that_meet_the_network_and_ends_that_do_not(connection) -> None:
    network = [f for layer in ("rings", "radials") for f in WORLD[layer]]
    on = network[0].geometry.interpolate(0.4, normalized=True)
    dice = random.Random(9)
    far = next(p for p in (Point(worlds.place(dice)) for _ in range(1000))
               if min(f.geometry.distance(p) for f in (*network, *WORLD["prospective_radials"])) > 500)  # fmt: skip
    rows = drawn(connection, LineString([on, far]), "network_continuity", network=["rings", "radials"],
                 prospective="prospective_radials", tolerance_m=50)  # fmt: skip
    roles = [(r["role"], round(r["amount"])) for r in rows]
    distance = min(f.geometry.distance(far) for f in (*network, *WORLD["prospective_radials"]))
    assert ("met", 0) in roles and ("unmet", round(distance)) in roles and ("line", round(distance)) in roles


def test_a_shape_that_meets_everything_draws_no_more_than_may_be(connection) -> None:
    west, south, side = worlds.WEST, worlds.SOUTH, worlds.SIDE
    everything = shapely.box(west, south, west + side, south + side)
    rows = drawn(connection, everything, "attribute_at", layer="heat", attribute="anomaly_c")
    assert len(rows) == MOST_ROWS + 1
    reach = drawn(connection, everything, "residents_served", population="population", residents="residents",
                  uat="uat", total="population", radius_m=1000)  # fmt: skip
    assert max(row["vertices"] for row in reach) <= 3_000


def test_every_evidence_is_of_a_measure_and_asks_for_no_more_than_it() -> None:
    for name, write in EVIDENCE.items():
        code = write.__code__
        known = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]) - {"bind"}
        assert known <= set(MEASURES[name].parameters), name
    assert set(MEASURES) - set(EVIDENCE) == {"area", "length", "declared", "declared_ratio", "document_attached"}
    assert len(set(ROLES)) == len(ROLES)
