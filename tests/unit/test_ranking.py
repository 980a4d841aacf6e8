"""Rank intervals against a plain Python loop, and totals and ranks against a weighted sum made outside the project."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymcdm.helpers import rankdata
from pymcdm.methods import WSM
from pymcdm.normalizations import minmax_normalization

from masterplan.errors import MasterplanError
from proposals import ranking
from proposals.criteria import MeasureSpec
from proposals.ranking import draw, ranked, robust, spread, tied, totals
from proposals.replaying import standing_under
from proposals.scoring import Subject
from tests.unit.test_replaying import everything
from tests.unit.test_scoring import criteria, scored

scores_and_weights = st.integers(1, 5).flatmap(
    lambda criteria: st.tuples(
        st.lists(
            st.lists(st.none() | st.integers(0, 100), min_size=criteria, max_size=criteria), min_size=1, max_size=7
        ),
        st.lists(st.integers(1, 40), min_size=criteria, max_size=criteria),
    )
)


def matrix(rows: list[list[float | None]]) -> np.ndarray:
    return np.array([[math.nan if v is None else v for v in row] for row in rows], dtype=float)


# -- plain loops ---------------------------------------------------------------------------


def total_plainly(row, weights) -> float | None:
    pairs = [(v, w) for v, w in zip(row, weights, strict=True) if v is not None]
    return round(sum(v * w for v, w in pairs) / sum(w for _, w in pairs), 2) if pairs else None


def ranks_plainly(rows, weights) -> list[int]:
    found = [total_plainly(row, weights) for row in rows]
    return [0 if t is None else 1 + sum(o is not None and o > t for o in found) for t in found]


@settings(max_examples=60, deadline=None)
@given(scores_and_weights, st.integers(0, 1000), st.sampled_from([1, 7, 100, 333]), st.integers(1, 4))
def test_rank_intervals_are_those_of_a_plain_loop(world, seed, samples, k):
    rows, weights = world
    drawn = draw(np.array(weights, dtype=float), samples, seed, 20)
    found = robust(matrix(rows), np.array(weights, dtype=float), drawn, k)
    everywhere = [ranks_plainly(rows, vector) for vector in drawn.tolist()]
    central = ranks_plainly(rows, weights)
    for row in range(len(rows)):
        had = sorted(ranks[row] for ranks in everywhere)
        if central[row] == 0:
            assert (found.rank[row], found.low[row], found.high[row]) == (0, 0, 0)
            assert np.isnan(found.top[row]) and np.isnan(found.ahead[row])
            continue
        assert found.rank[row] == central[row]
        assert found.low[row] == had[math.ceil(0.05 * samples) - 1]
        assert found.high[row] == had[math.ceil(0.95 * samples) - 1]
        assert found.top[row] == pytest.approx(sum(rank <= k for rank in had) / samples)
        lower = sorted((central[o], o) for o in range(len(rows)) if central[o] > central[row])
        if not lower:
            assert np.isnan(found.ahead[row])
        else:
            other = lower[0][1]
            assert found.ahead[row] == pytest.approx(sum(r[row] < r[other] for r in everywhere) / samples)


@settings(max_examples=40, deadline=None)
@given(scores_and_weights, st.integers(0, 1000))
def test_ties_are_those_of_a_plain_loop(world, seed):
    rows, weights = world
    drawn = draw(np.array(weights, dtype=float), 50, seed, 20)

    def never_apart(one: int, other: int) -> bool:
        exact = [[sum(v * w for v, w in zip(rows[n], vector, strict=True) if v is not None)
                  / sum(w for v, w in zip(rows[n], vector, strict=True) if v is not None)
                  for vector in drawn.tolist()] for n in (one, other)]  # fmt: skip
        return all(abs(a - b) < 0.01 for a, b in zip(*exact, strict=True))

    known = [n for n, row in enumerate(rows) if any(v is not None for v in row)]
    pairs = {(a, b) for a in known for b in known if a < b and never_apart(a, b)}
    groups = robust(matrix(rows), np.array(weights, dtype=float), drawn).ties
    assert {(a, b) for group in groups for a in group for b in group if a < b} == pairs


def test_many_at_once_and_one_thread_at_a_time_agree(monkeypatch: pytest.MonkeyPatch):
    dice = np.random.default_rng(3)
    scores = dice.uniform(0, 100, (60, 6))
    scores[dice.random((60, 6)) < 0.2] = np.nan
    weights = np.array([5.0, 10, 15, 20, 25, 30])
    drawn = draw(weights, 501, 4)
    together = robust(scores, weights, drawn, 5)
    monkeypatch.setattr(ranking, "_MOST_PER_THREAD", 1)
    monkeypatch.setattr(ranking, "_MOST_IN_TWO_BYTES", 1)
    alone = robust(scores, weights, drawn, 5)
    for name in ("rank", "low", "high", "top", "ahead"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


# -- by hand -------------------------------------------------------------------------------


def test_by_hand():
    """One is best on the first criterion alone: ahead exactly when the first weighs more than half."""
    scores, weights = np.array([[100.0, 0], [0, 100], [40, 40]]), np.array([6.0, 4])
    drawn = np.array([[0.7, 0.3], [0.6, 0.4], [0.45, 0.55], [0.2, 0.8]])
    found = robust(scores, weights, drawn, k=1, groups={"mayors": np.array([1.0, 9]), "all": np.array([5.0, 5])})
    assert found.rank.tolist() == [1, 2, 2]
    assert found.low.tolist() == [1, 1, 2] and found.high.tolist() == [3, 3, 3]
    assert found.top.tolist() == [0.5, 0.5, 0]
    assert found.ahead[0] == 0.5 and np.isnan(found.ahead[1]) and np.isnan(found.ahead[2])
    assert {name: ranks.tolist() for name, ranks in found.groups.items()} == {"mayors": [3, 1, 2], "all": [1, 1, 3]}
    assert found.ties == []


def test_pairs_that_no_weights_separate_are_tied():
    scores = np.array([[50.0, 70], [50, 70], [50.001, 70.001], [70, 50], [60, np.nan], [60, np.nan]])
    drawn = draw(np.array([5.0, 5]), 200, 1)
    assert tied(scores, drawn) == [[0, 1, 2], [4, 5]]


def test_what_no_weights_can_reverse_is_certain():
    scores = np.array([[90.0, 80, 70], [60, 50, 40], [10, 20, 30]])
    found = robust(scores, np.array([3.0, 2, 1]), draw(np.array([3.0, 2, 1]), 2000, 9), k=1)
    assert found.low.tolist() == found.high.tolist() == found.rank.tolist() == [1, 2, 3]
    assert found.top.tolist() == [1, 0, 0] and found.ahead[:2].tolist() == [1, 1]


def test_too_many_together_are_refused():
    with pytest.raises(MasterplanError, match="15001"):
        robust(np.zeros((15_001, 1)), np.ones(1), np.ones((1, 1)))


# -- the weights that are drawn ------------------------------------------------------------


def test_drawn_weights_lie_around_the_sets_own_as_stated():
    weights = np.array([12.0, 20, 8, 40])
    drawn = draw(weights, 40_000, 5, 100)
    shares = weights / weights.sum()
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), shares, atol=0.002)
    np.testing.assert_allclose(drawn.std(axis=0), [spread(share, 100) for share in shares], rtol=0.03)
    assert spread(0.1, 100) == pytest.approx(0.02985, abs=1e-5)


def test_the_same_seed_draws_the_same_and_a_scale_of_weights_changes_nothing():
    weights = np.array([1.0, 2, 3])
    np.testing.assert_array_equal(draw(weights, 50, 7), draw(weights * 10, 50, 7))
    assert not np.array_equal(draw(weights, 50, 7), draw(weights, 50, 8))


def test_a_wide_spread_still_weighs_what_weighs_and_nothing_else():
    """Of a weight of 1 in 151, one draw in a hundred is too small for a float."""
    weights = np.array([1.0, 50, 50, 50, 0])
    drawn = draw(weights, 20_000, 1, 1)
    assert (drawn[:, 0] <= 1e-12).any() and (drawn[:, :4] > 0).all() and (drawn[:, 4] == 0).all()
    alone = matrix([[80, None, None, None, None], [20, None, None, None, 100]])
    found = robust(alone, weights, drawn, k=1)
    assert found.low.tolist() == found.high.tolist() == [1, 2]


# -- another implementation ----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Alternatives with indices")
def test_totals_and_ranks_agree_with_pymcdm():
    dice = random.Random(11)
    scores = np.array([[dice.uniform(0, 100) for _ in range(12)] for _ in range(50)])
    scores[0], scores[1] = 0, 100  # so that its minmax normalisation divides by 100
    weights = np.array([dice.uniform(1, 30) for _ in range(12)])
    theirs = 100 * WSM(minmax_normalization)(scores, weights / weights.sum(), np.ones(12))
    places = rankdata(np.round(theirs, 2), reverse=True)
    assert sorted(places) == list(range(1, 51)), "no two are equal, so that every way to share a rank agrees"

    specs = [MeasureSpec("declared", {"attribute": f"a{number}"}) for number in range(12)]
    rules = criteria(*(
        scored(spec, ((0, 0), (100, 100)), weight, f"c{number}")
        for number, (spec, weight) in enumerate(zip(specs, weights.tolist(), strict=True))
    ))  # fmt: skip
    rows = [
        (Subject("water", "point", "proposal"), {s.key: {"value": v} for s, v in zip(specs, row, strict=True)})
        for row in scores.tolist()
    ]
    replayed = standing_under(everything(rows), rules)
    for total, rank in ((replayed.total, replayed.rank), (totals(scores, weights), ranked(totals(scores, weights)))):
        np.testing.assert_allclose(total, theirs, atol=0.00501)
        assert rank.tolist() == places.tolist()
