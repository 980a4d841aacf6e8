"""What only an administrator of the server can do: roles, database, extensions, revoked functions.

On the private cluster this runs by itself. On a server of the user's own it does
what the given login may do, and says the SQL for the rest.
"""

from __future__ import annotations

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from masterplan.actors import PUBLIC_ROLES, Role
from masterplan.database import (
    APP_ROLE,
    DATABASE_AWAY,
    EVERYONE,
    GATE_ROLE,
    OGC_ROLE,
    OWNER_ROLE,
    PUBLIC_APP_ROLE,
    PUBLIC_ROLE,
    admin_url,
    owner_url,
    role_of,
)
from masterplan.errors import ConfigurationError, Unavailable
from masterplan.language import N_
from masterplan.secrets import secret
from masterplan.settings import settings

EXTENSIONS = ("postgis", "btree_gist", "pg_trgm", "unaccent")

#: Built-ins that a filter expression could abuse: they wait, run other SQL, change settings,
#: read the catalogue as XML, signal other sessions or fill memory. EXECUTE is taken from
#: everyone, and given back only to the logins that need it.
DANGEROUS_FUNCTIONS = (
    "pg_sleep", "pg_sleep_for", "pg_sleep_until",
    "query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema",
    "table_to_xml", "table_to_xmlschema", "table_to_xml_and_xmlschema",
    "cursor_to_xml", "cursor_to_xmlschema",
    "schema_to_xml", "schema_to_xmlschema", "schema_to_xml_and_xmlschema",
    "database_to_xml", "database_to_xmlschema", "database_to_xml_and_xmlschema",
    "set_config", "pg_notify", "pg_terminate_backend", "pg_cancel_backend",
    "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared", "pg_try_advisory_lock", "pg_try_advisory_xact_lock",
    "lo_create", "lo_creat", "lo_from_bytea", "lo_put", "lowrite", "lo_unlink",
    "pg_logical_emit_message", "txid_current", "pg_current_xact_id",
    "repeat", "generate_series", "ts_stat", "ts_rewrite", "pg_export_snapshot",
    "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock_shared",
)  # fmt: skip

#: What the pages and the worker need back, in whatever role.
_FUNCTIONS_OF_THE_APP = (
    "generate_series", "repeat", "pg_advisory_xact_lock", "pg_try_advisory_lock", "pg_try_advisory_xact_lock",
)  # fmt: skip
#: What takes the role of an actor; no actor may call it, so that no expression changes who acts.
_FUNCTION_OF_THE_HOOK = "set_config"

#: Longest statement, per login. The worker lifts it for itself, transaction by transaction.
STATEMENT_TIMEOUTS = {APP_ROLE: "30s", PUBLIC_APP_ROLE: "30s", OGC_ROLE: "5s"}
#: Actors who stage rows in temporary tables.
_STAGING = (Role.PLANNER, Role.ADMINISTRATOR, Role.SYSTEM)
_IDLE_TIMEOUT = "60s"


def provision() -> None:
    """Create roles, database, extensions and locks; safe to repeat.

    Raises
    ------
    ConfigurationError
        Names what the login may not do and the SQL that an administrator runs instead.
    """
    if not settings().database_url:
        _with_admin(_create_owner, database="postgres")
        _create_database()
    _with_admin(_create_roles)
    _with_admin(_create_extensions)
    _with_admin(_let_indexes_serve_guarded_rows)
    _with_admin(_revoke_dangerous_functions)


def _with_admin(action, database: str | None = None) -> None:
    url = admin_url() if database is None else admin_url().set(database=database)
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.begin() as connection:
            action(connection)
    except OperationalError as away:
        raise Unavailable(DATABASE_AWAY) from away
    finally:
        engine.dispose()


def _create_owner(connection: Connection) -> None:
    _create_login(connection, OWNER_ROLE, "CREATEROLE")


def _create_database() -> None:
    engine = create_engine(admin_url().set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = settings().database_name
    with engine.connect() as connection:
        exists = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :n"), {"n": name})
        if not exists:
            connection.execute(text(f"CREATE DATABASE {_quoted(name)} OWNER {OWNER_ROLE}"))
    engine.dispose()


def _create_roles(connection: Connection) -> None:
    for login, timeout in STATEMENT_TIMEOUTS.items():
        _create_login(connection, login, "NOINHERIT")
        _set(connection, login, "statement_timeout", timeout)
        _set(connection, login, "idle_in_transaction_session_timeout", _IDLE_TIMEOUT)
    _set(connection, OGC_ROLE, "search_path", "api, public")
    _set(connection, OGC_ROLE, "default_transaction_read_only", "on")
    for role in (PUBLIC_ROLE, GATE_ROLE):
        _create_group(connection, role, "NOINHERIT")
        connection.execute(text(f"GRANT {role} TO {_quoted(owner_url().username)}"))
    _create_group(connection, EVERYONE, "NOINHERIT")
    for role in Role:
        _create_group(connection, role_of(role), "INHERIT")
        connection.execute(text(f"GRANT {EVERYONE} TO {role_of(role)}"))
        connection.execute(text(f"GRANT {role_of(role)} TO {APP_ROLE}"))
        if role in PUBLIC_ROLES:
            connection.execute(text(f"GRANT {role_of(role)} TO {PUBLIC_APP_ROLE}"))
    for statement in database_grants(connection.scalar(text("SELECT current_database()"))):
        connection.execute(text(statement))


def database_grants(name: str) -> list[str]:
    """Who may connect to the database called `name`, and who makes temporary tables there."""
    database, staging = _quoted(name), ", ".join(role_of(role) for role in _STAGING)
    return [
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {APP_ROLE}",
        f"GRANT CONNECT ON DATABASE {database} TO {', '.join(STATEMENT_TIMEOUTS)}",
        f"GRANT TEMPORARY ON DATABASE {database} TO {staging}",
    ]


def _create_group(connection: Connection, role: str, options: str) -> None:
    if not _role_exists(connection, role):
        connection.execute(text(f"CREATE ROLE {role} NOLOGIN {options}"))


def _create_login(connection: Connection, role: str, options: str) -> None:
    """Make a login, or give the one that is there our password; PostgreSQL makes it without privileges."""
    verb = "ALTER" if _role_exists(connection, role) else "CREATE"
    password = secret(f"{role}_password")
    try:
        connection.execute(text(f"{verb} ROLE {role} LOGIN {options} PASSWORD '{password}'"))
    except ProgrammingError:
        # Not chained: the statement that failed holds the password.
        raise ConfigurationError(
            N_("The database login may not make the role {role}. An administrator of the server runs once:"
               " ALTER ROLE {login} CREATEROLE;"),
            role=role, login=owner_url().username,
        ) from None  # fmt: skip


def _role_exists(connection: Connection, role: str) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :r"), {"r": role}))


def _set(connection: Connection, role: str, name: str, value: str) -> None:
    quoted = value if name == "search_path" else f"'{value}'"
    connection.execute(text(f"ALTER ROLE {role} SET {name} = {quoted}"))


def _create_extensions(connection: Connection) -> None:
    for name in EXTENSIONS:
        try:
            with connection.begin_nested():
                connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA public"))
        except ProgrammingError as refused:
            raise ConfigurationError(
                N_("The database login may not create the extension {name}. An administrator of the"
                   " server runs once, in this database: CREATE EXTENSION {name} WITH SCHEMA public;"),
                name=name,
            ) from refused


def _let_indexes_serve_guarded_rows(connection: Connection) -> None:
    """Under row-level security a spatial index serves only operators known to leak nothing; `&&` only
    compares boxes. Without this (on a server where we are not superuser) each tile reads every row."""
    if connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
        connection.execute(text("ALTER FUNCTION public.geometry_overlaps(geometry, geometry) LEAKPROOF"))


_SIGNATURES = text(
    "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = 'pg_catalog' AND p.proname = ANY(:names)"
)


def _revoke_dangerous_functions(connection: Connection) -> None:
    is_superuser = connection.scalar(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
    if not is_superuser:
        # Built-ins belong to the superuser; `masterplan db status` says that this lock is missing.
        return
    owner = _quoted(owner_url().username)
    for signature in connection.scalars(_SIGNATURES, {"names": list(DANGEROUS_FUNCTIONS)}).all():
        connection.execute(text(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC"))
    for names, users in (
        (list(_FUNCTIONS_OF_THE_APP), f"{EVERYONE}, {owner}"),
        ([_FUNCTION_OF_THE_HOOK], f"{APP_ROLE}, {PUBLIC_APP_ROLE}, {owner}"),
    ):
        for signature in connection.scalars(_SIGNATURES, {"names": names}).all():
            connection.execute(text(f"GRANT EXECUTE ON FUNCTION {signature} TO {users}"))


def functions_left_open(connection: Connection) -> list[str]:
    """Dangerous built-ins that the `/ogc` login may still execute."""
    statement = text(
        "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'pg_catalog' AND p.proname = ANY(:names)"
        " AND has_function_privilege(:role, p.oid, 'EXECUTE') ORDER BY 1"
    )
    return list(connection.scalars(statement, {"names": list(DANGEROUS_FUNCTIONS), "role": OGC_ROLE}))


def _quoted(identifier: str | None) -> str:
    return '"' + (identifier or "").replace('"', '""') + '"'
