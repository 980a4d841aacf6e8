"""A document's GeoTIFF as tiles over the map.

Files are put there by the team, yet read with care (`layers.geotiff`): size is capped; a
file without a coordinate system is refused in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layers import geotiff
from layers.geotiff import refusal
from layers.tiles import TileAddress
from masterplan.errors import NotFound
from masterplan.language import N_

if TYPE_CHECKING:
    from rasterio import DatasetReader

MAX_PIXELS = 400_000_000
#: Above this a file needs overviews, or far views would read all of it for each tile.
MAX_PIXELS_WITHOUT_OVERVIEWS = 64_000_000

NOT_PUBLISHED = N_("This document is not published yet.")
NO_CRS = N_("The file {file} has no coordinate system: georeference it, best in Stereo 70 (EPSG:3844).")
TOO_LARGE = N_("The file {file} has {found} million pixels; at most {largest} million are shown.")
NO_OVERVIEWS = N_("The file {file} has {found} million pixels and no overviews: add them, for example with gdaladdo.")
NOT_8_BIT = N_("The file {file} must have 1, 3 or 4 bands of 8 bits; it has {bands} of type {kind}.")


def bounds(path: Path) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees (EPSG:4326).

    Raises
    ------
    NotFound, InputError
        As `tile` does.
    """
    with _opened(path) as source:
        return geotiff.bounds(source)


def tile(path: Path, address: TileAddress) -> bytes:
    """The tile as PNG with transparency where the raster has nothing.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When it is no 8-bit GeoTIFF with a coordinate system, or too large.
    """
    with geotiff.drawing, _opened(path) as source:
        bands = _bands(source, address)
    return geotiff.png(np.moveaxis(bands, 0, -1))


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    if not path.is_file():
        raise NotFound(NOT_PUBLISHED)
    with geotiff.opened(path) as source:
        _check(source, path)
        yield source


def _check(source: DatasetReader, path: Path) -> None:
    if source.crs is None:
        raise refusal(NO_CRS, path)
    pixels = source.width * source.height
    found = round(pixels / 1e6)
    if pixels > MAX_PIXELS:
        raise refusal(TOO_LARGE, path, found=found, largest=round(MAX_PIXELS / 1e6))
    if pixels > MAX_PIXELS_WITHOUT_OVERVIEWS and not source.overviews(1):
        raise refusal(NO_OVERVIEWS, path, found=found)
    if source.count not in (1, 3, 4) or set(source.dtypes) != {"uint8"}:
        raise refusal(NOT_8_BIT, path, bands=source.count, kind=", ".join(sorted(set(source.dtypes))))


def _bands(source: DatasetReader, address: TileAddress) -> np.ndarray:
    """Red, green, blue and opacity of the tile, as an array of (4, 256, 256) bytes."""
    from rasterio.enums import ColorInterp, Resampling

    palette = source.colorinterp[0] is ColorInterp.palette
    resampling = Resampling.nearest if palette else Resampling.bilinear
    with geotiff.warped(source, address, add_alpha=source.count != 4, resampling=resampling) as warped:
        bands = warped.read()
    if palette:
        table = np.zeros((256, 4), dtype=np.uint8)
        for value, color in source.colormap(1).items():
            table[value] = color
        colored = np.moveaxis(table[bands[0]], -1, 0)
        colored[3] = np.minimum(colored[3], bands[-1])
        return colored
    grey = source.count == 1
    return np.stack([bands[0], bands[0], bands[0], bands[-1]]) if grey else bands
