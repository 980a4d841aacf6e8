"""A changed criteria set over every proposal, without measuring again, against the bare numpy arithmetic."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench import worlds
from bench.figures import Goal, Row, Section
from bench.worlds import Broken, Say
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from proposals.criteria import THEMES, CriteriaSet, Gate, Scored
from proposals.criteria_store import in_force
from proposals.measures import GEOMETRIES
from proposals.replay_data import load
from proposals.replaying import Everything, flips, standing_under, with_point, with_threshold, with_weight

GATES, SCORED = 4, 8
TIMES = 9
MOST_SECONDS = 1.0
MOST_TIMES = 2.0

METHOD = f"""\
{GATES} gates and {SCORED} scored criteria of the set in force, all of numbers, are replayed over every measured
proposal with another weight, another threshold and another value point (`standing_under`, `flips`): verdicts, scores,
totals, recommendations, ranks within the themes, and every row that differs. The bare arithmetic is the same work
written for exactly these twelve, on arrays of floats in which whom nobody asks is NaN already: comparisons with the
bounds, `numpy.interp`, one weighted mean, a sort for each theme. Both find the same, or the measurement breaks. Medians
of {TIMES}. Loading the arrays from PostgreSQL is said apart; a running server keeps them until something changes."""


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("6. Replay of a changed criteria set", METHOD)
    for count in counts:
        worlds.use(worlds.world_of(count))
        say(f"Replaying over {count:,} proposals")
        ours, theirs = _replayed(section, count)
    full = max(counts) >= 100_000
    section.goals += [
        Goal("replay of 100,000 × 12 in under a second", f"{ours:.3f} s", ours < MOST_SECONDS if full else None),
        Goal("within 2 × the bare numpy arithmetic", f"× {ours / theirs:.2f} at {max(counts):,}",
             ours <= MOST_TIMES * theirs if full else None),
    ]  # fmt: skip
    return section


def _replayed(section: Section, count: int) -> tuple[float, float]:
    """Add the rows of one world; seconds of ours and of the bare arithmetic."""
    with transaction(SYSTEM) as connection:
        whole = in_force(connection)
        began = time.perf_counter()
        everything = load(connection).everything
        loading = time.perf_counter() - began
    base = _twelve(whole)
    changed, before = _changed(base), standing_under(everything, base)
    ours = _median(lambda: flips(everything, before, standing_under(everything, changed)))
    bare = _Bare(everything, changed)
    theirs = _median(lambda: bare.flips(bare.stands(), before))
    _same(everything, changed, bare)
    all_changed, stands = _changed(whole), standing_under(everything, whole)
    every = _median(lambda: flips(everything, stands, standing_under(everything, all_changed)))
    section.rows += [
        Row(f"replay of {GATES + SCORED} criteria", count, "ms", 1000 * ours, "bare numpy", 1000 * theirs),
        Row(f"replay of all {len(whole.criteria)} criteria", count, "ms", 1000 * every),
        Row("loading the arrays, once", count, "ms", 1000 * loading),
    ]
    return ours, theirs


def _median(act: Callable[[], Any]) -> float:
    act()
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _twelve(criteria: CriteriaSet) -> CriteriaSet:
    gates = [g for g in criteria.gates if g.threshold is not None and g.otherwise != "note"][:GATES]
    scored = [s for s in criteria.scored if s.value_function.points and not s.value_function.caps][:SCORED]
    return dataclasses.replace(criteria, gates=tuple(gates), scored=tuple(scored), judged=())


def _changed(criteria: CriteriaSet) -> CriteriaSet:
    """Another weight, another threshold, another value point."""
    gate = next(g for g in criteria.gates if g.threshold is not None)
    first, second, *_ = (s for s in criteria.scored if s.value_function.points)
    value, score = second.value_function.points[0]
    criteria = with_weight(criteria, first.key, first.weight * 1.5)
    criteria = with_threshold(criteria, gate.key, max(gate.threshold.values()) + 5)
    return with_point(criteria, second.key, 0, value, 100 - score)


# -- the bare arithmetic -------------------------------------------------------------------

_PASS, _PERSON, _FAIL, _NOT_ASSESSED, _NOT_ASKED = 0, 2, 3, 4, -1
_HOLDS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


class _Bare:
    """Twelve criteria written out over plain arrays. Every layer of the bench's worlds is an indicative sketch."""

    def __init__(self, everything: Everything, criteria: CriteriaSet) -> None:
        def asked(criterion: Gate | Scored) -> np.ndarray:
            theme = np.array([name in criterion.themes for name in THEMES])[everything.theme]
            return theme & np.array([name in criterion.geometries for name in GEOMETRIES])[everything.geometry]

        self.theme, self.proposal = everything.theme, everything.is_proposal
        self.rule = criteria.decision
        self.gates, self.scored = [], []
        for gate in criteria.gates:
            column, wanted = everything.columns[gate.spec.key], asked(gate)
            limit = np.array([gate.threshold.get(name, np.nan) for name in GEOMETRIES])[everything.geometry]
            missing = np.where(wanted, np.where(np.isnan(column.value), _NOT_ASSESSED, _PASS), _NOT_ASKED)
            self.gates.append((_HOLDS[gate.operator], column.value, column.low, column.high, limit,
                               missing.astype(np.int8)))  # fmt: skip
        for criterion in criteria.scored:
            value = np.where(asked(criterion), everything.columns[criterion.spec.key].value, np.nan)
            xs, ys = np.array(criterion.value_function.points).T
            self.scored.append((xs, ys, value, criterion.weight))

    def stands(self) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
        verdicts = []
        for holds, value, low, high, limit, missing in self.gates:
            sure = holds(value, limit) & (holds(low, limit) == holds(high, limit))
            verdicts.append(np.where(missing == _PASS, np.where(sure, _PASS, _PERSON), missing).astype(np.int8))
        sums, weights = np.zeros(len(self.theme)), np.zeros(len(self.theme))
        for xs, ys, value, weight in self.scored:
            score = np.interp(value, xs, ys)
            known = ~np.isnan(score)
            sums += np.where(known, weight * score, 0.0)
            weights += np.where(known, weight, 0.0)
        with np.errstate(invalid="ignore"):
            total = np.round(sums / weights, 2)
        passed = np.ones(len(total), dtype=bool)
        for verdict in verdicts:
            passed &= verdict <= _PASS
        says = np.where(total < self.rule.debate, 3, np.where(passed & (total >= self.rule.recommended), 1, 2))
        says = np.where(self.proposal & ~np.isnan(total), says, 0)
        rank = np.zeros(len(total), dtype=np.int32)
        for theme in range(len(THEMES)):
            rows = np.flatnonzero((self.theme == theme) & self.proposal & ~np.isnan(total))
            rank[rows] = 1 + np.searchsorted(np.sort(-total[rows]), -total[rows])
        return total, says, verdicts, rank

    def flips(self, after: tuple, before: Any) -> list[np.ndarray]:
        total, says, verdicts, rank = after
        moved = (total != before.total) & ~(np.isnan(total) & np.isnan(before.total))
        found = [np.flatnonzero(moved), np.flatnonzero(says != before.recommendation),
                 np.flatnonzero(rank != before.rank)]  # fmt: skip
        return found + [
            np.flatnonzero(verdict != old) for verdict, old in zip(verdicts, before.verdicts.values(), strict=True)
        ]


def _same(everything: Everything, criteria: CriteriaSet, bare: _Bare) -> None:
    ours = standing_under(everything, criteria)
    total, says, verdicts, rank = bare.stands()
    pairs = [(ours.recommendation, says), (ours.rank, rank), *zip(ours.verdicts.values(), verdicts, strict=True)]
    close = np.abs(ours.total - total) < 0.011
    if not all((a == b).mean() > 0.999 for a, b in pairs) or not (close | np.isnan(total)).all():
        raise Broken("the bare arithmetic finds something else than the replay")
