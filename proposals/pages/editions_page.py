"""The editions of the plan: their calendars, their exports, what any two hold otherwise and why, and publishing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from html import escape
from itertools import groupby
from typing import Any

import streamlit as st

from layers.catalogue import Attribute, catalogue
from layers.editions import (
    LONGEST_ACT,
    LONGEST_LABEL,
    LONGEST_MINUTES,
    Calendar,
    Difference,
    Edition,
    differences,
    draft,
    editions,
    evidence_changes,
    publish,
    set_calendar,
)
from layers.routes import edition_address
from layers.symbology import STATUS_NAMES
from masterplan.database import transaction
from masterplan.errors import MasterplanError
from masterplan.formats import day, moment, today
from masterplan.language import N_
from masterplan.pages import shell
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from proposals.pages.result import badge
from proposals.plan_changes import Cause, causes, waiting

_FROM, _TO = "de_la", "la"
_SAID = "editions_said"
#: More are counted, and are in the download and in `masterplan editions diff`.
_MOST_SHOWN = 200

STATES = {
    "draft": (N_("draft"), ":material/edit:", "orange"),
    "published": (N_("published, frozen"), ":material/lock:", "green"),
}
WHAT = {
    "added": (N_("added"), ":material/add_circle:", "green"),
    "removed": (N_("removed"), ":material/remove_circle:", "red"),
    "moved": (N_("moved"), ":material/open_with:", "blue"),
    "changed": (N_("changed"), ":material/edit:", "orange"),
    "moved_and_changed": (N_("moved and changed"), ":material/edit_location_alt:", "orange"),
}
_FIELD_NAMES = {"name_ro": N_("Romanian name"), "name_en": N_("English name"), "status": N_("status")}


def show(view: View) -> None:
    st.title(view(N_("Editions of the plan")), anchor=False)
    st.markdown(view(N_(
        "The plan lives in editions. One is a draft, in which decisions and new data enter; a published edition never"
        " changes."
    )))  # fmt: skip
    _news(view)
    with transaction(view.actor) as connection:
        known = editions(connection)
    for each in known:
        _card(view, each)
    if view.actor.is_staff:
        _preparing(view, known[0])
    if len(known) > 1:
        _comparing(view, known)


def _card(view: View, edition: Edition) -> None:
    with st.container(border=True, gap="small", key=f"edition_{edition.id}"):
        st.subheader(plain(_title(edition)), anchor=False)
        st.markdown(badge(view, STATES, edition.status))
        for line in _facts(view, edition):
            st.markdown(plain(line))
        if edition.sha256:
            style = "color:#0f5c5c;font-weight:600"
            label = escape(view(N_("Download the edition (GeoJSON)")))
            st.html(f'<a href="{escape(edition_address(edition.id), quote=True)}" download style="{style}">{label}</a>')
            st.caption(f"SHA-256 {edition.sha256}")


def _title(edition: Edition) -> str:
    """Its name, with its number where the name does not say it."""
    return edition.label if str(edition.id) in edition.label.split() else f"{edition.id}. {edition.label}"


def _facts(view: View, edition: Edition) -> list[str]:
    lines = []
    if edition.published_at:
        lines.append(view(N_("Published on {when}."), when=moment(edition.published_at, view.language)))
    lines.append(_consultation(view, edition))
    for label, words in ((N_("Minutes:"), edition.minutes), (N_("Adopted by:"), edition.adopting_act),
                         (N_("Note:"), edition.note)):  # fmt: skip
        if words:
            lines.append(f"{view(label)} {words}")
    return lines


def _consultation(view: View, edition: Edition) -> str:
    if edition.opens_on is None or edition.closes_on is None:
        return view(N_("No consultation is announced yet.") if edition.is_draft else N_("It had no consultation."))
    opens, closes = day(edition.opens_on, view.language), day(edition.closes_on, view.language)
    now = today()
    if edition.consults_on(now):
        return view(N_("Consultation open: from {opens} to {closes}, the last day included."), opens=opens,
                    closes=closes)  # fmt: skip
    if now < edition.opens_on:
        return view(N_("Consultation from {opens} to {closes}."), opens=opens, closes=closes)
    return view(N_("The consultation was open from {opens} to {closes}."), opens=opens, closes=closes)


# -- two of them ---------------------------------------------------------------------------


def _comparing(view: View, known: Sequence[Edition]) -> None:
    st.header(view(N_("What changed between two editions")), anchor=False)
    labels = {each.id: _title(each) for each in known}
    numbers = list(labels)
    for name, otherwise in ((_FROM, numbers[1]), (_TO, numbers[0])):
        if f"editions_{name}" not in st.session_state:
            st.session_state[f"editions_{name}"] = _number(st.query_params.get(name, ""), numbers, otherwise)
    left, right = st.columns(2)
    before = left.selectbox(view(N_("From edition")), numbers, key=f"editions_{_FROM}", format_func=labels.get)
    after = right.selectbox(view(N_("To edition")), numbers, key=f"editions_{_TO}", format_func=labels.get)
    st.query_params.update({_FROM: str(before), _TO: str(after)})
    with transaction(view.actor) as connection:
        found = differences(connection, before, after)
        evidence = evidence_changes(connection, before, after)
        known_causes = causes(connection, {each.proposal_id for each in found if each.proposal_id is not None})
    if not found and not evidence:
        st.info(view(N_("The two hold the same.")), icon=":material/equal:")
        return
    st.markdown(plain(_counts(view, found)))
    for layer_id, members in groupby(found[:_MOST_SHOWN], key=lambda each: each.layer_id):
        st.subheader(plain(_layer_name(view, layer_id)), anchor=False)
        for each in members:
            _difference(view, each, known_causes.get(each.proposal_id))
    if len(found) > _MOST_SHOWN:
        st.caption(view(N_("The first {shown} of {all} are shown; the exports of the two editions hold all."),
                        shown=_MOST_SHOWN, all=len(found)))  # fmt: skip
    if evidence:
        st.subheader(view(N_("Evidence they were measured on")), anchor=False)
        st.markdown("\n".join(
            f"- {plain(_layer_name(view, layer_id))}: {_version(view, was)} → {_version(view, now)}"
            for layer_id, was, now in evidence
        ))  # fmt: skip


def _number(written: str, numbers: Sequence[int], otherwise: int) -> int:
    return int(written) if written.isdecimal() and int(written) in numbers else otherwise


def _counts(view: View, found: Sequence[Difference]) -> str:
    counted = {what: sum(each.what == what for each in found) for what in WHAT}
    return " · ".join(f"{view(WHAT[what][0])}: {many}" for what, many in counted.items() if many)


def _layer_name(view: View, layer_id: str) -> str:
    return getattr(catalogue().layer(layer_id), f"name_{view.language}")


def _version(view: View, version: int | None) -> str:
    return view(N_("none")) if version is None else view(N_("version {version}"), version=version)


def _difference(view: View, each: Difference, cause: Cause | None) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f"{badge(view, WHAT, each.what)} **{plain(each.name(view.language))}**")
        for name, (was, now) in each.fields.items():
            said = [_told(view, each.layer_id, name, value) for value in (was, now)]
            st.markdown(plain(f"{_field(view, each.layer_id, name)}: {' → '.join(said)}"))
        if cause is not None:
            st.markdown(plain(view(N_("Because of the proposal “{title}” ({receipt})."), title=cause.title,
                                   receipt=cause.receipt)))  # fmt: skip
            if cause.reason[view.language]:
                st.caption(plain(cause.reason[view.language]))
        elif each.proposal_id is None:
            st.caption(view(N_("New data of the layer.")))


def _field(view: View, layer_id: str, name: str) -> str:
    if name in _FIELD_NAMES:
        return view(_FIELD_NAMES[name])
    attribute = _attribute(layer_id, name)
    return name if attribute is None else getattr(attribute, f"name_{view.language}")


def _told(view: View, layer_id: str, name: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if name == "status":
        return view(STATUS_NAMES[value])
    if isinstance(value, bool):
        return view(N_("yes")) if value else view(N_("no"))
    attribute = _attribute(layer_id, name)
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(v) if attribute is None else attribute.value_name(v, view.language) for v in values)


def _attribute(layer_id: str, name: str) -> Attribute | None:
    return next((each for each in catalogue().layer(layer_id).attributes if each.name == name), None)


# -- planners ------------------------------------------------------------------------------


def _preparing(view: View, edition: Edition) -> None:
    with st.expander(view(N_("Prepare and publish the draft")), icon=":material/event:", key="editions_prepare"):
        _integrated(view)
        _calendar(view, edition)
        st.checkbox(
            view(N_("I know that a published edition never changes, and that the next draft opens.")),
            key="editions_sure",
        )  # fmt: skip
        st.button(view(N_("Publish edition {number}"), number=edition.id), key="editions_publish", type="primary",
                  icon=":material/lock:", disabled=not st.session_state["editions_sure"],
                  on_click=partial(_publish, view))  # fmt: skip


def _integrated(view: View) -> None:
    with transaction(view.actor) as connection:
        left = waiting(connection)
    if not left:
        return
    st.warning(view(N_("Integrated proposals whose change of the plan is not applied yet: {count}."), count=len(left)),
               icon=":material/pending_actions:")  # fmt: skip
    st.markdown("\n".join(f"- {plain(row.title)} ({plain(row.receipt)})" for row in left[:20]))


def _calendar(view: View, edition: Edition) -> None:
    with st.form("editions_calendar", border=False):
        st.text_input(view(N_("Name of the edition")), edition.label, key="editions_label", max_chars=LONGEST_LABEL)
        opens, closes = st.columns(2)
        opens.date_input(view(N_("Consultation opens on")), edition.opens_on, key="editions_opens", format="DD.MM.YYYY")
        closes.date_input(view(N_("Last day, at least 10 days later")), edition.closes_on, key="editions_closes",
                          format="DD.MM.YYYY")  # fmt: skip
        for label, key, words, most in (
            (N_("Minutes: where they are to be read"), "editions_minutes", edition.minutes, LONGEST_MINUTES),
            (N_("Adopting act"), "editions_act", edition.adopting_act, LONGEST_ACT),
            (N_("Note"), "editions_note", edition.note, LONGEST_MINUTES),
        ):
            st.text_input(view(label), words, key=key, max_chars=most)
        st.form_submit_button(view(N_("Save")), on_click=partial(_save, view), width="stretch")


def _save(view: View) -> None:
    said: Mapping[str, Any] = st.session_state
    opens: date | None = said["editions_opens"]
    given = Calendar(said["editions_label"], opens, said["editions_closes"], said["editions_minutes"],
                     said["editions_act"], said["editions_note"])  # fmt: skip
    try:
        with transaction(shell.now(view).actor) as connection:
            set_calendar(connection, given)
    except MasterplanError as refused:
        st.session_state[_SAID] = refused
        return
    st.session_state[_SAID] = view(N_("Saved."))


def _publish(view: View) -> None:
    try:
        with transaction(shell.now(view).actor) as connection:
            number = draft(connection).id
            publish(connection)
    except MasterplanError as refused:
        st.session_state[_SAID] = refused
        return
    # The form is of the next draft from now on.
    for key in ("sure", "label", "opens", "closes", "minutes", "act", "note", _FROM, _TO):
        st.session_state.pop(f"editions_{key}", None)
    st.query_params.clear()
    st.session_state[_SAID] = view(N_("Edition {number} is published."), number=number)


def _news(view: View) -> None:
    told = st.session_state.pop(_SAID, None)
    if isinstance(told, MasterplanError):
        st.error(plain(told.message(view.language)), icon=":material/block:")
    elif told is not None:
        st.success(plain(told), icon=":material/task_alt:")


run_page(show)
