"""The criteria in force, published: what is asked, why, how it is measured and what it weighs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import log
from typing import Any

import streamlit as st
from sqlalchemy import text

from layers.catalogue import Attribute, catalogue
from layers.here import attribute_words
from layers.symbology import symbologies
from masterplan.database import transaction
from masterplan.formats import day, number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from proposals.criteria import (
    THEMES,
    VERDICTS,
    CriteriaSet,
    Criterion,
    Gate,
    Judged,
    MeasureSpec,
    Scored,
    group_weights,
)
from proposals.criteria_store import in_force
from proposals.measures import COMPARISONS, GEOMETRIES
from proposals.pages.form import THEME_NAMES
from proposals.pages.result import (
    MEASURED_WORDS,
    RECOMMENDATION_BADGES,
    SET_STATUS_NAMES,
    VERDICT_BADGES,
    badge,
    layer_name,
    measured,
)

GEOMETRY_NAMES = {"point": N_("point"), "line": N_("line"), "polygon": N_("area")}
#: What each measure measures, in words; a test compares the keys with `proposals.measures`.
MEASURE_NAMES = {
    "share_inside": N_("share of the site inside the layer: of its area or length; for a point 0 or 100 %"),
    "zone_membership": N_("whether the site lies inside, outside or across the edge"),
    "distance_to_nearest": N_("distance in metres to the nearest feature of the layer"),
    "attribute_at": N_("the layer's value at the site"),
    "count_touching": N_("how many features of the layer the site touches"),
    "area": N_("area of the site, in square metres"),
    "length": N_("length of the line, in metres"),
    "land_class": N_("whether the land is underused, inside the intravilan, adjoining it or apart from it"),
    "strategic_fit": N_("share of the site inside its strategic zone, and whether its use fits the recommended mix"),
    "network_continuity": N_("share of the line's ends that join the network or another UAT's line"),
    "residents_gaining_green": N_("residents who come newly within reach of green space"),
    "residents_served": N_("residents near the site, in percent of the population of its UAT"),
    "corridor_blocked": N_("share of the corridor's width that the site blocks"),
    "declared": N_("a figure declared by who submits"),
    "declared_ratio": N_("a ratio of two figures declared by who submits"),
    "document_attached": N_("whether the document is attached, where one is asked for"),
}
STATISTIC_NAMES = {"mean": N_("mean over the site"), "max": N_("the largest value met")}
OPERATOR_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}

_ABOUT_SET = text(
    "SELECT source_toml, coalesce(published_at, loaded_at) AS since FROM masterplan.criteria_set"
    " WHERE version = :version"
)


def show(view: View) -> None:
    st.title(view(N_("Criteria")), anchor=False)
    with transaction(view.actor) as connection:
        criteria = in_force(connection)
        about = connection.execute(_ABOUT_SET, {"version": criteria.version}).one()
    _head(view, criteria, about)
    _decision_rule(view, criteria)
    theme = _theme(view)
    _gates(view, criteria, theme)
    _scored(view, criteria, theme)


# -- the set as a whole --------------------------------------------------------------------


def _head(view: View, criteria: CriteriaSet, about: Any) -> None:
    words, button = st.columns([4, 1], vertical_alignment="center")
    status = view(SET_STATUS_NAMES[criteria.status])
    words.markdown(
        f":blue-badge[{plain(status)}] **{plain(criteria.title[view.language])}**"
        f" · {plain(view(N_('in force since {day}'), day=day(about.since, view.language)))}"
    )
    words.markdown(plain(criteria.note[view.language]))
    button.download_button(
        view(N_("The set as a file (TOML)")), about.source_toml, file_name=f"{criteria.version}.toml",
        mime="application/toml", icon=":material/download:", on_click="ignore", width="stretch",
    )  # fmt: skip


def _decision_rule(view: View, criteria: CriteriaSet) -> None:
    rule = criteria.decision
    recommended, debate = (number(bound, 0, view.language) for bound in (rule.recommended, rule.debate))
    st.header(view(N_("Decision rule")), anchor=False)
    conditions = {
        "integrate": view(N_("all gates passed and at least {points} points"), points=recommended),
        "debate": view(N_("{low} to {high} points, or a gate that needs a person"), low=debate, high=recommended),
        "reject": view(N_("under {points} points, or a failed gate"), points=debate),
    }
    for column, (key, condition) in zip(st.columns(3), conditions.items(), strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(badge(view, RECOMMENDATION_BADGES, key))
            st.markdown(plain(condition))
    st.caption(plain(rule.text[view.language]))


def _theme(view: View) -> str | None:
    return st.selectbox(
        view(N_("Show what is asked of the theme")), THEMES, index=None, key="criteria_theme", width=420,
        format_func=lambda theme: view(THEME_NAMES[theme]), placeholder=view(N_("all themes")),
    )  # fmt: skip


def _gates(view: View, criteria: CriteriaSet, theme: str | None) -> None:
    gates = [gate for gate in criteria.gates if theme is None or theme in gate.themes]
    st.header(view(N_("Gates: {count}"), count=len(gates)), anchor=False)
    st.caption(view(N_(
        "A gate is a condition: pass, fail, or a person has to look. It never mixes with the points. Measured on an"
        " indicative layer a gate never fails: it asks for a person."
    )))  # fmt: skip
    with st.container(gap="xsmall"):
        for gate in gates:
            with st.expander(f"{plain(gate.question[view.language])}{_about_layers(view, gate)}"):
                _about_gate(view, gate)


def _scored(view: View, criteria: CriteriaSet, theme: str | None) -> None:
    asked = [criterion for criterion in criteria.weighted if theme is None or theme in criterion.themes]
    st.header(view(N_("Scored criteria: {count}"), count=len(asked)), anchor=False)
    st.caption(view(N_(
        "Each gives 0 to 100 points; the total is their weighted mean. What a criterion weighs depends on what else"
        " is asked of the theme and of a point, a line or an area. No group carries more than {percent} % of the"
        " weight."
    ), percent=number(criteria.largest_group_percent, 0, view.language)))  # fmt: skip
    for group, name in criteria.groups.items():
        members = [criterion for criterion in asked if criterion.group == group]
        if not members:
            continue
        share = _percents(view, _group_shares(criteria, group, theme))
        st.subheader(f"{plain(name[view.language])} :gray[· {plain(share)}]", anchor=False)
        with st.container(gap="xsmall"):
            for criterion in members:
                weight = _percents(view, _shares(criteria, criterion, theme))
                with st.expander(f"{plain(criterion.question[view.language])} :gray[· {plain(weight)}]"):
                    _about_scored(view, criterion)


def _about_layers(view: View, gate: Gate) -> str:
    """The layers that a gate looks at, beside its question."""
    names = ", ".join(layer_name(view, layer) for layer in gate.spec.layers)
    return f" :gray[· {plain(names)}]" if names else ""


def _asked_of(theme: str | None) -> Iterator[tuple[str, str]]:
    return product(THEMES if theme is None else (theme,), GEOMETRIES)


def _shares(criteria: CriteriaSet, criterion: Scored | Judged, theme: str | None) -> list[float]:
    """The criterion's percent of the weight in every case that asks it, when all is assessed."""
    return [
        100 * criterion.weight / sum(group_weights(criteria, *case).values())
        for case in _asked_of(theme)
        if case[0] in criterion.themes and case[1] in criterion.geometries
    ]


def _group_shares(criteria: CriteriaSet, group: str, theme: str | None) -> list[float]:
    cases = (group_weights(criteria, *case) for case in _asked_of(theme))
    return [100 * weights[group] / sum(weights.values()) for weights in cases if group in weights]


def _percents(view: View, percents: list[float]) -> str:
    """`12 %` or `12–20 %` of the weight."""
    bounds = dict.fromkeys(number(bound, 0, view.language) for bound in (min(percents), max(percents)))
    return view(N_("{percent} % of the weight"), percent="–".join(bounds))


# -- one criterion -------------------------------------------------------------------------


def _about_gate(view: View, gate: Gate) -> None:
    words, facts = st.columns([3, 2], gap="large")
    with words.container(gap="xsmall"):
        _why(view, gate)
        _fact(view, N_("What you can do"), gate.remedy[view.language])
        if gate.institution:
            _fact(view, N_("Whom to ask"), gate.institution[view.language])
        _applies(view, gate)
    with facts.container(gap="xsmall"):
        _measure(view, gate.spec)
        st.markdown(f"**{view(N_('Rule'))}**")
        for line in _rule(view, gate):
            st.markdown(line)


def _about_scored(view: View, criterion: Scored | Judged) -> None:
    words, facts = st.columns([3, 2], gap="large")
    with words.container(gap="xsmall"):
        _why(view, criterion)
        _applies(view, criterion)
    with facts.container(gap="xsmall"):
        if isinstance(criterion, Judged):
            _fact(view, N_("What is measured"), view(N_("nothing: a planner judges")))
            _fact(view, N_("Scale"), criterion.scale[view.language])
        else:
            _measure(view, criterion.spec)
            _value_function(view, criterion)


def _why(view: View, criterion: Criterion) -> None:
    st.markdown(plain(criterion.rationale[view.language]))
    _fact(view, N_("Example"), criterion.example[view.language])


def _applies(view: View, criterion: Criterion) -> None:
    themes = [view(THEME_NAMES[theme]) for theme in THEMES if theme in criterion.themes]
    everything = len(themes) == len(THEMES)
    _fact(view, N_("Themes"), view(N_("all themes")) if everything else " · ".join(themes))
    if len(criterion.geometries) < len(GEOMETRIES):
        shapes = [view(GEOMETRY_NAMES[shape]) for shape in GEOMETRIES if shape in criterion.geometries]
        _fact(view, N_("Asked of"), " · ".join(shapes))
    _fact(view, N_("Law or source"), criterion.source)


def _fact(view: View, label: str, value: str) -> None:
    st.markdown(f"**{view(label)}:** {plain(value)}")


def _measure(view: View, spec: MeasureSpec) -> None:
    _fact(view, N_("What is measured"), view(MEASURE_NAMES[spec.function]))
    if "statistic" in spec.parameters:
        _fact(view, N_("Taken as"), view(STATISTIC_NAMES[spec.parameters["statistic"]]))
    for layer in spec.layers:
        _fact(view, N_("Layer"), f"{layer_name(view, layer)} ({_standing(view, layer)})")
    if spec.parameters.get("where"):
        _fact(view, N_("Only where"), "; ".join(_conditions(view, spec)))


def _standing(view: View, layer_id: str) -> str:
    indicative = {layer.id: layer.indicative for layer in catalogue().layers}
    if layer_id not in indicative:
        return view(N_("not loaded"))
    return view(N_("indicative") if indicative[layer_id] else N_("official"))


def _conditions(view: View, spec: MeasureSpec) -> Iterator[str]:
    """The filter of a measure in words: `Probabilitate: 10 %`."""
    known = {a.name: a for layer in catalogue().layers if layer.id == spec.layer for a in layer.attributes}
    for name, wanted in spec.parameters["where"].items():
        signs = [("", option) for option in (wanted if isinstance(wanted, list) else [wanted])]
        if isinstance(wanted, Mapping):
            signs = [(f"{OPERATOR_SIGNS[COMPARISONS[sign]]} ", bound) for sign, bound in wanted.items()]
        if name in known:
            label, words = getattr(known[name], f"name_{view.language}"), _words_of(view, spec.layer, known[name])
        else:
            label, words = view(N_("status")) if name == "status" else name, lambda option: view(str(option))
        yield f"{label}: {' / '.join(sign + words(option) for sign, option in signs)}"


def _words_of(view: View, layer_id: str | None, attribute: Attribute) -> Callable[[Any], str]:
    """How a value of the attribute reads: as the legend calls it, else formatted."""
    symbology = symbologies().get(layer_id)
    drawn = symbology.categories if symbology and symbology.attribute == attribute.name else ()
    legend = {category["value"]: category[view.language] for category in drawn}
    return lambda option: legend.get(option) or attribute_words(attribute, option, view.language)


def _rule(view: View, gate: Gate) -> Iterator[str]:
    """When the gate passes and what it says otherwise, a line each."""
    if gate.words:
        for word, verdict in sorted(gate.words.items(), key=lambda pair: VERDICTS.index(pair[1])):
            yield f"{badge(view, VERDICT_BADGES, verdict)} {plain(view(MEASURED_WORDS[word]))}"
        return
    sign = OPERATOR_SIGNS[gate.operator]
    if gate.threshold is None:
        yield f"{badge(view, VERDICT_BADGES, 'pass')} {sign} {plain(view(N_('the strip of the watercourse met')))}"
        for width, strip in gate.spec.parameters.get("strips", ()):
            yield plain(view(N_("from {width} wide: {strip}"), width=measured(view, round(width, 1), "m"),
                             strip=measured(view, strip, "m")))  # fmt: skip
    else:
        limits: dict[float, list[str]] = {}
        for shape in GEOMETRIES:
            if shape in gate.geometries:
                limits.setdefault(gate.threshold[shape], []).append(view(GEOMETRY_NAMES[shape]))
        for limit, shapes in limits.items():
            of_shapes = f" ({', '.join(shapes)})" if len(limits) > 1 else ""
            yield (
                f"{badge(view, VERDICT_BADGES, 'pass')}"
                f" {sign} {plain(measured(view, limit, gate.unit) + of_shapes)}"
            )
    yield f"{badge(view, VERDICT_BADGES, gate.otherwise)} {plain(view(N_('otherwise')))}"


def _value_function(view: View, criterion: Scored) -> None:
    """The value function as a table and, where it has points, as a curve."""
    function = criterion.value_function
    st.markdown(f"**{view(N_('Value function'))}**")
    categories = sorted(function.categories.items(), key=lambda pair: -pair[1])
    pairs = categories or function.points
    rows = [(plain(measured(view, value, criterion.unit)), number(score, 0, view.language)) for value, score in pairs]
    st.table({view(N_("Measured")): [value for value, _ in rows], view(N_("Score")): [score for _, score in rows]},
             border="horizontal")  # fmt: skip
    if function.points:
        st.image(_curve(function.points, function.scale), width=260, alt="")
        between = N_("Between the values in proportion to the logarithm; beyond them, flat.")
        if function.scale == "linear":
            between = N_("Between the values in proportion; beyond them, flat.")
        st.caption(view(between))
    for name, cap in function.caps.items():
        if cap < 100:
            st.caption(plain(view(N_("At most {cap} points: {class}."), cap=number(cap, 0, view.language),
                                  **{"class": view(MEASURED_WORDS[name])})))  # fmt: skip


#: The drawing of a value function, in its own units: room for the line, and around it.
_CURVE_WIDTH, _CURVE_HEIGHT, _CURVE_MARGIN = 260, 90, 8


def _curve(points: tuple[tuple[float, float], ...], scale: str) -> str:
    """A value function as an SVG line from 0 (bottom) to 100 (top); made of our own numbers alone."""
    along = [log(x) if scale == "log" else x for x, _ in points]
    start, span = along[0], along[-1] - along[0]
    margin = span * 0.08
    positions = [(start - margin, points[0][1]), *zip(along, (y for _, y in points), strict=True),
                 (along[-1] + margin, points[-1][1])]  # fmt: skip
    width, height = _CURVE_WIDTH - 2 * _CURVE_MARGIN, _CURVE_HEIGHT - 2 * _CURVE_MARGIN
    drawn = [
        (_CURVE_MARGIN + (x - start + margin) / (span + 2 * margin) * width, _CURVE_MARGIN + (1 - y / 100) * height)
        for x, y in positions
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#0f5c5c"/>' for x, y in drawn[1:-1])
    floor = _CURVE_HEIGHT - _CURVE_MARGIN
    frame = "".join(
        f'<line x1="0" y1="{y}" x2="{_CURVE_WIDTH}" y2="{y}" stroke="#d5d1c5" stroke-width="1"/>'
        for y in (_CURVE_MARGIN, floor)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_CURVE_WIDTH} {_CURVE_HEIGHT}"'
        f' width="{_CURVE_WIDTH}" height="{_CURVE_HEIGHT}">{frame}'
        f'<polyline points="{line}" fill="none" stroke="#0f5c5c" stroke-width="2"/>{dots}</svg>'
    )


run_page(show)
