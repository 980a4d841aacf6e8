"""Where the cells of a raster lie, and how large they are.

All lengths are metres. On a grid in degrees they are taken on the ellipsoid, row by row; on a projected
grid they are grid metres, as everywhere in this application.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from affine import Affine
    from rasterio import DatasetReader
    from rasterio.crs import CRS
    from rasterio.windows import Window


@dataclass(frozen=True)
class Grid:
    """Where the cells of a raster lie.

    Attributes
    ----------
    crs : rasterio.crs.CRS
        Geographic or projected.
    transform : affine.Affine
        From (column, row) to the coordinate system; north up, not rotated.
    """

    crs: CRS
    transform: Affine
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def cells(self) -> int:
        return self.width * self.height

    @property
    def in_degrees(self) -> bool:
        """Whether the cells are cut along meridians and parallels."""
        return bool(self.crs.is_geographic)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in the grid's own coordinate system."""
        west, north = self.transform.c, self.transform.f
        return west, north + self.height * self.transform.e, west + self.width * self.transform.a, north

    @cached_property
    def cell_width_m(self) -> np.ndarray:
        """Metres from a cell's centre to its neighbour's in the same row, for each row."""
        if not self.in_degrees:
            return np.full(self.height, abs(self.transform.a) * self._metres_a_unit)
        return np.deg2rad(abs(self.transform.a) * self._degrees_a_unit) * _parallel_radius(
            self._centre_latitudes, *self._ellipsoid
        )

    @cached_property
    def cell_height_m(self) -> np.ndarray:
        """Metres from a cell's northern edge to its southern one, for each row."""
        if not self.in_degrees:
            return np.full(self.height, abs(self.transform.e) * self._metres_a_unit)
        return np.deg2rad(abs(self.transform.e) * self._degrees_a_unit) * _meridian_radius(
            self._centre_latitudes, *self._ellipsoid
        )

    @cached_property
    def cell_area_m2(self) -> np.ndarray:
        """Area of one cell in square metres, for each row: exact on the ellipsoid where the grid is in degrees."""
        if not self.in_degrees:
            return self.cell_width_m * self.cell_height_m
        edges = (self.transform.f + self.transform.e * np.arange(self.height + 1)) * self._degrees_a_unit
        zone = _zone_area(np.clip(edges, -90, 90), *self._ellipsoid)
        return np.deg2rad(abs(self.transform.a) * self._degrees_a_unit) * np.abs(np.diff(zone))

    @property
    def coarsest_cell_m(self) -> float:
        """The longest side of any cell, in metres, to a decimetre: no edge drawn from the grid is truer than that."""
        return round(float(max(self.cell_width_m.max(), self.cell_height_m.max())), 1)

    def window(self, window: Window) -> Grid:
        """The part of the grid that `window` cuts out."""
        from rasterio.windows import transform

        return Grid(self.crs, transform(window, self.transform), int(window.width), int(window.height))

    @cached_property
    def _centre_latitudes(self) -> np.ndarray:
        return (self.transform.f + self.transform.e * (np.arange(self.height) + 0.5)) * self._degrees_a_unit

    @cached_property
    def _ellipsoid(self) -> tuple[float, float]:
        """Semi-major axis in metres and squared eccentricity."""
        ellipsoid = self._projected_by_pyproj.ellipsoid
        major, minor = ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre
        return major, 1 - (minor / major) ** 2

    @cached_property
    def _projected_by_pyproj(self) -> Any:
        from pyproj import CRS as ProjCRS

        return ProjCRS.from_wkt(self.crs.to_wkt())

    @cached_property
    def _metres_a_unit(self) -> float:
        return float(self._projected_by_pyproj.axis_info[0].unit_conversion_factor)

    @cached_property
    def _degrees_a_unit(self) -> float:
        return float(np.rad2deg(self._projected_by_pyproj.axis_info[0].unit_conversion_factor))


def _parallel_radius(latitude: np.ndarray, major: float, squared: float) -> np.ndarray:
    sine, cosine = np.sin(np.deg2rad(latitude)), np.cos(np.deg2rad(latitude))
    return major * cosine / np.sqrt(1 - squared * sine**2)


def _meridian_radius(latitude: np.ndarray, major: float, squared: float) -> np.ndarray:
    return major * (1 - squared) / (1 - squared * np.sin(np.deg2rad(latitude)) ** 2) ** 1.5


def _zone_area(latitude: np.ndarray, major: float, squared: float) -> np.ndarray:
    """Area from the equator to a latitude, per radian of longitude (Snyder 1987, USGS PP 1395, eq. 3-12)."""
    sine, eccentricity = np.sin(np.deg2rad(latitude)), np.sqrt(squared)
    if eccentricity == 0:
        return major**2 * sine
    return (major**2 * (1 - squared) / 2) * (
        sine / (1 - squared * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    )


def grid_of(source: DatasetReader) -> Grid:
    return Grid(source.crs, source.transform, source.width, source.height)
