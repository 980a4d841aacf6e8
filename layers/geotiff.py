"""GeoTIFFs: opened with care, and drawn as tiles of Web Mercator.

The driver is named, so that nothing else can be disguised as a TIFF, and the first bytes are looked at
before GDAL is. Tiles are 256 by 256 pixels of EPSG:3857, PNG with transparency.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from layers import gdal_lock
from layers.tiles import TileAddress
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import TILE_SRID, WGS84_SRID

if TYPE_CHECKING:
    from rasterio import DatasetReader
    from rasterio.vrt import WarpedVRT

MEDIA_TYPE = "image/png"
TILE_PX = 256
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: Tiles are drawn for at most this many requests at once.
drawing = BoundedSemaphore(2)

_NO_FILE = N_("There is no file {file}.")
_NOT_A_TIFF = N_("The file {file} is not a GeoTIFF.")
_UNREADABLE = N_("The file {file} cannot be read as a GeoTIFF; it may be cut short.")


def refusal(msgid: str, path: Path, **facts: object) -> InputError:
    """An InputError about the file at `path`, whose sentence may use `{file}`."""
    return InputError([("file", MasterplanError(msgid, file=path.name, **facts))])


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """The GeoTIFF at `path`, whatever it holds.

    Raises
    ------
    InputError
        When it is none; also when it proves unreadable later on, inside the `with`.
    """
    if not path.is_file():
        raise refusal(_NO_FILE, path)
    with path.open("rb") as file:
        if file.read(4) not in _TIFF_STARTS:
            raise refusal(_NOT_A_TIFF, path)
    gdal_lock.lock()
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(path, driver=gdal_lock.RASTER_DRIVER) as source:
            yield source
    except RasterioError as broken:
        raise refusal(_UNREADABLE, path) from broken


def bounds(source: DatasetReader) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees (EPSG:4326)."""
    from rasterio.warp import transform_bounds

    return transform_bounds(source.crs, f"EPSG:{WGS84_SRID}", *source.bounds)


def warped(source: DatasetReader, address: TileAddress, **options: Any) -> WarpedVRT:
    """The source as it lies in a tile; `options` are those of rasterio's WarpedVRT."""
    from rasterio.transform import from_bounds
    from rasterio.vrt import WarpedVRT

    place = from_bounds(*address.bounds_m, TILE_PX, TILE_PX)
    return WarpedVRT(source, crs=f"EPSG:{TILE_SRID}", transform=place, width=TILE_PX, height=TILE_PX, **options)


def png(pixels: np.ndarray) -> bytes:
    """A picture of (rows, columns, red green blue opacity) bytes."""
    picture = BytesIO()
    Image.fromarray(pixels, "RGBA").save(picture, "PNG")
    return picture.getvalue()
