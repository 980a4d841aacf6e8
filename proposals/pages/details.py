"""One observation or proposal in words: what it asks for, who brought it, where it lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import streamlit as st

from masterplan.formats import moment, number, quantity, short_day
from masterplan.language import N_
from masterplan.pages.plain import cell, plain
from masterplan.pages.shell import View
from proposals.pages.form import AUTHOR_NAMES, CHANNEL_NAMES, STAGE_NAMES, THEME_NAMES
from proposals.selecting import ProposalDetails, ProposalRow

KIND_NAMES = {"observation": N_("observation"), "proposal": N_("project proposal")}
STATUS_NAMES = {"submitted": N_("received"), "published": N_("public"), "hidden": N_("hidden"),
                "withdrawn": N_("withdrawn")}  # fmt: skip
STATUS_BADGES = {
    "submitted": (N_("received, not public yet"), ":material/schedule:", "orange"),
    "published": (N_("public"), ":material/public:", "green"),
    "hidden": (N_("hidden"), ":material/visibility_off:", "gray"),
    "withdrawn": (N_("withdrawn by its author"), ":material/undo:", "gray"),
}

#: Staff write by hand which letter something came from; an e-mail address in it is not shown to anybody.
ADDRESS = re.compile(r"[^@\s]*@[^@\s]*")

#: High enough that Streamlit breaks lines (it does above 64 px), so that a title or a theme is read whole.
_ROW_PX, _HEADER_PX = 66, 35


@dataclass(frozen=True)
class Column:
    """A column of a table of submissions, `width` in pixels."""

    name: str
    width: int
    words: Callable[[View, ProposalRow], str]


TITLE = Column(N_("Title"), 156, lambda view, row: row.title)
SCORE = Column(
    N_("Score"), 62, lambda view, row: "–" if row.total is None else number(row.total, 1, view.language)
)
STATE = Column(N_("State"), 74, lambda view, row: view(STATUS_NAMES[row.status]))
THEME = Column(N_("Theme"), 106, lambda view, row: view(THEME_NAMES[row.theme]))
UAT = Column(N_("UAT"), 82, lambda view, row: row.uat_name or "–")
KIND = Column(N_("Kind"), 98, lambda view, row: _kind(view, row))
DATE = Column(N_("Date"), 86, lambda view, row: short_day(row.created_at))
CODE = Column(N_("Code"), 150, lambda view, row: row.receipt)


def _kind(view: View, row: ProposalRow) -> str:
    """Made-up rows say so beside what kind they are."""
    kind = view(KIND_NAMES[row.kind])
    return f"{kind} · {view(N_('demonstration'))}" if row.demo else kind


def table(view: View, rows: Sequence[ProposalRow], columns: Sequence[Column], key: str, most_rows: int,
          on_select: Callable[[], None]) -> None:  # fmt: skip
    """A table to choose one row from; the first columns are those that a narrow screen shows."""
    if any(row.demo for row in rows):
        st.caption(view(N_("Rows marked “demonstration” are made up, not submitted by anyone.")))
    st.dataframe(
        {view(column.name): [cell(column.words(view, row)) for row in rows] for column in columns},
        hide_index=True, key=key, on_select=on_select, selection_mode="single-row", row_height=_ROW_PX,
        height=_HEADER_PX + _ROW_PX * min(len(rows), most_rows) + 2,
        column_config={
            view(column.name): st.column_config.TextColumn(view(column.name), width=column.width)
            for column in columns
        },
        alt=view(N_("Table of submissions; choosing a row opens it beside.")),
    )  # fmt: skip


def details(view: View, shown: ProposalDetails, uats: dict[str, str]) -> None:
    """Facts and description of one submission; `uats` gives the name of each SIRUTA code."""
    st.caption(plain(" · ".join(_facts(view, shown, uats))))
    if shown.demo:
        st.caption(view(N_("Demonstration data: made up, not submitted by anyone.")))
    if shown.description:
        st.text(shown.description)


def _facts(view: View, shown: ProposalDetails, uats: dict[str, str]) -> Iterator[str]:
    yield view(KIND_NAMES[shown.kind])
    yield view(THEME_NAMES[shown.theme])
    yield view(N_("UAT: {name}"), name=shown.uat_name or shown.uat) if shown.uat else view(N_("in no UAT of the map"))
    if shown.on_behalf_of:
        yield view(N_("on behalf of {uat}"), uat=uats.get(shown.on_behalf_of, shown.on_behalf_of))
    yield view(N_("written by: {author}"), author=view(AUTHOR_NAMES[shown.author_kind]))
    if shown.channel != "online":
        received = view(N_("received by: {channel}"), channel=view(CHANNEL_NAMES[shown.channel]))
        source = ADDRESS.sub("[…]", shown.source_event)
        yield f"{received} ({source})" if source else received
    yield moment(shown.created_at, view.language)
    if shown.budget_lei is not None:
        yield view(N_("budget {amount}"), amount=quantity(shown.budget_lei, view(N_("lei")), view.language))
    if shown.documentation_stage:
        yield view(N_("documentation: {stage}"), stage=view(STAGE_NAMES[shown.documentation_stage]))
