"""How much drains through each cell of a grid of flow directions.

Every cell drains into at most one other, so the grid is a forest and each cell is handled once: the work
grows with the number of cells, however long the rivers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index

import numpy as np
from numpy.typing import ArrayLike

from layers.terrain import kernels
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

#: ESRI's codes: 1 is east, then clockwise in powers of two. Code → (row step, column step), rows southwards.
ESRI_D8: Mapping[int, tuple[int, int]] = {
    1: (0, 1), 2: (1, 1), 4: (1, 0), 8: (1, -1), 16: (0, -1), 32: (-1, -1), 64: (-1, 0), 128: (-1, 1),
}  # fmt: skip
#: Instead of a downstream cell: drains nowhere.
NOWHERE = -1
#: Cells looked up at a time, so that intermediate results stay small.
_BLOCK = 4_000_000

_LOOP = N_(
    "The flow directions run in a loop: the cell ({row}, {column}) drains back into itself."
    " Row and column are counted from zero."
)
_NOT_A_GRID = N_(
    "Flow directions are a two-dimensional grid of whole numbers; this one has {dimensions} dimensions, type {kind}."
)
_NOT_A_STEP = N_("The direction “{code}” is not a whole number with a row step and a column step.")


class FlowLoop(InputError, ValueError):
    """Flow directions that run in a loop; a ValueError too, for callers outside this application.

    `row` and `column` name a cell of the loop, counted from zero.
    """

    def __init__(self, row: int, column: int) -> None:
        InputError.__init__(self, [("directions", MasterplanError(_LOOP, row=row, column=column))])
        self.row, self.column = row, column


class WrongDirections(InputError, ValueError):
    """What was given as a grid of flow directions, or as the meaning of its codes, is none."""

    def __init__(self, msgid: str, **facts: object) -> None:
        InputError.__init__(self, [("directions", MasterplanError(msgid, **facts))])


def upstream_cells(d8: ArrayLike, directions: Mapping[int, tuple[int, int]] = ESRI_D8) -> np.ndarray:
    """The number of cells that drain through each cell, itself included.

    Parameters
    ----------
    d8
        Two-dimensional grid of integer codes, of any integer type. A cell whose code is not in `directions`
        (a pit, nodata) drains nowhere, like one whose step leads off the grid; it still counts itself and
        whatever drains into it. Masked cells of a masked array drain nowhere.
    directions
        Code → (row step, column step), any number of them and steps of any length. A step of (0, 0) is a pit.

    Returns
    -------
    numpy.ndarray
        Counts as int64, of the shape of `d8`. The counts of the cells that drain nowhere add up to the number of cells.

    Raises
    ------
    FlowLoop
        When cells drain in a circle; names one of them.
    WrongDirections
        When `d8` is no grid of integers, or `directions` no mapping of integers to pairs of integers.
    """
    grid = _checked_grid(d8)
    counts = np.ones(grid.size, dtype=np.int64)
    accumulate(downstream(grid, directions), counts, grid.shape)
    return counts.reshape(grid.shape)


def downstream(grid: np.ndarray, directions: Mapping[int, tuple[int, int]] = ESRI_D8) -> np.ndarray:
    """For each cell, row by row, the number of the cell it drains into, or NOWHERE."""
    codes, row_steps, column_steps = _steps(directions, grid)
    into = np.full(grid.size, NOWHERE, dtype=np.int32 if grid.size < 2**31 else np.int64)
    if not codes.size or not grid.size:
        return into
    hidden = np.ma.getmaskarray(grid).ravel() if np.ma.isMaskedArray(grid) else None
    flat = np.ma.getdata(grid).ravel()
    for start in range(0, flat.size, _BLOCK):
        place = _places(codes, flat[start : start + _BLOCK])
        if hidden is not None:
            place[hidden[start : start + _BLOCK]] = NOWHERE
        kernels.follow(place, start, row_steps, column_steps, grid.shape, into)
    return into


def _places(codes: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Where each cell's code stands among the sorted `codes`, both of one type; NOWHERE where it does not."""
    if codes.itemsize == 1:
        table = np.full(256, NOWHERE, dtype=np.int32)
        table[codes.view(np.uint8)] = np.arange(codes.size)
        return table[cells.view(np.uint8)]
    place = np.minimum(np.searchsorted(codes, cells), codes.size - 1).astype(np.int32)
    place[codes[place] != cells] = NOWHERE
    return place


def catchment(
    d8: ArrayLike, row: int, column: int, directions: Mapping[int, tuple[int, int]] = ESRI_D8
) -> np.ndarray:
    """Which cells drain through the cell at `row` and `column`, itself included, as a grid of booleans.

    Parameters and errors are those of `upstream_cells`; IndexError for a cell outside the grid.
    """
    grid = _checked_grid(d8)
    if not (0 <= row < grid.shape[0] and 0 <= column < grid.shape[1]):
        raise IndexError(f"the cell ({row}, {column}) is outside the grid of {grid.shape}")
    into = downstream(grid, directions)
    accumulate(into, np.zeros(grid.size, dtype=np.int64), grid.shape)  # refuses loops
    return kernels.draining_through(into, row * grid.shape[1] + column).reshape(grid.shape)


def accumulate(into: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> None:
    """Add the value of each cell to all cells downstream of it, in place; `into` is as `downstream` gives it.

    Raises
    ------
    FlowLoop
        When cells drain in a circle; `values` is then half done.
    """
    on_loop = kernels.accumulate(into, values)
    if on_loop >= 0:
        raise FlowLoop(int(on_loop // shape[1]), int(on_loop % shape[1]))


def _checked_grid(d8: ArrayLike) -> np.ndarray:
    grid = d8 if np.ma.isMaskedArray(d8) else np.asarray(d8)
    # An empty list has no type of its own.
    whole_numbers = np.issubdtype(grid.dtype, np.integer) or not grid.size
    if grid.ndim != 2 or not whole_numbers:
        raise WrongDirections(_NOT_A_GRID, dimensions=grid.ndim, kind=grid.dtype)
    return grid


def _steps(
    directions: Mapping[int, tuple[int, int]], grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes that the grid's type can hold, in order, with their steps; a step off any grid is cut to just that."""
    rows, columns = grid.shape
    limits = np.iinfo(grid.dtype) if np.issubdtype(grid.dtype, np.integer) else np.iinfo(np.int64)
    found = {}
    for code, step in directions.items():
        try:
            number, (row, column) = index(code), map(index, step)
        except (TypeError, ValueError):
            raise WrongDirections(_NOT_A_STEP, code=code) from None
        if limits.min <= number <= limits.max:
            found[number] = max(-rows, min(row, rows)), max(-columns, min(column, columns))
    codes = sorted(found)
    steps = np.array([found[code] for code in codes], dtype=np.int64).reshape(len(codes), 2)
    return np.array(codes, dtype=limits.dtype), steps[:, 0], steps[:, 1]
