"""What if: one number of the criteria in force changed, and everything that would flip, before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from math import inf, isfinite

import numpy as np
import streamlit as st

from masterplan.database import transaction
from masterplan.formats import number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from proposals import replay_data
from proposals.criteria import CriteriaSet, Gate, Judged, Scored
from proposals.criteria_store import in_force
from proposals.measures import GEOMETRIES
from proposals.pages import ranks
from proposals.pages.form import THEME_NAMES
from proposals.pages.result import RECOMMENDATION_BADGES, VERDICT_BADGES, measured
from proposals.replaying import (
    NOT_ASKED_WORD,
    Everything,
    Flips,
    flips,
    standing_under,
    with_point,
    with_threshold,
    with_weight,
)

#: So many flips of each kind are shown; the command gives all.
_SHOWN_ROWS = 200
_MOST_WEIGHT, _STEP = 60.0, 0.5


@dataclass(frozen=True)
class _Choice:
    """A number that can be changed: of a criterion its weight, its threshold, or one point's score."""

    what: str
    position: int = 0


def show(view: View) -> None:
    st.title(view(N_("Criteria: what if")), anchor=False)
    if not view.actor.is_staff:
        st.info(view(N_("Here planners try other weights, thresholds and value points. It changes nothing.")),
                icon=":material/lock:")  # fmt: skip
        return
    with transaction(view.actor) as connection:
        criteria = in_force(connection)
        everything = replay_data.load(connection).everything
    st.markdown(view(N_("Change one number of the criteria in force and see what would flip. Nothing is stored.")))
    if not len(everything):
        st.info(view(N_("Nothing is measured yet: there is nothing to replay.")))
        return
    changed = _changed(view, criteria)
    told = flips(everything, standing_under(everything, criteria), standing_under(everything, changed))
    _counts(view, told, everything)
    _lists(view, told, criteria)
    ranks.show(view, everything, changed)


# -- what is changed -----------------------------------------------------------------------


def _changed(view: View, criteria: CriteriaSet) -> CriteriaSet:
    """The set with the number that the slider says."""
    possible = [c for c in (*criteria.weighted, *criteria.gates) if _choices(c)]
    left, right = st.columns(2)
    criterion = left.selectbox(
        view(N_("Criterion")), possible, key="replay_criterion",
        format_func=lambda c: c.question[view.language],
    )  # fmt: skip
    choice = right.selectbox(
        view(N_("Number to change")), _choices(criterion), key=f"replay_{criterion.key}_number",
        format_func=lambda choice: _named(view, criterion, choice),
    )  # fmt: skip
    now, low, high = _range(criterion, choice)
    value = st.slider(
        _named(view, criterion, choice), low, high, now, step=_STEP, format="%.1f",
        key=f"replay_{criterion.key}_{choice.what}_{choice.position}",
    )  # fmt: skip
    st.caption(view(N_("In the set in force it is {value}."), value=_now(view, criterion, choice, now)))
    if choice.what == "weight":
        return with_weight(criteria, criterion.key, value)
    if choice.what == "threshold":
        return with_threshold(criteria, criterion.key, value, [GEOMETRIES[choice.position]])
    at, _ = criterion.value_function.points[choice.position]
    return with_point(criteria, criterion.key, choice.position, at, value)


def _now(view: View, criterion: Gate | Scored | Judged, choice: _Choice, now: float) -> str:
    return measured(view, now, criterion.unit) if choice.what == "threshold" else number(now, 1, view.language)


def _choices(criterion: Gate | Scored | Judged) -> list[_Choice]:
    if isinstance(criterion, Gate):
        limits = criterion.threshold or {}
        return [_Choice("threshold", n) for n, name in enumerate(GEOMETRIES)
                if name in limits and name in criterion.geometries]  # fmt: skip
    points = criterion.value_function.points if isinstance(criterion, Scored) else ()
    return [_Choice("weight"), *(_Choice("point", position) for position in range(len(points)))]


_SHAPES = {"point": N_("threshold for points"), "line": N_("threshold for lines"), "polygon": N_("threshold for areas")}


def _named(view: View, criterion: Gate | Scored | Judged, choice: _Choice) -> str:
    if choice.what == "weight":
        return view(N_("weight"))
    if choice.what == "threshold":
        return view(_SHAPES[GEOMETRIES[choice.position]])
    at, _ = criterion.value_function.points[choice.position]
    return view(N_("score at {value}"), value=measured(view, at, criterion.unit))


def _range(criterion: Gate | Scored | Judged, choice: _Choice) -> tuple[float, float, float]:
    """The number now, and the least and the largest that the slider offers."""
    if choice.what == "weight":
        return criterion.weight, 0.5, max(_MOST_WEIGHT, 2 * criterion.weight)
    if choice.what == "point":
        return criterion.value_function.points[choice.position][1], 0.0, 100.0
    now, measure = criterion.threshold[GEOMETRIES[choice.position]], criterion.spec.measure
    reach = max(100.0, 4 * abs(now))
    low = measure.minimum if isfinite(measure.minimum) else -inf
    return now, float(max(low, now - reach)), float(min(measure.maximum, now + reach))


# -- what flips ----------------------------------------------------------------------------


def _counts(view: View, told: Flips, everything: Everything) -> None:
    st.caption(view(N_("Applied to {count} measured submissions, without measuring again."),
                    count=number(len(everything), 0, view.language)))  # fmt: skip
    figures = {
        N_("Scores moved"): len(told.moved), N_("Gates flipped"): told.gate_count,
        N_("Recommendations flipped"): len(told.recommendations), N_("Ranks flipped"): len(told.ranks),
    }  # fmt: skip
    for column, (name, count) in zip(st.columns(4), figures.items(), strict=True):
        column.metric(view(name), number(count, 0, view.language))
    shift = told.shift[~np.isnan(told.shift)]
    if len(shift):
        st.caption(view(
            N_("{up} scores rise, {down} fall; the largest change is {most} points."),
            up=number(int((shift > 0).sum()), 0, view.language),
            down=number(int((shift < 0).sum()), 0, view.language),
            most=number(float(abs(shift).max()), 1, view.language),
        ))  # fmt: skip


def _lists(view: View, told: Flips, criteria: CriteriaSet) -> None:
    code, before, after = view(N_("Code")), view(N_("Before")), view(N_("After"))
    verdicts = {key: view(word) for key, (word, _, _) in VERDICT_BADGES.items()} | {NOT_ASKED_WORD: "–"}
    says = {key: view(word) for key, (word, _, _) in RECOMMENDATION_BADGES.items()} | {None: "–"}
    _list(view, N_("Recommendations"), len(told.recommendations), (
        {code: f.receipt, before: says[f.before], after: says[f.after]} for f in told.recommendation_flips()))
    _list(view, N_("Gates"), told.gate_count, (
        {code: f.receipt, view(N_("Gate")): criteria.criterion(f.gate).question[view.language],
         before: verdicts[f.before], after: verdicts[f.after]} for f in told.gate_flips()))
    _list(view, N_("Ranks"), len(told.ranks), (
        {code: f.receipt, view(N_("Theme")): view(THEME_NAMES[f.theme]),
         before: str(f.before or "–"), after: str(f.after or "–")} for f in told.rank_flips()))  # fmt: skip


def _list(view: View, name: str, count: int, rows: Iterable[dict[str, str]]) -> None:
    """The flips of one kind, the first of them where there are very many."""
    if not count:
        return
    st.subheader(plain(view(name)), anchor=False)
    if count > _SHOWN_ROWS:
        st.caption(view(
            N_("The first {shown} of {count}; masterplan criteria replay lists all."),
            shown=number(_SHOWN_ROWS, 0, view.language), count=number(count, 0, view.language),
        ))  # fmt: skip
    first = list(islice(rows, _SHOWN_ROWS))
    st.dataframe({key: [row[key] for row in first] for key in first[0]}, hide_index=True,
                 alt=view(name))  # fmt: skip


run_page(show)
