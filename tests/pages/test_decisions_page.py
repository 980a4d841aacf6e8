"""The public page of decisions."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from masterplan.actors import Actor, Role
from masterplan.database import owner_transaction
from proposals.deciding import Action, Outcome
from proposals.decisions import Recommendation, recommend, take
from tests.pages.helpers import brought, shown

pytestmark = pytest.mark.database
ONE, TWO = (Actor(Role.PLANNER, user="demo", session=f"browser {n}") for n in (1, 2))


def test_without_decisions_it_says_what_waits(open_page, empty):
    brought("Parc", "green_blue", kind="proposal", on_behalf_of="95060")
    app = open_page("decisions")
    assert app.info[0].value.startswith("În această perioadă nu s-a publicat nicio decizie.")
    assert app.info[0].value.endswith(": 1.")


@pytest.mark.parametrize(("language", "rate", "reason"), [
    ("ro", "0 % (0 din 1)", "Ocupă un spațiu verde"), ("en", "0 % (0 of 1)", "It takes a registered green space"),
])  # fmt: skip
def test_a_rejection_is_counted_with_its_reason(open_page, empty, language, rate, reason):
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.decision_setting SET answer_days = 0"))
    code = brought("Parc", "green_blue", kind="proposal", on_behalf_of="95060").receipt
    recommend(code, Recommendation(Outcome.REJECT, ("green_space_taken",), departure="Altfel."), ONE)
    take(code, Action.CONFIRM, TWO)
    take(code, Action.PUBLISH, TWO)
    app = open_page("decisions", Role.VISITOR, language)
    assert [metric.value for metric in app.metric] == ["1", rate, "0", "0"]
    assert any(reason in words for words in shown(app))
    assert len(app.table) == 2, "by theme and by proposer; UATs are for planners and the UAT itself"
    assert len(open_page("decisions", Role.PLANNER, language).table) == 3
    assert not open_page("decisions", Role.VISITOR, language, de_la="2020-01-01", pana_la="2020-02-01").metric
