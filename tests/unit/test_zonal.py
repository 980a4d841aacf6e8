"""Rasters within areas, on numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from layers import gdal_lock
from layers.zonal import zonal

gdal_lock.lock()
import rasterio  # noqa: E402
from rasterio.transform import from_origin  # noqa: E402


@pytest.fixture
def raster(tmp_path: Path) -> Path:
    """Two bands of 4 × 4 cells of 10 m in Stereo 70; the first counts 0 to 15, with a hole."""
    first = np.arange(16, dtype=np.float32).reshape(4, 4)
    first[0, 0] = np.nan
    path = tmp_path / "values.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=4, height=4, count=2, dtype="float32", crs="EPSG:3844",
        transform=from_origin(690_000, 635_000, 10, 10), nodata=float("nan"),
    ) as file:  # fmt: skip
        file.write(first, 1)
        file.write(first * 100, 2)
    return path


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """Metres east and north of the raster's south-western corner."""
    return shapely.box(690_000 + west, 634_960 + south, 690_000 + east, 634_960 + north)


def test_cells_count_by_the_part_that_is_covered(raster: Path) -> None:
    # The lowest row is 12 13 14 15; half of the cell 12 and all of 13, then all four, then only the hole.
    areas = [box(5, 0, 20, 10), box(0, 0, 40, 10), box(0, 30, 10, 40), box(500, 0, 510, 10)]
    np.testing.assert_allclose(zonal(raster, areas, "mean"), [(6 + 13) / 1.5, 13.5, np.nan, np.nan])
    np.testing.assert_allclose(zonal(raster, areas, "max"), [13, 15, np.nan, np.nan])
    np.testing.assert_allclose(zonal(raster, areas, "min")[:2], [12, 12])


def test_another_band_and_another_coordinate_system(raster: Path) -> None:
    np.testing.assert_allclose(zonal(raster, [box(0, 0, 40, 10)], "mean", band=2), [1350])
    from pyproj import Transformer

    back = Transformer.from_crs(3844, 4326, always_xy=True)
    degrees = shapely.transform(box(0, 0, 40, 10), lambda c: np.column_stack(back.transform(c[:, 0], c[:, 1])))
    np.testing.assert_allclose(zonal(raster, [degrees], "mean", srid=4326), [13.5], atol=1e-3)
