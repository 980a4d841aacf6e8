"""From Landsat files to the heat layer: scenes made up so that every temperature is known."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from layers import gdal_lock, grids, heat, landsat, rasters
from layers.derived import regions
from layers.vector_inputs import moved
from masterplan.errors import InputError
from tests.landsat_scenes import CORNER, ETM, GREEN_RED, PLACE, UTM, scene, thermal_dn, write

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402
from rasterio.warp import Resampling, reproject  # noqa: E402


def built(rows: int, columns: int, top: int = 0) -> heat.BuiltUp:
    """The first rows and columns of the grid are built up."""
    west, north = CORNER
    area = shapely.box(west, north - 30 * (top + rows), west + 30 * columns, north - 30 * top)
    return heat.BuiltUp(moved([area], 4326, UTM), "built.geojson", "b" * 64)


def bands(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read()


#: 60 × 60 cells: a town of 35 °C in the north-west, fields of 28 °C around it.
TOWN = np.full((60, 60), 28.0)
TOWN[:20, :20] = 35.0


def test_the_anomaly_is_against_rural_ground_away_from_the_town(tmp_path: Path) -> None:
    celsius = TOWN.copy()
    # Warm outskirts, 450 m beyond what is built up: neither built nor rural.
    celsius[20:34, :34] = celsius[:34, 20:34] = 31.0
    made = heat.write_anomaly([scene(tmp_path / "a", celsius)], tmp_path / "out.tif", built(20, 20))
    anomaly, temperature, seen = bands(tmp_path / "out.tif")
    np.testing.assert_allclose(temperature, celsius, atol=0.01)
    np.testing.assert_allclose(anomaly, celsius - 28, atol=0.01)
    assert (seen == 1).all()
    # 20 cells of town and 500 m (17 cells, the last one touched) around it, but for the rounded corner.
    assert made.rural_c == [pytest.approx(28, abs=0.01)]
    assert 60 * 60 - 37 * 37 <= made.rural_cells[0] <= 60 * 60 - 37 * 37 + 80


def test_water_is_not_rural(tmp_path: Path) -> None:
    file = scene(tmp_path / "a", TOWN)
    # A lake in the south: red above near infrared, and colder.
    red = np.full(TOWN.shape, GREEN_RED, np.uint16)
    red[40:] = 30_000
    dn = thermal_dn(TOWN).astype(np.uint16)
    dn[40:] = thermal_dn(np.array(20.0))
    write(file.path.parent / "B4.TIF", red)
    write(file.path.parent / "B10.TIF", dn)
    assert heat.write_anomaly([file], tmp_path / "out.tif", built(20, 20)).rural_c == [pytest.approx(28, abs=0.01)]
    lake = bands(tmp_path / "out.tif")[1, 50, 50]
    # Emissivity 0.991 instead of 0.99: 0.07 K less.
    assert lake == pytest.approx(20 - 0.066, abs=0.01)


def test_scenes_are_averaged_each_against_its_own_day(tmp_path: Path) -> None:
    clouds = np.zeros(TOWN.shape, bool)
    clouds[:10, :10] = True
    hot = scene(tmp_path / "a", TOWN + 5, clouds=clouds)
    cool = scene(tmp_path / "b", np.where(TOWN > 30, 30.0, 27.0), day="2023-08-01")
    made = heat.write_anomaly([hot, cool], tmp_path / "out.tif", built(20, 20))
    anomaly, temperature, seen = bands(tmp_path / "out.tif")
    assert made.rural_c == [pytest.approx(33, abs=0.01), pytest.approx(27, abs=0.01)]
    # Under the cloud only the cool day is seen (30 − 27); beside it the mean of 7 and 3.
    assert anomaly[5, 5] == pytest.approx(3, abs=0.01) and anomaly[15, 15] == pytest.approx(5, abs=0.01)
    assert temperature[15, 15] == pytest.approx((40 + 30) / 2, abs=0.01)
    assert (seen[5, 5], seen[15, 15]) == (1, 2)


def test_a_scene_that_begins_elsewhere_is_put_in_its_place(tmp_path: Path) -> None:
    first = scene(tmp_path / "a", TOWN)
    # Five columns farther west and three rows farther south, on the same lattice: what a second pass looks like.
    shifted = np.full((60, 60), 28.0)
    shifted[:17, 5:25] = 35.0
    second = scene(tmp_path / "b", shifted, transform=PLACE @ Affine.translation(-5, 3))
    heat.write_anomaly([first, second], tmp_path / "out.tif", built(20, 20))
    anomaly, _, seen = bands(tmp_path / "out.tif")
    np.testing.assert_allclose(anomaly, TOWN - 28, atol=0.01)
    assert (seen[:3] == 1).all() and (seen[:, 55:] == 1).all() and (seen[3:, :55] == 2).all()


def test_a_scene_of_the_next_zone_is_brought_over(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:60, :60]
    smooth = 28 + 5 * np.exp(-((rows - 30.0) ** 2 + (columns - 30.0) ** 2) / 400)
    first = scene(tmp_path / "a", smooth)
    other, place = np.zeros((90, 90)), from_origin(0, 0, 30, 30)
    (x,), (y,) = rasterio.warp.transform(UTM, "EPSG:32634", [CORNER[0] + 900], [CORNER[1] - 900])
    place = from_origin(round(x) - 1350.5, round(y) + 1350.5, 30, 30)
    reproject(smooth, other, src_transform=PLACE, src_crs=UTM, src_nodata=-99, dst_transform=place,
              dst_crs="EPSG:32634", init_dest_nodata=False, resampling=Resampling.cubic)  # fmt: skip
    other[other == 0] = 28.0
    second = scene(tmp_path / "b", other, transform=place, crs="EPSG:32634")
    heat.write_anomaly([first, second], tmp_path / "out.tif", built(5, 5))
    _, temperature, seen = bands(tmp_path / "out.tif")
    assert (seen == 2).all()
    # Resampled twice, a slope of 0.2 °C a cell: half a cell out of place would be 0.05 in the mean of two.
    np.testing.assert_allclose(temperature[5:-5, 5:-5], smooth[5:-5, 5:-5], atol=0.03)


def test_bounds_cut_whole_cells(tmp_path: Path) -> None:
    west, north = CORNER
    wanted = moved([shapely.box(west + 310, north - 1_190, west + 1_190, north - 310)], 4326, UTM)[0]
    file = scene(tmp_path / "a", TOWN)
    made = heat.write_anomaly([file], tmp_path / "out.tif", built(20, 20), bounds=wanted.bounds)
    # Meridians are not quite the grid's: a cell more on some sides.
    assert 30 <= made.grid.width <= 34 and 30 <= made.grid.height <= 34
    column, row = ((made.grid.transform.c - west) / 30, (north - made.grid.transform.f) / 30)
    assert column == int(column) and row == int(row)
    expected = (TOWN - 28)[int(row) : int(row) + made.grid.height, int(column) : int(column) + made.grid.width]
    np.testing.assert_allclose(bands(tmp_path / "out.tif")[0], expected, atol=0.01)
    with pytest.raises(InputError, match="nowhere within the bounds 2, 48, 3, 49"):
        heat.write_anomaly([file], tmp_path / "no.tif", built(20, 20), bounds=(2, 48, 3, 49))


def test_windows_give_what_the_whole_gives_with_bounded_memory(tmp_path: Path, monkeypatch) -> None:
    size = 800
    celsius = 28 + np.random.default_rng(7).normal(size=(size, size))
    file = scene(tmp_path / "a", celsius)
    whole = heat.write_anomaly([file], tmp_path / "whole.tif", built(20, 20))
    monkeypatch.setattr(rasters, "WINDOW", 128)
    told: list[float] = []
    tracemalloc.start()
    pieces = heat.write_anomaly([file], tmp_path / "pieces.tif", built(20, 20), progress=told.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pieces == whole
    np.testing.assert_array_equal(bands(tmp_path / "pieces.tif"), bands(tmp_path / "whole.tif"))
    # Less than a single band of the scene in double precision, whatever the scene's size.
    assert peak < size * size * 8
    assert told == sorted(told) and told[-1] == 1


# -- the layer -----------------------------------------------------------------------------


def test_patches_say_their_class_mean_and_origin(tmp_path: Path) -> None:
    file = scene(tmp_path / "a", TOWN)
    made = heat.derive([file], built(20, 20), tmp_path)
    by_value = {feature.attributes["anomaly_c"]: feature for feature in made.features}
    assert sorted(by_value) == [0, 7]
    town, fields = by_value[max(by_value)], by_value[min(by_value)]
    assert (town.least, town.most, town.unit) == (4.5, None, "°C")
    assert (fields.least, fields.most) == (-0.25, 0.5)
    assert moved([town.geometry], UTM)[0].area == pytest.approx(600 * 600, rel=0.01)
    assert (town.name_ro, town.name_en) == ("Abatere termică 7,0 °C", "Heat anomaly 7.0 °C")
    said = made.provenance.attributes()
    assert json.loads(said["parameters"])["scenes"][0]["rural_median_c"] == pytest.approx(28, abs=0.01)
    for name in ("LC09_MTL.txt", "B10.TIF", "B4.TIF", "B5.TIF", "QA_PIXEL.TIF", "built.geojson"):
        assert f"{name} " in said["input_sha256"]
    assert rasters.sha256_of(file.path.parent / "B10.TIF") in said["input_sha256"]
    assert made.source_date.isoformat() == "2024-07-20"
    classes = bands(made.classes)[0]
    assert set(np.unique(classes)) == {3, 7} and (classes[:20, :20] == 7).all()


def test_what_is_too_small_to_be_drawn_does_not_move_the_mean(tmp_path: Path) -> None:
    celsius = TOWN.copy()
    # A roof of 3 × 3 cells and 60 °C in the fields, under 2 ha.
    celsius[45:48, 45:48] = 60.0
    made = heat.derive([scene(tmp_path / "a", celsius)], built(20, 20), tmp_path)
    assert sorted(feature.attributes["anomaly_c"] for feature in made.features) == [0, 7]
    drawn = heat.derive([scene(tmp_path / "b", celsius)], built(20, 20), tmp_path, smallest_m2=8_000)
    assert sorted(feature.attributes["anomaly_c"] for feature in drawn.features) == [0, 7, 32]


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 4)),
       st.integers(1, 99))  # fmt: skip
def test_every_patch_has_a_cell_of_its_own_class(codes: np.ndarray, smallest: int) -> None:
    grid = grids.Grid(rasterio.CRS.from_string(UTM), PLACE, codes.shape[1], codes.shape[0])
    patches = regions(codes, grid, smallest)
    for number, code in enumerate(patches.codes.tolist(), 1):
        assert (codes[patches.number == number] == code).any()
    if smallest > codes.size:
        # None is large enough to take another in: all stay.
        assert patches.codes.tolist() == regions(codes, grid, 1).codes.tolist()


@pytest.mark.parametrize(
    ("mean", "code", "value"),
    [(6.96, 7, 7.0), (0.44, 3, 0.4), (0.497, 3, 0.49), (0.503, 4, 0.5), (-0.26, 2, -0.3), (-0.2501, 2, -0.3),
     (-0.24, 3, -0.2), (-1.042, 1, -1.05), (-0.97, 2, -1.0), (-0.004, 3, 0.0)],
)  # fmt: skip
def test_rounding_does_not_move_a_mean_into_another_class(mean: float, code: int, value: float) -> None:
    assert heat._rounded(mean, code) == value
    assert landsat.heat_island_class(np.array(value)) + 1 == code


def test_the_lowest_class_of_the_raster_is_coloured_as_the_lowest_of_the_map() -> None:
    values = [each.value for each in heat.RASTER_CLASSES]
    assert values == sorted(values) and values[0] < landsat.HEAT_ISLAND_CLASSES[1][1]
    assert [each.code for each in heat.RASTER_CLASSES] == [1, 2, 3, 4, 5, 6, 7]


# -- refused -------------------------------------------------------------------------------


def refused(sentence: str, files: list[heat.SceneFile], out: Path, built_up: heat.BuiltUp | None = None) -> None:
    with pytest.raises(InputError, match=sentence):
        heat.write_anomaly(files, out, built_up or built(20, 20))
    assert not out.exists()


def test_bands_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    file = scene(tmp_path / "a", TOWN)
    thermal = file.path.parent / "B10.TIF"
    write(thermal, TOWN.astype(np.float32))
    refused("B10.TIF holds float32", [file], out)
    write(thermal, thermal_dn(TOWN).astype(np.uint16), PLACE @ Affine.translation(1, 0))
    refused("B10.TIF and B4.TIF do not lie on the same cells", [file], out)
    write(thermal, thermal_dn(TOWN).astype(np.uint16), from_origin(27, 47, 0.001, 0.001), "EPSG:4326")
    refused("degrees where metres", [file], out)
    write(thermal, np.zeros(TOWN.shape, np.uint16))
    refused("0 cells of clear rural ground", [file], out)
    thermal.unlink()
    with pytest.raises(InputError, match="B10.TIF of LC09_MTL.txt is not beside it"):
        heat.read_scene(file.path)
    with pytest.raises(InputError, match="no file gone_MTL.txt"):
        heat.read_scene(tmp_path / "gone_MTL.txt")


def test_too_little_rural_ground(tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    clouds = np.ones(TOWN.shape, bool)
    clouds[:15, :15] = False
    refused("LC09_MTL.txt shows 0 cells of clear rural", [scene(tmp_path / "a", TOWN, clouds=clouds)], out)
    refused("shows 0 cells", [scene(tmp_path / "b", TOWN)], out, built(60, 60))
    refused("Nothing of built.geojson lies in the scene", [scene(tmp_path / "c", TOWN)], out, built(5, 5, top=900))


def test_a_scene_without_a_quality_band_must_be_said_to_be_clear(tmp_path: Path) -> None:
    file = scene(tmp_path / "a", TOWN)
    lines = file.path.read_text().splitlines(keepends=True)
    file.path.write_text("".join(line for line in lines if "QUALITY" not in line))
    with pytest.raises(InputError, match="no quality band"):
        heat.read_scene(file.path)
    shutil.move(file.path.parent / "QA_PIXEL.TIF", tmp_path / "unused.tif")
    clear = heat.read_scene(file.path, clouds=False)
    heat.write_anomaly([clear], tmp_path / "out.tif", built(20, 20), clouds=False)
    np.testing.assert_allclose(bands(tmp_path / "out.tif")[0], TOWN - 28, atol=0.01)


def test_the_real_scenes_of_july_and_november(shared_data: Path, tmp_path: Path) -> None:
    files = []
    for season in ("july", "nov"):
        with rasterio.open(shared_data / "heat" / f"etm_{season}_dn.tif") as source:
            folder = tmp_path / season
            folder.mkdir()
            for index, name in enumerate(("b3", "b4", "b61"), 1):
                write(folder / f"{name}.tif", source.read(index), source.transform, source.crs)
            bounds = source.bounds
        (folder / "a_MTL.txt").write_text(ETM.replace('    FILE_NAME_BAND_QUALITY = "bqa.tif"\n', ""))
        files.append(heat.read_scene(folder / "a_MTL.txt", clouds=False))
    town = shapely.box(bounds.left, bounds.bottom, bounds.left + 2_000, bounds.bottom + 2_000)
    built_up = heat.BuiltUp(moved([town], 4326, "EPSG:32618"), "town", "")
    made = heat.write_anomaly(files, tmp_path / "out.tif", built_up, clouds=False)
    # Pennsylvania: a July morning and a November one.
    assert 20 < made.rural_c[0] < 30 and 5 < made.rural_c[1] < 12
    with rasterio.open(shared_data / "heat" / "etm_july_bt61_K_ref.tif") as file:
        july = file.read(1) - 273.15
    with rasterio.open(shared_data / "heat" / "etm_nov_bt61_K_ref.tif") as file:
        november = file.read(1) - 273.15
    correction = bands(tmp_path / "out.tif")[1] - (july + november) / 2
    # Emissivities of 0.97 to 0.991 at 280 to 310 K.
    assert np.nanmin(correction) > 0.5 and np.nanmax(correction) < 2.4
