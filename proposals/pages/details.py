"""One observation or proposal in words: what it asks for, who brought it, where it lies."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from masterplan.formats import moment, quantity
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.pages.form import AUTHOR_NAMES, CHANNEL_NAMES, STAGE_NAMES, THEME_NAMES
from proposals.selecting import ProposalDetails

KIND_NAMES = {"observation": N_("observation"), "proposal": N_("project proposal")}
STATUS_NAMES = {"submitted": N_("received"), "published": N_("public"), "hidden": N_("hidden")}
STATUS_BADGES = {
    "submitted": (N_("received, not public yet"), ":material/schedule:", "orange"),
    "published": (N_("public"), ":material/public:", "green"),
    "hidden": (N_("hidden"), ":material/visibility_off:", "gray"),
}


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
        yield f"{received} ({shown.source_event})" if shown.source_event else received
    yield moment(shown.created_at, view.language)
    if shown.budget_lei is not None:
        yield view(N_("budget {amount}"), amount=quantity(shown.budget_lei, view(N_("lei")), view.language))
    if shown.documentation_stage:
        yield view(N_("documentation: {stage}"), stage=view(STAGE_NAMES[shown.documentation_stage]))
