"""Criteria measured on the raster a layer was derived from where it has one, on its polygons where not, and said.

The expected numbers come from shapely: the area (or length) of a place in each cell, cell by cell.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from random import Random

import numpy as np
import pytest
import shapely
from measures_world import blob
from pyproj import Transformer
from sqlalchemy import text

from layers import derived, gdal_lock
from layers.derived import Derivation, DerivedFeature, Provenance, RasterClass, kept_rasters
from layers.grids import Grid
from layers.loading import Options, load_file
from layers.rasters import OutputBand, whole_pieces, write_cog
from masterplan.actors import SYSTEM
from masterplan.database import owner_transaction, transaction
from proposals import on_rasters
from proposals.criteria import MeasureSpec
from proposals.explained import teller
from proposals.measuring import (
    Candidate,
    mark_stale,
    measure_all,
    measure_one,
    measure_what_changed,
    score_all,
    score_measured,
    sets_in_use,
    stale_ids,
)
from tests.database.test_measures_paths import insert, stored, to_degrees

gdal_lock.lock()
from rasterio import CRS  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402

pytestmark = pytest.mark.database

WEST, NORTH, CELL, SIDE = 690_000, 635_000, 20, 60
HEAT, SLOPE, STORMWATER, STRONG = "attribute_at.heat", "attribute_at.relief", "attribute_at.stormwater", "share_inside."
DICE = np.random.default_rng(8)
VALUES = {
    "heat": {"anomaly_c": DICE.normal(1, 2, (SIDE, SIDE)).round(2)},
    "relief": {name: DICE.uniform(0, most, (SIDE, SIDE)).round(1) for name, most in
               (("aspect", 360), ("slope_percent", 30))},
    "stormwater": {"upstream_km2": DICE.uniform(0, 9, (SIDE, SIDE)).round(2)},
}
HIGH = np.kron(DICE.random((SIDE // 6, SIDE // 6)) < 0.4, np.ones((6, 6))).astype(bool)
#: What the one polygon of each layer says, which covers the whole raster and more.
ON_POLYGONS = {"heat": {"anomaly_c": 9.0}, "relief": {"slope_percent": 2.0}, "stormwater": {
    "accumulation": "low", "upstream_km2": 0.1}}  # fmt: skip


@pytest.fixture(autouse=True)
def rasters(monkeypatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(derived, "_folder", lambda: tmp_path / "rasters")
    return tmp_path / "rasters"


def make(layer: str, folder: Path, add: float = 0, with_rasters: bool = True) -> Derivation:
    """A layer of one polygon, with rasters that say something else."""
    grid = Grid(CRS.from_epsg(3844), from_origin(WEST, NORTH, CELL, CELL), SIDE, SIDE)
    origin = Provenance("invented", {}, [("nothing.tif", "0" * 64)])
    values, classes = folder / f"{layer}{add}.tif", folder / f"{layer}{add}.classes.tif"
    bands = [OutputBand(name, unit="u") for name in VALUES[layer]]
    write_cog(values, grid, bands, whole_pieces(grid, [band + add for band in VALUES[layer].values()]))
    derived.write_classes(classes, np.where(HIGH, 3, 1).astype(np.uint8), grid,
                          [RasterClass(1, "low"), RasterClass(3, "high")], origin)  # fmt: skip
    turn = Transformer.from_crs(3844, 4326, always_xy=True)
    square = shapely.box(WEST - 2000, NORTH - CELL * SIDE - 2000, WEST + CELL * SIDE + 2000, NORTH + 2000)
    outline = shapely.transform(shapely.segmentize(square, 500), lambda c: np.column_stack(turn.transform(*c.T)))
    feature = DerivedFeature("one", outline, "una", "one", ON_POLYGONS[layer], 0.0, 1.0, "u")
    kept = {"values": values, "classes": classes} if with_rasters else {}
    return Derivation(layer, [feature], origin, CELL, date(2026, 1, 1), **kept)


def cells() -> np.ndarray:
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    west, north = WEST + column * CELL, NORTH - row * CELL
    return shapely.box(west, north - CELL, west + CELL, north)


def weights(shape: shapely.Geometry) -> np.ndarray:
    """How much of a place lies in each cell: m², m or points."""
    cut = shapely.intersection(cells(), shape)
    return {2: shapely.area, 1: shapely.length, 0: shapely.get_num_geometries}[shapely.get_dimensions(shape)](cut) * (
        ~shapely.is_empty(cut)
    )


def grown(inside: np.ndarray) -> np.ndarray:
    """One cell more on all four sides."""
    wide = np.pad(inside, 1)
    return wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:]


def places() -> list[shapely.Geometry]:
    dice, middle = Random(5), (WEST + 600.0, NORTH - 600.0)
    line = shapely.LineString([(WEST + 95, NORTH - 111), (WEST + 904, NORTH - 707)])
    found = [shapely.Point(WEST + 333, NORTH - 444), line]
    for radius in (15, 90, 300, 420):
        found.append(blob(dice, middle[0] + dice.uniform(-100, 100), middle[1] + dice.uniform(-100, 100), radius))
    return found


def answer_of(measures: dict, start: str) -> dict:
    return next(answer for key, answer in measures.items() if key.startswith(start))


def test_places_are_measured_on_the_rasters_alone_and_together(fresh_database, tmp_path):
    for layer in VALUES:
        derived.publish(make(layer, tmp_path))
    with transaction(SYSTEM) as connection:
        rules = sets_in_use(connection)["v0"]
        drawn = [Candidate(to_degrees(connection, shape), theme) for shape in places()
                 for theme in ("development", "water")]  # fmt: skip
        ids = [insert(connection, candidate) for candidate in drawn]
        measure_all(connection, ids)
        score_all(connection, ids)
        for proposal_id, candidate in zip(ids, drawn, strict=True):
            alone = measure_one(connection, candidate, [rules])
            assert alone.measures == stored(connection, "measurement", proposal_id).measures
            assert score_measured(alone, rules).results == stored(connection, "score", proposal_id).results
        measured = [stored(connection, "measurement", proposal_id).measures for proposal_id in ids]
    seen = set()
    for shape, of_building, of_water in zip(places(), measured[::2], measured[1::2], strict=True):
        part = weights(shape)
        touched = part > 0
        warm = answer_of(of_building, HEAT)
        expected = (part * VALUES["heat"]["anomaly_c"]).sum() / part.sum()
        assert warm["value"] == pytest.approx(expected, abs=0.002)
        assert (warm["on"], warm["raster"]) == ("raster", {"band": "anomaly_c", "unit": "u", "cell_m": CELL})
        slope, steep = answer_of(of_building, SLOPE), VALUES["relief"]["slope_percent"]
        assert slope["value"] == pytest.approx(steep[touched].max(), abs=1e-3)
        near = weights(shape.buffer(CELL)) > 0
        inner = weights(inside) > 0 if (inside := shape.buffer(-CELL)) else None
        least = steep[near].min() if inner is None else steep[inner].max()
        assert slope.get("high", slope["value"]) == pytest.approx(steep[near].max(), abs=1e-3)
        assert slope.get("low", slope["value"]) == pytest.approx(least, abs=1e-3)
        water = answer_of(of_water, STORMWATER)
        assert water["value"] == pytest.approx(VALUES["stormwater"]["upstream_km2"][touched].max(), abs=1e-3)
        strong = next(a for k, a in of_building.items() if k.startswith("share_inside.stormwater"))
        for name, where in (("value", HIGH), ("low", ~grown(~HIGH)), ("high", grown(HIGH))):
            share = 100 * part[where].sum() / part.sum()
            assert strong.get(name, strong["value"]) == pytest.approx(share, abs=0.05), (shape, name)
        assert strong["raster"] == {"classes": ["high"], "cell_m": CELL}
        seen.add(round(strong["value"]))
    assert len(seen) > 3


def site(connection, shape: shapely.Geometry | None = None) -> Candidate:
    return Candidate(to_degrees(connection, shape or places()[4]), "development", "observation", "company")


def warmth(measured) -> tuple:
    found = answer_of(measured.measures, HEAT)
    return found["value"], found.get("on"), found.get("why")


def test_without_its_raster_a_layer_is_measured_on_polygons_and_says_why(fresh_database, tmp_path, rasters):
    derived.publish(make("heat", tmp_path))
    (kept,) = rasters.glob("heat-*[!s].tif")
    with transaction(SYSTEM) as connection:
        rules = sets_in_use(connection)["v0"]
        candidate, whole = site(connection), kept.read_bytes()
        value, on, why = warmth(measure_one(connection, candidate, [rules]))
        assert (on, why) == ("raster", None)
        assert value != 9
        beyond = site(connection, shapely.box(WEST - 900, NORTH, WEST - 700, NORTH + 200))
        assert warmth(measure_one(connection, beyond, [rules])) == (9, "polygons", "beyond")
        kept.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        proposal_id = insert(connection, candidate)
        for expected, change in (("changed", kept.unlink), ("missing", lambda: kept.write_bytes(whole))):
            assert warmth(measure_one(connection, candidate, [rules])) == (9, "polygons", expected)
            measure_all(connection, [proposal_id])
            assert answer_of(stored(connection, "measurement", proposal_id).measures, HEAT)["why"] == expected
            change()
        assert warmth(measure_one(connection, candidate, [rules])) == (value, "raster", None)
        kept.unlink()
        score = score_measured(measure_one(connection, candidate, [rules]), rules)
        sentences = teller(connection, "ro").sentences(rules, score.results)
        assert any("după poligoanele stratului, fiindcă rasterul lui lipsește de pe server" in s for s in sentences)
        assert any(s.endswith("după poligoanele stratului.") for s in sentences), "what has no raster says so too"


def test_a_new_version_with_or_without_raster_leaves_measures_stale(fresh_database, tmp_path, rasters):
    with transaction(SYSTEM) as connection:
        rules = sets_in_use(connection)["v0"]
        candidate = site(connection)
        proposal_id = insert(connection, candidate)
        measure_all(connection, [proposal_id])

    def again() -> tuple:
        with transaction(SYSTEM) as connection:
            mark_stale(connection, "heat")
            assert stale_ids(connection) == [proposal_id]
            measure_what_changed(connection, [proposal_id])
            assert stale_ids(connection) == []
            both = measure_one(connection, candidate, [rules])
            assert answer_of(both.measures, HEAT) == answer_of(
                stored(connection, "measurement", proposal_id).measures, HEAT
            )
            return warmth(both)

    derived.publish(make("heat", tmp_path))
    first = again()
    assert first[1] == "raster"
    # The same polygon with another raster is another version.
    derived.publish(make("heat", tmp_path, add=5))
    assert again() == (pytest.approx(first[0] + 5, abs=0.002), "raster", None)
    derived.publish(make("heat", tmp_path, with_rasters=False))
    assert again() == (9, None, None)
    derived.publish(make("heat", tmp_path))
    assert again() == first
    file = tmp_path / "by_hand.geojson"
    derived.write_layer_file(file, make("heat", tmp_path))
    file.write_text(json.dumps(json.loads(file.read_text()) | {"name": "by hand"}))
    load_file(file, "heat", Options(source="the same shapes from elsewhere"))
    assert again() == (9, None, None)
    with transaction(SYSTEM) as connection:
        assert kept_rasters(connection, ["heat", "relief"]) == {}


def test_a_raster_of_another_version_is_not_taken(fresh_database, tmp_path, monkeypatch):
    """What was read of a raster while its layer was replaced counts for nothing."""
    derived.publish(make("heat", tmp_path))
    measure = on_rasters.answers

    def replaced_meanwhile(spec: MeasureSpec, on, shapes):
        found = measure(spec, on, shapes)
        with owner_transaction() as owner:
            owner.execute(text("UPDATE masterplan.layer SET version = version + 1 WHERE id = 'heat'"))
        return found

    monkeypatch.setattr(on_rasters, "answers", replaced_meanwhile)
    with transaction(SYSTEM) as connection:
        proposal_id = insert(connection, site(connection))
        measure_all(connection, [proposal_id])
        assert answer_of(stored(connection, "measurement", proposal_id).measures, HEAT)["value"] == 9
