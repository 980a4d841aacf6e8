"""Judgements and overrides: given by the team, counted everywhere, kept, and read as the result is read."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError
from proposals import rank_table, replay_data, replaying
from proposals.comparing import compare
from proposals.explained import explained, explained_before
from proposals.exporting import stream_geojson
from proposals.filters import ProposalFilter
from proposals.judging import TAKE_BACK, give
from proposals.measuring import measure_all, score_all
from proposals.submission import Submission
from proposals.submitting import load_result, set_status, submit
from tests.command_line import run

pytestmark = pytest.mark.database

PLANNER = Actor(Role.PLANNER, user="demo", session="a planner's browser")
AUTHOR = Actor(Role.VISITOR, session="an author's browser")
WHY = "PUG Iași, pagina 12."


@pytest.fixture(autouse=True)
def _database(database_name: str) -> None:
    """Every test here works in this module's database."""


@pytest.fixture
def receipt() -> str:
    found = submit(Submission(
        submission_key=uuid4(), kind="observation", theme="development", title="Teren", description="",
        geometry={"type": "Point", "coordinates": [27.58, 47.16]},
    ), AUTHOR).receipt  # fmt: skip
    set_status([found], "published", PLANNER)
    return found


def result_of(receipt: str, actor: Actor = SYSTEM):
    with transaction(actor) as connection:
        return load_result(connection, receipt)


def plain_total(score) -> float:
    known = [(r["weight"], r["score"]) for r in score.results.values() if r.get("score") is not None]
    return sum(w * s for w, s in known) / sum(w for w, _ in known)


def test_a_judgement_counts_at_once_and_again_when_everything_is_scored_again(receipt):
    before = result_of(receipt)
    assert before.score.results["coherence"]["score"] is None
    given = give(receipt, "coherence", "85", WHY, PLANNER)
    assert given.score.results["coherence"]["score"] == 85
    assert given.score.total == pytest.approx(plain_total(given.score), abs=0.01) != before.score.total
    with transaction(SYSTEM) as connection:
        number = given.proposal_id
        measure_all(connection, [number])
        score_all(connection, [number])
    assert result_of(receipt).score == given.score
    give(receipt, "coherence", 20, WHY, PLANNER)
    assert result_of(receipt).score.results["coherence"]["score"] == 20
    assert give(receipt, "coherence", TAKE_BACK, "Citit greșit.", PLANNER).score == before.score


def test_an_overruled_gate_is_in_record_result_explanation_export_replay_and_ranks(receipt):
    before = result_of(receipt)
    key = next(k for k, r in before.score.results.items() if r["kind"] == "gate" and r["verdict"] == "pass")
    give(receipt, key, "fail", WHY, PLANNER)
    give(receipt, "land", 3, WHY, PLANNER)
    after = result_of(receipt, VISITOR).score
    gate, land = after.results[key], after.results["land"]
    assert (gate["verdict"], gate["computed"]["verdict"], gate["override"]["role"]) == ("fail", "pass", "planner")
    assert (gate["override"]["reason"], gate["override"]["older"]) == (WHY, False)
    assert (land["score"], land["computed"]["score"]) == (3, before.score.results["land"]["score"])
    assert after.total == pytest.approx(plain_total(after), abs=0.01)
    said = run("proposals", "explain", receipt, "--lang", "en").stdout
    assert "computed: passed; given by a planner on" in said and WHY in said
    assert "Results overruled by the team: 2; what was given counts." in said
    why = json.loads(run("proposals", "explain", receipt, "--why", "--json").stdout)
    assert [(c["criterion"], c["causes"][0]) for c in why["changes"]] == [("land", "override")]
    exported = json.loads(b"".join(stream_geojson(ProposalFilter(receipts=(receipt,)), VISITOR)))
    criteria = exported["features"][0]["properties"]["criteria"]
    assert criteria[key]["verdict"] == "fail" and criteria[key]["computed"]["verdict"] == "pass"
    assert criteria["land"]["override"]["reason"] == WHY and criteria["land"]["score"] == 3
    with transaction(SYSTEM) as connection:
        loaded = replay_data.load(connection)
        row = loaded.everything.receipts.tolist().index(receipt)
        stands = replaying.standing(loaded.everything, loaded.sets)
        assert stands.total[row] == after.total and stands.verdicts[key][row] == 3
        table = rank_table.rank_table(loaded.everything, loaded.sets["v0"], samples=10)
        assert next(r["score"] for r in table.rows() if r["receipt"] == receipt) == after.total


def test_an_override_on_a_fact_that_changed_says_so(receipt):
    given = give(receipt, "land", 3, WHY, PLANNER)
    key = given.criteria.criterion("land").spec.key
    with transaction(SYSTEM) as connection:
        connection.execute(text("""UPDATE masterplan.measurement SET measures = jsonb_set(measures,
            ARRAY[:key, 'value'], '"isolated"') WHERE proposal_id = :id"""), {"key": key, "id": given.proposal_id})
        score_all(connection, [given.proposal_id])
        before, now = explained_before(connection, receipt), explained(connection, receipt)
    override = result_of(receipt).score.results["land"]["override"]
    assert (override["older"], override["on_value"]) == (True, given.score.results["land"]["value"])
    assert [(c.key, c.causes[0]) for c in compare(before.score.results, now.score.results)] == [("land", "value")]


@pytest.mark.parametrize(("criterion", "given", "reason", "at_fault"), [
    ("coherence", "101", WHY, ["given"]), ("coherence", "nan", "", ["reason", "given"]),
    ("zone", "isolated", WHY, ["given"]), ("zone", "40", WHY, ["given"]),
    ("unheard", "40", " ", ["criterion", "reason"]),
    ("land", TAKE_BACK, WHY, ["given"]), ("land", "pass", WHY, ["given"]),
])  # fmt: skip
def test_what_cannot_be_given_is_refused_with_every_fault(receipt, criterion, given, reason, at_fault):
    before = result_of(receipt)
    with pytest.raises(InputError) as refused:
        give(receipt, criterion, given, reason, PLANNER)
    assert [field for field, _ in refused.value.faults] == at_fault
    assert result_of(receipt) == before


def test_only_the_team_gives_and_nobody_changes_or_reads_who(receipt):
    for actor in (AUTHOR, Actor(Role.UAT, uats=("95060",))):
        with pytest.raises(Forbidden):
            give(receipt, "coherence", 90, WHY, actor)
    give(receipt, "coherence", 85, WHY, PLANNER)
    with transaction(VISITOR) as connection:
        found = connection.execute(text("""SELECT value, reason, a.role FROM masterplan.assessment a
            JOIN masterplan.proposal p ON p.id = a.proposal_id WHERE p.receipt = :r"""), {"r": receipt}).one()
    assert tuple(found) == (85, WHY, "planner")
    for actor, statement in (
        (VISITOR, "SELECT account FROM masterplan.assessment"), (PLANNER, "UPDATE masterplan.assessment SET value = 1"),
        (PLANNER, "DELETE FROM masterplan.assessment"), (SYSTEM, "DELETE FROM masterplan.assessment"),
    ):
        with pytest.raises(DBAPIError, match="permission denied"), transaction(actor) as connection:
            connection.execute(text(statement))
    set_status([receipt], "hidden", PLANNER, "Nu este public.")
    with transaction(VISITOR) as connection:
        assert connection.scalar(text("SELECT count(*) FROM masterplan.assessment a JOIN masterplan.proposal p"
                                      " ON p.id = a.proposal_id WHERE p.receipt = :r"), {"r": receipt}) == 0


def test_on_the_command_line(receipt):
    said = run("proposals", "judge", receipt, "coherence", "70", "--reason", WHY).stdout
    assert "70 points of 100" in said and "given by the team, on the server on" in said
    assert "0 to 100" in run("proposals", "judge", receipt, "coherence", "700", "--reason", WHY, expect=1).stderr
