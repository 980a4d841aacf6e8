"""Numbers, quantities and dates as people of each language write them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

#: Everyone in the zone lives on this clock; times are stored in UTC.
LOCAL_TIME = ZoneInfo("Europe/Bucharest")
#: What people read before a negative number; files for programs keep the hyphen.
MINUS = "\N{MINUS SIGN}"


def today() -> date:
    """The day it is on the zone's clock."""
    return datetime.now(LOCAL_TIME).date()


def number(value: float, decimals: int, language: str) -> str:
    """`1234.5` → `1.234,5` in Romanian, `1,234.5` in English, with a true minus sign and no minus zero."""
    pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
    written = format_decimal(value, format=pattern, locale=language)
    return written.replace("-", MINUS if any(digit in written for digit in "123456789") else "")


def quantity(value: float, unit: str, language: str) -> str:
    """A number with its unit, with as many decimals as its size deserves."""
    decimals = 0 if abs(value) >= 100 or float(value).is_integer() else 1
    separator = "\N{NO-BREAK SPACE}" if unit else ""
    return number(value, decimals, language) + separator + unit


def day(value: date | datetime, language: str) -> str:
    """`23 noiembrie 2026`."""
    return format_date(_local(value), format="d MMMM y", locale=language)


def short_day(value: date | datetime) -> str:
    """`23.11.2026`, for a narrow column: both languages of the zone write it with dots here."""
    return _local(value).strftime("%d.%m.%Y")


def moment(value: datetime, language: str) -> str:
    """`23 noiembrie 2026, 14:05`, on the zone's clock."""
    return format_datetime(_local(value), format="d MMMM y, HH:mm", locale=language)


def clock(value: datetime) -> str:
    """`14:05`, on the zone's clock, not before the minute is full: who comes back then is not early."""
    return (_local(value) + timedelta(seconds=59, microseconds=999_999)).strftime("%H:%M")


def _local(value: date | datetime) -> date | datetime:
    return value.astimezone(LOCAL_TIME) if isinstance(value, datetime) else value
