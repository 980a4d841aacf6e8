"""What integrating one proposal does to the plan: prepared by planners, then put into the draft edition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import streamlit as st

from layers.catalogue import STATUSES, Attribute, Layer, catalogue
from layers.symbology import STATUS_NAMES
from masterplan.database import transaction
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals import plan_changes
from proposals.deciding import INTEGRATING, State
from proposals.decisions import stands
from proposals.pages.result import badge
from proposals.pages.telling import attempt, news
from proposals.plan_changes import ADD, CHANGE, LONGEST_NAME, PREPARED, REMOVE, GivenChange, PlanChange, PlanFeature
from proposals.selecting import ProposalDetails

_SAID = "plan_changing_said"
ACTIONS = {
    ADD: (N_("adds to the plan"), ":material/add_circle:", "green"),
    CHANGE: (N_("changes in the plan"), ":material/edit:", "orange"),
    REMOVE: (N_("removes from the plan"), ":material/remove_circle:", "red"),
}
_KEEP, _OF_PROPOSAL = "keep", "proposal"
_GEOMETRIES = {_KEEP: N_("as it is in the plan"), _OF_PROPOSAL: N_("as the proposal draws it")}


def offer(view: View, shown: ProposalDetails) -> None:
    """For planners: what is prepared and applied of a proposal that is to be integrated; nothing for any other."""
    with transaction(view.actor) as connection:
        decision = stands(connection, shown.receipt)
        known = plan_changes.changes(connection, decision.proposal_id)
    if decision.outcome not in INTEGRATING and not known:
        return
    with st.container(border=True, gap="small", key="plan_changing"):
        st.subheader(view(N_("Change of the plan")), anchor=False)
        news(view, _SAID, shown.receipt)
        for change in known:
            _change(view, shown.receipt, change)
        prepared = [change for change in known if change.state == PREPARED]
        if not known:
            st.caption(view(N_("Nothing is prepared yet: say what integrating it changes in the plan.")))
        with st.expander(view(N_("Prepare a change")), icon=":material/add:"):
            _preparing(view, shown)
        if prepared:
            ready = decision.state is State.PUBLISHED
            st.button(
                view(N_("Put it into the draft edition: {count}"), count=len(prepared)), type="primary",
                key=f"plan_apply_{shown.receipt}", icon=":material/publish:", disabled=not ready, width="stretch",
                on_click=partial(attempt, view, _SAID, shown.receipt, partial(plan_changes.apply, shown.receipt),
                                 N_("It is in the draft.")),
            )  # fmt: skip
            if not ready:
                st.caption(view(N_("It can be put into the plan once the decision is published.")))


def _change(view: View, receipt: str, change: PlanChange) -> None:
    words, button = st.columns([4, 1], vertical_alignment="center")
    layer = getattr(catalogue().layer(change.layer_id), f"name_{view.language}")
    name = getattr(change, f"name_{view.language}") or change.name_ro
    words.markdown(f"{badge(view, ACTIONS, change.action)} {plain(f'{layer}: {name}')}")
    if change.state == PREPARED:
        button.button(
            view(N_("Give up")), key=f"plan_drop_{change.id}", width="stretch",
            on_click=partial(attempt, view, _SAID, receipt, partial(plan_changes.drop, change.id), N_("Given up.")),
        )  # fmt: skip
    else:
        words.caption(view(N_("in edition {number}"), number=change.edition))


def _preparing(view: View, shown: ProposalDetails) -> None:
    code = shown.receipt
    action = st.selectbox(view(N_("What does it do?")), list(ACTIONS), key=f"plan_action_{code}",
                          format_func=lambda a: view(ACTIONS[a][0]))  # fmt: skip
    layers = plan_changes.layers_for(shown.geometry["type"] if action == ADD else None)
    if not layers:
        st.info(view(N_("No layer of the plan holds what is drawn. It can only change or remove what is there.")))
        return
    layer = st.selectbox(view(N_("Layer")), layers, key=f"plan_layer_{code}_{action}",
                         format_func=lambda each: getattr(each, f"name_{view.language}"))  # fmt: skip
    feature = None
    if action != ADD:
        feature = _feature(view, code, layer)
        if feature is None:
            return
    if action == REMOVE:
        given: Callable[[], GivenChange] = partial(GivenChange, REMOVE, layer.id, feature.feature_id)
    else:
        given = _describing(view, shown, layer, feature)
    st.button(view(N_("Prepare")), key=f"plan_prepare_{code}", width="stretch", icon=":material/add:",
              on_click=partial(_prepare, view, code, given))  # fmt: skip


def _feature(view: View, code: str, layer: Layer) -> PlanFeature | None:
    with transaction(view.actor) as connection:
        there = plan_changes.features_to_choose(connection, layer.id)
    return st.selectbox(
        view(N_("Feature of the plan")), there, index=None, key=f"plan_feature_{code}_{layer.id}",
        format_func=lambda each: plain(getattr(each, f"name_{view.language}") or each.name_ro or each.feature_id),
        placeholder=view(N_("Choose one")),
    )  # fmt: skip


def _describing(
    view: View, shown: ProposalDetails, layer: Layer, feature: PlanFeature | None
) -> Callable[[], GivenChange]:
    """Fields for what the feature will be; what is returned reads them at the click."""
    key = f"plan_{shown.receipt}_{layer.id}_{feature.feature_id if feature else ''}"
    st.text_input(view(N_("Name in Romanian")), feature.name_ro if feature else shown.title, key=f"{key}_ro",
                  max_chars=LONGEST_NAME)  # fmt: skip
    st.text_input(view(N_("Name in English")), feature.name_en if feature else "", key=f"{key}_en",
                  max_chars=LONGEST_NAME)  # fmt: skip
    states = [None, *STATUSES]
    st.selectbox(view(N_("Status")), states, key=f"{key}_status",
                 index=states.index(feature.status if feature else "proposed"),
                 format_func=lambda each: "–" if each is None else view(STATUS_NAMES[each]))  # fmt: skip
    before = feature.properties if feature else {}
    for attribute in layer.attributes:
        _attribute(view, f"{key}_{attribute.name}", attribute, before.get(attribute.name))
    if feature is not None and plan_changes.fits(layer, shown.geometry["type"]):
        st.radio(view(N_("Where it lies")), list(_GEOMETRIES), key=f"{key}_where",
                 format_func=lambda each: view(_GEOMETRIES[each]))  # fmt: skip
    return partial(_read, key, shown, layer, feature)


def _attribute(view: View, key: str, attribute: Attribute, before: Any) -> None:
    label = plain(getattr(attribute, f"name_{view.language}"))
    label = f"{label} ({plain(attribute.unit)})" if attribute.unit else label
    if attribute.type == "list":
        options = [*attribute.values, *(each for each in before or [] if each not in attribute.values)]
        st.multiselect(label, options, before or [], key=key, accept_new_options=not attribute.values,
                       format_func=lambda each: attribute.value_name(each, view.language),
                       placeholder=view(N_("Choose one or more")), select_all=False)  # fmt: skip
    elif attribute.values or attribute.type == "boolean":
        options = [None, *(attribute.values or (True, False))]
        st.selectbox(label, options, options.index(before) if before in options else 0, key=key,
                     format_func=lambda each: _value(view, attribute, each))  # fmt: skip
    elif attribute.type == "text":
        st.text_input(label, before or "", key=key)
    else:
        step = 1 if attribute.type == "integer" else None
        st.number_input(label, value=before, key=key, step=step, placeholder="–")


def _value(view: View, attribute: Attribute, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return view(N_("yes")) if value else view(N_("no"))
    return attribute.value_name(value, view.language)


def _read(key: str, shown: ProposalDetails, layer: Layer, feature: PlanFeature | None) -> GivenChange:
    said: Mapping[str, Any] = st.session_state
    properties = {each.name: said[f"{key}_{each.name}"] for each in layer.attributes}
    drawn = feature is None or said.get(f"{key}_where", _KEEP) == _OF_PROPOSAL
    return GivenChange(
        ADD if feature is None else CHANGE, layer.id, feature.feature_id if feature else "", said[f"{key}_ro"],
        said[f"{key}_en"], said[f"{key}_status"], properties, shown.geometry if drawn else None,
    )  # fmt: skip


def _prepare(view: View, code: str, given: Callable[[], GivenChange]) -> None:
    attempt(view, _SAID, code, lambda actor: plan_changes.prepare(code, given(), actor), N_("Prepared."))
