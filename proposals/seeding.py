"""Demonstration data: random but plausible observations and proposals over the zone, from a seed.

The same seed over the same layers gives the same rows, receipts included. Every row is marked as a
demonstration, and none is made once real submissions exist.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import numpy as np
import orjson
import shapely
from sqlalchemy import Connection, text

from masterplan.actors import SYSTEM
from masterplan.database import owner_transaction, transaction
from masterplan.errors import MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from masterplan.settings import settings
from proposals import receipts
from proposals.submission import DOCUMENTATION_STAGES
from proposals.submitting import StagedRow, insert_many
from proposals.work import score_pending

Progress = Callable[[float], None]

MOST_ROWS = 1_000_000

#: Shares of what is made.
_PROPOSAL_SHARE = 0.25
_PUBLISHED_SHARE = 0.85
_NEAR_PEOPLE_SHARE = 0.75
#: Who writes observations, and how they arrive.
_AUTHORS = {
    "citizen": 0.62, "professional": 0.10, "ngo": 0.09, "owners_association": 0.09,
    "company": 0.06, "institution": 0.04,
}  # fmt: skip
_CHANNELS = {"online": 0.78, "email": 0.08, "letter": 0.05, "meeting": 0.09}
#: Spread of addresses around a population point, in metres.
_NEIGHBOURHOOD_M = 350.0
_MILLIMETRES = 3

REAL_ONES_EXIST = N_(
    "Real submissions are there already ({count}). Demonstration data would stand among them, so none is made."
)
DEMONSTRATION_EXISTS = N_(
    "There are {count} demonstration rows already. Replace them: masterplan demo seed {n} --replace"
)
NO_ZONE = N_("The UAT layer is empty, so there is no zone to seed. Load the layers: masterplan layers load")
TOO_MANY = N_("Between 1 and {most} rows can be made.")

_COUNTS = text("SELECT count(*) FILTER (WHERE demo) AS demo, count(*) FILTER (WHERE NOT demo) AS real"
               " FROM masterplan.proposal")  # fmt: skip
_ZONE = text("""
    SELECT properties ->> 'siruta' AS siruta, name_ro, ST_AsBinary(geom) AS geom FROM masterplan.current_feature
    WHERE layer_id = 'uat' AND properties @> '{"in_zone": true}' ORDER BY feature_id
""")
_PEOPLE = text("""
    SELECT ST_X(geom) AS x, ST_Y(geom) AS y, (properties ->> 'residents')::float8 AS residents
    FROM masterplan.current_feature
    WHERE layer_id = 'population' AND jsonb_typeof(properties -> 'residents') = 'number' ORDER BY feature_id
""")
_QUARTERS = text("""
    SELECT ST_X(q.geom) AS x, ST_Y(q.geom) AS y FROM unnest(CAST(:lon AS float8[]), CAST(:lat AS float8[]))
        WITH ORDINALITY AS g(lon, lat, n)
    CROSS JOIN LATERAL (
        SELECT ST_Transform(ST_SetSRID(ST_MakePoint(lon, lat), CAST(:wgs84 AS integer)), CAST(:storage AS integer))
            AS geom
    ) q ORDER BY g.n
""")


def seed(count: int, number: int, progress: Progress = lambda _: None, replace: bool = False) -> None:
    """Make `count` demonstration rows from the seed `number`, then measure and score them.

    `progress` is told how far the measuring is.

    Raises
    ------
    MasterplanError
        When real submissions exist, or demonstration rows do and `replace` is false.
    """
    make_rows(count, number, replace=replace)
    score_pending(progress)


def make_rows(
    count: int, number: int, progress: Progress = lambda _: None, replace: bool = False
) -> None:
    """Make `count` demonstration rows from the seed `number`, not yet measured; raises as `seed`."""
    if not 1 <= count <= MOST_ROWS:
        raise MasterplanError(TOO_MANY, most=MOST_ROWS)
    with transaction(SYSTEM) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('masterplan demo'))"))
        _make_room(connection, count, replace)
        insert_many(connection, _numbered(_Maker(connection, number).rows(count), count, progress), demo=True)
    _analyze()


def clear() -> int:
    """Delete every demonstration row, also once real submissions stand beside them; returns how many."""
    with transaction(SYSTEM) as connection:
        return connection.execute(text("DELETE FROM masterplan.proposal WHERE demo")).rowcount


def _make_room(connection: Connection, count: int, replace: bool) -> None:
    there = connection.execute(_COUNTS).one()
    if there.real:
        raise MasterplanError(REAL_ONES_EXIST, count=there.real)
    if there.demo and not replace:
        raise MasterplanError(DEMONSTRATION_EXISTS, count=there.demo, n=count)
    if there.demo:
        connection.execute(text("DELETE FROM masterplan.proposal WHERE demo"))


def _numbered(rows: Iterator[StagedRow], count: int, progress: Progress) -> Iterator[tuple[int, StagedRow]]:
    for ordinal, row in enumerate(rows, start=1):
        if ordinal % 1_000 == 0 or ordinal == count:
            progress(ordinal / count)
        yield ordinal, row


def _analyze() -> None:
    """So that the planner of queries knows at once how many rows there are now."""
    with owner_transaction() as connection:
        connection.execute(text("ANALYZE masterplan.proposal, masterplan.measurement, masterplan.score"))


# -- what is known of the place ------------------------------------------------------------


@dataclass(frozen=True)
class _Theme:
    """Titles with their descriptions, and how often it is chosen, and drawn as a point or a line."""

    id: str
    share: float
    point: float
    line: float
    observations: list[list[str]]
    proposals: list[list[str]]


@dataclass(frozen=True)
class _Uat:
    siruta: str
    name: str
    boundary: shapely.Geometry


class _Words:
    """What `data/demonstration.toml` says."""

    def __init__(self) -> None:
        with (settings().data_dir / "demonstration.toml").open("rb") as file:
            raw = tomllib.load(file)
        self.themes = [_Theme(**theme) for theme in raw["theme"]]
        self.quarters: list[tuple[str, float, float]] = [tuple(quarter) for quarter in raw["quarters"]]
        self.closings: list[str] = raw["closings"]
        self.events: list[str] = raw["events"]
        self.until = datetime.combine(raw["as_of"], time(), UTC)
        self.days: int = raw["days"]


class _Maker:
    """Draws rows from one stream of random numbers; coordinates in the storage CRS, metres."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._random = np.random.default_rng(number)
        self._words = _Words()
        self._uats = [
            _Uat(row.siruta, row.name_ro, shapely.from_wkb(row.geom)) for row in connection.execute(_ZONE)
        ]
        if not self._uats:
            raise MasterplanError(NO_ZONE)
        self._people = np.array([tuple(row) for row in connection.execute(_PEOPLE)], dtype=float).reshape(-1, 3)
        self._quarters = self._located_quarters(connection)

    def _located_quarters(self, connection: Connection) -> np.ndarray:
        names, longitudes, latitudes = zip(*self._words.quarters, strict=True)
        located = connection.execute(_QUARTERS, {
            "lon": list(longitudes), "lat": list(latitudes), "wgs84": WGS84_SRID, "storage": place().storage_srid,
        })  # fmt: skip
        return np.array([tuple(row) for row in located], dtype=float)

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree([uat.boundary for uat in self._uats])

    @cached_property
    def _quarters_uat(self) -> int:
        """The UAT that the named quarters lie in: places elsewhere go by the commune's name."""
        middle = shapely.points(self._quarters.mean(axis=0))
        return int(self._tree.nearest(middle))

    def rows(self, count: int) -> Iterator[StagedRow]:
        xy, uats = self._places(count)
        themes = self._chosen([theme.share for theme in self._words.themes], count)
        proposals = self._random.random(count) < _PROPOSAL_SHARE
        shapes = self._shapes(xy, themes)
        authors = self._chosen(_AUTHORS.values(), count)
        channels = self._chosen(_CHANNELS.values(), count)
        published = self._random.random(count) < _PUBLISHED_SHARE
        moments = np.sort(self._random.random(count))
        codes = self._random.integers(0, 2**receipts.BITS, count)
        keys = self._random.bytes(16 * count)
        nearest = self._nearest_quarters(xy)
        for i in range(count):
            theme, is_proposal = self._words.themes[themes[i]], bool(proposals[i])
            uat = self._uats[uats[i]]
            here = self._words.quarters[nearest[i]][0] if uats[i] == self._quarters_uat else uat.name
            title, description = self._text(theme, is_proposal, here)
            channel = "online" if is_proposal else list(_CHANNELS)[channels[i]]
            yield StagedRow(
                submission_key=UUID(bytes=keys[16 * i : 16 * i + 16], version=4),
                receipt=receipts.code(int(codes[i])),
                kind="proposal" if is_proposal else "observation",
                status="published" if published[i] else "submitted",
                channel=channel,
                source_event="" if channel == "online" else self._one_of(self._words.events),
                author_kind="uat" if is_proposal else list(_AUTHORS)[authors[i]],
                theme=theme.id, title=title, description=description, geom=shapes[i],
                on_behalf_of=None,
                budget_lei=self._budget() if is_proposal else None,
                documentation_stage=self._one_of(DOCUMENTATION_STAGES) if is_proposal else None,
                attributes=self._attributes(theme.id, is_proposal),
                created_at=self._moment(moments[i]),
            )  # fmt: skip

    # where

    def _places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Points in the zone, mostly near people, each with the index of its UAT."""
        kept, homes, missing = [], [], count
        while missing:
            candidates = self._candidates(2 * missing + 100)
            of, home = self._tree.query(shapely.points(candidates), predicate="within")
            first = np.unique(of, return_index=True)[1][:missing]
            kept.append(candidates[of[first]])
            homes.append(home[first])
            missing -= len(first)
        return np.concatenate(kept), np.concatenate(homes)

    def _candidates(self, count: int) -> np.ndarray:
        west, south, east, north = shapely.total_bounds([uat.boundary for uat in self._uats])
        anywhere = self._random.uniform((west, south), (east, north), (count, 2))
        if not len(self._people):
            return anywhere
        weights = self._people[:, 2] / self._people[:, 2].sum()
        homes = self._people[self._random.choice(len(self._people), count, p=weights), :2]
        near = homes + self._random.normal(0, _NEIGHBOURHOOD_M, (count, 2))
        return np.where(self._random.random((count, 1)) < _NEAR_PEOPLE_SHARE, near, anywhere)

    def _nearest_quarters(self, xy: np.ndarray) -> np.ndarray:
        east = xy[:, :1] - self._quarters[:, 0]
        north = xy[:, 1:] - self._quarters[:, 1]
        return np.argmin(np.hypot(east, north), axis=1)

    def _shapes(self, xy: np.ndarray, themes: np.ndarray) -> list[str]:
        """Points, lines and polygons around the points, as EWKB in hexadecimal."""
        point = np.array([theme.point for theme in self._words.themes])[themes]
        line = np.array([theme.line for theme in self._words.themes])[themes]
        drawn = self._random.random(len(xy))
        shapes = shapely.points(np.round(xy, _MILLIMETRES))
        for i in np.flatnonzero(drawn >= point):
            shapes[i] = self._line(xy[i]) if drawn[i] < point[i] + line[i] else self._polygon(xy[i])
        shapes = shapely.set_srid(shapes, place().storage_srid)
        return shapely.to_wkb(shapes, hex=True, include_srid=True).tolist()

    def _line(self, start: np.ndarray) -> shapely.Geometry:
        """A road-like line: steps of some hundred metres that keep their direction."""
        steps = int(self._random.integers(2, 7))
        heading = self._random.uniform(0, 2 * np.pi) + np.cumsum(self._random.normal(0, 0.35, steps))
        length = self._random.uniform(80, 500, steps)
        moves = np.column_stack([np.cos(heading), np.sin(heading)]) * length[:, None]
        return shapely.linestrings(np.round(np.vstack([start, start + np.cumsum(moves, axis=0)]), _MILLIMETRES))

    def _polygon(self, middle: np.ndarray) -> shapely.Geometry:
        """A plot: corners in order around the middle, so that its sides never cross."""
        corners = int(self._random.integers(5, 10))
        angle = (np.arange(corners) + self._random.uniform(0, 0.8, corners)) * 2 * np.pi / corners
        radius = self._random.lognormal(4.0, 0.6) * self._random.uniform(0.6, 1.4, corners)
        ring = middle + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
        return shapely.polygons(np.round(ring, _MILLIMETRES))

    # what

    def _chosen(self, shares: Any, count: int) -> np.ndarray:
        """Indices drawn by these shares."""
        given = np.array(list(shares), dtype=float)
        return self._random.choice(len(given), count, p=given / given.sum())

    def _one_of(self, options: Any) -> Any:
        return options[int(self._random.integers(len(options)))]

    def _text(self, theme: _Theme, is_proposal: bool, here: str) -> tuple[str, str]:
        title, description = self._one_of(theme.proposals if is_proposal else theme.observations)
        closing = self._one_of(self._words.closings)
        return title.format(place=here), f"{description} {closing}".strip()

    def _budget(self) -> float:
        """From some hundred thousand to some hundred million lei, in round numbers."""
        return float(np.round(self._random.lognormal(15.5, 1.2), -4) + 10_000)

    def _attributes(self, theme: str, is_proposal: bool) -> str:
        """Some proposals declare what their criteria ask for."""
        declared: dict[str, Any] = {}
        if is_proposal and self._random.random() < 0.5:
            declared["co2_saved_t_year"] = round(float(self._random.lognormal(4, 1.5)), 1)
            declared["co2_proof"] = self._one_of(("declared", "declared", "calculation"))
        if is_proposal and theme == "development" and self._random.random() < 0.6:
            declared["future_residents"] = int(self._random.integers(50, 2_000))
            declared["green_m2"] = round(declared["future_residents"] * float(self._random.uniform(8, 35)))
            declared["use"] = self._one_of(("housing", "services", "production", "logistics"))
        return orjson.dumps(declared).decode()

    def _moment(self, share: float) -> datetime:
        """A moment of the months before the day of the data, later for a larger share."""
        return self._words.until - timedelta(seconds=round((1 - share) * self._words.days * 86_400))
