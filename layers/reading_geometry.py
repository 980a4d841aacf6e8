"""Making a geometry fit to store: valid, two-dimensional, wound by the right-hand rule, one kind.

Works in the CRS of the file, whatever it is; every comparison is relative. Imports shapely alone,
because the reading child has to start fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import shapely
from shapely import Geometry

from layers.reading_report import REPAIRED, WARNED, FeatureRefused

FAMILY = {
    "Point": "point", "MultiPoint": "point",
    "LineString": "line", "MultiLineString": "line",
    "Polygon": "polygon", "MultiPolygon": "polygon",
}  # fmt: skip
_MULTI = {"point": shapely.multipoints, "line": shapely.multilinestrings, "polygon": shapely.multipolygons}

#: Beyond this change against the signed area of the outline as drawn, nobody can say what was meant:
#: a symmetric figure of eight has 1.0, the worst real building among 489 of OpenStreetMap 0.87.
MAX_AREA_CHANGE = 0.9
#: The two standard repairs (union of what is enclosed; even-odd) may differ by this share.
MAX_REPAIR_DISAGREEMENT = 2 / 3

#: (code, outcome, facts); facts None: cosmetic, told once for the whole file.
Note = tuple[str, str, dict[str, str | int | float] | None]


def normalise(geometry: Geometry) -> tuple[Geometry, list[Note]]:
    """The geometry as it can be stored, and what was changed; FeatureRefused when it cannot be."""
    notes: list[Note] = []
    if shapely.has_z(geometry) or shapely.has_m(geometry):
        geometry = shapely.force_2d(geometry)
        notes.append(("z_dropped", WARNED, None))
    if geometry.geom_type == "GeometryCollection":
        geometry = _unwrapped(geometry, notes)
    if geometry.geom_type not in FAMILY:
        raise FeatureRefused("geometry_type_unknown", type=geometry.geom_type)
    if geometry.is_empty:
        raise FeatureRefused("geometry_empty")
    if geometry.geom_type == "Point":
        return geometry, notes
    geometry = _without_repeats(geometry, notes)
    family = FAMILY[geometry.geom_type]
    if family == "polygon":
        geometry = _repaired_polygon(geometry, notes)
    elif family == "line":
        _check_lines(geometry)
    elif shapely.is_empty(shapely.get_parts(geometry)).any():
        raise FeatureRefused("part_empty")
    return geometry, notes


def _unwrapped(collection: Geometry, notes: list[Note]) -> Geometry:
    """A collection of one kind as that kind; collections inside collections are flattened."""
    members = list(_members(collection))
    if not members:
        raise FeatureRefused("geometry_empty")
    families = {FAMILY.get(member.geom_type, member.geom_type) for member in members}
    nested = any(part.geom_type == "GeometryCollection" for part in collection.geoms)
    if len(families) > 1 or not families <= set(_MULTI):
        raise FeatureRefused("collection_mixed", kinds=", ".join(sorted(families)))
    if len(members) == 1:
        notes.append(("collection_unwrapped", REPAIRED if nested else WARNED, None))
        return members[0]
    notes.append(("collection_merged", REPAIRED, None))
    return _MULTI[families.pop()](shapely.get_parts(members))


def _members(collection: Geometry) -> Iterable[Geometry]:
    for part in collection.geoms:
        if part.geom_type == "GeometryCollection":
            yield from _members(part)
        else:
            yield part


def _without_repeats(geometry: Geometry, notes: list[Note]) -> Geometry:
    """The same line or outline without vertices that repeat the one before."""
    if FAMILY[geometry.geom_type] == "point":
        return geometry
    cleaned = shapely.remove_repeated_points(geometry, 0)
    if shapely.get_num_coordinates(cleaned) != shapely.get_num_coordinates(geometry):
        notes.append(("vertices_repeated", REPAIRED, None))
    return cleaned


def _check_lines(geometry: Geometry) -> None:
    parts = shapely.get_parts(geometry)
    if shapely.is_empty(parts).any():
        raise FeatureRefused("part_empty")
    if (shapely.length(parts) == 0).any():
        raise FeatureRefused("line_zero_length")


def _repaired_polygon(geometry: Geometry, notes: list[Note]) -> Geometry:
    if shapely.is_valid(geometry):
        oriented = shapely.orient_polygons(geometry)
        if not shapely.equals_identical(oriented, geometry):
            notes.append(("winding", REPAIRED, None))
        return oriented
    parts = shapely.get_parts(geometry)
    if len(parts) > 1 and shapely.is_valid(parts).all():
        # Each part is sound: together they mean what either of them covers.
        joined = shapely.union_all(parts)
        notes.append(("parts_merged", REPAIRED, {"percent": _percent(1 - joined.area / geometry.area)}))
        return shapely.orient_polygons(joined)
    before = geometry.area
    try:
        repaired = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
        even_odd = shapely.make_valid(geometry).area
    except shapely.errors.GEOSException as error:  # mostly: out of memory over countless crossings
        raise FeatureRefused("polygon_unrepairable") from error
    after = repaired.area
    if repaired.is_empty or after == 0:
        raise FeatureRefused("polygon_collapses")
    change = abs(after - before) / max(after, before)
    disagreement = abs(after - even_odd) / max(after, even_odd)
    place = _place_of_fault(geometry)
    if change > MAX_AREA_CHANGE or disagreement > MAX_REPAIR_DISAGREEMENT:
        percent = _percent(max(change, disagreement))
        raise FeatureRefused("polygon_ambiguous", percent=percent, place=place)
    facts = {"percent": _percent(change), "place": place}
    notes.append(("polygon_repaired", REPAIRED, facts))
    return shapely.orient_polygons(repaired)


def _percent(share: float) -> float:
    return abs(round(100 * share, 2))


def _place_of_fault(geometry: Geometry) -> str:
    """Where GEOS found the fault, "x y" in the file's CRS, or "" where it does not say."""
    found = re.search(r"\[([^\]]*)\]", shapely.is_valid_reason(geometry))
    return found.group(1) if found else ""
