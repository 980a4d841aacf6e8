"""The planner's desk: filter what came in, see it on the map, decide what is public, download it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from math import ceil
from typing import Any

import streamlit as st

from layers.drawing import MapState, draw_map
from masterplan.actors import Role
from masterplan.database import transaction
from masterplan.errors import InputError, MasterplanError, NotFound
from masterplan.formats import number, quantity
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import ROLE_NAMES, View, demonstration_allowed, run_page
from masterplan.pages.sign_in import the_team_is_elsewhere
from masterplan.uats import uat_names
from proposals.criteria import THEMES, CriteriaSet
from proposals.criteria_store import in_force
from proposals.desk import contact_email, nearest
from proposals.filters import (
    AUTHOR_KINDS,
    EVERYTHING,
    GATE_VERDICTS,
    KINDS,
    LONGEST_TEXT,
    STATUSES,
    CriterionCondition,
    GateCondition,
    ProposalFilter,
    from_dict,
)
from proposals.pages import (
    consultation,
    deciding,
    explanation,
    history,
    judging,
    moderation,
    plan_changing,
    result,
)
from proposals.pages.details import (
    CODE,
    DATE,
    KIND,
    KIND_NAMES,
    SCORE,
    STATE,
    STATUS_BADGES,
    STATUS_NAMES,
    THEME,
    TITLE,
    UAT,
    details,
    table,
)
from proposals.pages.form import AUTHOR_NAMES, THEME_NAMES
from proposals.routes import staff_export, staff_tiles
from proposals.selecting import ProposalDetails, ProposalRow, count, counts_by, one, page
from proposals.submitting import LONGEST_REASON, ChangedMeanwhile, load_result, set_status_of_seen

ROWS_A_PAGE = 50
MAP_HEIGHT_PX = 430
#: A click opens the nearest submission within this distance.
REACH_M = 500.0
_MOST_ROWS_SEEN = 10
_CODE, _FILTER = "cod", "f"
#: In the session: the filter, so that it outlives a visit to another page; widgets do not.
_KEPT = "desk_filter"

ORDERS = {
    "newest": (N_("newest first"), "created", True),
    "oldest": (N_("oldest first"), "created", False),
    "best": (N_("highest score first"), "score", True),
    "worst": (N_("lowest score first"), "score", False),
    "title": (N_("title"), "title", False),
    "uat": (N_("UAT"), "uat", False),
}
SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<", "=": "="}


PARTS = {
    "all": N_("All submissions"),
    "queue": N_("Moderation queue"),
    "sessions": N_("Consultation sessions"),
}


def show(view: View) -> None:
    st.title(view(N_("Analysis and decision")), anchor=False)
    if not view.actor.is_staff:
        _for_planners(view)
        return
    with transaction(view.actor) as connection:
        criteria, uats = in_force(connection), uat_names(connection)
    part = st.segmented_control(
        view(N_("Part of the desk")), list(PARTS), default="all", key="desk_part", required=True,
        format_func=lambda name: view(PARTS[name]), label_visibility="collapsed",
    )  # fmt: skip
    if part == "queue":
        moderation.queue(view, uats)
    elif part == "sessions":
        consultation.sessions(view)
    else:
        _everything(view, criteria, uats)


def _everything(view: View, criteria: CriteriaSet, uats: Mapping[str, str]) -> None:
    _seed(view)
    try:
        wanted = _filters(view, criteria, uats)
    except InputError as contradiction:
        st.warning(plain(contradiction.message(view.language)), icon=":material/filter_alt_off:")
        st.button(view(N_("Clear the filters")), on_click=_clear)
        return
    _keep(wanted)
    deciding.batch(view)
    left, right = st.container(key="desk_beside").columns([3, 2], gap="medium")
    with left:
        _table(view, wanted)
    with right:
        _map_and_details(view, wanted, uats)


def _for_planners(view: View) -> None:
    st.info(view(N_("Here planners filter, judge and publish what came in. What is public is in the register.")),
            icon=":material/lock:")  # fmt: skip
    if view.actor.elsewhere is not None:
        the_team_is_elsewhere(view.actor.elsewhere, view.language)
    elif demonstration_allowed():
        st.markdown(view(N_("To try it, choose the role “{role}” under “Demonstration”, in the sidebar."),
                         role=view(ROLE_NAMES[Role.PLANNER])))  # fmt: skip
    else:
        st.markdown(view(N_("It opens for who signs in with an account that has the planner's role.")))


# -- the filter ----------------------------------------------------------------------------


def _seed(view: View) -> None:
    """On arriving: the filter of the address, else the one kept from an earlier visit."""
    if "desk_text" in st.session_state:
        return
    wanted = st.session_state.get(_KEPT, EVERYTHING)
    if _FILTER in st.query_params:
        try:
            wanted = from_dict(_json(st.query_params[_FILTER]))
        except MasterplanError as refused:
            st.warning(plain(view(N_("The filter in the address was left out: {reason}"),
                                  reason=refused.message(view.language))))  # fmt: skip
    _fill(wanted)


def _json(written: str) -> Mapping[str, Any]:
    try:
        document = json.loads(written)
    except (ValueError, RecursionError) as broken:
        raise MasterplanError(N_("it is not readable.")) from broken
    if not isinstance(document, dict):
        raise MasterplanError(N_("it is not readable."))
    return document


def _fill(wanted: ProposalFilter) -> None:
    """Put a filter into the widgets; what has no widget is carried along."""
    st.session_state[_KEPT] = wanted
    st.session_state.update({
        "desk_text": wanted.text, "desk_kind": wanted.kind, "desk_themes": list(wanted.themes),
        "desk_statuses": list(wanted.statuses), "desk_uats": list(wanted.uats),
        "desk_authors": list(wanted.author_kinds), "desk_min": wanted.min_score, "desk_max": wanted.max_score,
        "desk_since": wanted.since, "desk_until": wanted.until, "desk_gates": list(wanted.gates),
        "desk_criteria": list(wanted.criteria),
    })  # fmt: skip


def _filters(view: View, criteria: CriteriaSet, uats: Mapping[str, str]) -> ProposalFilter:
    """The filter that the widgets say.

    Raises
    ------
    InputError
        When two of them contradict each other.
    """
    words, themes, statuses, kind = st.columns([4, 4, 3, 2])
    words.text_input(view(N_("Search in title, description and code")), key="desk_text", max_chars=LONGEST_TEXT,
                     icon=":material/search:")  # fmt: skip
    _many(view, themes, N_("Theme"), "desk_themes", THEMES, lambda t: view(THEME_NAMES[t]))
    _many(view, statuses, N_("State"), "desk_statuses", STATUSES, lambda s: view(STATUS_NAMES[s]))
    kind.selectbox(view(N_("Kind")), KINDS, index=None, key="desk_kind", placeholder=view(N_("any")),
                   format_func=lambda k: view(KIND_NAMES[k]))  # fmt: skip
    with st.expander(view(N_("More filters: UAT, author, score, date, gates, criteria")), key="desk_more",
                     icon=":material/tune:"):  # fmt: skip
        _more_filters(view, criteria, uats)
    carried: ProposalFilter = st.session_state[_KEPT]
    if carried.bbox or carried.receipts:
        st.caption(view(N_("The address also limits the place or names submissions. “Clear the filters” lifts that.")))
    said = st.session_state
    wanted = ProposalFilter(
        kind=said["desk_kind"], statuses=tuple(said["desk_statuses"]), themes=tuple(said["desk_themes"]),
        uats=tuple(said["desk_uats"]), author_kinds=tuple(said["desk_authors"]), text=said["desk_text"],
        min_score=said["desk_min"], max_score=said["desk_max"], gates=tuple(said["desk_gates"]),
        criteria=tuple(said["desk_criteria"]), since=said["desk_since"], until=said["desk_until"],
        bbox=carried.bbox, receipts=carried.receipts,
    )  # fmt: skip
    return from_dict(wanted.to_dict())


def _many(view: View, place: Any, label: str, key: str, options: Sequence[Any], words: Any) -> None:
    place.multiselect(
        view(label), options, key=key, format_func=words, placeholder=view(N_("any")), select_all=False,
        filter_mode="contains",
    )  # fmt: skip


def _more_filters(view: View, criteria: CriteriaSet, uats: Mapping[str, str]) -> None:
    said = st.session_state
    where, author = st.columns(2)
    codes = [*uats, *(code for code in said["desk_uats"] if code not in uats)]
    _many(view, where, N_("UAT"), "desk_uats", codes, lambda code: uats.get(code, code))
    _many(view, author, N_("Author"), "desk_authors", AUTHOR_KINDS, lambda a: view(AUTHOR_NAMES[a]))
    low, high, since, until = st.columns(4)
    for column, label, key in ((low, N_("Score from"), "desk_min"), (high, N_("Score to"), "desk_max")):
        column.number_input(view(label), 0.0, 100.0, key=key, value=None, step=5.0, format="%g", placeholder="–")
    for column, label, key in ((since, N_("Received from"), "desk_since"), (until, N_("Received until"), "desk_until")):
        column.date_input(view(label), key=key, value=None, format="DD.MM.YYYY")
    questions = {criterion.key: criterion.question[view.language] for criterion in criteria.criteria}
    gates = [GateCondition(gate.key, verdict) for gate in criteria.gates for verdict in GATE_VERDICTS]
    gates += [condition for condition in said["desk_gates"] if condition not in gates]
    _many(view, st, N_("Gates, each with the answer to look for"), "desk_gates", gates,
          lambda g: f"{questions.get(g.key, g.key)} – {view(result.VERDICT_BADGES[g.verdict][0])}")  # fmt: skip
    _many(view, st, N_("Scores on single criteria"), "desk_criteria", said["desk_criteria"],
          lambda c: f"{questions.get(c.key, c.key)} {SIGNS[c.operator]} {quantity(c.value, '', view.language)}"
          )  # fmt: skip
    _add_criterion(view, {criterion.key: questions[criterion.key] for criterion in criteria.weighted})


def _add_criterion(view: View, questions: Mapping[str, str]) -> None:
    with st.form("desk_add_criterion", border=False):
        criterion, sign, value, button = st.columns([5, 2, 2, 2], vertical_alignment="bottom")
        criterion.selectbox(
            view(N_("Criterion")), list(questions), key="desk_add_key", index=None, format_func=questions.get,
            placeholder=view(N_("Choose a criterion")),
        )  # fmt: skip
        sign.selectbox(view(N_("Compared")), [">=", "<="], key="desk_add_sign",
                       format_func=lambda s: view(N_("at least") if s == ">=" else N_("at most")))  # fmt: skip
        value.number_input(view(N_("Points")), 0.0, 100.0, 60.0, step=5.0, format="%g", key="desk_add_value")
        button.form_submit_button(view(N_("Add")), on_click=_add, icon=":material/add:", width="stretch")


def _add() -> None:
    said = st.session_state
    if said["desk_add_key"] is not None:
        new = CriterionCondition(said["desk_add_key"], said["desk_add_sign"], float(said["desk_add_value"]))
        said["desk_criteria"] = [*(c for c in said["desk_criteria"] if c != new), new]


def _keep(wanted: ProposalFilter) -> None:
    """In the session, and in the address so that it can be shared."""
    st.session_state[_KEPT] = wanted
    written = json.dumps(wanted.to_dict(), separators=(",", ":"), ensure_ascii=False)
    if wanted == EVERYTHING:
        st.query_params.pop(_FILTER, None)
    elif st.query_params.get(_FILTER) != written:
        st.query_params[_FILTER] = written


def _clear() -> None:
    _fill(EVERYTHING)


# -- the table -----------------------------------------------------------------------------


def _table(view: View, wanted: ProposalFilter) -> None:
    with transaction(view.actor) as connection:
        total = count(connection, wanted)
        by_state, by_theme = (counts_by(connection, wanted, column) for column in ("status", "theme"))
    found, button = st.columns([3, 2], vertical_alignment="center")
    found.markdown(f"**{view(N_('{count} found'), count=number(total, 0, view.language))}**")
    if wanted != EVERYTHING:
        button.button(view(N_("Clear the filters")), on_click=_clear, icon=":material/filter_alt_off:", width="stretch")
    if not total:
        nothing = N_("Nothing matches. Search for fewer words, or clear the filters.")
        if wanted == EVERYTHING:
            nothing = N_("Nothing has come in yet. What is submitted on the map, or by import, appears here at once.")
        st.info(view(nothing), icon=":material/search_off:")
        return
    sort, download = st.columns(2, vertical_alignment="bottom")
    chosen_order = sort.selectbox(view(N_("Sorted by")), list(ORDERS), key="desk_order",
                                  format_func=lambda o: view(ORDERS[o][0]))  # fmt: skip
    with download:
        _download(view, wanted)
    st.caption(plain(_counts(view, by_state, STATUS_NAMES)))
    st.caption(plain(_counts(view, by_theme, THEME_NAMES)))
    place = st.container()
    pages = ceil(total / ROWS_A_PAGE)
    fingerprint = f"{view.language}_{chosen_order}_{wanted.to_dict()}"
    shown = st.pagination(pages, key=f"desk_page_{fingerprint}") if pages > 1 else 1
    _, order, descending = ORDERS[chosen_order]
    with transaction(view.actor) as connection:
        rows = page(connection, wanted, order, descending, ROWS_A_PAGE, (shown - 1) * ROWS_A_PAGE)
    with place:
        _rows(view, rows, key=f"desk_table_{fingerprint}_{shown}")


def _counts(view: View, counts: Mapping[str | None, int], names: Mapping[str, str]) -> str:
    return " · ".join(f"{view(names[key])}: {number(many, 0, view.language)}" for key, many in counts.items())


def _download(view: View, wanted: ProposalFilter) -> None:
    """A link and not a button: the file streams from the server and never passes through the page."""
    address = staff_export(view.actor.session, view.actor.user, wanted, view.language, view.actor.since)
    style = (
        "display:block;text-align:center;padding:0.45rem 0.75rem;border:1px solid #0f5c5c;border-radius:0.4rem;"
        "color:#ffffff;background:#0f5c5c;text-decoration:none"
    )
    label = view(N_("Download GeoJSON"))
    explained = view(N_("with each result explained (slower)"))
    st.html(
        f'<a href="{escape(address, quote=True)}" download style="{style}">{escape(label)}</a>'
        f'<a href="{escape(address, quote=True)}&amp;explain=1" download style="display:block;text-align:center;'
        f'padding-top:0.3rem;font-size:0.87rem;color:#0f5c5c">{escape(explained)}</a>'
    )


def _rows(view: View, rows: Sequence[ProposalRow], key: str) -> None:
    receipts = [row.receipt for row in rows]
    columns = [TITLE, SCORE, STATE, UAT, THEME, KIND, DATE, CODE]
    table(view, rows, columns, key, _MOST_ROWS_SEEN, partial(_choose, key, receipts))


def _choose(key: str, receipts: Sequence[str]) -> None:
    chosen = st.session_state[key].selection.rows
    if chosen:
        st.query_params[_CODE] = receipts[chosen[0]]
    else:
        st.query_params.pop(_CODE, None)


# -- the map and one submission ------------------------------------------------------------


def _map_and_details(view: View, wanted: ProposalFilter, uats: Mapping[str, str]) -> None:
    opened, fault = _opened(view)
    changes = st.session_state.setdefault("desk_changes", 0)
    reply = draw_map(
        MapState(
            proposals=f"{staff_tiles(view.actor.session, view.actor.user, wanted, view.actor.since)}&n={changes}",
            outline=opened.geometry if opened else None,
            evidence=explanation.asked_for(view, opened.receipt if opened else None, "desk"),
        ),
        language=view.language, key="desk_map", height=MAP_HEIGHT_PX, drawing=False,
    )  # fmt: skip
    if reply.clicked and reply.clicked != st.session_state.get("desk_click"):
        st.session_state["desk_click"] = reply.clicked
        with transaction(view.actor) as connection:
            found = nearest(connection, wanted, *reply.clicked, REACH_M)
        if found and found != st.query_params.get(_CODE):
            st.query_params[_CODE] = found
            st.rerun()
    if fault:
        st.warning(plain(fault.message(view.language)), icon=":material/search_off:")
    elif opened is None:
        st.info(view(N_("Choose a row of the table, or click a submission on the map, to see its details here.")),
                icon=":material/touch_app:")  # fmt: skip
    else:
        _one(view, opened, uats)


def _opened(view: View) -> tuple[ProposalDetails | None, MasterplanError | None]:
    code = st.query_params.get(_CODE)
    if not code:
        return None, None
    try:
        with transaction(view.actor) as connection:
            return one(connection, code), None
    except NotFound as unknown:
        return None, unknown


def _one(view: View, shown: ProposalDetails, uats: Mapping[str, str]) -> None:
    with transaction(view.actor) as connection:
        outcome = load_result(connection, shown.receipt, view.actor.session)
        email = contact_email(connection, shown.receipt)
    with st.container(border=True):
        st.subheader(plain(shown.title), anchor=False)
        st.markdown(f"{result.badge(view, STATUS_BADGES, shown.status)} {plain(shown.receipt)}")
        _moderate(view, shown)
        details(view, shown, uats)
        if email:
            st.caption(view(N_("Contact, for questions about this submission only:")))
            st.text(email)
        deciding.offer(view, outcome)
        if shown.kind == "proposal":
            plan_changing.offer(view, shown)
        explanation.offer(view, outcome, "desk", view.actor, has_map=True)
        result.standing(view, outcome)
        judging.form(view, outcome)
        history.show(view, view.actor, outcome.proposal_id)


def _moderate(view: View, shown: ProposalDetails) -> None:
    publish, hide, close = st.columns(3)
    if publish.button(view(N_("Publish")), icon=":material/public:", disabled=shown.status == "published",
                      width="stretch", key="desk_published"):  # fmt: skip
        _set(view, shown, "published")
    with hide.popover(view(N_("Hide")), icon=":material/visibility_off:", disabled=shown.status == "hidden",
                      width="stretch"), st.form(f"desk_hide_{shown.receipt}", border=False):  # fmt: skip
        why = N_("Why? Who submitted it reads the reason, and so does whoever has the tracking code.")
        # The code in the key: a reason begun for one is not there for the next.
        reason = st.text_area(view(why), key=f"desk_reason_{shown.receipt}", max_chars=LONGEST_REASON)
        if st.form_submit_button(view(N_("Hide")), key="desk_hidden", width="stretch"):
            _set(view, shown, "hidden", reason)
    close.button(view(N_("Close")), on_click=_close, icon=":material/close:", width="stretch", key="desk_close")


def _set(view: View, shown: ProposalDetails, status: str, reason: str = "") -> None:
    try:
        set_status_of_seen(shown.receipt, shown.updated_at, status, view.actor, reason)
    except (InputError, ChangedMeanwhile) as refused:
        st.error(plain(refused.message(view.language)))
        return
    st.session_state["desk_changes"] += 1
    st.rerun()


def _close() -> None:
    st.query_params.pop(_CODE, None)


run_page(show)
