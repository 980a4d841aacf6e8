"""The loops over cells, compiled by Numba.

Grids are C-ordered; NaN is nodata. Directions inside are ESRI's D8 codes with 0 for a cell that drains
off the surface and 247 for nodata, as pyflwdir writes them. `width[row]` and `height[row]` are the metres
between neighbouring cell centres.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OUTLET, NODATA = 0, 247
#: The eight neighbours in ESRI's order, from east clockwise: the order in which equals are taken.
_ROW = np.array([0, 1, 1, 1, 0, -1, -1, -1], dtype=np.int64)
_COLUMN = np.array([1, 1, 0, -1, -1, -1, 0, 1], dtype=np.int64)
_CODE = np.array([1, 2, 4, 8, 16, 32, 64, 128], dtype=np.uint8)


@njit(cache=True)
def accumulate(into, values):
    """Add each cell's value to the cell it drains into, from the ridges down; a cell on a loop, or -1."""
    waiting = np.zeros(into.size, dtype=np.int32)
    for cell in range(into.size):
        if into[cell] >= 0:
            waiting[into[cell]] += 1
    for start in range(into.size):
        cell = np.int64(start)
        # A cell is done when all that drain into it are; the walk goes on down as long as that holds.
        while waiting[cell] == 0:
            waiting[cell] = -1
            below = np.int64(into[cell])
            if below < 0:
                break
            values[below] += values[cell]
            waiting[below] -= 1
            cell = below
    for cell in range(into.size):
        if waiting[cell] > 0:
            return cell
    return -1


@njit(cache=True)
def follow(place, start, row_steps, column_steps, shape, into):
    """Note in `into` where the cells from `start` on drain; `place` is the number of a cell's step, or negative."""
    for k in range(place.size):
        if place[k] < 0:
            continue
        cell = start + k
        row = cell // shape[1] + row_steps[place[k]]
        column = cell % shape[1] + column_steps[place[k]]
        target = row * shape[1] + column
        if 0 <= row < shape[0] and 0 <= column < shape[1] and target != cell:
            into[cell] = target


@njit(cache=True)
def draining_through(into, outlet):
    """Which cells drain through `outlet`; `into` has no loops."""
    known = np.zeros(into.size, dtype=np.int8)
    known[outlet] = 1
    for start in range(into.size):
        cell = np.int64(start)
        while cell >= 0 and known[cell] == 0:
            cell = np.int64(into[cell])
        answer = np.int8(2) if cell < 0 else known[cell]
        cell = np.int64(start)
        while cell >= 0 and known[cell] == 0:
            known[cell] = answer
            cell = np.int64(into[cell])
    return known == 1


@njit(cache=True)
def _step(code):
    for k in range(8):
        if _CODE[k] == code:
            return _ROW[k], _COLUMN[k]
    return np.int64(0), np.int64(0)


@njit(cache=True)
def fill_along(heights, flood):
    """Heights raised so that no cell is lower than the one it drains into by `flood`: exactly, without rounding."""
    rows, columns = heights.shape
    filled = heights.copy()
    done = np.zeros((rows, columns), dtype=np.bool_)
    path = np.empty(1024, dtype=np.int64)
    for row in range(rows):
        for column in range(columns):
            length, r, c = 0, row, column
            while not done[r, c] and flood[r, c] != NODATA:
                if length == path.size:
                    longer = np.empty(2 * path.size, dtype=np.int64)
                    longer[:length] = path
                    path = longer
                path[length] = r * columns + c
                length += 1
                if flood[r, c] == OUTLET:
                    break
                dr, dc = _step(flood[r, c])
                r, c = r + dr, c + dc
            for k in range(length - 1, -1, -1):
                r, c = path[k] // columns, path[k] % columns
                done[r, c] = True
                if flood[r, c] != OUTLET:
                    dr, dc = _step(flood[r, c])
                    filled[r, c] = max(filled[r, c], filled[r + dr, c + dc])
    return filled


@njit(cache=True)
def carve_along(heights, flood):
    """Heights lowered so that no cell is higher than any that drains into it by `flood`."""
    rows, columns = heights.shape
    carved = heights.copy()
    waiting = np.zeros((rows, columns), dtype=np.int8)
    for row in range(rows):
        for column in range(columns):
            if flood[row, column] != NODATA and flood[row, column] != OUTLET:
                dr, dc = _step(flood[row, column])
                waiting[row + dr, column + dc] += 1
    for row in range(rows):
        for column in range(columns):
            r, c = row, column
            while waiting[r, c] == 0 and flood[r, c] != NODATA:
                waiting[r, c] = -1
                if flood[r, c] == OUTLET:
                    break
                dr, dc = _step(flood[r, c])
                r2, c2 = r + dr, c + dc
                carved[r2, c2] = min(carved[r2, c2], carved[r, c])
                waiting[r2, c2] -= 1
                r, c = r2, c2
    return carved


@njit(cache=True)
def steepest(surface, flood, width, height):
    """Direction of the steepest descent to a lower neighbour; where there is none, that of `flood`."""
    rows, columns = surface.shape
    d8 = flood.copy()
    for row in range(rows):
        reach = _reach(width[row], height[row])
        for column in range(columns):
            if flood[row, column] == NODATA:
                continue
            best = 0.0
            for k in range(8):
                r, c = row + _ROW[k], column + _COLUMN[k]
                if 0 <= r < rows and 0 <= c < columns and flood[r, c] != NODATA:
                    slope = (np.float64(surface[row, column]) - np.float64(surface[r, c])) / reach[k]
                    if slope > best:
                        best = slope
                        d8[row, column] = _CODE[k]
    return d8


@njit(cache=True)
def _reach(width, height):
    """Metres to each of the eight neighbours."""
    return np.sqrt((_COLUMN * width) ** 2 + (_ROW * height) ** 2)


@njit(cache=True)
def spread(surface, flood, width, height, exponent, values):
    """Accumulate `values` down all lower neighbours, by slope to the power of `exponent` (Freeman 1991).

    Where there is no lower neighbour all goes the way of `flood`. Changes `values` in place.
    """
    rows, columns = surface.shape
    waiting = np.zeros((rows, columns), dtype=np.int8)
    share = np.zeros(8)
    for row in range(rows):
        reach = _reach(width[row], height[row])
        for column in range(columns):
            _shares(surface, flood, row, column, reach, exponent, share)
            for k in range(8):
                if share[k] > 0:
                    waiting[row + _ROW[k], column + _COLUMN[k]] += 1
    stack = np.empty(1024, dtype=np.int64)
    for first in range(rows):
        for second in range(columns):
            if waiting[first, second] != 0 or flood[first, second] == NODATA:
                continue
            stack[0], length = first * columns + second, 1
            while length > 0:
                length -= 1
                row, column = stack[length] // columns, stack[length] % columns
                waiting[row, column] = -1
                _shares(surface, flood, row, column, _reach(width[row], height[row]), exponent, share)
                for k in range(8):
                    if share[k] == 0:
                        continue
                    r, c = row + _ROW[k], column + _COLUMN[k]
                    values[r, c] += share[k] * values[row, column]
                    waiting[r, c] -= 1
                    if waiting[r, c] == 0:
                        if length == stack.size:
                            longer = np.empty(2 * stack.size, dtype=np.int64)
                            longer[:length] = stack
                            stack = longer
                        stack[length] = r * columns + c
                        length += 1


@njit(cache=True)
def _shares(surface, flood, row, column, reach, exponent, share):
    """Fill `share` with the part that each neighbour gets; all zero at an outlet and on nodata."""
    rows, columns = surface.shape
    share[:] = 0.0
    if flood[row, column] == NODATA:
        return
    total = 0.0
    for k in range(8):
        r, c = row + _ROW[k], column + _COLUMN[k]
        if 0 <= r < rows and 0 <= c < columns and flood[r, c] != NODATA:
            drop = np.float64(surface[row, column]) - np.float64(surface[r, c])
            if drop > 0:
                share[k] = (drop / reach[k]) ** exponent
                total += share[k]
    if total > 0:
        share /= total
    elif flood[row, column] != OUTLET:
        for k in range(8):
            if _CODE[k] == flood[row, column]:
                share[k] = 1.0
