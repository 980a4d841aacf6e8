"""The map: the plan's layers, what is at a place, and an observation added there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from layers.drawing import MapReply, MapState, draw_map, take_news
from masterplan.coordinates import parse_point
from masterplan.database import transaction
from masterplan.errors import MasterplanError
from masterplan.formats import number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, now, run_page, said
from masterplan.place import place
from proposals.locating import Located, locate, locate_typed
from proposals.pages import explanation, form
from proposals.pages.consultation import arrive
from proposals.pages.place_facts import tell_place
from proposals.rubric_routes import rubric_address

MAP_KEY = "plan_map"
MAP_HEIGHT_PX = 680

ADDRESS_OF_PUBLIC_TILES = "/tiles/proposals/{z}/{x}/{y}.mvt"
_TYPED = "map_typed_place"


@dataclass
class Desk:
    """What the person is doing on this page; lives as long as the browser session.

    `drawings` are those on the map; `submitted` those that were sent, which the browser
    may still tell of for a moment.
    """

    at: tuple[float, float] | None = None
    click_seen: tuple[float, float] | None = None
    drawings: list[dict[str, Any]] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    fault: str = ""
    read_in_other_order: bool = False
    adding: bool = False
    generation: int = 0


def show(view: View) -> None:
    st.title(view(N_("Masterplan map")), anchor=False)
    arrive(view)
    workspace(view)


@st.fragment
def workspace(view: View) -> None:
    """The map and what is beside it rerun together, without the rest of the page."""
    view = now(view)
    desk: Desk = st.session_state.setdefault("map_desk", Desk())
    # Before the map is drawn: it rings the place that this very run is about.
    news = take_news(MAP_KEY)
    if news is not None:
        _take(desk, news)
    submitted = form.submitted("map") if desk.adding else None
    left, right = st.columns([5, 3], gap="medium")
    with left:
        with st.container(key="map_frame"):
            reply = draw_map(
                MapState(
                    proposals=_proposal_tiles(view), mark=desk.at, clear_drawings=str(desk.generation),
                    rubric="" if submitted else rubric_address(view.actor),
                    theme=st.session_state.get("map_form_theme") or "",
                    evidence=explanation.asked_for(view, submitted, "map"),
                ),
                language=view.language, key=MAP_KEY, height=MAP_HEIGHT_PX, drawing=True,
            )  # fmt: skip
        st.caption(view(N_(
            "Click the map to see what is there. Draw a line or an area with the tools on its left."
            " Everything can be done without the map too, on the page “Propose”."
        )))  # fmt: skip
    _take(desk, reply)
    with right, said(view.language):
        _beside(view, desk)


def _proposal_tiles(view: View) -> str:
    stamp = st.session_state.get("proposals_seen", 0)
    return f"{ADDRESS_OF_PUBLIC_TILES}?n={stamp}"


def _take(desk: Desk, reply: MapReply) -> None:
    """What the person chose last counts: a click, or a drawing. Both come back on every rerun, and count once."""
    if reply.clicked and reply.clicked != desk.click_seen:
        desk.click_seen = desk.at = reply.clicked
        desk.fault, desk.read_in_other_order = "", False
    drawings = [] if reply.drawings == desk.submitted else reply.drawings
    if drawings and drawings != desk.drawings:
        desk.at, desk.fault, desk.read_in_other_order = None, "", False
    desk.drawings = drawings


def _beside(view: View, desk: Desk) -> None:
    _type_coordinates(view, desk)
    with transaction(view.actor) as connection:
        located = locate(connection, *desk.at) if desk.at else None
    sites = _sites(view, located, desk.drawings)
    if desk.adding and sites:
        _add(view, desk, sites)
        return
    if located is not None:
        _place_line(view, located)
    elif sites:
        st.subheader(sites[0].words, anchor=False)
    else:
        st.info(view(N_("Choose a place: click the map, draw on it, or type coordinates above.")),
                icon=":material/touch_app:")  # fmt: skip
    if sites and st.button(view(form.heading(view)), type="primary", icon=":material/add_location_alt:"):
        desk.adding = True
        form.forget(view, "map")
        st.rerun(scope="fragment")
    if located is not None:
        tell_place(view, located)


def _add(view: View, desk: Desk, sites: list[form.Site]) -> None:
    done = form.show(view, "map", sites)
    label = N_("Back to the map") if done else N_("Cancel")
    if st.button(view(label), icon=":material/arrow_back:"):
        desk.adding = False
        if done:
            desk.submitted, desk.drawings = desk.drawings, []
            desk.generation += 1
            st.session_state["proposals_seen"] = desk.generation
        form.forget(view, "map")
        st.rerun(scope="fragment")


def _type_coordinates(view: View, desk: Desk) -> None:
    with st.form("coordinates", border=False):
        field, button = st.columns([3, 1], vertical_alignment="bottom")
        field.text_input(
            view(N_("Coordinates")), placeholder="47.1585, 27.6014", key=_TYPED, autocomplete="off",
            help=view(N_("Decimal degrees (latitude, longitude), degrees with minutes and seconds, or Stereo 70"
                         " metres: X=630000 Y=695000 (X is north).")),
        )  # fmt: skip
        button.form_submit_button(view(N_("Show")), width="stretch", on_click=_go, args=(view, desk))
    if desk.fault:
        st.warning(plain(desk.fault), icon=":material/wrong_location:")
    if desk.read_in_other_order:
        st.info(view(form.OTHER_ORDER), icon=":material/swap_horiz:")


def _go(view: View, desk: Desk) -> None:
    """To the place typed, before anything is drawn: the map shows it at once."""
    desk.fault, desk.read_in_other_order = "", False
    typed = st.session_state[_TYPED]
    if not typed.strip():
        return
    try:
        point = parse_point(typed)
        with transaction(view.actor) as connection:
            found, swapped = locate_typed(connection, point, place())
    except MasterplanError as error:
        desk.fault = error.message(view.language)
        return
    if not found.inside(place()):
        desk.fault = view(N_("This place lies outside the map of the zone."))
        return
    desk.at, desk.read_in_other_order = (found.lon, found.lat), swapped


def _sites(view: View, located: Located | None, drawings: list[dict[str, Any]]) -> list[form.Site]:
    """What can be submitted: the point chosen after drawing first, then the drawings, the last one first."""
    sites = []
    if located is not None:
        point = {"type": "Point", "coordinates": [located.lon, located.lat]}
        sites.append(form.Site(view(N_("Chosen point {place}"), place=_degrees(view, located)), point))
    for position, geometry in reversed(list(enumerate(drawings, start=1))):
        words = N_("Drawn line {n}") if geometry["type"] == "LineString" else N_("Drawn area {n}")
        sites.append(form.Site(view(words, n=position), geometry))
    return sites


def _degrees(view: View, located: Located) -> str:
    return f"{located.lat:.5f}, {located.lon:.5f}"


def _place_line(view: View, located: Located) -> None:
    st.subheader(view(N_("What is here")), anchor=False)
    stereo = f"X={number(located.northing, 1, view.language)} Y={number(located.easting, 1, view.language)}"
    st.caption(f"{_degrees(view, located)} (WGS 84) · {stereo} (Stereo 70)")


run_page(show)
