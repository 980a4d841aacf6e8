"""Runoff of a design storm by curve numbers (USDA NRCS, National Engineering Handbook 630, chapter 10)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from layers.geotiff import refusal
from layers.grids import Grid
from layers.rasters import read_onto
from masterplan.language import N_

SOIL_GROUPS = "ABCD"
#: Land cover of ESA WorldCover → curve numbers for hydrologic soil groups A, B, C, D, from tables 2-2a to 2-2d of
#: USDA NRCS, TR-55 (1986), antecedent moisture II. The pairing of classes with rows of the tables is ours.
WORLDCOVER_CURVE_NUMBERS: Mapping[int, tuple[int, int, int, int]] = {
    10: (30, 55, 70, 77),  # tree cover: woods, good
    20: (30, 48, 65, 73),  # shrubland: brush, good
    30: (39, 61, 74, 80),  # grassland: pasture, good
    40: (67, 78, 85, 89),  # cropland: row crops, straight, good
    50: (77, 85, 90, 92),  # built-up: residential, lots of 500 m², 65 % sealed
    60: (77, 86, 91, 94),  # bare ground: fallow, bare soil
    80: (100, 100, 100, 100),  # water: all rain runs off
    90: (100, 100, 100, 100),  # wetland: taken as full of water, ours
}
_INITIAL_SHARE = 0.2

_UNKNOWN_COVER = N_("The land cover raster {file} has codes without a curve number: {codes}. Known: {known}.")


def runoff_mm(storm_mm: float, curve_number: np.ndarray) -> np.ndarray:
    """Depth that runs off, in mm, of a storm of `storm_mm`, for curve numbers above 0 and up to 100.

    Q = (P − 0.2 S)² / (P + 0.8 S) where P > 0.2 S, else 0; S = 25,400 / CN − 254 mm.
    """
    retention = 25_400 / curve_number - 254
    excess = np.maximum(storm_mm - _INITIAL_SHARE * retention, 0)
    return excess**2 / np.maximum(storm_mm + (1 - _INITIAL_SHARE) * retention, 1e-9)


def curve_numbers(
    land_cover: Path,
    grid: Grid,
    soil_group: str,
    numbers: Mapping[int, tuple[int, int, int, int]] = WORLDCOVER_CURVE_NUMBERS,
) -> tuple[np.ndarray, str]:
    """Curve numbers on `grid` for one hydrologic soil group, and the SHA-256 of the land-cover file.

    Cells that the file does not reach are NaN.

    Raises
    ------
    InputError
        When the raster has codes that `numbers` does not know, or lies elsewhere.
    """
    cover = read_onto(land_cover, grid, method="nearest")
    there = np.isfinite(cover.values)
    if unknown := sorted({float(code) for code in np.unique(cover.values[there])} - {float(code) for code in numbers}):
        raise refusal(
            _UNKNOWN_COVER, land_cover, codes=", ".join(f"{code:g}" for code in unknown[:10]),
            known=", ".join(map(str, numbers)),
        )  # fmt: skip
    found = np.full(grid.shape, np.nan)
    for code, by_group in numbers.items():
        found[cover.values == code] = by_group[SOIL_GROUPS.index(soil_group)]
    return found, cover.sha256
