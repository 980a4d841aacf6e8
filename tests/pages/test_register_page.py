"""The public register: what is public and one's own, found by words or by code."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from masterplan.actors import SYSTEM, Role
from masterplan.database import transaction
from masterplan.pages.plain import plain
from proposals import seeding
from tests.pages.conftest import delete_all
from tests.pages.helpers import HOSTILE, SESSION, brought, checked, shown

pytestmark = pytest.mark.database


def counted(condition: str, **values: object) -> int:
    with transaction(SYSTEM) as connection:
        return connection.scalar(text(f"SELECT count(*) FROM masterplan.proposal WHERE public AND {condition}"), values)


def found(app) -> str:
    return next(m.value for m in app.markdown if m.value.startswith("**Găsite"))


def titles(app) -> list[str]:
    return list(app.dataframe[0].value["Titlu"])


def test_an_empty_register_says_what_to_do(open_page, empty):
    app = open_page("register")
    assert "Încă nu este nimic public" in app.info[0].value
    assert not app.dataframe


def test_filters_count_as_sql_does(open_page, empty):
    seeding.seed(140, 3)
    app = open_page("register")
    assert found(app) == f"**Găsite: {counted('true')}**"
    assert len(titles(app)) == 50
    for theme in ("mobility", "water"):
        app.selectbox(key="register_theme").set_value(theme).run()
        assert found(checked(app)) == f"**Găsite: {counted('theme = :theme', theme=theme)}**"
    app.selectbox(key="register_theme").set_value(None)
    app.selectbox(key="register_kind").set_value("proposal").run()
    assert found(checked(app)) == f"**Găsite: {counted('kind = :kind', kind='proposal')}**"
    app.text_input(key="register_text").set_value("iasi nu exista asa ceva").run()
    assert "Nimic nu se potrivește" in app.info[0].value
    next(button for button in app.button if button.label == "Șterge filtrele").click().run()
    assert found(checked(app)) == f"**Găsite: {counted('true')}**"


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT, Role.PLANNER])
def test_everyone_reads_the_public_and_their_own(open_page, empty, role):
    brought("Publică pentru toți")
    brought("A altcuiva, nepublică", session="other", publish=False)
    brought("A mea, nepublică", session=SESSION, publish=False)
    assert set(titles(open_page("register", role))) == {"Publică pentru toți", "A mea, nepublică"}


def test_a_code_opens_the_result_but_not_the_words_of_what_is_not_public(open_page, empty):
    outcome = brought("Încă nepublică", session="other", publish=False, description="Numai după publicare.")
    app = open_page("register")
    app.text_input(key="register_code").set_value(outcome.receipt.lower().replace("-", " "))
    next(button for button in app.button if button.label == "Deschide").click().run()
    texts = shown(checked(app))
    assert "Cum stă locul față de criterii" in texts
    assert "Numai după publicare." not in texts
    assert any("primită, încă nepublică" in words for words in texts)


def test_a_wrong_code_is_said_in_words_and_drawn_as_text(open_page, empty):
    app = open_page("register", cod=HOSTILE)
    assert "cod de urmărire" in app.warning[0].value
    assert plain("![x](http://evil.example/p.png)") in app.warning[0].value


def test_hostile_words_stay_words(open_page, empty):
    outcome = brought(HOSTILE, description=HOSTILE)
    app = open_page("register", cod=outcome.receipt)
    assert titles(app) == [HOSTILE]
    assert plain(HOSTILE) in [heading.value for heading in app.subheader]
    assert HOSTILE in [element.value for element in app.text]
    read_as_markdown = [m.value for kind in ("markdown", "caption") for m in getattr(app, kind)]
    assert not any(re.search(r"\]\(http|(?<!\\)<img", words) for words in read_as_markdown)


def test_closing_forgets_the_code(open_page, empty):
    outcome = brought()
    app = open_page("register", cod=outcome.receipt)
    next(button for button in app.button if button.label == "Închide").click().run()
    assert "Nu este deschis nimic" in checked(app).info[0].value


def test_made_up_rows_are_marked_and_real_ones_are_not(open_page, empty):
    brought("Cu adevărat depusă")
    assert not any("inventate" in words for words in shown(open_page("register")))
    delete_all()
    seeding.seed(12, 4)
    brought("Cu adevărat depusă")
    app = open_page("register")
    kinds = dict(zip(titles(app), app.dataframe[0].value["Tip"], strict=True))
    assert kinds.pop("Cu adevărat depusă") == "observație"
    assert kinds and all(kind.endswith(" · demonstrație") for kind in kinds.values())
    assert any("inventate" in words for words in shown(app))
