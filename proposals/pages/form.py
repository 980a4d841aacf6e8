"""The form for an observation or a proposal: the same beside the map and without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import streamlit as st

from layers.catalogue import catalogue
from masterplan.actors import VISITOR, Role
from masterplan.coordinates import parse_point
from masterplan.database import transaction
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.origins import ORIGIN_HEADER
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, uat_names
from masterplan.place import place
from proposals.criteria import THEME_NAMES, THEMES
from proposals.limits import TooMany
from proposals.locating import locate_all_typed
from proposals.pages import explanation, result
from proposals.pages.consultation import code_at_hand, keep
from proposals.submission import CONSENT, MAX_VERTICES
from proposals.submitting import Submission, submit

AUTHOR_NAMES = {
    "citizen": N_("citizen"),
    "professional": N_("professional"),
    "ngo": N_("NGO"),
    "owners_association": N_("owners' association"),
    "company": N_("company"),
    "institution": N_("public institution"),
    "uat": N_("UAT"),
}
CHANNEL_NAMES = {
    "online": N_("online"),
    "email": N_("e-mail"),
    "letter": N_("letter"),
    "meeting": N_("meeting"),
}
STAGE_NAMES = {
    "none": N_("none"),
    "idea": N_("idea"),
    "prefeasibility": N_("pre-feasibility study"),
    "feasibility": N_("feasibility study"),
    "technical_project": N_("technical project"),
}


@dataclass(frozen=True)
class Site:
    """A geometry to submit (GeoJSON, EPSG:4326) and what the person calls it."""

    words: str
    geometry: Any


def heading(view: View) -> str:
    return N_("Submit a project proposal here") if view.actor.role is Role.UAT else N_("Add an observation here")


def forget(view: View, prefix: str) -> None:
    """Start a new form: the next submission is another one."""
    for name in [name for name in st.session_state if str(name).startswith(f"{prefix}_form_")]:
        del st.session_state[name]


def submitted(prefix: str) -> str | None:
    """The tracking code of what this form submitted last and still shows; None before."""
    outcome = st.session_state.get(f"{prefix}_form_outcome")
    return outcome and outcome.receipt


def show(view: View, prefix: str, sites: list[Site]) -> bool:
    """Show the form, or the result once it was submitted; True when it was.

    The submission key is made with the form, so a double click or a retry makes one row.
    """
    key = st.session_state.setdefault(f"{prefix}_form_key", uuid4())
    outcome = st.session_state.get(f"{prefix}_form_outcome")
    if outcome is not None:
        if not st.session_state.get(f"{prefix}_form_announced"):
            st.session_state[f"{prefix}_form_announced"] = True
            # On a phone the result begins above what is seen after pressing the button below a long form.
            st.toast(view(N_("Received. Tracking code: {code}"), code=plain(outcome.receipt)), duration="long",
                     icon=":material/task_alt:")  # fmt: skip
        result.receipt(view, outcome)
        explanation.offer(view, outcome, prefix, view.actor, has_map=prefix == "map")
        result.standing(view, outcome)
        return True
    submission = _fields(view, prefix, key, sites)
    if submission is None:
        return False
    code = st.session_state.get(f"{prefix}_form_consultation", "").strip()
    try:
        with st.spinner(view(N_("Measuring against the criteria…"))):
            outcome = submit(submission, view.actor, st.context.headers.get(ORIGIN_HEADER, ""), code)
    except TooMany as full:
        st.warning(plain(full.message(view.language)), icon=":material/hourglass_top:")
        return False
    except InputError as refused:
        for _, fault in refused.faults:
            st.error(plain(fault.message(view.language)))
        return False
    st.session_state[f"{prefix}_form_outcome"] = outcome
    keep(code)
    st.rerun(scope="fragment" if prefix == "map" else "app")
    return True


def _fields(view: View, prefix: str, key: Any, sites: list[Site]) -> Submission | None:
    def named(field: str) -> str:
        return f"{prefix}_form_{field}"

    staff = view.actor.is_staff
    with st.form(named("fields"), border=True):
        st.subheader(view(heading(view)), anchor=False)
        site = sites[0]
        if len(sites) > 1:
            site = st.selectbox(view(N_("Place")), sites, format_func=lambda s: s.words, key=named("site"))
        else:
            st.caption(site.words)
        theme = st.selectbox(view(N_("Theme")), THEMES, index=None, key=named("theme"),
                             format_func=lambda t: view(THEME_NAMES[t]),
                             placeholder=view(N_("Choose a theme")))  # fmt: skip
        title = st.text_input(view(N_("Title")), max_chars=200, key=named("title"))
        description = st.text_area(view(N_("Description")), max_chars=10_000, height=140, key=named("description"))
        kind, on_behalf_of = _who_proposes(view, named)
        budget, stage = (None, None) if kind == "observation" else _documentation(view, named)
        author = _author(view, named, kind)
        attributes = _facts(view, named)
        channel, source_event = _channel(view, named) if staff else ("online", "")
        email = st.text_input(
            view(N_("E-mail (optional)")), key=named("email"), max_chars=254, autocomplete="email",
            help=view(N_("Only for questions about this submission. Never shown, never exported.")),
        )  # fmt: skip
        st.caption(view(CONSENT))
        st.caption(view(N_("Do not write personal data in the description: it is published after moderation.")))
        if not staff:
            st.text_input(
                view(N_("Code of the consultation session (only at a meeting)")), code_at_hand(), max_chars=20,
                key=named("consultation"), placeholder="K7MQ-2XTB", autocomplete="off",
            )  # fmt: skip
        if not st.form_submit_button(view(N_("Submit and see the result")), type="primary", width="stretch"):
            return None
    return Submission(
        submission_key=key, kind=kind, theme=theme or "", title=title, description=description,
        geometry=site.geometry, channel=channel, source_event=source_event, author_kind=author,
        email=email.strip() or None, on_behalf_of=on_behalf_of, budget_lei=budget, documentation_stage=stage,
        attributes=attributes,
    )  # fmt: skip


def _who_proposes(view: View, named) -> tuple[str, str | None]:
    """A UAT representative proposes for their UAT; staff may enter a proposal for any."""
    if view.actor.role is Role.UAT:
        names = uat_names()
        mine = [code for code in names if code in view.actor.uats]
        if not mine:
            raise MasterplanError(UAT_NOT_ON_THE_MAP, codes=", ".join(sorted(view.actor.uats)))
        code = mine[0]
        if len(mine) > 1:
            code = st.selectbox(view(N_("On behalf of")), mine, format_func=names.get, key=named("behalf"))
        st.caption(view(N_("Project proposal on behalf of {uat}"), uat=names[code]))
        return "proposal", code
    if view.actor.is_staff:
        names = uat_names()
        code = st.selectbox(
            view(N_("On behalf of (only for a UAT's project proposal)")), list(names), index=None,
            format_func=names.get, key=named("behalf"), placeholder=view(N_("nobody: an observation")),
        )  # fmt: skip
        return ("proposal", code) if code else ("observation", None)
    return "observation", None


def _documentation(view: View, named) -> tuple[float | None, str]:
    budget = st.number_input(
        view(N_("Budget (lei)")), min_value=0.0, value=None, step=10_000.0, format="%.0f", key=named("budget"),
        placeholder=view(N_("not known yet")),
    )  # fmt: skip
    stage = st.selectbox(view(N_("Documentation")), list(STAGE_NAMES), key=named("stage"),
                         format_func=lambda s: view(STAGE_NAMES[s]))  # fmt: skip
    return budget, stage


PROOF_NAMES = {
    "": N_("only declared"),
    "calculation": N_("with a calculation"),
    "verified": N_("verified"),
}


def _facts(view: View, named) -> dict[str, Any]:
    """What criteria ask that no map knows; whatever is left empty stays not assessed."""
    use = next(a for a in catalogue().layer("strategic_zones").attributes if a.name == "uses")
    with st.expander(view(N_("Facts about the project, for the criteria (optional)"))):
        facts = {
            "use": st.selectbox(
                view(N_("Main use")), use.values, index=None, key=named("use"), placeholder=view(N_("not stated")),
                format_func=lambda value: use.value_name(value, view.language),
            ),
            "green_m2": _amount(view(N_("Green space created (m²)")), named("green")),
            "future_residents": _amount(view(N_("Future residents")), named("residents")),
            "co2_saved_t_year": _amount(view(N_("CO₂ saved (tonnes a year)")), named("co2")),
            "co2_proof": st.selectbox(
                view(N_("How the CO₂ figure is known")), list(PROOF_NAMES), key=named("proof"),
                format_func=lambda proof: view(PROOF_NAMES[proof]),
            ),
            "impact_analysis": st.checkbox(
                view(N_("There is an impact analysis: urban, economic, social, environmental")), key=named("impact")
            ),
        }  # fmt: skip
    return {name: value for name, value in facts.items() if value}


def _amount(label: str, key: str) -> float | None:
    return st.number_input(label, min_value=0.0, value=None, step=1.0, format="%.0f", key=key)


def _author(view: View, named, kind: str) -> str:
    if view.actor.role is Role.UAT:
        return "uat"
    return st.selectbox(view(N_("You write as")), list(AUTHOR_NAMES), key=named("author"),
                        format_func=lambda a: view(AUTHOR_NAMES[a]))  # fmt: skip


def _channel(view: View, named) -> tuple[str, str]:
    """Staff enter what came on paper, with where it came from."""
    channel = st.selectbox(view(N_("Received by")), list(CHANNEL_NAMES), key=named("channel"),
                           format_func=lambda c: view(CHANNEL_NAMES[c]))  # fmt: skip
    event = st.text_input(view(N_("Source (event, letter number)")), max_chars=200, key=named("event"))
    return channel, event


UAT_NOT_ON_THE_MAP = N_(
    "The UAT you speak for (SIRUTA {codes}) is not on the map of the zone. Tell the masterplan's team."
)
TOO_MANY_POINTS = N_(
    "{count} points are too many; a submission has at most {most}. Leave out what the shape can spare."
)
OTHER_ORDER = N_(
    "Read with the easting first: with the northing first, as X and Y go in Stereo 70, the place would lie outside"
    " the map of the zone. Check it on the map or in the result."
)


def typed_geometry(typed: str) -> tuple[dict[str, Any], bool]:
    """What lines of typed coordinates make: a point, a line, or an area when the last repeats the first.

    Returns a GeoJSON geometry in EPSG:4326, and whether a point was read in the other order (`OTHER_ORDER`).

    Raises
    ------
    MasterplanError
        When a line is not a point in Romania, or they are more than a submission may have.
    """
    lines = [line for line in typed.splitlines() if line.strip()]
    if len(lines) > MAX_VERTICES:
        raise MasterplanError(TOO_MANY_POINTS, count=len(lines), most=MAX_VERTICES)
    points = [parse_point(line) for line in lines]
    with transaction(VISITOR) as connection:
        located = locate_all_typed(connection, points, place())
    swapped = any(in_other_order for _, in_other_order in located)
    positions = [[found.lon, found.lat] for found, _ in located]
    if len(positions) == 1:
        return {"type": "Point", "coordinates": positions[0]}, swapped
    if len(positions) >= 4 and points[0] == points[-1]:
        return {"type": "Polygon", "coordinates": [positions]}, swapped
    return {"type": "LineString", "coordinates": positions}, swapped
