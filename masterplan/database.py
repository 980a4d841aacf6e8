"""Connections to PostGIS: one login per trust, one transaction per action.

Every transaction of the application says on whose behalf it runs: role, user,
UATs and session are set transaction-locally, so nothing is left for the next
one that borrows the connection, and row-level security reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from masterplan import cluster
from masterplan.actors import VISITOR, Actor
from masterplan.errors import Unavailable
from masterplan.language import N_
from masterplan.secrets import secret
from masterplan.settings import settings

#: Reads and writes for the pages, under row-level security.
APP_ROLE = "masterplan_app"
#: Reads the public views for `/ogc`, nothing else.
OGC_ROLE = "masterplan_ogc"
#: Owns the public views; cannot log in and owns no table.
PUBLIC_ROLE = "masterplan_public"
#: Owns the tables of the private cluster and migrates them.
OWNER_ROLE = "masterplan_owner"

_CONNECT_TIMEOUT_S = 3

DATABASE_AWAY = N_("The database cannot be reached. It is tried again by itself; nothing is lost.")


def admin_url() -> URL:
    """The login that creates roles, databases and extensions."""
    if settings().database_url:
        return _own_server_url()
    return cluster.admin_url().set(drivername="postgresql+psycopg", database=settings().database_name)


def owner_url() -> URL:
    """The login that migrates and loads layers; it never serves a page."""
    if settings().database_url:
        return _own_server_url()
    return _login(OWNER_ROLE)


def app_url() -> URL:
    """The login of the pages and of the worker."""
    return _login(APP_ROLE)


def ogc_url() -> URL:
    """The read-only login behind `/ogc`."""
    return _login(OGC_ROLE)


def _own_server_url() -> URL:
    return make_url(settings().database_url).set(drivername="postgresql+psycopg")


def _login(role: str) -> URL:
    return admin_url().set(username=role, password=secret(f"{role}_password"))


@cache
def app_engine() -> Engine:
    return _engine(app_url(), pool_size=10)


@cache
def owner_engine() -> Engine:
    return _engine(owner_url(), pool_size=2)


def _engine(url: URL, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "masterplan"},
    )


@contextmanager
def transaction(actor: Actor = VISITOR) -> Iterator[Connection]:
    """One transaction on behalf of `actor`; commits at the end, rolls back on an error.

    Raises
    ------
    Unavailable
        When the database cannot be reached.
    """
    with _begin(app_engine()) as connection:
        act_as(connection, actor)
        yield connection


@contextmanager
def owner_transaction() -> Iterator[Connection]:
    """One transaction of the owner: migrations and layer loads only."""
    with _begin(owner_engine()) as connection:
        yield connection


@contextmanager
def _begin(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except OperationalError as away:
        raise Unavailable(DATABASE_AWAY) from away
    with connection:
        try:
            with connection.begin():
                yield connection
        except OperationalError as broken:
            if broken.connection_invalidated:
                raise Unavailable(DATABASE_AWAY) from broken
            raise


def reach() -> None:
    """Ask the database for nothing.

    Raises
    ------
    Unavailable
        When it cannot be reached.
    """
    with _begin(app_engine()) as connection:
        connection.execute(text("SELECT 1"))


_ACT_AS = text(
    "SELECT set_config('masterplan.role', :role, true),"
    " set_config('masterplan.user', :user, true),"
    " set_config('masterplan.uats', :uats, true),"
    " set_config('masterplan.session', :session, true)"
)


def act_as(connection: Connection, actor: Actor) -> None:
    """Tell row-level security who acts until the transaction ends."""
    connection.execute(
        _ACT_AS,
        {
            "role": actor.role.value,
            "user": actor.user,
            "uats": ",".join(actor.uats),
            "session": actor.session,
        },
    )


def dispose() -> None:
    """Close every pooled connection, for tests and a clean stop."""
    for engine in (app_engine, owner_engine):
        if engine.cache_info().currsize:
            engine().dispose()
        engine.cache_clear()
