"""The map's search: coordinates in any written form, tracking codes of what is public, and the names in the plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, text

from layers.searching import Found, search_plan
from masterplan.coordinates import parse_point
from masterplan.errors import InputError, MasterplanError
from masterplan.formats import number
from masterplan.language import N_, translator
from masterplan.place import WGS84_SRID, place
from proposals import receipts
from proposals.locating import locate_typed

#: Nobody types more; the rest is not read.
LONGEST_TYPED = 80


def search(connection: Connection, typed: str, language: str) -> list[dict[str, Any]]:
    """What `typed` may mean, best first: name, detail, lon and lat in degrees (EPSG:4326), bounds, UAT.

    Coordinates and codes mean one thing; anything else is sought among the names of the plan.
    """
    asked = typed.strip()[:LONGEST_TYPED]
    found = _coordinates(connection, asked, language) or _receipt(connection, asked, language)
    return [asdict(each) for each in found or search_plan(connection, asked, language)]


def _coordinates(connection: Connection, typed: str, language: str) -> list[Found]:
    try:
        point = parse_point(typed)
    except MasterplanError:
        return []
    located, swapped = locate_typed(connection, point, place())
    if not located.inside(place()):
        return []
    stereo = f"Stereo 70: X={number(located.northing, 0, language)} Y={number(located.easting, 0, language)}"
    if swapped:
        stereo += " · " + translator(language)(N_("read as east, then north"))
    return [Found(f"{located.lat:.5f}, {located.lon:.5f}", stereo, located.lon, located.lat)]


_RECEIPT = text(f"""
SELECT receipt, title, kind, ST_X(point) AS lon, ST_Y(point) AS lat
FROM masterplan.proposal, LATERAL (SELECT ST_Transform(anchor_3857, {WGS84_SRID}) AS point) place
WHERE receipt = :receipt AND public
""")
_KIND_NAMES = {"observation": N_("observation"), "proposal": N_("project proposal")}


def _receipt(connection: Connection, typed: str, language: str) -> list[Found]:
    try:
        code = receipts.normalise(typed)
    except InputError:
        return []
    rows = connection.execute(_RECEIPT, {"receipt": code})
    kind = translator(language)
    return [Found(row.title, f"{kind(_KIND_NAMES[row.kind])}, {row.receipt}", row.lon, row.lat) for row in rows]
