"""The criteria page publishes the whole set in both languages."""

from __future__ import annotations

import pytest

from masterplan.actors import VISITOR, Role
from masterplan.database import transaction
from masterplan.pages.plain import plain
from proposals.criteria import THEMES
from proposals.criteria_store import in_force
from proposals.measures import MEASURES
from proposals.pages import result
from tests.pages.helpers import PAGES, shown

pytestmark = pytest.mark.database


@pytest.fixture
def criteria(database_name):
    with transaction(VISITOR) as connection:
        return in_force(connection)


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT, Role.PLANNER])
@pytest.mark.parametrize("language", ["ro", "en"])
def test_every_criterion_says_all_of_itself(open_page, criteria, role, language):
    app = open_page("criteria", role, language)
    texts = "\n".join(shown(app))
    labels = [expander.label for expander in app.expander]
    for criterion in criteria.criteria:
        assert any(label.startswith(plain(criterion.question[language])) for label in labels)
        for words in (criterion.rationale[language], criterion.example[language], criterion.source):
            assert plain(words) in texts
    for gate in criteria.gates:
        assert plain(gate.remedy[language]) in texts
    assert plain(criteria.decision.text[language]) in texts
    assert "v0" in texts


def test_a_theme_shows_only_what_is_asked_of_it(open_page, criteria):
    app = open_page("criteria")
    for theme in THEMES:
        app.selectbox(key="criteria_theme").set_value(theme).run()
        assert len(app.expander) == len([c for c in criteria.criteria if theme in c.themes])


def test_the_set_is_offered_for_download(open_page, database_name):
    app = open_page("criteria")
    (button,) = app.get("download_button")
    assert button.label == "Setul ca fișier (TOML)"


def test_every_measure_and_word_has_its_name():
    source = (PAGES / "criteria_page.py").read_text()
    for name, measure in MEASURES.items():
        assert f'"{name}": N_(' in source, f"MEASURE_NAMES lacks {name}"
        assert {*measure.values, *measure.classes} <= set(result.MEASURED_WORDS)
