"""Consultation sessions on the pages: a planner opens and closes them; who is at one takes part with its code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import urlencode, urlsplit

import segno
import streamlit as st

from masterplan.database import transaction
from masterplan.errors import InputError
from masterplan.formats import moment, number
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, act_now
from masterplan.settings import settings
from proposals import consultations
from proposals.consultations import Consultation

#: In the address of the map, so that a link or a QR code brings the code along; and in the session afterwards.
PARAMETER = "sesiune"
_KEPT = "consultation_code"
_QR_PX = 240
#: What the form for a new session begins with; and in the session, that one was opened and the form is to begin anew.
_HOURS, _SUBMISSIONS = 4, 200
_OPENED = "session_opened"


# -- taking part ---------------------------------------------------------------------------


def arrive(view: View) -> None:
    """Keep the code of the address for this browser session, and say which session it is."""
    asked = st.query_params.get(PARAMETER)
    if asked:
        st.session_state[_KEPT] = asked
    code = st.session_state.get(_KEPT)
    if not code:
        return
    try:
        with transaction(view.actor) as connection:
            place = consultations.place_of(connection, code)
    except InputError as refused:
        st.session_state.pop(_KEPT)
        if asked:
            st.warning(plain(refused.message(view.language)), icon=":material/group_off:")
        return
    st.info(plain(view(N_("You take part in the consultation session: {place}."), place=place)),
            icon=":material/groups:")  # fmt: skip


def code_at_hand() -> str:
    """The code that the address brought, or that was typed last; "" without one."""
    return st.session_state.get(_KEPT, "")


def keep(code: str) -> None:
    """Use a code that was good for the next submission too."""
    st.session_state[_KEPT] = code


# -- the planners' side --------------------------------------------------------------------


def sessions(view: View) -> None:
    """Open a session, show those that are open with their codes, list those that ended."""
    left, right = st.container(key="sessions_beside").columns([2, 3], gap="medium")
    with left:
        _new(view)
    with transaction(view.actor) as connection:
        known = consultations.every(connection)
    with right:
        still_open = [each for each in known if each.open]
        if not still_open:
            st.info(view(N_("No consultation session is open. Open one before a meeting, and show its code there.")),
                    icon=":material/groups:")  # fmt: skip
        for each in still_open:
            _open(view, each)
        _ended(view, [each for each in known if not each.open])


def _new(view: View) -> None:
    if st.session_state.pop(_OPENED, False):
        st.session_state.update(session_place="", session_hours=_HOURS, session_most=_SUBMISSIONS)
    with st.form("session_new", border=True):
        st.subheader(view(N_("Open a consultation session")), anchor=False)
        st.caption(view(N_(
            "People in one hall share one network, and its limit of submissions within an hour. With the code of a"
            " session they share the session's own."
        )))  # fmt: skip
        place = st.text_input(view(N_("Place and occasion")), key="session_place",
                              max_chars=consultations.LONGEST_PLACE)  # fmt: skip
        hours = st.number_input(view(N_("Ends after (hours)")), 1, 24 * consultations.LONGEST_DAYS, _HOURS,
                                key="session_hours")  # fmt: skip
        most = st.number_input(view(N_("Submissions, at most")), 1, consultations.MOST_SUBMISSIONS, _SUBMISSIONS,
                               key="session_most")  # fmt: skip
        if not st.form_submit_button(view(N_("Open the session")), type="primary", width="stretch"):
            return
    now = datetime.now(UTC)
    try:
        consultations.open_one(place, int(most), now + timedelta(hours=int(hours)), now, view.actor)
    except InputError as refused:
        for _, fault in refused.faults:
            st.error(plain(fault.message(view.language)))
        return
    st.session_state[_OPENED] = True
    st.rerun()


def _open(view: View, each: Consultation) -> None:
    with st.container(border=True):
        st.subheader(plain(each.place), anchor=False)
        picture, words = st.columns([2, 3])
        link = address_of(each.code)
        with picture:
            named = view(N_("QR code of the session {code}"), code=each.code)
            st.image(qr_code(link or each.code), width=_QR_PX, caption=named, alt=named)
        with words:
            st.caption(view(N_("Code")))
            st.markdown(f"## {each.code}")
            if link:
                st.code(link, language=None, wrap_lines=True)
            st.markdown(plain(view(N_("{used} of {most} submissions made · ends on {when}"),
                                   used=number(each.used, 0, view.language), most=number(each.most, 0, view.language),
                                   when=moment(each.ends_at, view.language))))  # fmt: skip
            st.button(view(N_("End the session")), key=f"session_close_{each.code}", on_click=act_now,
                      args=(view, _close, each.code), icon=":material/stop_circle:")  # fmt: skip


def _close(view: View, code: str) -> None:
    consultations.close(code, view.actor)


def _ended(view: View, ended: list[Consultation]) -> None:
    if not ended:
        return
    with st.expander(view(N_("Sessions that ended: {count}"), count=len(ended))):
        for each in ended:
            st.markdown(plain(view(
                N_("{place}: {used} of {most} submissions, until {when}"), place=each.place,
                used=number(each.used, 0, view.language), most=number(each.most, 0, view.language),
                when=moment(each.ends_at, view.language),
            )))  # fmt: skip


def address_of(code: str) -> str | None:
    """The public map's address with the code, else as this browser reaches us; None where that is not known."""
    here = urlsplit(str(settings().public_address or st.context.url or ""))
    return f"{here.scheme}://{here.netloc}/?{urlencode({PARAMETER: code})}" if here.netloc else None


def qr_code(words: str) -> bytes:
    """A QR code as PNG, made here; a smudged print of it is still read (15 % of it may be missing)."""
    picture = BytesIO()
    segno.make(words, error="m", micro=False).save(picture, kind="png", scale=8, border=4)
    return picture.getvalue()
