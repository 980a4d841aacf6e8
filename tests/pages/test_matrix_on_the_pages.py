"""The matrix of roles, walked through the pages: what each offers to a role, and nothing that the matrix refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from masterplan import accounts
from masterplan.actors import PEOPLE, SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.pages import shell, sign_in
from masterplan.permissions import MATRIX, Operation, Thing, Whose
from masterplan.settings import PROJECT_ROOT, Settings, settings
from proposals.submitting import Submission, submit
from tests.pages.helpers import COPOU, PAGES, brought, checked, shown

pytestmark = pytest.mark.database

do, OWN, OTHERS = Operation, Whose.OWN, Whose.OTHERS
IASI, MIROSLAVA = "95060", "97919"
EMAIL = "canary@example.org"

#: What has no page yet, and comes with the planner's desk. The database answers all the same (`test_matrix.py`).
WITHOUT_A_PAGE = {do.ASSESS, do.DECIDE, do.PUBLISH}
#: A representative's form is for the proposals of their UAT; an observation they bring like anybody, signed out.
NOT_OFFERED = {(Role.UAT, Thing.OBSERVATION, do.SUBMIT, OWN)}
#: The same controls as for another's; an export tells nothing of whose it is.
SAME_AS_OTHERS = {(do.MODERATE, OWN), (do.READ_CONTACTS, OWN)}

#: What a result is read by; forms and filters speak of scores too.
TOTAL = "Punctaj total, din 100 de puncte"

Open = Callable[..., AppTest]


@pytest.fixture
def open_as(fake_map, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Run a page on behalf of somebody of a role, as if they had signed in."""

    def run(role: Role, name: str, folder=PAGES, **address: str) -> AppTest:
        uats = (IASI,) if role is Role.UAT else ()
        user = "" if role is Role.VISITOR else "999"
        monkeypatch.setattr(shell, "actor", lambda: Actor(role, user, uats, f"session of {role.value}"))
        app = AppTest.from_file(str(folder / f"{name}_page.py"), default_timeout=60)
        for key, value in address.items():
            app.query_params[key] = value
        return checked(app.run())

    return run


@pytest.fixture(scope="module")
def world(database_name: str) -> SimpleNamespace:
    mayor = Actor(Role.UAT, uats=(MIROSLAVA,), session="another")
    proposal = Submission(
        submission_key=uuid4(), kind="proposal", theme="mobility", title="Drum propus de altul",
        description="", geometry={"type": "Point", "coordinates": list(COPOU)}, on_behalf_of=MIROSLAVA,
        author_kind="uat", documentation_stage="idea", email=EMAIL,
    )  # fmt: skip
    accounts.grant("ana@example.org", Role.PLANNER, (), SYSTEM)
    with transaction(VISITOR) as connection:
        account = connection.scalar(text("SELECT masterplan.sign_in('https://x', 'y', 'z@example.org', true, '', 1)"))
    return SimpleNamespace(
        public=brought("Publică pentru toți").receipt,
        observation=brought("Nepublică a altuia", session="another", publish=False, email=EMAIL).receipt,
        proposal=submit(proposal, mayor).receipt,
        own={role: brought(f"A mea, {role.value}", session=f"session of {role.value}", publish=False).receipt
             for role in PEOPLE},
        of_own_uat=submit(replace(proposal, submission_key=uuid4(), title="Drum al nostru", on_behalf_of=IASI),
                          replace(mayor, uats=(IASI,))).receipt,
        of_an_account=submit(
            Submission(submission_key=uuid4(), kind="observation", theme="water", title="Din contul altuia",
                       description="", geometry={"type": "Point", "coordinates": list(COPOU)}),
            Actor(Role.STAKEHOLDER, user=str(account), session="another"),
        ).receipt,
    )  # fmt: skip


TITLES = {Thing.PUBLIC: "Publică pentru toți", Thing.OBSERVATION: "Nepublică a altuia",
          Thing.PROPOSAL: "Drum propus de altul"}  # fmt: skip


def offered(open_as: Open, world: SimpleNamespace, role: Role) -> set[tuple[Thing, Operation, Whose]]:
    """What the pages show and let do."""
    found: set[tuple[Thing, Operation, Whose]] = set()
    register = open_as(role, "register")
    listed = list(register.dataframe[0].value["Titlu"]) if register.dataframe else []
    if TITLES[Thing.PUBLIC] in listed:
        found |= {(Thing.PUBLIC, do.SEE, OWN), (Thing.PUBLIC, do.SEE, OTHERS)}
    assert not {TITLES[Thing.OBSERVATION], TITLES[Thing.PROPOSAL]} & set(listed), "the register is public"
    in_hand = {thing: open_as(role, "register", cod=receipt) for thing, receipt in
               ((Thing.OBSERVATION, world.own[role]), (Thing.PROPOSAL, world.proposal))}  # fmt: skip
    for thing, page in in_hand.items():
        words = " ".join(shown(page))
        if TITLES[thing] in words or "A mea" in words:
            found.add((thing, do.SEE, OWN))
        if thing is Thing.OBSERVATION and any(each.label == TOTAL for each in page.metric):
            found.add((Thing.RESULT, do.SEE, OWN))
    for thing, whose, receipt in (
        (Thing.OBSERVATION, OWN, world.own[role]), (Thing.PROPOSAL, OWN, world.of_own_uat),
        # By its code in hand: seen, and another's all the same.
        (Thing.OBSERVATION, OTHERS, world.of_an_account), (Thing.PROPOSAL, OTHERS, world.proposal),
        (Thing.PUBLIC, OWN, world.public), (Thing.PUBLIC, OTHERS, world.public),
    ):  # fmt: skip
        keys = {button.key for button in open_as(role, "register", cod=receipt).button}
        found |= {(thing, do.EDIT, whose)} if "correcting_save" in keys else set()
        found |= {(thing, do.WITHDRAW, whose)} if "correcting_withdraw" in keys else set()
    for thing in (Thing.PUBLIC, Thing.OBSERVATION, Thing.PROPOSAL):
        found |= _at_the_desk(open_as, world, role, thing)
    found |= _in_the_form(open_as, role)
    listed = open_as(role, "accounts", folder=PROJECT_ROOT / "masterplan" / "pages")
    if listed.dataframe:
        found.add((Thing.ACCOUNT, do.SEE, OTHERS))
    if any(button.key == "accounts_grant_button" for button in listed.button):
        found.add((Thing.ACCOUNT, do.GRANT, OTHERS))
    return found


def _at_the_desk(open_as: Open, world: SimpleNamespace, role: Role, thing: Thing) -> set:
    receipt = {Thing.PUBLIC: world.public, Thing.OBSERVATION: world.observation, Thing.PROPOSAL: world.proposal}[thing]
    page = open_as(role, "desk", cod=receipt)
    words, found = " ".join(shown(page)), set()
    if TITLES[thing] in words:
        found.add((thing, do.SEE, OTHERS))
    if {"desk_published", "desk_hidden"} <= {button.key for button in page.button}:
        found.add((thing, do.MODERATE, OTHERS))
    if EMAIL in words:
        found.add((thing, do.READ_CONTACTS, OTHERS))
    if any("/staff/export" in str(element.proto) for element in page.get("html")) and thing is not Thing.PUBLIC:
        found.add((thing, do.EXPORT, OTHERS))
    if TITLES[thing] in words and thing is Thing.OBSERVATION and "punctaj" in words.lower():
        found.add((Thing.RESULT, do.SEE, OTHERS))
    return found


def _in_the_form(open_as: Open, role: Role) -> set:
    page = open_as(role, "propose")
    checked(page.text_area(key="propose_points").set_value(f"{COPOU[1]}, {COPOU[0]}").run())
    behalf = [box for box in page.selectbox if box.key == "propose_form_behalf"]
    found: set = set()
    if behalf:
        # Staff choose any UAT, or none for an observation.
        found |= {(Thing.OBSERVATION, do.SUBMIT, whose) for whose in Whose}
        found |= {(Thing.PROPOSAL, do.SUBMIT, whose) for whose in Whose}
    elif any("Propunere de proiect în numele" in words for words in shown(page)):
        found.add((Thing.PROPOSAL, do.SUBMIT, OWN))
    elif any("Adaugă o observație aici" in words for words in shown(page)):
        found.add((Thing.OBSERVATION, do.SUBMIT, OWN))
    return found


@pytest.mark.parametrize("role", PEOPLE)
def test_the_pages_offer_what_the_matrix_says(open_as: Open, world: SimpleNamespace, role: Role) -> None:
    expected = {
        (rule.thing, rule.operation, rule.whose)
        for rule in MATRIX
        if role in rule.roles and rule.operation not in WITHOUT_A_PAGE and rule.thing is not Thing.EDITION
        and (rule.operation, rule.whose) not in SAME_AS_OTHERS
        and (role, rule.thing, rule.operation, rule.whose) not in NOT_OFFERED
    } - {(Thing.ACCOUNT, do.SEE, OWN)}  # fmt: skip
    assert offered(open_as, world, role) == expected


@pytest.mark.parametrize("role", [role for role in PEOPLE if role is not Role.VISITOR])
def test_everyone_signed_in_sees_who_they_are(role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    """(account, see, own): the box in the sidebar, with role and UATs and the way out."""
    uats = (IASI, MIROSLAVA) if role is Role.UAT else ()
    app = AppTest.from_function(_only_the_box, args=(role.value, uats), default_timeout=60).run()
    words = " ".join(shown(checked(app)))
    assert sign_in.ROLE_NAMES[role] and f"Rol: {shell.translator('ro')(sign_in.ROLE_NAMES[role])}" in words
    assert "Ana Popescu" in words
    assert ("Iași" in words and "Miroslava" in words) is bool(uats)
    assert [button.label for button in app.button] == ["Ieși din cont"]


@pytest.mark.parametrize("address", ["https://echipa.example.ro/", None])
def test_on_the_public_s_pages_the_team_is_told_where_its_own_are(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if address:
        monkeypatch.setenv("MASTERPLAN_TEAM_ADDRESS", address)
    settings.cache_clear()
    app = AppTest.from_function(_only_the_box, args=("stakeholder", (), "planner"), default_timeout=60).run()
    monkeypatch.undo()
    settings.cache_clear()
    words = " ".join(shown(checked(app)))
    assert "Rol: actor local" in words and "Aveți rolul de planificator." in words
    links = [element.proto.url for element in app.get("link_button")]
    assert links == ([address] if address else [])
    assert ("întrebați pe cine administrează serverul" in words) is (address is None)


def test_a_wrong_address_of_the_team_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTERPLAN_TEAM_ADDRESS", "javascript:alert(1)")
    with pytest.raises(ValidationError, match="team_address"):
        Settings()


def _only_the_box(role: str, uats: tuple[str, ...], elsewhere: str | None = None) -> None:
    from unittest.mock import patch

    from masterplan.actors import Actor, Role
    from masterplan.pages import sign_in

    class User:
        is_logged_in = True

        def to_dict(self) -> dict:
            return {"name": "Ana Popescu", "email": "ana@example.org"}

    with patch.object(sign_in.st, "user", User()):
        sign_in.box(Actor(Role(role), "7", tuple(uats), elsewhere=elsewhere and Role(elsewhere)), "ro")
