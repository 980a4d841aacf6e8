"""Numbers and dates as people of each language write them. Expected values: written by hand."""

from datetime import UTC, date, datetime

import pytest

from masterplan import formats


@pytest.mark.parametrize(("value", "decimals", "ro", "en"), [
    (1234.5, 1, "1.234,5", "1,234.5"), (0, 0, "0", "0"), (1234567, 0, "1.234.567", "1,234,567"),
    (-3.25, 2, "−3,25", "−3.25"), (-1234.5, 1, "−1.234,5", "−1,234.5"), (-0.04, 1, "0,0", "0.0"),
])  # fmt: skip
def test_numbers(value, decimals, ro, en):
    assert formats.number(value, decimals, "ro") == ro
    assert formats.number(value, decimals, "en") == en


def test_quantities_keep_number_and_unit_together():
    assert formats.quantity(1234.56, "m", "ro") == "1.235\N{NO-BREAK SPACE}m"
    assert formats.quantity(12.34, "ha", "ro") == "12,3\N{NO-BREAK SPACE}ha"
    assert formats.quantity(20, "%", "en") == "20\N{NO-BREAK SPACE}%"
    assert formats.quantity(-2.4, "°C", "ro") == "\N{MINUS SIGN}2,4\N{NO-BREAK SPACE}°C"


def test_days_and_moments_on_the_clock_of_the_zone():
    assert formats.day(date(2026, 11, 3), "ro") == "3 noiembrie 2026"
    assert formats.day(date(2026, 11, 3), "en") == "3 November 2026"
    # 22:30 UTC is half past midnight of the next day in Iași in winter (UTC+2).
    assert formats.moment(datetime(2026, 11, 3, 22, 30, tzinfo=UTC), "ro") == "4 noiembrie 2026, 00:30"
