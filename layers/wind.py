"""Wind from a station's hourly record, and where a city lets it through.

Directions are degrees clockwise from true north that the wind blows *from*, as meteorologists give them. A calm hour
has no direction: stations write 0 for it, and 360 for north. Calms are counted apart and are in no sector.
Speeds are m/s. The functions take arrays and text; nothing here opens a raster.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

SECTORS = 16
#: Lower bounds of the speed classes in m/s; the last is open.
SPEED_BOUNDS = (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)
#: Below this an hour is calm (WMO Guide to Instruments, No. 8: under 1 knot no direction is reported).
CALM_BELOW_MS = 0.5
#: Metres a second in one unit of a file's speeds.
SPEED_UNITS = {"m/s": 1.0, "km/h": 1 / 3.6, "kt": 1852 / 3600}
SEASONS: dict[str, tuple[int, int, int]] = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
#: A second direction also prevails when its sector has at least this share of the hours of the first.
_ALSO_PREVAILS = 0.6
#: Codes of no direction: variable (990 in synoptic reports) and missing.
_NO_DIRECTION = (990.0, 999.0)
_MISSING_SPEEDS = (99.9, 999.0, 999.9)
#: The strongest hourly wind ever measured at a ground station is below this.
_STRONGEST_MS = 100.0
#: No station has a mean above this; one that seems to is in another unit.
_STRONGEST_MEAN_MS = 20.0
_LARGEST_FILE = 100_000_000
_FEWEST_HOURS = 24

#: What files call their columns, in the order in which they are looked for.
_COLUMN_NAMES = {
    "direction": ("wind_from_deg", "wind_direction", "winddir", "wd", "dd", "dir", "direction", "directie", "direcție"),
    "speed": ("wind_speed_ms", "wind_speed", "windspeed", "ws", "ff", "speed", "viteza", "viteză"),
    "time": ("time_local_std", "datetime", "timestamp", "time", "hour", "ora", "oră"),
    "date": ("date", "day", "data", "ziua"),
}
_HOUR = re.compile(r"[T ]*(\d|[01]\d|2[0-4])([:.]\d\d){0,2}(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
_LONGEST_DAY = 25
_DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d")

_NOT_A_TABLE = N_("The file {file} is not a table of hourly wind: a CSV with a line of column names is needed.")
_NO_COLUMN = N_("The file {file} has no column “{what}”; it has: {known}. Say which one it is.")
_NOT_A_NUMBER = N_("Row {row} of {file}: “{value}” is no number for “{what}”.")
_NO_SUCH_DIRECTION = N_("Row {row} of {file}: the direction {value} is not within 0 to 360 degrees.")
_NO_SUCH_SPEED = N_("Row {row} of {file}: the speed {value} m/s is not within 0 to {most} m/s; is its unit right?")
_TOO_STRONG = N_("The mean speed in {file} would be {mean} m/s: it is in another unit; say km/h or kt.")
_NOT_A_TIME = N_("Row {row} of {file}: “{value}” is no date and hour.")
_NOT_HOURLY = N_("The file {file} has {rows} rows on {day}: hourly means are needed, one a row.")
_WHICH_DATES = N_("The dates of {file} can be read in more than one way ({formats}): say which one it is.")
_TOO_FEW = N_("The file {file} has {hours} hours with a speed; at least {least} are needed.")
_ALWAYS_CALM = N_("No hour of {file} has wind: a prevailing direction cannot be told.")


@dataclass(frozen=True)
class Record:
    """Hours of one station: `direction` in degrees, `speed` in m/s, `month` 1 to 12; NaN direction where variable.

    `hours_missing` counts the rows without a speed, which are left out; `newest` is the last day of the record.
    """

    direction: np.ndarray
    speed: np.ndarray
    month: np.ndarray
    hours_missing: int
    newest: date

    def of(self, months: Sequence[int]) -> Record:
        """The hours of some months."""
        kept = np.isin(self.month, months)
        return replace(self, direction=self.direction[kept], speed=self.speed[kept], month=self.month[kept])


@dataclass(frozen=True)
class Rose:
    """Hours by speed class (rows) and sector (columns, the first centred on north, clockwise).

    `calm` and `variable` hours are in no sector.
    """

    hours: np.ndarray
    calm: int
    variable: int
    speed_bounds: tuple[float, ...]

    @property
    def sectors(self) -> int:
        return self.hours.shape[1]

    @property
    def by_sector(self) -> np.ndarray:
        return self.hours.sum(axis=0)

    @property
    def total(self) -> int:
        """All hours: with direction, variable and calm."""
        return int(self.hours.sum()) + self.calm + self.variable

    def centre(self, sector: int) -> float:
        """The direction in the middle of a sector, degrees."""
        return 360 / self.sectors * sector


@dataclass(frozen=True)
class Prevailing:
    """A direction that prevails: degrees it blows from, share of all hours (0 to 1), mean speed in its sector (m/s)."""

    direction_deg: float
    share: float
    speed_ms: float


# The station's file


def read_record(
    raw: bytes, name: str, columns: Mapping[str, str] | None = None, dates: str | None = None, unit: str = "m/s"
) -> Record:
    """Hourly wind from a CSV: direction, speed, and a date and hour (in one column or two).

    Empty cells and the codes 999 (missing) and 990 (variable) are understood; hour 24 is the end of the day.

    Parameters
    ----------
    raw
        The file's bytes (UTF-8).
    name
        What the messages call it.
    columns
        The file's names for "direction", "speed", "time" and "date", where they are not usual ones.
    dates
        How its dates are written, as "%d.%m.%Y"; found out where only one way fits all of them.
    unit
        Of its speeds: "m/s", "km/h" or "kt".

    Raises
    ------
    InputError
        When a column is missing, a value is no number or not possible, or the dates are ambiguous.
    """
    header, rows = _table(raw, name)
    named = {what: _column(header, what, (columns or {}).get(what), name) for what in _COLUMN_NAMES}
    for what in ("direction", "speed", "time"):
        if named[what] is None:
            raise _refused(_NO_COLUMN, name, what=what, known=", ".join(header)[:200])
    direction = _numbers(rows, named["direction"], "direction", name)
    speed = _numbers(rows, named["speed"], "speed", name)
    speed[np.isin(speed, _MISSING_SPEEDS)] = np.nan
    speed *= SPEED_UNITS[unit]
    direction[np.isin(direction, _NO_DIRECTION)] = np.nan
    _check(direction, speed, name)
    days = _days(rows, named["date"], named["time"], dates, name)
    month = np.array([day.month for day in days])
    there = np.isfinite(speed)
    if there.sum() < _FEWEST_HOURS:
        raise _refused(_TOO_FEW, name, hours=int(there.sum()), least=_FEWEST_HOURS)
    if speed[there].mean() > _STRONGEST_MEAN_MS:
        raise _refused(_TOO_STRONG, name, mean=f"{speed[there].mean():.1f}")
    return Record(direction[there], speed[there], month[there], int((~there).sum()), max(days))


def _table(raw: bytes, name: str) -> tuple[list[str], list[list[str]]]:
    try:
        words = raw.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        raise _refused(_NOT_A_TABLE, name) from broken
    first = words.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    if len(raw) > _LARGEST_FILE or "\0" in words or not first.count(separator):
        raise _refused(_NOT_A_TABLE, name)
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(words), delimiter=separator) if any(row)]
    except csv.Error as broken:
        raise _refused(_NOT_A_TABLE, name) from broken
    header = [column.strip() for column in header]
    if not rows or any(len(row) != len(header) for row in rows):
        raise _refused(_NOT_A_TABLE, name)
    return header, rows


def _column(header: list[str], what: str, told: str | None, name: str) -> int | None:
    if told is not None:
        if told not in header:
            raise _refused(_NO_COLUMN, name, what=what, known=", ".join(header)[:200])
        return header.index(told)
    lower = [column.lower() for column in header]
    return next((lower.index(usual) for usual in _COLUMN_NAMES[what] if usual in lower), None)


def _numbers(rows: list[list[str]], column: int, what: str, name: str) -> np.ndarray:
    found = np.full(len(rows), np.nan)
    for index, row in enumerate(rows):
        written = row[column].strip()
        if not written:
            continue
        # A decimal comma can only stand in a file that is not separated by commas.
        plain = written.replace(",", ".")
        if not re.fullmatch(r"[+-]?\d+(\.\d*)?", plain):
            raise _refused(_NOT_A_NUMBER, name, row=index + 2, value=written[:40], what=what)
        found[index] = float(plain)
    return found


def _check(direction: np.ndarray, speed: np.ndarray, name: str) -> None:
    for wrong, values, msgid in (
        ((direction < 0) | (direction > 360), direction, _NO_SUCH_DIRECTION),
        ((speed < 0) | (speed > _STRONGEST_MS), speed, _NO_SUCH_SPEED),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise _refused(msgid, name, row=row + 2, value=f"{values[row]:g}", most=f"{_STRONGEST_MS:g}")


def _days(rows: list[list[str]], column: int | None, time: int, told: str | None, name: str) -> list[date]:
    """The day of each row."""
    written = [row[time if column is None else column].strip() for row in rows]
    days = [re.split(r"[T ]", each, maxsplit=1)[0] for each in written]
    ways = (told,) if told else _DATE_FORMATS
    fitting = {way: found for way in ways if (found := _read_all(days, way)) is not None}
    if not fitting:
        wrong = next((index for index, day in enumerate(days) if not any(_read_all([day], way) for way in ways)), 0)
        raise _refused(_NOT_A_TIME, name, row=wrong + 2, value=written[wrong][:40])
    if len({tuple(found) for found in fitting.values()}) > 1:
        raise _refused(_WHICH_DATES, name, formats=", ".join(fitting))
    _check_hours([row[time].strip().removeprefix(day) for row, day in zip(rows, days, strict=True)], days, name)
    return next(iter(fitting.values()))


def _check_hours(hours: list[str], days: list[str], name: str) -> None:
    """Hours of the day that are none, or more of them than a day has (25 when the clocks go back)."""
    for index, hour in enumerate(hours):
        if not _HOUR.fullmatch(hour):
            raise _refused(_NOT_A_TIME, name, row=index + 2, value=f"{days[index]} {hour.strip()}"[:40])
    (day, rows), *_ = Counter(days).most_common(1)
    if rows > _LONGEST_DAY:
        raise _refused(_NOT_HOURLY, name, rows=rows, day=day)


def _read_all(days: list[str], way: str) -> list[date] | None:
    """The days, if all are written in this way."""
    known: dict[str, date] = {}
    for day in set(days):
        try:
            known[day] = datetime.strptime(day, way).date()
        except ValueError:
            return None
    return [known[day] for day in days]


def _refused(msgid: str, name: str, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=name, **facts))])


# The rose


def rose(
    record: Record,
    sectors: int = SECTORS,
    speed_bounds: Sequence[float] = SPEED_BOUNDS,
    calm_below: float = CALM_BELOW_MS,
) -> Rose:
    """Hours by sector and speed class, calms apart.

    Parameters
    ----------
    sectors
        Equal ones, the first centred on north. A direction on a bound counts clockwise.
    speed_bounds
        Lower bounds of the classes in m/s, rising; the first should be 0. A speed on a bound counts upwards.
    calm_below
        An hour with a lower speed (m/s) is calm, whatever its direction says.
    """
    calm = record.speed < calm_below
    variable = ~calm & np.isnan(record.direction)
    blowing = ~calm & ~variable
    width = 360 / sectors
    sector = np.floor((record.direction[blowing] + width / 2) % 360 / width).astype(int) % sectors
    speed_class = np.digitize(record.speed[blowing], speed_bounds[1:])
    hours = np.zeros((len(speed_bounds), sectors), dtype=np.int64)
    np.add.at(hours, (speed_class, sector), 1)
    return Rose(hours, int(calm.sum()), int(variable.sum()), tuple(speed_bounds))


def prevailing(
    record: Record, name: str, sectors: int = SECTORS, calm_below: float = CALM_BELOW_MS
) -> list[Prevailing]:
    """The direction that the wind blows from most often, and a second one where there are two.

    The second is the fullest sector that is no neighbour of the first, higher than both its own neighbours, and has at
    least 60 % of the first one's hours: along a valley the wind prevails both ways.

    Raises
    ------
    InputError
        When no hour has wind and a direction.
    """
    table = rose(record, sectors, calm_below=calm_below)
    hours = table.by_sector
    if not hours.any():
        raise _refused(_ALWAYS_CALM, name)
    width = 360 / sectors
    blowing = (record.speed >= calm_below) & np.isfinite(record.direction)
    sector = np.floor((record.direction[blowing] + width / 2) % 360 / width).astype(int) % sectors
    speed = np.bincount(sector, weights=record.speed[blowing], minlength=sectors) / np.maximum(hours, 1)
    first = int(hours.argmax())
    peaks = (hours > np.roll(hours, 1)) & (hours > np.roll(hours, -1))
    peaks[[first, (first + 1) % sectors, (first - 1) % sectors]] = False
    chosen = [first]
    if peaks.any():
        second = int(np.where(peaks, hours, -1).argmax())
        if hours[second] >= _ALSO_PREVAILS * hours[first]:
            chosen.append(second)
    return [Prevailing(table.centre(each), hours[each] / table.total, float(speed[each])) for each in chosen]


def prevailing_by_season(
    record: Record, name: str, sectors: int = SECTORS, calm_below: float = CALM_BELOW_MS
) -> dict[str, list[Prevailing]]:
    """`prevailing` of each meteorological season that the record has hours of."""
    found = {}
    for season, months in SEASONS.items():
        part = record.of(months)
        if len(part.speed):
            found[season] = prevailing(part, name, sectors, calm_below)
    return found


# Ventilation corridors

#: A ventilation path after Mayer, Beckröge & Matzarakis 1994 (UVP-report 5:265): roughness length at most 0.5 m over
#: at least 1000 m in the direction of the wind, at least 50 m wide.
CORRIDOR_ROUGHNESS_M, CORRIDOR_LENGTH_M, CORRIDOR_WIDTH_M = 0.5, 1000.0, 50.0
#: Roughness length as a share of the height of what stands there (Grimmond & Oke 1999, J. Appl. Meteorol. 38:1262).
_ROUGHNESS_OF_HEIGHT = 0.1


def roughness_of_heights(height_m: np.ndarray) -> np.ndarray:
    """Roughness length in metres from the height of buildings in metres: a tenth of it (Grimmond & Oke 1999)."""
    return _ROUGHNESS_OF_HEIGHT * height_m


def corridor_cells(direction_deg: float, length_m: float, width_m: float, cell_m: tuple[float, float]) -> np.ndarray:
    """The cells (row, column, from the middle) of the least corridor: a rectangle along the wind.

    Parameters
    ----------
    direction_deg
        Clockwise from the grid's own north; where the wind comes from or goes to makes no difference.
    cell_m
        Width and height of a cell in metres.
    """
    along = np.deg2rad(direction_deg % 180)
    reach = np.hypot(length_m, width_m) / 2
    rows = np.arange(-int(reach // cell_m[1]), int(reach // cell_m[1]) + 1)
    columns = np.arange(-int(reach // cell_m[0]), int(reach // cell_m[0]) + 1)
    row, column = (each.ravel() for each in np.meshgrid(rows, columns, indexing="ij"))
    east, north = column * cell_m[0], -row * cell_m[1]
    lengthwise, across = east * np.sin(along) + north * np.cos(along), east * np.cos(along) - north * np.sin(along)
    # One end is left out, so that 1000 m are a hundred cells of 10 m and not 101.
    inside = _half_open(lengthwise, length_m) & _half_open(across, width_m)
    return np.column_stack([row[inside], column[inside]])


def _half_open(distance: np.ndarray, whole: float) -> np.ndarray:
    hair = 1e-6
    return (distance >= -whole / 2 - hair) & (distance < whole / 2 - hair)


def corridors(open_ground: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Where a corridor of the shape `cells` fits: the union of all its places that lie on open ground wholly.

    This is a morphological opening (Serra 1982). What lies beyond the array is not open.

    Parameters
    ----------
    open_ground
        True where the roughness lets the wind through.
    cells
        From `corridor_cells`.
    """
    from scipy.signal import fftconvolve

    reach = int(np.abs(cells).max(initial=0))
    shape = np.zeros((2 * reach + 1, 2 * reach + 1))
    shape[cells[:, 0] + reach, cells[:, 1] + reach] = 1
    # Counting open cells by a Fourier transform takes as long for a shape of ten cells as for one of ten thousand.
    open_cells = fftconvolve(open_ground.astype(float), shape[::-1, ::-1], mode="same")
    fits = open_cells > len(cells) - 0.5
    return fftconvolve(fits.astype(float), shape, mode="same") > 0.5
