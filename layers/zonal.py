"""What a raster holds at places: by exactextract, which counts each cell by the part of it that is covered.

A place is a polygon, a line or points. Lines and points get two centimetres of width, so that one reckoning
serves all: a line counts each cell by the length inside it, a point is the cell that it lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely
from pyproj import CRS, Transformer
from shapely import Geometry

from layers.grids import grid_of
from layers.rasters import check_band, opened, read_window
from masterplan.place import place

if TYPE_CHECKING:
    from rasterio import DatasetReader

Statistic = Literal["min", "max", "mean", "sum", "count"]
#: Half the width in metres that a line or a point is given.
_HALF_WIDTH_M = 0.01
#: Which cells are meant: from a window of values (float32, NaN where there is nothing) to booleans.
Meant = Callable[[np.ndarray], np.ndarray]


#: exactextract takes no empty shape; this one meets no raster.
_NOWHERE = shapely.Polygon([(-1e9, -1e9), (-1e9 + 1, -1e9), (-1e9, -1e9 + 1)])


@dataclass(frozen=True)
class BandOf:
    """A band of a raster, to be asked about places in EPSG:`srid` (as it stands, this place's own)."""

    raster: Path
    band: int = 1
    srid: int | None = None


def zonal(wanted: BandOf, places: Sequence[Geometry], statistics: Sequence[Statistic]) -> dict[str, np.ndarray]:
    """Statistics of the cells within each place; NaN where a place holds no value.

    Parameters
    ----------
    statistics
        "mean" weighs each cell by the part of it that is covered; "min" and "max" count every cell touched.

    Raises
    ------
    InputError
        When the raster is not what it should be.
    """
    with _asked(wanted, places) as (source, moved):
        return _extracted(_cells(source, wanted.band), source, moved, statistics)


def shares(
    wanted: BandOf, places: Sequence[Geometry], meant: Meant, moved_m: Sequence[float] = (0,)
) -> list[np.ndarray]:
    """The share of each place, in percent, that lies in the cells meant; NaN where the raster does not reach at all.

    Parameters
    ----------
    moved_m
        For each number one answer, with the edges of what is meant moved outwards by so many metres (inwards where
        negative), in whole cells.

    Raises
    ------
    InputError
        When the raster is not what it should be.
    """
    with _asked(wanted, places) as (source, moved):
        cell = abs(source.transform.a * source.transform.e)
        whole = shapely.area(moved) / cell
        answers = []
        for distance in moved_m:
            found = _extracted(_cells(source, wanted.band, meant, distance), source, moved, ["sum", "count"])
            share = np.minimum(100 * np.nan_to_num(found["sum"]) / whole, 100)
            answers.append(np.where(np.nan_to_num(found["count"]) > 0, share, np.nan))
    return answers


@contextmanager
def _asked(wanted: BandOf, places: Sequence[Geometry]) -> Iterator[tuple[DatasetReader, np.ndarray]]:
    """The raster, and the places as areas in its own coordinate system; what is empty lies far beyond it."""
    areas = np.array(places, dtype=object)
    for dimension, ends in ((0, "square"), (1, "flat")):
        thin = shapely.get_dimensions(areas) == dimension
        areas[thin] = shapely.buffer(areas[thin], _HALF_WIDTH_M, quad_segs=1, cap_style=ends)
    with opened(wanted.raster) as source:
        check_band(source, wanted.raster, wanted.band)
        crs = CRS.from_wkt(source.crs.to_wkt())
        move = Transformer.from_crs(wanted.srid or place().storage_srid, crs, always_xy=True)
        moved = shapely.transform(areas, lambda c: np.column_stack(move.transform(c[:, 0], c[:, 1])))
        moved[shapely.is_empty(moved)] = _NOWHERE
        yield source, moved


def _extracted(
    cells: Any, source: DatasetReader, areas: np.ndarray, statistics: Sequence[Statistic]
) -> dict[str, np.ndarray]:
    import geopandas
    from exactextract import exact_extract

    frame = geopandas.GeoDataFrame(geometry=areas, crs=source.crs.to_wkt())
    found: Mapping = exact_extract(cells, frame, list(statistics), output="pandas")
    return {name: found[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in statistics}


def _cells(source: DatasetReader, band: int, meant: Meant | None = None, moved_m: float = 0) -> Any:
    """A band as exactextract reads it, window by window: its values, or 1 in the cells meant and 0 in the others."""
    from exactextract.raster import RasterSource

    class Cells(RasterSource):
        def res(self) -> tuple[float, float]:
            return source.transform.a, -source.transform.e

        def extent(self) -> tuple[float, float, float, float]:
            return tuple(source.bounds)

        def nodata_value(self) -> None:
            return None

        def srs_wkt(self) -> str:
            return source.crs.to_wkt()

        def read_window(self, left: int, top: int, width: int, height: int) -> np.ndarray:
            from rasterio.windows import Window

            if meant is None:
                return read_window(source, band, Window(left, top, width, height))
            return _meant_cells(source, band, meant, steps, (left, top, width, height))

    steps = _disc(source, moved_m)
    return Cells()


def _disc(source: DatasetReader, moved_m: float) -> tuple[np.ndarray, bool]:
    """The cells whose centres lie within so many metres of that in the middle; whether to widen, else to narrow."""
    grid = grid_of(source)
    height, width = (float(side[grid.height // 2]) for side in (grid.cell_height_m, grid.cell_width_m))
    reach = abs(moved_m) * (1 + 1e-6)
    rows, columns = int(reach // height), int(reach // width)
    down, right = np.mgrid[-rows : rows + 1, -columns : columns + 1]
    return np.hypot(down * height, right * width) <= reach, moved_m > 0


def _meant_cells(
    source: DatasetReader, band: int, meant: Meant, steps: tuple[np.ndarray, bool], window: tuple[int, int, int, int]
) -> np.ndarray:
    """A window of ones and zeros, its edges moved; beyond the raster nothing ends and nothing begins."""
    from rasterio.windows import Window
    from scipy.ndimage import binary_dilation, binary_erosion

    disc, wider = steps
    rows, columns = (side // 2 for side in disc.shape)
    left, top, width, height = window
    west, north = max(left - columns, 0), max(top - rows, 0)
    east, south = min(left + width + columns, source.width), min(top + height + rows, source.height)
    inside = meant(read_window(source, band, Window(west, north, east - west, south - north)))
    if disc.size > 1:
        moved = binary_dilation if wider else binary_erosion
        inside = moved(inside, disc, border_value=0 if wider else 1)
    cut = inside[top - north : top - north + height, left - west : left - west + width]
    return cut.astype(np.float32)
