"""Pages without a browser: each run as its own script, with the map's component faked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from masterplan import demonstration
from masterplan.actors import Role
from masterplan.database import owner_transaction
from masterplan.settings import PROJECT_ROOT
from tests.pages.helpers import PAGES, SESSION, checked


class FakeMap:
    """Stands in for st_folium: keeps what it was asked to draw, answers with `reply`."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.reply: dict[str, Any] = {}

    def __call__(self, _map: Any, **asked: Any) -> dict[str, Any]:
        self.calls.append(asked)
        return self.reply


@pytest.fixture
def fake_map(monkeypatch: pytest.MonkeyPatch) -> FakeMap:
    fake = FakeMap()
    monkeypatch.setattr("layers.drawing.st_folium", fake)
    return fake


@pytest.fixture
def empty(database_name: str) -> Iterator[None]:
    """The clone without any submission, before and after."""
    delete_all()
    yield
    delete_all()


def delete_all() -> None:
    with owner_transaction() as connection:
        connection.execute(text("TRUNCATE masterplan.proposal CASCADE"))


@pytest.fixture
def open_page(fake_map: FakeMap, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Run a page as somebody, in a language, with an address."""
    monkeypatch.setattr("masterplan.pages.shell.demonstration_allowed", lambda: True)

    def run(name: str, role: Role = Role.VISITOR, language: str = "ro", **address: str) -> AppTest:
        demonstration.play(SESSION, role, ("95060",) if role is Role.UAT else ())
        folder = PROJECT_ROOT / "masterplan" / "pages" if name == "accounts" else PAGES
        app = AppTest.from_file(str(folder / f"{name}_page.py"), default_timeout=60)
        app.session_state["session_id"] = SESSION
        app.query_params["lang"] = language
        for key, value in address.items():
            app.query_params[key] = value
        return checked(app.run())

    return run
