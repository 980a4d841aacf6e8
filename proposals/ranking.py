"""Robust ranks: how a rank within a theme holds when the weights are others, as plausible. Pure.

Weights are drawn from a Dirichlet distribution around the set's own; under each draw every proposal is
ranked as always: its weighted mean over what was assessed, rounded to two decimals, equals sharing a
rank. What is kept is how often each proposal had each rank.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from masterplan.errors import MasterplanError
from masterplan.language import N_

#: How tightly drawn weights lie around the set's; see `spread`.
CONCENTRATION = 100.0
SAMPLES = 10_000
#: The interval leaves out so much at either end.
TAIL = 0.05
#: Ranks of one theme are counted in a table of proposals × ranks.
MOST_IN_A_THEME = 15_000
TOO_MANY = N_("{count} proposals of one theme are too many to rank together; narrow them with filters to {most}.")

_MOST_IN_TWO_BYTES = 2**16 - 1
_MOST_THREADS = 4
#: Above this, one table of counts fits in memory but not one for each thread.
_MOST_PER_THREAD = 4_000
#: What rounding to two decimals cannot tell apart.
_SAME = 0.01
_FIRST_LOOK = 16
_LEAST_DRAWN = 1e-12


@dataclass(frozen=True)
class Robust:
    """Of each proposal of one theme: ranks from 1 and shares of the samples, 0 to 1.

    `rank` is under the set's own weights; `low` to `high` holds nine samples of ten (5–95 %); `top` the share
    with a rank of at most `k`; `ahead` the share in which it stays ahead of the one ranked next (NaN: none is).
    `groups` holds the rank under each stakeholder group's weights; `ties` positions that no draw told apart.
    A proposal without any assessed criterion has rank 0 and no shares.
    """

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    top: np.ndarray
    ahead: np.ndarray
    groups: Mapping[str, np.ndarray]
    ties: list[list[int]]


def spread(share: float, concentration: float = CONCENTRATION) -> float:
    """Standard deviation of a drawn weight whose share of the weight is `share`, both 0 to 1."""
    return (share * (1 - share) / (concentration + 1)) ** 0.5


def draw(
    weights: np.ndarray, samples: int = SAMPLES, seed: int = 1, concentration: float = CONCENTRATION
) -> np.ndarray:
    """Weight vectors (samples × criteria), each summing to 1, around these weights; the same for the same seed."""
    alpha = concentration * weights / weights.sum()
    drawn = np.random.default_rng(seed).standard_gamma(alpha, (samples, len(weights)))
    # A wide spread draws weights too small for a float; what is left of 0 would divide by it.
    drawn = np.where(alpha > 0, np.maximum(drawn, _LEAST_DRAWN), 0.0)
    return drawn / drawn.sum(axis=1, keepdims=True)


def totals(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means (proposals) over what was assessed, two decimals; NaN where nothing was."""
    assessed = ~np.isnan(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.round((np.nan_to_num(scores) @ weights) / (assessed @ weights), 2)


def ranked(total: np.ndarray) -> np.ndarray:
    """Ranks from 1, the highest total first, equals sharing one; 0 where there is no total."""
    known = ~np.isnan(total)
    return np.where(known, 1 + np.searchsorted(np.sort(-total[known]), -total), 0).astype(np.int32)


def robust(
    scores: np.ndarray,
    weights: np.ndarray,
    drawn: np.ndarray,
    k: int = 10,
    groups: Mapping[str, np.ndarray] | None = None,
) -> Robust:
    """The ranks of the proposals of one theme under the weights that were drawn.

    Parameters
    ----------
    scores
        Proposals × criteria, 0 to 100; NaN where not asked or not assessed.
    weights
        The set's own weight of each criterion.
    drawn
        Samples × criteria, as `draw` gives them.
    k
        How many are the top.
    groups
        The weights of each stakeholder group.

    Raises
    ------
    MasterplanError
        When they are more than `MOST_IN_A_THEME`.
    """
    if len(scores) > MOST_IN_A_THEME:
        raise MasterplanError(TOO_MANY, count=len(scores), most=MOST_IN_A_THEME)
    total = totals(scores, weights)
    rows = np.flatnonzero(~np.isnan(total))
    found = Robust(
        rank=ranked(total),
        low=np.zeros(len(scores), dtype=np.int32),
        high=np.zeros(len(scores), dtype=np.int32),
        top=np.full(len(scores), np.nan),
        ahead=np.full(len(scores), np.nan),
        groups={name: ranked(totals(scores, own)) for name, own in (groups or {}).items()},
        ties=[],
    )
    if len(rows):
        # In the order of their totals, neighbours have neighbouring counts.
        rows = rows[np.argsort(-total[rows], kind="stable")]
        following = _following(total[rows])
        counts, ahead = _count(scores[rows], drawn, following)
        reached = np.cumsum(counts, axis=1, dtype=np.int32)
        samples = len(drawn)
        found.low[rows] = 1 + (reached < np.ceil(TAIL * samples)).sum(axis=1)
        found.high[rows] = 1 + (reached < np.ceil((1 - TAIL) * samples)).sum(axis=1)
        found.top[rows] = reached[:, min(k, len(rows)) - 1] / samples
        found.ahead[rows] = np.where(following != np.arange(len(rows)), ahead / samples, np.nan)
        # After the counting: its matrix products leave threads behind that wait, busily, for more.
        found.ties.extend(sorted(sorted(rows[members].tolist()) for members in tied(scores[rows], drawn)))
    return found


def _following(total: np.ndarray) -> np.ndarray:
    """For each of falling totals the place of the next lower one (the first of them), or its own if there is none."""
    after = np.searchsorted(-total, -total, side="right")
    return np.where(after < len(total), after, np.arange(len(total)))


# -- counting ------------------------------------------------------------------------------


def _count(scores: np.ndarray, drawn: np.ndarray, following: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often each had each rank (proposals × ranks), and how often it was ahead of the following one."""
    # Imported where it is needed: Numba takes longer to load than most commands take to run.
    from proposals.rank_kernel import tally

    known = ~np.isnan(scores)
    values = np.ascontiguousarray(np.nan_to_num(scores).T)
    patterns, pattern = np.unique(known, axis=0, return_inverse=True)
    # Unsigned: an index that may count from the end is tested at every use.
    numbers, places = pattern.ravel().astype(np.uint32), following.astype(np.uint32)
    workers = 1 if len(scores) > _MOST_PER_THREAD else min(_MOST_THREADS, os.cpu_count() or 1)
    size, kind = len(scores), np.uint16 if len(drawn) <= _MOST_IN_TWO_BYTES else np.uint32

    def work(samples: slice) -> tuple[np.ndarray, np.ndarray]:
        counts, ahead = np.zeros((size, size), dtype=kind), np.zeros(size, dtype=np.uint32)
        tally(drawn[samples], values, patterns.astype(float), numbers, places, counts, ahead)
        return counts, ahead

    edges = np.linspace(0, len(drawn), workers + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(work, map(slice, edges[:-1], edges[1:])))
    (counts, ahead), *others = parts
    for more_counts, more_ahead in others:
        counts += more_counts
        ahead += more_ahead
    return counts, ahead


# -- ties ----------------------------------------------------------------------------------


def tied(scores: np.ndarray, drawn: np.ndarray) -> list[list[int]]:
    """Groups of positions (two or more) whose totals no drawn weights put a hundredth of a point apart."""
    distinct, group = np.unique(np.where(np.isnan(scores), -1.0, scores), axis=0, return_inverse=True)
    members: list[list[int]] = [[] for _ in distinct]
    for row, number in enumerate(group.ravel().tolist()):
        members[number].append(row)
    near = _never_apart(np.where(distinct < 0, np.nan, distinct), drawn)
    joined: list[list[int]] = []
    taken: set[int] = set()
    for number in range(len(distinct)):
        if number in taken:
            continue
        together = [number]
        for other in sorted(near.get(number, ())):
            if other not in taken and all(other in near.get(one, ()) for one in together):
                together.append(other)
        taken.update(together)
        found = sorted(row for one in together for row in members[one])
        if len(found) > 1:
            joined.append(found)
    return sorted(joined)


def _never_apart(scores: np.ndarray, drawn: np.ndarray) -> dict[int, set[int]]:
    """For each row those others whose total stays within a hundredth of its own under every draw."""
    known, values = (~np.isnan(scores)).astype(float), np.nan_to_num(scores)

    def means(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return (values[rows] @ weights.T) / (known[rows] @ weights.T)

    first = means(np.arange(len(scores)), drawn[:1])[:, 0]
    order = np.argsort(first)
    ends = np.searchsorted(first[order], first[order] + _SAME)
    pairs = np.array(
        [(order[a], order[b]) for a, end in enumerate(ends.tolist()) for b in range(a + 1, end)], dtype=int
    ).reshape(-1, 2)
    for weights in (drawn[:_FIRST_LOOK], drawn):
        if len(pairs):
            apart = np.abs(means(pairs[:, 0], weights) - means(pairs[:, 1], weights)).max(axis=1)
            pairs = pairs[apart < _SAME]
    found: dict[int, set[int]] = {}
    for one, other in pairs.tolist():
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found
