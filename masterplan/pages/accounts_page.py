"""Accounts, for administrators: who may do what, invitations, and taking either back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from masterplan import accounts
from masterplan.accounts import Account
from masterplan.actors import Role
from masterplan.errors import MasterplanError
from masterplan.language import N_
from masterplan.pages.plain import cell, plain
from masterplan.pages.shell import View, run_page, uat_names
from masterplan.pages.sign_in import ROLE_NAMES
from masterplan.permissions import Operation, Thing, may

STATES = {
    "active": N_("active"), "disabled": N_("disabled"), "address not verified": N_("address not verified"),
    "invited": N_("invited"), "invitation expired": N_("invitation expired"),
}  # fmt: skip
#: In the session: what came of the last change, said once after the page is drawn anew.
_NEWS = "accounts_news"


def show(view: View) -> None:
    st.title(view(N_("Accounts")), anchor=False)
    if not may(view.actor, Operation.GRANT, Thing.ACCOUNT):
        st.info(view(N_("This page is for administrators.")), icon=":material/lock:")
        return
    st.caption(view(N_("Who may do what. A change holds at the person's next action, also in pages that are open.")))
    news = st.session_state.pop(_NEWS, None)
    if news:
        st.success(plain(news), icon=":material/check:")
    people, names = accounts.everyone(view.actor), uat_names()
    _table(view, people, names)
    left, right = st.columns(2, gap="medium")
    with left:
        _grant(view, names)
    with right:
        _change(view, people)


def _table(view: View, people: list[Account], names: Mapping[str, str]) -> None:
    if not people:
        st.info(view(N_("Nobody has signed in yet, and nobody is invited.")), icon=":material/group_off:")
        return
    columns = {
        view(N_("No.")): ["" if p.number is None else str(p.number) for p in people],
        view(N_("E-mail address")): [p.email for p in people],
        view(N_("Name")): [p.name for p in people],
        view(N_("Role")): [view(ROLE_NAMES[Role(p.role)]) for p in people],
        view(N_("UAT")): [", ".join(names.get(code, code) for code in p.uats) for p in people],
        view(N_("State")): [view(STATES[p.state]) for p in people],
        view(N_("Signs in through")): [p.issuer for p in people],
    }
    columns = {name: [cell(words) for words in said] for name, said in columns.items()}
    configured = {name: st.column_config.TextColumn(name) for name in columns}
    st.dataframe(columns, hide_index=True, column_config=configured, key="accounts_table",
                 alt=view(N_("Accounts and invitations")))  # fmt: skip


def _grant(view: View, names: Mapping[str, str]) -> None:
    with st.form("accounts_grant"):
        st.markdown(f"**{view(N_('Give a role'))}**")
        who = st.text_input(view(N_("E-mail address, or number of an account")), key="accounts_who", max_chars=254)
        role = st.selectbox(view(N_("Role")), accounts.GRANTED, format_func=lambda r: view(ROLE_NAMES[r]),
                            key="accounts_role")  # fmt: skip
        uats = st.multiselect(view(N_("UATs they speak for")), list(names), format_func=names.get, key="accounts_uats",
                              placeholder=view(N_("Choose one or several")),
                              help=view(N_("Only for a UAT representative.")))  # fmt: skip
        st.caption(view(N_(
            "Who has not signed in yet is invited for 30 days; the role binds at the first sign-in with this address."
        )))  # fmt: skip
        pressed = st.form_submit_button(view(N_("Grant")), type="primary", key="accounts_grant_button")
    if pressed:
        _do(view, lambda: _granted(view, who, role, tuple(uats)))


def _granted(view: View, who: str, role: Role, uats: tuple[str, ...]) -> str:
    invited = accounts.grant(who, role, uats, view.actor)
    said = N_("{who} is invited: the role binds at the first sign-in.") if invited else N_(
        "{who} has this role from now on.")  # fmt: skip
    return view(said, who=who.strip())


def _change(view: View, people: list[Account]) -> None:
    # By what names them: of two runs, the one before knows an account as it was.
    others = {p.email if p.number is None else str(p.number): p for p in people if str(p.number) != view.actor.user}
    if not others:
        return
    with st.container(border=True):
        st.markdown(f"**{view(N_('Change an account'))}**")
        who = st.selectbox(view(N_("Account or invitation")), list(others), key="accounts_chosen",
                           format_func=lambda who: _called(others[who]))  # fmt: skip
        chosen = others[who]
        buttons: list[tuple[str, Callable]] = []
        if chosen.role != Role.STAKEHOLDER.value:
            buttons.append((N_("Take the role"), accounts.revoke))
        if chosen.number is not None:
            disabled = chosen.state == "disabled"
            buttons.append((N_("Enable"), accounts.enable) if disabled else (N_("Disable"), accounts.disable))
        for column, (label, change) in zip(st.columns(2), buttons, strict=False):
            if column.button(view(label), width="stretch", key=f"accounts_{change.__name__}"):
                _do(view, lambda change=change: _changed(view, change, who))


def _called(account: Account) -> str:
    number = "" if account.number is None else f" ({account.number})"
    return f"{account.email or account.name}{number}"


def _changed(view: View, change: Callable, who: str) -> str:
    change(who, view.actor)
    return view(N_("Done."))


def _do(view: View, change: Callable[[], str]) -> None:
    try:
        st.session_state[_NEWS] = change()
    except MasterplanError as refused:
        st.error(plain(refused.message(view.language)), icon=":material/error:")
        return
    st.rerun()


run_page(show)
