"""Coordinates as people type them. Expected values: arithmetic by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masterplan.coordinates import STEREO70_SRID, TypedPoint, parse_point
from masterplan.errors import MasterplanError
from masterplan.place import WGS84_SRID

UNIRII = TypedPoint(27.583, 47.165, WGS84_SRID)
IN_STEREO = TypedPoint(695_123.5, 634_456.0, STEREO70_SRID)


@pytest.mark.parametrize("typed", [
    "47.165, 27.583", "47.165 27.583", "47.165;27.583", "47,165; 27,583", "47,165 27,583",
    "  47.165,27.583  ", "27.583, 47.165", "N=47.165 E=27.583",
])  # fmt: skip
def test_degrees_in_either_order_and_with_a_decimal_comma(typed):
    assert parse_point(typed) == UNIRII


@pytest.mark.parametrize("typed", [
    "X=634456 Y=695123.5", "x = 634456, y = 695123,5", "Y=695123.5 X=634456", "N: 634456 E: 695123.5",
    "634456 695123.5", "634456; 695123,5", "634.456 695.123,5", "X=634.456,0 Y=695.123,5",
])  # fmt: skip
def test_stereo_70_the_romanian_way_x_is_north(typed):
    assert parse_point(typed) == IN_STEREO


@pytest.mark.parametrize("typed", ["850000 450000", "450000 850000", "X=850000 Y=450000", "E=850000 N=450000"])
def test_easting_first_where_only_that_is_in_romania(typed):
    # No point of Romania lies 850 km north; it is 450 km north and 850 km east.
    assert parse_point(typed) == TypedPoint(850_000, 450_000, STEREO70_SRID)


def test_stereo_70_may_be_meant_the_other_way_round_and_degrees_may_not():
    assert IN_STEREO.the_other_way_round() == TypedPoint(634_456.0, 695_123.5, STEREO70_SRID)
    assert TypedPoint(850_000, 450_000, STEREO70_SRID).the_other_way_round() is None
    assert UNIRII.the_other_way_round() is None


@pytest.mark.parametrize("typed", ["X=27.583 Y=47.165", "X=47.165 Y=27.583", "N=27.583 E=47.165"])
def test_degrees_with_letters_that_say_otherwise(typed):
    assert parse_point(typed) == UNIRII


@pytest.mark.parametrize("typed", ["47°9'54\"N 27°34'58.8\"E", "27° 34′ 58,8″ E, 47° 9′ 54″ N"])
def test_degrees_minutes_seconds(typed):
    # 47 + 9/60 + 54/3600 = 47.165; 27 + 34/60 + 58.8/3600 = 27.583
    point = parse_point(typed)
    assert point.srid == WGS84_SRID
    assert (point.x, point.y) == pytest.approx((27.583, 47.165), abs=1e-9)


@pytest.mark.parametrize("typed", [
    "", "Iași", "47.165", "47.165, 27.583, 3", "91, 27", "0 0", "nan, inf", "X=1 Y=2", "47.165 127.583",
    "{{7*7}}", "47.165' OR 1=1", "1e3 1e3",
])  # fmt: skip
def test_anything_else_is_refused_with_both_forms_shown(typed):
    with pytest.raises(MasterplanError) as refused:
        parse_point(typed)
    assert "47.1585, 27.6014" in str(refused.value)
    assert "X=" in refused.value.message("ro")


@given(lat=st.floats(43.6, 48.4), lon=st.floats(20.1, 29.9))
def test_what_is_written_is_read_back(lat, lon):
    point = parse_point(f"{lat:.7f}, {lon:.7f}")
    assert (point.x, point.y) == pytest.approx((lon, lat), abs=1e-7)
