"""Rank intervals under thousands of drawn weight vectors, against the bare matrix product."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench import worlds
from bench.figures import Goal, Row, Section
from bench.worlds import Say
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from proposals.criteria import measure_specs, weights_of
from proposals.criteria_store import in_force
from proposals.ranking import draw, robust
from proposals.replay_data import load
from proposals.scoring import evaluate

PROPOSALS, SAMPLES = 1_000, 10_000
TIMES = 9
MOST_TIMES = 3.0

METHOD = f"""\
The scores of {PROPOSALS:,} seeded proposals on every weighted criterion of the set in force, as they are (not all
criteria are asked of all, not all facts are there), are ranked together as if they were of one theme, under
{SAMPLES:,} drawn weight vectors: interval, share in the top, share ahead of the next, ties
(`proposals.ranking.robust`). The bare matrix product is scores × weights in numpy, with zero for what is missing; it
neither shares missing weight out nor ranks. Drawing the weights is said apart. Medians of {TIMES}, after Numba has
compiled."""


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("7. Rank intervals", METHOD)
    worlds.use(worlds.world_of(max(counts)))
    say(f"Ranking {PROPOSALS:,} proposals under {SAMPLES:,} drawn weight vectors")
    scores, weights = _scores()
    drawn = draw(weights, SAMPLES)
    plain = np.nan_to_num(scores)
    ours = _median(lambda: robust(scores, weights, drawn))
    theirs = _median(lambda: plain @ drawn.T)
    drawing = _median(lambda: draw(weights, SAMPLES))
    section.rows += [
        Row(f"ranks under {SAMPLES:,} samples", len(scores), "ms", 1000 * ours, "bare matrix product", 1000 * theirs),
        Row("drawing the weights", len(scores), "ms", 1000 * drawing),
    ]
    full = len(scores) == PROPOSALS
    section.goals.append(
        Goal(f"{PROPOSALS:,} × {SAMPLES:,} within 3 × the bare matrix product", f"× {ours / theirs:.2f}",
             ours <= MOST_TIMES * theirs if full else None)
    )  # fmt: skip
    return section


def _scores() -> tuple[np.ndarray, np.ndarray]:
    with transaction(SYSTEM) as connection:
        criteria, everything = in_force(connection), load(connection).everything
    found = [
        evaluate(criteria, everything.batch(alike.rows, alike.layers, measure_specs([criteria]))).scores.T
        for alike in everything.alike
    ]
    return np.concatenate(found)[everything.is_proposal][:PROPOSALS], np.array(weights_of(criteria))


def _median(act: Callable[[], Any]) -> float:
    act()
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
