"""A document's GeoTIFF as tiles over the map.

Files are put there by the team, yet read with care: the driver is named, so that
nothing else can be disguised as a TIFF; size is capped; a file without a coordinate
system is refused in words. Tiles are 256 by 256 pixels of Web Mercator (EPSG:3857).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from layers import gdal_lock
from layers.tiles import TileAddress
from masterplan.errors import InputError, MasterplanError, NotFound
from masterplan.language import N_
from masterplan.place import TILE_SRID, WGS84_SRID

if TYPE_CHECKING:
    from rasterio import DatasetReader

MEDIA_TYPE = "image/png"
TILE_PX = 256
MAX_PIXELS = 400_000_000
#: Above this a file needs overviews, or far views would read all of it for each tile.
MAX_PIXELS_WITHOUT_OVERVIEWS = 64_000_000
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Rasters are read by at most this many requests at once.
_reading = BoundedSemaphore(2)

NOT_PUBLISHED = N_("This document is not published yet.")
NOT_A_TIFF = N_("The file {file} is not a GeoTIFF.")
UNREADABLE = N_("The file {file} cannot be read as a GeoTIFF.")
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
        from rasterio.warp import transform_bounds

        return transform_bounds(source.crs, f"EPSG:{WGS84_SRID}", *source.bounds)


def tile(path: Path, address: TileAddress) -> bytes:
    """The tile as PNG with transparency where the raster has nothing.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When it is no 8-bit GeoTIFF with a coordinate system, or too large.
    """
    with _reading, _opened(path) as source:
        bands = _warped(source, address)
    picture = BytesIO()
    Image.fromarray(np.moveaxis(bands, 0, -1), "RGBA").save(picture, "PNG")
    return picture.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    if not path.is_file():
        raise NotFound(NOT_PUBLISHED)
    with path.open("rb") as file:
        if file.read(4) not in _TIFF_STARTS:
            raise _refused(NOT_A_TIFF, path)
    gdal_lock.lock()
    import rasterio
    from rasterio.errors import RasterioError

    try:
        source = rasterio.open(path, driver=gdal_lock.RASTER_DRIVER)
    except RasterioError as broken:
        raise _refused(UNREADABLE, path) from broken
    with source:
        _check(source, path)
        try:
            yield source
        except RasterioError as broken:
            raise _refused(UNREADABLE, path) from broken


def _check(source: DatasetReader, path: Path) -> None:
    if source.crs is None:
        raise _refused(NO_CRS, path)
    pixels = source.width * source.height
    found = round(pixels / 1e6)
    if pixels > MAX_PIXELS:
        raise _refused(TOO_LARGE, path, found=found, largest=round(MAX_PIXELS / 1e6))
    if pixels > MAX_PIXELS_WITHOUT_OVERVIEWS and not source.overviews(1):
        raise _refused(NO_OVERVIEWS, path, found=found)
    if source.count not in (1, 3, 4) or set(source.dtypes) != {"uint8"}:
        raise _refused(NOT_8_BIT, path, bands=source.count, kind=", ".join(sorted(set(source.dtypes))))


def _refused(msgid: str, path: Path, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=path.name, **facts))])


def _warped(source: DatasetReader, address: TileAddress) -> np.ndarray:
    """Red, green, blue and opacity of the tile, as an array of (4, 256, 256) bytes."""
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    palette = source.colorinterp[0] is ColorInterp.palette
    placed = from_bounds(*address.bounds_m, TILE_PX, TILE_PX)
    with WarpedVRT(
        source, crs=f"EPSG:{TILE_SRID}", transform=placed,
        width=TILE_PX, height=TILE_PX, add_alpha=source.count != 4,
        resampling=Resampling.nearest if palette else Resampling.bilinear,
    ) as warped:  # fmt: skip
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
