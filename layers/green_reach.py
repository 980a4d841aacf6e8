"""The layer green_reach: ground near green space, existing and newly with what is proposed, and who lives there.

Residents come as points with a number, or as a raster of residents a cell, which is read window by window: every cell's
residents are taken to live at its middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Geometry, Polygon

from layers import green_access, grids, rasters
from layers.derived import Derivation, DerivedFeature, Provenance
from layers.green_access import NOBODY, Gain, GreenSpace, Reach, Tally
from layers.rasters import Believable, Progress
from layers.vector_inputs import moved, shapes_of
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place

LAYER = "green_reach"
METHOD = (
    "Residents within a straight distance of green space of at least a given size (WHO Regional Office for Europe"
    " 2017), spaces that overlap or share an edge being one; on foot by the shortest way along streets (Dijkstra 1959)"
)
#: Everything of the place together, in tables by area.
EVERYWHERE = ""
_EXISTING, _PROPOSED = "existing", "proposed"
_RESIDENT_COLUMNS = ("residents", "population", "populatie", "populație", "locuitori", "pop")
_NAME_COLUMNS = ("name_ro", "name", "denumire", "nume")
#: The edge of a sketched park is no better than this, metres.
_ACCURACY_M = 100.0
_DECIMALS = 6

_NO_STATUS = N_("The file {file}, feature {row}: its status is “{status}”; existing or proposed is needed.")
_NO_RESIDENTS = N_("The file {file}, feature {row}: it says no number of residents (column {known}).")
_NOBODY = N_("Nobody lives in {file}.")
_NOT_RESIDENTS = N_(
    "Band {band} of the raster {file} ranges from {low} to {high}: residents a cell lie within {least} to {most}."
)
_TOO_COARSE = N_(
    "The cells of the raster {file} are {cell} m wide: who lives within {distance} m cannot be told on them."
    " Bring finer cells, or points."
)


@dataclass(frozen=True)
class Residents:
    """Where people live: points in the storage coordinate system, or a raster. `name` and `sha256` are the file's."""

    name: str
    sha256: str
    points: np.ndarray | None = None
    number: np.ndarray | None = None
    raster: Path | None = None
    band: int | None = None

    def pieces(self, progress: Progress = lambda _: None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Coordinates (n × 2, metres, storage coordinate system) and residents, in pieces.

        Raises
        ------
        InputError
            When the raster is not one of residents.
        """
        if self.raster is None:
            yield self.points, self.number
        else:
            yield from _cells(self.raster, self.band, progress)
        progress(1.0)


def residents_of(path: Path, distance_m: float, band: int | None = None) -> Residents:
    """Residents from a GeoTIFF (a number a cell) or a file of points (a column with the number).

    Parameters
    ----------
    distance_m
        A raster whose cells are wider than this is refused.

    Raises
    ------
    InputError
        When the file is not what it should be.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        with rasters.opened(path) as source:
            band = rasters.check_band(source, path, band)
            grid = grids.grid_of(source)
            cell = max(float(grid.cell_width_m.max()), float(grid.cell_height_m.max()))
        if cell > distance_m:
            raise _refused(_TOO_COARSE, path, cell=f"{cell:.0f}", distance=f"{distance_m:g}")
        return Residents(path.name, rasters.sha256_of(path), raster=path, band=band)
    features = shapes_of(path, "Point")
    number = np.empty(len(features))
    for index, feature in enumerate(features):
        said = next((feature.properties[c] for c in _RESIDENT_COLUMNS if feature.properties.get(c) is not None), None)
        try:
            number[index] = np.nan if isinstance(said, bool) else float(said)
        except (TypeError, ValueError):
            number[index] = np.nan
        if not (math.isfinite(number[index]) and number[index] >= 0):
            raise _refused(_NO_RESIDENTS, path, row=feature.row, known=", ".join(_RESIDENT_COLUMNS))
    middles = shapely.centroid([feature.geometry for feature in features])
    points = shapely.get_coordinates(moved(middles, place().storage_srid))
    if not number.any():
        raise _refused(_NOBODY, path)
    return Residents(path.name, rasters.sha256_of(path), points, number)


def _cells(path: Path, band: int, progress: Progress) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    believable = Believable(0, 1_000_000, _NOT_RESIDENTS)
    somebody, done = False, 0
    with rasters.opened(path) as source:
        grid = grids.grid_of(source)
        to_storage = Transformer.from_crs(grid.crs.to_wkt(), place().storage_srid, always_xy=True)
        for window, _ in rasters.windows(grid):
            values = rasters.read_window(source, band, window)
            there = np.isfinite(values)
            if there.any():
                rasters.check_values(values, path, band, believable)
            row, column = np.nonzero(there & (values > 0))
            somebody |= bool(row.size)
            corner = grid.window(window).transform
            x, y = corner.c + corner.a * (column + 0.5), corner.f + corner.e * (row + 0.5)
            yield np.column_stack(to_storage.transform(x, y)), values[row, column].astype(float)
            done += values.size
            progress(done / grid.cells)
    if not somebody:
        raise _refused(_NOBODY, path)


def spaces_of(path: Path) -> list[GreenSpace]:
    """Green spaces from a file of polygons that say `status`: existing or proposed. Storage coordinate system.

    Raises
    ------
    InputError
        When the file is not that.
    """
    features = shapes_of(path, "Polygon")
    for feature in features:
        if feature.properties.get("status") not in (_EXISTING, _PROPOSED):
            said = str(feature.properties.get("status", ""))[:40]
            raise _refused(_NO_STATUS, path, row=feature.row, status=said)
    shapes = moved([feature.geometry for feature in features], place().storage_srid)
    return [
        GreenSpace(each.feature_id or str(each.row), _name(each.properties), each.properties["status"], shape)
        for each, shape in zip(features, shapes, strict=True)
    ]


def _name(properties: dict) -> str:
    return next((str(properties[column]) for column in _NAME_COLUMNS if properties.get(column)), "")


@dataclass(frozen=True)
class Area:
    """A part of the place to count apart: its name and (multi)polygon in the storage coordinate system."""

    name: str
    geometry: Geometry


def areas_of(path: Path) -> list[Area]:
    """Areas from a file of polygons with names.

    Raises
    ------
    InputError
        When the file is not that.
    """
    features = shapes_of(path, "Polygon")
    shapes = moved([feature.geometry for feature in features], place().storage_srid)
    return [
        Area(_name(each.properties) or each.feature_id or str(each.row), shape)
        for each, shape in zip(features, shapes, strict=True)
    ]


@dataclass(frozen=True)
class Options:
    """What is near: metres in a straight line, minutes on foot where there are streets, the least size in m²."""

    distance_m: float = green_access.NEAR_M
    smallest_m2: float = green_access.SMALLEST_M2
    minutes: tuple[float, ...] = green_access.MINUTES
    walking_m_a_minute: float = green_access.WALKING_M_A_MINUTE


@dataclass(frozen=True)
class Answer:
    """Tallies by measure ("300 m", "5 min") and area (`EVERYWHERE` for all), and the layer."""

    tallies: dict[tuple[str, str], Tally]
    derivation: Derivation


@dataclass
class _Count:
    """What is added up piece by piece."""

    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    near: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gained: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, measure: str, area: str, tally: Tally) -> None:
        self.tallies[measure, area] = self.tallies.get((measure, area), NOBODY) + tally


def derive(
    spaces: Sequence[GreenSpace],
    residents: Residents,
    inputs: Sequence[tuple[str, str]],
    options: Options,
    *,
    streets: green_access.Network | None = None,
    areas: Sequence[Area] = (),
    newest: date,
    progress: Progress = lambda _: None,
) -> Answer:
    """Count residents near green space and draw the ground that is near.

    Parameters
    ----------
    spaces
        Existing and proposed, in the storage coordinate system.
    inputs
        Name and SHA-256 of every file but the residents'.
    streets
        For minutes on foot; without them only the straight distance is told.

    Raises
    ------
    InputError
        When the residents' raster is not one.
    """
    today, later = green_access.existing_and_all(spaces, options.smallest_m2)
    gains = green_access.gains(spaces, options.smallest_m2, options.distance_m)
    grounds = shapely.get_parts(green_access.ground_within(today, options.distance_m))
    measures = _measures(today, later, streets, options)
    straight = green_access.straight(today, options.distance_m)
    each_gain = [green_access.straight([gain.green], options.distance_m) for gain in gains]
    count = _Count(near=np.zeros(len(grounds)), gained=np.zeros(len(gains)))
    ground_tree, area_tree = shapely.STRtree(grounds), shapely.STRtree([area.geometry for area in areas])
    for points, number in residents.pieces(progress):
        if not number.size:
            continue
        for measure, (existing, with_proposed) in measures.items():
            near = existing(points)
            both = near | with_proposed(points)
            count.add(measure, EVERYWHERE, _tally(number, near, both))
            for index, inside in _by_area(area_tree, points):
                count.add(measure, areas[index].name, _tally(number[inside], near[inside], both[inside]))
        near = straight(points)
        if near.any():
            np.add.at(count.near, ground_tree.nearest(shapely.points(points[near])), number[near])
        for index, reached in enumerate(each_gain):
            count.gained[index] += number[~near & reached(points)].sum()
    features = [*_grounds(grounds, count.near, options), *_gained(gains, count.gained, options)]
    origin = Provenance(METHOD, _parameters(options, streets, count), [*inputs, (residents.name, residents.sha256)])
    return Answer(count.tallies, Derivation(LAYER, features, origin, _ACCURACY_M, newest))


def _measures(
    today: list[Polygon], later: list[Polygon], streets: green_access.Network | None, options: Options
) -> dict[str, tuple[Reach, Reach]]:
    """How near is told: today, and with what is proposed."""
    found = {
        f"{options.distance_m:g} m": (
            green_access.straight(today, options.distance_m), green_access.straight(later, options.distance_m)
        )
    }  # fmt: skip
    if streets is not None:
        metres = [minutes * options.walking_m_a_minute for minutes in options.minutes]
        walks = [green_access.Walk(streets, greens, max(metres)) for greens in (today, later)]
        for minutes, way in zip(options.minutes, metres, strict=True):
            found[f"{minutes:g} min"] = (walks[0].within(way), walks[1].within(way))
    return found


def _tally(number: np.ndarray, near: np.ndarray, both: np.ndarray) -> Tally:
    return Tally(float(number.sum()), float(number[near].sum()), float(number[both].sum()))


def _by_area(tree: shapely.STRtree, points: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each area with the indices of the points in it; a point on a border is in one of them."""
    point, area = tree.query(shapely.points(points), predicate="intersects")
    point, first = np.unique(point, return_index=True)
    area = area[first]
    for index in np.unique(area).tolist():
        yield index, point[area == index]


def _in_degrees(geometry: Geometry) -> Geometry:
    there = moved([geometry], WGS84_SRID, place().storage_srid)[0]
    rounded = shapely.transform(there, lambda c: np.round(c, _DECIMALS))
    return shapely.orient_polygons(shapely.make_valid(rounded))


def _grounds(grounds: np.ndarray, near: np.ndarray, options: Options) -> list[DerivedFeature]:
    distance = f"{options.distance_m:g} m"
    names = f"La cel mult {distance} de un spațiu verde", f"Within {distance} of green space"
    return [
        _feature(f"green-reach-existing-{index}", ground, _EXISTING, people, options, names)
        for index, (ground, people) in enumerate(zip(grounds, near.tolist(), strict=True), 1)
    ]


def _gained(gains: Sequence[Gain], gained: np.ndarray, options: Options) -> list[DerivedFeature]:
    features = []
    for gain, people in zip(gains, gained.tolist(), strict=True):
        largest = max(gain.spaces, key=lambda space: space.geometry.area)
        named = f": {largest.name}" if largest.name else ""
        features.append(_feature(
            f"green-reach-{largest.id}", gain.geometry, _PROPOSED, people, options,
            (f"Câștigă acces{named}", f"Gains access{named}"),
        ))  # fmt: skip
    return features


def _feature(
    id: str, geometry: Geometry, status: str, people: float, options: Options, names: tuple[str, str]
) -> DerivedFeature:
    return DerivedFeature(
        id=id, geometry=_in_degrees(geometry), name_ro=names[0], name_en=names[1],
        attributes={"status": status, "residents": round(people)}, least=0.0, most=options.distance_m, unit="m",
    )  # fmt: skip


def _parameters(options: Options, streets: green_access.Network | None, count: _Count) -> dict[str, object]:
    told = {
        measure: {
            "residents": round(tally.residents), "existing": round(tally.existing),
            "with_proposed": round(tally.with_proposed),
        }
        for (measure, area), tally in count.tallies.items() if area == EVERYWHERE
    }  # fmt: skip
    walking = {
        "minutes": options.minutes, "walking_m_a_minute": options.walking_m_a_minute, "gate_m": green_access.GATE_M,
        "farthest_street_m": green_access.JOIN_M,
    }  # fmt: skip
    return {
        "distance_m": options.distance_m, "smallest_m2": options.smallest_m2, "results": told,
    } | (walking if streets is not None else {})  # fmt: skip


def _refused(msgid: str, path: Path, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=path.name, **facts))])
