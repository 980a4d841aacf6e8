"""Rasters at places, on numbers worked out by hand and against weights of rasterio's own making."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from layers import gdal_lock
from layers.zonal import BandOf, shares, zonal

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.features import rasterize  # noqa: E402
from rasterio.transform import Affine, from_origin  # noqa: E402


def written(path: Path, bands: np.ndarray, cell: float = 10, north: float = 635_000) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=len(bands), dtype="float32",
        crs="EPSG:3844", transform=from_origin(690_000, north, cell, cell), nodata=float("nan"),
    ) as file:  # fmt: skip
        file.write(bands)
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """Two bands of 4 × 4 cells of 10 m in Stereo 70; the first counts 0 to 15, with a hole."""
    first = np.arange(16, dtype=np.float32).reshape(4, 4)
    first[0, 0] = np.nan
    return written(tmp_path / "values.tif", np.array([first, first * 100]))


def at(east: float, north: float) -> tuple[float, float]:
    """Metres east and north of the raster's south-western corner."""
    return 690_000 + east, 634_960 + north


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(*at(west, south), *at(east, north))


def test_cells_count_by_the_part_that_is_covered(raster: Path) -> None:
    # The lowest row is 12 13 14 15; half of the cell 12 and all of 13, then all four, then only the hole.
    areas = [box(5, 0, 20, 10), box(0, 0, 40, 10), box(0, 30, 10, 40), box(500, 0, 510, 10), shapely.Polygon()]
    found = zonal(BandOf(raster), areas, ["mean", "max", "min"])
    np.testing.assert_allclose(found["mean"], [(6 + 13) / 1.5, 13.5, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(found["max"], [13, 15, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(found["min"][:2], [12, 12])


def test_a_line_counts_by_its_length_and_points_by_their_cells(raster: Path) -> None:
    # 5 m in the cell 12 and 10 m in 13; along a diagonal as much in 12 as in 9, 6 and 3.
    straight = shapely.LineString([at(5, 5), at(20, 5)])
    diagonal = shapely.LineString([at(0, 0), at(40, 40)])
    points = shapely.MultiPoint([at(35, 5), at(5, 15)])
    places = [straight, diagonal, shapely.Point(at(15, 15)), points]
    found = zonal(BandOf(raster), places, ["mean", "max"])
    np.testing.assert_allclose(found["mean"], [(12 + 2 * 13) / 3, (12 + 9 + 6 + 3) / 4, 9, (15 + 8) / 2], rtol=1e-3)
    np.testing.assert_allclose(found["max"][[0, 2, 3]], [13, 9, 15])


def test_another_band_and_another_coordinate_system(raster: Path) -> None:
    np.testing.assert_allclose(zonal(BandOf(raster, 2), [box(0, 0, 40, 10)], ["mean"])["mean"], [1350])
    back = Transformer.from_crs(3844, 4326, always_xy=True)
    degrees = shapely.transform(box(0, 0, 40, 10), lambda c: np.column_stack(back.transform(c[:, 0], c[:, 1])))
    found = zonal(BandOf(raster, srid=4326), [degrees], ["mean"])
    np.testing.assert_allclose(found["mean"], [13.5], atol=1e-3)


def test_shares_of_a_place_in_the_cells_meant(raster: Path) -> None:
    def from_twelve(values: np.ndarray) -> np.ndarray:
        return values >= 12

    # The lowest row is meant: half of the first; a third of the second reaches beyond the raster.
    places = [
        box(0, 0, 40, 20), box(20, 0, 50, 10), box(0, 20, 40, 40), shapely.Point(at(5, 5)),
        shapely.LineString([at(5, 5), at(5, 25)]), box(500, 0, 510, 10), box(0, 30, 10, 40),
    ]  # fmt: skip
    exact, wider, narrower = shares(BandOf(raster), places, from_twelve, moved_m=(0, 10, -10))
    np.testing.assert_allclose(exact, [50, 200 / 3, 0, 100, 25, np.nan, 0], rtol=1e-5, atol=1e-3)
    # One cell wider are two rows; narrower is nothing, though beyond the raster nothing is known to end.
    np.testing.assert_allclose(wider, [100, 200 / 3, 0, 100, 75, np.nan, 0], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(narrower, [0, 0, 0, 0, 0, np.nan, 0], atol=1e-3)


def test_random_places_agree_with_finely_cut_cells(tmp_path: Path) -> None:
    """Against a second reckoning: each cell cut into 20 × 20, whose middles rasterio finds inside or not."""
    dice = np.random.default_rng(4)
    values = dice.normal(size=(1, 30, 40)).astype(np.float32)
    raster, fine = written(tmp_path / "noise.tif", values), 20
    transform = from_origin(690_000, 635_000, 10, 10) * Affine.scale(1 / fine)
    for _ in range(4):
        corners = dice.uniform([690_020, 634_720], [690_380, 634_980], size=(5, 2))
        place = shapely.convex_hull(shapely.MultiPoint(corners))
        inside = rasterize([place], (30 * fine, 40 * fine), transform=transform)
        weights = inside.reshape(30, fine, 40, fine).mean(axis=(1, 3))
        mean = zonal(BandOf(raster), [place], ["mean"])["mean"][0]
        assert mean == pytest.approx((weights * values[0]).sum() / weights.sum(), abs=0.01)
        positive = shares(BandOf(raster), [place], lambda cells: cells > 0)[0][0]
        assert positive == pytest.approx(100 * weights[values[0] > 0].sum() / weights.sum(), abs=0.3)
