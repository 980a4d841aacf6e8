"""The measures: each one function that writes the SQL of one number about one place.

A measure function returns a SELECT of rows (`id`, `answer` jsonb) about every row of `subject s`,
a relation with the columns of `SUBJECT_COLUMNS` (geometry in the storage CRS, metres; `size` in m²,
m or points). The same text answers for one drawn geometry (`subject` = one row) and for every
proposal (`subject` = an indexed table), so both paths give the same number. A measure that is cheap
about one place is a scalar subquery (`_of_each`); one that meets many pieces joins them, so that the
planner may go from the pieces to the proposals. Values are bound, never spliced.

The object a measure answers with:

- `value`: the number in the measure's unit, or one of its `values` (a word); absent when
  the fact is missing: the criterion is then *not assessed*;
- `low`, `high`: between what the value may lie if edges in the layer move by its `accuracy_m`
  (only for measures that gates use; absent = the value itself);
- `uncertain`: true for a word that would change if edges moved by `accuracy_m`;
- `limit`: the limit that holds for the feature met, where it differs by feature;
- `class`: a word that may cap a score, one of the measure's `classes`;
- `feature`, `name`: what it was measured against, where it is one thing;
- `layer`: the layer that told, for a measure that reads several (absent = the first).

This module builds text; it opens no connection. To add a measure see docs/criteria.md.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from masterplan.language import N_

#: What a measure may know of its subject `s`; `dim` is 0 point, 1 line, 2 polygon, `size` its m², m or points.
SUBJECT_COLUMNS = {
    "id": "bigint",
    "geom": "geometry",
    "dim": "integer",
    "size": "float8",
    "theme": "text",
    "author_kind": "text",
    "on_behalf_of": "text",
    "budget_lei": "float8",
    "attributes": "jsonb",
}
GEOMETRIES = ("point", "line", "polygon")
#: Public lines of UATs: proposals that a network may already count on.
UAT_LINES = "uat_line"

#: Shares at or above this count as wholly inside: what intersection arithmetic loses is under it.
_WHOLE_PERCENT = 99.999


class Binds:
    """Collects the values of one statement and hands out their placeholders."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self._names: dict[str, str] = {}

    def __call__(self, value: object, sql_type: str) -> str:
        known = f"{sql_type} {json.dumps(value, sort_keys=True)}"
        if known not in self._names:
            self._names[known] = name = f"b{len(self._names)}"
            self.values[name] = json.dumps(value) if sql_type == "jsonb" else value
        return f"CAST(:{self._names[known]} AS {sql_type})"


@dataclass(frozen=True)
class Measure:
    """What is known about a measure without running it.

    `sentence` explains a result to a person; its placeholders are `{value}`, `{limit}`,
    `{layer}`, `{feature}`. `minimum` and `maximum` bound the value: a gate outside them
    can never trip. `layers` names the parameters that hold layer ids, `attributes` those
    that hold an attribute of a layer (parameter → the parameter naming its layer). `outlined`
    measures read the outline of what their parameters `layer` and `where` keep.
    """

    name: str
    write: Callable[..., str]
    unit: str
    sentence: str
    geometries: tuple[str, ...] = GEOMETRIES
    values: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    minimum: float = -inf
    maximum: float = inf
    layers: tuple[str, ...] = ("layer",)
    attributes: Mapping[str, str] = field(default_factory=dict)
    gives_limit: bool = False
    outlined: bool = False

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters a criteria file may give, without the binds."""
        found = dict(inspect.signature(self.write).parameters)
        found.pop("bind")
        return found

    @property
    def description(self) -> str:
        return inspect.getdoc(self.write) or ""


MEASURES: dict[str, Measure] = {}


def measure(**facts) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register a function as a measure under its own name."""

    def register(write: Callable[..., str]) -> Callable[..., str]:
        MEASURES[write.__name__] = Measure(name=write.__name__, write=write, **facts)
        return write

    return register


# -- pieces of SQL that measures share -----------------------------------------------------


_COLUMNS = ("status", "feature_id", "name_ro", "name_en")
COMPARISONS = {"below": "<", "at_most": "<=", "at_least": ">=", "above": ">"}


def features(bind: Binds, layer: str, where: Mapping | None, alias: str = "f") -> str:
    """FROM … WHERE … of the current features of one layer that a filter keeps."""
    return f"masterplan.current_feature {alias} WHERE {_kept(bind, layer, where, alias)}"


def parts(bind: Binds, layer: str, where: Mapping | None, alias: str = "f") -> str:
    """The same of the small pieces that those features are cut into: quick to meet, same columns."""
    return f"masterplan.current_part {alias} WHERE {_kept(bind, layer, where, alias)}"


def pieces_meeting(bind: Binds, layer: str, where: Mapping | None, met: str) -> str:
    """FROM … WHERE … of those pieces `f` beside each subject `s` that they meet in the sense of `met`."""
    return f"masterplan.current_part f JOIN subject s ON {met} WHERE {_kept(bind, layer, where, 'f')}"


def _kept(bind: Binds, layer: str, where: Mapping | None, alias: str) -> str:
    conditions = [f"{alias}.layer_id = {bind(layer, 'text')}"]
    conditions += [_condition(bind, alias, name, wanted) for name, wanted in sorted((where or {}).items())]
    return " AND ".join(conditions)


def _condition(bind: Binds, alias: str, name: str, wanted: object) -> str:
    if isinstance(wanted, Mapping):
        number = _number(f"{alias}.properties", bind, name)
        return " AND ".join(
            f"{number} {COMPARISONS[word]} {bind(float(edge), 'float8')}" for word, edge in wanted.items()
        )
    options = wanted if isinstance(wanted, list) else [wanted]
    if name in _COLUMNS:
        return f"{alias}.{name} = ANY({bind(options, 'text[]')})"
    same = [f"{alias}.properties @> {bind({name: option}, 'jsonb')}" for option in options]
    return f"({' OR '.join(same)})"


def _number(source: str, bind: Binds, name: str) -> str:
    """A number held in a jsonb object, or NULL where there is none or no number."""
    key = bind(name, "text")
    return f"CASE WHEN jsonb_typeof({source} -> {key}) = 'number' THEN ({source} ->> {key})::float8 END"


def size(geometry: str, dim: str = "s.dim") -> str:
    """Area (m²), length (m) or number of points of a part of a subject of that dimension."""
    return (
        f"CASE {dim} WHEN 2 THEN ST_Area({geometry}) WHEN 1 THEN ST_Length({geometry})"
        f" ELSE ST_NPoints({geometry}) END"
    )


def once(geometry: str) -> str:
    """A subject in which no stretch counts twice: a line that goes there and back is noded, others are as drawn."""
    twice = f"ST_Dimension({geometry}) = 1 AND NOT ST_IsSimple({geometry})"
    return f"CASE WHEN {twice} THEN ST_UnaryUnion({geometry}) ELSE {geometry} END"


def _cut(geometry: str) -> str:
    """The part of the subject inside a geometry, in the subject's own dimension."""
    return f"ST_CollectionExtract(ST_Intersection(s.geom, {geometry}), s.dim + 1)"


def _part(geometry: str) -> str:
    """The size of the part of the subject inside a geometry; nothing is cut where all of it is."""
    return f"CASE WHEN ST_CoveredBy(s.geom, {geometry}) THEN s.size ELSE {size(_cut(geometry))} END"


def _answer(**members: str) -> str:
    pairs = ", ".join(f"'{name}', {expression}" for name, expression in members.items())
    return f"jsonb_strip_nulls(jsonb_build_object({pairs}))"


def _rounded(expression: str, decimals: int = 3) -> str:
    return f"round(({expression})::numeric, {decimals})"


def _of_each(answer: str) -> str:
    """The rows of a measure whose answer is a scalar subquery about `s`."""
    return f"SELECT s.id, {answer} AS answer FROM subject s"


def _shares(bind: Binds, layer: str, where: Mapping | None, members: str) -> str:
    """The rows of a measure whose answer is made of `r`: `value`, `low`, `high` in percent, `feature`, `name`.

    Read from the layer's outline (`proposals.outlines`): dissolved, with every edge as it is, moved in
    and moved out by `accuracy_m`, and each feature for itself. Its pieces do not overlap, so that parts
    add up. No row without the outline.
    """
    outline = f"""(SELECT id FROM masterplan.current_outline
        WHERE layer_id = {bind(layer, "text")} AND filter = {bind(dict(where or {}), "jsonb")})"""
    share = "coalesce(max(m.share) FILTER (WHERE m.edge = '{}'), 0)"
    most = "ORDER BY m.share DESC, m.feature_id) FILTER (WHERE m.edge = 'feature' AND m.share > 0))[1]"
    return f"""
        SELECT v.id, {members} AS answer
        FROM (
            SELECT m.id, {share.format("as_is")} AS value, {share.format("moved_in")} AS low,
                {share.format("moved_out")} AS high,
                (array_agg(m.feature_id {most} AS feature, (array_agg(m.name_ro {most} AS name
            FROM (
                SELECT s.id, NULL AS edge, NULL AS feature_id, NULL AS name_ro, NULL AS share FROM subject s
                UNION ALL
                SELECT s.id, p.edge, p.feature_id, p.name_ro, least(100, 100 * sum({_part("p.geom")}) / min(s.size))
                FROM subject s
                JOIN masterplan.outline_part p ON p.outline_id = {outline} AND ST_Intersects(p.geom, s.geom)
                GROUP BY s.id, p.edge, p.feature_id, p.name_ro
            ) m GROUP BY m.id
        ) v
        CROSS JOIN LATERAL (
            SELECT {_rounded("v.value")} AS value, {_rounded("least(v.low, v.value)")} AS low,
                {_rounded("greatest(v.high, v.value)")} AS high, v.feature, v.name
        ) r
        WHERE {outline} IS NOT NULL"""


# -- measures of place ---------------------------------------------------------------------


@measure(
    unit="%",
    minimum=0,
    maximum=100,
    sentence=N_("{value} % of the site lies in “{layer}”; the limit is {limit} %."),
    outlined=True,
)
def share_inside(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """Share of the subject inside the features of a layer, together, in percent.

    Area for polygons, length for lines, 0 or 100 for a point. None found: 0 %.
    Layer missing: not assessed. `feature` is the one that covers most.
    """
    members = _answer(
        value="r.value",
        low="nullif(r.low, r.value)",
        high="nullif(r.high, r.value)",
        feature="r.feature",
        name="r.name",
    )
    return _shares(bind, layer, where, members)


@measure(
    unit="",
    values=("inside", "straddles", "outside"),
    sentence=N_("Against “{layer}”, the site lies: {value}."),
    outlined=True,
)
def zone_membership(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """Whether the subject lies inside, outside, or straddles the edge of the features together.

    None found: outside. Layer missing: not assessed. Uncertain when the answer would change
    if the edge moved by the layer's `accuracy_m`.
    """
    word = f"CASE WHEN {{0}} >= {_WHOLE_PERCENT} THEN 'inside' WHEN {{0}} > 0 THEN 'straddles'"
    word += " ELSE 'outside' END"
    members = _answer(
        value=word.format("r.value"),
        uncertain=f"nullif(({word.format('r.low')}) IS DISTINCT FROM ({word.format('r.high')}), false)",
        feature="r.feature",
        name="r.name",
    )
    return _shares(bind, layer, where, members)


@measure(
    unit="m",
    gives_limit=True,
    attributes={"width_attribute": "layer"},
    sentence=N_("{value} m to “{feature}” ({layer}); the limit is {limit} m."),
)
def distance_to_nearest(
    bind: Binds,
    *,
    layer: str,
    where: Mapping | None = None,
    width_attribute: str | None = None,
    strips: Sequence[Sequence[float]] | None = None,
) -> str:
    """Distance in metres from the subject to the nearest feature of a layer; 0 when they touch.

    With `width_attribute` (metres) the distance is to the bank: half the width is taken off, so
    that inside the bed it is negative. With `strips` ([from width, strip], in metres, rising) the
    feature chosen is the one whose protection strip is reached first, and `limit` is that strip.
    None found: not assessed.
    """
    bounds = {"low": _rounded("n.distance - l.accuracy_m"), "high": _rounded("n.distance + l.accuracy_m")}
    members = _answer(
        value=_rounded("n.distance"), limit="n.strip", feature="n.feature_id", name="n.name_ro", **bounds
    )
    nearest = (
        _nearest_bank(bind, layer, where, width_attribute, strips)
        if width_attribute
        else f"""SELECT t.* FROM (
                SELECT f.feature_id, f.name_ro, f.geom <-> s.geom AS distance, NULL::float8 AS strip
                FROM {parts(bind, layer, where)} ORDER BY f.geom <-> s.geom FETCH FIRST ROW WITH TIES
            ) t ORDER BY t.feature_id LIMIT 1"""
    )
    return _of_each(f"""(SELECT {members} FROM masterplan.layer l CROSS JOIN LATERAL ({nearest}) n
        WHERE l.id = {bind(layer, "text")})""")


def _nearest_bank(
    bind: Binds,
    layer: str,
    where: Mapping | None,
    width_attribute: str,
    strips: Sequence[Sequence[float]] | None,
) -> str:
    """The feature whose bank, or strip, comes first: no farther than the nearest axis plus the widest bed."""
    half = f"coalesce({_number('f.properties', bind, width_attribute)}, 0) / 2"
    strip = "0::float8"
    if strips:
        steps = " ".join(
            f"WHEN 2 * ({half}) >= {bind(float(width), 'float8')} THEN {bind(float(metres), 'float8')}"
            for width, metres in reversed(strips)
        )
        strip = f"CASE {steps} ELSE 0 END"
    limit = "b.strip" if strips else "NULL::float8"
    widest = f"(SELECT max({half} + {strip}) FROM {features(bind, layer, where)})"
    return f"""
        SELECT b.feature_id, b.name_ro, b.distance, {limit} AS strip
        FROM (SELECT f.geom <-> s.geom AS axis
              FROM {parts(bind, layer, where)} ORDER BY f.geom <-> s.geom LIMIT 1) first
        CROSS JOIN LATERAL (
            SELECT f.feature_id, f.name_ro, {strip} AS strip, ST_Distance(f.geom, s.geom) - {half} AS distance
            FROM {parts(bind, layer, where)} AND f.geom && ST_Expand(s.geom, first.axis + {widest})
        ) b
        ORDER BY b.distance - b.strip, b.feature_id LIMIT 1"""


@measure(
    unit="",
    attributes={"attribute": "layer"},
    sentence=N_("The value found in “{layer}” is {value}; the limit is {limit}."),
)
def attribute_at(
    bind: Binds,
    *,
    layer: str,
    attribute: str,
    statistic: str = "mean",
    where: Mapping | None = None,
    outside: float | None = None,
    bounds: bool = False,
) -> str:
    """A numeric attribute of a polygon layer over the subject, in the attribute's own unit.

    `statistic` "mean" weighs by the area (length, for lines) of the subject that each feature
    covers and names a feature only where it is the only one; "max" takes the largest met. What no
    feature covers is left out of a mean, as is a feature that does not say the attribute. Nothing met
    gives `outside`; not assessed where `outside` is not given, or where all that is met does not say.
    With `bounds` (a gate always asks for them) `low` and `high` are the extremes within `accuracy_m`.
    """
    number = _number("f.properties", bind, attribute)
    value = {
        "mean": "coalesce(sum(m.number * m.part) / nullif(sum(m.part) FILTER (WHERE m.number IS NOT NULL), 0),"
        " avg(m.number) FILTER (WHERE m.touches))",
        "max": "max(m.number) FILTER (WHERE m.touches)",
    }[statistic]
    met = "ST_DWithin(f.geom, s.geom, l.accuracy_m)" if bounds else "ST_Intersects(f.geom, s.geom)"
    touches = "ST_Intersects(f.geom, s.geom)" if bounds else "true"
    part = f"CASE WHEN {touches} THEN {_part('f.geom')} ELSE 0 END" if statistic == "mean" else "NULL"
    telling = "FILTER (WHERE m.touches AND m.number IS NOT NULL)"
    most = f"ORDER BY m.number DESC, m.feature_id) {telling}"
    alone = f"count(DISTINCT m.feature_id) {telling} = 1" if statistic == "mean" else "true"
    fallback = "NULL::float8"
    if outside is not None:
        fallback = f"CASE WHEN NOT bool_or(m.touches) THEN {bind(float(outside), 'float8')} END"
    members = _answer(
        value=_rounded("r.value"),
        low=f"nullif({_rounded('least(r.value, r.low)')}, {_rounded('r.value')})",
        high=f"nullif({_rounded('greatest(r.value, r.high)')}, {_rounded('r.value')})",
        feature="r.feature",
        name="r.name",
    )
    return f"""
        SELECT r.id, {members} AS answer
        FROM (
            SELECT m.id, coalesce({value}, {fallback}) AS value, min(m.number) AS low, max(m.number) AS high,
                CASE WHEN {alone} THEN (array_agg(m.feature_id {most})[1] END AS feature,
                CASE WHEN {alone} THEN (array_agg(m.name_ro {most})[1] END AS name
            FROM (
                SELECT s.id, NULL AS feature_id, NULL AS name_ro, NULL::float8 AS number, false AS touches,
                    NULL::float8 AS part
                FROM subject s
                UNION ALL
                SELECT s.id, f.feature_id, f.name_ro, {number}, {touches}, {part}
                FROM masterplan.layer l JOIN masterplan.current_part f ON {_kept(bind, layer, where, "f")}
                JOIN subject s ON {met}
                WHERE l.id = {bind(layer, "text")}
            ) m GROUP BY m.id
        ) r
        WHERE EXISTS (SELECT FROM masterplan.layer WHERE id = {bind(layer, "text")})"""


@measure(
    unit="",
    minimum=0,
    sentence=N_("The site touches {value} places in “{layer}”; the limit is {limit}."),
)
def count_touching(bind: Binds, *, layer: str, where: Mapping | None = None) -> str:
    """Number of features of a layer that the subject touches.

    None found: 0. Layer missing: not assessed. `high` counts those within `accuracy_m`, `low`
    those entered by more than it (lines and points of the layer, with any accuracy, never).
    """
    eroded = "ST_Intersects(ST_Buffer(f.geom, -l.accuracy_m), s.geom)"
    deep = f"l.accuracy_m = 0 OR ST_Dimension(f.geom) = 2 AND {eroded}"
    members = _answer(
        value="c.value",
        low="nullif(c.low, c.value)",
        high="nullif(c.high, c.value)",
        feature="c.feature",
        name="c.name",
    )
    return _of_each(f"""(SELECT {members} FROM masterplan.layer l CROSS JOIN LATERAL (
            SELECT count(*) AS high, count(*) FILTER (WHERE m.touches) AS value,
                count(*) FILTER (WHERE m.deep) AS low,
                min(m.feature_id) FILTER (WHERE m.touches) AS feature,
                (array_agg(m.name_ro ORDER BY m.feature_id) FILTER (WHERE m.touches))[1] AS name
            FROM (
                SELECT f.feature_id, f.name_ro, t.touches, t.touches AND ({deep}) AS deep
                FROM masterplan.current_feature f
                CROSS JOIN LATERAL (SELECT ST_Intersects(f.geom, s.geom) AS touches OFFSET 0) t
                WHERE {_kept(bind, layer, where, "f")} AND ST_DWithin(f.geom, s.geom, l.accuracy_m)
            ) m
        ) c WHERE l.id = {bind(layer, "text")})""")


@measure(
    unit="m²",
    minimum=0,
    geometries=("polygon",),
    layers=(),
    sentence=N_("The site has {value} m²; the limit is {limit} m²."),
)
def area(bind: Binds) -> str:
    """Area of the subject in square metres, in the storage projection."""
    return _of_each(f"({'SELECT ' + _answer(value=_rounded('ST_Area(s.geom)'))})")


@measure(
    unit="m",
    minimum=0,
    geometries=("line",),
    layers=(),
    sentence=N_("The line is {value} m long; the limit is {limit} m."),
)
def length(bind: Binds) -> str:
    """Length of the subject in metres, in the storage projection."""
    return _of_each(f"({'SELECT ' + _answer(value=_rounded('ST_Length(s.geom)'))})")


# -- measures of the plan's own questions --------------------------------------------------


@measure(
    unit="",
    values=("underused", "intravilan", "adjoining", "isolated"),
    layers=("underused", "intravilan"),
    sentence=N_("The land is: {value}."),
)
def land_class(bind: Binds, *, underused: str, intravilan: str, adjoining_m: float) -> str:
    """What land the subject takes: the class that holds at least half of it, counting what overlaps once.

    "underused" before "intravilan"; else "adjoining" within `adjoining_m` metres of the
    intravilan; else "isolated". Either layer missing: not assessed.
    """
    within = {layer: _mostly_inside(parts(bind, layer, None)) for layer in (underused, intravilan)}
    near = f"ST_DWithin(f.geom, s.geom, {bind(float(adjoining_m), 'float8')})"
    word = f"""CASE WHEN {within[underused]} THEN 'underused' WHEN {within[intravilan]} THEN 'intravilan'
            WHEN EXISTS (SELECT FROM {parts(bind, intravilan, None)} AND {near}) THEN 'adjoining'
            ELSE 'isolated' END"""
    told_by = f"CASE c.word WHEN 'underused' THEN {bind(underused, 'text')} ELSE {bind(intravilan, 'text')} END"
    both = bind([underused, intravilan], "text[]")
    return _of_each(f"""(SELECT {_answer(value="c.word", layer=told_by)} FROM (SELECT {word} AS word OFFSET 0) c
        WHERE (SELECT count(*) FROM masterplan.layer WHERE id = ANY({both})) = 2)""")


def _mostly_inside(kept: str) -> str:
    """Whether at least half of the subject lies in these pieces; united only where features may overlap."""
    united = size("(SELECT ST_Union(c) FROM unnest(p.cuts) c)")
    return f"""(SELECT p.part >= s.size / 2 AND (p.of = 1 OR {united} >= s.size / 2)
            FROM (SELECT coalesce(sum({size("k.cut")}), 0) AS part, count(DISTINCT f.feature_id) AS of,
                      array_agg(k.cut) AS cuts
                  FROM (SELECT f.feature_id, f.geom FROM {kept} AND ST_Intersects(f.geom, s.geom) OFFSET 0) f
                  CROSS JOIN LATERAL (SELECT {_cut("f.geom")} AS cut OFFSET 0) k) p)"""


@measure(
    unit="%",
    minimum=0,
    maximum=100,
    classes=("fit", "misfit", "undeclared"),
    attributes={"uses": "layer"},
    sentence=N_("{value} % of the site lies in “{feature}” ({layer}); the limit is {limit} %."),
)
def strategic_fit(
    bind: Binds, *, layer: str, uses: str, declared_as: str, by_theme: Mapping[str, str]
) -> str:
    """Share of the subject, in percent, inside the zone that covers most of it, and whether its use fits.

    The use is the subject's attribute `declared_as`, or else what `by_theme` says of its theme.
    Class "fit" when the zone's list attribute `uses` holds it, "misfit" when not, "undeclared"
    when no use is known, of the subject or of the zone. None found: 0 %, without a class. Layer missing: not assessed.
    """
    use = (
        f"coalesce(s.attributes ->> {bind(declared_as, 'text')}, {bind(dict(by_theme), 'jsonb')} ->> s.theme)"
    )
    share = f"100 * ({size('k.cut')}) / s.size"
    unknown = f"{use} IS NULL OR z.uses IS NULL"
    fit = f"CASE WHEN {unknown} THEN 'undeclared' WHEN z.uses ? {use} THEN 'fit' ELSE 'misfit' END"
    members = _answer(
        value=_rounded("coalesce(z.share, 0)"),
        **{"class": f"CASE WHEN z.share > 0 THEN {fit} END"},
        feature="z.feature_id",
        name="z.name_ro",
    )
    return _of_each(f"""(SELECT {members} FROM masterplan.layer l LEFT JOIN LATERAL (
            SELECT f.feature_id, f.name_ro, f.properties -> {bind(uses, "text")} AS uses, {share} AS share
            FROM masterplan.current_feature f CROSS JOIN LATERAL (SELECT {_cut("f.geom")} AS cut OFFSET 0) k
            WHERE {_kept(bind, layer, None, "f")} AND ST_Intersects(f.geom, s.geom)
            ORDER BY share DESC, f.feature_id LIMIT 1
        ) z ON true WHERE l.id = {bind(layer, "text")})""")


@measure(
    unit="%",
    minimum=0,
    maximum=100,
    geometries=("line",),
    layers=("network", "prospective"),
    sentence=N_("{value} % of the line's ends meet the network; nearest: “{feature}”."),
)
def network_continuity(bind: Binds, *, network: Sequence[str], prospective: str, tolerance_m: float) -> str:
    """Share of a line's ends, in percent, that meet the network within `tolerance_m` metres.

    The network is the features of the layers `network`, of the layer `prospective`, and public
    mobility lines proposed by another UAT. A closed line has no ends: 100 when it meets the
    network anywhere, else 0. `feature` is the prospective radial it serves (met anywhere along
    the line), else a feature an end meets. Layers missing: not assessed.
    """
    layers = bind([*network, prospective], "text[]")
    tolerance = bind(float(tolerance_m), "float8")
    met = f"""FROM unnest({layers}) AS n(id) JOIN masterplan.current_part f
                ON f.layer_id = n.id AND ST_DWithin(f.geom, e.geom, {tolerance})"""
    others = f"""FROM {UAT_LINES} u WHERE u.id <> s.id AND u.uat IS DISTINCT FROM s.on_behalf_of
                AND ST_DWithin(u.geom, e.geom, {tolerance})"""
    members = _answer(
        value=_rounded("100.0 * j.joined / nullif(j.ends, 0)"),
        feature="coalesce(p.feature_id, j.feature)",
        name="coalesce(p.name_ro, j.name)",
        layer=f"CASE WHEN p.feature_id IS NOT NULL THEN {bind(prospective, 'text')} ELSE j.layer END",
    )
    return _of_each(f"""(SELECT {members} FROM (
            SELECT count(*) AS ends, count(*) FILTER (WHERE x.joined) AS joined,
                min(x.met[1]) AS feature, (array_agg(x.met[2] ORDER BY x.met[1]))[1] AS name,
                (array_agg(x.met[3] ORDER BY x.met[1]))[1] AS layer
            FROM (SELECT m.met, m.met IS NOT NULL OR EXISTS (SELECT {others}) AS joined
                  FROM (SELECT ST_LineMerge(s.geom) AS line) w
                  CROSS JOIN LATERAL ST_Dump(CASE WHEN ST_IsEmpty(ST_Boundary(w.line)) THEN w.line
                      ELSE ST_Boundary(w.line) END) e
                  LEFT JOIN LATERAL (SELECT ARRAY[f.feature_id, f.name_ro, f.layer_id] AS met {met}
                      ORDER BY f.feature_id LIMIT 1) m ON true) x
        ) j LEFT JOIN LATERAL (
            SELECT f.feature_id, f.name_ro
            FROM {parts(bind, prospective, None)} AND ST_DWithin(f.geom, s.geom, {tolerance})
            ORDER BY f.feature_id LIMIT 1
        ) p ON true
        WHERE EXISTS (SELECT FROM masterplan.layer WHERE id = ANY({layers})))""")


@measure(
    unit=N_("residents"),
    minimum=0,
    geometries=("polygon",),
    layers=("population", "green"),
    attributes={"residents": "population", "area_ha": "green"},
    sentence=N_("{value} residents come newly within reach of green space."),
)
def residents_gaining_green(
    bind: Binds,
    *,
    population: str,
    residents: str,
    green: str,
    area_ha: str,
    radius_m: float,
    smallest_ha: float,
) -> str:
    """Residents newly within `radius_m` metres of at least `smallest_ha` of green, if the subject is green.

    Counts population points within the radius of the subject that no *existing* green space of that
    size already serves. A subject under the size, or nobody near: 0. Layers missing: not assessed.
    """
    radius, smallest = bind(float(radius_m), "float8"), float(smallest_ha)
    where = {"status": "existing", area_ha: {"at_least": smallest}}
    members = _answer(value=_rounded("coalesce(sum(g.residents), 0)", 0))
    both = bind([population, green], "text[]")
    return _of_each(f"""(SELECT {members} FROM (
            SELECT {_number("f.properties", bind, residents)} AS residents
            FROM {parts(bind, population, None)} AND ST_DWithin(f.geom, s.geom, {radius})
                AND ST_Area(s.geom) >= {bind(smallest * 10_000, "float8")}
                AND NOT EXISTS (SELECT FROM {parts(bind, green, where, "e")}
                                AND ST_DWithin(e.geom, f.geom, {radius}))
        ) g HAVING (SELECT count(*) FROM masterplan.layer WHERE id = ANY({both})) = 2)""")


@measure(
    unit="%",
    minimum=0,
    layers=("population", "uat"),
    attributes={"residents": "population", "total": "uat"},
    sentence=N_("The residents near the site are {value} % of those of “{feature}”."),
)
def residents_served(
    bind: Binds, *, population: str, residents: str, uat: str, total: str, radius_m: float
) -> str:
    """Residents within `radius_m` metres of the subject, in percent of the population of its UAT.

    Its UAT is the one that holds most of it. Nobody near: 0. In no UAT, or a layer
    missing: not assessed.
    """
    near = f"ST_DWithin(f.geom, s.geom, {bind(float(radius_m), 'float8')})"
    most = "ORDER BY m.part DESC, m.feature_id) FILTER (WHERE m.feature_id IS NOT NULL))[1]"
    members = _answer(
        value=_rounded("100 * coalesce(r.residents, 0) / nullif(r.total, 0)"), feature="r.feature", name="r.name"
    )
    return f"""
        SELECT r.id, {members} AS answer
        FROM (
            SELECT m.id, sum(m.residents) AS residents, (array_agg(m.total {most} AS total,
                (array_agg(m.feature_id {most} AS feature, (array_agg(m.name_ro {most} AS name
            FROM (
                SELECT s.id, f.feature_id, f.name_ro, sum({_part("f.geom")}) AS part,
                    max({_number("f.properties", bind, total)}) AS total, NULL::float8 AS residents
                FROM {pieces_meeting(bind, uat, None, "ST_Intersects(f.geom, s.geom)")}
                GROUP BY s.id, f.feature_id, f.name_ro
                UNION ALL
                SELECT s.id, NULL, NULL, NULL, NULL, {_number("f.properties", bind, residents)}
                FROM {pieces_meeting(bind, population, None, near)}
            ) m GROUP BY m.id
        ) r
        WHERE r.feature IS NOT NULL
            AND EXISTS (SELECT FROM masterplan.layer WHERE id = {bind(population, "text")})"""


@measure(
    unit="%",
    minimum=0,
    maximum=100,
    geometries=("polygon",),
    attributes={"width_attribute": "layer", "direction_attribute": "layer"},
    sentence=N_("The site blocks {value} % of the width of “{feature}” ({layer})."),
)
def corridor_blocked(bind: Binds, *, layer: str, width_attribute: str, direction_attribute: str) -> str:
    """Share of a corridor's width, in percent, that the subject blocks across the corridor's direction.

    What of the width lies behind the subject's parts in the corridor, seen along its direction (degrees
    clockwise from grid north), is divided by the width (metres); gaps let through. The worst corridor
    counts. None found: 0 %. Layer missing, or a corridor met that says no width or direction: not assessed.
    """
    turned = f"ST_Rotate(k.cut, radians({_number('f.properties', bind, direction_attribute)}))"
    width = f"nullif({_number('f.properties', bind, width_attribute)}, 0)"
    worst = "CASE WHEN c.feature_id IS NULL THEN 0 WHEN c.share > 100 THEN 100 ELSE c.share END"
    members = _answer(value=_rounded(worst), feature="c.feature_id", name="c.name_ro")
    return _of_each(f"""(SELECT {members} FROM masterplan.layer l LEFT JOIN LATERAL (
            SELECT f.feature_id, f.name_ro, 100 * b.metres::float8 / {width} AS share
            FROM masterplan.current_feature f CROSS JOIN LATERAL (SELECT {_cut("f.geom")} AS cut OFFSET 0) k
            CROSS JOIN LATERAL (SELECT {turned} AS g OFFSET 0) t
            CROSS JOIN LATERAL (
                SELECT sum(upper(r) - lower(r)) AS metres FROM unnest((
                    SELECT range_agg(numrange(ST_XMin(d.geom)::numeric, ST_XMax(d.geom)::numeric, '[]'))
                    FROM ST_Dump(t.g) d
                )) AS r
            ) b
            WHERE {_kept(bind, layer, None, "f")} AND ST_Intersects(f.geom, s.geom) AND NOT ST_IsEmpty(k.cut)
            ORDER BY share DESC NULLS FIRST, f.feature_id LIMIT 1
        ) c ON true WHERE l.id = {bind(layer, "text")})""")


# -- what the submitter declares -----------------------------------------------------------


@measure(
    unit="", layers=(), classes=("declared", "calculation", "verified"), sentence=N_("Declared: {value}.")
)
def declared(bind: Binds, *, attribute: str, proof_attribute: str | None = None) -> str:
    """A number that the submitter declares, in the criterion's unit. Nothing declared: not assessed.

    With `proof_attribute` the class is what stands behind it: "declared" (nothing more),
    "calculation" or "verified".
    """
    members = {"value": _number("s.attributes", bind, attribute)}
    if proof_attribute:
        proof = f"s.attributes ->> {bind(proof_attribute, 'text')}"
        members["class"] = (
            f"CASE WHEN {proof} IN ('calculation', 'verified') THEN {proof} ELSE 'declared' END"
        )
    return _of_each(f"(SELECT {_answer(**members)})")


@measure(unit="", layers=(), sentence=N_("By what is declared: {value}."))
def declared_ratio(bind: Binds, *, numerator: str, denominator: str) -> str:
    """One declared number divided by another, in the criterion's unit.

    Either one missing, or a zero divisor: not assessed.
    """
    above, below = (_number("s.attributes", bind, name) for name in (numerator, denominator))
    return _of_each(f"(SELECT {_answer(value=_rounded(f'({above}) / nullif({below}, 0)'))})")


@measure(
    unit="",
    values=("not_required", "attached", "missing"),
    layers=(),
    sentence=N_("The document asked for is: {value}."),
)
def document_attached(
    bind: Binds, *, attribute: str, author_kinds: Sequence[str], from_m2: float, from_lei: float
) -> str:
    """Whether a document asked of larger projects is there, as the submitter declares.

    Asked of these kinds of author when the subject has at least `from_m2` square metres or costs
    at least `from_lei` lei; "attached" when the attribute is true.
    """
    asked = f"""s.author_kind = ANY({bind(list(author_kinds), "text[]")})
        AND (ST_Area(s.geom) >= {bind(float(from_m2), "float8")}
            OR coalesce(s.budget_lei >= {bind(float(from_lei), "float8")}, false))"""
    there = f"s.attributes @> {bind({attribute: True}, 'jsonb')}"
    word = (
        f"CASE WHEN ({asked}) IS NOT TRUE THEN 'not_required' WHEN {there} THEN 'attached' ELSE 'missing' END"
    )
    return _of_each(f"(SELECT {_answer(value=word)})")
