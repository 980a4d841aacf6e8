"""Connections to PostGIS: one login per trust, one transaction per action.

A login by itself may do nothing. Every transaction of the application says on whose behalf it
runs, and one hook takes the database role of that actor, with user, UATs and session, until the
transaction ends; row-level security and grants read them. A transaction that names no actor is
refused before it begins, and nothing is left for the next one that borrows the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from masterplan import cluster
from masterplan.actors import VISITOR, Actor, Role
from masterplan.errors import Unavailable
from masterplan.language import N_
from masterplan.secrets import secret
from masterplan.settings import settings

#: Logs in for the pages of staff, for the worker and the command line; takes any role of an actor.
APP_ROLE = "masterplan_app"
#: Logs in for pages that the public reaches; can take the roles of `PUBLIC_ROLES` and no other.
PUBLIC_APP_ROLE = "masterplan_app_public"
#: Reads the public views for `/ogc`, nothing else.
OGC_ROLE = "masterplan_ogc"
#: Owns the public views; cannot log in and owns no table.
PUBLIC_ROLE = "masterplan_public"
#: Owns the few functions that find out who signed in; cannot log in and owns no table.
GATE_ROLE = "masterplan_gate"
#: What every actor may do; the roles of all actors inherit from it.
EVERYONE = "masterplan_everyone"
#: Owns the tables of the private cluster and migrates them.
OWNER_ROLE = "masterplan_owner"

_CONNECT_TIMEOUT_S = 3

DATABASE_AWAY = N_("The database cannot be reached. It is tried again by itself; nothing is lost.")
DATABASE_BUSY = N_("Very many people are here at once, and no connection is free. Try again in a moment.")


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


def role_of(role: Role) -> str:
    """The database role that a transaction on behalf of this role takes."""
    return f"masterplan_{role.value}"


def app_url() -> URL:
    """The login of this process: of the public's pages where it serves only these, else of staff's."""
    return _login(PUBLIC_APP_ROLE if settings().process == "public" else APP_ROLE)


def ogc_url() -> URL:
    """The read-only login behind `/ogc`."""
    return _login(OGC_ROLE)


def _own_server_url() -> URL:
    return make_url(settings().database_url).set(drivername="postgresql+psycopg")


def _login(role: str) -> URL:
    return admin_url().set(username=role, password=secret(f"{role}_password"))


@cache
def app_engine() -> Engine:
    engine = _engine(app_url(), pool_size=10)
    event.listen(engine, "begin", _act)
    event.listen(engine, "reset", _forget)
    return engine


@cache
def owner_engine() -> Engine:
    return _engine(owner_url(), pool_size=2)


def _engine(url: URL, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        pool_pre_ping=True,
        # What people typed stays out of errors, and so out of logs.
        hide_parameters=True,
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
    with _begin(app_engine().execution_options(actor=actor)) as connection:
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
    except PoolTimeout as busy:
        raise Unavailable(DATABASE_BUSY) from busy
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
    with transaction(VISITOR) as connection:
        connection.execute(text("SELECT 1"))


class NoActor(Exception):
    """A transaction of the application was begun without saying on whose behalf: a mistake in the code."""


_ACTOR = "masterplan_actor"
#: As the login, which alone may call `set_config`; the last one takes the role.
_ACT_AS = (
    "SELECT set_config('masterplan.role', %(role)s, true), set_config('masterplan.user', %(user)s, true),"
    " set_config('masterplan.uats', %(uats)s, true), set_config('masterplan.session', %(session)s, true),"
    " set_config('masterplan.receipt', %(receipt)s, true), set_config('masterplan.key', %(key)s, true),"
    " set_config('role', %(database_role)s, true)"
)


def _act(connection: Connection) -> None:
    """The session hook: the first thing that every transaction of the application does."""
    actor = connection.get_execution_options().get("actor")
    if actor is None:
        raise NoActor("name the actor: transaction(actor), or execution_options(actor=…)")
    _take_role(connection, actor)


def act_as(connection: Connection, actor: Actor) -> None:
    """Go on with this transaction on behalf of another actor."""
    connection.exec_driver_sql("SET LOCAL ROLE NONE")
    _take_role(connection, actor)


def _take_role(connection: Connection, actor: Actor) -> None:
    connection.exec_driver_sql(_ACT_AS, {
        "role": actor.role.value, "user": actor.user, "uats": ",".join(actor.uats), "session": actor.session,
        "receipt": actor.receipt, "key": actor.key, "database_role": role_of(actor.role),
    })  # fmt: skip
    connection.info[_ACTOR] = actor


@contextmanager
def acting_as(connection: Connection, actor: Actor) -> Iterator[Connection]:
    """Act as another for a moment, then as who acted before; an error ends the whole transaction."""
    before = connection.info[_ACTOR]
    act_as(connection, actor)
    yield connection
    act_as(connection, before)


def actor_of(connection: Connection) -> Actor:
    """On whose behalf this transaction runs."""
    return connection.info[_ACTOR]


def _forget(driver_connection, record, state) -> None:
    """What the last transaction left on the connection, were it a committed SET ROLE, goes before the next."""
    record.info.pop(_ACTOR, None)
    if state.terminate_only:
        return
    driver_connection.rollback()
    driver_connection.autocommit = True
    driver_connection.execute("RESET ROLE; RESET ALL")
    driver_connection.autocommit = False


def dispose() -> None:
    """Close every pooled connection, for tests and a clean stop."""
    for engine in (app_engine, owner_engine):
        if engine.cache_info().currsize:
            engine().dispose()
        engine.cache_clear()
