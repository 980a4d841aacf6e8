"""How the ground lies: slope, aspect, hillshade and landforms of an elevation raster of any size.

Worked on window by window, so that memory does not grow with the raster; only the raster of classes (one
byte a cell, and what cutting it into areas takes) is held whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layers import derived
from layers.derived import DerivedFeature, Provenance, RasterClass
from layers.grids import Grid, grid_of
from layers.rasters import (
    OutputBand,
    Progress,
    check_band,
    check_memory,
    opened,
    read_window,
    sha256_of,
    windowed,
)
from layers.terrain import slopes
from layers.terrain.stormwater import HEIGHTS
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

if TYPE_CHECKING:
    from rasterio import DatasetReader

#: Lower limits of the slope classes, in percent, and what planners here call them. They are the thresholds of
#: this plan's criteria: favourable, with conditions, restrictive, needs a person. A proposal of the experts; no
#: law or standard that fixes them was found.
SLOPE_CLASSES = (
    (0.0, "pantă sub 5 %: favorabil", "slope under 5 %: favourable"),
    (5.0, "pantă 5–15 %: favorabil cu condiții", "slope 5–15 %: favourable with conditions"),
    (15.0, "pantă 15–25 %: restrictiv", "slope 15–25 %: restrictive"),
    (25.0, "pantă peste 25 %: de analizat", "slope above 25 %: needs a person"),
)
#: The landforms, in the order of their codes from 1, as the layer `relief` names them.
LANDFORMS = ("luncă", "terasă și vale", "deal și colină", "coastă și versant abrupt", "culme și platou înalt")
FLAT_PERCENT, STEEP_PERCENT = 2.0, 25.0
#: Standard deviations from the mean of the surroundings from which a place is a valley or a ridge.
_APART = 1.0
#: Held for each cell while the raster of classes is cut into areas.
BYTES_A_CELL = 40
_BANDS = [
    OutputBand("slope_percent", unit="%"), OutputBand("aspect", unit="°"), OutputBand("hillshade", unit="1"),
    OutputBand("landform", unit="1"), OutputBand("altitude_m", unit="m"),
]  # fmt: skip

_TOO_COARSE = N_(
    "The surroundings of {radius} m are narrower than one cell ({cell} m): widen them, or take finer heights."
)


@dataclass(frozen=True)
class Options:
    """`surroundings_m`: how far around a place its mean height is taken, to tell ridges from valleys.
    `smallest_cells`: areas of fewer cells are given to their neighbour."""

    surroundings_m: float = 500.0
    smallest_cells: int = 25


def landforms(
    heights: np.ndarray, slope_percent: np.ndarray, radius: tuple[int, int], middle_m: float
) -> np.ndarray:
    """Codes of `LANDFORMS`, 0 on nodata, by how high a place lies among its surroundings.

    The deviation from the mean of the surrounding (2r + 1)-cell square, in standard deviations of that square, is
    DEV of De Reu et al. 2013 (doi:10.1016/j.geomorph.2012.12.015), after Weiss 2001: from 1 up a ridge, from −1
    down a valley. Slopes of `STEEP_PERCENT` and more are steep slopes wherever they are. Between ridge and valley,
    level ground (under `FLAT_PERCENT`) is flood plain when it lies below `middle_m`, else plateau; the rest is hill.
    `radius` is in cells, rows and columns.
    """
    deviation = _deviation(heights.astype(np.float64), radius)
    flood_plain, valley, hill, steep, ridge = range(1, 6)
    form = np.full(heights.shape, hill, dtype=np.uint8)
    level = slope_percent < FLAT_PERCENT
    form[level & (heights < middle_m)] = flood_plain
    form[level & (heights >= middle_m)] = ridge
    form[deviation <= -_APART] = valley
    form[deviation >= _APART] = ridge
    form[slope_percent >= STEEP_PERCENT] = steep
    form[np.isnan(heights)] = 0
    return form


def _deviation(heights: np.ndarray, radius: tuple[int, int]) -> np.ndarray:
    """(height − mean) / standard deviation of the square around; 0 where the square is level."""
    from scipy.ndimage import uniform_filter

    size = tuple(2 * cells + 1 for cells in radius)
    there = np.isfinite(heights)
    # Taken from a height among them, so that squaring does not lose what matters.
    relative = np.where(there, heights - np.nanmean(heights) if there.any() else 0.0, 0.0)
    share = np.maximum(uniform_filter(there.astype(np.float64), size, mode="constant"), 1e-12)
    mean = uniform_filter(relative, size, mode="constant") / share
    variance = uniform_filter(relative**2, size, mode="constant") / share - mean**2
    spread = np.sqrt(np.maximum(variance, 0))
    level = spread < 1e-3
    return np.where(level, 0.0, (relative - mean) / np.where(level, 1.0, spread))


def surface(
    dem: Path, out: Path, options: Options, band: int | None = None,
    tags: dict[str, str] | None = None, progress: Progress = lambda _: None,
) -> Grid:  # fmt: skip
    """Write slope (%), aspect (degrees from north), hillshade (0–255), landform and altitude (m) as one COG.

    Any coordinate system: distances are metres, on the ellipsoid for a grid in degrees.

    Raises
    ------
    InputError
        When the DEM is not what it should be.
    """
    with opened(dem) as source:
        radius = _radius(grid_of(source), options)
        middle = _middle_height(source, check_band(source, dem, band))

    def bands(heights: np.ndarray, grid: Grid) -> list[np.ndarray]:
        east, north = slopes.gradient(heights, grid)
        steepness = slopes.slope_percent(east, north)
        forms = landforms(heights, steepness, radius, middle).astype(np.float32)
        forms[forms == 0] = np.nan
        return [steepness, slopes.aspect_degrees(east, north), slopes.hillshade(east, north), forms, heights]

    return windowed(
        dem, out, bands, _BANDS, band=band, margin=max(1, *radius), within=HEIGHTS, tags=tags, progress=progress
    )


def _middle_height(source: DatasetReader, band: int) -> float:
    """The median height, of at most a million cells evenly spread."""
    thin = max(1.0, float(np.sqrt(source.width * source.height / 1e6)))
    shape = max(1, int(source.height / thin)), max(1, int(source.width / thin))
    heights = source.read(band, out_shape=shape, masked=True).astype(np.float64).filled(np.nan)
    scaled = heights * source.scales[band - 1] + source.offsets[band - 1]
    return float(np.nanmedian(scaled)) if np.isfinite(scaled).any() else 0.0


def _radius(grid: Grid, options: Options) -> tuple[int, int]:
    cell = grid.coarsest_cell_m
    if options.surroundings_m < cell:
        raise InputError([("surroundings", MasterplanError(
            _TOO_COARSE, radius=f"{options.surroundings_m:g}", cell=f"{cell:g}"
        ))])  # fmt: skip
    middle = grid.height // 2
    return tuple(
        round(options.surroundings_m / side[middle]) for side in (grid.cell_height_m, grid.cell_width_m)
    )


def derive(
    dem: Path, options: Options, folder: Path, band: int | None = None, progress: Progress = lambda _: None
) -> list[derived.Derivation]:
    """The layer `relief` of a DEM: areas of one slope class, with mean slope, altitude and commonest landform.

    Raises
    ------
    InputError
        As `surface`, and when memory is short.
    """
    origin = Provenance(
        "slope, aspect and hillshade from 3 × 3 cells (Horn 1981); landforms by deviation from the mean of the"
        " surroundings (De Reu et al. 2013, after Weiss 2001)",
        {"surroundings_m": options.surroundings_m, "smallest_cells": options.smallest_cells,
         "slope_classes_percent": [least for least, *_ in SLOPE_CLASSES]},
        [(dem.name, sha256_of(dem))],
    )  # fmt: skip
    values, classes = folder / "relief.tif", folder / "relief.classes.tif"
    grid = surface(dem, values, options, band, origin.tags(), progress=lambda share: progress(0.6 * share))
    check_memory(grid.cells, BYTES_A_CELL, dem.name)
    with opened(values) as source:
        slope, forms, altitude = (read_window(source, index) for index in (1, 4, 5))
    limits = [least for least, *_ in SLOPE_CLASSES]
    codes = np.searchsorted(limits, np.nan_to_num(slope), side="right").astype(np.uint8)
    codes[np.isnan(slope)] = derived.NO_CLASS
    known = [RasterClass(code, least) for code, least in enumerate(limits, 1)]
    derived.write_classes(classes, codes, grid, known, origin)
    progress(0.8)
    features = _features(codes, grid, slope, forms, altitude, options)
    progress(1.0)
    return [derived.Derivation(
        "relief", features, origin, grid.coarsest_cell_m, date.fromtimestamp(dem.stat().st_mtime), values, classes
    )]  # fmt: skip


def _features(
    codes: np.ndarray, grid: Grid, slope: np.ndarray, forms: np.ndarray, altitude: np.ndarray, options: Options
) -> list[DerivedFeature]:
    found = derived.regions(codes, grid, options.smallest_cells)
    steepness, height = found.mean(slope), found.mean(altitude)
    form = found.commonest(np.nan_to_num(forms).astype(np.uint8))
    features = []
    for number, shape in enumerate(derived.to_degrees(found.shapes, grid)):
        code = int(found.codes[number])
        least, name_ro, name_en = SLOPE_CLASSES[code - 1]
        most = SLOPE_CLASSES[code][0] if code < len(SLOPE_CLASSES) else None
        attributes = {
            "altitude_m": round(float(height[number])), "slope_percent": round(float(steepness[number]), 1),
            "landform": LANDFORMS[max(form[number], 1) - 1],
        }  # fmt: skip
        for part, polygon in enumerate(derived.polygons_of(shape)):
            id_ = f"relief-{number + 1}" + (f"-{part + 1}" if part else "")
            features.append(DerivedFeature(id_, polygon, name_ro, name_en, attributes, least, most, "%"))
    return features
