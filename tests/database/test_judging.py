"""Replay, ranks, explanations and the life of criteria sets: as commands, on seeded proposals in real PostGIS."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import admin_url, owner_transaction, transaction
from masterplan.errors import MasterplanError, NotFound
from proposals import criteria_store
from proposals.criteria import definition, from_definition
from proposals.criteria_store import consult_on, in_force, load_file, publish, retire, stored_set
from proposals.explained import explained, explained_before
from proposals.measuring import measure_all, score_all
from proposals.ranking import draw
from proposals.seeding import seed
from proposals.submitting import submit
from tests.command_line import ROOT, run, run_process
from tests.database.test_commands import observation

V0 = (ROOT / "data" / "criteria" / "v0.toml").read_text(encoding="utf-8")


def edited(version: str, *changes: tuple[str, str], status: str = "draft") -> str:
    made = V0.replace('version = "v0"', f'version = "{version}"').replace(
        'status = "consultation"', f'status = "{status}"'
    )
    for before, after in changes:
        assert before in made
        made = made.replace(before, after, 1)
    return made


@pytest.fixture(autouse=True, scope="module")
def _seeded(database_name: str) -> None:
    """Every test of this module sees one clone with the same 120 rows."""
    seed(120, 5)


@pytest.fixture
def draft(tmp_path: Path):
    def write(version: str, *changes: tuple[str, str]) -> Path:
        file = tmp_path / f"{version}.toml"
        file.write_text(edited(version, *changes), encoding="utf-8")
        return file

    return write


def stored_scores() -> dict[str, dict]:
    with transaction(SYSTEM) as connection:
        rows = connection.execute(text("""
            SELECT p.receipt, p.theme, p.kind, s.total, s.results FROM masterplan.proposal p
            JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set"""))  # fmt: skip
        return {row.receipt: dict(row._mapping) for row in rows}


# -- replay --------------------------------------------------------------------------------


def test_replay_says_what_scoring_again_would_find(draft):
    """The draft is applied by replay, and then really: the scores stored then are those foretold."""
    file = draft("d1", ("weight = 20", "weight = 3"), ("recommended = 60", "recommended = 62"))
    foretold = json.loads(run_process("criteria", "replay", str(file), "--json").stdout)
    before = stored_scores()
    rules = from_definition(definition(file.read_text(encoding="utf-8")))
    load_file(file)
    with transaction(SYSTEM) as connection:
        score_all(connection, criteria=rules)
        after = dict(connection.execute(text(
            "SELECT p.receipt, s.total FROM masterplan.proposal p JOIN masterplan.score s ON s.proposal_id = p.id"
            " WHERE s.criteria_set = 'd1'")).all())  # fmt: skip
        connection.rollback()
    assert foretold["measured"] == 120 and foretold["not_measured"] == []
    moved = {r: (before[r]["total"], total) for r, total in after.items() if total != before[r]["total"]}
    assert {s["receipt"]: (s["before"], s["after"]) for s in foretold["scores"]} == moved
    assert foretold["scores_moved"] == len(moved) > 10
    assert foretold["recommendations"] and foretold["ranks"] and not foretold["gates"]


def test_replay_in_words_and_what_was_never_measured(draft):
    file = draft("d2", ('accumulation = "high"', 'accumulation = "low"'), ("threshold = 25", "threshold = 1"))
    said = run("criteria", "replay", str(file))
    flipped = int(re.search(r"gates flipped: (\d+)", said.stdout)[1])
    assert flipped > 40 and f"… and {flipped - 20} more: --json lists all" in said.stdout
    flips = json.loads(run("criteria", "replay", str(file), "--json").stdout)["gates"]
    assert len(flips) == flipped
    assert {(f["gate"], f["before"], f["after"]) for f in flips} == {
        ("steep_slope", "pass", "person"), ("stormwater", "pass", "not_assessed"),
        ("stormwater", "person", "not_assessed"),
    }  # fmt: skip
    assert re.search(r"warning: share_inside\.stormwater\.\w+, for stormwater, is not measured of \d+", said.stderr)
    assert "stormwater: pass → not_assessed" in said.stdout
    assert run("criteria", "replay", str(file), "--against", "unheard", expect=1).stderr.count("\n") == 1
    bad = file.with_name("bad.toml")
    bad.write_text(edited("d3").replace("weight = 12", "weight = -1", 1), encoding="utf-8")
    assert "A weight must be above zero" in run("criteria", "replay", str(bad), expect=1).stderr


# -- ranks ---------------------------------------------------------------------------------


def test_ranks_are_those_of_a_plain_loop_over_the_stored_scores(draft):
    found = json.loads(
        run("proposals", "rank", "--samples", "200", "--seed", "4", "--top", "3", "--json").stdout
    )
    scores = {r: row for r, row in stored_scores().items() if row["kind"] == "proposal"}
    assert {row["receipt"] for row in found["proposals"]} == scores.keys()
    with transaction(SYSTEM) as connection:
        weighted = in_force(connection).weighted
    drawn = draw(np.array([c.weight for c in weighted]), 200, 4).tolist()

    def total(receipt: str, weights) -> float | None:
        results = scores[receipt]["results"]
        pairs = [(weight, results[c.key]["score"]) for weight, c in zip(weights, weighted, strict=True)
                 if results.get(c.key, {}).get("score") is not None]  # fmt: skip
        return sum(w * s for w, s in pairs) / sum(w for w, _ in pairs) if pairs else None

    for row in found["proposals"]:
        peers = [r for r, other in scores.items() if other["theme"] == row["theme"]]
        assert row["score"] == scores[row["receipt"]]["total"]
        ranks = sorted(
            1 + sum((total(r, weights) or 0) > (total(row["receipt"], weights) or 0) + 0.02 for r in peers)
            for weights in drawn
        )
        # Stored scores have two decimals, so neighbours within them may change places.
        assert row["low"] >= ranks[math.ceil(0.05 * 200) - 1] and row["high"] >= row["low"]
        assert abs(row["high"] - ranks[math.ceil(0.95 * 200) - 1]) <= 2
    assert found["deviation_of_a_weight_of_10_percent"] == 2.99


def test_ranks_take_filters_and_say_the_spread():
    said = run_process("proposals", "rank", "--theme", "mobility", "--samples", "50").stdout
    assert "concentration 100: a weight of 10 % varies by ± 3.0 points" in said
    assert {line.split()[0] for line in said.splitlines()[2:] if not line.startswith("tied")} == {"mobility"}
    observed = json.loads(run("proposals", "rank", "--kind", "observation", "--samples", "5", "--json").stdout)
    assert {row["recommendation"] for row in observed["proposals"]} == {None}
    assert "“unheard”" in run("proposals", "rank", "--criterion", "unheard>=3", expect=1).stderr


def test_a_stakeholder_group_ranks_with_its_own_weights(draft):
    mayors = '\n[[stakeholder]]\nkey = "mayors"\nname_ro = "Primari"\nname_en = "Mayors"\nweights = { land = 500 }\n'
    file = draft("s1")
    file.write_text(file.read_text(encoding="utf-8") + mayors, encoding="utf-8")
    load_file(file)
    found = json.loads(run("proposals", "rank", "--under", "s1", "--theme", "development", "--samples", "5",
                           "--json").stdout)  # fmt: skip
    assert found["stakeholders"] == {"mayors": {"ro": "Primari", "en": "Mayors"}}
    results, rows = stored_scores(), found["proposals"]
    land = {row["rank_mayors"]: results[row["receipt"]]["results"]["land"]["score"] for row in rows}
    ordered = [land[rank] for rank in sorted(land)]
    assert ordered == sorted(ordered, reverse=True) and len(set(ordered)) > 1


# -- explanations --------------------------------------------------------------------------


def test_a_submission_is_explained_in_both_languages():
    outcome = submit(observation(), VISITOR)
    romanian = run("proposals", "explain", outcome.receipt.lower()).stdout
    assert "Este amplasamentul în zona metropolitană? Îndeplinită" in romanian
    assert re.search(r"stratul „UAT-uri ale zonei metropolitane”, versiunea 1 din 31 decembrie 2022", romanian)
    facts = json.loads(run("proposals", "explain", outcome.receipt, "--lang", "en", "--json").stdout)
    assert facts["total"] == outcome.score.total and len(facts["sentences"]) == len(outcome.score.results)
    assert facts["changes"] == []
    assert run("proposals", "explain", "nonsense", expect=1).stderr.startswith("error: receipt: “nonsense”")
    assert "no proposal" in run("proposals", "explain", "IS-0000-0000-0000", expect=1).stderr
    assert "--lang" in run("proposals", "explain", outcome.receipt, "--lang", "de", expect=2).stderr


def test_why_it_changed_after_it_was_measured_otherwise():
    receipt = submit(observation(), VISITOR).receipt
    assert "never found anything else" in run("proposals", "explain", receipt, "--why").stderr
    superuser = create_engine(admin_url())
    with superuser.begin() as connection:
        # As if it had been measured on other layers: hotter, and with the zone's edge elsewhere.
        connection.execute(
            text("""
            UPDATE masterplan.measurement m SET measures = m.measures || (
                SELECT jsonb_object_agg(key, '{"value": "outside"}'::jsonb)
                FROM jsonb_each(m.measures) WHERE key LIKE 'zone%')
            FROM masterplan.proposal p WHERE p.id = m.proposal_id AND p.receipt = :receipt"""),
            {"receipt": receipt},
        )
        connection.execute(text("DELETE FROM masterplan.past_measurement"))
        measured_on = connection.execute(text("SELECT id FROM masterplan.proposal WHERE receipt = :r"),
                                         {"r": receipt}).scalar()  # fmt: skip
    superuser.dispose()
    with transaction(SYSTEM) as connection:
        measure_all(connection, [measured_on])
    with transaction(SYSTEM) as connection:
        now, before = explained(connection, receipt), explained_before(connection, receipt)
        assert before.score.results["zone"]["value"] == "outside" and now.score.results["zone"]["value"] == "inside"
        # The same again is nothing new.
        measure_all(connection, [measured_on])
        kept = connection.scalar(text("SELECT count(*) FROM masterplan.past_measurement"))
        assert kept == 1
    said = run("proposals", "explain", receipt, "--why", "--lang", "en").stdout
    assert "outside, needs a person → inside, passed (what was measured is another; the gate answers otherwise)" in said


def test_what_was_measured_before_cannot_be_changed_by_the_application():
    for statement in ("DELETE FROM masterplan.past_measurement", "UPDATE masterplan.past_measurement SET edition = 1",
                      "INSERT INTO masterplan.past_measurement (proposal_id) VALUES (1)"):  # fmt: skip
        with pytest.raises(DBAPIError, match="permission denied"), transaction(SYSTEM) as connection:
            connection.execute(text(statement))


def test_what_is_not_measured_says_so():
    receipt = submit(observation(), VISITOR).receipt
    superuser = create_engine(admin_url())
    with superuser.begin() as connection:
        connection.execute(
            text("DELETE FROM masterplan.measurement m USING masterplan.proposal p"
                 " WHERE p.id = m.proposal_id AND p.receipt = :r"), {"r": receipt})  # fmt: skip
    superuser.dispose()
    with transaction(SYSTEM) as connection:
        with pytest.raises(MasterplanError, match="not measured yet"):
            explained(connection, receipt)
        with pytest.raises(NotFound):
            explained(connection, "IS-0000-0000-0000")


# -- the life of a set ---------------------------------------------------------------------


def test_a_set_lives_forward_only(fresh_database: str, tmp_path: Path):
    for version in ("v1", "v2"):
        file = tmp_path / f"{version}.toml"
        file.write_text(edited(version).replace("weight = 15", "weight = 14"), encoding="utf-8")
        load_file(file)
    first = submit(observation(), VISITOR)
    with pytest.raises(MasterplanError, match="people are asked first"):
        publish("v1")
    assert run("criteria", "publish", "v1", "--for-consultation").stdout == "v1: for consultation\n"
    with pytest.raises(MasterplanError, match="goes from draft"):
        consult_on("v1")
    assert run("criteria", "publish", "v1").stdout == "v1: published\n"
    with transaction(SYSTEM) as connection:
        assert (in_force(connection).version, stored_set(connection, "v1").status) == ("v1", "published")
    second = submit(observation(), VISITOR)
    assert [outcome.criteria.version for outcome in (first, second)] == ["v0", "v1"]
    said = run("proposals", "explain", first.receipt, "--under", "v1", "--lang", "en").stdout
    assert "(v0)" in said and "→ v1" in said and "the weight is another" in said

    file.write_text(edited("v1", ("weight = 15", "weight = 13")), encoding="utf-8")
    with pytest.raises(MasterplanError, match="already in use"):
        load_file(file)
    assert run("criteria", "retire", "v0").stdout == "v0: retired\n"
    assert "none would be in force" in run("criteria", "retire", "v1", expect=1).stderr
    with transaction(SYSTEM) as connection:
        assert stored_set(connection, "v1").status == "published"
        assert explained(connection, first.receipt).criteria.version == "v0"
    with pytest.raises(NotFound):
        publish("unheard")
    with pytest.raises(DBAPIError, match="never draft again"), owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.criteria_set SET status = 'draft' WHERE version = 'v1'"))
    retire("v2")
    assert {s.version: s.status for s in _sets()} == {"v0": "retired", "v1": "published", "v2": "retired"}


def _sets():
    with transaction(SYSTEM) as connection:
        return criteria_store.stored_sets(connection)
