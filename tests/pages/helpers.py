"""What the tests of pages share: submissions to look at, and what a page shows."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from masterplan.settings import PROJECT_ROOT
from proposals.submitting import Outcome, Submission, set_status, submit

PAGES = PROJECT_ROOT / "proposals" / "pages"
SESSION = "s" * 32
#: Iași, Copou (EPSG:4326).
COPOU = (27.567, 47.179)
#: Everything Streamlit's Markdown, HTML and our templates could do with someone else's words.
HOSTILE = "![x](http://evil.example/p.png) [a](javascript:alert(1)) **b** $c$ :material/home: <img src=x> {{7*7}}"



def checked(app: AppTest) -> AppTest:
    assert not app.exception, [raised.stack_trace for raised in app.exception]
    return app


def shown(app: AppTest) -> list[str]:
    """Every text a person reads on the page, as it was handed to Streamlit."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "text", "info", "warning", "error", "success")
    texts = [element.value for kind in kinds for element in getattr(app, kind)]
    labelled = ("button", "selectbox", "multiselect", "text_input", "number_input", "date_input", "expander", "tabs")
    return texts + [element.label for kind in labelled for element in getattr(app, kind)]


def press(app: AppTest, name: str) -> AppTest:
    """Press the button of a name; those of one submission bear its code behind it."""
    (found,) = (b for b in app.button if b.key == name or str(b.key).startswith(f"{name}_"))
    return checked(found.click().run())


def address(app: AppTest, name: str) -> str | None:
    """What the page has written into the address under a name."""
    written = app.query_params.get(name)
    return written[0] if isinstance(written, list) else written


def brought(
    title: str = "Umbră în stație", theme: str = "public_space", session: str = "", publish: bool = True, **more: Any
) -> Outcome:
    """One submission, stored, measured and scored."""
    given = {
        "kind": "observation", "description": "Vara nu se poate aștepta.", "author_kind": "citizen",
        "geometry": {"type": "Point", "coordinates": list(COPOU)},
    }  # fmt: skip
    actor = SYSTEM if more.get("kind") == "proposal" else Actor(Role.VISITOR, session=session)
    outcome = submit(Submission(submission_key=uuid4(), title=title, theme=theme, **given | more), actor)
    if publish:
        set_status([outcome.receipt], "published", SYSTEM)
    return outcome


def status_of(receipt: str) -> str:
    with transaction(SYSTEM) as connection:
        return connection.scalar(text("SELECT status FROM masterplan.proposal WHERE receipt = :r"), {"r": receipt})
