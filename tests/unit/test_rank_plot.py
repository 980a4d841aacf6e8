"""The drawing of rank intervals, and the part of everything that it is of."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from proposals.rank_plot import rank_plot
from proposals.replaying import Alike, standing
from tests.unit.test_replaying import LAYERS, everything, near
from tests.unit.test_scoring import criteria, gate, judged, scored

ROWS = [
    {"rank": 1, "receipt": "A", "low": 1, "high": 1}, {"rank": 2, "receipt": "B<b>", "low": 2, "high": 3},
    {"rank": 3, "receipt": "C", "low": 2, "high": 3},
]  # fmt: skip


def test_each_bar_spans_its_interval_and_each_mark_is_at_its_rank():
    """The first rank is at 190, the last of three at 624: 217 apart; bars have round ends of 4."""
    drawn = rank_plot(ROWS, 12, "en")
    bars = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn.svg)
    assert [(float(x), float(width)) for x, width in bars] == [(186, 8), (403, 225), (403, 225)]
    assert re.findall(r'<circle cx="([\d.]+)"', drawn.svg) == ["190.0", "407.0", "624.0"]
    assert "3 of 12 proposals" in drawn.words and drawn.words in drawn.svg
    assert "<b>" not in drawn.svg


def test_one_proposal_alone_is_drawn_too():
    assert re.findall(r'<circle cx="([\d.]+)"', rank_plot(ROWS[:1], 1, "ro").svg) == ["190.0"]


def test_a_part_of_everything_stands_as_it_stood_in_the_whole():
    rules = criteria(gate(), scored(), judged())
    rows = [near(300), near(900, kind="observation"), near(700), near(1200, "water"), near(500)]
    whole = dataclasses.replace(
        everything(rows), alike=(Alike(slice(0, 2), "t", LAYERS), Alike(slice(2, 5), "t", LAYERS)),
        judgements={"judged": np.array([80.0, 10, np.nan, 20, np.nan])},
    )  # fmt: skip
    part = whole.only(np.array([True, True, True, False, True]))
    assert part.receipts.tolist() == ["R0", "R2", "R4"]
    found, expected = standing(part, {"t": rules}), standing(whole, {"t": rules})
    assert found.total.tolist() == expected.total[[0, 2, 4]].tolist()
    assert found.total[0] != standing(dataclasses.replace(part, judgements={}), {"t": rules}).total[0]
