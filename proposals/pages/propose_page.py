"""The same form without the map: a place is typed, not clicked."""

from __future__ import annotations

import streamlit as st

from masterplan.errors import MasterplanError
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from proposals.pages import form
from proposals.pages.consultation import arrive
from proposals.submission import MAX_VERTICES

#: Room for the points that a submission may have, forty characters each.
_MOST_CHARACTERS = 40 * MAX_VERTICES


def show(view: View) -> None:
    st.title(view(N_("Propose without the map")), anchor=False)
    arrive(view)
    narrow, _ = st.columns([3, 2])
    with narrow:
        _steps(view)


def _steps(view: View) -> None:
    typed = st.text_area(
        view(N_("Where? Coordinates, one point a line")), height=120, key="propose_points",
        max_chars=_MOST_CHARACTERS,
        help=view(N_("One point makes a point, several a line; if the last repeats the first, an area. Decimal"
                     " degrees (latitude, longitude) or Stereo 70 metres, X=630000 Y=695000 (X is north).")),
        placeholder="47.1585, 27.6014",
    )  # fmt: skip
    if not typed.strip():
        st.info(view(N_("Type at least one point to go on. No coordinates at hand? Click the place on the map page.")))
        return
    try:
        geometry, swapped = form.typed_geometry(typed)
    except MasterplanError as error:
        st.error(plain(error.message(view.language)))
        return
    if swapped:
        st.info(view(form.OTHER_ORDER), icon=":material/swap_horiz:")
    words = {"Point": N_("Typed point"), "LineString": N_("Typed line"), "Polygon": N_("Typed area")}
    done = form.show(view, "propose", [form.Site(view(words[geometry["type"]]), geometry)])
    if done and st.button(view(N_("Add another"))):
        form.forget(view, "propose")
        st.rerun()


run_page(show)
