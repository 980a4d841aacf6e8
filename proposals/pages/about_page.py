"""About: what this is, the consultation's documents, data and sources, privacy, accessibility, version."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import streamlit as st
from sqlalchemy import Row, text

from layers.catalogue import catalogue
from layers.documents_routes import overlays
from masterplan.actors import VISITOR
from masterplan.database import transaction
from masterplan.documents import Document, documents
from masterplan.errors import Unavailable
from masterplan.formats import day, number, quantity
from masterplan.language import N_
from masterplan.pages.plain import plain
from masterplan.pages.shell import View, run_page
from masterplan.pages.sign_in import provider_configured
from masterplan.settings import PROJECT_ROOT

#: The member lists that the zone is the union of.
LISTS = {"A": N_("Association ADI ZMI, 2022"), "L": N_("Law 246/2022")}
UAT_KINDS = {"municipiu": N_("municipality"), "oraș": N_("town"), "comună": N_("commune")}

_LAYERS = text("""
    SELECT l.id, l.group_id, l.name_ro, l.name_en, l.source, l.licence, l.source_date, l.indicative, l.accuracy_m,
        l.version, v.feature_count
    FROM masterplan.layer l JOIN masterplan.layer_version v ON (v.layer_id, v.version) = (l.id, l.version)
    ORDER BY l.position
""")
_UATS = text("""
    SELECT name_ro AS name, properties ->> 'kind' AS kind, (properties ->> 'population')::integer AS population,
        (properties ->> 'area_km2')::float8 AS area_km2, properties ->> 'lists' AS lists,
        (properties ->> 'in_zone')::boolean AS in_zone,
        (properties ->> 'prospective_radial')::boolean AS prospective_radial
    FROM masterplan.current_feature WHERE layer_id = 'uat' ORDER BY name_ro COLLATE "ro-x-icu"
""")
_EDITION = text("SELECT label, status FROM masterplan.edition ORDER BY id DESC LIMIT 1")
EDITION_STATUS_NAMES = {"draft": N_("working edition"), "published": N_("published edition")}


def show(view: View) -> None:
    st.title(view(N_("About")), anchor=False)
    what, papers, sources, members, privacy, accessibility = st.tabs([
        view(N_("What this is")), view(N_("Documents")), view(N_("Data and sources")), view(N_("UATs")),
        view(N_("Privacy")), view(N_("Accessibility")),
    ])  # fmt: skip
    with what:
        _what(view)
    with papers:
        _documents(view)
    with privacy:
        _privacy(view)
    with accessibility:
        _accessibility(view)
    with sources:
        _from_database(view, _sources)
    with members:
        _from_database(view, _members)


def _from_database(view: View, tell: Any) -> None:
    """Only these parts need the database: the others are read without it."""
    try:
        tell(view)
    except Unavailable as away:
        st.warning(away.message(view.language), icon=":material/cloud_off:")


def _paragraphs(view: View, *msgids: str) -> None:
    for msgid in msgids:
        st.markdown(view(msgid))


# -- what this is --------------------------------------------------------------------------


def _what(view: View) -> None:
    _paragraphs(
        view,
        N_("This is the shared map of the metropolitan masterplan: rings and radials, strategic zones, green-blue"
           " infrastructure, environment and rainwater, each with its source and date, and told apart by what exists,"
           " what is proposed and what is in prospect."),
        N_("Anyone can add an observation on the map and see at once how the place stands against published criteria."
           " UAT representatives submit project proposals the same way. Planners filter, judge and publish."),
        N_("The masterplan is living and directing: it coordinates the general urban plans (PUG) and the mobility plans"
           " (PMUD) of the UATs, and does not replace them."),
    )  # fmt: skip
    st.caption(view(N_("application version {version}"), version=application_version()))
    _from_database(view, _edition)


def _edition(view: View) -> None:
    with transaction(VISITOR) as connection:
        edition = connection.execute(_EDITION).one()
    st.caption(plain(f"{edition.label} ({view(EDITION_STATUS_NAMES[edition.status])})"))


@cache
def application_version() -> str:
    with (PROJECT_ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


# -- documents -----------------------------------------------------------------------------


def _documents(view: View) -> None:
    st.markdown(view(N_(
        "The drafts of the consultation of 9–13 June 2025. Each appears here when its file is published."
    )))  # fmt: skip
    on_map = {overlay["id"]: overlay for overlay in overlays(view.language)}
    rows = [(known, on_map.get(known.id)) for known in documents()]
    st.table({
        view(N_("Document")): [plain(known.name(view.language)) for known, _ in rows],
        view(N_("To read")): [_to_read(view, known) for known, _ in rows],
        view(N_("On the map")): [_on_the_map(view, overlay) for _, overlay in rows],
    }, border="horizontal")  # fmt: skip


def _to_read(view: View, known: Document) -> str:
    if not known.pdf.is_file():
        return view(N_("not published yet"))
    return f"[{view(N_('PDF'))}](/documents/{known.id}.pdf)"


def _on_the_map(view: View, overlay: dict[str, Any] | None) -> str:
    if overlay is None:
        return view(N_("not published yet"))
    if "fault" in overlay:
        return plain(overlay["fault"])
    return view(N_("yes, in the list of layers"))


# -- data ----------------------------------------------------------------------------------


def _sources(view: View) -> None:
    with transaction(VISITOR) as connection:
        rows = connection.execute(_LAYERS).all()
    st.markdown(view(N_(
        "Each layer with where it comes from and how far a drawn edge may lie from the true one. An indicative layer is"
        " a sketch of ours after public facts; it is replaced as soon as an official file arrives."
    )))  # fmt: skip
    if not rows:
        st.info(view(N_("No layer is loaded yet. Load them: masterplan layers load")))
    for group in catalogue().groups:
        members = [row for row in rows if row.group_id == group.id]
        if members:
            st.subheader(plain(getattr(group, f"name_{view.language}")), anchor=False)
            _layer_table(view, members)


def _layer_table(view: View, rows: list[Row]) -> None:
    st.table({
        view(N_("Layer")): [f"**{plain(getattr(row, f'name_{view.language}'))}**" for row in rows],
        view(N_("Source and date")): [plain(f"{row.source} · {day(row.source_date, view.language)}") for row in rows],
        view(N_("Licence")): [plain(row.licence) for row in rows],
        view(N_("Standing and accuracy")): [plain(" · ".join(_standing(view, row))) for row in rows],
    }, border="horizontal")  # fmt: skip


def _standing(view: View, row: Row) -> list[str]:
    return [
        view(N_("indicative") if row.indicative else N_("official")),
        f"± {quantity(row.accuracy_m, 'm', view.language)}",
        view(N_("version {version}"), version=row.version),
        view(N_("features: {count}"), count=number(row.feature_count, 0, view.language)),
    ]


def _members(view: View) -> None:
    with transaction(VISITOR) as connection:
        rows = connection.execute(_UATS).all()
    members = [row for row in rows if row.in_zone]
    st.markdown(view(
        N_("The lists of members differ, so the zone of this map is their union: {count} UATs with {residents}"
           " residents (census 2021)."),
        count=len(members), residents=number(sum(row.population or 0 for row in members), 0, view.language),
    ))  # fmt: skip
    if not rows:
        return
    without = [row.name for row in members if not row.prospective_radial]
    if without:
        st.markdown(view(N_("Without a prospective radial on the map: {names}."), names=plain(", ".join(without))))
    yes = {True: "✓", False: "–"}
    table = {
        view(N_("UAT")): [f"**{plain(row.name)}**" for row in rows],
        view(N_("Kind")): [view(UAT_KINDS[row.kind]) for row in rows],
        view(N_("Residents, 2021")): [number(row.population, 0, view.language) for row in rows],
        view(N_("Area")): [quantity(row.area_km2, "km²", view.language) for row in rows],
    }
    for mark, name in LISTS.items():
        table[view(name)] = [yes[mark in (row.lists or "").split()] for row in rows]
    table[view(N_("In the zone"))] = [yes[bool(row.in_zone)] for row in rows]
    table[view(N_("Prospective radial"))] = [yes[bool(row.prospective_radial)] for row in rows]
    st.table(table, border="horizontal")


# -- privacy and accessibility -------------------------------------------------------------


_WITHOUT_ACCOUNTS = (
    N_("**Other servers:** none. Map, fonts and scripts come from this server; your address goes to nobody else."),
)
_WITH_ACCOUNTS = (
    N_("**Account, if you sign in:** the sign-in service tells us your name, your e-mail address, its own address and"
       " the number it knows you by; they are kept with your role. You see yours, administrators see name and address,"
       " nobody else. What you submit while signed in is linked to your account, which is never published. A cookie"
       " keeps you signed in, for 30 days at most."),
    N_("**Other servers:** only the sign-in service, and only when you sign in: your browser goes there. Map, fonts and"
       " scripts come from this server; your address goes to nobody else."),
)  # fmt: skip


def _privacy(view: View) -> None:
    _paragraphs(
        view,
        N_("**What is kept:** what you write in the form and the place you mark; the time; what kind of author you say"
           " you are. No name is asked for. Do not write personal data in the title or the description: they become"
           " public once published."),
        N_("**E-mail:** optional, and only for questions about your submission. It is kept in a table of its own, shown"
           " to planners alone, never published and never exported."),
        N_("**Tracking code:** who holds it can see the result of that submission. Keep it as you keep a receipt."),
        N_("**Your browser session:** a random name that lasts until you close the page lets you see what you submitted"
           " yourself. It is stored with the submission and says nothing about you."),
        N_("**Network:** so that nobody floods the register, submissions are counted for each network. Your address is"
           " not stored; a keyed digest of it is, for about an hour, and cannot be turned back."),
        N_("**Cookies:** only what these pages need to answer your browser: those of Streamlit, their software, and the"
           " name of the process that serves you, where there are several. No statistics, no advertising."),
        *(_WITH_ACCOUNTS if provider_configured() else _WITHOUT_ACCOUNTS),
        N_("**Moderation:** if a submission is not published or is hidden, the reason is kept with it; whoever has its"
           " tracking code can read it."),
        N_("**Your rights:** you see, correct or withdraw what you submitted in the register, with the tracking code,"
           " until it is decided on; after that, or to have your e-mail address deleted, write to the masterplan's team"
           " and name the code."),
    )  # fmt: skip


def _accessibility(view: View) -> None:
    _paragraphs(
        view,
        N_("Everything that the map does can be done without it: the page “Propose” takes typed coordinates, the"
           " register and the desk are tables, and “What is here” answers for typed coordinates too."),
        N_("The aim is WCAG 2.1 level AA: every field has a label, nothing is said by colour alone, statuses on the map"
           " differ by line style, and pages work with the keyboard and at 400 % zoom."),
    )  # fmt: skip
    st.markdown(f"**{view(N_('Known exceptions'))}**")
    for exception in (
        N_("Some words are those of the software itself. Days and months in calendars follow the language of your"
           " browser; how many options a list has, the statistics in the menu of a column and the messages about a"
           " lost connection are said in English."),
        N_("Large tables are drawn as pictures with a hidden table for screen readers; the arrow keys move in them."),
        N_("The map itself needs sight and WebGL; typed coordinates take its place."),
        N_("After a change of language the page's title in the browser's tab may change only when you reload."),
    ):  # fmt: skip
        st.markdown(f"- {view(exception)}")


run_page(show)
