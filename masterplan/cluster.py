"""The private PostGIS cluster: one of the project's own, reached over a Unix socket only.

A plain user's cluster lives in the state folder. PostgreSQL refuses to run as root, so for root
it runs as the system user `postgres` under `/var/lib/masterplan`, since that user cannot enter
a project that lies in root's home. Debian's own cluster on port 5432 is never touched.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy import URL

from masterplan import postgresql
from masterplan.errors import ConfigurationError
from masterplan.language import N_
from masterplan.secrets import private_folder, secret
from masterplan.settings import PROJECT_ROOT, settings

SUPERUSER = "postgres"
#: The number only names the socket file: nothing listens on TCP.
PORT = 5432

_PASSWORD = "cluster_superuser_password"
_SERVER_USER_FOR_ROOT = "postgres"
_HOMES_FOR_ROOT = Path("/var/lib/masterplan")
#: sun_path holds 108 bytes on Linux, 104 on macOS, with a closing zero.
_LONGEST_SOCKET_PATH = 103
#: What PostgreSQL and its clients read as something else than a part of a socket's path.
_NOT_IN_ADDRESSES = set(",'\"\\")
_START_TIMEOUT_S = 120
_LAST_PROCESSES_END_WITHIN_S = 10
_LARGEST_LOG_BYTES = 10_000_000
_SMALLEST_SHARED_MEMORY_BYTES = 256 * 1024**2

_SETTINGS = """\
# Written at each start; changes belong in masterplan/cluster.py.
listen_addresses = ''
port = {port}
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 512MB
effective_cache_size = 4GB
work_mem = 32MB
maintenance_work_mem = 256MB
random_page_cost = 1.1
jit = off
max_wal_size = 2GB
password_encryption = 'scram-sha-256'
dynamic_shared_memory_type = {shared_memory}
lc_messages = 'C'
log_timezone = 'UTC'
timezone = 'UTC'
# Terse: the DETAIL of an error can quote a row, and with it an e-mail.
log_error_verbosity = terse
log_line_prefix = '%m [%p] %u@%d '
"""
_FAST_SETTINGS = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
_ACCESS = "# Over the socket, with a password. Nothing else.\nlocal all all scram-sha-256\n"


@dataclass(frozen=True)
class ClusterStatus:
    """What there is of the private cluster."""

    initialised: bool
    running: bool
    pid: int | None
    major: int | None
    data: Path
    socket: Path
    log: Path


@dataclass(frozen=True)
class _Account:
    """The system account that the server runs as, when it is not the caller's own."""

    uid: int
    gid: int


class _DoesNotAnswer(ConfigurationError):
    """The server ended, or took too long."""


def up() -> None:
    """Make the cluster if there is none, start it and wait until it answers; safe to repeat.

    Raises
    ------
    ConfigurationError
        When PostgreSQL is missing, another version made the data, or it does not start.
    """
    with _one_at_a_time():
        if not _initialised():
            _refuse_to_forget_data()
            _initialise()
        _note_home()
        if _server_pid() is None:
            _start()
        try:
            right = _password_is_right()
        except _DoesNotAnswer:
            # It ended between our look and our call.
            _start()
            right = _password_is_right()
        if not right:
            _set_password_anew()


def down() -> None:
    """Stop the cluster; open connections are closed. Does nothing when it is not running."""
    if not _initialised():
        return
    with _one_at_a_time():
        if _server_pid() is not None:
            _stop()


def status() -> ClusterStatus:
    """Whether the cluster exists and runs, and where its parts lie."""
    pid = _server_pid()
    return ClusterStatus(
        initialised=_initialised(),
        running=pid is not None,
        pid=pid,
        major=_major_of_data(),
        data=_data(),
        socket=_socket(),
        log=log_file(),
    )


def erase() -> None:
    """Stop the cluster and delete all its data."""
    down()
    for folder in (_home(), _socket()):
        shutil.rmtree(folder, ignore_errors=True)
    _noted_home().unlink(missing_ok=True)


def admin_url() -> URL:
    """The superuser's login over the socket, to the database `postgres`."""
    return URL.create(
        "postgresql+psycopg",
        username=SUPERUSER,
        password=secret(_PASSWORD),
        database="postgres",
        query={"host": str(_socket()), "port": str(PORT)},
    )


# Places


def _home() -> Path:
    if _account() is None:
        return settings().state_dir.absolute() / "cluster"
    return _HOMES_FOR_ROOT / _fingerprint()


def _data() -> Path:
    return _home() / "data"


def log_file() -> Path:
    """What the server writes down; a run keeps it from growing without end."""
    return settings().state_dir.absolute() / "cluster.log"


def _socket() -> Path:
    """Beside the data, or in a short folder of its own when a socket cannot have that path."""
    beside = _home() / "socket"
    fits = len(os.fsencode(beside / f".s.PGSQL.{PORT}")) <= _LONGEST_SOCKET_PATH
    if fits and not _NOT_IN_ADDRESSES & set(str(beside)):
        return beside
    return Path(f"/tmp/masterplan-{os.geteuid()}-{_fingerprint()}")


def _fingerprint() -> str:
    return hashlib.sha256(os.fsencode(settings().state_dir.resolve())).hexdigest()[:16]


def _noted_home() -> Path:
    return settings().state_dir.absolute() / "cluster.home"


def _note_home() -> None:
    """Root's data lies apart from the state folder, by its path: a folder that is moved would lose it."""
    if _account():
        _noted_home().write_text(json.dumps({"home": str(_home()), "state": str(settings().state_dir.resolve())}))


def _refuse_to_forget_data() -> None:
    """Say where the data is when this state folder was moved; a copy beside the original gets data of its own."""
    if not _account() or not _noted_home().exists():
        return
    noted = json.loads(_noted_home().read_text())
    if Path(noted["state"]).exists() or not (Path(noted["home"]) / "data" / "PG_VERSION").exists():
        return
    raise ConfigurationError(
        N_("This folder was moved here from {before}, and its database is still kept under the old name."
           " Bring it along: mv {old} {new}; or begin with an empty database: rm {note}"),
        before=noted["state"], old=noted["home"], new=_home(), note=shlex.quote(str(_noted_home())),
    )  # fmt: skip


def _account() -> _Account | None:
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(_SERVER_USER_FOR_ROOT)
    except KeyError:
        raise ConfigurationError(
            N_("PostgreSQL refuses to run as root, and this system has no user {user} to run it as."
               " Run as a plain user, or create one: useradd --system {user}"),
            user=_SERVER_USER_FOR_ROOT,
        ) from None  # fmt: skip
    return _Account(found.pw_uid, found.pw_gid)


def _own_folder(path: Path) -> None:
    """Make `path` for the server alone; refuse one that somebody else prepared (as in /tmp)."""
    account = _account()
    try:
        path.mkdir(mode=0o700)
        if account:
            os.chown(path, account.uid, account.gid)
    except FileExistsError:
        pass
    found = path.lstat()
    owner = account.uid if account else os.geteuid()
    if not path.is_dir() or path.is_symlink() or found.st_uid != owner or found.st_mode & 0o077:
        raise ConfigurationError(
            N_("The folder {path} must belong to the database's user alone (mode 0700)."
               " Somebody else's is there: remove it and try again."),
            path=path,
        )  # fmt: skip


def _write_for_server(path: Path, content: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        if account := _account():
            os.fchown(stream.fileno(), account.uid, account.gid)
        stream.write(content)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder = private_folder(settings().state_dir)
    with (folder / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# Programs


def _installation() -> postgresql.Installation:
    """The programs that fit the data, or the newest ones when there is no data yet."""
    return _choose_installation(_major_of_data())


@cache
def _choose_installation(made_by: int | None) -> postgresql.Installation:
    installed = postgresql.installations()
    fitting = [each for each in installed if made_by in (None, each.major)]
    if fitting:
        return fitting[0]
    if installed:
        raise ConfigurationError(
            N_("The database in {data} was made by PostgreSQL {made_by}; installed with PostGIS is {found}."
               " Install postgresql-{made_by} and postgresql-{made_by}-postgis-3 again, or begin anew:"
               " make erase"),
            data=_data(),
            made_by=made_by,
            found=", ".join(str(each.major) for each in installed),
        )  # fmt: skip
    raise ConfigurationError(
        N_("PostgreSQL {oldest} or newer with PostGIS is not installed. Debian and Ubuntu:"
           " apt-get install postgresql-postgis; macOS: brew install postgresql@17 postgis;"
           " or set MASTERPLAN_DATABASE_URL to a server of your own."),
        oldest=postgresql.OLDEST_MAJOR,
    )  # fmt: skip


def _run(program: str, *arguments: str, given: str | None = None, log: bool = False) -> str:
    """Run a PostgreSQL program as the server's user; its last words become the error."""
    command = [_installation().program(program), *arguments]
    with _log_stream() as stream:
        done = subprocess.run(
            command,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            # The server inherits this stream; a pipe would keep us waiting for its end.
            stdout=stream if log else subprocess.PIPE,
            stderr=stream if log else subprocess.STDOUT,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            umask=0o077,
            **_as_server_user(),
        )
    if done.returncode:
        said = _end_of_log() if log else done.stdout
        raise ConfigurationError(
            N_("{program} failed. It said: {said} The whole log: {log}"),
            program=program,
            said=said.strip()[-1500:],
            log=log_file(),
        )
    return "" if log else done.stdout


def _as_server_user() -> dict[str, object]:
    account = _account()
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


@contextmanager
def _log_stream() -> Iterator[object]:
    private_folder(log_file().parent)
    if log_file().exists() and log_file().stat().st_size > _LARGEST_LOG_BYTES and _server_pid() is None:
        log_file().replace(log_file().with_suffix(".log.old"))
    with os.fdopen(os.open(log_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as stream:
        yield stream


def _end_of_log() -> str:
    return " ".join(log_file().read_text(errors="replace").splitlines()[-6:])


# Life of the server


def _initialised() -> bool:
    return _major_of_data() is not None


def _major_of_data() -> int | None:
    try:
        return int((_data() / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def _initialise() -> None:
    """Make the data under another name first, so that an interrupted start leaves none half made."""
    private_folder(settings().state_dir)
    if _account():
        _HOMES_FOR_ROOT.mkdir(mode=0o755, exist_ok=True)
    _own_folder(_home())
    unfinished, password_file = _home() / "data.unfinished", _home() / "password"
    shutil.rmtree(unfinished, ignore_errors=True)
    _write_for_server(password_file, secret(_PASSWORD) + "\n")
    try:
        _run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--encoding=UTF8",
            f"--locale={'C.UTF-8' if sys.platform == 'linux' else 'C'}",
            "--locale-provider=icu",
            "--icu-locale=ro",
            *(["--no-sync"] if _fast() else []),
        )
    finally:
        password_file.unlink(missing_ok=True)
    _write_for_server(unfinished / "pg_hba.conf", _ACCESS)
    with (unfinished / "postgresql.conf").open("a") as configuration:
        configuration.write("\ninclude 'masterplan.conf'\n")
    unfinished.rename(_data())


def _start() -> None:
    _own_folder(_socket())
    _write_for_server(_data() / "masterplan.conf", _server_settings())
    _forget_dead_server()
    _run(
        "pg_ctl",
        "start",
        "--wait",
        f"--timeout={_START_TIMEOUT_S}",
        f"--pgdata={_data()}",
        "--silent",
        log=True,
    )


def _stop() -> None:
    _run("pg_ctl", "stop", "--wait", "--mode=fast", f"--timeout={_START_TIMEOUT_S}", f"--pgdata={_data()}")


def _server_settings() -> str:
    written = _SETTINGS.format(port=PORT, socket=_socket(), shared_memory=_shared_memory())
    return written + (_FAST_SETTINGS if _fast() else "")


def _shared_memory() -> str:
    """Containers often have a /dev/shm of 64 MB, too small for a parallel query."""
    try:
        space = os.statvfs("/dev/shm")
    except OSError:
        return "mmap"
    return "posix" if space.f_bavail * space.f_frsize > _SMALLEST_SHARED_MEMORY_BYTES else "mmap"


def _fast() -> bool:
    """Tests may give up crash safety for speed; the installation's own data never does."""
    if os.environ.get("MASTERPLAN_TEST_CLUSTER_FAST") != "1":
        return False
    if settings().state_dir.resolve() == PROJECT_ROOT / ".masterplan":
        raise ConfigurationError(
            N_("MASTERPLAN_TEST_CLUSTER_FAST=1 is for tests: it risks the data."
               " Unset it, or set MASTERPLAN_STATE_DIR to a folder for tests.")
        )  # fmt: skip
    return True


def _server_pid() -> int | None:
    """The process that serves our data; a number left over from a crash or a reboot is not one."""
    pid = _written_pid()
    return pid if pid and _serves_our_data(pid) else None


def _written_pid() -> int | None:
    try:
        return abs(int((_data() / "postmaster.pid").read_text().splitlines()[0]))
    except (FileNotFoundError, IndexError, ValueError):
        return None


def _serves_our_data(pid: int) -> bool:
    if sys.platform != "linux":
        return _alive(pid)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return command[0].endswith(b"postgres") and os.fsencode(_data()) in command


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_dead_server() -> None:
    """Remove the lock files of a server that was killed.

    PostgreSQL refuses to start while a stranger, or a zombie, bears the dead server's number.
    Its locks go only when no process of that server is left: two on the same data destroy it.
    """
    if _written_pid() is None or sys.platform != "linux":
        return
    until = time.monotonic() + _LAST_PROCESSES_END_WITHIN_S
    while left := _processes_in(_data()):
        if time.monotonic() > until:
            raise ConfigurationError(
                N_("Processes of a database server that was killed still work in {data}: {pids}."
                   " Wait until they end, or end them: kill {pids}"),
                data=_data(),
                pids=" ".join(map(str, left)),
            )  # fmt: skip
        time.sleep(0.1)
    for lock in (_data() / "postmaster.pid", _socket() / f".s.PGSQL.{PORT}.lock"):
        lock.unlink(missing_ok=True)


def _processes_in(folder: Path) -> list[int]:
    """Every process of a server works in its data folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = (process / "cwd").readlink() == folder
        except OSError:
            # Somebody else's, a zombie, or gone by now.
            continue
        if inside:
            found.append(int(process.name))
    return found


def _password_is_right() -> bool:
    """Whether the server lets us in; waits while it recovers from a crash."""
    until = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(
                host=str(_socket()),
                port=PORT,
                user=SUPERUSER,
                password=secret(_PASSWORD),
                dbname="postgres",
                connect_timeout=3,
            ).close()
            return True
        except psycopg.OperationalError as refused:
            if "password authentication failed" in str(refused):
                return False
            if time.monotonic() > until or _server_pid() is None:
                raise _DoesNotAnswer(
                    N_("The private database does not answer: {said} The whole log: {log}"),
                    said=" ".join(str(refused).split()),
                    log=log_file(),
                ) from refused
            time.sleep(0.2)


def _set_password_anew() -> None:
    """The secrets were deleted (a new clone at the old place): whoever owns the data sets new ones."""
    if _server_pid() is not None:
        _stop()
    _run(
        "postgres", "--single", "-D", str(_data()), "postgres",
        given=f"ALTER ROLE {SUPERUSER} PASSWORD '{secret(_PASSWORD)}'\n",
    )  # fmt: skip
    _start()
    if not _password_is_right():
        raise ConfigurationError(
            N_("The private database refuses its own password. The whole log: {log}"), log=log_file()
        )
