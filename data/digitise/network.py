"""The ring-and-radial network, put together so that lines meet in exactly the same vertices."""

from __future__ import annotations

from functools import cache

import numpy as np
import shapely
from shapely import LineString, Point
from shapely.geometry.base import BaseGeometry

from data.digitise.facts import BY_NAME, UATS
from data.digitise.geometry import LonLat, closed_curve, curve, degrees, meander, metres
from data.digitise.roads import PROSPECTIVE, RADIALS, RING_NAMES, RINGS, Prospective
from data.digitise.writing import REPORT, TEAM, Feature, feature, rounded

LEAST_CROSSING_M = 100.0
ROADS_SOURCE = f"CNAIR, zmi.ro; {REPORT}"


@cache
def ring(code: str) -> LineString:
    """A closed ring in lon, lat on the six-decimal grid; every control point is a vertex of it."""
    return rounded(degrees(closed_curve(RINGS[code])))


def _exact(line: LineString, first: LonLat | None, last: LonLat) -> LineString:
    """The lon, lat line with its ends put exactly on control points."""
    coordinates = np.round(shapely.get_coordinates(line), 6)
    if first is not None:
        coordinates[0] = first
    coordinates[-1] = last
    return LineString(coordinates)


@cache
def radial(id: str) -> LineString:
    """A radial in lon, lat, from a vertex of its inner ring to a vertex of R3."""
    found = next(r for r in RADIALS if r.id == id)
    return _exact(degrees(meander(curve(found.controls), 28, 900, seed=len(id))), found.controls[0], found.controls[-1])


def _along_r3(start: LonLat, end: LonLat) -> np.ndarray:
    """The vertices of R3 from start to end, the shorter way, start left out."""
    loop = shapely.get_coordinates(ring("R3"))[:-1]
    at = [int(np.argmin(np.abs(loop - p).sum(axis=1))) for p in (start, end)]
    ways = []
    for direction in (1, -1):
        count = (direction * (at[1] - at[0])) % len(loop)
        picked = [(at[0] + direction * k) % len(loop) for k in range(1, count + 1)]
        ways.append(loop[picked])
    return min(ways, key=len)


@cache
def prospective(origin: str) -> LineString:
    """A prospective radial in lon, lat, from its UAT of origin over R3 to the end of the radial it joins."""
    found = next(p for p in PROSPECTIVE if p.origin == origin)
    entry = found.controls[-1]
    wandering = meander(curve(found.controls), 170, 2600, seed=len(origin))
    line = _exact(degrees(wandering), None, entry)
    end = shapely.get_coordinates(radial(found.joins))[-1]
    return LineString(np.vstack([shapely.get_coordinates(line), _along_r3(entry, tuple(end))]))


def crossed_uats(line: LineString, cells: dict[str, BaseGeometry], origin: str) -> list[str]:
    """SIRUTA codes of the UATs (lon, lat cells by code) that the line runs through, in order from its origin.

    Stretches under LEAST_CROSSING_M do not count: a corridor that grazes a border is not in the UAT.
    """
    entries = []
    flat = metres(line)
    for siruta, cell in cells.items():
        inside = shapely.intersection(flat, metres(cell))
        if siruta != origin and inside.length >= LEAST_CROSSING_M:
            pieces = [p for p in shapely.get_parts(inside) if p.length > 1.0]
            entries.append((min(flat.project(Point(p.coords[0])) for p in pieces), siruta))
    return [siruta for _, siruta in sorted(entries)]


def ring_features() -> list[Feature]:
    return [
        feature(f"ring-{code.lower()}", ring(code), *RING_NAMES[code], status="existing" if code != "R3" else "proposed",
                ring=code, source=ROADS_SOURCE, in_degrees=True)
        for code in RINGS
    ]


def radial_features() -> list[Feature]:
    return [
        feature(f"radial-{r.id}", radial(r.id), r.name, r.name_en, status="existing", code=r.code,
                from_ring=r.start, to_ring="R3", road=r.road, source=ROADS_SOURCE, in_degrees=True)
        for r in RADIALS
    ]


def prospective_features(cells: dict[str, BaseGeometry]) -> list[Feature]:
    return [_prospective_feature(p, cells) for p in PROSPECTIVE]


def _prospective_feature(p: Prospective, cells: dict[str, BaseGeometry]) -> Feature:
    siruta, line = BY_NAME[p.origin].siruta, prospective(p.origin)
    joined = next(r for r in RADIALS if r.id == p.joins)
    return feature(
        f"prospective-{siruta}", line, f"Radiala de perspectivă {p.origin} – R3 – {joined.code}",
        f"Prospective radial {p.origin} – R3 – {joined.code}", status="prospective", origin_uat=siruta,
        origin_name=p.origin, crossed_uats=crossed_uats(line, cells, siruta), joins=f"radial-{p.joins}",
        road=p.road, source=f"raportul consultării 9–13 iunie 2025, cerința radialelor de perspectivă; {TEAM}",
        in_degrees=True,
    )


def has_prospective(name: str) -> bool:
    """Whether the UAT has a prospective radial of its own."""
    return any(p.origin == name for p in PROSPECTIVE)


def without_prospective() -> list[str]:
    """Names of the UATs that have none of their own."""
    return [u.name for u in UATS if not has_prospective(u.name)]
