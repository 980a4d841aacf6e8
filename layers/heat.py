"""From Landsat scenes to the heat layer: window by window, so that memory does not grow with the scene.

Each scene is one MTL file with its band files beside it. Temperatures are computed on the scene's own cells and, where
scenes do not share them, brought onto those of the first. Every scene is compared with the median of its own rural
ground, and the anomalies are averaged over the scenes that see a cell: a warm day and a cool one weigh the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from shapely import Geometry

from layers import grids, landsat, rasters
from layers.derived import (
    Derivation,
    DerivedFeature,
    Provenance,
    RasterClass,
    polygons_of,
    regions,
    to_degrees,
    write_classes,
)
from layers.grids import Grid
from layers.rasters import OutputBand, Progress
from layers.vector_inputs import moved
from masterplan.errors import InputError, MasterplanError
from masterplan.formats import number
from masterplan.language import N_
from masterplan.place import WGS84_SRID

if TYPE_CHECKING:
    from rasterio import DatasetReader
    from rasterio.windows import Window

LAYER = "heat"
METHOD = (
    "Landsat Level-1 brightness temperature; emissivity by NDVI thresholds (Sobrino et al. 2004); surface temperature"
    " after Artis & Carnahan 1982, without correction for the atmosphere; anomaly against the median of rural ground,"
    " mean of the scenes"
)
#: Rural ground begins this far from what is built up, metres.
RURAL_FROM_M = 500.0
#: A patch of a class smaller than this goes to its neighbour, m².
SMALLEST_PATCH_M2 = 20_000.0
#: Two cells of 30 m: how far an edge may lie from the true one.
ACCURACY_M = 60.0
BANDS = [OutputBand("anomaly_c", unit="°C"), OutputBand("surface temperature", unit="°C"), OutputBand("scenes")]
_FEWEST_RURAL_CELLS = 100
_BYTES_A_CELL = 40

_NO_FILE = N_("There is no file {file}.")
_NO_BAND_FILE = N_("The band file {band_file} of {file} is not beside it.")
_NOT_DN = N_("The band file {file} holds {kind}, not the whole numbers of a Level-1 product.")
_OTHER_GRID = N_("The band files {first} and {other} do not lie on the same cells.")
_NO_QUALITY = N_("The scene {file} has no quality band, so its clouds cannot be masked: say that none need be.")
_OUTSIDE = N_("The scene {file} lies nowhere within the bounds {bounds}.")
_NO_RURAL = N_(
    "The scene {file} shows {cells} cells of clear rural ground; at least {least} are needed."
    " Bring a clearer scene or another outline of what is built up."
)
_NOTHING_BUILT = N_("Nothing of {file} lies in the scene: bring an outline of what is built up there.")
_ALL_HIDDEN = N_("Clouds hide everything in these scenes.")


@dataclass(frozen=True)
class BuiltUp:
    """What is built up: (multi)polygons in EPSG:4326, with name and SHA-256 of their file. The rest is rural."""

    shapes: Sequence[Geometry]
    name: str
    sha256: str


@dataclass(frozen=True)
class SceneFile:
    """An MTL file as read, and where its band files are."""

    path: Path
    scene: landsat.Scene
    thermal: landsat.ThermalBand
    sha256: str

    def band(self, name: str) -> Path:
        """Where a band file is.

        Raises
        ------
        InputError
            When it is not beside the MTL file.
        """
        path = self.path.parent / self.scene.files[name]
        if not path.is_file():
            raise _refused(_NO_BAND_FILE, self.path.name, band_file=path.name)
        return path


def read_scene(path: Path, thermal_band: str | None = None, clouds: bool = True) -> SceneFile:
    """Read an MTL file and see that its band files are there.

    Raises
    ------
    InputError
        As `landsat.parse_mtl`; when a band file is missing, or the scene has no quality band and `clouds` shall be
        masked.
    """
    if not path.is_file():
        raise _refused(_NO_FILE, path.name)
    raw = path.read_bytes()
    scene = landsat.parse_mtl(raw, path.name)
    if clouds and "quality" not in scene.files:
        raise _refused(_NO_QUALITY, path.name)
    found = SceneFile(path, scene, scene.thermal_band(thermal_band), rasters.sha256_of(path))
    for band in ("red", "nir", found.thermal.name, *(("quality",) if clouds else ())):
        found.band(band)
    return found


@dataclass(frozen=True)
class _OpenScene:
    """A scene with its rasters open, on one grid."""

    file: SceneFile
    thermal: DatasetReader
    red: DatasetReader
    nir: DatasetReader
    quality: DatasetReader | None
    grid: Grid

    def temperatures(self, window: Window) -> landsat.Temperatures:
        """Of a window of the scene's own cells."""
        return landsat.temperatures(
            self.file.scene,
            self.file.thermal,
            rasters.read_window(self.thermal, 1, window),
            rasters.read_window(self.red, 1, window),
            rasters.read_window(self.nir, 1, window),
            None if self.quality is None else rasters.read_window(self.quality, 1, window),
        )


@contextmanager
def _opened(file: SceneFile, clouds: bool) -> Iterator[_OpenScene]:
    names = (file.thermal.name, "red", "nir", *(("quality",) if clouds else ()))
    with ExitStack() as stack:
        sources = [stack.enter_context(rasters.opened(file.band(name))) for name in names]
        for name, source in zip(names, sources, strict=True):
            path = file.band(name)
            rasters.check_band(source, path, None)
            rasters.need_metres(source, path)
            if source.dtypes[0] not in ("uint8", "uint16", "int16"):
                raise _refused(_NOT_DN, path.name, kind=source.dtypes[0])
            if grids.grid_of(source) != grids.grid_of(sources[0]):
                raise _refused(_OTHER_GRID, path.name, first=file.band(names[0]).name, other=path.name)
        thermal, red, nir, *quality = sources
        yield _OpenScene(file, thermal, red, nir, quality[0] if quality else None, grids.grid_of(thermal))


# On the common grid


def common_grid(first: Grid, bounds: tuple[float, float, float, float] | None, name: str) -> Grid:
    """The cells of `first` within `bounds` (west, south, east, north in degrees); all of them without bounds.

    Raises
    ------
    InputError
        When none lies there.
    """
    if bounds is None:
        return first
    from rasterio.warp import transform_bounds
    from rasterio.windows import Window

    west, south, east, north = transform_bounds(WGS84_SRID, first.crs, *bounds, densify_pts=21)
    place = first.transform
    left, right = math.floor((west - place.c) / place.a), math.ceil((east - place.c) / place.a)
    top, bottom = math.floor((north - place.f) / place.e), math.ceil((south - place.f) / place.e)
    left, right = max(left, 0), min(right, first.width)
    top, bottom = max(top, 0), min(bottom, first.height)
    if left >= right or top >= bottom:
        raise _refused(_OUTSIDE, name, bounds=", ".join(f"{edge:g}" for edge in bounds))
    return first.window(Window(left, top, right - left, bottom - top))


def _on(scene: _OpenScene, grid: Grid) -> landsat.Temperatures:
    """A scene's temperatures on the cells of `grid`; NaN where the scene does not reach."""
    nothing = landsat.Temperatures(*(np.full(grid.shape, np.nan, dtype=np.float32) for _ in range(2)))
    window = _covering(scene.grid, grid)
    if window is None:
        return nothing
    found, source = scene.temperatures(window), scene.grid.window(window)
    if _same_lattice(source, grid):
        row = round((source.transform.f - grid.transform.f) / grid.transform.e)
        column = round((source.transform.c - grid.transform.c) / grid.transform.a)
        for onto, array in ((nothing.celsius, found.celsius), (nothing.ndvi, found.ndvi)):
            _paste(onto, array, row, column)
        return nothing
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    for onto, array in ((nothing.celsius, found.celsius), (nothing.ndvi, found.ndvi)):
        reproject(
            array, onto, src_transform=source.transform, src_crs=source.crs, src_nodata=np.nan,
            dst_transform=grid.transform, dst_crs=grid.crs, dst_nodata=np.nan, resampling=Resampling.bilinear,
        )  # fmt: skip
    return nothing


def _covering(source: Grid, grid: Grid) -> Window | None:
    """The window of `source` that covers `grid`, with two cells around; None where they lie apart."""
    from rasterio.warp import transform_bounds
    from rasterio.windows import Window

    around = 2
    west, south, east, north = transform_bounds(grid.crs, source.crs, *grid.bounds, densify_pts=21)
    place = source.transform
    left = max(math.floor((west - place.c) / place.a) - around, 0)
    right = min(math.ceil((east - place.c) / place.a) + around, source.width)
    top = max(math.floor((north - place.f) / place.e) - around, 0)
    bottom = min(math.ceil((south - place.f) / place.e) + around, source.height)
    return Window(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _same_lattice(one: Grid, other: Grid) -> bool:
    """Whether the cells of both coincide where they overlap."""
    if one.crs != other.crs or (one.transform.a, one.transform.e) != (other.transform.a, other.transform.e):
        return False
    columns = (one.transform.c - other.transform.c) / other.transform.a
    rows = (one.transform.f - other.transform.f) / other.transform.e
    return abs(columns - round(columns)) < 1e-6 and abs(rows - round(rows)) < 1e-6


def _paste(onto: np.ndarray, array: np.ndarray, row: int, column: int) -> None:
    """Put `array` into `onto` with its corner at row, column, which may lie outside."""
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + array.shape[0], onto.shape[0]), min(column + array.shape[1], onto.shape[1])
    if top < bottom and left < right:
        onto[top:bottom, left:right] = array[top - row : bottom - row, left - column : right - column]


class _Rural:
    """Which cells are rural: away from what is built up. Water is left out by its NDVI."""

    def __init__(self, built_up: BuiltUp, grid: Grid) -> None:
        inside = shapely.box(*grid.bounds)
        built = shapely.union_all(moved(built_up.shapes, grid.crs.to_wkt()))
        if not shapely.intersects(built, inside):
            raise _refused(_NOTHING_BUILT, built_up.name)
        self._near = shapely.intersection(shapely.buffer(built, RURAL_FROM_M), inside)

    def cells(self, index: np.ndarray, grid: Grid) -> np.ndarray:
        from rasterio.features import rasterize

        near = shapely.intersection(self._near, shapely.box(*grid.bounds))
        land = index >= landsat.WATER_NDVI
        shapes = [part for part in shapely.get_parts(near) if part.geom_type == "Polygon" and not part.is_empty]
        if not shapes:
            return land
        return land & (rasterize(shapes, out_shape=grid.shape, transform=grid.transform, all_touched=True) == 0)


@dataclass(frozen=True)
class HeatRaster:
    """What `write_anomaly` wrote: the grid, and of each scene the median of its rural ground (°C) and its cells."""

    grid: Grid
    rural_c: list[float]
    rural_cells: list[int]


def write_anomaly(
    files: Sequence[SceneFile],
    out: Path,
    built_up: BuiltUp,
    *,
    bounds: tuple[float, float, float, float] | None = None,
    clouds: bool = True,
    tags: dict[str, str] | None = None,
    progress: Progress = lambda _: None,
) -> HeatRaster:
    """Mean anomaly and surface temperature of several scenes as a cloud-optimised GeoTIFF, with bounded memory.

    Bands: anomaly against rural ground (°C), surface temperature (°C), how many scenes see the cell.

    Parameters
    ----------
    bounds
        West, south, east, north in degrees (EPSG:4326); without them, all of the first scene.
    clouds
        Whether to mask clouds by the quality band.

    Raises
    ------
    InputError
        When a scene is not what it says, lies elsewhere, or shows too little rural ground.
    """
    with ExitStack() as stack:
        scenes = [stack.enter_context(_opened(file, clouds)) for file in files]
        grid = common_grid(scenes[0].grid, bounds, files[0].path.name)
        rural = _Rural(built_up, grid)
        medians = [
            _rural_median(scene, grid, rural, lambda done, n=n: progress(0.5 * (n + done) / len(scenes)))
            for n, scene in enumerate(scenes)
        ]
        anything = False

        def pieces() -> Iterator[tuple[Window, list[np.ndarray]]]:
            nonlocal anything
            for window, _ in rasters.windows(grid):
                piece = grid.window(window)
                celsius = [_on(scene, piece).celsius for scene in scenes]
                anomaly, seen = landsat.mean_of(
                    each - median.value() for each, median in zip(celsius, medians, strict=True)
                )
                anything |= bool(seen.any())
                yield window, [anomaly, landsat.mean_of(celsius)[0], np.where(seen, seen, np.nan).astype(np.float32)]

        def not_all_hidden() -> None:
            if not anything:
                raise InputError([("file", MasterplanError(_ALL_HIDDEN))])

        rasters.write_cog(
            out, grid, BANDS, pieces(), tags=tags, before_it_is_kept=not_all_hidden,
            progress=lambda done: progress(0.5 + 0.5 * done),
        )  # fmt: skip
    return HeatRaster(grid, [median.value() for median in medians], [median.count for median in medians])


def _rural_median(scene: _OpenScene, grid: Grid, rural: _Rural, progress: Progress) -> landsat.Median:
    median, done = landsat.Median(), 0
    for window, _ in rasters.windows(grid):
        piece = grid.window(window)
        found = _on(scene, piece)
        median.add(found.celsius[rural.cells(found.ndvi, piece)])
        done += piece.cells
        progress(done / grid.cells)
    if median.count < _FEWEST_RURAL_CELLS:
        raise _refused(_NO_RURAL, scene.file.path.name, cells=median.count, least=_FEWEST_RURAL_CELLS)
    return median


# The layer


def derive(
    files: Sequence[SceneFile],
    built_up: BuiltUp,
    folder: Path,
    *,
    bounds: tuple[float, float, float, float] | None = None,
    clouds: bool = True,
    smallest_m2: float = SMALLEST_PATCH_M2,
    progress: Progress = lambda _: None,
) -> Derivation:
    """The heat layer from Landsat scenes: patches by urban heat island class, with their mean anomaly.

    Parameters
    ----------
    folder
        Where the rasters are written.
    smallest_m2
        Smaller patches go to their largest neighbour.

    Raises
    ------
    InputError
        As `write_anomaly`; also when the classes would need more memory than is free.
    """
    values, classes = folder / "heat.tif", folder / "heat.classes.tif"
    made = write_anomaly(
        files, values, built_up, bounds=bounds, clouds=clouds, progress=lambda done: progress(0.8 * done)
    )
    origin = _provenance(files, built_up, made, bounds, clouds, smallest_m2)
    anomaly = rasters.read(values, 1, bytes_a_cell=_BYTES_A_CELL).values
    codes = (landsat.heat_island_class(anomaly) + 1).astype(np.uint8)
    write_classes(classes, codes, made.grid, RASTER_CLASSES, origin)
    progress(0.9)
    features = _features(anomaly, codes, made.grid, smallest_m2)
    progress(1.0)
    taken = max(file.scene.acquired for file in files)
    return Derivation(LAYER, features, origin, ACCURACY_M, taken, values, classes)


def _open_ended(code: int) -> tuple[float | None, float | None]:
    bounds = [least for _, least in landsat.HEAT_ISLAND_CLASSES] + [np.inf]
    least, most = bounds[code - 1], bounds[code]
    return (None if math.isinf(least) else least), (None if math.isinf(most) else most)


#: The lowest class is open below: any value under the next bound has its colour.
RASTER_CLASSES = [
    RasterClass(code, least if math.isfinite(least) else landsat.HEAT_ISLAND_CLASSES[1][1] - 1)
    for code, (_, least) in enumerate(landsat.HEAT_ISLAND_CLASSES, 1)
]


def _features(anomaly: np.ndarray, codes: np.ndarray, grid: Grid, smallest_m2: float) -> list[DerivedFeature]:
    smallest = math.ceil(smallest_m2 / float(grid.cell_area_m2.mean()))
    patches = regions(codes, grid, min(smallest, codes.size - 1))
    # Of the cells of its own class alone: what was too small and went to it does not move its mean out of the class.
    own = np.concatenate([[0], patches.codes])[patches.number] == codes
    means = patches.mean(np.where(own, anomaly, np.nan))
    features = []
    for index, (shape, code, mean) in enumerate(
        zip(to_degrees(patches.shapes, grid), patches.codes.tolist(), means.tolist(), strict=True), 1
    ):
        least, most = _open_ended(code)
        value = _rounded(mean, code)
        for part, polygon in enumerate(polygons_of(shape)):
            features.append(DerivedFeature(
                id=f"heat-derived-{index}" + (f"-{part}" if part else ""), geometry=polygon,
                name_ro=f"Abatere termică {number(value, 1, 'ro')} °C",
                name_en=f"Heat anomaly {number(value, 1, 'en')} °C",
                attributes={"anomaly_c": value}, least=least, most=most, unit="°C",
            ))  # fmt: skip
    return features


def _rounded(mean: float, code: int) -> float:
    """To a tenth; where that would be another class (0.497 of the class up to 0.5), to the hundredth below."""
    tenth = round(mean, 1) + 0.0
    return tenth if landsat.heat_island_class(np.array(tenth)) + 1 == code else math.floor(mean * 100) / 100


def _provenance(
    files: Sequence[SceneFile], built_up: BuiltUp, made: HeatRaster,
    bounds: tuple[float, float, float, float] | None, clouds: bool, smallest_m2: float,
) -> Provenance:  # fmt: skip
    inputs = []
    for file in files:
        inputs.append((file.path.name, file.sha256))
        for name in (file.thermal.name, "red", "nir", *(("quality",) if clouds else ())):
            inputs.append((file.band(name).name, rasters.sha256_of(file.band(name))))
    inputs.append((built_up.name, built_up.sha256))
    parameters = {
        "scenes": [
            {
                "id": file.scene.id, "acquired": file.scene.acquired.isoformat(), "thermal_band": file.thermal.name,
                "wavelength_um": round(file.thermal.wavelength_m * 1e6, 3), "rural_median_c": round(median, 2),
                "rural_cells": cells,
            }
            for file, median, cells in zip(files, made.rural_c, made.rural_cells, strict=True)
        ],
        "rural_from_m": RURAL_FROM_M, "clouds_masked": clouds, "bounds": bounds, "smallest_patch_m2": smallest_m2,
    }  # fmt: skip
    return Provenance(METHOD, parameters, inputs)


def _refused(msgid: str, name: str, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=name, **facts))])
