"""Signing in and out, and who is signed in; what the role allows is read from the database at every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from masterplan import accounts, uats
from masterplan.accounts import Identity, SignInRefused
from masterplan.actors import VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import MasterplanError, Unavailable
from masterplan.language import N_, translator
from masterplan.pages.plain import plain
from masterplan.settings import settings
from masterplan.sign_in import AWAY, FAILED, OUTCOME

ROLE_NAMES = {
    Role.VISITOR: N_("visitor"),
    Role.STAKEHOLDER: N_("stakeholder"),
    Role.UAT: N_("UAT representative"),
    Role.PLANNER: N_("planner"),
    Role.ADMINISTRATOR: N_("administrator"),
}

_OUTCOMES = {
    AWAY: N_("The sign-in service cannot be reached. Without it you can still look at everything public and bring"
             " observations. Try again in a few minutes."),
    FAILED: N_("Signing in did not succeed, and nobody is signed in. Try again."),
}  # fmt: skip
_ELSEWHERE = N_("You have the role {role}. These are the public's pages: you act in that role on the team's pages.")
_ELSEWHERE_UNSAID = N_("You have the role {role}. These are the public's pages; the team's have another address: ask"
                       " whoever runs this server.")  # fmt: skip
_CHANGED = N_("Your role changed meanwhile: you act as {role} now. What you just did may not have been done.")

#: In the session: the token it began with, the role it last acted in, and why it was refused.
_BEGUN, _ACTED, _REFUSED = "sign_in_begun", "sign_in_acted", "sign_in_refused"


def provider_configured() -> bool:
    """Whether sign-in is set up: then nobody plays a role."""
    return "auth" in st.secrets if st.secrets.load_if_toml_exists() else False


def actor(session: str) -> Actor:
    """Who is signed in, with the role of this moment; a visitor when nobody is, or not any more."""
    st.session_state.pop(_REFUSED, None)
    visitor = replace(VISITOR, session=session)
    try:
        identity = _identity()
        if identity is None:
            return visitor
        if st.session_state.get(_BEGUN) != identity:
            # A token opens a session while it holds; the session then has an age of our own.
            accounts.sign_in(identity)
            st.session_state[_BEGUN] = identity
        return accounts.actor(identity, session)
    except SignInRefused as refused:
        st.session_state[_REFUSED] = refused
        return visitor


def _identity() -> Identity | None:
    return accounts.identity_of(st.user.to_dict()) if st.user.is_logged_in else None


def notices(now: Actor, chosen: str) -> None:
    """What a person must know before anything else: a refusal, a failed sign-in, a role that changed."""
    translate = translator(chosen)
    refused: MasterplanError | None = st.session_state.get(_REFUSED)
    before = st.session_state.get(_ACTED)
    st.session_state[_ACTED] = (now.role, now.uats, now.user)
    if refused is not None:
        st.error(plain(refused.message(chosen)), icon=":material/lock:")
    elif before is not None and before != (now.role, now.uats, now.user) and before[2] == now.user != "":
        role = translate(ROLE_NAMES[now.role])
        st.warning(plain(translate(_CHANGED).format(role=role)), icon=":material/manage_accounts:")
    outcome = _OUTCOMES.get(st.query_params.get(OUTCOME, ""))
    if outcome is not None and not now.user:
        st.warning(translate(outcome), icon=":material/no_accounts:")


def box(now: Actor, chosen: str) -> None:
    """In the sidebar: who is signed in, their role and UATs, and the way in or out."""
    translate = translator(chosen)
    with st.container(border=True):
        if not now.user:
            _way_in(translate)
            return
        claims = st.user.to_dict()
        st.markdown(f"**{plain(str(claims.get('name') or claims.get('email') or translate(N_('Signed in'))))}**")
        if claims.get("name") and claims.get("email"):
            st.caption(plain(str(claims["email"])))
        st.caption(translate(N_("Role: {role}")).format(role=translate(ROLE_NAMES[now.role])))
        if now.elsewhere is not None:
            the_team_is_elsewhere(now.elsewhere, chosen)
        if now.uats:
            st.caption(translate(N_("UAT: {names}")).format(names=plain(_uat_words(now.uats))))
        if st.button(translate(N_("Sign out")), icon=":material/logout:", key="sign_out", width="stretch",
                     help=translate(N_("In every browser where you are signed in."))):  # fmt: skip
            _sign_out()


def the_team_is_elsewhere(granted: Role, chosen: str) -> None:
    """Whoever has a role of the team signed in where nobody can act in it: which role, and where it counts."""
    translate = translator(chosen)
    role, address = translate(ROLE_NAMES[granted]), settings().team_address
    if address is None:
        st.info(translate(_ELSEWHERE_UNSAID).format(role=role))
        return
    st.info(translate(_ELSEWHERE).format(role=role))
    st.link_button(translate(N_("To the team's pages")), str(address), icon=":material/arrow_outward:")
    st.caption(plain(str(address)))


def _uat_words(codes: tuple[str, ...]) -> str:
    try:
        with transaction(VISITOR) as connection:
            names = uats.uat_names(connection)
    except Unavailable:
        names = {}
    return ", ".join(names.get(code, code) for code in codes)


def _way_in(translate) -> None:
    # A cookie that is no longer good would be sent again: it goes first.
    if st.user.is_logged_in:
        if st.button(translate(N_("Sign in again")), icon=":material/login:", key="sign_in_again", width="stretch"):
            st.logout()
        return
    for name in _providers():
        label = translate(N_("Sign in")) if name is None else translate(N_("Sign in with {name}")).format(name=name)
        if st.button(label, icon=":material/login:", key=f"sign_in_{name or ''}", width="stretch"):
            st.login(name)
    st.caption(translate(N_("For representatives of UATs, institutions and planners. Observations need no account.")))


def _providers() -> list[str | None]:
    """The providers of the secrets: one without a name, or several by their names."""
    auth = st.secrets["auth"]
    if "client_id" in auth:
        return [None]
    return [name for name, section in auth.items() if isinstance(section, Mapping) and "client_id" in section]


def _sign_out() -> None:
    identity = _identity()
    if identity is not None:
        accounts.end_sessions(identity)
    st.session_state.pop(_BEGUN, None)
    st.logout()
