"""Real PostGIS for every test that needs it: one cluster, one migrated template, cheap clones.

The cluster is the project's own, in a state folder of the tests. The template
holds the shipped layers and criteria; a test module works in a clone of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Set before anything of the project is imported: settings are read once.
os.environ["MASTERPLAN_STATE_DIR"] = os.environ.get(
    "MASTERPLAN_TEST_STATE_DIR", str(PROJECT_ROOT / ".masterplan" / "test")
)
os.environ["MASTERPLAN_TEST_CLUSTER_FAST"] = "1"
os.environ.pop("MASTERPLAN_DATABASE_URL", None)
os.environ.pop("MASTERPLAN_DEMO", None)

import hypothesis  # noqa: E402
import pytest  # noqa: E402
from sqlalchemy import create_engine, text  # noqa: E402

from masterplan import cluster, database, demonstration  # noqa: E402
from masterplan.provision import database_grants  # noqa: E402
from masterplan.settings import settings  # noqa: E402

# Servers that tests open in this process listen on loopback only.
demonstration.listening_on("127.0.0.1")

# The same examples at every run: what is green stays green. MASTERPLAN_TEST_EXPLORE=1 looks for new ones.
hypothesis.settings.register_profile("same", derandomize=True, database=None)
if not os.environ.get("MASTERPLAN_TEST_EXPLORE"):
    hypothesis.settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs is said by its folder; the longest come first, so that none is waited for alone at the end."""
    items.sort(key=lambda item: _folder(item) != "browser")
    for item in items:
        folder = _folder(item)
        if folder != "unit":
            item.add_marker(pytest.mark.database)
        if folder == "browser":
            item.add_marker(pytest.mark.browser)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(PROJECT_ROOT / "tests").parts[0]


TEMPLATE = "masterplan_template"
SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real files that lie beside the project on some machines; tests skip where they do not."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no shared/data beside the project")
    return SHARED_DATA


def use_database(name: str) -> None:
    """Point this process at another database of the test cluster."""
    database.dispose()
    os.environ["MASTERPLAN_DATABASE_NAME"] = name
    settings.cache_clear()


@contextmanager
def _alone(name: str) -> Iterator[Path]:
    """One process at a time; yields a file that says what was done in this run."""
    folder = Path(os.environ["MASTERPLAN_STATE_DIR"])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder / f"{name}.done"


def _run_id() -> str:
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


def _administer(*statements: str) -> None:
    engine = create_engine(database.admin_url().set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(scope="session")
def template_database() -> str:
    """The migrated database with shipped layers and criteria, made once a run."""
    with _alone("template") as done:
        if not done.exists() or done.read_text() != _run_id():
            cluster.up()
            _administer(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
            use_database(TEMPLATE)
            _fill_template()
            database.dispose()
            done.write_text(_run_id())
    return TEMPLATE


def _fill_template() -> None:
    from layers.loading import load_shipped
    from masterplan.actors import SYSTEM
    from masterplan.migrate import migrate
    from proposals.criteria_store import load_shipped_criteria
    from proposals.measuring import make_outlines, sets_in_use

    migrate()
    load_shipped()
    load_shipped_criteria()
    with database.owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.job"))
        # Tests submit more than people do; those of the limits put the shipped ones back.
        connection.execute(text("UPDATE masterplan.submission_limit SET most = 1000000"))
    # As the worker does once layers are there: no test waits for what all of them need.
    with database.transaction(SYSTEM) as connection:
        make_outlines(connection, sets_in_use(connection).values())
    engine = create_engine(database.owner_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


@contextmanager
def cloned(name: str, template: str) -> Iterator[str]:
    """A clone of the template for as long as the block runs; nothing is pointed at it."""
    _make_anew(name, template)
    yield name
    _administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _make_anew(name: str, template: str) -> None:
    with _alone("clone"):
        _administer(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
            f"CREATE DATABASE {name} TEMPLATE {template} OWNER {database.OWNER_ROLE} STRATEGY file_copy",
            *database_grants(name),
        )


@contextmanager
def refreshed(name: str, template: str) -> Iterator[None]:
    """A clone that others are pointed at, made anew; this process is pointed at it too while the block runs."""
    _make_anew(name, template)
    use_database(name)
    yield
    database.dispose()


@contextmanager
def _clone(name: str, template: str) -> Iterator[str]:
    with cloned(name, template):
        use_database(name)
        yield name
        database.dispose()


@pytest.fixture(scope="module")
def database_name(template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A clone of the template for one test module; this process is pointed at it."""
    name = f"t_{os.getpid()}_{request.module.__name__.rpartition('.')[2]}"[:60]
    with _clone(name, template_database) as clone:
        yield clone


@pytest.fixture
def fresh_database(template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A clone of the template for one test."""
    before = os.environ.get("MASTERPLAN_DATABASE_NAME", "")
    with _clone(f"f_{os.getpid()}", template_database) as clone:
        yield clone
    if before:
        use_database(before)


@pytest.fixture
def connection(database_name: str):
    """The application's connection acting as the system; what a test writes is rolled back."""
    from masterplan.actors import SYSTEM

    with database.app_engine().execution_options(actor=SYSTEM).connect() as opened:
        transaction = opened.begin()
        yield opened
        transaction.rollback()
