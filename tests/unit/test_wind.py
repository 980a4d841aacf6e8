"""Wind: a real station against the windrose package, and corridors drawn by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from layers import wind
from masterplan.errors import InputError

#: The mildest wind of the real record is 0.3 m/s; its reference calls an hour calm up to 0.1.
NEVER_CALM_BUT_STILL = 0.2


@pytest.fixture(scope="module")
def station(shared_data: Path) -> tuple[wind.Record, dict]:
    folder = shared_data / "heat"
    record = wind.read_record((folder / "wind_greensboro_tmy3.csv").read_bytes(), "station.csv")
    return record, json.loads((folder / "wind_greensboro_rose_ref.json").read_text())


def record(direction: list[float], speed: list[float], month: int = 7) -> wind.Record:
    months = np.full(len(speed), month)
    return wind.Record(np.array(direction, float), np.array(speed, float), months, 0, date(2024, 7, 1))


# -- the rose ------------------------------------------------------------------------------


def test_the_rose_is_that_of_windrose_with_calms_left_out(station) -> None:
    hours, reference = station
    found = wind.rose(hours, 16, (0, 2, 4, 6, 8, 10), NEVER_CALM_BUT_STILL)
    expected = reference["calm_limit_0_1"]
    np.testing.assert_array_equal(found.hours, np.array(expected["counts_rows_are_bins"], dtype=int))
    assert (found.calm, found.variable, found.total) == (expected["calm_count"], 0, 8760)


def test_calm_hours_are_not_north_winds(station) -> None:
    hours, reference = station
    naive = np.array(reference["counts_rows_are_bins"], dtype=int)
    found = wind.rose(hours, 16, (0, 2, 4, 6, 8, 10), NEVER_CALM_BUT_STILL).hours
    difference = naive - found
    assert difference[0, 0] == 1050 and np.count_nonzero(difference) == 1
    # The naive rose says that the wind prevails from the north; it does not.
    assert naive.sum(axis=0).argmax() == 0
    assert wind.prevailing(hours, "station.csv")[0].direction_deg == 225


def test_sectors_are_centred_and_classes_begin_on_their_bound() -> None:
    found = wind.rose(record([0.1, 360, 348.74, 348.75, 11.24, 11.25, 45, 45], [1, 1, 1, 1, 1, 1, 2, 1.99]))
    assert found.by_sector.tolist() == [4, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.hours[:, 2].tolist() == [1, 1, 0, 0, 0, 0]


def test_calm_by_speed_whatever_the_direction_and_variable_apart() -> None:
    found = wind.rose(record([90, 0, np.nan, np.nan], [0.4, 0.5, 3, 0]))
    assert (found.calm, found.variable, found.by_sector[0], found.total) == (2, 1, 1, 4)


winds = st.lists(st.tuples(st.floats(0, 360), st.floats(0, 60)), min_size=1, max_size=60)


@given(winds, st.sampled_from([4, 8, 12, 16, 36]))
def test_every_hour_is_counted_once_and_turning_the_winds_turns_the_rose(hours, sectors: int) -> None:
    direction, speed = map(np.array, zip(*hours, strict=True))
    direction = np.round(direction) % 360
    found = wind.rose(record(direction, speed), sectors)
    assert found.total == len(hours) and found.calm == (speed < 0.5).sum()
    turned = wind.rose(record((direction + 360 / sectors) % 360, speed), sectors)
    np.testing.assert_array_equal(turned.hours, np.roll(found.hours, 1, axis=1))


# -- prevailing directions -----------------------------------------------------------------


def test_a_valley_has_two_prevailing_directions() -> None:
    along_the_valley = [315] * 50 + [292] * 20 + [135] * 35 + [157] * 10 + [45] * 5 + [0] * 30
    speed = [4.0] * 50 + [3.0] * 20 + [2.0] * 35 + [2.0] * 10 + [5.0] * 5 + [0.0] * 30
    first, second = wind.prevailing(record(along_the_valley, speed), "s")
    assert (first.direction_deg, first.share, first.speed_ms) == (315, 50 / 150, 4.0)
    assert (second.direction_deg, second.share, second.speed_ms) == (135, 35 / 150, 2.0)
    # 29 of 50 is less than 60 %.
    (only,) = wind.prevailing(record([315] * 50 + [135] * 29, [4.0] * 79), "s")
    assert only.direction_deg == 315


def test_a_neighbour_is_the_same_wind() -> None:
    assert len(wind.prevailing(record([0] * 50 + [22.5] * 45 + [337.5] * 45, [3.0] * 140), "s")) == 1


def test_seasons_are_told_apart() -> None:
    direction = np.repeat([10.0, 100, 190, 280], 3)
    months = np.array([12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    parts = wind.Record(direction, np.full(12, 2.0), months, 0, date(2024, 1, 1))
    found = wind.prevailing_by_season(parts, "s")
    assert {season: each[0].direction_deg for season, each in found.items()} == {
        "winter": 0, "spring": 90, "summer": 180, "autumn": 270,
    }  # fmt: skip


def test_always_calm_has_no_direction() -> None:
    with pytest.raises(InputError, match="No hour of s has wind"):
        wind.prevailing(record([0, 0], [0, 0]), "s")


# -- the file ------------------------------------------------------------------------------


def file(header: str, *rows: str, separator: str = ",") -> bytes:
    rows = rows + tuple(f"2024-01-{day:02}{separator}12:00{separator}90{separator}3.0" for day in range(2, 29))
    return ("\n".join([header, *rows]) + "\n").encode()


def test_the_real_file_is_read_whole(station) -> None:
    hours, _ = station
    assert (len(hours.speed), hours.hours_missing, hours.newest) == (8760, 0, date(2003, 9, 30))
    assert np.bincount(hours.month)[1:].tolist() == [744, 672, 744, 720, 744, 720, 744, 744, 720, 744, 720, 744]
    assert (hours.speed == 0).sum() == 1050 and (hours.direction == 360).sum() == 210


def test_dates_and_numbers_as_romanians_write_them() -> None:
    rows = [f"{day:02}.02.2024 {hour}:00;{direction};2,5" for day, hour, direction in
            [(1, "00", 990), (14, "23", 999), (15, "24", ""), (29, "7", 350)]]  # fmt: skip
    raw = "\n".join(["Data;Direcție;Viteză", *rows * 6]).encode("utf-8-sig")
    found = wind.read_record(raw, "s", {"time": "Data", "direction": "Direcție", "speed": "Viteză"}, unit="km/h")
    assert set(found.month) == {2} and set(found.speed) == {2.5 / 3.6}
    assert np.isnan(found.direction).sum() == 18 and np.nanmax(found.direction) == 350


def test_hours_without_a_speed_are_left_out_and_said() -> None:
    found = wind.read_record(file("date,time,dir,speed", "2024-01-01,01:00,90,", "2024-01-01,02:00,90,999"), "s")
    assert (len(found.speed), found.hours_missing) == (27, 2)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "not a table"),
        (b"\x89PNG\r\n\x1a\n\0", "not a table"),
        (b"one column\n1\n", "not a table"),
        (file("date,time,dir,speed", "2024-01-01,01:00"), "not a table"),
        (file("date,time,dir,gusts"), "no column “speed”; it has: date, time, dir, gusts"),
        (file("date,time,dir,speed", "2024-01-01,01:00,north,3"), "Row 2 of s: “north” is no number for “direction”"),
        (file("date,time,dir,speed", "2024-01-01,01:00,nan,3"), "“nan” is no number"),
        (file("date,time,dir,speed", "2024-01-01,01:00,361,3"), "Row 2 of s: the direction 361"),
        (file("date,time,dir,speed", "2024-01-01,01:00,90,-1"), "the speed -1 m/s"),
        (file("date,time,dir,speed", "2024-01-01,01:00,90,130"), "the speed 130 m/s.*unit"),
        (file("date,time,dir,speed", "2024-02-30,01:00,90,1"), "Row 2 of s: “2024-02-30” is no date"),
        (file("date,time,dir,speed", "2024-01-01,25:00,90,1"), "Row 2 of s: “2024-01-01 25:00” is no date and hour"),
        (file("date,time,dir,speed", *["2024-01-01,01:00,90,1"] * 26), "26 rows on 2024-01-01"),
        (b"date,time,dir,speed\n" + b"2024-01-01,01:00,90,1\n" * 23, "23 hours"),
        (b"date,time,dir,speed\n" + b"01/02/2024,01:00,90,1\n" * 24, "more than one way .%m/%d/%Y, %d/%m/%Y"),
        (b"date,time,dir,speed\n" + b"2024-01-02,01:00,90,35\n" * 24, "mean speed in s would be 35.0 m/s"),
    ],
)
def test_what_is_no_hourly_wind_is_refused(raw: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        wind.read_record(raw, "s")


def test_ambiguous_dates_can_be_told() -> None:
    raw = b"date,time,dir,speed\n" + b"01/02/2024,01:00,90,1\n" * 24
    assert set(wind.read_record(raw, "s", dates="%d/%m/%Y").month) == {2}


# -- corridors -----------------------------------------------------------------------------


def test_roughness_is_a_tenth_of_the_height() -> None:
    np.testing.assert_allclose(wind.roughness_of_heights(np.array([0.0, 5.0, 20.0])), [0, 0.5, 2])


def street(length: int, width: int) -> np.ndarray:
    """A street from west to east, in cells, in a built-up square."""
    city = np.zeros((140, 140), dtype=bool)
    city[60 : 60 + width, 10 : 10 + length] = True
    return city


@pytest.mark.parametrize(
    ("length", "width", "direction", "found"),
    [
        (100, 5, 90, True), (100, 5, 270, True), (99, 5, 90, False), (100, 4, 90, False), (100, 5, 0, False),
        # Turned by 20° the rectangle needs a street of about 39 cells.
        (120, 5, 70, False), (120, 45, 70, True),
    ],
)  # fmt: skip
def test_a_street_is_a_corridor_when_it_is_long_and_wide_enough(length, width, direction, found) -> None:
    ground = street(length, width)
    reached = wind.corridors(ground, wind.corridor_cells(direction, 1000, 50, (10, 10)))
    assert reached.any() == found
    if found and direction % 180 == 90:
        np.testing.assert_array_equal(reached, ground)


def test_cells_need_not_be_square() -> None:
    cells = wind.corridor_cells(0, 1000, 60, (20, 10))
    assert len(set(map(tuple, cells))) == len(cells) == 100 * 3
    assert np.ptp(cells[:, 0]) == 99 and np.ptp(cells[:, 1]) == 2


def test_a_slanted_corridor_is_one_piece_of_its_own_size() -> None:
    cells = wind.corridor_cells(33, 1000, 50, (10, 10))
    assert len(cells) == pytest.approx(500, rel=0.02)
    # The far ends lie where the direction says: 33° east of north is up and to the right.
    farthest = cells[np.lexsort((cells[:, 1], cells[:, 0]))][0]
    assert farthest[0] == pytest.approx(-50 * np.cos(np.deg2rad(33)), abs=2)
    assert farthest[1] == pytest.approx(50 * np.sin(np.deg2rad(33)), abs=3)


grounds = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))
shapes = st.builds(
    wind.corridor_cells, st.floats(0, 360), st.floats(20, 60), st.floats(10, 30), st.just((10.0, 10.0))
)


def painted(ground: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The same by trying every place, one after another."""
    reached = np.zeros_like(ground)
    for row in range(-8, ground.shape[0] + 8):
        for column in range(-8, ground.shape[1] + 8):
            place = [(row + r, column + c) for r, c in cells.tolist()]
            inside = all(0 <= r < ground.shape[0] and 0 <= c < ground.shape[1] and ground[r, c] for r, c in place)
            for r, c in place if inside else []:
                reached[r, c] = True
    return reached


@settings(max_examples=60, deadline=None)
@given(grounds, shapes)
def test_corridors_are_what_trying_every_place_finds(ground: np.ndarray, cells: np.ndarray) -> None:
    np.testing.assert_array_equal(wind.corridors(ground, cells), painted(ground, cells))


@settings(max_examples=60, deadline=None)
@given(grounds, shapes, st.integers(0, 2**32 - 1))
def test_corridors_lie_on_open_ground_and_more_open_ground_has_no_fewer(ground, cells, seed: int) -> None:
    reached = wind.corridors(ground, cells)
    assert not (reached & ~ground).any()
    np.testing.assert_array_equal(wind.corridors(reached, cells), reached)
    more = ground | (np.random.default_rng(seed).random(ground.shape) < 0.3)
    assert not (reached & ~wind.corridors(more, cells)).any()
