"""Derived layers in real PostGIS: through the door of any layer, with their rasters as long as they count."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.testclient import TestClient

from layers import derived, gdal_lock, mapping, raster_tiles, symbology
from layers.catalogue import catalogue, shipped_file
from layers.here import range_words, what_is_here
from layers.loading import Options, load_file
from layers.terrain import relief, stormwater
from layers.tiles import TileAddress
from masterplan.actors import VISITOR
from masterplan.database import owner_transaction, transaction
from masterplan.errors import InputError, NotFound
from masterplan.formats import day
from masterplan.settings import settings

gdal_lock.lock()
import rasterio  # noqa: E402
from pyproj import Transformer  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WEST, NORTH, CELL, SIDE = 690_000, 635_000, 20, 150


@pytest.fixture
def dem(tmp_path: Path) -> Path:
    """A valley with a hollow, in Stereo 70, near Iași; its western flank is steep."""
    east, south = np.meshgrid(np.arange(SIDE) * CELL - 1500.0, np.arange(SIDE) * CELL * 1.0)
    heights = 150 - 0.01 * south + np.where(east < 0, -0.3, 0.08) * east
    heights -= 8 * np.exp(-(east**2 + (south - 1500) ** 2) / 150**2)
    path = tmp_path / "valley.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="float32", crs="EPSG:3844",
        transform=from_origin(WEST, NORTH, CELL, CELL),
    ) as file:  # fmt: skip
        file.write(heights.astype(np.float32), 1)
    return path


@pytest.fixture(autouse=True)
def _no_rasters_left(monkeypatch, tmp_path):
    monkeypatch.setattr(derived, "_folder", lambda: tmp_path / "rasters")


def lonlat(east: float, north: float) -> tuple[float, float]:
    return Transformer.from_crs(3844, 4326, always_xy=True).transform(east, north)


def tile_at(lon: float, lat: float, zoom: int) -> TileAddress:
    x = int((lon + 180) / 360 * 2**zoom)
    return TileAddress(zoom, x, int((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom))


def test_a_derived_layer_is_a_version_like_any_other(fresh_database, dem, tmp_path):
    made = stormwater.derive(dem, stormwater.Options(), tmp_path / "made")
    reports = [derived.publish(each) for each in made]
    assert [(r.loaded.layer_id, r.loaded.version) for r in reports] == [
        ("stormwater", 2), ("flow_paths", 1), ("depressions", 1),
    ]  # fmt: skip
    assert reports[0].loaded.opened == len(made[0].features)
    assert [derived.publish(each).loaded.changed for each in made] == [False] * 3
    with transaction(VISITOR) as connection:
        row = connection.execute(text(
            "SELECT indicative, source, source_date, accuracy_m FROM masterplan.layer WHERE id = 'stormwater'"
        )).one()  # fmt: skip
        assert tuple(row) == (True, "valley.tif", date.today(), 20.0)
        place = lonlat(WEST + 1515, NORTH - 1510)
        here = {f.layer.id: dict(f.facts("en")) for f in what_is_here(connection, *place, reach_m=100)}
    assert here["depressions"]["greatest depth"].endswith("\xa0m")
    # The hollow holds more than ten times the 1,000 m³ that count; the class above 5 km² has no upper end.
    assert here["stormwater"]["accumulation"] == "high"
    assert here["stormwater"]["range of the class"] == "from 5\xa0km² on"
    assert here["flow_paths"]["computed"] == "from heights: the steepest way down from each cell"
    assert here["flow_paths"]["from"] == f"valley.tif, {day(date.today(), 'en')}"
    # Parameters and digests are for the download, not for the card.
    assert not any("{" in value or len(value) > 120 for facts in here.values() for value in facts.values())


@pytest.mark.parametrize(("least", "most", "unit", "told"), [
    (0.05, 0.5, "km²", "de la 0,05 la 0,5\xa0km²"), (None, -1.0, "°C", "sub -1\xa0°C"),
    (25.0, None, "%", "de la 25\xa0%"), (None, None, "m/s", ""), (0, 1, "", "de la 0 la 1"),
])  # fmt: skip
def test_the_range_of_a_class_in_words(least, most, unit, told) -> None:
    said = range_words({"value_min": least, "value_max": most, "value_unit": unit}, "ro")
    assert said.removesuffix(" în sus").replace("−", "-") == told


def test_the_api_tells_how_each_feature_was_derived(fresh_database, dem, tmp_path):
    derived.publish(relief.derive(dem, relief.Options(), tmp_path / "made")[0])
    with owner_transaction() as connection:
        row = connection.execute(text("SELECT * FROM api.relief LIMIT 1")).mappings().one()
    assert {attribute.name for attribute in derived.DERIVED_ATTRIBUTES} <= set(row)
    assert "Horn 1981" in row["method"] and row["value_unit"] == "%"


def test_rasters_count_while_their_layer_does(fresh_database, dem, tmp_path):
    first = relief.derive(dem, relief.Options(), tmp_path / "made")[0]
    with transaction(VISITOR) as connection:
        assert derived.rasters_of(connection, "relief") is None
    derived.publish(first)
    with transaction(VISITOR) as connection:
        kept = derived.rasters_of(connection, "relief")
    assert kept.version == 2 and kept.values.read_bytes() == first.values.read_bytes()
    # Another derivation takes the place of the first, and its rasters with it.
    derived.publish(relief.derive(dem, relief.Options(smallest_cells=400), tmp_path / "again")[0])
    assert len(list(kept.values.parent.glob("relief-*"))) == 2 and not kept.values.exists()
    # A file from elsewhere ends it.
    load_file(shipped_file("relief"), "relief", Options(source="official"))
    with transaction(VISITOR) as connection:
        assert derived.rasters_of(connection, "relief") is None
        assert raster_tiles.overlays(connection, "en") == []


def test_nothing_is_kept_of_what_the_door_refuses(fresh_database, dem, tmp_path):
    made = relief.derive(dem, relief.Options(), tmp_path / "made")[0]
    twice = replace(made, features=[made.features[0]] * 2)
    with pytest.raises(InputError, match="more than one feature"):
        derived.publish(twice)
    assert list((tmp_path / "rasters").glob("*")) == []


def test_tiles_show_each_class_where_it_is_in_the_colour_of_its_layer(fresh_database, dem, tmp_path):
    derived.publish(relief.derive(dem, relief.Options(), tmp_path / "made")[0])
    client = TestClient(Starlette(routes=raster_tiles.routes()))
    (overlay,) = client.get("/rasters/overlays.json?lang=en").json()
    assert overlay["name"] == "Landforms, altitude and slope, cell by cell"
    west, south, east, north = overlay["bounds"]
    assert west < lonlat(WEST + 10, NORTH - 10)[0] and east > lonlat(WEST + 2990, NORTH - 2990)[0]
    marks = symbology.symbologies()["relief"]
    expected = {}
    # The western flank falls 30 %, the eastern 8 %.
    for metres, color in ((500, marks.classes[3]["color"]), (2300, marks.classes[1]["color"])):
        lon, lat = lonlat(WEST + metres, NORTH - 600)
        address = tile_at(lon, lat, 17)
        path = overlay["tiles"].format(x=address.x, y=address.y, z=17)
        answer = client.get(path)
        assert answer.headers["content-type"] == "image/png" and "immutable" in answer.headers["cache-control"]
        pixels = np.array(Image.open(BytesIO(answer.content)).convert("RGBA"))
        expected[metres] = tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))
        assert tuple(pixels[128, 128][:3]) == expected[metres]
        assert pixels[128, 128][3] == round(255 * marks.opacity)
    assert len(set(expected.values())) == 2
    # Elsewhere there is a tile too, and nothing on it.
    far = client.get("/rasters/relief/10/3/3.png")
    assert far.status_code == 200 and np.array(Image.open(BytesIO(far.content)).convert("RGBA"))[..., 3].max() == 0
    etag = far.headers["etag"]
    assert client.get("/rasters/relief/10/3/3.png", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/rasters/uat/10/3/3.png").status_code == 404
    assert client.get("/rasters/unheard/10/3/3.png").status_code == 404
    assert client.get("/rasters/relief/3/9/9.png").status_code == 404


def test_the_colours_of_classes_are_those_the_map_draws() -> None:
    layers = {layer.id: layer for layer in catalogue().layers}
    found = raster_tiles.colormap(layers["stormwater"], {"1": "low", "2": "medium", "3": "high"})
    drawn = {c["value"]: c["color"] for c in symbology.symbologies()["stormwater"].categories}
    assert [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in found.values()] == list(drawn.values())
    heat = symbology.symbologies()["heat"]
    assert symbology.color_of(heat, -20) == heat.classes[0]["color"]
    assert symbology.color_of(heat, 1.5) == heat.classes[4]["color"]
    assert symbology.color_of(heat, 99) == heat.classes[-1]["color"]


def test_the_panel_offers_the_raster(fresh_database, dem, tmp_path):
    derived.publish(stormwater.derive(dem, stormwater.Options(), tmp_path / "made")[0])
    with transaction(VISITOR) as connection:
        shown = {layer["id"] for group in mapping.panel(connection, "ro") for layer in group["layers"]}
        overlays = raster_tiles.overlays(connection, "ro")
    assert "stormwater" in shown and "flow_paths" not in shown
    assert [(each["id"], each["name"]) for each in overlays] == [
        ("raster-stormwater", "Tendințe de acumulare a apelor pluviale, celulă cu celulă")
    ]


def test_a_layer_that_is_not_derived_has_no_tiles(fresh_database):
    with transaction(VISITOR) as connection, pytest.raises(NotFound):
        assert derived.rasters_of(connection, "unheard") is None
        catalogue().layer("unheard")


# -- the commands --------------------------------------------------------------------------


def run(*words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "layers", "derive", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_command_makes_a_layer_and_says_so(fresh_database, dem):
    done = run("stormwater", str(dem), "--condition", "breach")
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [
        "stormwater: version 2", "flow_paths: version 1", "depressions: version 1",
    ]  # fmt: skip
    assert "stormwater: 100 %" in done.stderr
    assert len(list((settings().state_dir / "rasters").glob("stormwater-*.tif"))) == 2
    assert "unchanged" in run("stormwater", str(dem), "--condition", "breach").stdout


def test_the_command_makes_files(dem, tmp_path):
    out = tmp_path / "files" / "water.geojson"
    run("stormwater", str(dem), "--out", str(out))
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "water.classes.tif", "water.depressions.geojson", "water.flow_paths.geojson", "water.geojson", "water.tif",
    ]  # fmt: skip
    with rasterio.open(out.with_suffix(".tif"), driver="GTiff") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.descriptions == ("upstream_km2", "upstream_d8_km2", "depth", "wetness_index")
        assert "Freeman 1991" in file.tags()["MASTERPLAN_METHOD"]


@pytest.mark.parametrize(
    "words",
    [("--out", "water.shp"), ("--condition", "dig"), ("--thresholds", "1,2"), ("--soil-group", "E")],
)
def test_wrong_usage_is_status_2(dem, words):
    assert "Error:" in run("stormwater", str(dem), *words, expect=2).stderr


def test_what_is_no_raster_is_said_in_a_line(tmp_path):
    words = tmp_path / "words.tif"
    words.write_text("no raster")
    for command in ("stormwater", "relief"):
        said = run(command, str(words), expect=1).stderr
        assert said == "error: file: The file words.tif is not a GeoTIFF.\n"
