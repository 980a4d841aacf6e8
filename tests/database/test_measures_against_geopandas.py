"""Every measure of the shipped criteria over seeded proposals, against geopandas on the same layers."""

from __future__ import annotations

from sqlalchemy import text

from bench.agreement import agreement
from bench.frames import Frames, subjects
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from proposals.criteria_store import in_force
from proposals.seeding import seed


def test_geopandas_finds_the_same_facts(database_name: str) -> None:
    seed(300, 7)
    with transaction(SYSTEM) as connection:
        ids = list(connection.scalars(text("SELECT id FROM masterplan.proposal ORDER BY id")))
        facts = Frames(connection, in_force(connection)).facts(subjects(connection, ids))
        found = agreement(connection, facts)
    assert found.compared == 300 * len(facts.columns) > 5_000
    assert found.different == []
