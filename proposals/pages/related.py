"""Beside a result: what else was brought about the same place, and why it changed since it was measured before."""

from __future__ import annotations

import streamlit as st

from masterplan.database import transaction
from masterplan.errors import MasterplanError
from masterplan.formats import moment, number, quantity
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.comparing import compare
from proposals.explained import Explained, explained, explained_before, teller
from proposals.relations import KIND_NAMES, Relation, relations
from proposals.submitting import Outcome


def show(view: View, outcome: Outcome) -> None:
    """Relations to what the reader may see, and what changed; nothing where there is neither."""
    with transaction(view.actor) as connection:
        found = relations(connection, [outcome.receipt])
    if found:
        with st.expander(view(N_("Read together with: {count}"), count=len(found)), icon=":material/hub:"):
            for relation in found:
                st.markdown(plain(_said(view, relation)))
    _changed(view, outcome)


def _said(view: View, relation: Relation) -> str:
    facts = [f"“{relation.title}”, {relation.other}", view(KIND_NAMES[relation.kind])]
    if relation.kind in ("overlaps", "conflicts"):
        percent = number(100 * relation.shared, 0, view.language)
        facts.append(view(N_("{percent} % of the smaller one"), percent=percent))
    else:
        facts.append(view(N_("{distance} apart"), distance=quantity(round(relation.distance_m), "m", view.language)))
    return " · ".join(facts)


def _changed(view: View, outcome: Outcome) -> None:
    """Criterion by criterion; only for who may read the submission by themselves, as staff and for what is public."""
    try:
        with transaction(view.actor) as connection:
            before, now = explained_before(connection, outcome.receipt), explained(connection, outcome.receipt)
            telling = teller(connection, view.language)
    except MasterplanError:
        return
    if now.stale:
        st.warning(view(N_("To be worked out again: a layer or a neighbour changed since it was measured.")),
                   icon=":material/update:")  # fmt: skip
    changes = compare(before.score.results, now.score.results) if before else []
    if not changes:
        return
    with st.expander(view(N_("Why did it change? {count}"), count=len(changes)), icon=":material/compare_arrows:"):
        st.markdown(plain(f"{_stood(view, before)} → {_stood(view, now)}"))
        for change in changes:
            st.markdown(plain(telling.change(change, now.criteria if change.after else before.criteria)))


def _stood(view: View, result: Explained) -> str:
    total = "–" if result.score.total is None else number(result.score.total, 1, view.language)
    return view(N_("measured on {when}: {total} points"), when=moment(result.measured_at, view.language), total=total)
