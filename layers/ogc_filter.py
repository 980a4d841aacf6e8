"""What a stranger may ask of `/ogc` with `filter=`: CQL2, walked against an allow-list.

The tree is built anew from what is allowed, never passed on: an operator, a property
or a literal that is not named here cannot reach SQL. Geometries are longitude and
latitude in degrees, EPSG:4326 (CRS84).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import shapely
from cql2 import Expr, parse_text
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

MAX_CHARACTERS = 2_000
#: How deep operators may lie inside one another.
MAX_DEPTH = 10
#: How deep brackets may: the text parser's time doubles with each unclosed one (20 of them: 7 s).
MAX_BRACKETS_IN_TEXT = 8
_MAX_BRACKETS_IN_JSON = 2 * MAX_DEPTH + 8
#: Operators, properties, literals and vertices together.
MAX_NODES = 500

LANGUAGES = ("cql2-text", "cql2-json")

TEXT, NUMBER, BOOLEAN, DATE, TIME, GEOMETRY = "text", "number", "boolean", "date", "time", "geometry"

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_SPATIAL = frozenset({
    "s_intersects", "s_within", "s_contains", "s_disjoint",
    "s_crosses", "s_touches", "s_overlaps", "s_equals",
})  # fmt: skip
_TEMPORAL = frozenset({"t_before", "t_after", "t_during", "t_equals", "t_intersects", "t_disjoint"})
OPERATORS = sorted(
    _COMPARISONS | _SPATIAL | _TEMPORAL | {"and", "or", "not", "like", "between", "in", "isNull", "casei"}
)
_GEOMETRIES = frozenset({"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"})

#: Control characters and half characters: PostgreSQL cuts a statement at a zero byte.
UNWRITABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_DATE = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(_DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})")

#: How fine the edges of a box are drawn, in degrees: a parallel is not straight in a projected CRS.
_EDGE_STEP_DEGREES = 0.2


class Refused(ValueError):
    """The request asks for something that is not allowed; the message says what is."""


@dataclass(frozen=True)
class Window:
    """Where coordinates may lie, in degrees: the projection of the stored data is sound there.

    Inside `fine` (west, south, east, north) the edges of a box are drawn finely.
    """

    west: float
    south: float
    east: float
    north: float
    fine: tuple[float, float, float, float]

    def holds(self, geometry: shapely.Geometry) -> bool:
        west, south, east, north = geometry.bounds
        return self.west <= west and self.south <= south and east <= self.east and north <= self.north

    def box(self, west: float, south: float, east: float, north: float) -> dict[str, Any] | None:
        """The part of a box inside the window as a GeoJSON polygon, or None where there is none."""
        west, east = max(west, self.west), min(east, self.east)
        south, north = max(south, self.south), min(north, self.north)
        if west > east or south > north:
            return None
        columns = _stops(west, east, self.fine[0], self.fine[2])
        rows = _stops(south, north, self.fine[1], self.fine[3])
        ring = [
            *([x, south] for x in columns[:-1]),
            *([east, y] for y in rows[:-1]),
            *([x, north] for x in columns[:0:-1]),
            *([west, y] for y in rows[:0:-1]),
            [west, south],
        ]
        return {"type": "Polygon", "coordinates": [ring]}


def _stops(low: float, high: float, fine_low: float, fine_high: float) -> list[float]:
    start, end = max(low, fine_low), min(high, fine_high)
    count = max(0, math.ceil((end - start) / _EDGE_STEP_DEGREES))
    between = [start + (end - start) * i / count for i in range(count + 1)] if count else []
    return [low, *(stop for stop in between if low < stop < high), high]


def checked_filter(
    given: str, language: str | None, columns: Mapping[str, str], window: Window
) -> Expr:
    """The filter as an expression of nothing but allowed operators and known properties.

    `columns` gives each property's kind. Raises `Refused`, in words for whoever asked.
    """
    if len(given) > MAX_CHARACTERS:
        raise Refused(f"filter: at most {MAX_CHARACTERS} characters; this has {len(given)}.")
    is_json = language == "cql2-json" if language else given.lstrip().startswith("{")
    tree = _json_tree(given) if is_json else _text_tree(given)
    return Expr(_Walk(columns, window).condition(tree, 1))


def _json_tree(given: str) -> Any:
    _refuse_deep_brackets(given, "{[", "}]", _MAX_BRACKETS_IN_JSON)
    try:
        return json.loads(given)
    except ValueError as fault:
        raise Refused("filter: not JSON.") from fault


def _text_tree(given: str) -> Any:
    bare = _QUOTED.sub("''", given)
    if bare.replace("''", "").count("'") or '"' in bare:
        raise Refused("filter: a quotation mark is not closed.")
    _refuse_deep_brackets(bare, "([{", ")]}", MAX_BRACKETS_IN_TEXT)
    try:
        return parse_text(given).to_json()
    except Exception as fault:  # the parser knows no narrower one
        raise Refused("filter: not CQL2 text, such as: status = 'proposed' AND name_ro LIKE 'R%'.") from fault


def _refuse_deep_brackets(given: str, opening: str, closing: str, deepest: int) -> None:
    depth = 0
    for character in given:
        depth += (character in opening) - (character in closing)
        if depth > deepest:
            raise Refused(f"filter: brackets may lie at most {deepest} deep.")


@dataclass
class _Walk:
    columns: Mapping[str, str]
    window: Window
    nodes: int = field(default=0)

    def condition(self, node: Any, depth: int) -> dict[str, Any]:
        """A condition: the only thing that a filter, AND, OR and NOT may hold."""
        if depth > MAX_DEPTH:
            raise Refused(f"filter: conditions may lie at most {MAX_DEPTH} deep.")
        op, args = self._operation(node)
        if op in ("and", "or"):
            _expect(len(args) >= 2, f"{op} takes at least two conditions")
            return {"op": op, "args": [self.condition(arg, depth + 1) for arg in args]}
        if op == "not":
            _expect(len(args) == 1, "not takes one condition")
            return {"op": op, "args": [self.condition(args[0], depth + 1)]}
        if op in _TEMPORAL:
            return self._temporal(op, args)
        return {"op": op, "args": self._predicate(op)(op, args)}

    def _operation(self, node: Any) -> tuple[str, list[Any]]:
        self._count()
        _expect(
            isinstance(node, dict) and node.keys() == {"op", "args"}
            and isinstance(node["op"], str) and isinstance(node["args"], list),
            "a condition is needed, such as status = 'proposed'",
        )  # fmt: skip
        return node["op"], node["args"]

    def _predicate(self, op: str) -> Callable[[str, list[Any]], list[Any]]:
        known = {"like": self._like, "between": self._between, "in": self._in, "isNull": self._is_null}
        known |= dict.fromkeys(_COMPARISONS, self._comparison) | dict.fromkeys(_SPATIAL, self._spatial)
        if op not in known:
            raise Refused(f"filter: {op[:40]!r} is not among the operators: {', '.join(OPERATORS)}.")
        return known[op]

    def _count(self, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise Refused(f"filter: more than {MAX_NODES} operators, properties, values and vertices.")

    # Predicates

    def _comparison(self, op: str, args: list[Any]) -> list[Any]:
        _expect(len(args) == 2, f"{op} compares a property with a value")
        if _is_property(args[1]) and not _is_property(args[0]):
            literal_first = True
            args = args[::-1]
        else:
            literal_first = False
        left, kind = self._property(args[0])
        _expect(kind != GEOMETRY, f"{op} does not compare geometries")
        compared = [left, self._literal(args[1], kind)]
        return compared[::-1] if literal_first else compared

    def _like(self, op: str, args: list[Any]) -> list[Any]:
        _expect(len(args) == 2, "like compares a property with a pattern")
        left, kind = self._property(args[0])
        _expect(kind == TEXT, "like compares texts")
        pattern = self._literal(args[1], TEXT)
        text = pattern["args"][0] if isinstance(pattern, dict) else pattern
        _expect((len(text) - len(text.rstrip("\\"))) % 2 == 0, "a pattern cannot end with a single \\")
        return [left, pattern]

    def _between(self, op: str, args: list[Any]) -> list[Any]:
        _expect(len(args) == 3, "between takes a property and two values")
        left, kind = self._property(args[0])
        _expect(kind in (NUMBER, DATE, TIME), "between compares numbers and dates")
        return [left, self._literal(args[1], kind), self._literal(args[2], kind)]

    def _in(self, op: str, args: list[Any]) -> list[Any]:
        _expect(
            len(args) == 2 and isinstance(args[1], list) and len(args[1]) > 0,
            "in takes a property and a list of values",
        )
        left, kind = self._property(args[0])
        _expect(kind in (TEXT, NUMBER), "in compares texts and numbers")
        return [left, [self._literal(value, kind) for value in args[1]]]

    def _is_null(self, op: str, args: list[Any]) -> list[Any]:
        _expect(len(args) == 1, "IS NULL takes a property")
        return [self._property(args[0])[0]]

    def _spatial(self, op: str, args: list[Any]) -> list[Any]:
        _expect(len(args) == 2, f"{op} takes the geometry property and a geometry")
        turned = _is_property(args[1])
        left, kind = self._property(args[1] if turned else args[0])
        _expect(kind == GEOMETRY, f"{op} takes the geometry property, geom")
        literal = self._geometry(args[0] if turned else args[1])
        return [literal, left] if turned else [left, literal]

    def _temporal(self, op: str, args: list[Any]) -> dict[str, Any]:
        """As plain comparisons: the SQL that cql2 makes rounds the end of a day into the next one."""
        _expect(len(args) == 2, f"{op} takes a property and a date, a timestamp or an interval")
        left, kind = self._property(args[0])
        _expect(kind in (DATE, TIME), f"{op} takes a property that is a date or a time")
        self._count()
        if isinstance(args[1], dict) and args[1].keys() == {"interval"}:
            first, last = self._interval(args[1]["interval"])
        else:
            _expect(op != "t_during", "t_during takes an interval")
            first = last = self._moment(args[1])
        return _compared(op, left, first, last)

    # Operands

    def _property(self, node: Any) -> tuple[dict[str, Any], str]:
        self._count()
        if _is_casei(node):
            inner, kind = self._property(node["args"][0])
            _expect(kind == TEXT and "property" in inner, "casei takes one text")
            return {"op": "casei", "args": [inner]}, kind
        _expect(
            isinstance(node, dict) and node.keys() == {"property"} and isinstance(node["property"], str),
            "a property is needed here; functions and arithmetic are not allowed",
        )
        name = node["property"]
        if name not in self.columns:
            known = ", ".join(sorted(self.columns))
            raise Refused(f"filter: {name[:40]!r} is not among the properties: {known}.")
        return {"property": name}, self.columns[name]

    def _literal(self, node: Any, kind: str) -> Any:
        self._count()
        if kind == TEXT and _is_casei(node):
            return {"op": "casei", "args": [self._literal(node["args"][0], TEXT)]}
        if kind == TEXT:
            _expect(isinstance(node, str), "a text in 'quotation marks' is needed here")
            _expect(not UNWRITABLE.search(node), "texts cannot hold control characters")
            return node
        if kind == NUMBER:
            is_number = isinstance(node, (int, float)) and not isinstance(node, bool)
            _expect(is_number and abs(node) < 1e18, "a number is needed here")
            return node
        if kind == BOOLEAN:
            _expect(isinstance(node, bool), "true or false is needed here")
            return node
        return self._moment(node)

    def _moment(self, node: Any) -> dict[str, str]:
        _expect(isinstance(node, dict) and len(node) == 1, "DATE('…') or TIMESTAMP('…') is needed here")
        (key, value), = node.items()
        _expect(
            (key == "date" and is_date(value)) or (key == "timestamp" and is_time(value)),
            "write DATE('2026-11-23') or TIMESTAMP('2026-11-23T10:00:00Z')",
        )
        return {key: value}

    def _interval(self, ends: Any) -> list[dict[str, str] | None]:
        self._count(2)
        _expect(
            isinstance(ends, list) and len(ends) == 2 and ends != ["..", ".."]
            and all(end == ".." or is_date(end) or is_time(end) for end in ends),
            "write INTERVAL('2026-01-01', '2026-12-31'), with '..' for an open end",
        )  # fmt: skip
        return [None if end == ".." else {"date" if is_date(end) else "timestamp": end} for end in ends]

    def _geometry(self, node: Any) -> dict[str, Any]:
        _expect(isinstance(node, dict), "a geometry is needed here")
        if node.keys() == {"bbox"}:
            return self._box(node["bbox"])
        _expect(
            node.keys() == {"type", "coordinates"}
            and isinstance(node["type"], str) and node["type"] in _GEOMETRIES,
            f"a geometry is needed here: BBOX or {', '.join(sorted(_GEOMETRIES))}",
        )  # fmt: skip
        self._count(_vertices(node["coordinates"]))
        try:
            geometry = shapely.force_2d(shape(node))
        except (ShapelyError, ValueError, TypeError, IndexError) as fault:
            raise Refused("filter: the coordinates do not make a geometry.") from fault
        _expect(not geometry.is_empty and geometry.is_valid, "the geometry is empty or crosses itself")
        _expect(self.window.holds(geometry), f"coordinates are longitude, latitude within {self._limits()}")
        return json.loads(json.dumps(mapping(geometry)))

    def _box(self, corners: Any) -> dict[str, Any]:
        self._count(4)
        _expect(
            isinstance(corners, list) and len(corners) == 4 and all(map(_is_finite, corners))
            and corners[0] < corners[2] and corners[1] < corners[3],
            "BBOX takes west, south, east, north in degrees",
        )  # fmt: skip
        box = self.window.box(*corners)
        _expect(box is not None, f"the box lies outside {self._limits()}")
        return box

    def _limits(self) -> str:
        window = self.window
        return f"{window.west:g} to {window.east:g} east and {window.south:g} to {window.north:g} north"


def _compared(
    op: str, left: dict[str, Any], first: dict[str, str] | None, last: dict[str, str] | None
) -> dict[str, Any]:
    """A temporal operator as comparisons. A date is its whole day; None is an open end."""
    before = [_comparison("<", left, first)] if first else [_NEVER]
    after = [_comparison(*_after(left, last))] if last else [_NEVER]
    if op in ("t_before", "t_after"):
        return before[0] if op == "t_before" else after[0]
    if op == "t_during":
        inside = [_comparison(">", left, first)] if first else []
        return _all([*inside, *([_comparison("<", left, last)] if last else [])])
    if op == "t_disjoint":
        return {"op": "or", "args": before + after}
    return _all([{"op": "not", "args": [beyond]} for beyond in before + after])


_NEVER = {"op": "=", "args": [1, 0]}


def _after(left: dict[str, Any], last: dict[str, str]) -> tuple[str, dict[str, Any], dict[str, str]]:
    if "date" not in last:
        return ">", left, last
    return ">=", left, {"date": (date.fromisoformat(last["date"]) + timedelta(days=1)).isoformat()}


def _comparison(op: str, left: dict[str, Any], right: dict[str, str]) -> dict[str, Any]:
    return {"op": op, "args": [left, right]}


def _all(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return conditions[0] if len(conditions) == 1 else {"op": "and", "args": conditions}


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Refused(f"filter: {otherwise}.")


def _is_property(node: Any) -> bool:
    return isinstance(node, dict) and (
        "property" in node or (_is_casei(node) and _is_property(node["args"][0]))
    )


def _is_casei(node: Any) -> bool:
    return (
        isinstance(node, dict) and node.keys() == {"op", "args"} and node["op"] == "casei"
        and isinstance(node["args"], list) and len(node["args"]) == 1
        and not _is_casei(node["args"][0])
    )  # fmt: skip


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _vertices(coordinates: Any) -> int:
    """How many positions there are; refuses anything but finite numbers in lists."""
    _expect(isinstance(coordinates, list) and len(coordinates) > 0, "coordinates are lists of numbers")
    if all(map(_is_finite, coordinates)):
        _expect(len(coordinates) in (2, 3), "a position is longitude and latitude")
        return 1
    return sum(_vertices(part) for part in coordinates)


def is_date(value: Any) -> bool:
    """Whether this is a day as RFC 3339 writes it."""
    return isinstance(value, str) and bool(_DATE.fullmatch(value)) and _parses(date.fromisoformat, value)


def is_time(value: Any) -> bool:
    """Whether this is a moment as RFC 3339 writes it, with its offset."""
    return isinstance(value, str) and bool(_TIME.fullmatch(value)) and _parses(datetime.fromisoformat, value)


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def checked_interval(given: str) -> None:
    """A moment or an interval of moments, RFC 3339; raises `Refused`."""
    ends = given.split("/")
    known = [datetime.fromisoformat(end) for end in ends if is_time(end)]
    open_ends = sum(end in ("..", "") for end in ends)
    if len(ends) > 2 or len(known) + open_ends != len(ends) or not known:
        raise Refused(
            "datetime: write 2026-11-23T10:00:00Z, or an interval: 2026-01-01T00:00:00Z/2026-12-31T23:59:59Z,"
            " with .. for an open end."
        )
    if any(later < earlier for earlier, later in pairwise(known)):
        raise Refused("datetime: the interval ends before it begins.")
