"""From heights to where water goes: conditioning, D8, a multiple-flow method, depressions.

All of it needs the whole raster in memory, since a river crosses every window: about `BYTES_A_CELL`
bytes a cell, which `layers.rasters.check_memory` is asked for before anything is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from layers.grids import Grid
from layers.terrain import accumulation, kernels

Conditioning = Literal["fill", "breach"]
#: Freeman's exponent for the multiple-flow method.
FREEMAN_EXPONENT = 1.1
#: ESRI's codes, and two of pyflwdir's: drains off the surface, nodata.
OUTLET, NODATA = kernels.OUTLET, kernels.NODATA


@dataclass(frozen=True)
class Conditioned:
    """A surface on which every cell has a way out.

    Attributes
    ----------
    heights
        As given, metres, float32; NaN is nodata.
    filled
        Every depression filled to its spill level, metres: what depths are measured from.
    surface
        What the water runs on: `filled`, or the heights with a channel cut out of every depression.
    flood
        The way out of each cell by which `filled` was found, as D8 codes.
    """

    heights: np.ndarray
    filled: np.ndarray
    surface: np.ndarray
    flood: np.ndarray


def condition(heights: np.ndarray, how: Conditioning = "fill") -> Conditioned:
    """Give every cell of a surface a way out, over its edge or into nodata.

    Depressions are found by priority flood (Wang & Liu 2006, doi:10.1080/13658810500433453; pyflwdir). "fill"
    raises each to its spill level. "breach" cuts instead along the same ways out, as a culvert under a road bank
    does, and raises nothing (the carving of Soille 2004, doi:10.1029/2004WR003116, all the way down).

    Parameters
    ----------
    heights
        Metres, two-dimensional; NaN is nodata, and a way out.
    """
    from pyflwdir.dem import fill_depressions
    from scipy.ndimage import binary_erosion

    heights = np.ascontiguousarray(heights, dtype=np.float32)
    flood = fill_depressions(heights, nodata=np.nan)[1]
    # From cells of equal height along the edge pyflwdir leads water on along it; here each is a way out.
    there = flood != NODATA
    flood[there & ~binary_erosion(there, np.ones((3, 3)))] = OUTLET
    # pyflwdir's own filled heights are a rounding error uneven, which would make new pits.
    filled = kernels.fill_along(heights, flood)
    surface = filled if how == "fill" else kernels.carve_along(heights, flood)
    return Conditioned(heights, filled, surface, flood)


def flow_directions(ground: Conditioned, grid: Grid) -> np.ndarray:
    """ESRI D8 codes: the steepest way down among eight neighbours (O'Callaghan & Mark 1984).

    Slopes are over true distances in metres, on the ellipsoid for a grid in degrees. Among equals the first from
    east clockwise is taken; on level ground water follows the flood's way out. `OUTLET` (0) drains off the surface.
    """
    return kernels.steepest(ground.surface, ground.flood, grid.cell_width_m, grid.cell_height_m)


def upstream_area(d8: np.ndarray, grid: Grid, weights: np.ndarray | None = None) -> np.ndarray:
    """Area in m² that drains through each cell by D8, itself included; on the ellipsoid for a grid in degrees.

    `weights` replaces the area of each cell, to accumulate something else. NaN on nodata.
    """
    values = _cell_areas(d8 != NODATA, grid) if weights is None else weights.astype(np.float64).ravel()
    into = accumulation.downstream(d8)
    accumulation.accumulate(into, values, grid.shape)
    values = values.reshape(grid.shape)
    values[d8 == NODATA] = np.nan
    return values


def spread_area(ground: Conditioned, grid: Grid, exponent: float = FREEMAN_EXPONENT) -> np.ndarray:
    """Area in m² that drains through each cell when water spreads over all lower neighbours.

    The shares are as slope to the power of `exponent` (Freeman 1991, doi:10.1016/0098-3004(91)90048-I); on level
    ground all follows the flood's way out, so that no area is lost. NaN on nodata.
    """
    values = _cell_areas(ground.flood != NODATA, grid).reshape(grid.shape)
    kernels.spread(ground.surface, ground.flood, grid.cell_width_m, grid.cell_height_m, exponent, values)
    values[ground.flood == NODATA] = np.nan
    return values


def _cell_areas(there: np.ndarray, grid: Grid) -> np.ndarray:
    return np.where(there, grid.cell_area_m2[:, np.newaxis], 0.0).ravel()


@dataclass(frozen=True)
class Depressions:
    """Hollows that fill before they spill over.

    `number` is 0 outside, else the hollow's number from 1; the other arrays are indexed by number − 1.
    """

    number: np.ndarray
    depth_m: np.ndarray
    volume_m3: np.ndarray
    area_m2: np.ndarray
    spill_level_m: np.ndarray


def depressions(ground: Conditioned, grid: Grid) -> Depressions:
    """The depressions of a surface with greatest depth (m), volume to the brim (m³), area (m²) and spill level (m)."""
    from scipy.ndimage import label

    # Neighbours under water always stand at the same level, or one would run into the other.
    number, count = label(ground.filled > ground.heights, np.ones((3, 3)))
    rows, columns = np.nonzero(number)
    cells = number[rows, columns] - 1
    depth = (ground.filled[rows, columns] - ground.heights[rows, columns]).astype(np.float64)
    area = grid.cell_area_m2[rows]
    deepest, level = np.zeros(count), np.zeros(count)
    np.maximum.at(deepest, cells, depth)
    level[cells] = ground.filled[rows, columns]
    return Depressions(
        number, deepest, np.bincount(cells, depth * area, count), np.bincount(cells, area, count), level
    )
