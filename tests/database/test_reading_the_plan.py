"""Distances, names for codes, neighbours, search and presets, on the shipped layers."""

import json
import re
from uuid import uuid4

import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import shape
from shapely.ops import transform
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from layers import mapping, routes
from layers.around import ASKED, nearest_features
from layers.catalogue import catalogue
from layers.here import what_is_here
from layers.presets import presets
from layers.searching import search_plan
from masterplan.settings import PROJECT_ROOT
from proposals import receipts
from proposals.nearby import proposals_near
from proposals.routes import routes as proposal_routes
from proposals.searching import search

TO_METRES = Transformer.from_crs(4326, 3844, always_xy=True).transform
PODU_ROS = (27.587, 47.151)
INSERT = text(
    "INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, author_kind, theme, title,"
    " description, geom, criteria_set, edition)"
    " SELECT :receipt, :key, 'observation', :status, 'online', 'citizen', 'water', :title, '-',"
    " ST_Transform(ST_SetSRID(ST_MakePoint(:lon, 47.151), 4326), 3844), version, 1 FROM masterplan.criteria_set LIMIT 1"
)


def bring(connection, title: str, lon: float, status: str) -> str:
    """An observation on the parallel of Podu Roș; its tracking code."""
    code = receipts.issue()
    connection.execute(INSERT, {"receipt": code, "key": uuid4(), "title": title, "lon": lon, "status": status})
    return code


def shipped(layer: str) -> list[dict]:
    return json.loads((PROJECT_ROOT / "data" / "geojson" / f"{layer}.geojson").read_text("utf-8"))["features"]


@pytest.mark.parametrize("lon, lat", [PODU_ROS, (27.70, 47.05), (27.44, 47.25)])
def test_the_nearest_of_each_kind_is_the_one_that_shapely_finds(connection, lon: float, lat: float):
    here = shapely.Point(*TO_METRES(lon, lat))
    found = {near.layer.id: near for near in nearest_features(connection, lon, lat)}
    assert list(found) == list(ASKED)
    for layer, near in found.items():
        distances = {f["properties"]["name_ro"]: transform(TO_METRES, shape(f["geometry"])).distance(here)
                     for f in shipped(layer)}  # fmt: skip
        assert near.distance_m == pytest.approx(min(distances.values()), abs=0.5), layer
        assert distances[near.name("ro")] == pytest.approx(near.distance_m, abs=0.5), layer


def test_a_reader_gets_names_where_the_files_hold_codes(connection):
    radial = next(f for f in shipped("prospective_radials") if f["properties"]["origin_uat"] == "98738")
    middle = shape(radial["geometry"]).interpolate(0.5, normalized=True)
    feature = next(f for f in what_is_here(connection, middle.x, middle.y) if f.feature_id == radial["id"])
    facts = dict(feature.facts("ro"))
    assert facts["UAT-uri traversate"] == "Lețcani, Miroslava"
    assert facts["se leagă de radiala"] == "Radiala Păcurari – Valea Lupului"
    assert facts["UAT de proveniență"] == "Românești"
    assert dict(feature.facts("en"))["joins radial"] == "Păcurari – Valea Lupului radial"


def test_no_place_shows_a_code_but_the_siruta_of_its_own_uat(connection):
    codes = {f["properties"]["siruta"] for f in shipped("uat")} | {f["id"] for f in shipped("radials")}
    codes |= {f["properties"]["zone"] for f in shipped("strategic_zones")}
    for lon, lat in (PODU_ROS, (27.42, 47.19), (27.578, 47.19), (27.5135, 47.1795)):
        for feature in what_is_here(connection, lon, lat, 1500):
            told = {value for name, value in feature.facts("ro") if name != "cod SIRUTA"}
            assert not {part for value in told for part in value.split(", ")} & codes, feature.feature_id


def test_public_neighbours_are_counted_and_hidden_ones_are_not(connection):
    bring(connection, "Aproape", 27.5875, "published")
    bring(connection, "Departe", 27.60, "published")
    bring(connection, "Ascunsă", 27.5871, "submitted")
    count, named = proposals_near(connection, *PODU_ROS)
    assert (count, [near.title for near in named]) == (1, ["Aproape"])
    assert named[0].distance_m == pytest.approx(37.9, abs=0.5)  # 0.0005° of longitude at 47.151°


@pytest.mark.parametrize("typed, name, kind", [
    ("sorogari", "Șorogari", "localitate, Aroneanu"),
    ("ȘOROGARI", "Șorogari", "localitate, Aroneanu"),
    ("letcani", "Lețcani", "UAT"),
    ("97679", "Lețcani", "UAT"),
    ("r2", "Inelul R2 – cartiere", "inel"),
    ("RA1", "Radiala Păcurari – Valea Lupului", "radială"),
    ("urbana nicolina delta", "Delta urbană Bahlui – Nicolina", "zonă strategică"),
    ("pădurea 49", None, None),
    ("100%", None, None),
    ("_____", None, None),
])  # fmt: skip
def test_what_is_sought_comes_first_diacritics_or_not(connection, typed, name, kind):
    found = search_plan(connection, typed, "ro")
    assert (found[0].name, found[0].detail) == (name, kind) if name else found == []


def test_a_uat_found_has_the_bounds_of_its_boundary(connection):
    found = search_plan(connection, "Miroslava", "ro")[0]
    whole = next(shape(f["geometry"]) for f in shipped("uat") if f["properties"]["siruta"] == "97919")
    assert found.uat == "97919"
    assert found.bounds == pytest.approx(whole.bounds, abs=2e-5)
    assert whole.contains(shapely.Point(found.lon, found.lat))


@pytest.mark.parametrize("typed", [
    "47.1585, 27.6014", "47,1585 27,6014", "27.6014 47.1585", "47°09'30.6\"N 27°36'05.0\"E",
    "X={north:.0f} Y={east:.0f}", "{north:.0f} {east:.0f}",
])  # fmt: skip
def test_coordinates_in_any_written_form_are_a_place(connection, typed: str):
    east, north = TO_METRES(27.6014, 47.1585)
    (found,) = search(connection, typed.format(east=east, north=north), "ro")
    assert (found["lon"], found["lat"]) == pytest.approx((27.6014, 47.1585), abs=2e-5)


def test_a_tracking_code_is_found_when_it_is_public_and_only_then(connection):
    code = bring(connection, "Pod", 27.6, "published")
    (found,) = search(connection, code.lower().replace("-", " ").replace("0", "o"), "ro")
    assert (found["name"], found["detail"]) == ("Pod", f"observație, {code}")
    connection.execute(text("UPDATE masterplan.proposal SET status = 'hidden' WHERE receipt = :code"), {"code": code})
    assert search(connection, code, "ro") == []


@pytest.fixture
def client(database_name) -> TestClient:
    return TestClient(Starlette(routes=[*routes.routes(), *proposal_routes(lambda: False)]))


@pytest.mark.parametrize("typed", ["", " ", "'; DROP TABLE x --", "\\", "a" * 5000, "%00", "\u202e", "{{7*7}}"])
def test_the_search_survives_whatever_is_typed(client, typed: str):
    answer = client.get("/map/search", params={"q": typed})
    assert answer.status_code == 200
    assert answer.json()["found"] == []


def test_every_preset_shows_layers_that_there_are(connection):
    known = {layer.id for layer in catalogue().layers}
    assert [preset.id for preset in presets()] == ["mobility", "radials", "green_blue", "heat", "water", "development"]
    for preset in presets():
        assert set(preset.layers) <= known and len(set(preset.layers)) == len(preset.layers)
        assert set(preset.opacity) <= set(preset.layers)
    start = mapping.style(connection, "ro")["metadata"]
    assert start["order"] and set(start["visible"]) <= set(start["order"]) == known


def test_the_panel_tells_licence_edition_and_where_the_data_are(connection):
    layers = {layer["id"]: layer for group in mapping.panel(connection, "ro") for layer in group["layers"]}
    assert dict(layers["rings"]["facts"])["Licență"] == "CC BY 4.0, echipa proiectului"
    assert re.search(r"versiunea \d+$", dict(layers["rings"]["facts"])["Ediție"])
    assert "Ediție" not in dict(layers["heat"]["facts"]) and "Versiune" in dict(layers["heat"]["facts"])
    assert [link["name"] for link in layers["rings"]["links"]] == ["GeoJSON", "OGC API"]
    assert layers["pollutants"]["legend_title"] == "NO₂, medie anuală (µg/m³)"
    assert ["summer", "vară"] in layers["wind"]["choice"]["values"]


def test_every_prospective_radial_is_told_with_its_uats(connection):
    told = {(origin["siruta"], tuple(origin["crossed"])) for origin in mapping.origins(connection, "ro")}
    files = {(f["properties"]["origin_uat"], tuple(f["properties"]["crossed_uats"])) for f in
             shipped("prospective_radials")}  # fmt: skip
    assert told == files


def test_a_ground_that_there_is_not_is_said(client):
    for address in ("/map/style.json", "/map/panel.json"):
        assert client.get(address, params={"theme": "dark"}).status_code == 200
        assert client.get(address, params={"theme": "pink"}).status_code == 404


def test_bands_lie_below_every_line_of_the_network_and_names_above_all(connection):
    parts = [entry["metadata"]["part"] for entry in mapping.style(connection, "ro")["layers"][1:]]
    layers = [entry["metadata"]["layer"] for entry in mapping.style(connection, "ro")["layers"][1:]]
    lowest_line = min(i for i, part in enumerate(parts) if part == "line" and layers[i] in ("rings", "radials"))
    assert max(i for i, part in enumerate(parts) if part == "casing") < lowest_line
    assert {"label", "badge"} == set(parts[min(i for i, part in enumerate(parts) if part in ("label", "badge")):])
