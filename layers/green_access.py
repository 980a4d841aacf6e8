"""How many residents have green space near: in a straight line, or on foot along streets.

All coordinates are metres in one projected coordinate system (the storage one, Stereo 70); areas are grid square
metres. Green space counts when it is large enough, spaces that overlap or share an edge being one: a proposed
piece may make an existing one large enough. What is near today is near with the proposals too.

300 m to at least 0.5 ha is the rule of the WHO Regional Office for Europe (2017, Urban green spaces: a brief for
action).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Geometry, MultiPolygon, Polygon

NEAR_M = 300.0
SMALLEST_M2 = 5_000.0
MINUTES = (5.0, 10.0)
#: 4.8 km/h.
WALKING_M_A_MINUTE = 80.0
#: No gates are known: a green space is entered wherever a street comes this near, metres.
GATE_M = 20.0
#: A resident farther than this from every street is not on the network, metres.
JOIN_M = 250.0
#: Lines meet where their vertices do, to this many metres.
_SNAP_M = 0.1
_STATES = ("existing", "proposed")
_SMOOTH = 32
_THINNEST_M = 1.0

#: From coordinates (n × 2) to whether each has green space near.
Reach = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class GreenSpace:
    """One green space: `status` "existing" or "proposed", `geometry` a (multi)polygon in metres."""

    id: str
    name: str
    status: str
    geometry: Geometry


@dataclass(frozen=True)
class Tally:
    """Residents altogether, those with green space near today, and those with it when what is proposed is there."""

    residents: float
    existing: float
    with_proposed: float

    @property
    def gained(self) -> float:
        return self.with_proposed - self.existing

    @property
    def share_existing(self) -> float:
        """0 to 1; NaN of nobody."""
        return self.existing / self.residents if self.residents else float("nan")

    @property
    def share_with_proposed(self) -> float:
        """0 to 1; NaN of nobody."""
        return self.with_proposed / self.residents if self.residents else float("nan")

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.residents + other.residents, self.existing + other.existing, self.with_proposed + other.with_proposed
        )


NOBODY = Tally(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Gain:
    """Where somebody newly has green space near, thanks to one connected green space with proposed parts.

    `spaces` are the proposed parts of `green`; `geometry` is the ground that is newly within the distance of it.
    Grounds of two gains may overlap: the same residents gain from both.
    """

    spaces: tuple[GreenSpace, ...]
    green: Polygon
    geometry: Geometry


# Green space


def large_enough(geometries: Iterable[Geometry], smallest_m2: float) -> list[Polygon]:
    """Connected green spaces of at least this area: what overlaps or shares an edge is one."""
    united = shapely.union_all(list(geometries))
    return [part for part in shapely.get_parts(united) if part.geom_type == "Polygon" and part.area >= smallest_m2]


def existing_and_all(spaces: Sequence[GreenSpace], smallest_m2: float) -> tuple[list[Polygon], list[Polygon]]:
    """The large enough green spaces of today, and those with what is proposed.

    Raises
    ------
    ValueError
        When a status is neither "existing" nor "proposed".
    """
    odd = {space.status for space in spaces} - set(_STATES)
    if odd:
        raise ValueError(f"neither existing nor proposed: {sorted(odd)}")
    today = large_enough([s.geometry for s in spaces if s.status == "existing"], smallest_m2)
    return today, large_enough([s.geometry for s in spaces], smallest_m2)


# Near in a straight line


def straight(greens: Sequence[Polygon], distance_m: float = NEAR_M) -> Reach:
    """Within this straight distance of the edge of a green space, or inside it; the distance itself counts."""
    tree = shapely.STRtree(list(greens))

    def reached(points: np.ndarray) -> np.ndarray:
        near = np.zeros(len(points), dtype=bool)
        near[tree.query(shapely.points(points), predicate="dwithin", distance=distance_m)[0]] = True
        return near

    return reached


# Near on foot


@dataclass(frozen=True)
class Network:
    """Streets as straight pieces: `ends` (n × 2 × 2) in metres, joined where ends are equal."""

    ends: np.ndarray


def network(lines: Iterable[Geometry]) -> Network:
    """Streets from lines, in metres. They are joined where they share a vertex (to 0.1 m): a bridge is no junction."""
    pieces = []
    for line in shapely.get_parts(list(lines)):
        corners = np.round(shapely.get_coordinates(line) / _SNAP_M) * _SNAP_M
        pieces.append(np.stack([corners[:-1], corners[1:]], axis=1))
    ends = np.concatenate(pieces) if pieces else np.empty((0, 2, 2))
    return Network(ends[(ends[:, 0] != ends[:, 1]).any(axis=1)])


class Walk:
    """Metres on foot along a network to the nearest green space.

    A resident goes straight to the nearest street and along streets to the nearest place where one comes within
    `gate_m` of a green space; those who live within `gate_m` of one are there.

    Parameters
    ----------
    farthest_m
        Farther ways are not looked for.
    """

    def __init__(
        self,
        streets: Network,
        greens: Sequence[Polygon],
        farthest_m: float,
        gate_m: float = GATE_M,
        join_m: float = JOIN_M,
    ) -> None:
        self._farthest, self._join = farthest_m, join_m
        ground = shapely.union_all([shapely.buffer(green, gate_m, quad_segs=_SMOOTH) for green in greens])
        shapely.prepare(ground)
        self._ground = ground
        self._pieces, self._there = _cut(streets, ground)
        self._tree = shapely.STRtree(self._pieces)
        self._from_ends = self._metres_from_ends()

    def metres(self, points: np.ndarray) -> np.ndarray:
        """For each point (n × 2); infinite where no street is near or the way is too far."""
        places = shapely.points(points)
        found = np.full(len(points), np.inf)
        joined, piece = self._nearest_pieces(places)
        line = self._pieces[piece]
        aside = shapely.distance(places[joined], line)
        along = shapely.line_locate_point(line, places[joined])
        first, last = self._from_ends[piece].T
        onward = np.minimum(first + along, last + shapely.length(line) - along)
        np.minimum.at(found, joined, aside + np.where(self._there[piece], 0.0, onward))
        found[found > self._farthest] = np.inf
        found[shapely.intersects(self._ground, places)] = 0.0
        return found

    def _nearest_pieces(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of places and of the pieces nearest to each; of streets equally near, all: the shorter way counts."""
        (place, _), metres = self._tree.query_nearest(
            places, max_distance=self._join, all_matches=False, return_distance=True
        )
        nearby, piece = self._tree.query(places[place], predicate="dwithin", distance=metres + _SNAP_M)
        return place[nearby], piece

    def within(self, metres: float) -> Reach:
        """Whether the way is no longer than this."""
        if metres > self._farthest:
            raise ValueError(f"ways are looked for up to {self._farthest:g} m, not {metres:g}")
        return lambda points: self.metres(points) <= metres

    def _metres_from_ends(self) -> np.ndarray:
        """Metres to green space from both ends of each piece (n × 2)."""
        corners = shapely.get_coordinates(self._pieces)
        keys, node = np.unique(np.round(corners / _SNAP_M).astype(np.int64), axis=0, return_inverse=True)
        # Cut ends lie on the edge of the ground, give or take the snapping.
        at_the_gate = shapely.dwithin(self._ground, shapely.points(keys * _SNAP_M), 2 * _SNAP_M)
        start = np.flatnonzero(at_the_gate).tolist()
        reached = shortest(node.reshape(-1, 2), shapely.length(self._pieces), start, self._farthest)
        metres = np.array([reached.get(each, np.inf) for each in range(len(keys))])
        return metres[node].reshape(-1, 2)


def _cut(streets: Network, ground: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The pieces of street cut where they enter the ground, and whether each lies on it."""
    lines = shapely.linestrings(streets.ends)
    crossing = shapely.intersects(ground, lines)
    inside = _lines(shapely.intersection(lines[crossing], ground))
    outside = _lines(shapely.difference(lines[crossing], ground))
    pieces = np.concatenate([lines[~crossing], outside, inside])
    return pieces, np.arange(len(pieces)) >= len(pieces) - len(inside)


def _lines(geometries: np.ndarray) -> np.ndarray:
    """The straight parts; where a street only touches there is a point, which is left out."""
    parts = shapely.get_parts(geometries)
    return parts[(shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING) & (shapely.length(parts) > 0)]


def shortest(ends: np.ndarray, length: np.ndarray, start: Iterable[int], farthest: float) -> dict[int, float]:
    """Least length from any of the `start` nodes to every node no farther than `farthest` (Dijkstra 1959).

    Parameters
    ----------
    ends
        The two nodes of each edge (n × 2); edges are walked both ways.
    length
        Of each edge, not negative.
    """
    beside: dict[int, list[tuple[int, float]]] = {}
    for (first, last), metres in zip(ends.tolist(), length.tolist(), strict=True):
        beside.setdefault(first, []).append((last, metres))
        beside.setdefault(last, []).append((first, metres))
    reached: dict[int, float] = {}
    waiting = [(0.0, node) for node in start]
    heapq.heapify(waiting)
    while waiting:
        metres, node = heapq.heappop(waiting)
        if node in reached:
            continue
        reached[node] = metres
        for other, more in beside.get(node, ()):
            if other not in reached and metres + more <= farthest:
                heapq.heappush(waiting, (metres + more, other))
    return reached


# Counting


def tally(points: np.ndarray, residents: np.ndarray, existing: Reach, with_proposed: Reach) -> Tally:
    """Residents at points who have green space near, today and with what is proposed.

    Parameters
    ----------
    points
        Coordinates (n × 2) in metres.
    residents
        How many live at each.
    """
    today = existing(points)
    # What is near today stays near, whatever the last digit of a distance says.
    later = today | with_proposed(points)
    return Tally(float(residents.sum()), float(residents[today].sum()), float(residents[later].sum()))


def ground_within(greens: Sequence[Polygon], distance_m: float) -> Geometry:
    """The ground within a straight distance, drawn: arcs have corners, 0.03 % inside the true ones at most."""
    return shapely.union_all([shapely.buffer(green, distance_m, quad_segs=_SMOOTH) for green in greens])


def gains(spaces: Sequence[GreenSpace], smallest_m2: float, distance_m: float) -> list[Gain]:
    """The ground that is newly within a straight distance, for each green space with proposed parts, largest first."""
    today, later = existing_and_all(spaces, smallest_m2)
    near = ground_within(today, distance_m)
    found = []
    for green in later:
        parts = tuple(s for s in spaces if s.status == "proposed" and _inside(s.geometry, green))
        if not parts:
            continue
        ground = shapely.difference(ground_within([green], distance_m), near)
        ground = MultiPolygon([part for part in shapely.get_parts(ground) if _is_ground(part)])
        if not ground.is_empty:
            found.append(Gain(parts, green, ground))
    return sorted(found, key=lambda gain: -gain.geometry.area)


def _is_ground(part: Geometry) -> bool:
    """Whether it is more than the sliver between two circles that were drawn with different corners."""
    return part.geom_type == "Polygon" and not shapely.buffer(part, -_THINNEST_M / 2).is_empty


def _inside(part: Geometry, whole: Polygon) -> bool:
    return shapely.intersects(whole, shapely.point_on_surface(part))
