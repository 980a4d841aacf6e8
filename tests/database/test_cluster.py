"""The private cluster, made for real: reachable over its socket with a password, and by nobody else."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, create_engine, text

from masterplan import cluster
from masterplan.errors import ConfigurationError
from masterplan.secrets import secret
from masterplan.settings import settings

PROJECT_ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.database
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


@pytest.fixture(scope="module", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster for this module alone: these tests kill it."""
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MASTERPLAN_STATE_DIR", str(folder))
        environment.delenv("MASTERPLAN_TEST_CLUSTER_FAST", raising=False)
        settings.cache_clear()
        cluster.up()
        yield folder
        cluster.erase()
    settings.cache_clear()


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine(cluster.admin_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def ask(statement: str) -> object:
    engine = create_engine(cluster.admin_url(), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as opened:
            result = opened.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        engine.dispose()


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def running_pid() -> int:
    cluster.up()
    pid = cluster.status().pid
    assert pid
    return pid


def test_up_twice_leaves_the_same_server() -> None:
    assert running_pid() == running_pid()


def test_down_twice_and_up_again() -> None:
    cluster.down()
    cluster.down()
    assert not cluster.status().running
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(cluster.admin_url().set(drivername="postgresql").render_as_string(False))
    cluster.up()
    assert ask("SELECT 1") == 1


@on_linux
def test_the_server_holds_no_tcp_socket() -> None:
    pid = running_pid()
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    }
    held = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()}
    assert any(name.startswith("socket:") for name in held)
    assert not {f"socket:[{inode}]" for inode in inodes} & held


def test_only_the_server_and_root_enter_its_folders() -> None:
    status = cluster.status()
    for folder in (status.data, status.socket):
        assert permissions(folder) == 0o700
    assert permissions(status.socket / f".s.PGSQL.{cluster.PORT}") == 0o700
    assert permissions(status.log) == 0o600


def test_nobody_is_trusted(connection: Connection) -> None:
    rules = connection.execute(text("SELECT type, auth_method, error FROM pg_hba_file_rules")).all()
    assert [tuple(rule) for rule in rules] == [("local", "scram-sha-256", None)]
    stored = ask(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{cluster.SUPERUSER}'")
    assert str(stored).startswith("SCRAM-SHA-256$")


@pytest.mark.parametrize("password", ["", "wrong"])
def test_a_wrong_password_is_refused(password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host=str(cluster.status().socket), port=cluster.PORT, user="postgres", password=password
        )


def test_pages_have_checksums_and_words_sort_in_romanian(connection: Connection) -> None:
    assert ask("SELECT current_setting('data_checksums')") == "on"
    assert ask("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1'") == "UTF8"
    collation = connection.execute(
        text("SELECT datlocprovider::text, daticulocale FROM pg_database WHERE datname = 'template1'")
        if cluster.status().major < 17
        else text("SELECT datlocprovider::text, datlocale FROM pg_database WHERE datname = 'template1'")
    ).one()
    assert tuple(collation) == ("i", "ro")
    words = "VALUES ('z'), ('ț'), ('t'), ('ș'), ('s'), ('î'), ('i'), ('â'), ('ă'), ('a')"
    assert ask(f"SELECT string_agg(w, '' ORDER BY w) FROM ({words}) AS given(w)") == "aăâiîsștțz"


def test_after_a_kill_it_starts_again_with_its_data() -> None:
    cluster.up()
    ask("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(running_pid(), signal.SIGKILL)
    cluster.up()
    assert ask("SELECT answer FROM kept") == 42


@on_linux
def test_a_strangers_process_with_the_old_number_does_not_block_the_start() -> None:
    """After a reboot or in a container the dead server's number soon belongs to somebody else."""
    cluster.up()
    pid_file = cluster.status().data / "postmaster.pid"
    left_over = pid_file.read_text().splitlines()
    cluster.down()
    stranger = subprocess.Popen(["sleep", "60"], **cluster._as_server_user())
    try:
        cluster._write_for_server(pid_file, "\n".join([str(stranger.pid), *left_over[1:]]) + "\n")
        assert not cluster.status().running
        cluster.up()
        assert cluster.status().pid != stranger.pid
        assert stranger.poll() is None
        assert ask("SELECT 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_lost_secrets_are_made_anew_and_the_data_stays(own_state: Path) -> None:
    cluster.up()
    ask("CREATE TABLE before_the_loss AS SELECT 7 AS n")
    old = secret("cluster_superuser_password")
    (own_state / "secrets.json").unlink()
    cluster.up()
    assert secret("cluster_superuser_password") != old
    assert ask("SELECT n FROM before_the_loss") == 7


def test_data_of_a_version_that_is_gone_is_said_and_left_alone() -> None:
    cluster.down()
    version = cluster.status().data / "PG_VERSION"
    right = version.read_text()
    try:
        version.write_text("12\n")
        with pytest.raises(ConfigurationError, match="made by PostgreSQL 12.*postgresql-12-postgis-3"):
            cluster.up()
    finally:
        version.write_text(right)
    cluster.up()


def test_processes_that_start_it_at_once_get_one_server() -> None:
    cluster.down()
    command = [
        sys.executable,
        "-c",
        "from masterplan import cluster; cluster.up(); print(cluster.status().pid)",
    ]
    started = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = {each.communicate(timeout=120)[0] for each in started}
    assert [each.returncode for each in started] == [0, 0, 0]
    assert said == {f"{cluster.status().pid}\n"}


def test_postgis_can_be_made() -> None:
    cluster.up()
    ask("CREATE EXTENSION IF NOT EXISTS postgis")
    assert str(ask("SELECT postgis_lib_version()")) >= "3.3"


class TestAnotherState:
    """States other than the module's own, each in its own folder."""

    @pytest.fixture(autouse=True)
    def another_state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.setenv("MASTERPLAN_TEST_CLUSTER_FAST", "1")
        self.use(monkeypatch, tmp_path / "state")
        yield tmp_path / "state"
        # Back to the test's own folder before anything is erased.
        self.use(monkeypatch, tmp_path / "state")
        cluster.erase()
        monkeypatch.undo()
        settings.cache_clear()

    def use(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.setenv("MASTERPLAN_STATE_DIR", str(folder))
        settings.cache_clear()

    def test_what_an_interrupted_start_left_is_cleared_away(self, another_state: Path) -> None:
        assert not cluster.status().initialised
        another_state.mkdir()
        if cluster._account():
            cluster._HOMES_FOR_ROOT.mkdir(exist_ok=True)
        cluster._own_folder(cluster._home())
        (cluster._home() / "data.unfinished").mkdir()
        (cluster._home() / "data.unfinished" / "PG_VERSION").write_text("15\n")
        cluster.up()
        assert ask("SELECT 1") == 1
        assert not list(cluster._home().glob("*unfinished*"))
        assert not list(cluster._home().glob("*password*"))

    def test_a_deep_folder_still_gets_a_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(monkeypatch, tmp_path / ("long" * 30) / "state")
        monkeypatch.setattr(cluster, "_account", lambda: None)
        assert len(str(cluster.status().socket / ".s.PGSQL.5432")) <= 103

    @pytest.mark.parametrize("name", ["a,b", "O'Brien", 'a "b"', "a\\b"])
    def test_a_folder_whose_name_means_something_in_an_address_still_gets_a_socket(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.use(monkeypatch, tmp_path / name / "state")
        monkeypatch.setattr(cluster, "_account", lambda: None)
        assert not set(str(cluster.status().socket)) & set(",'\"\\")

    @pytest.mark.skipif(os.geteuid() != 0, reason="a plain user's data moves with its folder")
    def test_a_folder_that_root_moved_says_where_its_data_is_and_how_to_bring_it(
        self, another_state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cluster.up()
        ask("CREATE TABLE kept AS SELECT 42 AS answer")
        cluster.down()
        moved = another_state.with_name("moved state")
        another_state.rename(moved)
        self.use(monkeypatch, moved)
        with pytest.raises(ConfigurationError, match="was moved here from") as refused:
            cluster.up()
        assert not cluster.status().initialised
        remedy = refused.value.message("en").split("Bring it along: ")[1].split(";")[0]
        subprocess.run(shlex.split(remedy), check=True)
        cluster.up()
        assert ask("SELECT answer FROM kept") == 42
        cluster.erase()

    @pytest.mark.skipif(os.geteuid() != 0, reason="a plain user's data is copied with its folder")
    def test_two_folders_of_root_have_a_server_each_also_when_one_is_a_copy(
        self, another_state: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cluster.up()
        ask("CREATE TABLE kept AS SELECT 42 AS answer")
        first = running_pid()
        copy = another_state.with_name("copy")
        shutil.copytree(another_state, copy)
        self.use(monkeypatch, copy)
        try:
            assert running_pid() != first
            assert ask("SELECT to_regclass('kept')") is None
        finally:
            cluster.erase()
        self.use(monkeypatch, another_state)
        assert running_pid() == first and ask("SELECT answer FROM kept") == 42

    def test_a_socket_folder_that_somebody_prepared_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for prepared in (tmp_path / "open", tmp_path / "link"):
            if prepared.name == "open":
                prepared.mkdir(mode=0o755)
            else:
                prepared.symlink_to(tmp_path)
            monkeypatch.setattr(cluster, "_socket", lambda here=prepared: here)
            with pytest.raises(ConfigurationError, match="0700"):
                cluster._own_folder(cluster._socket())

    def test_crash_safety_cannot_be_given_up_for_real_data(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(monkeypatch, PROJECT_ROOT / ".masterplan")
        monkeypatch.setenv("MASTERPLAN_TEST_CLUSTER_FAST", "1")
        with pytest.raises(ConfigurationError, match="risks the data"):
            cluster._server_settings()

    def test_without_it_every_commit_reaches_the_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MASTERPLAN_TEST_CLUSTER_FAST", raising=False)
        cluster.up()
        assert ask("SELECT current_setting('fsync') || current_setting('full_page_writes')") == "onon"

    def test_without_postgresql_the_message_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster.postgresql, "installations", list)
        cluster._choose_installation.cache_clear()
        with pytest.raises(ConfigurationError, match="apt-get install postgresql-postgis"):
            cluster.up()
        cluster._choose_installation.cache_clear()


def _can_read_the_project(environment: dict[str, str], account: dict[str, object]) -> bool:
    try:
        probe = subprocess.run(
            [sys.executable, "-c", "import masterplan.cluster"],
            env=environment, cwd="/", capture_output=True, text=True, **account,
        )  # fmt: skip
    except PermissionError:
        return False
    return probe.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_plain_user_has_it_in_the_state_folder() -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"masterplan-test-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    environment = {**os.environ, "MASTERPLAN_STATE_DIR": str(home / "state"), "HOME": str(home)}
    environment["PYTHONPATH"] = str(PROJECT_ROOT)
    account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    program = (
        "from masterplan import cluster; cluster.up(); s = cluster.status(); cluster.erase();"
        "print(s.running, s.data, s.socket)"
    )
    try:
        if not _can_read_the_project(environment, account):
            pytest.skip("the project, or its Python, lies where only root can read it")
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment, cwd="/", capture_output=True, text=True, **account,
        )  # fmt: skip
    finally:
        shutil.rmtree(home)
    assert done.stdout == f"True {home}/state/cluster/data {home}/state/cluster/socket\n", done.stderr
