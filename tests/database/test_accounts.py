"""Accounts on real PostGIS: who a token makes somebody, what they may do at this moment, and who changes it."""

from __future__ import annotations

import json
import runpy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from masterplan import accounts, database
from masterplan.accounts import (
    DISABLED,
    NOT_VOUCHED_FOR,
    SESSION_ENDED,
    SESSION_TOO_OLD,
    TOKEN_EXPIRED,
    Identity,
    SignInRefused,
    identity_of,
)
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError, NotFound
from masterplan.settings import PROJECT_ROOT, settings
from proposals.submitting import Submission, submit
from tests.command_line import run, run_process

pytestmark = pytest.mark.database

ISSUER = "https://login.example.org"
NOW = 1_800_000_000
MIROSLAVA = "97919"


@pytest.fixture(autouse=True)
def _nobody_yet(database_name: str) -> Iterator[None]:
    yield
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE masterplan.account, masterplan.invitation CASCADE"))
    engine.dispose()


def claims(**changed: object) -> dict:
    return {"iss": ISSUER, "sub": "ana", "email": "Ana@Example.org", "email_verified": True, "name": "Ana Popescu",
            "iat": NOW, "exp": NOW + 3600, "aud": "masterplan"} | changed  # fmt: skip


def somebody(**changed: object) -> Identity:
    return identity_of(claims(**changed))


def signed_in(**changed: object) -> Identity:
    identity = somebody(**changed)
    accounts.sign_in(identity, now=NOW + 1)
    return identity


def acting(identity: Identity, now: float = NOW + 2) -> Actor:
    return accounts.actor(identity, "a session", now)


def refused(what: str, do, *given: object, **named: object) -> None:
    with pytest.raises(SignInRefused) as said:
        do(*given, **named)
    assert said.value.msgid == what


# -- what a token says -----------------------------------------------------------------------


def test_claims_become_an_identity():
    assert somebody() == Identity(ISSUER, "ana", "Ana@Example.org", True, "Ana Popescu", NOW, NOW + 3600)


@pytest.mark.parametrize("changed", [
    {"iss": None}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 401}, {"iat": None}, {"exp": None},
    {"exp": "1800003600"}, {"iat": True}, {"exp": float("nan")}, {"iat": 1e300}, {"iss": ["a"]},
])  # fmt: skip
def test_a_token_that_does_not_say_who_or_until_when_is_refused(changed: dict):
    refused(NOT_VOUCHED_FOR, identity_of, claims(**changed))


@pytest.mark.parametrize(("claim", "verified"), [
    (True, True), ("true", True), (False, False), ("false", False), (None, False), (1.5, False), ("yes", False),
])  # fmt: skip
def test_only_a_plain_yes_verifies_an_address(claim: object, verified: bool):
    assert somebody(email_verified=claim).email_verified is verified


def test_other_claims_are_words_or_nothing():
    odd = somebody(email=["a@b"], name="Ana\x00\n\u202ePopescu" + "x" * 900)
    assert odd.email == ""
    assert odd.name.startswith("AnaPopescux") and len(odd.name) == 400


# -- signing in ------------------------------------------------------------------------------


def test_whoever_signs_in_is_a_stakeholder_with_an_account():
    actor = acting(signed_in())
    assert (actor.role, actor.uats, actor.session, actor.since) == (Role.STAKEHOLDER, (), "a session", NOW)
    (account,) = accounts.everyone(SYSTEM)
    assert (str(account.number), account.email, account.name) == (actor.user, "Ana@Example.org", "Ana Popescu")
    assert (account.role, account.state, account.issuer) == ("stakeholder", "active", ISSUER)


def test_a_person_is_issuer_and_subject_and_never_an_address():
    ana = acting(signed_in())
    again = acting(signed_in(email="new@example.org", iat=NOW + 1))
    same_address = acting(signed_in(sub="another"))
    same_subject = acting(signed_in(iss="https://other.example.org"))
    assert again.user == ana.user
    assert len({ana.user, same_address.user, same_subject.user}) == 3


def test_an_expired_token_does_not_sign_in():
    refused(TOKEN_EXPIRED, accounts.sign_in, somebody(exp=NOW - 1), now=NOW)
    refused(TOKEN_EXPIRED, accounts.sign_in, somebody(iat=NOW + 3600, exp=NOW + 7200), now=NOW)
    assert accounts.everyone(SYSTEM) == []


def test_a_session_ends_at_our_own_age_whatever_the_token_says():
    ana = signed_in(exp=NOW + 10**6)
    hours = settings().session_hours * 3600
    assert acting(ana, NOW + hours).role is Role.STAKEHOLDER
    refused(SESSION_TOO_OLD, acting, ana, NOW + hours + 1)
    refused(SESSION_TOO_OLD, accounts.sign_in, ana, now=NOW + hours + 1)


def test_an_open_session_outlives_its_token_but_opens_no_other():
    ana = signed_in(exp=NOW + 300)
    assert acting(ana, NOW + 600).role is Role.STAKEHOLDER
    refused(TOKEN_EXPIRED, accounts.sign_in, ana, now=NOW + 600)


def test_after_logging_out_a_copied_cookie_is_refused_everywhere():
    phone, desk = signed_in(), signed_in(iat=NOW + 1)
    accounts.end_sessions(phone)
    for identity in (phone, desk):
        refused(SESSION_ENDED, acting, identity)
        refused(SESSION_ENDED, accounts.sign_in, identity, now=NOW + 2)
    assert acting(signed_in(iat=NOW + 2)).role is Role.STAKEHOLDER, "a new sign-in is good, in the very next second"


def test_who_never_signed_in_acts_as_nobody():
    refused(SESSION_ENDED, acting, somebody(sub="never seen"))


# -- invitations -----------------------------------------------------------------------------


def test_an_invitation_binds_once_to_the_verified_address():
    assert accounts.grant("ANA@example.org ", Role.PLANNER, (), SYSTEM), "invited"
    ana = signed_in()
    assert acting(ana).role is Role.PLANNER
    assert acting(signed_in(sub="an impostor")).role is Role.STAKEHOLDER, "an invitation is used up"


def test_an_invitation_does_not_bind_to_an_address_that_was_not_verified():
    accounts.grant("ana@example.org", Role.ADMINISTRATOR, (), SYSTEM)
    assert acting(signed_in(email_verified=False)).role is Role.STAKEHOLDER
    assert acting(signed_in(sub="really ana")).role is Role.ADMINISTRATOR


def test_an_invitation_expires():
    accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    with transaction(SYSTEM) as connection:
        connection.execute(text("UPDATE masterplan.invitation SET expires_at = now() - interval '1 second'"))
    assert acting(signed_in()).role is Role.STAKEHOLDER
    assert [account.state for account in accounts.everyone(SYSTEM)] == ["invitation expired", "active"]


def test_an_invitation_does_not_bind_to_a_disabled_account():
    signed_in()
    accounts.disable("ana@example.org", SYSTEM)
    with transaction(SYSTEM) as connection:
        connection.execute(text(
            "INSERT INTO masterplan.invitation (email, role) VALUES ('ana@example.org', 'planner')"
        ))  # fmt: skip
    refused(DISABLED, accounts.sign_in, somebody(iat=NOW + 10), now=NOW + 11)
    with transaction(SYSTEM) as connection:
        assert connection.scalar(text("SELECT count(*) FROM masterplan.account_role")) == 0


# -- granting --------------------------------------------------------------------------------


def test_a_role_holds_from_the_next_action_and_so_does_its_end():
    ana = signed_in()
    assert not accounts.grant("ana@example.org", Role.UAT, (MIROSLAVA,), SYSTEM)
    assert (acting(ana).role, acting(ana).uats) == (Role.UAT, (MIROSLAVA,))
    accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    assert (acting(ana).role, acting(ana).uats) == (Role.PLANNER, ())
    accounts.revoke("ana@example.org", SYSTEM)
    assert acting(ana).role is Role.STAKEHOLDER
    accounts.disable("ana@example.org", SYSTEM)
    refused(DISABLED, acting, ana)


def test_who_was_disabled_and_enabled_signs_in_anew():
    soon = int(time.time())
    ana = signed_in()
    accounts.disable("ana@example.org", SYSTEM)
    accounts.enable("ana@example.org", SYSTEM)
    with transaction(SYSTEM) as connection:
        after = connection.scalar(text("SELECT sessions_valid_after FROM masterplan.account"))
    assert soon <= after <= time.time() + 1
    old = somebody(iat=after, exp=after + 60)
    refused(SESSION_ENDED, accounts.sign_in, old, now=after)
    accounts.sign_in(somebody(iat=after + 1, exp=after + 60), now=after + 1)
    assert ana.subject == old.subject


def test_an_administrator_grants_to_others_and_never_to_themselves():
    root = acting(signed_in(sub="root", email="root@example.org"))
    accounts.grant(root.user, Role.ADMINISTRATOR, (), SYSTEM)
    root = acting(somebody(sub="root"))
    ana = signed_in()
    accounts.grant("ana@example.org", Role.PLANNER, (), root)
    assert acting(ana).role is Role.PLANNER
    accounts.grant("dan@example.org", Role.UAT, (MIROSLAVA,), root)
    accounts.revoke("dan@example.org", root)
    for change in (accounts.revoke, accounts.disable, accounts.enable):
        with pytest.raises(Forbidden):
            change(root.user, root)
    with pytest.raises(Forbidden):
        accounts.grant("root@example.org", Role.PLANNER, (), root)
    with transaction(SYSTEM) as connection:
        by = connection.scalar(text("SELECT granted_by FROM masterplan.account_role WHERE role = 'planner'"))
    assert str(by) == root.user, "who granted it is kept"


@pytest.mark.parametrize("role", [Role.VISITOR, Role.STAKEHOLDER, Role.UAT, Role.PLANNER])
def test_nobody_else_grants_though_a_page_forgot_to_ask(role: Role):
    signed_in()
    actor = Actor(role, user="" if role is Role.VISITOR else "999999", uats=(MIROSLAVA,))
    for change in (lambda: accounts.grant("ana@example.org", Role.PLANNER, (), actor),
                   lambda: accounts.grant("new@example.org", Role.PLANNER, (), actor)):  # fmt: skip
        with pytest.raises(ProgrammingError, match="permission denied|row-level security"):
            change()
    with pytest.raises((ProgrammingError, NotFound)):
        accounts.disable("ana@example.org", actor)
    assert acting(somebody()).role is Role.STAKEHOLDER


@pytest.mark.parametrize(("who", "role", "uats", "field"), [
    ("ana", Role.PLANNER, (), "who"), ("@example.org", Role.PLANNER, (), "who"), ("a@b@c", Role.PLANNER, (), "who"),
    ("ana@example.org", Role.UAT, (), "uats"), ("ana@example.org", Role.UAT, ("1",), "uats"),
    ("ana@example.org", Role.PLANNER, (MIROSLAVA,), "uats"),
])  # fmt: skip
def test_what_does_not_fit_is_said_with_its_field(who: str, role: Role, uats: tuple, field: str):
    with pytest.raises(InputError) as said:
        accounts.grant(who, role, uats, SYSTEM)
    assert [name for name, _ in said.value.faults] == [field]


def test_several_accounts_of_one_address_are_told_apart_by_number():
    first, second = acting(signed_in()), acting(signed_in(sub="another"))
    with pytest.raises(InputError, match=f"{first.user}, {second.user}"):
        accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    accounts.grant(second.user, Role.PLANNER, (), SYSTEM)
    assert [acting(somebody()).role, acting(somebody(sub="another")).role] == [Role.STAKEHOLDER, Role.PLANNER]


def test_an_account_whose_address_was_not_verified_is_not_meant_by_it():
    signed_in(sub="impostor", email_verified=False)
    assert accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM), "invited, not granted to the impostor"


@pytest.mark.parametrize("who", ["nobody@example.org", "4711"])
def test_nobody_there_is_said(who: str):
    for change in (accounts.revoke, accounts.disable, accounts.enable):
        with pytest.raises(NotFound):
            change(who, SYSTEM)


# -- the other doors -------------------------------------------------------------------------


def test_a_ticket_acts_as_its_account_does_at_this_moment():
    ana = signed_in()
    number = acting(ana).user
    accounts.grant(number, Role.PLANNER, (), SYSTEM)
    asked = accounts.actor_of_ticket(number, NOW, "s", NOW + 2)
    assert (asked.role, asked.user, asked.session) == (Role.PLANNER, number, "s")
    accounts.end_sessions(ana)
    refused(SESSION_ENDED, accounts.actor_of_ticket, number, NOW, "s", NOW + 2)


@contextmanager
def in_the_public_process() -> Iterator[None]:
    database.dispose()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MASTERPLAN_PROCESS", "public")
            settings.cache_clear()
            yield
    finally:
        database.dispose()
        settings.cache_clear()


def test_a_public_process_makes_nobody_staff():
    ana = signed_in()
    accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    assert (acting(ana).role, acting(ana).elsewhere) == (Role.PLANNER, None)
    with in_the_public_process():
        assert (acting(ana).role, acting(ana).elsewhere) == (Role.STAKEHOLDER, Role.PLANNER)
        with pytest.raises(ProgrammingError), transaction(VISITOR) as connection:
            connection.execute(text("SELECT 1 FROM masterplan.account"))


def test_a_sign_in_forged_through_the_public_login_takes_no_invitation_of_the_team():
    """Whoever can run SQL in that process can say any identity and any address, verified or not."""
    accounts.grant("ana@example.org", Role.ADMINISTRATOR, (), SYSTEM)
    with in_the_public_process():
        signed_in(sub="forged")
    assert acting(somebody(sub="forged")).role is Role.STAKEHOLDER
    assert acting(signed_in(sub="really ana")).role is Role.ADMINISTRATOR, "the invitation waited for her"


def test_an_address_said_through_the_public_login_is_not_verified():
    known = signed_in(sub="known", email="known@example.org")
    with in_the_public_process():
        signed_in(sub="forged")
        signed_in(sub="known", email="known@example.org", iat=NOW + 1)
        refused(SESSION_ENDED, accounts.actor_of_ticket, acting(known).user, NOW, "s", NOW + 2)
    assert accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM), "invited, not granted to the forged account"
    assert not accounts.grant("known@example.org", Role.PLANNER, (), SYSTEM), "the team's process verified it"
    with in_the_public_process():
        accounts.sign_in(somebody(sub="known", email="boss@example.org", iat=NOW + 2), now=NOW + 3)
    assert accounts.grant("boss@example.org", Role.PLANNER, (), SYSTEM), "another address is not verified with it"


def test_a_representative_is_invited_through_the_public_login_too():
    accounts.grant("ana@example.org", Role.UAT, (MIROSLAVA,), SYSTEM)
    with in_the_public_process():
        assert (acting(signed_in()).role, acting(somebody()).uats) == (Role.UAT, (MIROSLAVA,))


def not_public_for(actor: Actor) -> int:
    with transaction(actor) as connection:
        return connection.scalar(text("SELECT count(*) FROM masterplan.proposal WHERE NOT public"))


def test_letters_are_not_their_own_who_typed_them_in():
    """Not in the account and not in the browser session, when the role is taken; nor those typed in long ago."""
    ana = signed_in()
    accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    typed = Submission(
        submission_key=uuid4(), kind="observation", theme="water", title="Din scrisoare", description="",
        geometry={"type": "Point", "coordinates": [27.567, 47.179]},
    )  # fmt: skip
    submit(typed, acting(ana))
    submit(replace(typed, submission_key=uuid4(), channel="letter", source_event="registratura"), acting(ana))
    assert not_public_for(acting(ana)) == 2
    accounts.revoke("ana@example.org", SYSTEM)
    assert not_public_for(acting(ana)) == 1, "her own"
    with database.owner_transaction() as connection:
        connection.execute(text("ALTER TABLE masterplan.proposal NO FORCE ROW LEVEL SECURITY"))
        connection.execute(text("UPDATE masterplan.proposal SET account = :user, session = 'a session'"),
                           {"user": int(acting(ana).user)})  # fmt: skip
        connection.execute(text("ALTER TABLE masterplan.proposal FORCE ROW LEVEL SECURITY"))
    assert not_public_for(acting(ana)) == 2, "as it was stored before the migration"
    migration = runpy.run_path(str(PROJECT_ROOT / "migrations" / "versions" / "0012_sign_in_and_search.py"))
    with database.owner_transaction() as connection:
        connection.execute(text(migration["LETTERS"]))
    assert not_public_for(acting(ana)) == 1


# -- the command line ------------------------------------------------------------------------


def test_the_first_administrator_is_made_by_the_command_line():
    assert "invited" in run_process("users", "grant", "ana@example.org", "administrator").stdout
    ana = signed_in()
    assert acting(ana).role is Role.ADMINISTRATOR
    run("users", "grant", "ana@example.org", "uat", "--uat", MIROSLAVA)
    (listed,) = json.loads(run("users", "list", "--json").stdout)
    assert (listed["role"], listed["uats"], listed["state"]) == ("uat", [MIROSLAVA], "active")
    run("users", "revoke", "ana@example.org")
    assert acting(ana).role is Role.STAKEHOLDER
    run("users", "disable", "ana@example.org")
    refused(DISABLED, acting, ana)
    assert "disabled" in run("users", "list").stdout
    run("users", "enable", "ana@example.org")
    assert "SIRUTA" in run("users", "grant", "ana@example.org", "uat", expect=1).stderr
    assert run("users", "grant", "ana@example.org", "king", expect=2).stderr
    assert "no account" in run("users", "revoke", "nobody@example.org", expect=1).stderr
