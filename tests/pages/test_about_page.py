"""About: documents, sources, members, privacy; and every page with the database away."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from layers.catalogue import catalogue
from masterplan import database
from masterplan.actors import Role
from masterplan.documents import documents
from masterplan.language import messages
from masterplan.pages.plain import plain
from masterplan.place import place
from masterplan.settings import PROJECT_ROOT
from tests.pages.helpers import PAGES, brought, shown

pytestmark = pytest.mark.database
FOLDERS = (PAGES, PROJECT_ROOT / "masterplan" / "pages")
OURS = sorted(path.stem.removesuffix("_page") for folder in FOLDERS for path in folder.glob("*_page.py"))


@pytest.mark.parametrize("role", [Role.VISITOR, Role.UAT, Role.PLANNER])
@pytest.mark.parametrize("language", ["ro", "en"])
def test_documents_layers_and_members(open_page, database_name, role, language):
    app = open_page("about", role, language)
    papers, *groups, members = (table.value for table in app.table)
    assert [plain(known.name(language)) for known in documents()] == list(papers.iloc[:, 0])
    assert set(papers.iloc[:, 1]) == {{"ro": "încă nepublicat", "en": "not published yet"}[language]}
    listed = {name for table in groups for name in table.iloc[:, 0]}
    shipped = [layer for layer in catalogue().layers if layer.shipped]
    assert listed == {f"**{plain(getattr(layer, f'name_{language}'))}**" for layer in shipped}
    assert "**Iași**" in set(members.iloc[:, 0])
    assert place().text("disclaimer", language) in shown(app)


def test_a_published_file_is_linked(open_page, database_name, monkeypatch, tmp_path):
    monkeypatch.setattr("masterplan.documents.folder", lambda: tmp_path)
    (tmp_path / "guide.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "mobility.tif").write_bytes(b"no raster at all")
    papers = open_page("about").table[0].value
    assert papers.iloc[0, 1] == "[PDF](/documents/guide.pdf)"
    assert "GeoTIFF" in papers.iloc[1, 2]


@pytest.mark.parametrize("page", OURS)
@pytest.mark.parametrize("language", ["ro", "en"])
def test_with_the_database_away_every_page_says_so(open_page, database_name, monkeypatch, page, language):
    app = open_page(page, Role.PLANNER, language)
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 1})
    monkeypatch.setattr(database, "app_engine", lambda: away)
    app.run()
    assert not app.exception
    word = {"ro": "Baza de date", "en": "The database"}[language]
    assert any(word in warning.value for warning in app.warning)
    assert place().text("disclaimer", language) in shown(app)


@pytest.mark.parametrize("page", OURS)
@pytest.mark.parametrize("role", [Role.VISITOR, Role.PLANNER])
def test_no_english_sentence_is_left_on_a_romanian_page(open_page, empty, page, role):
    outcome = brought()
    app = open_page(page, role, "ro", cod=outcome.receipt)
    # “Data” is English for one thing and Romanian for another.
    english = messages("ro").keys() - set(messages("ro").values())
    assert not english & set(shown(app))
    columns = {column for table in (*app.dataframe, *app.table) for column in table.value.columns}
    assert not english & columns
    placeholders = {widget.proto.placeholder for kind in ("selectbox", "multiselect") for widget in getattr(app, kind)}
    assert not any(words.startswith("Choose") for words in placeholders)


def test_every_page_is_tried_here():
    """Found by their files, so that a new one is tried too."""
    assert set(OURS) >= {"map", "propose", "register", "criteria", "desk", "about", "replay", "accounts"}
