"""Measuring and scoring every proposal again after a layer changed, against hand-written SQL and geopandas."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Connection, create_engine, text

from bench import frames, worlds
from bench.agreement import agreement
from bench.figures import Goal, Row, Section
from bench.worlds import Say
from masterplan.actors import SYSTEM
from masterplan.database import admin_url, transaction
from proposals.criteria import CriteriaSet
from proposals.criteria_store import in_force
from proposals.measuring import mark_stale, measure_all, score_all
from proposals.work import score_everything, score_pending

#: Proposals that geopandas measures; its time is then multiplied.
SAMPLE = 5_000
#: Proposals over which our two steps are timed apart.
STEP = 5_000
MOST_TIMES = 1.5
_CHANGED = "heat"
_BY_HAND = Path(__file__).with_name("hand_written.sql")

METHOD = f"""\
*After one layer changed*: the layer `{_CHANGED}` gets a new version, every measurement is marked stale, and the
worker's own function (`proposals.work.score_pending`) measures again what reads that layer, scores all proposals
and stores the results, in chunks with a commit each, two side by side. *Everything again* (`score_everything`)
takes every measure of every proposal, as after a new criteria set; the outlines kept of layers are thrown away
first, so that making them is in the time. *Measuring alone* and *scoring alone* are its two steps (both with
storing) over at most {STEP:,} proposals, multiplied. The hand-written SQL (`bench/hand_written.sql`) works out the
same measures of every proposal, with the bounds within accuracy and the feature met, and stores them in a table
like ours; it is written for criteria set v0 only and runs on one connection, as superuser without row-level
security. It does not score. geopandas (`bench/frames.py`) measures the values alone of at most {SAMPLE:,}
proposals drawn at random, stores nothing, and its time is multiplied: an estimate. What all three found is
compared, fact by fact, over that sample."""


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("3. Scoring everything again after a layer changed", METHOD)
    for count in counts:
        worlds.use(worlds.world_of(count))
        say(f"Scoring {count:,} proposals again")
        changed, everything = _after_a_change(), _everything()
        measuring, scoring = _steps(count)
        say(f"The same measures of {count:,} proposals by hand-written SQL and by geopandas")
        sample = _sample(count)
        by_hand, hand_words = _by_hand(sample)
        by_geopandas, geopandas_words = _by_geopandas(sample, count)
        part = "" if count <= STEP else f"ours estimated from {STEP:,}"
        section.rows += [
            Row("after one layer changed", count, "s", changed, "hand-written SQL", by_hand, ""),
            Row("everything again", count, "s", everything, "hand-written SQL", by_hand, hand_words),
            Row("everything again", count, "s", everything, "geopandas", by_geopandas, geopandas_words),
            Row("measuring alone", count, "s", measuring, "hand-written SQL", by_hand, part),
            Row("scoring alone", count, "s", scoring, note=part),
        ]
    goals = {"all of 100,000 after a layer changed": 0, "all measures of 100,000 again": 1}
    for what, place in goals.items():
        times = [row.ratio for row in section.rows if row.count == max(counts)][place]
        judged = times <= MOST_TIMES if max(counts) >= 100_000 else None
        found = f"× {times:.2f} at {max(counts):,}"
        section.goals.append(Goal(f"{what} within 1.5 × the hand-written SQL", found, judged))
    return section


# -- ours ----------------------------------------------------------------------------------

_NEW_VERSION = (
    """INSERT INTO masterplan.layer_version (layer_id, version, edition, source, source_date, indicative, accuracy_m,
           feature_count, file_sha256)
       SELECT v.layer_id, v.version + 1, v.edition, v.source, v.source_date, v.indicative, v.accuracy_m,
           v.feature_count, v.file_sha256
       FROM masterplan.layer_version v JOIN masterplan.layer l ON l.id = v.layer_id AND l.version = v.version
       WHERE l.id = :layer""",
    "UPDATE masterplan.layer SET version = version + 1 WHERE id = :layer",
)


def _after_a_change() -> float:
    """Seconds from a layer's new version to every result on it, by the worker's own functions."""
    with _superuser() as connection:
        for statement in _NEW_VERSION:
            connection.execute(text(statement), {"layer": _CHANGED})

    def take() -> None:
        with transaction(SYSTEM) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            mark_stale(connection, _CHANGED)
        score_pending()

    return _timed(take)


def _everything() -> float:
    """Seconds to measure and score all, with making the outlines that are otherwise kept."""
    with _superuser() as connection:
        connection.execute(text("DELETE FROM masterplan.outline"))
    return _timed(score_everything)


def _timed(take: Callable[[], object]) -> float:
    began = time.perf_counter()
    take()
    seconds = time.perf_counter() - began
    with _superuser() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return seconds


def _steps(count: int) -> tuple[float, float]:
    """Seconds for all of measuring and of scoring, each with storing; what they did is rolled back."""
    with transaction(SYSTEM) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        ids = _drawn(connection, STEP)
        began = time.perf_counter()
        measure_all(connection, ids)
        between = time.perf_counter()
        score_all(connection, ids)
        ended = time.perf_counter()
        connection.rollback()
    return (between - began) * count / len(ids), (ended - between) * count / len(ids)


def _drawn(connection: Connection, most: int) -> list[int]:
    ids = list(connection.scalars(text("SELECT id FROM masterplan.proposal ORDER BY id")))
    return sorted(random.Random(worlds.SEED).sample(ids, min(most, len(ids))))


def _sample(count: int) -> list[int]:
    with transaction(SYSTEM) as connection:
        return _drawn(connection, min(SAMPLE, count))


@contextmanager
def _superuser() -> Iterator[Connection]:
    engine = create_engine(admin_url(), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


# -- hand-written SQL ----------------------------------------------------------------------

_FOUND = text("SELECT proposal_id, measures FROM hand_written WHERE proposal_id = ANY(:ids)")
_ASKED = text("SELECT proposal_id, measures FROM masterplan.measurement WHERE proposal_id = ANY(:ids)")


def _by_hand(sample: list[int]) -> tuple[float, str]:
    """Seconds of the script in one transaction, and how its facts agree with ours."""
    script = _BY_HAND.read_text(encoding="utf-8")
    with _superuser() as connection:
        driver = connection.connection.driver_connection
        began = time.perf_counter()
        driver.execute("BEGIN; " + script + " COMMIT;")
        seconds = time.perf_counter() - began
        found = {row.proposal_id: row.measures for row in connection.execute(_FOUND, {"ids": sample})}
        asked = {row.proposal_id: row.measures for row in connection.execute(_ASKED, {"ids": sample})}
        facts = _as_columns(found, asked, in_force(connection))
        words = agreement(connection, facts).words
        connection.execute(text("DROP TABLE hand_written"))
    return seconds, words


def _as_columns(found: dict[int, dict], asked: dict[int, dict], criteria: CriteriaSet) -> pd.DataFrame:
    """The hand-written answers under our measures' keys. An outline that nothing met has no row: its share is 0."""
    columns: dict[str, list] = {}
    for criterion in (*criteria.gates, *criteria.scored):
        key, shares = criterion.spec.key, criterion.spec.function in ("share_inside", "zone_membership")
        if key not in columns:
            values = [found[number].get(criterion.key, {}).get("value") for number in found]
            if shares:
                values = [
                    value or 0 if key in asked[number] else None for number, value in zip(found, values, strict=True)
                ]
            if criterion.spec.function == "zone_membership":
                values = ["inside" if v >= 99.999 else "straddles" if v else "outside" for v in values]
            columns[key] = values
    return pd.DataFrame(columns, index=list(found), dtype=object).replace({None: np.nan})


# -- geopandas -----------------------------------------------------------------------------


def _by_geopandas(sample: list[int], count: int) -> tuple[float, str]:
    """Seconds for all, with reading the layers and the proposals, and how its facts agree with ours."""
    with transaction(SYSTEM) as connection:
        criteria = in_force(connection)
        began = time.perf_counter()
        known = frames.Frames(connection, criteria)
        between = time.perf_counter()
        facts = known.facts(frames.subjects(connection, sample))
        ended = time.perf_counter()
        words = agreement(connection, facts).words
    seconds = between - began + (ended - between) * count / len(sample)
    estimated = f"estimated from {len(sample):,}; " if len(sample) < count else ""
    return seconds, estimated + words
