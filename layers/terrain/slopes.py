"""Slope, aspect and hillshade of a surface, from each cell's eight neighbours (Horn 1981)."""

from __future__ import annotations

import numpy as np

from layers.grids import Grid


def gradient(heights: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Rise per metre eastwards and northwards (Horn 1981, doi:10.1109/PROC.1981.11918), as float64.

    Distances are true metres, on the ellipsoid for a grid in degrees. Beyond the edge, and where a neighbour is
    nodata, the surface is continued in a straight line, so that a plane has its slope everywhere. NaN on nodata.
    """
    around = _neighbours(heights)
    width, height = grid.cell_width_m[:, np.newaxis], grid.cell_height_m[:, np.newaxis]
    (nw, n, ne), (w, _, e), (sw, s, se) = around
    east = ((ne - nw) + 2 * (e - w) + (se - sw)) / (8 * width)
    north = ((nw - sw) + 2 * (n - s) + (ne - se)) / (8 * height)
    east[np.isnan(heights)] = north[np.isnan(heights)] = np.nan
    return east, north


def _neighbours(heights: np.ndarray) -> list[list[np.ndarray]]:
    rows, columns = heights.shape
    centre = heights.astype(np.float64)
    wide = np.pad(centre, 1, mode="reflect", reflect_type="odd") if heights.size else centre
    around = [[wide[r : r + rows, c : c + columns] for c in range(3)] for r in range(3)]
    if np.isnan(centre).any():
        around = [
            [_or_continued(around[r][c], around[2 - r][2 - c], centre) for c in range(3)] for r in range(3)
        ]
    return around


def _or_continued(neighbour: np.ndarray, opposite: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The neighbour; where it is nodata the line from the opposite one through the centre, or else the centre."""
    straight = 2 * centre - opposite
    return np.where(np.isnan(neighbour), np.where(np.isnan(straight), centre, straight), neighbour)


def slope_percent(gradient_east: np.ndarray, gradient_north: np.ndarray) -> np.ndarray:
    """Metres of rise for every hundred along the steepest line."""
    return 100 * np.hypot(gradient_east, gradient_north)


def aspect_degrees(gradient_east: np.ndarray, gradient_north: np.ndarray) -> np.ndarray:
    """Where the slope faces (downhill), in degrees from north, clockwise; NaN on level ground."""
    aspect = np.rad2deg(np.arctan2(-gradient_east, -gradient_north)) % 360
    aspect[(gradient_east == 0) & (gradient_north == 0)] = np.nan
    return aspect


def hillshade(
    gradient_east: np.ndarray, gradient_north: np.ndarray, azimuth: float = 315, altitude: float = 45
) -> np.ndarray:
    """Light from 0 to 255 on a surface lit from `azimuth` (degrees from north) at `altitude` above the horizon."""
    sun, up = np.deg2rad(azimuth), np.deg2rad(altitude)
    facing = np.cos(up) * (-gradient_east * np.sin(sun) - gradient_north * np.cos(sun)) + np.sin(up)
    return 255 * np.clip(facing / np.sqrt(1 + gradient_east**2 + gradient_north**2), 0, 1)
