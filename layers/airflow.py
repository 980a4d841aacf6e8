"""The wind and ventilation layers: a station's record and a raster of obstacles, as features of the plan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from pyproj import Geod, Transformer
from shapely import Geometry, Point, get_coordinates

from layers import grids, rasters, wind
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
from layers.rasters import Believable, OutputBand, Progress
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place

WIND, CORRIDORS = "wind", "ventilation_corridors"
WIND_METHOD = (
    "Rose of hourly means by sector and speed class, calm hours apart (WMO-No. 8); the prevailing direction of each"
    " meteorological season is the fullest sector, and a second peak with at least 60 % of its hours"
)
CORRIDOR_METHOD = (
    "Ventilation paths after Mayer, Beckröge & Matzarakis 1994: roughness length low enough over the least length and"
    " width along the wind; found by morphological opening"
)
#: How far from the station its wind is thought to blow alike, metres.
WIND_ACCURACY_M = 1000.0
_BYTES_A_CELL = 24
_SEASON_NAMES = {
    "winter": ("iarna", "winter"),
    "spring": ("primăvara", "spring"),
    "summer": ("vara", "summer"),
    "autumn": ("toamna", "autumn"),
}

_NOT_ROUGHNESS = N_(
    "Band {band} of the raster {file} ranges from {low} to {high}: a roughness length lies within {least} to {most} m."
)
_NOT_HEIGHTS = N_(
    "Band {band} of the raster {file} ranges from {low} to {high}: heights of buildings lie within {least} to {most} m."
)
_TOO_COARSE = N_(
    "The cells of the raster {file} are {cell} m wide: a corridor of {width} m cannot be told on them."
    " Bring finer cells, or let the least width be larger."
)
_NO_CORRIDOR = N_("Nowhere in the raster {file} is a path open for {length} m at a width of {width} m along the wind.")


@dataclass(frozen=True)
class Station:
    """Where the wind was measured: longitude and latitude in degrees (EPSG:4326), and its file's name and SHA-256."""

    name: str
    longitude: float
    latitude: float
    file: str
    sha256: str


@dataclass(frozen=True)
class Obstacles:
    """A raster of what stands in the wind's way, in metres: roughness lengths, or heights of buildings."""

    path: Path
    are_heights: bool
    band: int | None = None


@dataclass(frozen=True)
class CorridorOptions:
    """The least corridor: metres."""

    roughness_m: float = wind.CORRIDOR_ROUGHNESS_M
    length_m: float = wind.CORRIDOR_LENGTH_M
    width_m: float = wind.CORRIDOR_WIDTH_M


# The wind layer


def derive_wind(record: wind.Record, station: Station, calm_below: float = wind.CALM_BELOW_MS) -> Derivation:
    """Arrows at the station: the prevailing directions of each season, with the mean speed in their sectors.

    Raises
    ------
    InputError
        When a season of the record has no hour with wind.
    """
    features = [
        _arrow(station, season, rank, each)
        for season, directions in wind.prevailing_by_season(record, station.file, calm_below=calm_below).items()
        for rank, each in enumerate(directions, 1)
    ]
    rose = wind.rose(record, calm_below=calm_below)
    parameters = {
        "station": station.name, "sectors": rose.sectors, "speed_bounds_ms": rose.speed_bounds,
        "calm_below_ms": calm_below, "hours": rose.total, "calm_hours": rose.calm, "variable_hours": rose.variable,
        "hours_missing": record.hours_missing, "hours_by_speed_class_and_sector": rose.hours.tolist(),
    }  # fmt: skip
    origin = Provenance(WIND_METHOD, parameters, [(station.file, station.sha256)])
    return Derivation(WIND, features, origin, WIND_ACCURACY_M, record.newest)


def _arrow(station: Station, season: str, rank: int, prevailing: wind.Prevailing) -> DerivedFeature:
    name_ro, name_en = _SEASON_NAMES[season]
    again = "" if rank == 1 else f"-{rank}"
    return DerivedFeature(
        id=f"wind-{'-'.join(station.name.lower().split())}-{season}{again}",
        geometry=Point(station.longitude, station.latitude),
        name_ro=f"{station.name}, {name_ro}",
        name_en=f"{station.name}, {name_en}",
        attributes={
            "direction_deg": _whole(prevailing.direction_deg), "speed_ms": round(prevailing.speed_ms, 1),
            "season": season,
        },
        least=None, most=None, unit="m/s",
    )  # fmt: skip


def _whole(degrees: float) -> int:
    """Whole degrees within 0 to 359; a half goes up, as 22.5 to 23."""
    return math.floor(degrees + 0.5) % 360


# Ventilation corridors


def axes(directions: Iterable[float]) -> list[float]:
    """Each axis once, in degrees within 0 to 180: the wind from the north-west and from the south-east share one."""
    return sorted({direction % 180 for direction in directions})


def derive_corridors(
    obstacles: Obstacles,
    directions: Sequence[float],
    options: CorridorOptions,
    folder: Path,
    origin: Sequence[tuple[str, str]] = (),
    progress: Progress = lambda _: None,
) -> Derivation:
    """Ventilation corridors along some directions, from roughness lengths or heights of buildings.

    The search runs window by window; the raster beside the layer says for each cell how many of the directions have a
    corridor there (band 1), and which (one band each, 0 or 1).

    Parameters
    ----------
    directions
        That the wind blows from, degrees clockwise from true north. They are turned to the raster's own north;
        the attribute `direction_deg` of what is found is turned to the north of the storage CRS, as measures read it.
    origin
        Name and SHA-256 of other files that the directions come from.

    Raises
    ------
    InputError
        When the raster is not what it says, is too coarse, or has no corridor anywhere.
    """
    lines = axes(directions)
    values = folder / f"{CORRIDORS}.tif"
    path = obstacles.path
    with rasters.opened(path) as source:
        rasters.need_metres(source, path)
        grid = grids.grid_of(source)
    cell = float(grid.cell_width_m[0]), float(grid.cell_height_m[0])
    if max(cell) > options.width_m:
        raise _refused(_TOO_COARSE, path, cell=f"{max(cell):g}", width=f"{options.width_m:g}")
    turn = grid_azimuth_of_north(grid)
    shapes = [wind.corridor_cells(each + turn, options.length_m, options.width_m, cell) for each in lines]

    def along_each(heights: np.ndarray, _: Grid) -> list[np.ndarray]:
        roughness = wind.roughness_of_heights(heights) if obstacles.are_heights else heights
        # What is unknown is taken for closed.
        reached = [wind.corridors(roughness <= options.roughness_m, shape) for shape in shapes]
        return [np.sum(reached, axis=0), *reached]

    # Not bytes: three bands of bytes would pass for a picture.
    bands = [OutputBand("directions with a corridor", "int16", nodata=-1)]
    bands += [OutputBand(f"corridor along {each:.1f}°", "int16", nodata=-1) for each in lines]
    made = _provenance(obstacles, lines, options, turn, origin)
    rasters.windowed(
        path, values, along_each, bands, band=obstacles.band, metres=True, within=_believable(obstacles),
        # A shape reaches half its length when it is tried, and as far again where it fits.
        margin=math.ceil(math.hypot(options.length_m, options.width_m) / min(cell)) + 1,
        tags=made.tags(), progress=lambda done: progress(0.8 * done),
    )  # fmt: skip
    features, anywhere = [], np.zeros(grid.shape, dtype=np.uint8)
    for index, each in enumerate(lines):
        found = rasters.read(values, index + 2, bytes_a_cell=_BYTES_A_CELL).values == 1
        features += _corridors(found, grid, each, turn, options)
        anywhere |= found
        progress(0.8 + 0.2 * (index + 1) / len(lines))
    if not features:
        numbers = {"length": f"{options.length_m:g}", "width": f"{options.width_m:g}"}
        raise _refused(_NO_CORRIDOR, path, **numbers)
    classes = folder / f"{CORRIDORS}.classes.tif"
    write_classes(classes, anywhere, grid, [RasterClass(1, "corridor")], made)
    taken = date.fromtimestamp(path.stat().st_mtime)
    return Derivation(CORRIDORS, features, made, max(cell), taken, values, classes)


def _believable(obstacles: Obstacles) -> Believable:
    return Believable(0, 500, _NOT_HEIGHTS) if obstacles.are_heights else Believable(0, 10, _NOT_ROUGHNESS)


def _corridors(
    found: np.ndarray, grid: Grid, axis: float, turn: float, options: CorridorOptions
) -> list[DerivedFeature]:
    patches = regions(found.astype(np.uint8), grid)
    features = []
    stored = round((axis + _azimuth_of_north(f"EPSG:{place().storage_srid}", *_middle(grid))) % 180, 1)
    for number, (shape, degrees) in enumerate(
        zip(patches.shapes, to_degrees(patches.shapes, grid), strict=True), 1
    ):
        width = mean_width(shape, axis + turn)
        for part, polygon in enumerate(polygons_of(degrees)):
            again = f"-{part}" if part else ""
            features.append(DerivedFeature(
                id=f"ventilation-derived-{_whole(axis)}-{number}{again}", geometry=polygon,
                name_ro=f"Culoar de ventilație pe axa {_whole(axis)}°",
                name_en=f"Ventilation corridor along {_whole(axis)}°",
                attributes={"status": "existing", "width_m": round(width, 0), "direction_deg": stored},
                least=0.0, most=options.roughness_m, unit="m",
            ))  # fmt: skip
    return features


def mean_width(shape: Geometry, direction_deg: float) -> float:
    """Area divided by the extent along a direction (degrees clockwise from the grid's north), in the grid's metres."""
    along = np.deg2rad(direction_deg)
    lengthwise = get_coordinates(shape) @ np.array([np.sin(along), np.cos(along)])
    return shape.area / float(np.ptp(lengthwise))


def grid_azimuth_of_north(grid: Grid) -> float:
    """Degrees clockwise from the grid's own north to true north, in the middle of a projected grid."""
    return _azimuth_of_north(grid.crs.to_wkt(), *_middle(grid))


def _middle(grid: Grid) -> tuple[float, float]:
    """Longitude and latitude of the middle of a grid, EPSG:4326."""
    west, south, east, north = grid.bounds
    to_degrees_of = Transformer.from_crs(grid.crs.to_wkt(), WGS84_SRID, always_xy=True)
    return to_degrees_of.transform((west + east) / 2, (south + north) / 2)


def _azimuth_of_north(projected: str, longitude: float, latitude: float) -> float:
    """Degrees clockwise from the north of a projected CRS to true north, at a place."""
    to_grid = Transformer.from_crs(WGS84_SRID, projected, always_xy=True)
    (x, y), (north_x, north_y) = (
        to_grid.transform(*each)
        for each in ((longitude, latitude), Geod(ellps="WGS84").fwd(longitude, latitude, 0, 1000)[:2])
    )
    return math.degrees(math.atan2(north_x - x, north_y - y))


def _provenance(
    obstacles: Obstacles, lines: list[float], options: CorridorOptions, turn: float, origin: Sequence[tuple[str, str]]
) -> Provenance:
    parameters = {
        "axes_deg": lines, "roughness_at_most_m": options.roughness_m, "length_at_least_m": options.length_m,
        "width_at_least_m": options.width_m, "true_north_on_the_grid_deg": round(turn, 3),
        "roughness_from": "a tenth of the height (Grimmond & Oke 1999)" if obstacles.are_heights else "the raster",
    }  # fmt: skip
    path = obstacles.path
    return Provenance(CORRIDOR_METHOD, parameters, [(path.name, rasters.sha256_of(path)), *origin])


def _refused(msgid: str, path: Path, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=path.name, **facts))])
