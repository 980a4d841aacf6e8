"""The loop that ranks every sample, compiled by Numba."""

from __future__ import annotations

import numpy as np
from numba import njit

#: Totals are compared in hundredths of a point: 0 .. 10,000.
_HUNDREDTHS = 10_000
#: Samples that are counted together.
_TOGETHER = 8


@njit(cache=True, nogil=True)
def tally(drawn, values, factors, pattern, following, counts, ahead):
    """Rank every sample and count. A sum times the factor of the row's pattern is a total in hundredths.

    Whole hundredths are ranked by counting: how many there are of each, summed from the best down, in four
    runs at once since each addition waits for the one before it. Unsigned places spare the test for an index
    from the end; counting a few samples together keeps a proposal's counts at hand.
    """
    criteria, size = values.shape
    at = np.zeros(_HUNDREDTHS + 8, dtype=np.int32)
    ranks = np.empty((_TOGETHER, size), dtype=np.uint32)
    sums = np.empty(size, dtype=np.float64)
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
            factor, place = factors[start + number], ranks[number]
            least, most = np.uint32(_HUNDREDTHS), np.uint32(0)
            for row in range(size):
                place[row] = np.uint32(np.rint(sums[row] * factor[pattern[row]]))
            for row in range(size):
                least, most = min(least, place[row]), max(most, place[row])
            for row in range(size):
                ahead[row] += np.uint32(place[row] > place[following[row]])
            first = np.int64(least)
            run = (np.int64(most) - first) // 4 + 1
            at[first : first + 4 * run] = 0
            for row in range(size):
                at[place[row]] += 1
            lowest, low = at[first : first + run], at[first + run : first + 2 * run]
            high, highest = at[first + 2 * run : first + 3 * run], at[first + 3 * run : first + 4 * run]
            above_highest = np.int32(0)
            above_high = np.int32(highest.sum())
            above_low = np.int32(above_high + high.sum())
            above_lowest = np.int32(above_low + low.sum())
            for back in range(run):
                step = run - 1 - back
                one, two, three, four = lowest[step], low[step], high[step], highest[step]
                lowest[step], low[step] = above_lowest, above_low
                high[step], highest[step] = above_high, above_highest
                above_lowest += one
                above_low += two
                above_high += three
                above_highest += four
            for row in range(size):
                place[row] = at[place[row]]
        for row in range(size):
            mine = counts[row]
            for number in range(together):
                mine[ranks[number, row]] += 1
