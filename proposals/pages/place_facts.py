"""What is at a place, beside the map: how far things are, what people brought nearby, every layer there."""

from __future__ import annotations

from urllib.parse import quote

import streamlit as st

from layers.around import nearest_features
from layers.here import FeatureHere, what_is_here
from layers.searching import SEARCHED
from layers.symbology import STATUS_NAMES
from masterplan.database import transaction
from masterplan.formats import number, quantity
from masterplan.language import N_, translator
from masterplan.pages.plain import plain
from masterplan.pages.shell import View
from proposals.locating import Located
from proposals.nearby import MOST_NAMED, NEARBY_M, Neighbour, proposals_near

#: Lines and points within this distance of a click are told, with their distance.
REACH_M = 250.0
_METRES_IN_KM = 1000


def tell_place(view: View, located: Located) -> None:
    """Distances, what people brought nearby, and a card for every feature at the place."""
    with transaction(view.actor) as connection:
        around = nearest_features(connection, located.lon, located.lat)
        count, neighbours = proposals_near(connection, located.lon, located.lat)
        found = what_is_here(connection, located.lon, located.lat, REACH_M)
    uat = next((feature for feature in found if feature.layer.id == "uat"), None)
    if uat:
        st.markdown(plain(view(N_("In {name}"), name=getattr(uat, f"name_{view.language}") or uat.name_ro)))
    with st.container(border=True, gap=None, key="place_distances"):
        st.markdown("**" + view(N_("How far it is")) + "**")
        st.markdown("\n".join(
            f"- {plain(_kind(view, near.layer.id))}: {plain(near.name(view.language))}, "
            f"**{_distance(view, near.distance_m)}**"
            for near in around
        ))  # fmt: skip
    _tell_neighbours(view, count, neighbours)
    if not found:
        st.info(view(N_("No layer of the plan has anything here.")))
    for feature in found:
        _card(view, feature)


def _kind(view: View, layer_id: str) -> str:
    """What one thing of a layer is called, at the beginning of a line."""
    words = translator(view.language)(SEARCHED[layer_id])
    return words[0].upper() + words[1:]


def _distance(view: View, metres: float) -> str:
    if metres < 1:
        return view(N_("here"))
    if metres < _METRES_IN_KM:
        return quantity(round(metres), "m", view.language)
    return f"{number(metres / _METRES_IN_KM, 1, view.language)}\N{NO-BREAK SPACE}km"


def _tell_neighbours(view: View, count: int, neighbours: list[Neighbour]) -> None:
    reach = quantity(NEARBY_M, "m", view.language)
    if not count:
        st.caption(view(N_("Nobody has brought anything within {distance}."), distance=reach))
        return
    with st.container(border=True, gap=None):
        st.markdown("**" + view(N_("Brought within {distance}: {count}"), distance=reach, count=count) + "**")
        st.markdown("\n".join(
            f"- [{plain(near.title)}](/registru?cod={quote(near.receipt)}&lang={view.language}), "
            f"{_distance(view, near.distance_m)}"
            for near in neighbours
        ))  # fmt: skip
        if count > MOST_NAMED:
            st.caption(view(N_("The nearest {count} are named; the map shows all."), count=MOST_NAMED))


def _card(view: View, feature: FeatureHere) -> None:
    layer_name = getattr(feature.layer, f"name_{view.language}")
    notes = [layer_name]
    if feature.status:
        notes.append(view(STATUS_NAMES[feature.status]))
    if feature.distance_m >= 1:
        notes.append(view(N_("at {distance}"), distance=quantity(feature.distance_m, "m", view.language)))
    notes.append(view(N_("indicative") if feature.indicative else N_("official")))
    with st.container(border=True, gap=None):
        st.markdown(f"**{plain(getattr(feature, f'name_{view.language}') or layer_name)}**")
        st.caption(plain(" · ".join(notes)))
        facts = feature.facts(view.language)
        if facts:
            st.caption(plain(" · ".join(f"{name}: {value}" for name, value in facts)))
