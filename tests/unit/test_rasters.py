"""The door for rasters: what is refused, what comes in, and how it goes out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from layers import gdal_lock, grids, rasters
from masterplan.errors import InputError

gdal_lock.lock()
import rasterio  # noqa: E402
from pyproj import Geod  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402

STEREO_70 = from_origin(690_000, 635_000, 10, 10)
DEGREES = from_origin(27.5, 47.25, 0.001, 0.0005)


def write(path: Path, *bands: np.ndarray, crs: str | None = "EPSG:3844", transform: Affine = STEREO_70, **more) -> Path:
    height, width = bands[0].shape
    shape = {"driver": "GTiff", "count": len(bands), "height": height, "width": width, "dtype": bands[0].dtype}
    with rasterio.open(path, "w", crs=crs, transform=transform, **shape | more) as file:
        for index, band in enumerate(bands, 1):
            file.write(band, index)
    return path


def ramp(height: int = 4, width: int = 5) -> np.ndarray:
    return np.arange(height * width, dtype=np.float32).reshape(height, width)


def refused(path: Path, sentence: str, **how) -> None:
    with pytest.raises(InputError, match=sentence):
        rasters.read(path, **how)


def test_what_is_not_a_raster_of_a_place_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "missing.tif", "no file missing.tif")
    (tmp_path / "words.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>")
    refused(tmp_path / "words.tif", "not a GeoTIFF")
    (tmp_path / "cut.tif").write_bytes(b"II*\0\x08")
    refused(tmp_path / "cut.tif", "cannot be read")
    refused(write(tmp_path / "a.tif", ramp(), crs=None), "no coordinate system")
    refused(write(tmp_path / "b.tif", ramp(), crs="EPSG:4978"), "neither geographic nor projected")
    refused(write(tmp_path / "c.tif", ramp(), transform=STEREO_70 @ Affine.rotation(10)), "rotated or upside down")
    upside_down = Affine(10, 0, 690_000, 0, 10, 635_000)
    refused(write(tmp_path / "d.tif", ramp(), transform=upside_down), "rotated or upside down")


def test_the_band_must_be_what_it_is_said_to_be(tmp_path: Path) -> None:
    two = write(tmp_path / "two.tif", ramp(), ramp() * 2)
    refused(two, "has 2 bands: say which")
    refused(two, "no band 3", band=3)
    refused(two, "no band 0", band=0)
    np.testing.assert_array_equal(rasters.read(two, band=2).values, ramp() * 2)
    picture = write(tmp_path / "rgb.tif", *[ramp().astype("uint8")] * 3, photometric="RGB")
    refused(picture, "colours", band=1)
    refused(write(tmp_path / "complex.tif", ramp().astype("complex64")), "complex64")
    heights = rasters.Believable(-500, 9000, "{file} {band}: {low} to {high} is not within {least} to {most}")
    refused(write(tmp_path / "dn.tif", ramp() + 20_000), "20000 to 20019 is not within -500 to 9000", within=heights)


def test_degrees_are_refused_where_metres_are_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "degrees.tif", ramp(), crs="EPSG:4326", transform=DEGREES)
    refused(path, "degrees where metres are needed", metres=True)
    assert rasters.read(path).grid.in_degrees


@pytest.mark.parametrize("nothing", [{"nodata": 7}, {}])
def test_a_band_without_values_is_refused(tmp_path: Path, nothing: dict) -> None:
    value = 7 if nothing else np.nan
    refused(write(tmp_path / "empty.tif", np.full((3, 3), value, np.float32), **nothing), "no values at all")


def test_nodata_becomes_nan_and_scale_and_offset_are_applied(tmp_path: Path) -> None:
    raw = np.array([[100, 200], [-9999, 400]], dtype=np.int16)
    path = write(tmp_path / "scaled.tif", raw, nodata=-9999)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = [0.1], [5.0]
    band = rasters.read(path)
    np.testing.assert_allclose(band.values, [[15, 25], [np.nan, 45]])
    assert band.values.dtype == np.float32
    assert band.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("north", [60.0, 47.25, 0.001, -33.0])
def test_areas_of_cells_in_degrees_are_those_of_the_ellipsoid(north: float) -> None:
    grid = grids.Grid(rasterio.CRS.from_epsg(4326), from_origin(27.5, north, 0.01, 0.02), 1, 3)
    geod = Geod(ellps="WGS84")
    for row, area in enumerate(grid.cell_area_m2):
        top, bottom = north - 0.02 * row, north - 0.02 * (row + 1)
        # A parallel is no geodesic: it is followed in many small steps.
        along = np.linspace(27.5, 27.51, 200)
        ring = np.concatenate([along, along[::-1]]), np.repeat([bottom, top], 200)
        assert area == pytest.approx(abs(geod.polygon_area_perimeter(*ring)[0]), rel=1e-7)
        middle = (top + bottom) / 2
        assert grid.cell_width_m[row] == pytest.approx(geod.inv(27.5, middle, 27.51, middle)[2], rel=1e-7)
        assert grid.cell_height_m[row] == pytest.approx(geod.inv(27.5, bottom, 27.5, top)[2], rel=1e-7)


def test_feet_and_grads_are_turned_into_metres() -> None:
    feet = grids.Grid(rasterio.CRS.from_epsg(2276), from_origin(2_400_000, 7_000_000, 30, 60), 2, 2)
    np.testing.assert_allclose(feet.cell_area_m2, 30 * 60 * (1200 / 3937) ** 2, rtol=1e-12)
    degrees = grids.Grid(rasterio.CRS.from_epsg(4326), from_origin(2, 45, 0.9, 0.9), 1, 1)
    grads = grids.Grid(rasterio.CRS.from_epsg(4807), from_origin(2, 50, 1, 1), 1, 1)
    # Another ellipsoid (Clarke 1880), 250 m larger.
    np.testing.assert_allclose(grads.cell_area_m2, degrees.cell_area_m2, rtol=2e-4)


def test_too_little_memory_is_refused_with_the_remedy() -> None:
    rasters.check_memory(1_000_000, 80, "dem.tif", free=100_000_000)
    with pytest.raises(InputError, match=r"(?s)400 MB.*80 bytes.*5.0 million.*100 MB are free.*3 times.*basin"):
        rasters.check_memory(5_000_000, 80, "dem.tif", free=100_000_000)


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert rasters._container_free(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert rasters._container_free(tmp_path) > 2**60


def _mean_of_three(values: np.ndarray, _: grids.Grid) -> list[np.ndarray]:
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return [sum(padded[r : r + height, c : c + width] for r in range(3) for c in range(3)) / 9]


def test_windows_give_what_the_whole_gives_and_the_result_is_cloud_optimised(tmp_path: Path, monkeypatch) -> None:
    values = np.random.default_rng(1).normal(size=(700, 900)).astype(np.float32)
    path = write(tmp_path / "in.tif", values)
    monkeypatch.setattr(rasters, "WINDOW", 256)
    told: list[float] = []
    rasters.windowed(
        path, tmp_path / "new" / "out.tif", _mean_of_three, [rasters.OutputBand("mean", unit="m")],
        margin=1, tags={"METHOD": "mean"}, progress=told.append,
    )  # fmt: skip
    with rasterio.open(tmp_path / "new" / "out.tif") as file:
        np.testing.assert_allclose(file.read(1), _mean_of_three(values, None)[0], rtol=1e-5)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2, 4]
        assert (file.tags()["METHOD"], file.descriptions, file.units) == ("mean", ("mean",), ("m",))
        assert (file.crs.to_epsg(), file.transform) == (3844, STEREO_70)
    assert told == sorted(told) and told[-1] == 1.0
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["out.tif"]


def test_nothing_is_written_when_the_values_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.tif", np.full((3, 3), np.nan, np.float32))
    with pytest.raises(InputError, match="no values"):
        rasters.windowed(path, tmp_path / "out.tif", _mean_of_three, [rasters.OutputBand("mean")])
    assert not (tmp_path / "out.tif").exists()


def test_another_raster_is_brought_onto_the_grid(tmp_path: Path) -> None:
    grid = grids.Grid(rasterio.CRS.from_epsg(3844), STEREO_70, 40, 40)
    # The western half is 1, the eastern 2; in degrees, and reaching far beyond.
    codes = np.repeat(np.array([[1, 2]], dtype=np.uint8), 200, axis=1).repeat(400, axis=0)
    from rasterio.warp import transform

    (lon,), (lat,) = transform("EPSG:3844", "EPSG:4326", [690_200], [634_800])
    place = from_origin(lon - 0.02, lat + 0.02, 0.0001, 0.0001)
    path = write(tmp_path / "codes.tif", codes, crs="EPSG:4326", transform=place)
    onto = rasters.read_onto(path, grid).values
    assert set(np.unique(onto)) == {1, 2}
    # Meridian convergence at Iași is below 3°, so the seam stays within 2 cells of the middle.
    assert (onto[:, :18] == 1).all() and (onto[:, 22:] == 2).all()
    far = write(tmp_path / "far.tif", codes, crs="EPSG:4326", transform=from_origin(2, 48, 0.0001, 0.0001))
    with pytest.raises(InputError, match="nowhere over"):
        rasters.read_onto(far, grid)
