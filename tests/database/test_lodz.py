"""Real proposals of another city, from its file through submitting and scoring into the export."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from masterplan.actors import SYSTEM
from proposals.exporting import export_to_file
from proposals.filters import EVERYTHING
from proposals.importing import read_proposals
from proposals.submitting import submit_many
from proposals.work import score_pending
from tests.unit.test_importing import DEFAULTS, LODZ_MAPPING, LODZ_TO_IASI_M

pytestmark = pytest.mark.database


def test_a_sample_of_lodz_is_scored_and_exported_with_nothing_lost(
    shared_data: Path, database_name: str, tmp_path: Path
) -> None:
    """Sixty of the 967; all of them: `make proof`."""
    file = shared_data / "participatory" / "lodz_budget_2026.geojson"
    published = json.loads(file.read_text("utf-8"))["features"]
    defaults = {name: value for name, value in DEFAULTS.items() if name != "theme"}
    rows, _ = read_proposals(file, LODZ_MAPPING, defaults, offset_m=LODZ_TO_IASI_M)
    pairs = random.Random(60).sample(list(zip(published, rows, strict=True)), 60)
    outcomes = submit_many([row.submission for _, row in pairs], SYSTEM, [row.created_at for _, row in pairs])
    assert len({outcome.receipt for outcome in outcomes}) == 60
    assert score_pending() == 60
    exported_to = tmp_path / "lodz.geojson"
    assert export_to_file(EVERYTHING, SYSTEM, str(exported_to)) == 60
    exported = {feature["id"]: feature for feature in json.loads(exported_to.read_text("utf-8"))["features"]}
    for (feature, row), outcome in zip(pairs, outcomes, strict=True):
        given, found = feature["properties"], exported[outcome.receipt]
        kept, title = found["properties"], " ".join(given["title"].split())
        # A title that is too long goes on in the description.
        assert kept["title"] == title or kept["description"].startswith(title)
        assert "".join(kept["description"].split()).endswith("".join(given["description"].split()))
        assert kept["budget_lei"] == given["cost_pln"]
        assert kept["score"] is not None and kept["criteria"]
        # To a centimetre: coordinates are exported with seven decimals.
        assert found["geometry"]["coordinates"] == pytest.approx([row.geometry.x, row.geometry.y], abs=2e-7)
