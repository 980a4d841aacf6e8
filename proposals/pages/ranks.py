"""How firm the ranks of a theme are: intervals under drawn weights, stakeholders' ranks, and what is tied."""

from __future__ import annotations

import streamlit as st

from masterplan.errors import MasterplanError
from masterplan.formats import number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.criteria import THEMES, CriteriaSet
from proposals.pages.form import THEME_NAMES
from proposals.rank_plot import rank_plot
from proposals.rank_table import RankTable, rank_table
from proposals.ranking import CONCENTRATION, spread
from proposals.replaying import Everything

#: Fewer than the command's: the page waits for it, and the interval moves by less than a rank in a hundred.
_SAMPLES = 2_000
_DRAWN_ROWS, _TOP, _MOST_TIES = 30, 10, 10


def show(view: View, everything: Everything, criteria: CriteriaSet) -> None:
    """Asked for by a switch: it takes a few seconds with very many proposals."""
    st.subheader(view(N_("How firm are the ranks?")), anchor=False)
    st.caption(view(
        N_("Ranks rest on weights about which people differ. {samples} other weights are drawn around the set's own"
           " (Dirichlet; a weight of 10 % varies by ± {spread} points), and the interval holds nine ranks of ten."),
        samples=number(_SAMPLES, 0, view.language), spread=number(100 * spread(0.1, CONCENTRATION), 1, view.language),
    ))  # fmt: skip
    theme = st.selectbox(
        view(N_("Theme")), THEMES, key="ranks_theme", index=None, placeholder=view(N_("Choose a theme")),
        format_func=lambda t: view(THEME_NAMES[t]),
    )  # fmt: skip
    if theme is None:
        return
    try:
        table = rank_table(everything.only(everything.theme == THEMES.index(theme)), criteria, _SAMPLES, top=_TOP)
    except MasterplanError as refused:
        st.warning(plain(refused.message(view.language)))
        return
    rows = [row for row in table.rows() if row["rank"] is not None]
    if not rows:
        st.info(view(N_("No project proposal of this theme is scored yet.")))
        return
    drawn = rank_plot(rows[:_DRAWN_ROWS], len(rows), view.language)
    st.html(drawn.image.replace("<img ", '<img style="max-width:100%;height:auto" '))
    _ties(view, table)
    _table(view, table, rows)


def _ties(view: View, table: RankTable) -> None:
    """Tied ones in words: no choice of weights decides between them."""
    for tie in table.ties[:_MOST_TIES]:
        st.markdown(plain(view(N_("Tied, whatever the weights: {codes}."), codes=", ".join(tie))))
    rest = len(table.ties) - _MOST_TIES
    if rest > 0:
        st.caption(view(N_("… and {count} more groups of tied ones."), count=rest))
    if not table.ties:
        st.caption(view(N_("None are tied: for each pair some plausible weights decide.")))


def _table(view: View, table: RankTable, rows: list[dict]) -> None:
    columns = {
        view(N_("Rank")): [row["rank"] for row in rows],
        view(N_("Code")): [row["receipt"] for row in rows],
        view(N_("Score")): [number(row["score"], 1, view.language) for row in rows],
        view(N_("Interval 5–95 %")): [f"{row['low']}–{row['high']}" for row in rows],
        view(N_("In the first {count}"), count=_TOP): [_percent(view, row[f"top_{_TOP}"]) for row in rows],
        view(N_("Ahead of the next")): [_percent(view, row["ahead_of_next"]) for row in rows],
        **{view(N_("Rank for: {group}"), group=names[view.language]): [row[f"rank_{key}"] for row in rows]
           for key, names in table.stakeholders.items()},
    }  # fmt: skip
    st.dataframe(columns, hide_index=True, alt=view(N_("Ranks of the theme, each with its interval.")))
    if not table.stakeholders:
        st.caption(view(N_("The set in force declares no stakeholder groups with weights of their own.")))


def _percent(view: View, share: float | None) -> str:
    return "–" if share is None else f"{number(100 * share, 0, view.language)} %"
