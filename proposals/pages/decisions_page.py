"""The public page of decisions: what was decided in a period, how long it took, and why something was rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import streamlit as st

from masterplan.database import transaction
from masterplan.formats import number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page, uat_names
from proposals.deciding import Outcome
from proposals.pages.form import AUTHOR_NAMES, THEME_NAMES
from proposals.predictability import Figures, Period, period
from proposals.reasons import library

_SINCE, _UNTIL = "de_la", "pana_la"


def show(view: View) -> None:
    st.title(view(N_("Decisions")), anchor=False)
    st.markdown(view(N_("What became of project proposals. Each decision and its reasons stand in the register.")))
    since, until = _dates(view)
    with transaction(view.actor) as connection:
        found = period(connection, since, until)
    waiting = number(found.waiting, 0, view.language)
    if found.all is None:
        st.info(view(N_("No decision was published in this period. Public proposals that wait for one: {count}."),
                     count=waiting), icon=":material/hourglass_empty:")  # fmt: skip
        return
    _whole(view, found.all, waiting)
    _groups(view, N_("By theme"), N_("Theme"), found.by["theme"], lambda key: view(THEME_NAMES[key]))
    _groups(view, N_("By kind of proposer"), N_("Proposer"), found.by["author_kind"],
            lambda key: view(AUTHOR_NAMES[key]))  # fmt: skip
    _rejections(view, found)
    _uats(view, found)


def _dates(view: View) -> tuple[date | None, date | None]:
    """The period, which is in the address, so that it can be shared."""
    for key in (_SINCE, _UNTIL):
        if f"decisions_{key}" not in st.session_state:
            st.session_state[f"decisions_{key}"] = _day(st.query_params.get(key, ""))
    columns = st.columns([1, 1, 2])
    given = []
    for column, key, label in ((columns[0], _SINCE, N_("Published from")), (columns[1], _UNTIL, N_("Published until"))):
        day = column.date_input(view(label), key=f"decisions_{key}", format="DD.MM.YYYY")
        given.append(day)
        if day is None:
            st.query_params.pop(key, None)
        elif st.query_params.get(key) != day.isoformat():
            st.query_params[key] = day.isoformat()
    return given[0], given[1]


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def _whole(view: View, figures: Figures, waiting: str) -> None:
    decided, rate, days, open_ones = st.columns(4)
    decided.metric(view(N_("Decided")), number(figures.decided, 0, view.language))
    rate.metric(view(N_("Rate of integration")), _rate(view, figures))
    days.metric(view(N_("Median waiting time, days")), _days(view, figures))
    open_ones.metric(view(N_("Public, waiting for a decision")), waiting)
    st.caption(view(N_(
        "The rate is the share of proposals integrated, wholly or partly, among those integrated or rejected. Where"
        " changes were asked for, or the proposal was redirected, it is counted as decided and is in no rate. The"
        " waiting time runs from the day it was received to the day its decision was published."
    )))  # fmt: skip


def _rate(view: View, figures: Figures) -> str:
    """With its counts: a rate of few says little."""
    if figures.rate is None:
        return "–"
    percent = number(100 * figures.rate, 0, view.language)
    return view(N_("{percent} % ({integrated} of {judged})"), percent=percent, integrated=figures.integrated,
                judged=figures.judged)  # fmt: skip


def _days(view: View, figures: Figures) -> str:
    return number(figures.median_days, 0, view.language)


def _groups(view: View, heading: str, column: str, groups: Sequence[Figures], words: Callable[[str], str]) -> None:
    st.subheader(view(heading), anchor=False)
    c = Outcome
    # The first columns are those that a narrow screen shows; numbers as words, so that all stand alike.
    st.table({
        view(column): [plain(words(g.group)) for g in groups],
        view(N_("Rate of integration")): [_rate(view, g) for g in groups],
        view(N_("Median days")): [_days(view, g) for g in groups],
        view(N_("Decided")): [str(g.decided) for g in groups],
        view(N_("Changes asked for")): [str(g.counts[c.CHANGES]) for g in groups],
        view(N_("Redirected")): [str(g.counts[c.REDIRECT]) for g in groups],
    }, hide_index=True)  # fmt: skip


def _rejections(view: View, found: Period) -> None:
    rejected = found.all.counts[Outcome.REJECT]
    if not rejected:
        return
    st.subheader(view(N_("Why proposals were rejected: {count}"), count=rejected), anchor=False)
    st.markdown("\n".join(
        f"- **{many}** · {plain(library()[key].text[view.language] if key in library() else key)}"
        for key, many in found.rejections
    ))  # fmt: skip
    st.caption(view(N_("A decision may have several reasons; those written freely are not counted here.")))


def _uats(view: View, found: Period) -> None:
    """For the UAT itself and for planners."""
    if not found.by["uat"]:
        return
    names = uat_names()
    _groups(view, N_("By UAT"), N_("UAT"), found.by["uat"], lambda code: names.get(code, code))
    st.caption(view(N_("Shown to planners, and to each UAT its own line: a check of fairness, not a league table.")))


run_page(show)
