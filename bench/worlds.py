"""Databases to measure in: a cluster of their own, one database for each number of seeded proposals.

The cluster runs with the settings of a real installation (it waits for the disk at each commit). A
world is made once and kept until the data that fill it change; what a measurement adds goes into a
copy. Import this before anything that reads settings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
os.environ["MASTERPLAN_STATE_DIR"] = os.environ.get(
    "MASTERPLAN_BENCH_STATE_DIR", str(PROJECT_ROOT / ".masterplan" / "bench")
)
for _name in ("MASTERPLAN_DATABASE_URL", "MASTERPLAN_TEST_CLUSTER_FAST", "MASTERPLAN_DEMO", "MASTERPLAN_DATA_DIR"):
    os.environ.pop(_name, None)

from sqlalchemy import create_engine, text  # noqa: E402

from masterplan import cluster, database  # noqa: E402
from masterplan.provision import database_grants  # noqa: E402
from masterplan.settings import settings  # noqa: E402

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"
#: Of the random numbers that proposals are made from.
SEED = 1
_EMPTY = 0

Say = Callable[[str], None]


class Broken(Exception):
    """A server or a child process of a measurement did not do what it should."""


def world_of(count: int) -> str:
    """The name of the database with so many seeded proposals."""
    return f"bench_{count}"


def use(name: str) -> None:
    """Point this process, and the children it starts, at another database of the bench's cluster."""
    database.dispose()
    os.environ["MASTERPLAN_DATABASE_NAME"] = name
    settings.cache_clear()


@contextmanager
def worlds(counts: Sequence[int], say: Say) -> Iterator[None]:
    """Start the cluster and make what is missing; stop the cluster if it did not run before."""
    ran_before = cluster.status().running
    say("Starting the bench's own database cluster")
    cluster.up()
    try:
        for count in (_EMPTY, *counts):
            _make(count, say)
        yield
    finally:
        database.dispose()
        if not ran_before:
            cluster.down()


@contextmanager
def copy_of(count: int) -> Iterator[str]:
    """A copy of a world to write into, dropped afterwards; this process is pointed at it.

    The limits of submissions are counted there but out of reach: hundreds come from one origin.
    """
    name = f"bench_copy_{os.getpid()}"
    _clone(name, world_of(count))
    use(name)
    with database.owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 1000000"))
    try:
        yield name
    finally:
        _drop(name)


def _make(count: int, say: Say) -> None:
    name, mark = world_of(count), _fingerprint()
    if _comment(name) == mark:
        return
    say(f"Making the world of {count:,} proposals" if count else "Migrating, loading layers and criteria")
    if count == _EMPTY:
        _drop(name)
        use(name)
        _fill()
    else:
        _clone(name, world_of(_EMPTY))
        use(name)
        _seed(count)
    _administer("VACUUM ANALYZE", name)
    _administer(f"COMMENT ON DATABASE {name} IS '{mark}'")
    database.dispose()


def _fill() -> None:
    from layers.loading import load_shipped
    from masterplan.migrate import migrate
    from proposals.criteria_store import load_shipped_criteria

    migrate()
    load_shipped()
    load_shipped_criteria()
    with database.owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.job"))


def _seed(count: int) -> None:
    from proposals.seeding import seed

    seed(count, SEED)


def _fingerprint() -> str:
    """Changes with anything that decides which rows a world holds; their scores are measured anew in each run."""
    digest = hashlib.sha256()
    for pattern in ("data/**/*.toml", "data/geojson/*", "migrations/versions/*.py", "proposals/seeding.py"):
        for path in sorted(PROJECT_ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _clone(name: str, template: str) -> None:
    database.dispose()
    _drop(name)
    _administer(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {database.OWNER_ROLE} STRATEGY file_copy")
    for statement in database_grants(name):
        _administer(statement)


def _drop(name: str) -> None:
    database.dispose()
    _administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _comment(name: str) -> str | None:
    wanted = text("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :name")
    with _admin("postgres") as connection:
        return connection.scalar(wanted, {"name": name})


def _administer(statement: str, database_name: str = "postgres") -> None:
    with _admin(database_name) as connection:
        connection.execute(text(statement))


@contextmanager
def _admin(database_name: str) -> Iterator:
    engine = create_engine(database.admin_url().set(database=database_name), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
