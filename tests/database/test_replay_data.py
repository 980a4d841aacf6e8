"""Measured proposals in arrays: the same numbers as the stored scores, whatever set and layer versions they have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine, text

from masterplan.actors import SYSTEM
from masterplan.database import admin_url, transaction
from proposals import measuring, replay_data
from proposals.criteria import definition, from_definition
from proposals.criteria_store import load_file
from proposals.replaying import flips, not_measured, standing, standing_under
from proposals.scoring import RECOMMENDATIONS, VERDICTS
from proposals.seeding import seed
from proposals.work import score_everything

V0 = (Path(__file__).parents[2] / "data" / "criteria" / "v0.toml").read_text(encoding="utf-8")
#: Another set: a threshold, a weight and a measure that v0 does not take.
V1 = (
    V0.replace('version = "v0"', 'version = "v1"')
    .replace("weight = 15", "weight = 18", 1)
    .replace('where = { accumulation = "high" }', 'where = { accumulation = ["high", "medium"] }', 1)
)


@pytest.fixture(autouse=True, scope="module")
def _seeded(database_name: str) -> None:
    """300 rows: some hidden, flooded, measured on layers that are no sketches, or judged by another set."""
    seed(300, 7)
    superuser = create_engine(admin_url())
    with superuser.begin() as connection:
        for statement in (
            """INSERT INTO masterplan.layer_version (layer_id, version, edition, source, source_date, indicative,
                   accuracy_m, feature_count, file_sha256)
               SELECT layer_id, 2, edition, source, source_date, false, 1, feature_count, file_sha256
               FROM masterplan.layer_version""",
            """UPDATE masterplan.measurement SET layer_versions =
                   (SELECT jsonb_object_agg(key, 2) FROM jsonb_each(layer_versions)) WHERE proposal_id % 3 = 0""",
            """UPDATE masterplan.measurement m SET measures = m.measures || coalesce((
                   SELECT jsonb_object_agg(key, '{"value": 40}'::jsonb) FROM jsonb_each(m.measures)
                   WHERE key LIKE 'share\\_inside.flood\\_bands%'), '{}') WHERE proposal_id % 6 = 0""",
            "UPDATE masterplan.proposal SET status = 'hidden' WHERE id % 10 = 0",
            """INSERT INTO masterplan.criteria_set (version, status, definition, source_toml, sha256)
               SELECT 'older', 'retired', jsonb_set(definition, '{decision,recommended}', '50'), source_toml, 'other'
               FROM masterplan.criteria_set WHERE version = 'v0'""",
            "UPDATE masterplan.proposal SET criteria_set = 'older' WHERE id % 4 = 0",
        ):
            connection.execute(text(statement))
    superuser.dispose()
    with transaction(SYSTEM) as connection:
        measuring.score_all(connection)


_STORED = text("""
    SELECT p.receipt, s.total, s.recommendation, s.results FROM masterplan.proposal p
    JOIN masterplan.score s ON s.proposal_id = p.id AND s.criteria_set = p.criteria_set WHERE p.status <> 'hidden'
""")


def _same_as_stored(connection: Connection, loaded: replay_data.Loaded) -> None:
    stored = {row.receipt: row for row in connection.execute(_STORED)}
    found = standing(loaded.everything, loaded.sets)
    receipts = loaded.everything.receipts.tolist()
    assert sorted(receipts) == sorted(stored)
    for number, receipt in enumerate(receipts):
        total = None if np.isnan(found.total[number]) else found.total[number]
        row = stored[receipt]
        assert (total, RECOMMENDATIONS[found.recommendation[number]]) == (row.total, row.recommendation)
        verdicts = {key: VERDICTS[v[number]] for key, v in found.verdicts.items() if v[number] >= 0}
        assert verdicts == {k: r["verdict"] for k, r in row.results.items() if r["kind"] == "gate"}


def test_everything_stands_as_it_is_stored():
    with transaction(SYSTEM) as connection:
        loaded = replay_data.load(connection)
        assert len(loaded.everything) == 270 and len(loaded.everything.alike) == 4
        assert loaded.sets.keys() == {"v0", "older"}
        assert (loaded.unmeasured, loaded.stale) == (0, 0)
        _same_as_stored(connection, loaded)
        fails = sum(int((v == VERDICTS.index("fail")).sum()) for v in standing(
            loaded.everything, loaded.sets).verdicts.values())  # fmt: skip
        assert fails > 0


def test_measures_with_names_too_long_for_a_column_are_read_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay_data, "_LONGEST_IDENTIFIER", 35)
    with transaction(SYSTEM) as connection:
        ids = list(connection.scalars(text("SELECT id FROM masterplan.proposal")))
        _same_as_stored(connection, replay_data.load(connection, ids=ids))


def test_what_is_read_is_kept_until_something_changes():
    with transaction(SYSTEM) as connection:
        first = replay_data.load(connection)
        assert replay_data.load(connection) is first
        connection.execute(text("UPDATE masterplan.measurement SET measured_at = now() WHERE proposal_id = 1"))
        again = replay_data.load(connection)
        assert again is not first and replay_data.load(connection) is again
        # Begun earlier than what is there already, and committed later.
        connection.execute(text("UPDATE masterplan.measurement SET measured_at = '2020-01-01' WHERE proposal_id = 2"))
        late = replay_data.load(connection)
        assert late is not again
        connection.execute(text("UPDATE masterplan.measurement SET stale = true WHERE proposal_id = 2"))
        assert replay_data.load(connection).stale == late.stale + 1
        connection.execute(text("UPDATE masterplan.proposal SET status = 'hidden' WHERE id = 1"))
        assert len(replay_data.load(connection).everything) == len(first.everything) - 1
        connection.rollback()


def test_some_are_read_alone():
    with transaction(SYSTEM) as connection:
        whole = replay_data.load(connection).everything
        ids = connection.execute(text("SELECT id, receipt FROM masterplan.proposal WHERE id IN (3, 5, 8, 10)")).all()
        some = replay_data.load(connection, ids=[row.id for row in ids]).everything
        assert sorted(some.receipts) == sorted(row.receipt for row in ids if row.id != 10)
        assert not replay_data.load(connection, ids=[]).everything.receipts.tolist()
        assert len(whole) == 270


def test_a_draft_that_asks_something_new_says_so_until_it_is_measured(tmp_path: Path):
    draft = from_definition(definition(V1))
    with transaction(SYSTEM) as connection:
        loaded = replay_data.load(connection, [draft])
        buildings = [t for t in loaded.everything.theme.tolist() if t in (1, 3)]
        (missing,) = not_measured(loaded.everything, draft)
        assert (missing.criteria, missing.proposals) == (("stormwater",), len(buildings))
        after = standing_under(loaded.everything, draft)
        asked = after.verdicts["stormwater"] >= 0
        assert set(after.verdicts["stormwater"][asked]) == {VERDICTS.index("not_assessed")}
    file = tmp_path / "v1.toml"
    file.write_text(V1.replace('status = "consultation"', 'status = "draft"'), encoding="utf-8")
    load_file(file)
    with transaction(SYSTEM) as connection:
        assert not_measured(replay_data.load(connection, [draft]).everything, draft) == [missing]
    score_everything()
    with transaction(SYSTEM) as connection:
        loaded = replay_data.load(connection, [draft])
        assert not_measured(loaded.everything, draft) == []
        told = flips(loaded.everything, standing(loaded.everything, loaded.sets),
                     standing_under(loaded.everything, draft))  # fmt: skip
        assert len(told.moved) > 20
        _same_as_stored(connection, loaded)
