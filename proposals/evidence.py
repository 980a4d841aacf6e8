"""Evidence: for each measure, the SQL of what it measured, to be drawn on the map.

A function here bears the name of its measure and takes the same parameters. It returns a SELECT of rows
`EVIDENCE_COLUMNS` about every row of `subject s` (see `proposals.measures`), with geometry in the storage
CRS. A measure without a function has nothing to draw: it asks the form, or the drawn shape alone. Values
are bound, never spliced. This module builds text; it opens no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from masterplan.place import WGS84_SRID
from proposals.criteria import MeasureSpec
from proposals.measures import UAT_LINES, Binds, _cut, _nearest_bank, _number, features, parts, size

#: `role` says how a row is drawn (`ROLES`); `amount` is in `unit`, or in the criterion's where `unit` is NULL.
EVIDENCE_COLUMNS = ("role", "feature", "name_ro", "name_en", "amount", "unit", "geom")
#: What is drawn, the most telling first: the part of the subject that was measured, the part that lies outside,
#: the line to what is nearest, ends of a line that meet the network or do not, what was counted within reach,
#: how far the reach goes, and the feature measured against.
ROLES = ("part", "outside", "line", "met", "unmet", "counted", "reach", "feature")

#: Rows of one evidence, and vertices of all of them together.
MOST_ROWS = 60
MOST_VERTICES = 6_000
#: Beyond so many vertices a shape is drawn simpler, by this share of its extent.
_FINE_VERTICES, _COARSER = 400, 0.001

EVIDENCE: dict[str, Callable[..., str]] = {}


def evidence(write: Callable[..., str]) -> Callable[..., str]:
    """Register a function as the evidence of the measure of its name."""
    EVIDENCE[write.__name__] = write
    return write


def evidence_statement(spec: MeasureSpec, bind: Binds) -> str | None:
    """The rows of one criterion's evidence about `subject`, as GeoJSON (EPSG:4326); None when there is none."""
    write = EVIDENCE.get(spec.function)
    if write is None:
        return None
    extent = "greatest(ST_XMax(e.geom) - ST_XMin(e.geom), ST_YMax(e.geom) - ST_YMin(e.geom))"
    simpler = f"ST_SimplifyPreserveTopology(e.geom, {extent} * {_COARSER})"
    drawn = f"CASE WHEN ST_NPoints(e.geom) > {_FINE_VERTICES} THEN {simpler} ELSE e.geom END"
    order = f"array_position({bind(list(ROLES), 'text[]')}, e.role)"
    return f"""
        SELECT e.role, e.feature, e.name_ro, e.name_en, e.amount, e.unit, ST_NPoints(d.geom) AS vertices,
            ST_AsGeoJSON(ST_Transform(d.geom, {WGS84_SRID}), 6, 0) AS geometry
        FROM ({write(bind, **_understood(write, spec.parameters))}) e
        CROSS JOIN LATERAL (SELECT {drawn} AS geom OFFSET 0) d
        WHERE NOT ST_IsEmpty(e.geom)
        ORDER BY {order}, e.amount DESC NULLS LAST, e.feature LIMIT {MOST_ROWS + 1}"""


def _understood(write: Callable[..., str], parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Those parameters of the measure that its evidence knows: it need not know how values are put together."""
    code = write.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {name: value for name, value in parameters.items() if name in known}


# -- pieces that evidence shares -----------------------------------------------------------


def _columns(role: str, geom: str, amount: str = "NULL::float8", unit: str = "NULL::text", of: str = "f") -> str:
    return (
        f"{role} AS role, {of}.feature_id AS feature, {of}.name_ro, {of}.name_en, ({amount})::float8 AS amount,"
        f" {unit} AS unit, {geom} AS geom"
    )


def _nameless(role: str, geom: str, amount: str = "NULL::float8", unit: str = "NULL::text") -> str:
    return (
        f"'{role}' AS role, NULL::text AS feature, NULL::text AS name_ro, NULL::text AS name_en,"
        f" ({amount})::float8 AS amount, {unit} AS unit, {geom} AS geom"
    )


def _whole(bind: Binds, layer: str, feature_id: str) -> str:
    """The whole geometry of a feature of which only small pieces were met."""
    return (
        f"(SELECT w.geom FROM masterplan.current_feature w"
        f" WHERE w.layer_id = {bind(layer, 'text')} AND w.feature_id = {feature_id} LIMIT 1)"
    )


def _covered(bind: Binds, layer: str, where: Mapping | None, amount: str = "", value: str = "NULL::float8") -> str:
    """The part of the subject in each feature, with its share in percent, or with an attribute's `value`.

    A point has no parts: the feature it lies in is drawn.
    """
    share = f"CASE WHEN s.dim > 0 THEN 100 * ({size('c.geom')}) / s.size END"
    role = "CASE WHEN s.dim = 0 THEN 'feature' ELSE 'part' END"
    geom = f"CASE WHEN s.dim = 0 THEN {_whole(bind, layer, 'c.feature_id')} ELSE c.geom END"
    unit = "NULL::text" if amount else "'%'"
    return f"""
        SELECT {_columns(role, geom, amount or share, unit, of="c")}
        FROM subject s CROSS JOIN LATERAL (
            SELECT f.feature_id, min(f.name_ro) AS name_ro, min(f.name_en) AS name_en, max({value}) AS value,
                ST_Union({_cut("f.geom")}) AS geom
            FROM {parts(bind, layer, where)} AND ST_Intersects(f.geom, s.geom) GROUP BY f.feature_id
        ) c"""


def _to_nearest(bind: Binds, layer: str, where: Mapping | None, condition: str = "true") -> str:
    """The line to the nearest feature `n`, with its length, and that feature."""
    nearest = f"""(SELECT f.feature_id, f.name_ro, f.name_en, f.geom <-> s.geom AS distance,
            ST_ShortestLine(s.geom, f.geom) AS line
        FROM {parts(bind, layer, where)} ORDER BY f.geom <-> s.geom, f.feature_id LIMIT 1)"""
    return _line_and_feature(bind, layer, nearest, condition)


def _line_and_feature(bind: Binds, layer: str, nearest: str, condition: str = "true") -> str:
    return f"""
        SELECT {_columns("'line'", "n.line", "n.distance", "'m'", of="n")}
        FROM subject s CROSS JOIN LATERAL {nearest} n WHERE {condition}
        UNION ALL
        SELECT {_columns("'feature'", _whole(bind, layer, "n.feature_id"), of="n")}
        FROM subject s CROSS JOIN LATERAL {nearest} n WHERE {condition}"""


def _within_reach(radius: str, counted: str) -> str:
    """How far the reach goes, in metres, and the residents counted within it, at their points."""
    return f"""
        SELECT {_nameless("reach", f"ST_Buffer(s.geom, {radius})", radius, "'m'")} FROM subject s
        UNION ALL
        SELECT {_nameless("counted", "ST_Collect(g.geom)", "sum(g.residents)", "'residents'")}
        FROM subject s CROSS JOIN LATERAL ({counted} LIMIT {MOST_VERTICES // 2}) g HAVING count(*) > 0"""


# -- the evidence of each measure ----------------------------------------------------------


@evidence
def share_inside(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """The part of the subject inside each feature, with its share; where none is met, the line to the nearest."""
    return f"{_covered(bind, layer, where)} UNION ALL {_to_nearest(bind, layer, where, 'n.distance > 0')}"


@evidence
def zone_membership(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """The part inside each feature, named, and what lies outside all of them."""
    inside = f"SELECT ST_Union(f.geom) FROM {parts(bind, layer, where)} AND ST_Intersects(f.geom, s.geom)"
    outside = f"ST_CollectionExtract(ST_Difference(s.geom, coalesce(({inside}), ST_GeomFromText('POLYGON EMPTY', " \
              "ST_SRID(s.geom)))), s.dim + 1)"  # fmt: skip
    share = f"100 * ({size('o.geom')}) / s.size"
    return f"""{_covered(bind, layer, where)}
        UNION ALL
        SELECT {_nameless("outside", "o.geom", share, "'%'")}
        FROM subject s CROSS JOIN LATERAL (SELECT {outside} AS geom OFFSET 0) o
        WHERE {size("o.geom")} > s.size * 1e-5"""


@evidence
def distance_to_nearest(
    bind: Binds,
    *,
    layer: str,
    where: Mapping | None = None,
    width_attribute: str | None = None,
    strips: Sequence[Sequence[float]] | None = None,
) -> str:
    """The line to the nearest feature, or to the axis of the water whose bank or strip comes first."""
    if width_attribute is None:
        return _to_nearest(bind, layer, where)
    nearest = f"""(SELECT f.feature_id, f.name_ro, f.name_en, b.distance, ST_ShortestLine(s.geom, f.geom) AS line
        FROM ({_nearest_bank(bind, layer, where, width_attribute, strips)}) b
        JOIN LATERAL (SELECT f.* FROM {parts(bind, layer, where)} AND f.feature_id = b.feature_id
                      ORDER BY f.geom <-> s.geom LIMIT 1) f ON true)"""
    return _line_and_feature(bind, layer, nearest)


@evidence
def attribute_at(bind: Binds, *, layer: str, attribute: str, where: Mapping | None = None) -> str:
    """The part of the subject in each feature, with the attribute's value there."""
    return _covered(bind, layer, where, amount="c.value", value=_number("f.properties", bind, attribute))


@evidence
def count_touching(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """Each feature touched, named: its part in the subject where it has one, else the feature."""
    crosses = "s.dim > 0 AND ST_Dimension(f.geom) >= s.dim"
    role = f"CASE WHEN {crosses} THEN 'part' ELSE 'feature' END"
    return f"""
        SELECT {_columns(role, f"CASE WHEN {crosses} THEN {_cut('f.geom')} ELSE f.geom END")}
        FROM subject s JOIN LATERAL (
            SELECT f.* FROM {features(bind, layer, where)} AND ST_Intersects(f.geom, s.geom)
        ) f ON true"""


@evidence
def land_class(bind: Binds, *, underused: str, intravilan: str, adjoining_m: float) -> str:
    """The parts on underused land and in the intravilan; outside both, the line to the nearest intravilan."""
    return f"""{_covered(bind, underused, None)}
        UNION ALL {_covered(bind, intravilan, None)}
        UNION ALL {_to_nearest(bind, intravilan, None, "n.distance > 0")}"""


@evidence
def strategic_fit(bind: Binds, *, layer: str) -> str:
    """The part of the subject in each zone."""
    return _covered(bind, layer, None)


@evidence
def network_continuity(bind: Binds, *, network: Sequence[str], prospective: str, tolerance_m: float) -> str:
    """Each end of the line, and what it meets or how far it is from the network."""
    layers, tolerance = bind([*network, prospective], "text[]"), bind(float(tolerance_m), "float8")
    end = f"""FROM subject s CROSS JOIN LATERAL (SELECT ST_LineMerge(s.geom) AS line) w
        CROSS JOIN LATERAL ST_Dump(CASE WHEN ST_IsEmpty(ST_Boundary(w.line)) THEN w.line
            ELSE ST_Boundary(w.line) END) e
        LEFT JOIN LATERAL (
            SELECT c.* FROM (
                (SELECT f.feature_id, f.name_ro, f.name_en, f.geom <-> e.geom AS distance,
                    ST_ShortestLine(e.geom, f.geom) AS line
                 FROM masterplan.current_part f WHERE f.layer_id = ANY({layers})
                 ORDER BY f.geom <-> e.geom LIMIT 1)
                UNION ALL
                (SELECT NULL, NULL, NULL, u.geom <-> e.geom, ST_ShortestLine(e.geom, u.geom)
                 FROM {UAT_LINES} u WHERE u.id <> s.id AND u.uat IS DISTINCT FROM s.on_behalf_of
                 ORDER BY u.geom <-> e.geom LIMIT 1)
            ) c ORDER BY c.distance LIMIT 1
        ) f ON true"""
    point = "CASE WHEN ST_Dimension(e.geom) = 0 THEN e.geom ELSE ST_StartPoint(e.geom) END"
    role = f"CASE WHEN f.distance <= {tolerance} THEN 'met' ELSE 'unmet' END"
    return f"""
        SELECT {_columns(role, point, "f.distance", "'m'")} {end}
        UNION ALL
        SELECT {_columns("'line'", "f.line", "f.distance", "'m'")} {end} WHERE f.distance > {tolerance}"""


@evidence
def residents_gaining_green(
    bind: Binds, *, population: str, residents: str, green: str, area_ha: str, radius_m: float, smallest_ha: float
) -> str:
    """The reach of the new green space, and the residents within it whom no other green space serves."""
    radius, smallest = bind(float(radius_m), "float8"), float(smallest_ha)
    where = {"status": "existing", area_ha: {"at_least": smallest}}
    return _within_reach(radius, f"""
        SELECT f.geom, {_number("f.properties", bind, residents)} AS residents
        FROM {parts(bind, population, None)} AND ST_DWithin(f.geom, s.geom, {radius})
            AND ST_Area(s.geom) >= {bind(smallest * 10_000, "float8")}
            AND NOT EXISTS (SELECT FROM {parts(bind, green, where, "e")} AND ST_DWithin(e.geom, f.geom, {radius}))
    """)  # fmt: skip


@evidence
def residents_served(bind: Binds, *, population: str, residents: str, radius_m: float) -> str:
    """The reach of the subject and the residents within it."""
    radius = bind(float(radius_m), "float8")
    return _within_reach(radius, f"""
        SELECT f.geom, {_number("f.properties", bind, residents)} AS residents
        FROM {parts(bind, population, None)} AND ST_DWithin(f.geom, s.geom, {radius})
    """)


@evidence
def corridor_blocked(bind: Binds, *, layer: str) -> str:
    """The part of the subject in each corridor, and the corridors."""
    met = f"{features(bind, layer, None)} AND ST_Intersects(f.geom, s.geom)"
    return f"""{_covered(bind, layer, None)}
        UNION ALL
        SELECT {_columns("'feature'", "f.geom")} FROM subject s JOIN LATERAL (SELECT f.* FROM {met}) f ON s.dim > 0"""
