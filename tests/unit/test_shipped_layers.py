"""The shipped layers keep what the catalogue, the place and the public facts promise."""

from __future__ import annotations

import importlib
import json
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
BOX = shapely.box(26.9, 46.7, 28.2, 47.6)
PIATA_UNIRII = Point(27.583, 47.165)
MOST_BYTES = 3_300_000
LEAST_CROSSING_M = 100.0
FORBIDDEN = "şţŞŢ"  # with cedilla; Romanian wants the comma below

EXPECTED_LAYERS = {
    "rings": "LineString", "radials": "LineString", "prospective_radials": "LineString",
    "transport_stops": "Point", "strategic_zones": "Polygon", "underused_land": "Polygon",
    "intravilan": "Polygon", "green_blue_concept": "Polygon", "green_blue_metropolitan": "Polygon",
    "green_blue_urban": "Polygon", "green_access": "Polygon", "protected_areas": "Polygon",
    "watercourses": "LineString", "flood_bands": "Polygon", "stormwater": "Polygon", "heat": "Polygon",
    "relief": "Polygon", "wind": "Point", "ventilation_corridors": "Polygon", "unstable_slopes": "Polygon",
    "pollutants": "Polygon", "uat": "MultiPolygon", "population": "Point",
}
#: Computed on the spot from a terrain model or from other layers; no file of theirs ships.
DERIVED_LAYERS = {"flow_paths": "LineString", "depressions": "Polygon", "green_reach": "Polygon"}
COVERAGES = ("uat", "heat", "relief", "pollutants")
# The public statistics again, apart from the digitising code: population 2021, km², seat, lists, neighbours.
FACTS = """
95747|Aroneanu|comună|4338|39.22|27.60426, 47.20381|A L|Golăiești;Holboca;Iași;Popricani;Victoria
95088|Bârnova|comună|7913|41.48|27.62514, 47.0737|A L|Ciurea;Dobrovăț;Iași;Schitu Duca;Tomești
96254|Ciurea|comună|17254|47.51|27.57149, 47.06519|A L|Bârnova;Dobrovăț;Grajduri;Iași;Miroslava;Mogoșești
96370|Comarna|comună|4221|46.93|27.79936, 47.09457|A L|Costuleni;Prisăcani;Schitu Duca;Tomești;Țuțora
96423|Costuleni|comună|4080|70.0|27.86168, 47.02885|A |Comarna;Prisăcani;Schitu Duca
96888|Dobrovăț|comună|2128|93.05|27.7209, 46.96313|A L|Bârnova;Ciurea;Grajduri;Schitu Duca
96940|Dumești|comună|4252|71.84|27.34153, 47.1745| |Horlești;Lețcani;Românești
97090|Golăiești|comună|3563|53.54|27.69681, 47.24192|A L|Aroneanu;Holboca;Ungheni;Victoria
97241|Grajduri|comună|3687|40.91|27.53708, 46.97284| L|Ciurea;Dobrovăț;Mogoșești;Scânteia
95159|Holboca|comună|13697|50.11|27.6867, 47.15454|A L|Aroneanu;Golăiești;Iași;Tomești;Ungheni;Țuțora
97517|Horlești|comună|2529|51.47|27.37702, 47.10309| L|Dumești;Lețcani;Miroslava;Voinești
95060|Iași|municipiu|271692|91.67|27.58295, 47.16162|A L|Aroneanu;Bârnova;Ciurea;Holboca;Miroslava;Popricani;Rediu;Tomești;Valea Lupului
97679|Lețcani|comună|6845|58.58|27.41007, 47.19509|A L|Dumești;Horlești;Miroslava;Rediu;Românești
97919|Miroslava|comună|28534|83.05|27.52442, 47.15088|A L|Ciurea;Horlești;Iași;Lețcani;Mogoșești;Rediu;Valea Lupului;Voinești
98113|Mogoșești|comună|4706|67.73|27.51497, 47.04221|A L|Ciurea;Grajduri;Miroslava;Voinești
98257|Movileni|comună|2895|75.89|27.35996, 47.32949|A L|Popricani;Rediu;Românești;Țigănași
98505|Popricani|comună|7236|69.58|27.51202, 47.28724|A L|Aroneanu;Iași;Movileni;Rediu;Victoria;Țigănași
98603|Prisăcani|comună|3638|59.72|27.88411, 47.07739|A |Comarna;Costuleni;Țuțora
95239|Rediu|comună|8295|44.98|27.50385, 47.2169|A L|Iași;Lețcani;Miroslava;Movileni;Popricani;Românești;Valea Lupului
98738|Românești|comună|1524|42.75|27.31846, 47.28273| L|Dumești;Lețcani;Movileni;Rediu
98827|Schitu Duca|comună|3619|116.87|27.76679, 47.03271|A L|Bârnova;Comarna;Costuleni;Dobrovăț;Tomești
98916|Scânteia|comună|5505|41.31|27.5773, 46.91992|A |Grajduri
95293|Tomești|comună|12169|38.89|27.69595, 47.12482|A L|Bârnova;Comarna;Holboca;Iași;Schitu Duca;Țuțora
96003|Ungheni|comună|3582|45.94|27.76552, 47.21674|A L|Golăiești;Holboca;Țuțora
100353|Valea Lupului|comună|14510|10.51|27.49809, 47.17898|A L|Iași;Miroslava;Rediu
100004|Victoria|comună|3819|61.73|27.59211, 47.29499|A L|Aroneanu;Golăiești;Popricani;Țigănași
100219|Voinești|comună|7105|62.84|27.43081, 47.07486| L|Horlești;Miroslava;Mogoșești
99879|Țigănași|comună|4114|64.12|27.46844, 47.33182| L|Movileni;Popricani;Victoria
99922|Țuțora|comună|2063|37.94|27.79582, 47.13362|A L|Comarna;Holboca;Prisăcani;Tomești;Ungheni
"""  # noqa: E501
ZONE_SIZE = 28

_to_metres = Transformer.from_crs(4326, 3844, always_xy=True)


def metres(shape: BaseGeometry) -> BaseGeometry:
    """The lon, lat shape in Stereo 70 (EPSG:3844)."""
    return shapely.transform(shape, lambda c: np.column_stack(_to_metres.transform(c[:, 0], c[:, 1])))


@cache
def facts() -> dict[str, dict[str, Any]]:
    rows = {}
    for line in FACTS.strip().splitlines():
        siruta, name, kind, people, area, seat, lists, near = (part.strip() for part in line.split("|"))
        rows[siruta] = {
            "name": name, "kind": kind, "population": int(people), "area_km2": float(area), "lists": lists,
            "seat": Point(*map(float, seat.split(","))), "neighbours": set(near.split(";")),
        }
    return rows


@cache
def collection(layer: str) -> dict[str, Any]:
    return json.loads((DATA / "geojson" / f"{layer}.geojson").read_text(encoding="utf-8"))


def features(layer: str) -> list[dict[str, Any]]:
    return collection(layer)["features"]


@cache
def shapes(layer: str) -> dict[str, BaseGeometry]:
    return {f["id"]: shapely.from_geojson(json.dumps(f["geometry"])) for f in features(layer)}


def properties(layer: str) -> dict[str, dict[str, Any]]:
    return {f["id"]: f["properties"] for f in features(layer)}


def rounding_m2(shape: BaseGeometry) -> float:
    """What six decimals (about 0.1 m) can move along the edge of a Stereo 70 shape."""
    return 0.1 * shape.length


def vertices(shape: BaseGeometry) -> set[tuple[float, float]]:
    return {tuple(c) for c in shapely.get_coordinates(shape)}


@cache
def cells() -> dict[str, BaseGeometry]:
    """UAT cells by SIRUTA, lon, lat."""
    return {p["siruta"]: shapes("uat")[id] for id, p in properties("uat").items()}


def ring(code: str) -> LineString:
    return shapes("rings")[next(id for id, p in properties("rings").items() if p["ring"] == code)]


@cache
def declared() -> dict[str, dict[str, Any]]:
    catalogue = tomllib.loads((DATA / "layers.toml").read_text(encoding="utf-8"))
    return {layer["id"]: layer for layer in catalogue["layer"]}


@cache
def place() -> dict[str, Any]:
    return tomllib.loads((DATA / "place.toml").read_text(encoding="utf-8"))


every_layer = pytest.mark.parametrize("layer", EXPECTED_LAYERS)


def test_catalogue_and_files_name_the_same_layers() -> None:
    files = {path.stem for path in (DATA / "geojson").glob("*.geojson")}
    shipped = {id for id, layer in declared().items() if layer.get("shipped", True)}
    assert shipped == set(EXPECTED_LAYERS) == files
    assert set(declared()) - shipped == set(DERIVED_LAYERS)


def test_every_catalogue_entry_is_complete_and_honest() -> None:
    catalogue = tomllib.loads((DATA / "layers.toml").read_text(encoding="utf-8"))
    groups = [group["id"] for group in catalogue["group"]]
    assert groups == ["mobility", "development", "green_blue", "water", "environment", "uat"]
    for layer in catalogue["layer"]:
        assert layer["group"] in groups and layer["kind"] in ("plan", "evidence")
        assert layer["geometry"] == (EXPECTED_LAYERS | DERIVED_LAYERS)[layer["id"]]
        assert layer["indicative"] is True and layer["accuracy_m"] >= 100
        for key in ("name", "description"):
            assert layer[f"{key}_ro"] and layer[f"{key}_en"] and layer[f"{key}_ro"] != layer[f"{key}_en"]
        assert layer["source"] and layer["licence"] and layer["source_date"].year >= 2020


def test_place_carries_the_disclaimer_word_for_word() -> None:
    assert place()["disclaimer_ro"] == (
        "MasterPlanul Metropolitan are caracter orientativ și de coordonare. Nu este documentație de "
        "amenajare a teritoriului sau de urbanism în sensul Legii nr. 350/2001, nu ține loc de certificat "
        "de urbanism, aviz sau autorizație și nu înlocuiește consultarea prevăzută de Ordinul nr. 2701/2010."
    )
    assert place()["indicative_ro"] == "Schiță orientativă – nu este planșa oficială"
    assert place()["disclaimer_en"] and place()["indicative_en"]
    assert place()["storage_srid"] == 3844


def test_place_bounds_hold_the_zone() -> None:
    bounds = shapely.box(*place()["bounds"])
    assert all(bounds.contains_properly(cell) for cell in cells().values())
    assert bounds.contains(Point(place()["center"]))


def test_all_files_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in (DATA / "geojson").glob("*.geojson")) < MOST_BYTES


@every_layer
def test_one_feature_a_line_and_no_crs_member(layer: str) -> None:
    text = (DATA / "geojson" / f"{layer}.geojson").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(features(layer)) + 2
    assert set(collection(layer)) == {"type", "name", "features"}
    assert not set(FORBIDDEN) & set(text)


@every_layer
def test_features_have_ids_names_and_sources(layer: str) -> None:
    ids = [f["id"] for f in features(layer)]
    assert ids and all(isinstance(id, str) and id for id in ids)
    assert [id for id, n in Counter(ids).items() if n > 1] == []
    for f in features(layer):
        p = f["properties"]
        assert p["name_ro"].strip() and p["source"].strip() and p["indicative"] is True
        assert "2020-01-01" <= p["source_date"] <= "2026-12-31" and len(p["source_date"]) == 10
        assert p.get("status", "existing") in ("existing", "proposed", "prospective")
        assert "/" not in p["source"].replace("127/2020", "").replace("246/2022", "").replace("12:9652", "")


COMMON = {"name_ro", "name_en", "status", "source", "source_date", "indicative"}
TYPES = {"text": str, "integer": int, "number": (int, float), "boolean": bool, "list": list}


@every_layer
def test_attributes_are_those_the_catalogue_declares(layer: str) -> None:
    attributes = {a["name"]: a for a in declared()[layer].get("attribute", [])}
    for a in attributes.values():
        assert a["name_ro"] and a["name_en"] and isinstance(a["filterable"], bool)
    for f in features(layer):
        own = {key: value for key, value in f["properties"].items() if key not in COMMON}
        assert set(own) == set(attributes), f["id"]
        for key, value in own.items():
            expected = attributes[key]["type"]
            assert isinstance(value, TYPES[expected]), (f["id"], key)
            assert not (isinstance(value, bool) and expected != "boolean")
            allowed = attributes[key].get("values")
            if allowed:
                said = value if isinstance(value, list) else [f"{value:g}" if expected == "number" else value]
                assert set(said) <= set(allowed), (f["id"], key)


@every_layer
def test_geometries_are_valid_rounded_and_in_the_box(layer: str) -> None:
    for id, shape in shapes(layer).items():
        assert shape.geom_type == EXPECTED_LAYERS[layer], id
        assert shape.is_valid and not shape.is_empty and not shape.has_z, id
        assert BOX.contains(shape), id
        coordinates = shapely.get_coordinates(shape)
        assert np.array_equal(np.round(coordinates, 6), coordinates), id


@pytest.mark.parametrize("layer", [layer for layer, kind in EXPECTED_LAYERS.items() if "Polygon" in kind])
def test_polygons_follow_the_right_hand_rule(layer: str) -> None:
    for id, shape in shapes(layer).items():
        for polygon in shapely.get_parts(shape):
            assert polygon.exterior.is_ccw, id
            assert not any(hole.is_ccw for hole in polygon.interiors), id


def test_statuses_where_they_apply() -> None:
    for layer, wanted in (
        ("radials", {"existing"}),
        ("prospective_radials", {"prospective"}),
        ("green_access", {"existing", "proposed"}),
        ("strategic_zones", {"existing", "proposed"}),
    ):
        assert {p.get("status") for p in properties(layer).values()} == wanted
    for layer, entry in declared().items():
        if entry["kind"] == "plan":
            assert all("status" in p for p in properties(layer).values()), layer


# UATs

def test_uats_are_those_of_the_facts() -> None:
    assert len(features("uat")) == 29
    for p in properties("uat").values():
        fact = facts()[p["siruta"]]
        assert (p["name_ro"], p["kind"], p["population"], p["area_km2"], p["lists"]) == (
            fact["name"], fact["kind"], fact["population"], fact["area_km2"], fact["lists"])
        assert p["in_zone"] is bool(fact["lists"])


def test_the_zone_is_the_union_of_both_lists() -> None:
    inside = [p for p in properties("uat").values() if p["in_zone"]]
    assert len(inside) == ZONE_SIZE
    assert [p["name_ro"] for p in properties("uat").values() if not p["in_zone"]] == ["Dumești"]
    assert sum("A" in p["lists"].split() for p in inside) == 23
    assert sum("L" in p["lists"].split() for p in inside) == 25


def test_each_seat_lies_in_its_own_cell() -> None:
    for siruta, fact in facts().items():
        assert [s for s, cell in cells().items() if cell.contains(fact["seat"])] == [siruta]


def test_cells_have_areas_of_the_right_order() -> None:
    for siruta, fact in facts().items():
        assert metres(cells()[siruta]).area / 1e6 == pytest.approx(fact["area_km2"], rel=0.15), fact["name"]


def test_cells_touch_exactly_the_listed_neighbours() -> None:
    for siruta, fact in facts().items():
        touching = {
            facts()[other]["name"]
            for other, cell in cells().items()
            if other != siruta and cells()[siruta].boundary.intersection(cell.boundary).length > 0
        }
        assert touching == fact["neighbours"], fact["name"]


@pytest.mark.parametrize("layer", COVERAGES)
def test_coverages_have_neither_gap_nor_overlap(layer: str) -> None:
    parts = list(shapes(layer).values())
    assert shapely.coverage_is_valid(parts)
    zone = shapely.union_all(list(cells().values()))
    whole = shapely.union_all(parts)
    assert whole.geom_type == "Polygon" and not whole.interiors
    slivers = metres(whole.symmetric_difference(zone))
    assert slivers.buffer(-0.3).is_empty  # six decimals move an edge by about 0.1 m


def test_the_prut_is_the_eastern_border() -> None:
    river = metres(shapes("watercourses")["water-prut"])
    zone = metres(shapely.union_all(list(cells().values())))
    assert zone.boundary.intersection(river.buffer(30)).length > 0.85 * river.length
    assert zone.contains(metres(PIATA_UNIRII))


# rings and radials

def test_rings_are_closed_simple_and_nested_around_piata_unirii() -> None:
    assert sorted(p["ring"] for p in properties("rings").values()) == ["R1", "R2", "R3"]
    inner, middle, outer = (ring(code) for code in ("R1", "R2", "R3"))
    discs = [shapely.Polygon(r) for r in (inner, middle, outer)]
    assert all(r.is_closed and r.is_simple for r in (inner, middle, outer))
    assert all(disc.contains(PIATA_UNIRII) for disc in discs)
    assert discs[1].contains_properly(discs[0]) and discs[2].contains_properly(discs[1])


def test_radials_run_from_vertex_to_vertex() -> None:
    assert 10 <= len(features("radials")) <= 14
    outer = vertices(ring("R3"))
    for id, p in properties("radials").items():
        coordinates = list(shapes("radials")[id].coords)
        assert coordinates[0] in vertices(ring(p["from_ring"])), id
        assert p["to_ring"] == "R3" and coordinates[-1] in outer, id
        assert shapes("radials")[id].is_simple, id


def test_radials_end_where_no_other_ends() -> None:
    ends = [line.coords[-1] for line in shapes("radials").values()]
    assert len(set(ends)) == len(ends)


def recomputed_crossings(line: LineString, origin: str) -> list[str]:
    """UATs along the line, found by walking it in 10 m steps: independent of the overlay that built them."""
    flat = metres(line)
    steps = shapely.line_interpolate_point(flat, np.arange(0, flat.length, 10.0))
    metric = {siruta: metres(cell) for siruta, cell in cells().items()}
    found = []
    for siruta, cell in metric.items():
        shapely.prepare(cell)
        inside = np.nonzero(shapely.contains(cell, steps))[0]
        if siruta != origin and len(inside) * 10.0 >= LEAST_CROSSING_M:
            found.append((int(inside[0]), siruta))
    return [siruta for _, siruta in sorted(found)]


def test_prospective_radials_come_from_their_uat_over_r3_to_an_inner_radial() -> None:
    assert 12 <= len(features("prospective_radials")) <= 20
    outer = vertices(ring("R3"))
    disc = shapely.Polygon(ring("R3"))
    for id, p in properties("prospective_radials").items():
        line = shapes("prospective_radials")[id]
        start, end = line.coords[0], line.coords[-1]
        assert cells()[p["origin_uat"]].contains(Point(start)), id
        assert p["origin_name"] == facts()[p["origin_uat"]]["name"]
        assert not disc.contains(Point(start)), id
        assert end == shapes("radials")[p["joins"]].coords[-1], id
        assert any(c in outer for c in line.coords), id
        assert line.is_simple, id


def test_crossed_uats_are_in_order_from_the_origin() -> None:
    for id, p in properties("prospective_radials").items():
        line = shapes("prospective_radials")[id]
        assert p["crossed_uats"] == recomputed_crossings(line, p["origin_uat"]), id
        assert p["origin_uat"] not in p["crossed_uats"] and len(p["crossed_uats"]) >= 1, id


def test_uats_without_a_prospective_radial_are_listed_as_such() -> None:
    origins = {p["origin_uat"] for p in properties("prospective_radials").values()}
    listed = {p["siruta"] for p in properties("uat").values() if p["prospective_radial"]}
    assert listed == origins
    passed = {s for p in properties("prospective_radials").values() for s in p["crossed_uats"]}
    for p in properties("uat").values():
        if p["in_zone"] and not p["prospective_radial"]:
            touches = cells()[p["siruta"]].intersection(ring("R3")).length > 0
            assert touches or p["siruta"] in passed, p["name_ro"]


# the other layers

def test_residents_add_up_to_the_census() -> None:
    sums: Counter[str] = Counter()
    for p in properties("population").values():
        assert p["residents"] > 0
        sums[p["uat"]] += p["residents"]
    assert dict(sums) == {siruta: fact["population"] for siruta, fact in facts().items()}
    assert 600 <= len(features("population")) <= 1600


def test_residents_live_inside_an_intravilan_of_their_uat() -> None:
    built: dict[str, list[BaseGeometry]] = {}
    for id, p in properties("intravilan").items():
        built.setdefault(p["uat"], []).append(shapes("intravilan")[id])
    unions = {siruta: shapely.union_all(parts) for siruta, parts in built.items()}
    for id, p in properties("population").items():
        assert unions[p["uat"]].contains(shapes("population")[id]), id


def test_every_uat_has_an_intravilan_inside_it_with_its_seat() -> None:
    assert {p["uat"] for p in properties("intravilan").values()} == set(facts())
    for id, p in properties("intravilan").items():
        assert cells()[p["uat"]].contains(shapes("intravilan")[id]), id
    for siruta, fact in facts().items():
        own = [shapes("intravilan")[id] for id, p in properties("intravilan").items() if p["uat"] == siruta]
        assert any(shape.contains(fact["seat"]) for shape in own), fact["name"]


def test_intravilan_do_not_overlap() -> None:
    parts = [metres(s) for s in shapes("intravilan").values()]
    assert sum(p.area for p in parts) == pytest.approx(shapely.union_all(parts).area, abs=10)


def test_flood_bands_are_nested() -> None:
    bands: dict[str, dict[float, BaseGeometry]] = {}
    for id, p in properties("flood_bands").items():
        river = id.removeprefix("flood-").split("-")[0]
        bands.setdefault(river, {})[p["probability_percent"]] = metres(shapes("flood_bands")[id])
    assert len(bands) >= 10
    for river, by_chance in bands.items():
        assert set(by_chance) == {10, 1, 0.1}, river
        assert by_chance[10].difference(by_chance[1]).area < rounding_m2(by_chance[10]), river
        assert by_chance[1].difference(by_chance[0.1]).area < rounding_m2(by_chance[1]), river
        assert by_chance[10].area < by_chance[1].area < by_chance[0.1].area


def test_stormwater_levels_do_not_overlap() -> None:
    levels: dict[str, list[BaseGeometry]] = {}
    for id, p in properties("stormwater").items():
        levels.setdefault(p["accumulation"], []).append(metres(shapes("stormwater")[id]))
        assert p["upstream_km2"] > 0
    assert set(levels) == {"low", "medium", "high"}
    unions = {level: shapely.union_all(parts) for level, parts in levels.items()}
    for a, b in (("high", "medium"), ("medium", "low"), ("high", "low")):
        assert unions[a].intersection(unions[b]).area < rounding_m2(unions[a])


def test_green_spaces_state_the_area_they_are_drawn_with() -> None:
    for id, p in properties("green_access").items():
        assert p["area_ha"] == pytest.approx(metres(shapes("green_access")[id]).area / 10_000, abs=0.006), id


def test_named_strategic_zones_ship_with_a_mix() -> None:
    names = {p["name_ro"] for p in properties("strategic_zones").values()}
    assert {"Moara de Vânt – Șorogari", "Iași Vest – Valea Lupului – Rediu – Lețcani",
            "Holboca – Dancu – Calea Dacilor"} <= names
    for p in properties("strategic_zones").values():
        assert p["uses"] and p["mix_ro"] and p["mix_en"]


def test_values_are_of_a_plausible_size() -> None:
    ranges = {
        ("heat", "anomaly_c"): (-4, 8), ("relief", "altitude_m"): (20, 460),
        ("relief", "slope_percent"): (0, 45), ("pollutants", "no2_ugm3"): (3, 60),
        ("pollutants", "pm10_ugm3"): (8, 60), ("pollutants", "pm25_ugm3"): (4, 40),
        ("wind", "speed_ms"): (0.3, 8), ("wind", "direction_deg"): (0, 360),
        ("watercourses", "width_m"): (1, 120), ("ventilation_corridors", "direction_deg"): (0, 360),
    }
    for (layer, key), (least, most) in ranges.items():
        assert all(least <= p[key] <= most for p in properties(layer).values()), (layer, key)


def value_at(layer: str, key: str, lon: float, lat: float) -> float:
    return next(p[key] for id, p in properties(layer).items() if shapes(layer)[id].covers(Point(lon, lat)))


def test_the_ground_reads_as_people_know_it() -> None:
    centre, forest, field = (27.583, 47.165), (27.680, 47.030), (27.640, 47.300)
    assert value_at("heat", "anomaly_c", *centre) >= 3.5 > 0 > value_at("heat", "anomaly_c", *forest)
    assert value_at("relief", "altitude_m", 27.652, 47.080) > 250  # Păun
    assert value_at("relief", "altitude_m", 27.642, 47.1445) < 60  # the Bahlui's floodplain
    assert value_at("pollutants", "no2_ugm3", *centre) > 2 * value_at("pollutants", "no2_ugm3", *field)


def test_every_place_of_the_city_named_in_the_facts_lies_in_the_city() -> None:
    city = cells()["95060"]
    for lon, lat in ((27.583, 47.165), (27.570, 47.166), (27.567, 47.179), (27.556, 47.187), (27.604, 47.187),
                     (27.621, 47.179), (27.611, 47.162), (27.557, 47.156), (27.567, 47.144), (27.587, 47.130),
                     (27.587, 47.122), (27.635, 47.113), (27.578, 47.190)):
        assert city.contains(Point(lon, lat)), (lon, lat)


def test_every_commune_has_a_stop() -> None:
    stops = list(shapes("transport_stops").values())
    for siruta, cell in cells().items():
        assert any(cell.contains(stop) for stop in stops), facts()[siruta]["name"]
    assert {p["mode"] for p in properties("transport_stops").values()} == {"bus", "tram", "rail"}


def test_rebuilding_gives_the_same_bytes(tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT))
    try:
        importlib.import_module("data.digitise.build").build(tmp_path)
    finally:
        sys.path.remove(str(ROOT))
    for layer in EXPECTED_LAYERS:
        shipped = (DATA / "geojson" / f"{layer}.geojson").read_bytes()
        assert (tmp_path / f"{layer}.geojson").read_bytes() == shipped, layer
