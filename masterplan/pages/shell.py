"""What every page shares: language, who is acting, the role switch, the disclaimer, and errors in words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import streamlit as st

from masterplan import demonstration, uats
from masterplan.actors import VISITOR, Actor, Role
from masterplan.database import reach, transaction
from masterplan.errors import MasterplanError, Unavailable
from masterplan.language import DEFAULT_LANGUAGE, LANGUAGES, N_, translator
from masterplan.pages import sign_in
from masterplan.pages.plain import plain
from masterplan.pages.sign_in import ROLE_NAMES, provider_configured
from masterplan.place import place

log = logging.getLogger(__name__)

#: Given for every page: Streamlit would fetch a page's own icon from another host.
ICON = Path(__file__).with_name("icon.svg")
ACCOUNTS_PAGE = Path(__file__).with_name("accounts_page.py")
LANGUAGE_NAMES = {"ro": "Română", "en": "English"}


@dataclass(frozen=True)
class View:
    """What a page needs to know of the person looking at it."""

    language: str
    actor: Actor

    def __call__(self, msgid: str, **facts: object) -> str:
        """The sentence in the reader's language, with its facts filled in."""
        sentence = translator(self.language)(msgid)
        return sentence.format(**facts) if facts else sentence


def language() -> str:
    """The chosen language: from the address, else as chosen before, else Romanian."""
    asked = st.query_params.get("lang")
    if asked in LANGUAGES:
        st.session_state["language"] = asked
    return st.session_state.get("language", DEFAULT_LANGUAGE)


def session_id() -> str:
    """A name for this browser session, so that a person sees what they brought themselves."""
    return st.session_state.setdefault("session_id", uuid4().hex)


def demonstration_allowed() -> bool:
    headers = {name.lower(): value for name, value in st.context.headers.items()}
    return demonstration.is_allowed(headers, provider_configured=provider_configured())


def actor() -> Actor:
    """Who acts now; the role is read from the database on every run."""
    if provider_configured():
        return sign_in.actor(session_id())
    return demonstration.actor_of(session_id(), demonstration_allowed())


def acts_as(role: Role) -> bool:
    """Whether the person acts in this role; while the database is away, nobody does."""
    try:
        return actor().role is role
    except Unavailable:
        return False


def now(view: View) -> View:
    """The view of this moment: a fragment runs again without its page, and the role may have changed since.

    While the database is away it is a visitor's, as on the page.
    """
    try:
        fresh = replace(view, actor=actor())
    except Unavailable:
        return replace(view, actor=VISITOR)
    if fresh.actor != view.actor and provider_configured():
        sign_in.notices(fresh.actor, fresh.language)
    return fresh


#: In the session: why a button's callback did nothing, said when the page has run again.
_NOT_DONE = "callback_refused"


def act_now(view: View, act: Callable[..., None], *arguments: object) -> None:
    """For a button's callback: `act(view, …)` on behalf of who the person is at this moment.

    Streamlit binds a callback's arguments when it draws the button and calls it before the page runs again: the
    role may have been taken since. What is refused is said by the page.
    """
    try:
        act(replace(view, actor=actor()), *arguments)
    except MasterplanError as refused:
        st.session_state[_NOT_DONE] = refused


def run_page(show: Callable[[View], None]) -> None:
    """Run a page: whatever goes wrong is said in words, and the disclaimer stands below.

    A database that is away is said at the top, with a way to try again; what needs none is still shown.
    """
    chosen = language()
    try:
        reach()
        view = View(chosen, actor())
    except Unavailable as away:
        _say_away(away, chosen)
        st.button(translator(chosen)(N_("Try again")))
        view = View(chosen, VISITOR)
    if provider_configured():
        sign_in.notices(view.actor, chosen)
    not_done: MasterplanError | None = st.session_state.pop(_NOT_DONE, None)
    if not_done is not None:
        st.error(plain(not_done.message(chosen)), icon=":material/block:")
    with said(chosen):
        show(view)
    disclaimer(chosen)


@contextmanager
def said(chosen: str) -> Iterator[None]:
    """Errors become sentences. A fragment uses it for itself: Streamlit lets no error out of one."""
    try:
        yield
    except Unavailable as away:
        _say_away(away, chosen)
    except MasterplanError as error:
        st.error(plain(error.message(chosen)), icon=":material/error:")


def _say_away(away: Unavailable, chosen: str) -> None:
    st.warning(away.message(chosen), icon=":material/cloud_off:")


def say_failure(failure: Exception) -> bool:
    """What nobody foresaw: the log has it, the visitor gets a sentence."""
    log.error("a page failed", exc_info=failure)
    translate = translator(language())
    st.error(
        translate(N_(
            "Something went wrong here, and it was noted. What you submitted before is kept. Reload the page."
        )),
        icon=":material/error:",
    )
    return True


def disclaimer(chosen: str) -> None:
    """The sentence that stands on every page."""
    st.divider()
    st.caption(place().text("disclaimer", chosen))


_LOOK = """<style>
.stMainBlockContainer { padding: 2.6rem 2.2rem 2rem; max-width: 1760px; }
.stMainBlockContainer h1 { font-size: 1.75rem; padding: 0 0 .4rem; }
.stMainBlockContainer h2, .stMainBlockContainer h3 { font-size: 1.2rem; padding: .3rem 0; }
/* Captions at full contrast: Streamlit fades them below 4.5:1. */
[data-testid="stCaptionContainer"] { color: #5a564c; opacity: 1; }
/* Streamlit's own hint is English only ("Press Enter to submit"). */
[data-testid="InputInstructions"] { display: none; }
/* A table and what is beside it need room; below it they stand one under the other. */
@media (max-width: 1200px) {
  [class*="_beside"] > [data-testid="stHorizontalBlock"],
  [class*="_beside"] > * > [data-testid="stHorizontalBlock"] { flex-wrap: wrap; }
  [class*="_beside"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"],
  [class*="_beside"] > * > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] { min-width: 100%; }
}
/* The map's place is kept from the start: what stands below it does not jump when it arrives. */
.st-key-map_frame { min-height: 680px; border-radius: 8px; background: #f4f2ec; position: relative;
  isolation: isolate; }
.st-key-map_frame::before { content: var(--map-coming); position: absolute; z-index: -1; top: 45%; left: 0; right: 0;
  text-align: center; color: #5a564c; }
@media (max-width: 640px) {
  .stMainBlockContainer { padding: 4rem 1rem 1.5rem; }
  /* Room beside the map for a finger that moves the page. */
  .st-key-map_frame { min-height: 62vh; }
  .st-key-map_frame iframe { height: 62vh; }
}
</style>"""


def look(chosen: str) -> None:
    """Less empty space around the map than Streamlit leaves; and the page's language, for `page-words.js`."""
    coming = translator(chosen)(N_("The map is coming…"))
    st.html(_LOOK + f'<style>:root {{ --page-language: "{chosen}"; --map-coming: "{coming}"; }}</style>')


def switches() -> None:
    """Language, and who is signed in or, where allowed, the demonstration's role, in the sidebar."""
    chosen = language()
    with st.sidebar:
        _language_switch(chosen)
        try:
            if provider_configured():
                sign_in.box(actor(), chosen)
            elif demonstration_allowed():
                _role_switch(chosen)
        except Unavailable:
            # The page itself says that the database is away.
            return


def _language_switch(chosen: str) -> None:
    picked = st.segmented_control(
        "Limba · Language", LANGUAGES, format_func=LANGUAGE_NAMES.get, default=chosen, key="language_switch",
        required=True,
    )
    if picked and picked != chosen:
        st.session_state["language"] = picked
        st.query_params["lang"] = picked
        st.rerun()


def _role_switch(chosen: str) -> None:
    translate = translator(chosen)
    now = actor()
    with st.container(border=True):
        st.markdown("**" + translate(N_("Demonstration")) + "**")
        st.caption(translate(N_("Only on this machine, while no sign-in is set up: try the application in each role.")))
        role = st.selectbox(
            translate(N_("Role")), demonstration.ROLES, index=demonstration.ROLES.index(now.role),
            format_func=lambda r: translate(ROLE_NAMES[r]), key="role_switch",
        )
        spoken_for: tuple[str, ...] = ()
        if role is Role.UAT:
            names = uat_names()
            codes = sorted(names, key=names.get)
            known = now.uats[0] if now.uats and now.uats[0] in codes else codes[0]
            spoken_for = (st.selectbox(
                translate(N_("UAT")), codes, index=codes.index(known), format_func=names.get, key="uat_switch",
            ),)  # fmt: skip
        if (role, spoken_for) != (now.role, now.uats):
            demonstration.play(session_id(), role, spoken_for)
            st.rerun()


def uat_names() -> dict[str, str]:
    """SIRUTA code → name of every UAT."""
    with transaction(VISITOR) as connection:
        return uats.uat_names(connection)
