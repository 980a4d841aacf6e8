"""Tiles, style, panel and what is here, on the shipped layers."""

import re
from datetime import date

import pytest
from shapely.geometry import shape
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from layers import mapping, symbology, tiles
from layers.catalogue import catalogue
from layers.here import what_is_here
from layers.routes import routes
from layers.tiles import LABEL_SUFFIX, TileAddress
from masterplan.errors import NotFound
from tests.database.vector_tile_reading import read_tile


@pytest.fixture
def client(database_name) -> TestClient:
    return TestClient(Starlette(routes=routes()))


def test_the_whole_zone_in_one_tile_leaves_no_point_and_no_layer_out(connection):
    """Zoom 6 holds the zone in one tile: every point of every layer must be in it, and something of the others."""
    stored = dict(connection.execute(text(
        "SELECT layer_id, count(*) FROM masterplan.current_feature GROUP BY layer_id"
    )).all())  # fmt: skip
    drawn = {}
    for group in catalogue().groups:
        drawn |= {name: len(found) for name, found in read_tile(_tile(connection, group.id, 6, 27.58, 47.16)).items()}
    points = {layer.id for layer in catalogue().layers if layer.geometry == "Point"}
    for layer_id in points:
        assert drawn[layer_id] == stored[layer_id], layer_id
    # Lines and areas thinner than the grid of the tile vanish in it; at their own zoom they are there.
    assert {name for name in drawn if not name.endswith(LABEL_SUFFIX)} == set(stored)


def _tile(connection, group: str, z: int, lon: float, lat: float) -> bytes:
    x, y = connection.execute(text(
        "SELECT floor((ST_X(p) + 20037508.342789244) / 40075016.685578488 * (1 << :z))::int,"
        " floor((20037508.342789244 - ST_Y(p)) / 40075016.685578488 * (1 << :z))::int"
        " FROM ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), 4326), 3857) AS p"
    ), {"z": z, "lon": lon, "lat": lat}).one()  # fmt: skip
    return tiles.plan_tile(connection, group, TileAddress(z, x, y), symbology.labelled_layers())


def test_an_area_is_named_once_however_many_tiles_cut_it(connection):
    """Iași lies in several tiles of zoom 13; its label point in exactly one."""
    west, south, east, north = 27.45, 47.08, 27.72, 47.25
    addresses = {(lon, lat) for lon in _steps(west, east) for lat in _steps(south, north)}
    seen = {_tile(connection, "uat", 13, *place) for place in addresses}
    labels = [found for tile in seen for found in read_tile(tile).get("uat" + LABEL_SUFFIX, []) if _is_iasi(found)]
    pieces = [found for tile in seen for found in read_tile(tile).get("uat", []) if _is_iasi(found)]
    assert len(pieces) > 4
    assert len(labels) == 1


def _steps(low: float, high: float) -> list[float]:
    return [low + (high - low) * i / 24 for i in range(25)]


def _is_iasi(found) -> bool:
    return found.properties["siruta"] == "95060"


@pytest.mark.parametrize("address", [(-1, 0, 0), (23, 0, 0), (5, 32, 0), (5, 0, -1)])
def test_there_is_no_tile_outside_the_scheme(address):
    with pytest.raises(NotFound):
        TileAddress(*address)


def test_the_style_draws_every_layer_from_a_source_that_exists(connection):
    for language in ("ro", "en"):
        style = mapping.style(connection, language)
        drawn = {entry["metadata"]["layer"] for entry in style["layers"] if entry["id"] != "background"}
        assert drawn == {layer.id for layer in catalogue().layers}
        for entry in style["layers"][1:]:
            assert entry["source"] in style["sources"]
            assert entry["source-layer"].removesuffix(LABEL_SUFFIX) == entry["metadata"]["layer"]
        assert len({entry["id"] for entry in style["layers"]}) == len(style["layers"])
        addresses = [address for source in style["sources"].values() for address in source["tiles"]]
        assert all(address.startswith("/tiles/plan/") for address in addresses)


def test_statuses_differ_by_line_style_and_not_by_colour_alone(connection):
    style = mapping.style(connection, "ro")
    dashes = {entry["id"]: entry["paint"].get("line-dasharray") for entry in style["layers"]
              if entry["id"].startswith("rings-line")}  # fmt: skip
    assert len(dashes) == 3
    assert len({str(dash) for dash in dashes.values()}) == 3


def test_the_panel_tells_source_date_and_standing_of_every_layer(connection):
    for language, source, dated, month in (("ro", "Sursă", "Data", "iunie"), ("en", "Source", "Date", "June")):
        shown = [layer for group in mapping.panel(connection, language) for layer in group["layers"]]
        assert {layer["id"] for layer in shown} == {layer.id for layer in catalogue().layers if layer.shipped}
        for layer in shown:
            assert layer["legend"], layer["id"]
            facts = dict(layer["facts"])
            assert facts[source]
            assert re.fullmatch(r"\d{1,2} \w+ \d{4}", facts[dated]), facts[dated]
            assert layer["indicative"] is True
        assert any(month in dict(layer["facts"])[dated] for layer in shown)


def test_what_is_here_names_the_commune_and_what_a_person_expects_at_a_place(connection):
    found = {feature.layer.id: feature for feature in what_is_here(connection, 27.583, 47.165)}
    assert found["uat"].name_ro == "Iași"
    assert "95060" in dict(found["uat"].facts("ro")).values()
    assert "A L" not in dict(found["uat"].facts("ro")).values(), "no codes"
    assert dict(found["uat"].facts("en"))["member by"].endswith("and Law 246/2022")
    assert found["uat"].distance_m == 0
    assert {"heat", "relief", "pollutants", "intravilan"} <= set(found)
    inside = connection.execute(text(
        "SELECT ST_AsGeoJSON(ST_Transform(geom, 4326))::jsonb FROM masterplan.current_feature"
        " WHERE layer_id = 'heat' AND feature_id = :id"
    ), {"id": found["heat"].feature_id}).scalar_one()  # fmt: skip
    assert shape(inside).contains(shape({"type": "Point", "coordinates": [27.583, 47.165]}))


def test_words_in_another_language_are_left_out(connection):
    for language in ("ro", "en"):
        zone = next(f for f in what_is_here(connection, 27.587, 47.151) if f.layer.id == "strategic_zones")
        said = " ".join(value for _, value in zone.facts(language))
        assert ("apă" in said or "verde" in said) is (language == "ro"), said
        assert ("green" in said) is (language == "en"), said


def test_far_away_nothing_is_here(connection):
    assert what_is_here(connection, 26.0, 44.4) == []


def test_a_tile_may_be_kept_while_its_version_is_current_and_is_not_sent_twice(client, connection):
    stamp = tiles.plan_stamp(connection)
    first = client.get(f"/tiles/plan/uat/6/36/22?v={stamp}")
    assert (first.status_code, first.headers["content-type"]) == (200, tiles.MEDIA_TYPE)
    assert "immutable" in first.headers["cache-control"]
    again = client.get("/tiles/plan/uat/6/36/22", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" not in client.get("/tiles/plan/uat/6/36/22?v=old").headers["cache-control"]


@pytest.mark.parametrize("path", [
    "/tiles/plan/nonsense/6/36/22", "/tiles/plan/uat/30/0/0", "/assets/../app.py", "/assets/nothing.js",
    "/assets/images/../../../pyproject.toml",
])  # fmt: skip
def test_what_is_not_there_is_said_and_nothing_else_is_served(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "html" not in answer.headers.get("content-type", "")


def test_words_of_listed_values_are_in_the_language_of_the_reader():
    uses = next(a for a in catalogue().layer("strategic_zones").attributes if a.name == "uses")
    assert uses.value_name("housing", "ro") == "locuire"
    assert uses.value_name("housing", "en") == "housing"
    assert uses.value_name("unlisted", "ro") == "unlisted"


def test_every_layer_has_a_date_that_is_not_in_the_future():
    assert all(layer.source_date <= date.today() for layer in catalogue().layers)
