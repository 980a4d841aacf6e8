"""Heat, wind and green access as commands: from files to plan features in PostGIS."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from pyproj import Proj, Transformer
from sqlalchemy import text
from typer.testing import CliRunner

import cli
from layers import derived, gdal_lock, mapping, raster_tiles
from layers.catalogue import catalogue, shipped_file
from layers.here import what_is_here
from layers.tiles import TileAddress
from layers.vector_inputs import moved
from masterplan.actors import VISITOR
from masterplan.database import transaction
from tests.command_line import ROOT, run, run_process
from tests.landsat_scenes import CORNER, UTM, scene, write

gdal_lock.lock()
from rasterio.transform import from_origin  # noqa: E402


@pytest.fixture(autouse=True, scope="module")
def _database(database_name: str) -> None:
    """Every command of this module speaks to one clone."""


def features(layer: str) -> list[dict]:
    with transaction(VISITOR) as connection:
        rows = connection.execute(
            text("SELECT feature_id, status, properties, ST_Area(geom) AS area FROM masterplan.current_feature"
                 " WHERE layer_id = :layer ORDER BY feature_id"), {"layer": layer},
        )  # fmt: skip
        return [dict(row) for row in rows.mappings()]


@pytest.fixture
def town(tmp_path: Path) -> tuple[Path, Path]:
    """A scene in Iași with a town of 35 °C in fields of 28 °C, and the town's outline."""
    celsius = np.full((80, 80), 28.0)
    celsius[30:50, 30:50] = 35.0
    file = scene(tmp_path / "scene", celsius)
    # In the middle of the scene, 600 m each way, by longitude and latitude.
    west, north = CORNER
    area = moved([shapely.box(west + 900, north - 1500, west + 1500, north - 900)], 4326, UTM)[0]
    outline = tmp_path / "built.geojson"
    outline.write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "a", "properties": {}, "geometry": shapely.geometry.mapping(area)}
    ]}))  # fmt: skip
    return file.path, outline


def test_heat_becomes_plan_features_with_their_rasters(town):
    mtl, outline = town
    said = run_process("layers", "derive", "heat", mtl, "--built-up", outline)
    assert said.stdout.startswith("heat: version 2, opened 2, closed 59")
    assert "heat: 100 %" in said.stderr
    hot, rural = sorted(features("heat"), key=lambda row: -row["properties"]["anomaly_c"])
    assert hot["properties"]["anomaly_c"] == 7
    assert hot["area"] == pytest.approx(600 * 600, rel=0.02)
    told = hot["properties"]
    assert (told["value_min"], told["value_unit"]) == (4.5, "°C") and "value_max" not in told
    assert "Sobrino" in told["method"] and "LC09_MTL.txt " in told["input_sha256"]
    assert rural["properties"]["value_min"] == -0.25 and rural["properties"]["value_max"] == 0.5
    with transaction(VISITOR) as connection:
        kept = derived.rasters_of(connection, "heat")
        here = what_is_here(connection, *_middle_of_the_town())
        shown = {layer["id"]: layer for group in mapping.panel(connection, "ro") for layer in group["layers"]}
    assert kept.values.is_file() and kept.classes.is_file() and kept.version == 2
    # No longer what the shipped sketch says of itself.
    assert shown["heat"]["description"].startswith("Calculat din date măsurate")
    assert "LC09_MTL.txt" in dict(shown["heat"]["facts"])["Sursă"] and "schematic" in shown["relief"]["description"]
    # The roofs' own cell, in the colour that the map gives to what is 4.5 °C and more above rural ground.
    lon, lat = _middle_of_the_town()
    zoom = 15
    x, y = (lon + 180) / 360 * 2**zoom, (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * 2**zoom
    png = raster_tiles.tile(kept.classes, catalogue().layer("heat"), TileAddress(zoom, int(x), int(y)))
    pixel = Image.open(BytesIO(png)).getpixel((int(x % 1 * 256), int(y % 1 * 256)))
    assert "#{:02x}{:02x}{:02x}".format(*pixel[:3]) == "#9e1b2e"
    facts = next(dict(f.facts("ro")) for f in here if f.layer.id == "heat")
    assert facts["abatere termică"].startswith("7")


def _middle_of_the_town() -> tuple[float, float]:
    from tests.landsat_scenes import CORNER, UTM

    return Transformer.from_crs(UTM, 4326, always_xy=True).transform(CORNER[0] + 1200, CORNER[1] - 1200)


def test_what_is_refused_is_one_line_and_changes_nothing(town, tmp_path: Path):
    mtl, outline = town
    before = features("heat")
    (mtl.parent / "B10.TIF").unlink()
    said = run("layers", "derive", "heat", mtl, "--built-up", outline, expect=1)
    assert said.stderr == "error: file: The band file B10.TIF of LC09_MTL.txt is not beside it.\n"
    assert features("heat") == before
    assert "not a Landsat MTL file" in run("layers", "derive", "heat", outline, "--built-up", outline, expect=1).stderr


def test_wind_and_corridors_from_a_station_and_heights(tmp_path: Path):
    rows = [f"2025-{month:02}-{day:02},{hour:02}:00,{270 if hour else 0},{4 if hour else 0}"
            for month in range(1, 13) for day in (1, 2) for hour in range(24)]  # fmt: skip
    station = tmp_path / "station.csv"
    station.write_text("date,time,wd,ws\n" + "\n".join(rows) + "\n")
    heights = np.full((80, 160), 15, dtype=np.float32)
    heights[30:40, :] = 0
    # A wind from true west comes along a row that is turned by the meridian convergence, well within this width.
    write(tmp_path / "heights.tif", heights, from_origin(690_000, 635_000, 10, 10), "EPSG:3844")
    said = run("layers", "derive", "wind", station, "--at", "27.62,47.18", "--name", "Aeroport", "--building-heights",
               tmp_path / "heights.tif")  # fmt: skip
    assert "calm: 24 of 576 hours" in said.stdout and "ventilation_corridors: version 2" in said.stdout
    arrows = features("wind")
    assert [arrow["feature_id"] for arrow in arrows] == [
        f"wind-aeroport-{season}" for season in ("autumn", "spring", "summer", "winter")
    ]
    assert {arrow["properties"]["direction_deg"] for arrow in arrows} == {270}
    (corridor,) = features("ventilation_corridors")
    convergence = Proj(3844).get_factors(*Proj(3844)(690_800, 634_600, inverse=True)).meridian_convergence
    assert corridor["properties"]["direction_deg"] == pytest.approx(90 - convergence, abs=0.051)
    assert corridor["status"] == "existing"
    assert 50 <= corridor["properties"]["width_m"] <= 105


def test_green_access_of_the_shipped_layers(tmp_path: Path):
    green, people, uats = (shipped_file(layer) for layer in ("green_access", "population", "uat"))
    said = run("layers", "derive", "green-access", green, people, "--areas", uats).stdout.splitlines()
    assert said[0].split() == ["area", "near", "residents", "existing", "with", "proposed", "gain"]
    assert said[1].split()[:4] == ["all", "300", "m", "459513"]
    # What the documentation says of the shipped layers.
    told = (ROOT / "docs" / "green-access.md").read_text(encoding="utf-8").replace("\n", " ")
    (existing, proposed, gain) = re.search(
        r"([\d.]+) % of 459,513 residents have .*?, ([\d.]+) % would, ([\d,]+) gain", told
    ).groups()  # fmt: skip
    figures = " ".join(said[1].split()[4:]).replace("%", "").split()
    assert figures == [existing, proposed, gain.replace(",", "")]
    assert said[-1].startswith("green_reach: version 1, opened ")
    # The areas are all of the place and no two of them overlap.
    assert sum(int(line.rsplit(maxsplit=1)[1]) for line in said[2:-1]) == int(said[1].rsplit(maxsplit=1)[1])
    with transaction(VISITOR) as connection:
        shown = {layer["id"]: layer for group in mapping.panel(connection, "en") for layer in group["layers"]}
    assert shown["green_reach"]["description"] == catalogue().layer("green_reach").description_en
    existing = sum(row["properties"]["residents"] for row in features("green_reach") if row["status"] == "existing")
    assert existing / 459_513 == pytest.approx(float(said[1].split()[4]) / 100, abs=0.0005)


def test_files_instead_of_layers(town, tmp_path: Path):
    mtl, outline = town
    out = tmp_path / "out" / "heat.geojson"
    run("layers", "derive", "heat", mtl, "--built-up", outline, "--out", out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["heat.classes.tif", "heat.geojson", "heat.tif"]
    assert {f["properties"]["anomaly_c"] for f in json.loads(out.read_text())["features"]} == {0, 7}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("heat", "{file}"), "--built-up"), (("heat", "{file}", "--built-up", "{file}", "--bounds", "1,2"), "--bounds"),
        (("wind", "{file}", "--at", "here", "--name", "a"), "--at"),
        (("wind", "{file}", "--at", "1,2", "--name", "a", "--unit", "mph"), "--unit"),
        (("wind", "{file}", "--at", "1,2", "--name", "a", "--map", "gust=g"), "--map"),
        (("green-access", "{file}", "{file}", "--minutes", "0"), "--minutes"),
        (("green-access", "{file}", "{file}", "--minutes", "soon"), "--minutes"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_by_option(tmp_path: Path, words, option):
    file = tmp_path / "file"
    file.write_text("{}")
    said = CliRunner().invoke(cli.app(), ["layers", "derive", *(word.format(file=file) for word in words)])
    assert said.exit_code == 2 and option in said.stderr
