"""The metropolitan zone this installation serves, and the coordinate systems it speaks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache

from masterplan.settings import settings

#: Files and the API speak WGS 84, longitude first (RFC 7946).
WGS84_SRID = 4326
#: Vector tiles are cut in Web Mercator.
TILE_SRID = 3857


@dataclass(frozen=True)
class Place:
    """One metropolitan zone, as `data/place.toml` describes it.

    `center` is (longitude, latitude) and `bounds` (west, south, east, north),
    both in degrees, EPSG:4326. `storage_srid` is the EPSG code of the projected
    CRS, in metres, that geometries are stored in.
    """

    id: str
    name_ro: str
    name_en: str
    plan_name_ro: str
    plan_name_en: str
    storage_srid: int
    center: tuple[float, float]
    zoom: int
    bounds: tuple[float, float, float, float]
    disclaimer_ro: str
    disclaimer_en: str
    indicative_ro: str
    indicative_en: str

    def text(self, field: str, language: str) -> str:
        """The value of a field that is written in both languages."""
        return getattr(self, f"{field}_{language}")


@cache
def place() -> Place:
    """The place of this installation, read once."""
    with (settings().data_dir / "place.toml").open("rb") as file:
        raw = tomllib.load(file)
    known = {name: raw[name] for name in Place.__dataclass_fields__}
    known["center"] = tuple(known["center"])
    known["bounds"] = tuple(known["bounds"])
    return Place(**known)
