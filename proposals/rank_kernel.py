"""The loop that ranks every sample, compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Samples that are counted together.
_TOGETHER = 8
#: Totals are whole hundredths of a point, 0 .. 10,000: counted in so many runs of so many steps.
_RUNS, _STEPS = 16, 626


@njit(cache=True, nogil=True)
def tally(drawn, values, patterns, pattern, following, counts, ahead):
    """Rank every sample and count. A sum over the weight of what was assessed is a total.

    Whole hundredths are ranked by counting: how many there are of each, summed from the least up. The counts
    of sixteen runs lie side by side, so that one vector instruction sums a step of all of them; two bytes
    each, so that they stay in the nearest cache. Counting a few samples together keeps a proposal's counts
    at hand. Unsigned places spare the test for an index from the end.
    """
    criteria, size = values.shape
    # Not as a matrix product beforehand: the threads of BLAS, still waiting for more, would halve the speed.
    factor = np.empty(patterns.shape[0], dtype=np.float64)
    sums = np.empty(size, dtype=np.float64)
    total, place = np.empty(size, dtype=np.int32), np.empty(size, dtype=np.uint32)
    least_up = np.empty(_RUNS * _STEPS, dtype=np.int16)
    from_run = np.empty(_RUNS, dtype=np.int32)
    ranks = np.empty((_TOGETHER, size), dtype=np.uint32)
    for start in range(0, drawn.shape[0], _TOGETHER):
        together = min(_TOGETHER, drawn.shape[0] - start)
        for number in range(together):
            weight = drawn[start + number, 0]
            for row in range(size):
                sums[row] = weight * values[0, row]
            for criterion in range(1, criteria):
                weight = drawn[start + number, criterion]
                for row in range(size):
                    sums[row] += weight * values[criterion, row]
            for kind in range(patterns.shape[0]):
                assessed = 0.0
                for criterion in range(criteria):
                    assessed += drawn[start + number, criterion] * patterns[kind, criterion]
                factor[kind] = 100 / assessed
            rank = ranks[number]
            for row in range(size):
                total[row] = np.int32(np.rint(sums[row] * factor[pattern[row]]))
            for row in range(size):
                run = np.uint32(total[row]) // np.uint32(_STEPS)
                place[row] = (np.uint32(total[row]) - run * np.uint32(_STEPS)) * np.uint32(_RUNS) + run
            for row in range(size):
                ahead[row] += np.uint32(total[row] > total[following[row]])
            least_up[:] = 0
            for row in range(size):
                least_up[place[row]] += np.int16(1)
            for spot in range(_RUNS, _RUNS * _STEPS):
                least_up[spot] += least_up[spot - _RUNS]
            left = np.int32(size)
            for run in range(_RUNS):
                from_run[run] = left
                left -= least_up[_RUNS * (_STEPS - 1) + run]
            for row in range(size):
                rank[row] = np.uint32(from_run[place[row] % np.uint32(_RUNS)] - least_up[place[row]])
        for row in range(size):
            mine = counts[row]
            for number in range(together):
                mine[ranks[number, row]] += 1
