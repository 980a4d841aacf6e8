"""The moderation queue: what waits to be public, one after another, with a key for each thing to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from layers.drawing import MapState, draw_map
from masterplan.database import transaction
from masterplan.errors import InputError
from masterplan.formats import number
from masterplan.language import LANGUAGES, N_, translator
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, act_now
from proposals.filters import EVERYTHING, ProposalFilter
from proposals.pages.details import details
from proposals.routes import staff_tiles
from proposals.selecting import ProposalDetails, count, one, page
from proposals.submitting import LONGEST_REASON, ChangedMeanwhile, set_status_of_seen

MAP_HEIGHT_PX = 430
WAITING = ProposalFilter(statuses=("submitted",))
#: Reasons that come up again and again; the author reads them as they stand here, in both languages.
REASONS = (
    N_("It contains personal data or insults. Submit it again without them."),
    N_("It was submitted already. The other one is kept."),
    N_("It is not about the metropolitan masterplan."),
    N_("It cannot be understood what is asked for. Submit it again with more words."),
)
_AT, _REFUSING, _KEYS, _CHANGED = "queue_at", "queue_refusing", "queue_keys", "queue_changed"


def queue(view: View, uats: Mapping[str, str]) -> None:
    """The oldest submission that waits, and what may be done with it."""
    said = st.session_state
    with transaction(view.actor) as connection:
        total = count(connection, WAITING)
        at = said[_AT] = max(0, min(said.get(_AT, 0), total - 1))
        rows = page(connection, WAITING, "created", descending=False, limit=1, offset=at)
        waiting = one(connection, rows[0].receipt) if rows else None
    if waiting is None:
        said.pop(_CHANGED, None)
        st.success(view(N_("Nothing waits for moderation.")), icon=":material/task_alt:")
        return
    left, right = st.container(key="queue_beside").columns([3, 2], gap="medium")
    with left:
        changed = said.pop(_CHANGED, None)
        if changed is not None:
            st.warning(plain(changed.message(view.language)), icon=":material/sync_problem:")
        _heading(view, at, total)
        _one(view, waiting, uats)
        _actions(view, waiting, at, total)
    with right:
        draw_map(
            # With everything else that came in: what was submitted twice lies in the same place.
            MapState(proposals=_all_tiles(view), outline=waiting.geometry), language=view.language,
            key="queue_map", height=MAP_HEIGHT_PX, drawing=False,
        )  # fmt: skip


def _all_tiles(view: View) -> str:
    stamp = st.session_state.get("desk_changes", 0)
    return f"{staff_tiles(view.actor.session, view.actor.user, EVERYTHING, view.actor.since)}&n={stamp}"


def _heading(view: View, at: int, total: int) -> None:
    words, keys = st.columns([3, 2], vertical_alignment="center")
    many = number(total, 0, view.language)
    words.markdown(f"**{view(N_('{position} of {total} that wait, the oldest first'), position=at + 1, total=many)}**")
    keys.toggle(view(N_("Keyboard shortcuts")), value=True, key=_KEYS)


def _one(view: View, waiting: ProposalDetails, uats: Mapping[str, str]) -> None:
    with st.container(border=True):
        st.subheader(plain(waiting.title), anchor=False)
        st.caption(plain(waiting.receipt))
        details(view, waiting, uats)


def _actions(view: View, waiting: ProposalDetails, at: int, total: int) -> None:
    accept, refuse, back, onwards = st.columns(4)
    # The code in the names: a key or button pressed once more is not meant for the one that comes next.
    _button(view, accept, N_("Accept"), "A", f"queue_accept_{waiting.receipt}", act_now, view, _accept, waiting,
            type="primary", icon=":material/check:")  # fmt: skip
    _button(view, refuse, N_("Refuse…"), "X", f"queue_refuse_{waiting.receipt}", _refuse, waiting.receipt,
            icon=":material/block:")  # fmt: skip
    _button(view, back, N_("Back"), "P", "queue_back", _move, -1, disabled=at == 0, icon=":material/arrow_back:")
    _button(view, onwards, N_("Skip"), "N", "queue_skip", _move, 1, disabled=at + 1 >= total,
            icon=":material/arrow_forward:")  # fmt: skip
    if st.session_state.get(_REFUSING) == waiting.receipt:
        _reasons(view, waiting)


def _button(view: View, place: Any, label: str, key: str, name: str, act: Any, *arguments: Any, **look: Any) -> None:
    shortcut = key if st.session_state[_KEYS] else None
    place.button(view(label), key=name, shortcut=shortcut, on_click=act, args=arguments, width="stretch", **look)


def _reasons(view: View, waiting: ProposalDetails) -> None:
    st.markdown(view(N_("**Why?** Who submitted it reads the reason, and so does whoever has the tracking code.")))
    for position, reason in enumerate(REASONS, start=1):
        _button(view, st, reason, str(position), f"queue_reason_{position}_{waiting.receipt}", act_now, view, _hide,
                waiting, both(reason))  # fmt: skip
    with st.form(f"queue_other_reason_{waiting.receipt}", border=False, enter_to_submit=True):
        field, button = st.columns([3, 1], vertical_alignment="bottom")
        said = field.text_input(view(N_("Another reason")), key=f"queue_reason_{waiting.receipt}",
                                max_chars=LONGEST_REASON)  # fmt: skip
        if button.form_submit_button(view(N_("Refuse")), width="stretch"):
            _hide(view, waiting, said)
            if _REFUSING not in st.session_state:
                st.rerun()
    fault = st.session_state.pop("queue_fault", None)
    if fault is not None:
        st.error(plain(fault.message(view.language)))


def both(reason: str) -> str:
    """A ready-made reason in both languages: nobody knows which one its author reads."""
    return " / ".join(translator(language)(reason) for language in LANGUAGES)


def _accept(view: View, waiting: ProposalDetails) -> None:
    _set(view, waiting, "published")


def _refuse(receipt: str) -> None:
    st.session_state[_REFUSING] = receipt


def _hide(view: View, waiting: ProposalDetails, reason: str) -> None:
    try:
        _set(view, waiting, "hidden", reason)
    except InputError as refused:
        st.session_state["queue_fault"] = refused


def _set(view: View, waiting: ProposalDetails, status: str, reason: str = "") -> None:
    """As it was read: its author may have corrected or withdrawn it since."""
    try:
        set_status_of_seen(waiting.receipt, waiting.updated_at, status, view.actor, reason)
    except ChangedMeanwhile as changed:
        st.session_state[_CHANGED] = changed
    _next()


def _next() -> None:
    """The next one has moved up to where this one was."""
    st.session_state.pop(_REFUSING, None)
    st.session_state["desk_changes"] = st.session_state.get("desk_changes", 0) + 1


def _move(steps: int) -> None:
    st.session_state[_AT] += steps
    st.session_state.pop(_REFUSING, None)
