"""Every measure against an independent reckoning by shapely on the same invented world."""

from __future__ import annotations

import math
import random
from contextlib import contextmanager

import measures_world as worlds
import pyproj
import pytest
import shapely
import shapely.affinity
import shapely.ops
from shapely.geometry import LineString, Point, Polygon
from shapely.ops import unary_union
from sqlalchemy import text

from masterplan import database
from masterplan.actors import SYSTEM, VISITOR
from masterplan.place import place
from proposals.criteria import MeasureSpec
from proposals.measures import GEOMETRIES, MEASURES, UAT_LINES, Binds
from proposals.measures import size as size_sql
from proposals.measuring import UAT_LINES_SELECT
from proposals.outlines import keep

pytestmark = pytest.mark.database

ACCURACY = 20.0
WORLD = worlds.invent()
#: Written values are rounded to three decimals; intersections differ in the last bits.
ROUNDED = {"abs": 0.0011, "rel": 1e-7}


def subjects(count: int = 300) -> list[shapely.Geometry]:
    """Points, lines and polygons, also just outside the world and on the features themselves."""
    dice = random.Random(11)
    found: list[shapely.Geometry] = []
    for number in range(count):
        x, y = worlds.place(dice, margin=1500)
        found.append(
            [
                Point(x, y),
                worlds.walk(dice, x, y, 6, dice.uniform(20, 600)),
                worlds.blob(dice, x, y, dice.uniform(15, 1500)),
            ][number % 3]
        )
    found.append(WORLD["transport_stops"][0].geometry)
    found.append(WORLD["flood_bands"][0].geometry)
    found.append(WORLD["radials"][0].geometry)
    return found


SUBJECTS = subjects()
DIM = {"Point": 0, "LineString": 1, "Polygon": 2, "MultiPolygon": 2}


@pytest.fixture(scope="module")
def world(database_name):
    with database.owner_transaction() as connection:
        worlds.store(connection, WORLD, ACCURACY)
    return WORLD


@pytest.fixture
def measured(world):
    """Run one measure for many subjects in one statement, as the set-based path does."""

    def run(
        function: str, geometries=SUBJECTS, theme="development", attributes="{}", actor=SYSTEM, **parameters
    ):
        return answers_of(MeasureSpec(function, parameters), geometries, theme, attributes, actor)

    return run


def answers_of(spec, geometries, theme="development", attributes="{}", actor=SYSTEM, author_kind="company"):
    bind = Binds()
    sql = f"""
        WITH {UAT_LINES} AS ({UAT_LINES_SELECT}), subject AS (
            SELECT ordinality AS id, geom, ST_Dimension(geom) AS dim, {size_sql("geom", "ST_Dimension(geom)")} AS size,
                CAST(:theme AS text) AS theme, CAST(:author AS text) AS author_kind, '97679'::text AS on_behalf_of,
                5e6::float8 AS budget_lei, CAST(:attributes AS jsonb) AS attributes
            FROM unnest(CAST(:geometries AS bytea[])) WITH ORDINALITY AS g(wkb, ordinality)
            CROSS JOIN LATERAL ST_GeomFromWKB(wkb, {place().storage_srid}) AS geom
        )
        SELECT m.answer FROM subject s LEFT JOIN ({spec.measure.write(bind, **spec.parameters)}) m USING (id)
        ORDER BY s.id"""
    values = {
        "geometries": [shapely.to_wkb(g) for g in geometries],
        "theme": theme,
        "attributes": attributes,
        "author": author_kind,
    }
    with database.transaction(actor) as connection:
        keep(connection, [spec])
        return list(connection.scalars(text(sql), bind.values | values))


def size(geometry: shapely.Geometry, dim: int) -> float:
    if geometry.is_empty:
        return 0.0
    if dim == 2:
        return geometry.area
    return geometry.length if dim == 1 else float(len(shapely.get_parts(geometry)))


def dim(geometry: shapely.Geometry) -> int:
    return DIM[geometry.geom_type]


def share(geometry: shapely.Geometry, layer: shapely.Geometry) -> float:
    return 100 * size(geometry.intersection(layer), dim(geometry)) / size(geometry, dim(geometry))


def polygons(layer: str, keep=lambda f: True) -> list[worlds.Feature]:
    return [feature for feature in WORLD[layer] if keep(feature)]


def together(features: list[worlds.Feature]) -> shapely.Geometry:
    return unary_union([feature.geometry for feature in features])


# -- shares --------------------------------------------------------------------------------


def frequent(feature: worlds.Feature) -> bool:
    return feature.properties["probability_percent"] in (10, 1)


def test_share_inside_is_the_share_of_the_union(measured):
    layer = together(polygons("flood_bands", frequent))
    found = measured("share_inside", layer="flood_bands", where={"probability_percent": [10, 1]})
    expected = [share(subject, layer) for subject in SUBJECTS]
    assert [answer["value"] for answer in found] == pytest.approx(expected, **ROUNDED)
    assert {0, 100} < {round(value) for value in expected}, "a test of nothing but 0 and 100 proves little"


def test_share_inside_says_how_far_the_accuracy_may_move_it(measured):
    layer = together(polygons("flood_bands", frequent))
    # Where features overlap only by a sliver, quarter circles of both libraries may differ a little.
    wide, narrow = layer.buffer(ACCURACY, quad_segs=8), layer.buffer(-ACCURACY, quad_segs=8)
    found = measured("share_inside", layer="flood_bands", where={"probability_percent": [10, 1]})
    for subject, answer in zip(SUBJECTS, found, strict=True):
        low, high = answer.get("low", answer["value"]), answer.get("high", answer["value"])
        assert low <= answer["value"] <= high
        assert low == pytest.approx(share(subject, narrow), abs=0.02)
        assert high == pytest.approx(share(subject, wide), abs=0.02)


def test_share_inside_names_the_feature_that_covers_most(measured):
    kept = polygons("protected_areas")
    for subject, answer in zip(SUBJECTS, measured("share_inside", layer="protected_areas"), strict=True):
        covers = {f.id: size(subject.intersection(f.geometry), dim(subject)) for f in kept}
        if answer["value"] == 0:
            assert "feature" not in answer
        else:
            assert covers[answer["feature"]] == pytest.approx(max(covers.values()))
            assert answer["name"] == f"Numele {answer['feature']}"


def test_zone_membership_knows_neighbours_share_their_border(measured):
    kept = polygons("uat", lambda f: f.properties["in_zone"])
    layer, narrow, wide = together(kept), together(kept).buffer(-ACCURACY), together(kept).buffer(ACCURACY)

    def word(subject, zone):
        inside = share(subject, zone)
        return "inside" if inside >= 99.999 else "straddles" if inside > 0 else "outside"

    found = measured("zone_membership", layer="uat", where={"in_zone": True})
    assert [answer["value"] for answer in found] == [word(subject, layer) for subject in SUBJECTS]
    assert [answer.get("uncertain", False) for answer in found] == [
        word(subject, narrow) != word(subject, wide) for subject in SUBJECTS
    ]
    assert {answer["value"] for answer in found} == {"inside", "straddles", "outside"}


def test_a_border_between_two_uats_of_the_zone_is_no_edge(measured):
    inner = worlds.WEST + worlds.SIDE / 2
    across = Polygon.from_bounds(inner - 50, worlds.SOUTH + 12_000, inner + 50, worlds.SOUTH + 12_100)
    (answer,) = measured("zone_membership", [across], layer="uat", where={"in_zone": True})
    assert answer["value"] == "inside"
    assert "uncertain" not in answer


# -- distances -----------------------------------------------------------------------------


def test_distance_to_the_nearest(measured):
    kept = polygons("transport_stops", lambda f: f.status == "existing")
    found = measured("distance_to_nearest", layer="transport_stops", where={"status": "existing"})
    for subject, answer in zip(SUBJECTS, found, strict=True):
        distances = {f.id: subject.distance(f.geometry) for f in kept}
        assert answer["value"] == pytest.approx(min(distances.values()), **ROUNDED)
        assert distances[answer["feature"]] == pytest.approx(answer["value"], **ROUNDED)
        assert answer["low"] == pytest.approx(answer["value"] - ACCURACY, **ROUNDED)
        assert answer["high"] == pytest.approx(answer["value"] + ACCURACY, **ROUNDED)


def test_distance_agrees_with_the_geodesic(measured):
    to_degrees = pyproj.Transformer.from_crs(3844, 4326, always_xy=True).transform
    geodesic = pyproj.Geod(ellps="GRS80")
    stops = {f.id: f.geometry for f in WORLD["transport_stops"]}
    points = [subject for subject in SUBJECTS if dim(subject) == 0]
    for subject, answer in zip(
        points, measured("distance_to_nearest", points, layer="transport_stops"), strict=True
    ):
        (x0, y0), (x1, y1) = (to_degrees(p.x, p.y) for p in (subject, stops[answer["feature"]]))
        metres = geodesic.inv(x0, y0, x1, y1)[2]
        assert answer["value"] == pytest.approx(metres, rel=2e-4, abs=0.001)


def test_distance_to_the_bank_is_negative_in_the_bed(measured):
    found = measured("distance_to_nearest", layer="watercourses", width_attribute="width_m")
    expected = [
        min(subject.distance(f.geometry) - f.properties["width_m"] / 2 for f in WORLD["watercourses"])
        for subject in SUBJECTS
    ]
    assert [answer["value"] for answer in found] == pytest.approx(expected, **ROUNDED)
    assert min(expected) < 0


def test_the_strip_reached_first_decides(measured):
    strips = [[0, 5], [10, 15], [50.001, 20]]
    found = measured("distance_to_nearest", layer="watercourses", width_attribute="width_m", strips=strips)

    def strip(width):
        return 5 if width < 10 else 15 if width <= 50 else 20

    for subject, answer in zip(SUBJECTS, found, strict=True):
        beyond = {}
        for f in WORLD["watercourses"]:
            width = f.properties["width_m"]
            beyond[f.id] = subject.distance(f.geometry) - width / 2 - strip(width)
        assert answer["value"] - answer["limit"] == pytest.approx(min(beyond.values()), **ROUNDED)
        width = next(f.properties["width_m"] for f in WORLD["watercourses"] if f.id == answer["feature"])
        assert answer["limit"] == strip(width)


# -- attributes and counts -----------------------------------------------------------------


def test_the_mean_of_an_attribute_is_weighted_by_what_is_covered(measured):
    for subject, answer in zip(
        SUBJECTS, measured("attribute_at", layer="heat", attribute="anomaly_c"), strict=True
    ):
        parts = [
            (f.properties["anomaly_c"], size(subject.intersection(f.geometry), dim(subject)))
            for f in WORLD["heat"] if f.geometry.intersects(subject)
        ]  # fmt: skip
        whole = sum(part for _, part in parts)
        if not parts:
            assert "value" not in answer
        elif whole > 0:
            assert answer["value"] == pytest.approx(sum(v * part for v, part in parts) / whole, **ROUNDED)


def test_a_mean_over_several_features_names_none_of_them(measured):
    counts = set()
    for subject, answer in zip(SUBJECTS, measured("attribute_at", layer="heat", attribute="anomaly_c"), strict=True):
        met = [f.id for f in WORLD["heat"] if f.geometry.intersects(subject)]
        assert answer.get("feature") == (met[0] if len(met) == 1 else None)
        counts.add(min(len(met), 2))
    assert counts == {0, 1, 2}


def test_a_line_cut_in_two_has_the_mean_of_its_parts_by_length(measured):
    lines = [s for s in SUBJECTS if dim(s) == 1 and all(p.within(together(WORLD["heat"])) for p in (s,))]
    for line in lines[:40]:
        half = line.length / 3
        first, rest = shapely.ops.substring(line, 0, half), shapely.ops.substring(line, half, line.length)
        whole, a, b = measured("attribute_at", [line, first, rest], layer="heat", attribute="anomaly_c")
        mean = (a["value"] * first.length + b["value"] * rest.length) / line.length
        assert whole["value"] == pytest.approx(mean, abs=0.002)


def test_the_maximum_of_an_attribute_and_its_reach_within_accuracy(measured):
    found = measured("attribute_at", layer="relief", attribute="slope_percent", statistic="max", bounds=True)
    for subject, answer in zip(SUBJECTS, found, strict=True):
        met = [f.properties["slope_percent"] for f in WORLD["relief"] if f.geometry.intersects(subject)]
        near = [
            f.properties["slope_percent"] for f in WORLD["relief"] if f.geometry.dwithin(subject, ACCURACY)
        ]
        if met:
            assert answer["value"] == max(met)
            assert answer.get("high", answer["value"]) == max(near)
            assert answer.get("low", answer["value"]) == min(near)


def test_outside_every_feature_an_attribute_has_the_value_that_the_criterion_gives(measured):
    apart = [Point(worlds.WEST - 50_000, worlds.SOUTH)]
    assert measured("attribute_at", apart, layer="heat", attribute="anomaly_c") == [{}]
    assert measured("attribute_at", apart, layer="heat", attribute="anomaly_c", outside=0)[0]["value"] == 0


def test_count_touching(measured):
    found = measured("count_touching", layer="strategic_zones")
    zones = [f.geometry for f in WORLD["strategic_zones"]]
    for subject, answer in zip(SUBJECTS, found, strict=True):
        value = answer["value"]
        assert value == sum(zone.intersects(subject) for zone in zones)
        assert answer.get("high", value) == sum(zone.dwithin(subject, ACCURACY) for zone in zones)
        assert answer.get("low", value) == sum(zone.buffer(-ACCURACY).intersects(subject) for zone in zones)


def test_area_agrees_with_an_equal_area_projection_and_length_with_the_geodesic(measured):
    to_degrees = pyproj.Transformer.from_crs(3844, 4326, always_xy=True).transform
    to_equal_area = pyproj.Transformer.from_crs(3844, 3035, always_xy=True).transform
    areas = [subject for subject in SUBJECTS if dim(subject) == 2]
    for subject, answer in zip(areas, measured("area", areas), strict=True):
        dense = subject.segmentize(10)
        assert answer["value"] == pytest.approx(
            shapely.transform(dense, to_equal_area, interleaved=False).area, rel=5e-4
        )
    lines = [subject for subject in SUBJECTS if dim(subject) == 1]
    for subject, answer in zip(lines, measured("length", lines), strict=True):
        metres = pyproj.Geod(ellps="GRS80").geometry_length(
            shapely.transform(subject, to_degrees, interleaved=False)
        )
        assert answer["value"] == pytest.approx(metres, rel=2e-4)


# -- the plan's own questions --------------------------------------------------------------


def test_land_class(measured):
    parameters = {"underused": "underused_land", "intravilan": "intravilan", "adjoining_m": 50}

    def mostly(subject, layer):
        inside = sum(size(subject.intersection(f.geometry), dim(subject)) for f in WORLD[layer])
        return inside >= size(subject, dim(subject)) / 2

    def word(subject):
        if mostly(subject, "underused_land"):
            return "underused"
        if mostly(subject, "intravilan"):
            return "intravilan"
        near = any(f.geometry.dwithin(subject, 50) for f in WORLD["intravilan"])
        return "adjoining" if near else "isolated"

    expected = [word(subject) for subject in SUBJECTS]
    found = measured("land_class", **parameters)
    assert [answer["value"] for answer in found] == expected
    told_by = {"underused": "underused_land"}
    assert [answer["layer"] for answer in found] == [told_by.get(word, "intravilan") for word in expected]
    assert set(expected) == {"underused", "intravilan", "adjoining", "isolated"}


FIT = {"layer": "strategic_zones", "uses": "uses", "declared_as": "use", "by_theme": {"mobility": "mobility"}}


@pytest.mark.parametrize("theme,attributes,use", [
    ("development", '{"use": "logistics"}', "logistics"), ("mobility", "{}", "mobility"),
    ("development", "{}", None), ("mobility", '{"use": "housing"}', "housing"),
])  # fmt: skip
def test_strategic_fit(measured, theme, attributes, use):
    found = measured("strategic_fit", theme=theme, attributes=attributes, **FIT)
    classes = set()
    for subject, answer in zip(SUBJECTS, found, strict=True):
        shares = {f.id: share(subject, f.geometry) for f in WORLD["strategic_zones"]}
        assert answer["value"] == pytest.approx(max(shares.values()), **ROUNDED)
        if answer["value"] > 0.001:
            zone = next(f for f in WORLD["strategic_zones"] if f.id == answer["feature"])
            expected = "undeclared" if use is None else "fit" if use in zone.properties["uses"] else "misfit"
            assert answer["class"] == expected
            classes.add(expected)
    assert classes == ({"undeclared"} if use is None else {"fit", "misfit"})


NETWORK = {"network": ["rings", "radials"], "prospective": "prospective_radials", "tolerance_m": 100}


def test_network_continuity_counts_the_ends_that_meet(measured):
    lines = [subject for subject in SUBJECTS if dim(subject) == 1]
    radial, ring = WORLD["radials"][0].geometry, WORLD["rings"][0].geometry
    (rx, ry), (qx, qy) = radial.coords[3], ring.coords[5]
    away = (worlds.WEST - 9000, worlds.SOUTH - 9000)
    lines += [LineString([(rx, ry), (qx, qy)]), LineString([(rx, ry), away]),
              LineString([away, (away[0] + 100, away[1])])]  # fmt: skip
    network = together([*WORLD["rings"], *WORLD["radials"], *WORLD["prospective_radials"]])
    found = measured("network_continuity", lines, theme="mobility", **NETWORK)
    for line, answer in zip(lines, found, strict=True):
        joined = sum(Point(end).dwithin(network, 100) for end in (line.coords[0], line.coords[-1]))
        assert answer["value"] == 50 * joined
        served = sorted(f.id for f in WORLD["prospective_radials"] if f.geometry.dwithin(line, 100))
        if served:
            assert (answer["feature"], answer["layer"]) == (served[0], "prospective_radials")
        elif "feature" in answer:
            assert answer["feature"] in {f.id for f in WORLD[answer["layer"]]}
    assert [answer["value"] for answer in found[-3:]] == [100, 50, 0]


def test_network_continuity_of_a_ring_and_of_a_line_in_parts(measured):
    radial = WORLD["radials"][0].geometry
    x, y = radial.coords[3]
    on_it = LineString([(x, y), (x + 10, y + 10), (x, y + 10), (x, y)])
    apart = shapely.affinity.translate(on_it, -90_000)
    parts = shapely.MultiLineString([[(x, y), (x - 30_000, y)], [(x - 30_000, y), (x - 60_000, y)]])
    found = measured("network_continuity", [on_it, apart, parts], theme="mobility", **NETWORK)
    assert [answer["value"] for answer in found] == [100, 0, 50]


def test_residents_gaining_green(measured):
    served = together(
        polygons("green_access", lambda f: f.status == "existing" and f.properties["area_ha"] >= 0.5)
    )
    areas = [s for s in SUBJECTS if dim(s) == 2] + [Point(worlds.WEST + 9000, worlds.SOUTH + 9000).buffer(20)]
    found = measured(
        "residents_gaining_green", areas, population="population", residents="residents",
        green="green_access", area_ha="area_ha", radius_m=300, smallest_ha=0.5,
    )  # fmt: skip
    expected = [
        sum(
            f.properties["residents"]
            for f in WORLD["population"]
            if subject.area >= 5000
            and f.geometry.dwithin(subject, 300)
            and not f.geometry.dwithin(served, 300)
        )
        for subject in areas
    ]
    assert [answer["value"] for answer in found] == expected
    assert max(expected) > 0 and expected[-1] == 0


def test_residents_served_in_percent_of_the_uat_that_holds_most(measured):
    found = measured("residents_served", population="population", residents="residents", uat="uat",
                     total="population", radius_m=1000)  # fmt: skip
    for subject, answer in zip(SUBJECTS, found, strict=True):
        held = {f.id: size(subject.intersection(f.geometry), dim(subject)) for f in WORLD["uat"]}
        near = sum(
            f.properties["residents"] for f in WORLD["population"] if f.geometry.dwithin(subject, 1000)
        )
        if max(held.values()) == 0:
            assert answer is None
            continue
        assert held[answer["feature"]] == pytest.approx(max(held.values()))
        total = next(f.properties["population"] for f in WORLD["uat"] if f.id == answer["feature"])
        assert answer["value"] == pytest.approx(100 * near / total, **ROUNDED)


def test_corridor_blocked_across_its_direction(measured):
    areas = [subject for subject in SUBJECTS if dim(subject) == 2]
    found = measured("corridor_blocked", areas, layer="ventilation_corridors", width_attribute="width_m",
                     direction_attribute="direction_deg")  # fmt: skip

    def blocked(subject, corridor):
        part = subject.intersection(corridor.geometry)
        if part.area == 0:
            return 0.0
        bearing = math.radians(corridor.properties["direction_deg"])
        shadows = [shadow(piece, bearing) for piece in shapely.get_parts(part)]
        return 100 * unary_union(shadows).length / corridor.properties["width_m"]

    def shadow(piece, bearing):
        across = [x * math.cos(bearing) - y * math.sin(bearing) for x, y in shapely.get_coordinates(piece)]
        return LineString([(min(across), 0), (max(across), 0)])

    expected = [min(100, max(blocked(s, c) for c in WORLD["ventilation_corridors"])) for s in areas]
    assert [answer["value"] for answer in found] == pytest.approx(expected, abs=0.002)
    assert any(0 < value < 100 for value in expected)


@contextmanager
def one_changed(layer: str, properties: str, envelope: str = ""):
    """The first feature of a layer with other properties, and elsewhere; as it was afterwards."""
    moved = f", geom = ST_MakeEnvelope({envelope}, 3844)" if envelope else ""
    with database.owner_transaction() as connection:
        connection.execute(
            text(f"UPDATE masterplan.feature SET properties = :properties{moved}"
                 " WHERE layer_id = :layer AND feature_id = :id"),
            {"layer": layer, "id": WORLD[layer][0].id, "properties": properties},
        )  # fmt: skip
    try:
        yield
    finally:
        with database.owner_transaction() as connection:
            worlds.store(connection, WORLD, ACCURACY)


CORRIDOR = {"layer": "ventilation_corridors", "width_attribute": "width_m", "direction_attribute": "direction_deg"}
#: 500 m wide, eastward, in a corner of the world of its own.
EASTWARD, EAST_OF_ALL = '{"width_m": 500, "direction_deg": 90}', "900000, 500000, 905000, 500500"


def test_a_wall_across_an_eastward_corridor_blocks_its_height_and_gaps_let_through(world):
    wall = shapely.box(901000, 500000, 901020, 500200)
    behind = shapely.box(902000, 500150, 902020, 500250)
    far_side = shapely.box(901000, 500450, 901020, 500500)
    with one_changed("ventilation_corridors", EASTWARD, EAST_OF_ALL):
        found = answers_of(MeasureSpec("corridor_blocked", CORRIDOR), [
            wall, shapely.MultiPolygon([wall, behind]), shapely.MultiPolygon([wall, far_side])
        ])  # fmt: skip
    assert [answer["value"] for answer in found] == [40, 50, 50]
    assert found[0] == {"value": 40.0, "feature": "ventilation_corridors-0", "name": "Numele ventilation_corridors-0"}


# -- what a feature does not say is not taken for an answer ----------------------------------


@pytest.mark.parametrize(
    "properties", ['{"direction_deg": 90}', '{"width_m": 500}', '{"width_m": 0, "direction_deg": 9}']
)
def test_a_corridor_of_unknown_width_or_direction_is_not_free(world, properties):
    wall = shapely.box(901000, 500000, 901020, 500500)
    with one_changed("ventilation_corridors", properties, EAST_OF_ALL):
        (answer,) = answers_of(MeasureSpec("corridor_blocked", CORRIDOR), [wall])
    assert answer == {"feature": "ventilation_corridors-0", "name": "Numele ventilation_corridors-0"}


def test_a_zone_that_names_no_uses_is_no_misfit(world):
    with one_changed("strategic_zones", "{}", EAST_OF_ALL):
        (answer,) = answers_of(MeasureSpec("strategic_fit", FIT), [Point(902000, 500100)], "mobility")
    assert (answer["value"], answer["class"]) == (100, "undeclared")


@pytest.mark.parametrize("statistic", ["mean", "max"])
@pytest.mark.parametrize("bounds", [False, True])
def test_a_feature_that_does_not_say_its_value_is_not_outside(world, statistic, bounds):
    spec = MeasureSpec("attribute_at", {
        "layer": "heat", "attribute": "anomaly_c", "outside": 0, "statistic": statistic, "bounds": bounds,
    })  # fmt: skip
    with one_changed("heat", "{}", EAST_OF_ALL):
        inside, apart = answers_of(spec, [Point(902000, 500100), Point(908000, 500100)])
    assert "value" not in inside and apart["value"] == 0


def test_land_that_two_plots_share_counts_once(world):
    site = shapely.box(901000, 500000, 901100, 500100)
    third = "901000, 500000, 901030, 500100"
    with one_changed("underused_land", "{}", third):
        with database.owner_transaction() as connection:
            connection.execute(text(f"""
                UPDATE masterplan.feature SET geom = ST_MakeEnvelope({third}, 3844)
                WHERE layer_id = 'underused_land' AND feature_id = 'underused_land-1'"""))
        spec = MeasureSpec("land_class", {"underused": "underused_land", "intravilan": "intravilan", "adjoining_m": 50})
        (twice,) = answers_of(spec, [site])
        with database.owner_transaction() as connection:
            connection.execute(text("""
                UPDATE masterplan.feature SET geom = ST_MakeEnvelope(901060, 500000, 901090, 500100, 3844)
                WHERE layer_id = 'underused_land' AND feature_id = 'underused_land-1'"""))
        (apart,) = answers_of(spec, [site])
    assert (twice["value"], apart["value"]) == ("isolated", "underused")


# -- declared ------------------------------------------------------------------------------

HERE = [SUBJECTS[0]]


@pytest.mark.parametrize("attributes,expected", [
    ('{"co2": 12.5}', {"value": 12.5, "class": "declared"}),
    ('{"co2": 12.5, "proof": "verified"}', {"value": 12.5, "class": "verified"}),
    ('{"co2": 12.5, "proof": "trust me"}', {"value": 12.5, "class": "declared"}),
    ('{"co2": "many"}', {"class": "declared"}), ("{}", {"class": "declared"}),
])  # fmt: skip
def test_declared(measured, attributes, expected):
    assert measured("declared", HERE, attributes=attributes, attribute="co2", proof_attribute="proof") == [
        expected
    ]


@pytest.mark.parametrize("attributes,value", [
    ('{"green": 11500, "people": 500}', 23), ('{"green": 11500, "people": 0}', None), ('{"green": 5}', None),
    ('{"green": "x", "people": 1}', None),
])  # fmt: skip
def test_declared_ratio(measured, attributes, value):
    (answer,) = measured(
        "declared_ratio", HERE, attributes=attributes, numerator="green", denominator="people"
    )
    assert answer.get("value") == value


def test_a_document_is_asked_of_large_projects_of_companies_only(world):
    parameters = {"attribute": "impact", "author_kinds": ["company"], "from_m2": 10_000, "from_lei": 1e7}
    small, large = shapely.box(0, 0, 99, 100), shapely.box(0, 0, 100, 100)

    def words(attributes="{}", **more):
        spec = MeasureSpec("document_attached", parameters | more)
        return [answer["value"] for answer in answers_of(spec, [small, large], attributes=attributes)]

    assert words() == ["not_required", "missing"]
    assert words('{"impact": true}') == ["not_required", "attached"]
    assert words('{"impact": false}') == ["not_required", "missing"]
    assert words(from_lei=5e6) == ["missing", "missing"]
    assert words(author_kinds=["ngo"]) == ["not_required", "not_required"]


# -- every measure -------------------------------------------------------------------------

EXAMPLES = {
    "share_inside": {"layer": "flood_bands"},
    "zone_membership": {"layer": "uat"},
    "distance_to_nearest": {"layer": "watercourses", "width_attribute": "width_m", "strips": [[0, 5]]},
    "attribute_at": {"layer": "heat", "attribute": "anomaly_c", "outside": 0},
    "count_touching": {"layer": "flood_bands"},
    "area": {}, "length": {},
    "land_class": {"underused": "underused_land", "intravilan": "intravilan", "adjoining_m": 50},
    "strategic_fit": FIT,
    "network_continuity": NETWORK,
    "residents_gaining_green": {"population": "population", "residents": "residents", "green": "green_access",
                                "area_ha": "area_ha", "radius_m": 300, "smallest_ha": 0.5},
    "residents_served": {"population": "population", "residents": "residents", "uat": "uat",
                         "total": "population", "radius_m": 1000},
    "corridor_blocked": {"layer": "ventilation_corridors", "width_attribute": "width_m",
                         "direction_attribute": "direction_deg"},
    "declared": {"attribute": "co2"},
    "declared_ratio": {"numerator": "a", "denominator": "b"},
    "document_attached": {"attribute": "i", "author_kinds": ["company"], "from_m2": 1, "from_lei": 1},
}  # fmt: skip


def test_every_measure_has_an_example_here():
    assert set(EXAMPLES) == set(MEASURES)


def fitting(spec: MeasureSpec) -> list[shapely.Geometry]:
    """Some subjects of the kinds of geometry that a measure takes."""
    dims = {number for number, name in enumerate(GEOMETRIES) if name in spec.measure.geometries}
    return [subject for subject in SUBJECTS if dim(subject) in dims][:90]


def kinds(spec: MeasureSpec) -> list[shapely.Geometry]:
    """A subject of each kind of geometry that a measure takes."""
    return [SUBJECTS[i] for i, name in enumerate(("point", "line", "polygon")) if name in spec.measure.geometries]


def everything(geometries=fitting) -> dict[str, list]:
    """What every measure answers of its subjects, as the world is now."""
    specs = {function: MeasureSpec(function, parameters) for function, parameters in EXAMPLES.items()}
    return {function: answers_of(spec, geometries(spec), "mobility") for function, spec in specs.items()}


@contextmanager
def changed(*statements: str):
    """The world after some statements of its owner; as it was afterwards."""
    with database.owner_transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))
    try:
        yield
    finally:
        with database.owner_transaction() as connection:
            worlds.store(connection, WORLD, ACCURACY)


@pytest.fixture(scope="module")
def as_it_is(world) -> dict[str, list]:
    return everything()


@pytest.fixture(scope="module")
def without_layers(world) -> dict[str, list]:
    with changed(*(f"DELETE FROM masterplan.{table}" for table in ("feature", "layer_version", "layer"))):
        return everything(kinds)


@pytest.fixture(scope="module")
def with_far_features(world) -> dict[str, list]:
    with changed("""
        INSERT INTO masterplan.feature (layer_id, feature_id, versions, name_ro, name_en, status,
            properties, source, source_date, indicative, geom)
        SELECT DISTINCT ON (layer_id) layer_id, 'far', versions, 'far', 'far', status, properties, source,
            source_date, indicative, ST_Translate(geom, 300000, 300000)
        FROM masterplan.feature ORDER BY layer_id, feature_id"""):
        return everything()


@pytest.fixture(scope="module")
def moved_together(world) -> dict[str, list]:
    def moved(spec: MeasureSpec) -> list[shapely.Geometry]:
        return [shapely.affinity.translate(subject, 1000, -2000) for subject in fitting(spec)]

    with changed("UPDATE masterplan.feature SET geom = ST_Translate(geom, 1000, -2000)"):
        return everything(moved)


@pytest.mark.parametrize("function", sorted(name for name, m in MEASURES.items() if m.layers))
def test_a_missing_layer_is_not_assessed(world, without_layers, function):
    spec = MeasureSpec(function, EXAMPLES[function])
    wanted = kinds(spec)
    assert all(answer and "value" in answer for answer in answers_of(spec, wanted, "mobility"))
    assert [a for a in without_layers[function] if a and "value" in a] == []
    assert len(without_layers[function]) == len(wanted) > 0


@pytest.mark.parametrize("function", sorted(EXAMPLES))
def test_a_feature_far_away_changes_nothing(as_it_is, with_far_features, function):
    assert with_far_features[function] == as_it_is[function]


@pytest.mark.parametrize("function", sorted(EXAMPLES))
def test_everything_moved_together_measures_the_same(as_it_is, moved_together, function):
    for a, b in zip(as_it_is[function], moved_together[function], strict=True):
        assert (a or {}).keys() == (b or {}).keys()
        for name, value in (a or {}).items():
            assert b[name] == (pytest.approx(value, abs=0.002) if isinstance(value, float) else value)


@pytest.mark.parametrize("function", sorted(EXAMPLES))
def test_a_visitor_gets_the_same_numbers_as_the_system(as_it_is, function):
    spec = MeasureSpec(function, EXAMPLES[function])
    assert answers_of(spec, fitting(spec), "mobility", actor=VISITOR) == as_it_is[function]


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE masterplan.proposal; --", ":b0", "%(x)s", "{{7*7}}", "\\", "ș'"]
)
def test_values_of_a_criteria_file_are_bound_never_spliced(measured, hostile):
    assert measured("share_inside", HERE, layer=hostile, where={hostile: hostile}) == [None]
    assert measured("share_inside", HERE, layer="heat", where={hostile: {"above": 1}})[0]["value"] == 0
    assert measured("declared", HERE, attribute=hostile) == [{}]
