"""A PostGIS server of the user's own instead of the private cluster: `MASTERPLAN_DATABASE_URL`."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text

from masterplan import cluster, database
from masterplan.errors import ConfigurationError, Unavailable
from masterplan.migrate import migrate
from masterplan.provision import EXTENSIONS, functions_left_open
from masterplan.settings import settings

OWNER, PASSWORD, NAME = "an_owner_of_their_own", "not-a-secret-of-anyone", "own_server"


def _run(url, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def administrator(template_database, monkeypatch) -> Iterator[Callable[[str], None]]:
    """A database as docs/deploy.md has it made, but without extensions; the login is no superuser.

    Yields what the server's administrator uses to run a statement in it.
    """
    admin = cluster.admin_url().set(drivername="postgresql+psycopg")
    postgres, own = admin.set(database="postgres"), admin.set(database=NAME)
    _run(postgres, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    _run(postgres, f"DROP ROLE IF EXISTS {OWNER}")
    _run(postgres, f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    _run(postgres, f"CREATE DATABASE {NAME} OWNER {OWNER} ENCODING 'UTF8'")
    url = own.set(username=OWNER, password=PASSWORD, drivername="postgresql")
    monkeypatch.setenv("MASTERPLAN_DATABASE_URL", url.render_as_string(hide_password=False))
    database.dispose()
    settings.cache_clear()
    yield lambda statement: _run(own, statement)
    monkeypatch.delenv("MASTERPLAN_DATABASE_URL")
    database.dispose()
    settings.cache_clear()
    _run(postgres, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    _run(postgres, f"DROP OWNED BY {OWNER}")
    _run(postgres, f"DROP ROLE {OWNER}")


def test_an_extension_that_the_login_may_not_make_is_named_with_what_to_run(administrator):
    with pytest.raises(ConfigurationError, match="CREATE EXTENSION postgis WITH SCHEMA public;"):
        migrate()


def test_with_its_extensions_there_it_migrates_serves_and_says_which_lock_is_missing(administrator):
    for name in EXTENSIONS:
        administrator(f"CREATE EXTENSION {name} WITH SCHEMA public")
    migrate()
    migrate()
    with database.transaction() as connection:
        assert connection.scalar(text("SELECT session_user")) == database.APP_ROLE
        assert connection.scalar(text("SELECT count(*) FROM masterplan.edition")) == 1
    with database.owner_transaction() as connection:
        assert connection.scalar(text("SELECT current_user")) == OWNER
        # A login that is no superuser cannot revoke built-ins; `masterplan db status` tells these.
        assert "pg_sleep(double precision)" in functions_left_open(connection)


def test_a_server_that_does_not_answer_is_said_in_words(monkeypatch):
    monkeypatch.setenv("MASTERPLAN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    settings.cache_clear()
    database.dispose()
    with pytest.raises(Unavailable) as away:
        migrate()
    assert "Baza de date nu poate fi contactată" in away.value.message("ro")
    monkeypatch.delenv("MASTERPLAN_DATABASE_URL")
    settings.cache_clear()
    database.dispose()
