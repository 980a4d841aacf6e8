"""The commands of the ground: the private database and its schema."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import Connection, text

from masterplan import cluster, console
from masterplan.database import OGC_ROLE, owner_transaction
from masterplan.errors import ConfigurationError, MasterplanError, Unavailable
from masterplan.language import N_
from masterplan.provision import functions_left_open
from masterplan.settings import settings

db = typer.Typer(
    help="The private PostGIS cluster: start it, stop it, ask how it is.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of columns.")]

_OWN_SERVER = N_(
    "MASTERPLAN_DATABASE_URL names a server of your own; the private cluster is not used."
    " Start and stop that server yourself, or unset the variable."
)


@db.command()
def up() -> None:
    """Start the private cluster; make it first if there is none.

    Waits until it answers. Safe to repeat.
    """
    _refuse_own_server()
    before = cluster.status()
    cluster.up()
    console.say("The private cluster runs already." if before.running else "The private cluster runs.")


@db.command()
def down() -> None:
    """Stop the private cluster; its data stays.

    Open connections are closed.
    """
    _refuse_own_server()
    before = cluster.status()
    cluster.down()
    console.say(
        "The private cluster is stopped." if before.running else "The private cluster was not running."
    )


@db.command()
def status(as_json: AsJson = False) -> None:
    """Say how the database is, and which safety locks it lacks.

    Whether it runs, its versions, whether its schema is the newest, and which dangerous functions are
    still open to the login of /ogc. Ends with status 1 when the database does not answer or is not up to date.
    """
    facts = _cluster_facts() | _database_facts()
    console.table(
        [{"what": what, "is": value} for what, value in facts.items()] if not as_json else [facts], as_json
    )
    for lock in facts.get("missing_locks", []):
        console.remark(
            f"warning: the /ogc login may execute {lock}. An administrator of the server runs, in this"
            f" database: REVOKE EXECUTE ON FUNCTION {lock} FROM PUBLIC;"
        )
    if not facts.get("up_to_date"):
        raise typer.Exit(1)


def migrate() -> None:
    """Make the database ready: roles, safety locks, newest schema.

    Needed once, and after each upgrade of the application. What is stored stays. Safe to repeat.
    """
    from masterplan.migrate import migrate as bring_up_to_date

    bring_up_to_date()
    console.say(f"The schema is at version {_newest_version()}.")


def _refuse_own_server() -> None:
    if settings().database_url:
        raise ConfigurationError(_OWN_SERVER)


def _cluster_facts() -> dict[str, Any]:
    if settings().database_url:
        return {"server": "your own (MASTERPLAN_DATABASE_URL)"}
    found = cluster.status()
    return {
        "server": "the private cluster",
        "initialised": found.initialised,
        "running": found.running,
        "pid": found.pid,
        "data": str(found.data),
        "socket": str(found.socket),
        "log": str(found.log),
    }


_FACTS = text("""
    SELECT current_setting('server_version') AS postgresql, current_database() AS database,
        (SELECT extversion FROM pg_extension WHERE extname = 'postgis') AS postgis,
        to_regclass('public.alembic_version') IS NOT NULL AS migrated,
        EXISTS (SELECT FROM pg_roles WHERE rolname = :ogc) AS has_roles
""")


def _database_facts() -> dict[str, Any]:
    try:
        with owner_transaction() as connection:
            return _asked(connection)
    except MasterplanError as away:
        if not isinstance(away, (Unavailable, ConfigurationError)):
            raise
        return {"answers": False, "up_to_date": False}


def _asked(connection: Connection) -> dict[str, Any]:
    row = connection.execute(_FACTS, {"ogc": OGC_ROLE}).one()
    version = (
        connection.scalar(text("SELECT version_num FROM public.alembic_version")) if row.migrated else None
    )
    return {
        "answers": True,
        "postgresql": row.postgresql,
        "postgis": row.postgis,
        "database": row.database,
        "schema_version": version,
        "newest_version": _newest_version(),
        "up_to_date": version == _newest_version(),
        "missing_locks": functions_left_open(connection) if row.has_roles else [],
    }


def _newest_version() -> str | None:
    # Imported where it is needed: Alembic takes longer to load than most commands take to run.
    from alembic.script import ScriptDirectory

    from masterplan.migrate import alembic_config

    return ScriptDirectory.from_config(alembic_config()).get_current_head()
