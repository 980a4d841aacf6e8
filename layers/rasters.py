"""The one door through which rasters come in, and go out as cloud-optimised GeoTIFFs.

A raster is checked before anything is computed on it: it is a GeoTIFF (the driver is named, so that
nothing else can be disguised as one), it has a coordinate system that a map can use, the band exists and
holds values. Operations that look at a neighbourhood only are run window by window (`windowed`), so that
their memory does not grow with the raster; those that need the whole of it ask `check_memory` first.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from layers import gdal_lock, geotiff
from layers.geotiff import refusal
from layers.grids import Grid, grid_of
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

if TYPE_CHECKING:
    from rasterio import DatasetReader
    from rasterio.windows import Window

#: Tells how far something is, from 0 to 1.
Progress = Callable[[float], None]
#: A raster larger than this is refused outright.
MAX_PIXELS = 2_500_000_000
#: Side of the windows, in cells, in which local operations are run.
WINDOW = 1024
COG_BLOCK = 256
#: This much of the free memory may be asked for.
_SHARE_OF_FREE = 0.8

_NO_CRS = N_("The raster {file} has no coordinate system: assign it one, best Stereo 70 (EPSG:3844).")
_UNUSABLE_CRS = N_("The coordinate system of the raster {file} is neither geographic nor projected: reproject it.")
_NOT_PLACED = N_("The raster {file} has a coordinate system but no place in it: georeference it.")
_ROTATED = N_("The raster {file} is rotated or upside down: warp it to a north-up grid, for example with gdalwarp.")
_TOO_MANY_PIXELS = N_("The raster {file} has {found} million cells; at most {largest} million are read.")
_NO_BAND = N_("The raster {file} has {count} bands; there is no band {band}.")
_WHICH_BAND = N_("The raster {file} has {count} bands: say which one to read.")
_NOT_REAL = N_("Band {band} of the raster {file} is of type {kind}; real numbers are needed.")
_A_PICTURE = N_("Band {band} of the raster {file} is a picture (colours), not values.")
_DEGREES = N_("The raster {file} is in degrees where metres are needed: reproject it, best to Stereo 70 (EPSG:3844).")
_ALL_NODATA = N_("Band {band} of the raster {file} holds no values at all.")
_TOO_LITTLE_MEMORY = N_(
    "Working on {what} needs about {needed} MB of memory ({per_cell} bytes for each of {cells} million cells);"
    " {free} MB are free."
    " Make the cells coarser (about {factor} times as wide), or split the raster by river basin."
)
_DIFFERENT_PLACE = N_("The raster {file} lies nowhere over the one that is worked on.")


@dataclass(frozen=True)
class Believable:
    """The range that a band's values must lie in to be what it is said to be.

    `msgid` is the refusal; it may use {file}, {band}, {low}, {high} (found), {least} and {most} (believable).
    """

    least: float
    most: float
    msgid: str


@dataclass(frozen=True)
class Band:
    """One band read whole: `values` as float32 with NaN where there is nothing, `grid`, and the file's SHA-256."""

    values: np.ndarray
    grid: Grid
    sha256: str
    name: str


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """The raster at `path`, checked: a GeoTIFF with a coordinate system, placed, north up.

    Raises
    ------
    InputError
        When it is not; also when it proves unreadable later on, inside the `with`.
    """
    with geotiff.opened(path) as source:
        _check_place(source, path)
        yield source


def _check_place(source: DatasetReader, path: Path) -> None:
    if source.crs is None:
        raise refusal(_NO_CRS, path)
    if not (source.crs.is_geographic or source.crs.is_projected):
        raise refusal(_UNUSABLE_CRS, path)
    if source.transform.is_identity:
        raise refusal(_NOT_PLACED, path)
    turned = source.transform
    if turned.b or turned.d or turned.a <= 0 or turned.e >= 0:
        raise refusal(_ROTATED, path)
    if source.width * source.height > MAX_PIXELS:
        found, largest = round(source.width * source.height / 1e6), round(MAX_PIXELS / 1e6)
        raise refusal(_TOO_MANY_PIXELS, path, found=found, largest=largest)


def check_band(source: DatasetReader, path: Path, band: int | None) -> int:
    """The band to read: the one asked for, or the only one there is.

    Raises
    ------
    InputError
        When there is no such band, none was named among several, or it holds complex numbers or colours.
    """
    from rasterio.enums import ColorInterp

    if band is None and source.count > 1:
        raise refusal(_WHICH_BAND, path, count=source.count)
    band = 1 if band is None else band
    if not 1 <= band <= source.count:
        raise refusal(_NO_BAND, path, count=source.count, band=band)
    kind = source.dtypes[band - 1]
    if kind.startswith("complex"):
        raise refusal(_NOT_REAL, path, band=band, kind=kind)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    if kind == "uint8" and source.count >= 3 and source.colorinterp[band - 1] in colours:
        raise refusal(_A_PICTURE, path, band=band)
    return band


def need_metres(source: DatasetReader, path: Path) -> None:
    """Refuse a grid in degrees: for what is only defined on a grid of metres.

    Raises
    ------
    InputError
        With the remedy.
    """
    if source.crs.is_geographic:
        raise refusal(_DEGREES, path)


def read(
    path: Path,
    band: int | None = None,
    *,
    metres: bool = False,
    within: Believable | None = None,
    bytes_a_cell: int = 8,
) -> Band:
    """A whole band in memory, as float32 with NaN where there is nothing; scale and offset applied.

    Parameters
    ----------
    metres
        Refuse a grid in degrees.
    within
        Refuse a band with values outside this range.
    bytes_a_cell
        What the whole computation will hold for each cell; checked against the free memory before anything is read.

    Raises
    ------
    InputError
        When the file is not what it should be, or needs more memory than is free.
    """
    with opened(path) as source:
        band = check_band(source, path, band)
        if metres:
            need_metres(source, path)
        grid = grid_of(source)
        check_memory(grid.cells, bytes_a_cell, path.name)
        values = read_window(source, band)
    check_values(values, path, band, within)
    return Band(values, grid, sha256_of(path), path.name)


def read_window(source: DatasetReader, band: int, window: Window | None = None) -> np.ndarray:
    """A part of a band as float32, NaN where there is nothing, with the band's own scale and offset applied."""
    raw = source.read(band, window=window)
    empty = source.read_masks(band, window=window) == 0
    values = raw.astype(np.float32)
    scale, offset = source.scales[band - 1], source.offsets[band - 1]
    if (scale, offset) != (1.0, 0.0):
        values = (raw * scale + offset).astype(np.float32)
    values[empty | ~np.isfinite(values)] = np.nan
    return values


def check_values(
    values: np.ndarray, path: Path, band: int, within: Believable | None = None
) -> None:
    """Refuse a band without any value, or with unbelievable ones.

    Raises
    ------
    InputError
        With the range that was found.
    """
    there = np.isfinite(values)
    if not there.any():
        raise refusal(_ALL_NODATA, path, band=band)
    if within is None:
        return
    low, high = float(values[there].min()), float(values[there].max())
    if low < within.least or high > within.most:
        numbers = {"low": low, "high": high, "least": within.least, "most": within.most}
        raise refusal(within.msgid, path, band=band, **{name: f"{number:g}" for name, number in numbers.items()})


def read_onto(path: Path, grid: Grid, band: int | None = None, method: str = "nearest") -> Band:
    """A band of another raster brought onto `grid` (any coordinate system); NaN where it does not reach.

    Parameters
    ----------
    method
        One of rasterio's resampling methods: "nearest" for codes, "bilinear" or "average" for quantities.

    Raises
    ------
    InputError
        As `read`, and when the two lie nowhere over each other.
    """
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    with opened(path) as source:
        band = check_band(source, path, band)
        check_memory(source.width * source.height + grid.cells, 16, path.name)
        values = read_window(source, band)
        check_values(values, path, band)
        onto = np.full(grid.shape, np.nan, dtype=np.float32)
        reproject(
            values, onto, src_transform=source.transform, src_crs=source.crs, src_nodata=np.nan,
            dst_transform=grid.transform, dst_crs=grid.crs, dst_nodata=np.nan, resampling=Resampling[method],
        )  # fmt: skip
    if not np.isfinite(onto).any():
        raise refusal(_DIFFERENT_PLACE, path)
    return Band(onto, grid, sha256_of(path), path.name)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Memory


def check_memory(cells: int, bytes_a_cell: float, what: str, free: int | None = None) -> None:
    """Refuse to begin what the free memory cannot hold.

    Raises
    ------
    InputError
        With how much is needed and how much coarser the cells would have to be.
    """
    free = free_memory() if free is None else free
    needed = cells * bytes_a_cell
    if needed <= _SHARE_OF_FREE * free:
        return
    raise InputError([("memory", MasterplanError(
        _TOO_LITTLE_MEMORY, what=what, needed=round(needed / 1e6), per_cell=f"{bytes_a_cell:g}",
        cells=f"{cells / 1e6:.1f}", free=round(free / 1e6),
        factor=int(np.ceil(np.sqrt(needed / max(_SHARE_OF_FREE * free, 1)))),
    ))])  # fmt: skip


def free_memory() -> int:
    """Bytes that this process may still take: the machine's free memory, or less in a container with a limit."""
    return min(_machine_free(), _container_free())


def _machine_free() -> int:
    facts = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", facts.read_text()) if facts.exists() else None
    if found:
        return int(found[1]) * 1024
    # Elsewhere than on Linux half of what is built in is a careful guess.
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _container_free(folder: Path = Path("/sys/fs/cgroup")) -> int:
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
    except OSError:
        return 2**63 - 1
    return 2**63 - 1 if limit == "max" else max(int(limit) - used, 0)


# Window by window


def windows(grid: Grid, margin: int = 0) -> Iterator[tuple[Window, Window]]:
    """Windows that cover the grid, each with the same window widened by `margin` cells where the grid allows."""
    from rasterio.windows import Window

    side = WINDOW
    for row in range(0, grid.height, side):
        for column in range(0, grid.width, side):
            height, width = min(side, grid.height - row), min(side, grid.width - column)
            top, left = max(row - margin, 0), max(column - margin, 0)
            bottom, right = min(row + height + margin, grid.height), min(column + width + margin, grid.width)
            yield Window(column, row, width, height), Window(left, top, right - left, bottom - top)


#: From the values of a window (float32, NaN where there is nothing) and its grid to one array of the same shape a band.
LocalOperation = Callable[[np.ndarray, Grid], list[np.ndarray]]


def windowed(
    path: Path,
    out: Path,
    operation: LocalOperation,
    bands: list[OutputBand],
    *,
    band: int | None = None,
    margin: int = 0,
    metres: bool = False,
    within: Believable | None = None,
    tags: dict[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> Grid:
    """Run a local operation over a raster of any size with bounded memory, and write a cloud-optimised GeoTIFF.

    `operation` is given each window widened by `margin` cells and returns arrays of that widened shape;
    the margin is cut off again.

    Raises
    ------
    InputError
        As `read`, except that memory does not matter.
    """
    with opened(path) as source:
        band = check_band(source, path, band)
        if metres:
            need_metres(source, path)
        grid = grid_of(source)
        seen = _Seen(path, band, within)

        def pieces() -> Iterator[tuple[Window, list[np.ndarray]]]:
            for inner, outer in windows(grid, margin):
                values = read_window(source, band, outer)
                seen.look(values)
                made = operation(values, grid.window(outer))
                top, left = int(inner.row_off - outer.row_off), int(inner.col_off - outer.col_off)
                cut = np.s_[top : top + int(inner.height), left : left + int(inner.width)]
                yield inner, [piece[cut] for piece in made]

        write_cog(out, grid, bands, pieces(), tags=tags, progress=progress, before_it_is_kept=seen.check)
    return grid


@dataclass
class _Seen:
    """The range of the values met so far, for checks that need the whole raster."""

    path: Path
    band: int
    within: Believable | None
    range_: list[float] = field(default_factory=list)

    def look(self, values: np.ndarray) -> None:
        there = values[np.isfinite(values)]
        if there.size:
            self.range_ = [min([*self.range_, float(there.min())]), max([*self.range_, float(there.max())])]

    def check(self) -> None:
        check_values(np.array(self.range_ or [np.nan]), self.path, self.band, self.within)


# Writing


@dataclass(frozen=True)
class OutputBand:
    """A band to write: its name, NumPy type, unit, and the value that means nothing. All bands share one type."""

    name: str
    dtype: str = "float32"
    unit: str = ""
    nodata: float = float("nan")


def write_cog(
    out: Path,
    grid: Grid,
    bands: list[OutputBand],
    pieces: Iterator[tuple[Window, list[np.ndarray]]],
    *,
    tags: dict[str, str] | None = None,
    progress: Progress = lambda _: None,
    before_it_is_kept: Callable[[], None] = lambda: None,
) -> None:
    """Write windows as they come into a cloud-optimised GeoTIFF (tiles, overviews, DEFLATE).

    The file appears under its name when it is whole, or not at all.
    """
    gdal_lock.lock()
    import rasterio
    from rasterio.shutil import copy

    out.parent.mkdir(parents=True, exist_ok=True)
    kinds = {(band.dtype, repr(band.nodata)) for band in bands}
    if len(kinds) != 1:
        raise ValueError(f"the bands of one file share their type and nodata value: {sorted(kinds)}")
    with TemporaryDirectory(dir=out.parent, prefix=".raster-") as folder:
        draft, whole = Path(folder) / "draft.tif", Path(folder) / "whole.tif"
        profile = {
            "driver": "GTiff", "width": grid.width, "height": grid.height, "count": len(bands), "crs": grid.crs,
            "transform": grid.transform, "dtype": bands[0].dtype, "nodata": bands[0].nodata,
            "tiled": True, "blockxsize": COG_BLOCK, "blockysize": COG_BLOCK, "bigtiff": "if_safer",
        }  # fmt: skip
        with rasterio.open(draft, "w", **profile) as file:
            file.update_tags(**tags or {})
            for index, band in enumerate(bands, 1):
                file.set_band_description(index, band.name)
                file.set_band_unit(index, band.unit)
            done = 0
            for window, arrays in pieces:
                for index, array in enumerate(arrays, 1):
                    file.write(array.astype(bands[0].dtype, copy=False), index, window=window)
                done += int(window.width) * int(window.height)
                progress(0.9 * done / grid.cells)
        before_it_is_kept()
        integer = np.issubdtype(np.dtype(bands[0].dtype), np.integer)
        copy(
            draft, whole, driver="COG", compress="DEFLATE", predictor="YES", blocksize=COG_BLOCK, bigtiff="IF_SAFER",
            num_threads="ALL_CPUS",
            # Classes and codes have no average.
            overview_resampling="NEAREST" if integer else "AVERAGE",
        )  # fmt: skip
        whole.replace(out)
    progress(1.0)


def whole_pieces(grid: Grid, arrays: list[np.ndarray]) -> Iterator[tuple[Window, list[np.ndarray]]]:
    """Arrays that are in memory already, as pieces for `write_cog`."""
    for window, _ in windows(grid):
        cut = window.toslices()
        yield window, [array[cut] for array in arrays]
