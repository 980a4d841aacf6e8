"""Upstream cells, against hand-counted grids, published rasters and a slow count that shares no code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layers import gdal_lock
from layers.terrain import ESRI_D8, FlowLoop, upstream_cells
from layers.terrain.accumulation import WrongDirections, catchment

gdal_lock.lock()
import rasterio  # noqa: E402

E, SE, S, SW, W, NW, N, NE = 1, 2, 4, 8, 16, 32, 64, 128


@pytest.fixture(scope="session")
def dem(shared_data: Path) -> dict[str, np.ndarray]:
    """The rasters of the reference folder by the end of their names."""
    found = {}
    for path in (shared_data / "dem").glob("*.tif"):
        with rasterio.open(path, driver="GTiff") as file:
            found[path.stem.removeprefix("fortworth_")] = file.read(1)
    return found


def followed(d8: np.ndarray, directions) -> np.ndarray:
    """Each cell's water followed on foot down to where it ends, counting every cell it passes."""
    counts = np.zeros(d8.shape, dtype=int)
    for start in np.ndindex(d8.shape):
        row, column = start
        while True:
            counts[row, column] += 1
            step = directions.get(int(d8[row, column]))
            if step in (None, (0, 0)):
                break
            row, column = row + step[0], column + step[1]
            if not (0 <= row < d8.shape[0] and 0 <= column < d8.shape[1]):
                break
    return counts


# -- real grids ----------------------------------------------------------------------------


def test_counts_equal_those_of_pyflwdir_in_every_cell(dem: dict[str, np.ndarray]) -> None:
    np.testing.assert_array_equal(upstream_cells(dem["d8_hydrosheds"]), dem["acc_pyflwdir_0_5_12"])


def test_counts_differ_from_pysheds_only_on_the_path_below_its_first_pixels(
    dem: dict[str, np.ndarray], shared_data: Path
) -> None:
    """pysheds counts one cell too many on a single path: that of pixel (0, 0) with, beside it, pixel (1, 0).

    Nothing drains into (1, 0), yet pysheds has 2 there; both drain into (1, 1), and one path goes on.
    """
    facts = json.loads((shared_data / "dem" / "reference_values.json").read_text())["fortworth"]
    counts = upstream_cells(dem["d8_hydrosheds"])
    too_high = dem["acc_pysheds_0_5"] - counts
    path, cell = np.zeros(counts.shape, dtype=int), (1, 0)
    while 0 <= cell[0] < counts.shape[0] and 0 <= cell[1] < counts.shape[1]:
        path[cell] = 1
        step = ESRI_D8[int(dem["d8_hydrosheds"][cell])]
        cell = cell[0] + step[0], cell[1] + step[1]
    np.testing.assert_array_equal(too_high, path)
    assert np.count_nonzero(too_high) == facts["cells_differing_pysheds_vs_pyflwdir"] == 472
    assert counts.max() == facts["acc_max_recomputed_pyflwdir_0_5_12"] == 77_260


def test_the_catchment_of_pysheds_own_test_has_its_cells(dem: dict[str, np.ndarray], shared_data: Path) -> None:
    with rasterio.open(shared_data / "dem" / "fortworth_d8_hydrosheds.tif", driver="GTiff") as file:
        lon, lat = json.loads((shared_data / "dem" / "reference_values.json").read_text())["fortworth"]["outlet_lonlat"]
        # The published outlet is a corner of cells: the one south-east of it.
        row, column = (round(number) for number in (~file.transform @ (lon, lat))[::-1])
    found = catchment(dem["d8_hydrosheds"], row, column)
    assert found.sum() == 11_422 == upstream_cells(dem["d8_hydrosheds"])[row, column]
    np.testing.assert_array_equal(found, dem["catchment_ref"] == 1)


def test_no_cell_is_lost_or_counted_twice(dem: dict[str, np.ndarray]) -> None:
    d8 = dem["d8_hydrosheds"]
    rows, columns = np.indices(d8.shape)
    steps = np.zeros((129, 2), dtype=int)
    for code, step in ESRI_D8.items():
        steps[code] = step
    to_row, to_column = rows + steps[d8][..., 0], columns + steps[d8][..., 1]
    leaves = (to_row < 0) | (to_row >= d8.shape[0]) | (to_column < 0) | (to_column >= d8.shape[1])
    assert upstream_cells(d8)[leaves].sum() == d8.size


# -- grids made by hand --------------------------------------------------------------------


def test_a_small_grid_counted_by_hand() -> None:
    d8 = np.array([[E, SE, S], [N, 0, S], [NE, E, 247]])
    # (1,0)→(0,0)→(0,1)→(1,2)→(2,2); (0,2)→(1,2); (2,0)→(1,1), a pit; (2,1)→(2,2), nodata.
    np.testing.assert_array_equal(upstream_cells(d8), [[2, 3, 1], [1, 2, 5], [1, 1, 7]])


@pytest.mark.parametrize(
    ("d8", "directions", "expected"),
    [
        # Off every edge, and off the corners.
        ([[NW, N, NE], [W, 0, E], [SW, S, SE]], ESRI_D8, [[1] * 3] * 3),
        ([[E]], ESRI_D8, [[1]]),
        ([[0, 0], [0, 0]], ESRI_D8, [[1, 1], [1, 1]]),
        # No cell wraps round to the other side of the grid.
        ([[0, E], [W, 0]], ESRI_D8, [[1, 1], [1, 1]]),
        # PCRaster's keypad, where 5 is a pit.
        ([[6, 5], [9, 8]], {5: (0, 0), 6: (0, 1), 8: (-1, 0), 9: (-1, 1), 2: (1, 0), 4: (0, -1)}, [[1, 4], [1, 1]]),
        # TauDEM counts from east, counter-clockwise.
        ([[7, 5], [0, 1]], {1: (0, 1), 5: (0, -1), 7: (1, 0)}, [[2, 1], [3, 1]]),
        # Negative codes, and steps like a knight's.
        ([[-7, 3, 0], [3, 0, 0]], {-7: (1, 2), 3: (0, 2)}, [[1, 1, 1], [1, 1, 3]]),
        # A mapping that says nothing.
        ([[1, 2], [4, 8]], {}, [[1, 1], [1, 1]]),
        # Steps beyond any grid, also beyond 64 bits.
        ([[1, 2, 3]], {1: (0, 10**30), 2: (-(10**30), 0), 3: (0, -2)}, [[2, 1, 1]]),
        # One long row, one long column.
        ([[E, E, E, E, 0]], ESRI_D8, [[1, 2, 3, 4, 5]]),
        ([[0], [N], [N]], ESRI_D8, [[3], [2], [1]]),
    ],
)
def test_grids_made_by_hand(d8, directions, expected) -> None:
    counts = upstream_cells(np.array(d8), directions)
    np.testing.assert_array_equal(counts, expected)
    assert counts.dtype == np.int64


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_empty_grid_has_no_counts(shape: tuple[int, int]) -> None:
    assert upstream_cells(np.zeros(shape, dtype=np.int16)).shape == shape
    assert upstream_cells(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i2", ">u4"])
def test_every_integer_type_is_read_as_it_is(kind: str) -> None:
    d8 = np.array([[E, S, 100], [100, E, 0]]).astype(kind)
    np.testing.assert_array_equal(upstream_cells(d8), [[1, 2, 1], [1, 3, 4]])
    # A code that the type cannot hold is met nowhere, least of all by its bits: 255 is not -1.
    top = np.full((1, 2), np.iinfo(kind).max, dtype=kind)
    np.testing.assert_array_equal(upstream_cells(top, {-1: (0, 1), 2**70: (0, 1)}), [[1, 1]])
    np.testing.assert_array_equal(upstream_cells(top, {int(np.iinfo(kind).max): (0, 1)}), [[1, 2]])


def test_the_largest_unsigned_codes_are_told_apart() -> None:
    d8 = np.array([[2**64 - 1, 2**64 - 2, 0]], dtype=np.uint64)
    np.testing.assert_array_equal(upstream_cells(d8, {2**64 - 1: (0, 1)}), [[1, 2, 1]])


def test_masked_cells_and_views_are_read_rightly() -> None:
    d8 = np.array([[E, E, 0]])
    np.testing.assert_array_equal(upstream_cells(np.ma.array(d8, mask=[[0, 1, 0]])), [[1, 2, 1]])
    np.testing.assert_array_equal(upstream_cells(np.array([[0], [E], [E]]).T[:, ::-1]), [[1, 2, 3]])
    np.testing.assert_array_equal(upstream_cells([[E, E, 0]]), [[1, 2, 3]])
    before = d8.copy()
    upstream_cells(d8)
    np.testing.assert_array_equal(d8, before)


def test_numpy_numbers_may_stand_in_the_mapping() -> None:
    directions = {np.uint8(9): (np.int8(0), np.int64(1)), 4: [1, 0]}
    np.testing.assert_array_equal(upstream_cells(np.array([[9, 4], [0, 0]]), directions), [[1, 2], [1, 3]])


def test_a_river_through_every_cell_of_a_large_grid() -> None:
    side = 1500
    d8 = np.full((side, side), E, dtype=np.uint8)
    d8[1::2] = W
    d8[::2, -1] = d8[1::2, 0] = S
    d8[-1, 0] = 0
    counts = upstream_cells(d8)
    assert counts[-1, 0] == side * side


# -- loops ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d8", "directions", "loop"),
    [
        ([[E, W]], ESRI_D8, {(0, 0), (0, 1)}),
        ([[0, 0, 0], [E, E, S], [0, N, W]], ESRI_D8, {(1, 1), (1, 2), (2, 1), (2, 2)}),
        # What drains into a loop is not on it, and what is beside it does no harm.
        ([[E, E, E, S], [0, 0, N, W]], ESRI_D8, {(0, 2), (0, 3), (1, 2), (1, 3)}),
        ([[1, 0, 0, 2]], {1: (0, 3), 2: (0, -3)}, {(0, 0), (0, 3)}),
    ],
)
def test_a_loop_is_refused_by_the_name_of_one_of_its_cells(d8, directions, loop) -> None:
    with pytest.raises(FlowLoop) as refused:
        upstream_cells(np.array(d8), directions)
    assert (refused.value.row, refused.value.column) in loop
    assert f"({refused.value.row}, {refused.value.column})" in str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_a_loop_of_a_million_cells_is_found() -> None:
    # Down in windings right of the first column, and back up through the first column.
    d8 = np.full((1000, 1000), W, dtype=np.uint8)
    d8[::2] = E
    d8[1::2, 1] = d8[::2, -1] = S
    d8[-1, 1] = W
    d8[1:, 0] = N
    with pytest.raises(FlowLoop):
        upstream_cells(d8)


# -- what is no grid -----------------------------------------------------------------------


@pytest.mark.parametrize("d8", [np.array([1, 2]), np.array([[1.0]]), np.zeros((1, 1, 1), int), np.array([[True]])])
def test_what_is_no_grid_of_integers_is_refused(d8: np.ndarray) -> None:
    with pytest.raises(WrongDirections, match="two-dimensional grid of whole numbers"):
        upstream_cells(d8)


@pytest.mark.parametrize("directions", [{1: (0, 0.5)}, {1: 1}, {1: (0, 1, 2)}, {"east": (0, 1)}, {1.5: (0, 1)}])
def test_a_mapping_of_something_else_is_refused(directions: dict) -> None:
    with pytest.raises(WrongDirections, match="is not a whole number with"):
        upstream_cells(np.array([[1]]), directions)


# -- any grid ------------------------------------------------------------------------------


@st.composite
def forests(draw) -> tuple[np.ndarray, dict[int, tuple[int, int]]]:
    """A grid without loops: steps lead south, or east within a row; codes are any small numbers."""
    codes = draw(st.lists(st.integers(-300, 300), min_size=1, max_size=9, unique=True))
    steps = st.one_of(
        st.tuples(st.integers(1, 3), st.integers(-3, 3)), st.tuples(st.just(0), st.integers(0, 3))
    )
    directions = {code: draw(steps) for code in codes}
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    cells = st.lists(st.sampled_from([*codes, 301]), min_size=rows * columns, max_size=rows * columns)
    return np.array(draw(cells)).reshape(rows, columns), directions


@settings(deadline=None, max_examples=150)
@given(forests())
def test_counts_are_those_of_following_every_drop(given_) -> None:
    d8, directions = given_
    np.testing.assert_array_equal(upstream_cells(d8, directions), followed(d8, directions))
