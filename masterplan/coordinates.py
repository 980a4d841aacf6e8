"""Coordinates that people type: decimal degrees, degrees–minutes–seconds, or Stereo 70."""

from __future__ import annotations

import re
from dataclasses import dataclass

from masterplan.errors import MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID

#: Stereo 70, the projected CRS that Romanian urbanism data must use (Order 904/2023).
STEREO70_SRID = 3844

#: Where Romania lies, generously: degrees (W, S, E, N) and Stereo 70 metres (easting, northing).
_DEGREES = (20.0, 43.5, 30.0, 48.5)
_METRES = (110_000.0, 220_000.0, 900_000.0, 780_000.0)

NOT_UNDERSTOOD = N_(
    "These coordinates are not understood: “{text}”. Write decimal degrees, for example"
    " 47.1585, 27.6014, or Stereo 70 metres, for example X=630123 Y=698456 (X is north)."
)


@dataclass(frozen=True)
class TypedPoint:
    """A point as typed. `x` is longitude or easting, `y` latitude or northing, in the CRS `srid`."""

    x: float
    y: float
    srid: int

    def the_other_way_round(self) -> TypedPoint | None:
        """The same two numbers in the other order; None where that is no place in Romania.

        Only Stereo 70 can be meant either way: degrees of latitude and of longitude
        share no value in Romania.
        """
        return _metres(easting=self.y, northing=self.x) if self.srid == STEREO70_SRID else None


def parse_point(typed: str) -> TypedPoint:
    """Read one point from what a person typed.

    Decimal degrees are latitude then longitude, or the other way round where
    the numbers leave no doubt (in Romania latitudes are above 43, longitudes
    below 30). Stereo 70 is northing then easting, as in Romanian practice; `X=`
    is north and `Y=` east. Many programs write easting first: where only that
    order lies in Romania it is taken; where both do, the caller chooses, see
    `TypedPoint.the_other_way_round`.

    Raises
    ------
    MasterplanError
        When the text is not two coordinates in Romania; the message shows both forms.
    """
    for reading in (_sexagesimal, _labelled, _plain):
        point = reading(typed)
        if point is not None:
            return point
    raise MasterplanError(NOT_UNDERSTOOD, text=typed.strip()[:80])


_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_SEXAGESIMAL = re.compile(
    r"(\d{1,2})\s*°\s*(\d{1,2})\s*['′’]\s*(\d{1,2}(?:[.,]\d+)?)\s*(?:[\"″”]|'')\s*([NE])", re.I
)
_LABELLED = re.compile(rf"\b([XYNE])\s*[=:]\s*({_NUMBER})", re.I)


def _sexagesimal(typed: str) -> TypedPoint | None:
    """Romania lies north and east only: each letter stands once, in either order."""
    axes = {
        letter.upper(): int(degrees) + int(minutes) / 60 + _float(seconds) / 3600
        for degrees, minutes, seconds, letter in _SEXAGESIMAL.findall(typed)
    }
    if set(axes) != {"N", "E"}:
        return None
    return _degrees(lon=axes["E"], lat=axes["N"])


def _labelled(typed: str) -> TypedPoint | None:
    found = {letter.upper(): _float(value) for letter, value in _LABELLED.findall(_ungrouped(typed))}
    if set(found) == {"X", "Y"}:
        return _in_romania(found["X"], found["Y"])
    if set(found) == {"N", "E"}:
        return _in_romania(found["N"], found["E"])
    return None


def _plain(typed: str) -> TypedPoint | None:
    numbers = _two_numbers(_ungrouped(typed))
    if numbers is None:
        return None
    return _in_romania(*numbers)


def _in_romania(first: float, second: float) -> TypedPoint | None:
    """Two numbers as a place: north first, or the other way round where only that is in Romania."""
    return (
        _degrees(lon=second, lat=first)
        or _degrees(lon=first, lat=second)
        or _metres(easting=second, northing=first)
        or _metres(easting=first, northing=second)
    )


def _two_numbers(typed: str) -> tuple[float, float] | None:
    parts = re.split(r"\s*;\s*|\s*,\s+|\s+", typed.strip())
    if len(parts) == 1:
        parts = typed.strip().split(",")
    if len(parts) != 2 or not all(re.fullmatch(_NUMBER, part) for part in parts):
        return None
    return _float(parts[0]), _float(parts[1])


def _ungrouped(typed: str) -> str:
    """Drop the dots or spaces that group thousands: `630.123,45` → `630123,45`."""
    return re.sub(r"\b(\d{3})[.\u00a0\u202f](\d{3})(?=[,\s;]|$)", r"\1\2", typed)


def _float(number: str) -> float:
    return float(number.replace(",", "."))


def _degrees(lon: float, lat: float) -> TypedPoint | None:
    west, south, east, north = _DEGREES
    inside = west <= lon <= east and south <= lat <= north
    return TypedPoint(lon, lat, WGS84_SRID) if inside else None


def _metres(easting: float, northing: float) -> TypedPoint | None:
    west, south, east, north = _METRES
    inside = west <= easting <= east and south <= northing <= north
    return TypedPoint(easting, northing, STEREO70_SRID) if inside else None
