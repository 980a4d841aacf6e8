"""GeoJSON: RFC 7946, and the older one whose `crs` names its coordinate system.

Stricter than GDAL and json: a repeated name, NaN, a number written as text or a type that does not fit
its coordinates is a fault of its feature; the other features are still read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry

from layers.reading_limits import Limits
from layers.reading_report import REPAIRED, WARNED, FeatureRefused, FileRefused
from layers.reading_text import AmbiguousObject, decoded

#: Beyond this no coordinate is a place on Earth, in degrees or metres.
_MAX_COORDINATE = 1e9
#: Degrees or metres within which a stated bbox still fits.
_BBOX_TOLERANCE = 1e-6
#: One JSON string, closed or not; possessive, so that no input makes it slow.
_JSON_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
#: Members that RFC 7946, 7.1, forbids because they change what an object is.
_FORBIDDEN_MEMBERS = {
    "FeatureCollection": {"coordinates", "geometry", "geometries", "properties"},
    "Feature": {"coordinates", "features", "geometries"},
    "geometry": {"geometry", "properties", "features"},
}
_CRS_NAMES = (
    (re.compile(r"urn:ogc:def:crs:OGC:[\d.]*:CRS84"), "OGC:CRS84"),
    (re.compile(r"OGC:CRS84|CRS84"), "OGC:CRS84"),
    (re.compile(r"https?://www\.opengis\.net/def/crs/OGC/[\d.]+/CRS84"), "OGC:CRS84"),
    (re.compile(r"urn:ogc:def:crs:EPSG:[\d.]*:(\d{4,6})"), "EPSG:"),
    (re.compile(r"EPSG:(\d{4,6})", re.IGNORECASE), "EPSG:"),
    (re.compile(r"https?://www\.opengis\.net/def/crs/EPSG/[\d.]+/(\d{4,6})"), "EPSG:"),
)

#: Called with code, outcome and (cosmetic) None or (own row) the field of what was changed in a feature.
Told = Callable[[str, str, str | None], None]


@dataclass(frozen=True)
class RawFeature:
    """A feature as the file holds it: `members` is anything JSON can hold."""

    row: int
    members: object


def parse(data: bytes, limits: Limits) -> dict:
    """The root object of a GeoJSON file; FileRefused when it is not one or is beyond the limits."""
    _check_size(data, limits)
    text = decoded(data)
    try:
        root = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise FileRefused("json_broken", line=error.lineno, column=error.colno) from error
    except RecursionError as error:
        raise FileRefused("nested_too_deep", limit=limits.nesting) from error
    except ValueError as error:  # an integer of more than 4,300 digits
        raise FileRefused("number_too_long") from error
    if not isinstance(root, dict):
        raise FileRefused("root_not_object")
    if isinstance(root, AmbiguousObject):
        raise FileRefused("file_name_repeated", names=", ".join(root.names)[:200])
    return root


def _check_size(data: bytes, limits: Limits) -> None:
    """Refuse too many or too deep brackets before anything is built of them."""
    skeleton = np.frombuffer(_JSON_TEXT.sub(b"", data), dtype=np.uint8)
    opened = (skeleton == ord("[")) | (skeleton == ord("{"))
    closed = (skeleton == ord("]")) | (skeleton == ord("}"))
    depth = np.cumsum(opened.astype(np.int8) - closed.astype(np.int8), dtype=np.int32)
    if depth.size and depth.max() > limits.nesting:
        raise FileRefused("nested_too_deep", limit=limits.nesting)
    # "[" directly before a number opens a position, or a list of numbers, which is no larger.
    compact = skeleton[~np.isin(skeleton, (9, 10, 13, 32))]
    numeric = (compact >= ord("0")) & (compact <= ord("9")) | (compact == ord("-"))
    positions = int(np.count_nonzero((compact[:-1] == ord("[")) & numeric[1:]))
    if positions > limits.vertices:
        raise FileRefused("too_many_vertices", count=positions, limit=limits.vertices)


def _object(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    ambiguous = AmbiguousObject(found)
    ambiguous.names = tuple(sorted(name for name in found if names.count(name) > 1))
    return ambiguous


def _refuse_constant(name: str) -> None:
    raise FileRefused("number_not_json", number=name)


def stated_crs(root: dict) -> str | None:
    """The coordinate system as "EPSG:3844" or "OGC:CRS84"; None where the file states none (RFC 7946).

    FileRefused for a link and for a name of another shape; nothing is ever looked up outside.
    """
    if "crs" not in root:
        return None
    crs = root["crs"]
    if not isinstance(crs, dict) or isinstance(crs, AmbiguousObject):
        raise FileRefused("crs_unreadable")
    kind, properties = crs.get("type"), crs.get("properties")
    if kind == "link" or (isinstance(properties, dict) and "href" in properties):
        raise FileRefused("crs_link")
    if not isinstance(properties, dict) or kind not in ("name", "EPSG"):
        raise FileRefused("crs_unreadable")
    if kind == "EPSG":
        return known_crs(f"EPSG:{properties.get('code')}")
    return known_crs(properties.get("name"))


def known_crs(name: object) -> str:
    """A name of a coordinate system in one shape: "EPSG:3844" or "OGC:CRS84"; else FileRefused."""
    for pattern, authority in _CRS_NAMES:
        match = pattern.fullmatch(name) if isinstance(name, str) else None
        if match:
            return authority + "".join(match.groups())
    raise FileRefused("crs_unknown", name=str(name)[:100])


def raw_features(root: dict, limits: Limits) -> list[RawFeature]:
    """The features of a collection, or the one feature or geometry that is the whole file."""
    kind = root.get("type")
    if kind == "FeatureCollection":
        features = root.get("features")
        if not isinstance(features, list):
            raise FileRefused("features_not_array")
        if len(features) > limits.features:
            raise FileRefused("too_many_features", count=len(features), limit=limits.features)
        return [RawFeature(row, members) for row, members in enumerate(features, start=1)]
    if kind == "Feature":
        return [RawFeature(1, root)]
    if isinstance(kind, str) and (kind in _BUILDERS or kind == "GeometryCollection"):
        return [RawFeature(1, {"type": "Feature", "properties": None, "geometry": root})]
    if kind is None:
        raise FileRefused("type_missing")
    raise FileRefused("type_unknown", type=str(kind)[:60])


def foreign_members(members: dict, kind: str) -> bool:
    """Whether an object carries members that RFC 7946 forbids in its kind."""
    return not _FORBIDDEN_MEMBERS[kind].isdisjoint(members)


def feature_id(members: dict, told: Told) -> str | None:
    """The id as text: a string or a number, else it is dropped."""
    value = members.get("id")
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    if value is not None:
        told("id_dropped", REPAIRED, "id")
    return None


def checked_feature(members: object, told: Told) -> dict:
    """The members of a feature, once it is an object that says it is a Feature."""
    if not isinstance(members, dict):
        raise FeatureRefused("feature_not_object", "feature")
    if isinstance(members, AmbiguousObject):
        raise FeatureRefused("name_repeated", "feature", names=", ".join(members.names)[:200])
    if members.get("type") != "Feature":
        raise FeatureRefused("feature_type", "type", type=str(members.get("type"))[:60])
    if foreign_members(members, "Feature"):
        told("members_ignored", REPAIRED, None)
    return members


def feature_properties(members: dict, told: Told) -> dict:
    """The properties: an object, or null for none."""
    if "properties" not in members:
        told("properties_missing", REPAIRED, None)
        return {}
    properties = members["properties"]
    if properties is None:
        return {}
    if not isinstance(properties, dict):
        raise FeatureRefused("properties_not_object", "properties")
    return properties


def build(geometry: object, limits: Limits, told: Told) -> Geometry:
    """The geometry of a feature, in the CRS of the file and not yet checked for validity.

    Raises FeatureRefused; `field` is the path of the part at fault, as in `coordinates[0][3]`.
    """
    if geometry is None:
        raise FeatureRefused("geometry_missing")
    built = _geometry(geometry, "geometry", _Coordinates(limits, told))
    _check_bbox(geometry, built, told)
    return built


def check_feature_bbox(members: dict, geometry: Geometry, told: Told) -> None:
    """Tell when a feature's own bbox is malformed or not around it; a bbox is never used."""
    _check_bbox(members, geometry, told)


def _check_bbox(owner: dict, geometry: Geometry, told: Told) -> None:
    if "bbox" in owner and not bbox_fits(owner["bbox"], geometry.bounds):
        told("bbox_dropped", REPAIRED, None)


def bbox_fits(bbox: object, bounds: tuple[float, ...]) -> bool:
    """Whether a bbox is four or six numbers around `bounds` (west, south, east, north)."""
    if not isinstance(bbox, list) or len(bbox) not in (4, 6) or not all(_is_number(n) for n in bbox):
        return False
    half = len(bbox) // 2
    west, south, east, north = bbox[0], bbox[1], bbox[half], bbox[half + 1]
    if any(math.isnan(bound) for bound in bounds):
        return True
    slack = _BBOX_TOLERANCE * max(1.0, *(abs(bound) for bound in bounds))
    return (
        west <= bounds[0] + slack
        and south <= bounds[1] + slack
        and east >= bounds[2] - slack
        and north >= bounds[3] - slack
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= _MAX_COORDINATE


class _Coordinates:
    """Positions read out of nested lists, counted against the cap of one feature."""

    def __init__(self, limits: Limits, told: Told) -> None:
        self._left = limits.feature_vertices
        self._limit = limits.feature_vertices
        self.told = told

    def positions(self, value: object, where: str) -> np.ndarray:
        """An array (n, 2) of a list of positions; ordinates beyond the second are told and dropped."""
        if not isinstance(value, list):
            raise FeatureRefused("coordinates_not_array", where)
        self._left -= len(value)
        if self._left < 0:
            raise FeatureRefused("feature_too_many_vertices", "geometry", limit=self._limit)
        flat: list[float] = []
        longest = 2
        for number, position in enumerate(value):
            if type(position) is not list or len(position) < 2:
                raise _bad_position(position, f"{where}[{number}]")
            x, y = position[0], position[1]
            if type(x) not in (float, int) or type(y) not in (float, int):
                raise _bad_position(position, f"{where}[{number}]")
            if not (-_MAX_COORDINATE <= x <= _MAX_COORDINATE and -_MAX_COORDINATE <= y <= _MAX_COORDINATE):
                raise FeatureRefused("coordinate_absurd", f"{where}[{number}]")
            flat.append(x)
            flat.append(y)
            if len(position) > 2:
                longest = max(longest, len(position))
                if any(type(ordinate) not in (float, int) for ordinate in position):
                    raise _bad_position(position, f"{where}[{number}]")
        self._tell_ordinates(longest)
        return np.array(flat, dtype=float).reshape(-1, 2)

    def _tell_ordinates(self, longest: int) -> None:
        if longest == 3:
            self.told("z_dropped", WARNED, None)
        elif longest > 3:
            self.told("ordinates_dropped", REPAIRED, None)


def _bad_position(position: object, where: str) -> FeatureRefused:
    if not isinstance(position, list):
        return FeatureRefused("position_not_array", where)
    if position and isinstance(position[0], list):
        return FeatureRefused("coordinates_too_deep", where)
    if len(position) < 2:
        return FeatureRefused("position_too_short", where)
    return FeatureRefused("position_not_numbers", where)


def _geometry(geometry: object, where: str, reader: _Coordinates) -> Geometry:
    if not isinstance(geometry, dict):
        raise FeatureRefused("geometry_not_object", where)
    if isinstance(geometry, AmbiguousObject):
        raise FeatureRefused("name_repeated", where, names=", ".join(geometry.names)[:200])
    kind = geometry.get("type")
    if foreign_members(geometry, "geometry"):
        reader.told("members_ignored", REPAIRED, None)
    if kind == "GeometryCollection":
        return _collection(geometry, where, reader)
    if not isinstance(kind, str) or kind not in _BUILDERS:
        raise FeatureRefused("geometry_type_unknown", f"{where}.type", type=str(kind)[:60])
    if "coordinates" not in geometry:
        raise FeatureRefused("coordinates_missing", where)
    return _BUILDERS[kind](geometry["coordinates"], "coordinates", reader)


def _collection(geometry: dict, where: str, reader: _Coordinates) -> Geometry:
    members = geometry.get("geometries")
    if not isinstance(members, list):
        raise FeatureRefused("geometries_not_array", where)
    parts = [_geometry(part, f"geometries[{i}]", reader) for i, part in enumerate(members)]
    return shapely.geometrycollections(parts)


def _point(value: object, where: str, reader: _Coordinates) -> Geometry:
    if value == []:
        raise FeatureRefused("geometry_empty", where)
    if isinstance(value, list) and value and isinstance(value[0], list):
        raise FeatureRefused("coordinates_too_deep", where)
    if not isinstance(value, list):
        raise FeatureRefused("coordinates_not_array", where)
    return shapely.points(reader.positions([value], where)[0])


def _line(value: object, where: str, reader: _Coordinates) -> Geometry:
    positions = reader.positions(value, where)
    if len(positions) == 0:
        raise FeatureRefused("geometry_empty", where)
    if len(positions) < 2:
        raise FeatureRefused("line_too_short", where)
    return shapely.linestrings(positions)


def _ring(value: object, where: str, reader: _Coordinates) -> Geometry:
    positions = reader.positions(value, where)
    if len(positions) == 0:
        raise FeatureRefused("geometry_empty", where)
    closed = bool((positions[0] == positions[-1]).all()) and len(positions) > 1
    if not closed:
        positions = np.vstack([positions, positions[:1]])
    if not closed or value[0] != value[-1]:
        reader.told("ring_closed", REPAIRED, where)
    if not _has_three(positions):
        raise FeatureRefused("ring_too_short", where)
    return shapely.linearrings(positions)


def _has_three(positions: np.ndarray) -> bool:
    """Whether at least three of the positions differ."""
    others = positions[(positions != positions[0]).any(axis=1)]
    return len(others) > 0 and bool((others != others[0]).any())


def _polygon(value: object, where: str, reader: _Coordinates) -> Geometry:
    rings = [_ring(ring, path, reader) for ring, path in _nested(value, where)]
    return shapely.polygons(rings[0], holes=rings[1:] or None)


def _points(value: object, where: str, reader: _Coordinates) -> Geometry:
    positions = reader.positions(value, where)
    if len(positions) == 0:
        raise FeatureRefused("geometry_empty", where)
    return shapely.multipoints(positions)


def _lines(value: object, where: str, reader: _Coordinates) -> Geometry:
    return shapely.multilinestrings([_line(part, path, reader) for part, path in _nested(value, where)])


def _polygons(value: object, where: str, reader: _Coordinates) -> Geometry:
    return shapely.multipolygons([_polygon(part, path, reader) for part, path in _nested(value, where)])


def _nested(value: object, where: str) -> Iterator[tuple[object, str]]:
    """The parts of a list of lists with the path of each."""
    if not isinstance(value, list):
        raise FeatureRefused("coordinates_not_array", where)
    if not value:
        raise FeatureRefused("geometry_empty", where)
    for number, part in enumerate(value):
        if not isinstance(part, list):
            raise FeatureRefused("coordinates_too_shallow", f"{where}[{number}]")
        yield part, f"{where}[{number}]"


_BUILDERS: dict[str, Callable[[object, str, _Coordinates], Geometry]] = {
    "Point": _point,
    "LineString": _line,
    "Polygon": _polygon,
    "MultiPoint": _points,
    "MultiLineString": _lines,
    "MultiPolygon": _polygons,
}
