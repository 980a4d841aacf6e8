"""Where rainwater gathers: accumulation classes, flow paths, depressions, wetness and runoff, from heights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import shapely

from layers import derived
from layers.derived import DerivedFeature, Provenance, RasterClass
from layers.geotiff import refusal
from layers.grids import Grid
from layers.rasters import Band, Believable, OutputBand, Progress, read, whole_pieces, write_cog
from layers.terrain import routing, runoff, slopes
from layers.terrain.routing import Conditioning
from masterplan.errors import InputError, MasterplanError
from masterplan.formats import number as decimal
from masterplan.language import N_

#: Asked for each cell; 94 were measured at the peak of a whole derivation, 68 of them while water is routed.
BYTES_A_CELL = 120
HEIGHTS = Believable(
    -450, 9_000,
    N_("Band {band} of the raster {file} holds {low} to {high}: these are no heights in metres ({least} to {most})."),
)  # fmt: skip
LEVELS = ("low", "medium", "high")
_NAMES = {
    "low": ("acumulare scăzută", "low accumulation"),
    "medium": ("acumulare medie", "medium accumulation"),
    "high": ("acumulare ridicată", "high accumulation"),
}
#: The least slope that the wetness index divides by, metres a metre.
LEAST_SLOPE = 0.001

_THRESHOLDS = N_("Three thresholds in rising order, all above zero, are needed: low, medium, high.")
_COVER_IS_SHORT = N_(
    "The land cover raster {file} says nothing of {share} % of the ground: take one that covers all of the heights,"
    " or cut the heights to it."
)
_STORM = N_("A design storm needs both a depth in millimetres above zero and a land cover raster.")


@dataclass(frozen=True)
class Options:
    """What can be chosen. Thresholds without a law behind them are proposals of ours, for consultation.

    Attributes
    ----------
    conditioning
        "fill" or "breach": what is done about depressions before water is routed.
    thresholds_km2
        Upstream area by the multiple-flow method from which accumulation is low, medium, high.
    hollow_m, hollow_m3
        A depression at least this deep and holding at least this much is *medium* on its own; ten times the
        volume makes it *high*.
    smallest_cells
        Areas of fewer cells are given to their neighbour.
    storm_mm, land_cover, soil_group
        A design storm's depth, a land-cover raster with the codes of ESA WorldCover, the hydrologic soil group.
    """

    conditioning: Conditioning = "fill"
    thresholds_km2: tuple[float, float, float] = (0.05, 0.5, 5.0)
    hollow_m: float = 0.5
    hollow_m3: float = 1_000.0
    smallest_cells: int = 9
    storm_mm: float | None = None
    land_cover: Path | None = None
    soil_group: str = "C"

    def __post_init__(self) -> None:
        low, medium, high = self.thresholds_km2
        if not 0 < low < medium < high:
            raise InputError([("thresholds", MasterplanError(_THRESHOLDS))])
        if (self.storm_mm is None) != (self.land_cover is None) or (self.storm_mm or 1) <= 0:
            raise InputError([("storm", MasterplanError(_STORM))])


@dataclass(frozen=True)
class Stormwater:
    """What the water does on a DEM. Areas in m², depths and heights in m; NaN on nodata.

    Attributes
    ----------
    d8
        ESRI codes; 0 drains off the surface, 247 is nodata.
    upstream_m2, spread_m2
        Area draining through each cell, by D8 and by the multiple-flow method.
    depth_m
        How deep the water stands in a full depression; 0 elsewhere.
    wetness
        Topographic wetness index.
    classes
        0 none, 1 low, 2 medium, 3 high accumulation.
    runoff_m3
        Volume of the design storm's runoff through each cell (by D8), where one was given.
    """

    grid: Grid
    ground: routing.Conditioned
    d8: np.ndarray
    upstream_m2: np.ndarray
    spread_m2: np.ndarray
    depth_m: np.ndarray
    hollows: routing.Depressions
    wetness: np.ndarray
    classes: np.ndarray
    runoff_m3: np.ndarray | None
    inputs: list[tuple[str, str]] = field(default_factory=list)


def wetness_index(spread_m2: np.ndarray, heights: np.ndarray, grid: Grid) -> np.ndarray:
    """Topographic wetness index ln(a / tan β) (Beven & Kirkby 1979, doi:10.1080/02626667909491834).

    a is the upstream area for each metre of contour, taken as the side of a square of the cell's area; the slope
    is Horn's, not less than `LEAST_SLOPE`.
    """
    steepness = np.maximum(np.hypot(*slopes.gradient(heights, grid)), LEAST_SLOPE)
    return np.log(spread_m2 / np.sqrt(grid.cell_area_m2)[:, np.newaxis] / steepness)


def analyse(dem: Path, options: Options, band: int | None = None, progress: Progress = lambda _: None) -> Stormwater:
    """Everything about rainwater on a DEM in metres, in any coordinate system.

    The whole DEM is held in memory, `BYTES_A_CELL` for each cell; that much must be free before it is read.

    Raises
    ------
    InputError
        When the DEM is not what it should be, or memory is short; the sentence has the remedy.
    """
    heights = read(dem, band, within=HEIGHTS, bytes_a_cell=BYTES_A_CELL)
    return of_heights(heights, options, progress)


def of_heights(dem: Band, options: Options, progress: Progress = lambda _: None) -> Stormwater:
    """`analyse`, for heights already read."""
    grid, inputs = dem.grid, [(dem.name, dem.sha256)]
    ground = routing.condition(dem.values, options.conditioning)
    progress(0.4)
    d8 = routing.flow_directions(ground, grid)
    upstream = routing.upstream_area(d8, grid)
    progress(0.5)
    spread = routing.spread_area(ground, grid)
    progress(0.7)
    hollows = routing.depressions(ground, grid)
    depth = ground.filled - ground.heights
    wetness = wetness_index(spread, ground.heights, grid).astype(np.float32)
    progress(0.8)
    volume = None
    if options.storm_mm is not None:
        numbers, sha256 = runoff.curve_numbers(options.land_cover, grid, options.soil_group)
        inputs.append((options.land_cover.name, sha256))
        _need_cover_everywhere(options.land_cover, dem.values, numbers)
        depths = np.nan_to_num(runoff.runoff_mm(options.storm_mm, numbers))
        volume = routing.upstream_area(d8, grid, depths / 1_000 * grid.cell_area_m2[:, np.newaxis])
    progress(0.9)
    classes = classify(spread, hollows, options)
    return Stormwater(grid, ground, d8, upstream, spread, depth, hollows, wetness, classes, volume, inputs)


def _need_cover_everywhere(land_cover: Path, heights: np.ndarray, numbers: np.ndarray) -> None:
    """Ground without a known cover would pass for ground from which nothing runs off."""
    ground = np.isfinite(heights)
    if (bare := np.count_nonzero(ground & np.isnan(numbers))) > 0:
        share = f"{max(100 * bare / np.count_nonzero(ground), 0.01):.2f}"
        raise refusal(_COVER_IS_SHORT, land_cover, share=share)


def classify(spread_m2: np.ndarray, hollows: routing.Depressions, options: Options) -> np.ndarray:
    """0 none, 1 low, 2 medium, 3 high: by upstream area, and by what depressions hold."""
    limits = np.array(options.thresholds_km2) * 1e6
    classes = np.searchsorted(limits, np.nan_to_num(spread_m2), side="right").astype(np.uint8)
    of_hollow = np.where(hollows.volume_m3 >= 10 * options.hollow_m3, 3, 2)
    of_hollow[(hollows.depth_m < options.hollow_m) | (hollows.volume_m3 < options.hollow_m3)] = 0
    by_number = np.concatenate([[0], of_hollow]).astype(np.uint8)
    return np.maximum(classes, by_number[hollows.number])


# Layers


def derive(
    dem: Path, options: Options, folder: Path, band: int | None = None, progress: Progress = lambda _: None
) -> list[derived.Derivation]:
    """The layers `stormwater`, `flow_paths` and `depressions` of a DEM; rasters are written into `folder`.

    Raises
    ------
    InputError
        As `analyse`.
    """
    water = analyse(dem, options, band, progress=lambda share: progress(0.8 * share))
    origin = _provenance(options, water.inputs)
    values, classes = folder / "stormwater.tif", folder / "stormwater.classes.tif"
    _write_values(values, water, origin)
    drawn = _three_cells_wide(water.classes)
    codes = [RasterClass(code, level) for code, level in enumerate(LEVELS, 1)]
    derived.write_classes(classes, drawn, water.grid, codes, origin)
    progress(0.9)
    about = {
        "provenance": origin,
        "accuracy_m": water.grid.coarsest_cell_m,
        "source_date": date.fromtimestamp(dem.stat().st_mtime),
    }
    areas = list(_areas(water, drawn, options))
    layers = [derived.Derivation("stormwater", areas, **about, values=values, classes=classes)]
    for layer, features in (("flow_paths", _paths(water, options)), ("depressions", _hollows(water, options))):
        if found := list(features):
            layers.append(derived.Derivation(layer, found, **about))
    progress(1.0)
    return layers


def _provenance(options: Options, inputs: list[tuple[str, str]]) -> Provenance:
    how = "filled" if options.conditioning == "fill" else "breached"
    method = (
        f"DEM {how} (priority flood, Wang & Liu 2006, pyflwdir); D8 (O'Callaghan & Mark 1984);"
        f" multiple flow (Freeman 1991, p = {routing.FREEMAN_EXPONENT})"
    )
    parameters = {
        "conditioning": options.conditioning, "thresholds_km2": options.thresholds_km2,
        "hollow_m": options.hollow_m, "hollow_m3": options.hollow_m3, "smallest_cells": options.smallest_cells,
    }  # fmt: skip
    if options.storm_mm is not None:
        method += "; runoff by curve number (USDA NRCS, NEH 630 ch. 10; TR-55)"
        parameters |= {"storm_mm": options.storm_mm, "soil_group": options.soil_group}
    return Provenance(method, parameters, inputs)


def _write_values(path: Path, water: Stormwater, origin: Provenance) -> None:
    arrays = {
        ("upstream_km2", "km²"): water.spread_m2 / 1e6, ("upstream_d8_km2", "km²"): water.upstream_m2 / 1e6,
        ("depth", "m"): water.depth_m, ("wetness_index", "1"): water.wetness,
    }  # fmt: skip
    if water.runoff_m3 is not None:
        arrays["runoff", "m³"] = water.runoff_m3
    bands = [OutputBand(name, unit=unit) for name, unit in arrays]
    write_cog(path, water.grid, bands, whole_pieces(water.grid, list(arrays.values())), tags=origin.tags())


def _three_cells_wide(classes: np.ndarray) -> np.ndarray:
    """Classes with each line one cell wider on both sides, so that a brook that runs diagonally holds together."""
    from scipy.ndimage import maximum_filter

    return maximum_filter(classes, size=3)


def _areas(water: Stormwater, drawn: np.ndarray, options: Options) -> Iterator[DerivedFeature]:
    found = derived.regions(drawn, water.grid, options.smallest_cells)
    upstream = found.greatest(np.where(np.isnan(water.spread_m2), -np.inf, water.spread_m2)) / 1e6
    limits = (*options.thresholds_km2, None)
    shapes = derived.to_degrees(found.shapes, water.grid)
    for number, (code, shape) in enumerate(zip(found.codes, shapes, strict=True)):
        level = LEVELS[code - 1]
        for part, polygon in enumerate(derived.polygons_of(shape)):
            yield DerivedFeature(
                f"stormwater-{number + 1}" + (f"-{part + 1}" if part else ""), polygon, *_NAMES[level],
                {"accumulation": level, "upstream_km2": round(float(upstream[number]), 4)},
                limits[code - 1], limits[code], "km²",
            )  # fmt: skip


def _hollows(water: Stormwater, options: Options) -> Iterator[DerivedFeature]:
    hollows = water.hollows
    kept = (hollows.depth_m >= options.hollow_m) & (hollows.volume_m3 >= options.hollow_m3)
    number = np.where(np.concatenate([[False], kept])[hollows.number], hollows.number, 0).astype(np.int32)
    from rasterio.features import shapes

    cut = list(shapes(number, mask=number > 0, connectivity=4, transform=water.grid.transform))
    outlines = derived.to_degrees([shapely.geometry.shape(outline) for outline, _ in cut], water.grid)
    parts: dict[int, list] = {}
    for (_, value), outline in zip(cut, outlines, strict=True):
        parts.setdefault(int(value), []).extend(derived.polygons_of(outline))
    for value in sorted(parts):
        depth = float(hollows.depth_m[value - 1])
        names = f"groapă de {decimal(depth, 1, 'ro')} m", f"hollow {decimal(depth, 1, 'en')} m deep"
        attributes = {
            "depth_m": round(depth, 2), "volume_m3": round(float(hollows.volume_m3[value - 1])),
            "spill_level_m": round(float(hollows.spill_level_m[value - 1]), 2),
        }  # fmt: skip
        for part, polygon in enumerate(parts[value]):
            id_ = f"depression-{value}" + (f"-{part + 1}" if part else "")
            yield DerivedFeature(id_, polygon, *names, attributes, 0.0, round(depth, 2), "m")


def _paths(water: Stormwater, options: Options) -> Iterator[DerivedFeature]:
    """The D8 flow paths from the lowest threshold on, cut where they meet."""
    limits = np.array(options.thresholds_km2) * 1e6
    links = list(_links(water.d8, np.nan_to_num(water.upstream_m2) >= limits[0]))
    if not links:
        return
    columns = water.grid.width
    a, e, west, north = (getattr(water.grid.transform, name) for name in ("a", "e", "c", "f"))
    lines = [
        shapely.LineString(np.column_stack([west + a * (c % columns + 0.5), north + e * (c // columns + 0.5)]))
        for c in map(np.array, links)
    ]
    open_ended = (*options.thresholds_km2, None)
    for number, (cells, line) in enumerate(zip(links, derived.to_degrees(lines, water.grid), strict=True), 1):
        # The link's own last cell may already be that of a larger stream, which it joins.
        upstream = float(water.upstream_m2.flat[cells[-2]])
        level = int(np.searchsorted(limits, upstream, side="right")) - 1
        yield DerivedFeature(
            f"path-{number}", line, f"scurgere: {_NAMES[LEVELS[level]][0]}", f"flow path: {_NAMES[LEVELS[level]][1]}",
            {"accumulation": LEVELS[level], "upstream_km2": round(upstream / 1e6, 4)},
            open_ended[level], open_ended[level + 1], "km²",
        )  # fmt: skip


def _links(d8: np.ndarray, is_stream: np.ndarray) -> Iterator[list[int]]:
    """The cells of each stretch of stream, from its source or a confluence down to the next one, both included."""
    from layers.terrain.accumulation import downstream

    into = downstream(d8)
    cells = np.flatnonzero(is_stream)
    below = into[cells]
    joined = np.bincount(np.searchsorted(cells, below[below >= 0]), minlength=cells.size)
    following = dict(zip(cells.tolist(), below.tolist(), strict=True))
    inflows = dict(zip(cells.tolist(), joined.tolist(), strict=True))
    for start in cells[joined != 1].tolist():
        path = [start]
        while following[path[-1]] >= 0:
            path.append(following[path[-1]])
            if inflows[path[-1]] > 1:
                break
        if len(path) > 1:
            yield path
