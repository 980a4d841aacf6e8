"""The administrators' page: granting, inviting, taking back and disabling, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text
from streamlit.testing.v1 import AppTest

from masterplan import accounts, database
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.pages import shell
from masterplan.settings import PROJECT_ROOT
from tests.pages.helpers import checked, shown

pytestmark = pytest.mark.database

MIROSLAVA = "97919"
ADMINISTRATOR, ANA = "1", "2"


@pytest.fixture(autouse=True)
def _two_people(database_name: str) -> None:
    """Number 1 is the administrator who looks at the page, number 2 somebody who signed in once."""
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE masterplan.account, masterplan.invitation RESTART IDENTITY CASCADE"))
        for name in ("chief", "ana"):
            connection.execute(text(
                "INSERT INTO masterplan.account (issuer, subject, email, email_verified, name) VALUES"
                " ('https://login.example', :name, :name || '@example.org', true, initcap(:name))"
            ), {"name": name})  # fmt: skip
    engine.dispose()
    accounts.grant(ADMINISTRATOR, Role.ADMINISTRATOR, (), SYSTEM)


@pytest.fixture
def open_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], AppTest]:
    def run(role: Role) -> AppTest:
        monkeypatch.setattr(shell, "actor", lambda: Actor(role, ADMINISTRATOR, session="s"))
        page = PROJECT_ROOT / "masterplan" / "pages" / "accounts_page.py"
        return checked(AppTest.from_file(str(page), default_timeout=60).run())

    return run


def people() -> dict[str, tuple[str, list[str], str]]:
    return {each.email: (each.role, each.uats, each.state) for each in accounts.everyone(SYSTEM)}


def give(app: AppTest, who: str, role: Role, *uats: str) -> AppTest:
    app.text_input(key="accounts_who").set_value(who)
    app.selectbox(key="accounts_role").set_value(role)
    app.multiselect(key="accounts_uats").set_value(list(uats))
    return checked(app.button(key="accounts_grant_button").click().run())


def test_a_role_is_given_and_somebody_new_is_invited(open_as) -> None:
    app = give(open_as(Role.ADMINISTRATOR), " Ana@Example.org ", Role.UAT, MIROSLAVA)
    assert "are acest rol de acum înainte" in app.success[0].value
    give(app, "new@example.org", Role.PLANNER)
    assert "este invitat" in app.success[0].value
    assert people() == {
        "chief@example.org": ("administrator", [], "active"), "ana@example.org": ("uat", [MIROSLAVA], "active"),
        "new@example.org": ("planner", [], "invited"),
    }  # fmt: skip
    assert "Miroslava" in app.dataframe[0].value.to_csv()


@pytest.mark.parametrize(("who", "role", "uats"), [
    ("ana@example.org", Role.UAT, ()), ("ana@example.org", Role.PLANNER, (MIROSLAVA,)), ("nobody", Role.PLANNER, ()),
    ("chief@example.org", Role.PLANNER, ()),
])  # fmt: skip
def test_what_cannot_be_given_is_said_and_what_was_typed_stays(open_as, who: str, role: Role, uats: tuple) -> None:
    before = people()
    app = give(open_as(Role.ADMINISTRATOR), who, role, *uats)
    assert app.error and not app.success
    assert (app.text_input(key="accounts_who").value, app.selectbox(key="accounts_role").value) == (who, role)
    assert people() == before


def test_a_role_is_taken_and_an_account_disabled_and_enabled(open_as) -> None:
    accounts.grant(ANA, Role.PLANNER, (), SYSTEM)
    app = open_as(Role.ADMINISTRATOR)
    assert [option for option in app.selectbox(key="accounts_chosen").options if "chief" in option] == [], "not oneself"
    for key, expected in (
        ("accounts_revoke", ("stakeholder", [], "active")), ("accounts_disable", ("stakeholder", [], "disabled")),
        ("accounts_enable", ("stakeholder", [], "active")),
    ):  # fmt: skip
        checked(app.button(key=key).click().run())
        assert people()["ana@example.org"] == expected


@pytest.mark.parametrize("role", [Role.VISITOR, Role.STAKEHOLDER, Role.UAT, Role.PLANNER])
def test_others_find_nothing_there(open_as, role: Role) -> None:
    app = open_as(role)
    assert "example.org" not in " ".join(shown(app)) and not app.dataframe and not app.button


def test_who_lost_the_role_meanwhile_changes_nothing(open_as, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is open; at the next press its actor is no administrator any more."""
    app, before = open_as(Role.ADMINISTRATOR), people()
    monkeypatch.setattr(shell, "actor", lambda: Actor(Role.STAKEHOLDER, ADMINISTRATOR, session="s"))
    give(app, "ana@example.org", Role.ADMINISTRATOR)
    assert people() == before and not app.dataframe
