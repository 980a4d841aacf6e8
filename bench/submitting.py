"""One observation, from submit to its scored result on the server, against the same facts by geopandas."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text

from bench import frames, worlds
from bench.figures import Goal, Row, Section
from bench.worlds import Say
from masterplan.actors import SYSTEM, Actor, Role
from masterplan.database import transaction
from proposals.criteria_store import in_force
from proposals.submission import Submission
from proposals.submitting import submit

SUBMISSIONS = 200
WARM_UP = 20
MOST_MEDIAN_MS = 50

METHOD = f"""\
The place, theme and words of {SUBMISSIONS} seeded proposals drawn at random are submitted again as observations, one
after another, through the service that the pages call (`proposals.submitting.submit`): check, count against the limits
(raised out of reach), insert, measure every criterion in PostGIS, score, store, commit to disk. {WARM_UP} go before,
uncounted. geopandas works out the same facts of the same observations one by one (`bench/frames.py`: overlay,
sjoin_nearest, spatial index), with the layers already in memory, filtered, dissolved and indexed; it leaves out the
bounds within a layer's accuracy, the features met, the scores, and stores nothing."""

_SAMPLE = text("""
    SELECT id, theme, title, description, attributes, ST_AsGeoJSON(ST_Transform(geom, 4326), 9) AS geometry
    FROM masterplan.proposal WHERE id = ANY(:ids)
""")


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("2. One observation, submit to scored result", METHOD)
    slowest = 0.0
    for count in counts:
        say(f"Submitting observations beside {count:,} proposals")
        with worlds.copy_of(count):
            rows = _sample()
            ours = _times(_submitted, rows)
        worlds.use(worlds.world_of(count))
        theirs = _geopandas([row.id for row in rows])
        median = statistics.median(ours)
        slowest = max(slowest, median)
        ninety_fifth = statistics.quantiles(ours, n=20)[-1]
        note = f"95 % of ours within {ninety_fifth:.0f} ms"
        section.rows.append(
            Row("median of one", count, "ms", median, "geopandas, facts alone", statistics.median(theirs), note)
        )
    full = max(counts) >= 100_000
    goal = Goal(f"median ≤ {MOST_MEDIAN_MS} ms, whatever the number of proposals", f"{slowest:.1f} ms",
                slowest <= MOST_MEDIAN_MS if full else None)  # fmt: skip
    section.goals.append(goal)
    return section


def _sample() -> list:
    with transaction(SYSTEM) as connection:
        ids = list(connection.scalars(text("SELECT id FROM masterplan.proposal ORDER BY id")))
        drawn = random.Random(worlds.SEED)
        chosen = [drawn.choice(ids) for _ in range(SUBMISSIONS + WARM_UP)]
        rows = {row.id: row for row in connection.execute(_SAMPLE, {"ids": chosen})}
    return [rows[number] for number in chosen]


def _submitted(row) -> None:
    submit(_observation(row, uuid4()), Actor(Role.VISITOR, session="bench"))


def _observation(row, key: UUID) -> Submission:
    return Submission(
        submission_key=key, kind="observation", theme=row.theme, title=row.title, description=row.description,
        geometry=orjson.loads(row.geometry), attributes=row.attributes,
    )  # fmt: skip


def _times(act, items: list) -> list[float]:
    """Milliseconds of each, the warm-up left out."""
    times = []
    for item in items:
        began = time.perf_counter()
        act(item)
        times.append(1000 * (time.perf_counter() - began))
    return times[WARM_UP:]


def _geopandas(ids: list[int]) -> list[float]:
    with transaction(SYSTEM) as connection:
        known = frames.Frames(connection, in_force(connection))
        every = frames.subjects(connection, ids)
    return _times(lambda number: known.facts(every.loc[[number]]), ids)
