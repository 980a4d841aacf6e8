"""Start everything `make run` shows, watch over it and stop it again. Runs in the virtual environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO, NoReturn

from pydantic import ValidationError

from masterplan import cluster
from masterplan.errors import MasterplanError
from masterplan.secrets import private_folder
from masterplan.settings import PROJECT_ROOT, settings

_READY_WITHIN_S = 180
_STOP_WITHIN_S = 15
_REST_BEFORE_RESTART_S = 5
_LARGEST_LOG_BYTES = 10_000_000
_MASTERPLAN = str(Path(sys.executable).parent / "masterplan")


class Stop(BaseException):
    """Somebody asked us to stop."""


class Failed(Exception):
    """Said to the person as it stands: what failed, and the remedy."""


def say(line: str) -> None:
    print(f"• {line}", flush=True)


def main(arguments: list[str]) -> int:
    """`run`, `stop` or `erase`; returns the exit status."""
    try:
        settings()
        return {"run": run, "stop": stop, "erase": erase}[arguments[0]]()
    except ValidationError as invalid:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in invalid.errors())
        print(f"\n✗ A setting in the environment is wrong: {wrong}", file=sys.stderr)
    except (Failed, MasterplanError) as failed:
        print(f"\n✗ {failed}", file=sys.stderr)
    return 1


# Running


def run() -> int:
    """Database, schema, data, worker, server; then wait until somebody stops us or the server ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop_asked)
    _refuse_second_run()
    # A run that was killed left its database on; this one takes it over, and stops it.
    takes_over = _record().exists()
    _stop_leftovers()
    _refuse_taken_port()
    # Only here: the role switch is for a person who tries the application on their own machine.
    os.environ.setdefault("MASTERPLAN_DEMO", "1")
    household = Household(takes_over)
    try:
        household.start()
        household.watch()
    except Stop:
        print(flush=True)
        say("Stopping")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        household.stop()
    say("Stopped")
    return 0


class Household:
    """The processes of one `make run`, stopped in the reverse order of their start."""

    def __init__(self, cluster_is_ours: bool) -> None:
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.cluster_is_ours = cluster_is_ours

    def start(self) -> None:
        began = time.monotonic()
        self._start_database()
        self._do("Bringing the database to the newest schema", ["migrate"])
        self._do_both(
            "Loading layers and criteria",
            ["layers", "load"],
            ["criteria", "load"],
        )
        say("Starting the worker and the server")
        self._spawn("worker", [_MASTERPLAN, "worker"])
        self._spawn("server", [sys.executable, str(PROJECT_ROOT / "app.py")])
        self._wait_until_ready()
        print(f"\n  Ready after {time.monotonic() - began:.0f} s:  {_address()}\n", flush=True)
        print(f"  Logs: {_logs()}     Stop: Ctrl-C here, or `make stop` elsewhere.\n", flush=True)

    def watch(self) -> None:
        """A worker that ends is started again; without its server the whole ends."""
        while True:
            if self.children["server"].poll() is not None:
                raise Failed(f"The server ended by itself. {_last_words('server')}")
            _bound_logs()
            if self.children["worker"].poll() is not None:
                say(f"The worker ended by itself and is started again. {_last_words('worker')}")
                time.sleep(_REST_BEFORE_RESTART_S)
                self._spawn("worker", [_MASTERPLAN, "worker"])
            time.sleep(0.5)

    def stop(self) -> None:
        for child in reversed(self.children.values()):
            if child.poll() is None:
                child.terminate()
        for name, child in self.children.items():
            try:
                child.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                say(f"The {name} does not stop by itself and is ended")
                child.kill()
                child.wait()
        if self.cluster_is_ours:
            cluster.down()
        _record().unlink(missing_ok=True)

    def _start_database(self) -> None:
        if settings().database_url:
            say("Using the database of MASTERPLAN_DATABASE_URL")
            return
        before = cluster.status()
        say("Starting the private database" if before.initialised else "Making the private database")
        self.cluster_is_ours |= not before.running
        cluster.up()

    def _do(self, what: str, command: list[str]) -> None:
        self._do_both(what, command)

    def _do_both(self, what: str, *commands: list[str]) -> None:
        say(what)
        names = [" ".join(command[:2]) for command in commands]
        for name, command in zip(names, commands, strict=True):
            self._spawn(name, [_MASTERPLAN, *command])
        for name in names:
            code = self.children[name].wait()
            del self.children[name]
            if code:
                raise Failed(f"masterplan {name} failed. {_last_words(name)}")

    def _spawn(self, name: str, command: list[str]) -> None:
        """In a session of its own: Ctrl-C reaches us alone, and we stop the rest in order."""
        with _open_log(name) as log:
            self.children[name] = subprocess.Popen(
                command,
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        pids = {"supervisor": os.getpid()} | {each: child.pid for each, child in self.children.items()}
        _record().write_text(json.dumps(pids))

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + _READY_WITHIN_S
        reason = ""
        while time.monotonic() < until:
            if self.children["server"].poll() is not None:
                raise Failed(f"The server did not start. {_last_words('server')}")
            ready, reason = _health()
            if ready:
                return
            time.sleep(0.2)
        raise Failed(f"The server is not healthy after {_READY_WITHIN_S} s: {reason} {_last_words('server')}")


def _stop_asked(_number: int, _frame: object) -> NoReturn:
    raise Stop


def _refuse_second_run() -> None:
    running = _recorded().get("supervisor")
    if running and _is_ours(running):
        raise Failed(
            f"The application already runs from this folder. Open {_address()} or stop it: make stop"
        )


def _refuse_taken_port() -> None:
    host, port = settings().host, settings().port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as refused:
            raise Failed(
                f"Port {port} on {host} cannot be used ({refused.strerror})."
                f" Another program may hold it. Choose another: make run PORT={port + 1}"
            ) from None


def _address() -> str:
    host = settings().host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings().port}"


def _health() -> tuple[bool, str]:
    open_directly = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    try:
        with open_directly(f"{_address()}/healthz", timeout=5) as answer:
            return answer.status == 200, ""
    except urllib.error.HTTPError as unhealthy:
        return False, unhealthy.read(500).decode(errors="replace")
    except OSError as silent:
        return False, str(silent)


# Stopping


def stop() -> int:
    """Stop what runs from this folder: the run itself, what a crashed one left, and the database."""
    supervisor = _recorded().get("supervisor")
    if supervisor and _is_ours(supervisor):
        say("Stopping the application")
        _end(supervisor, within_s=3 * _STOP_WITHIN_S)
    _stop_leftovers()
    if not settings().database_url and cluster.status().running:
        say("Stopping the private database")
        cluster.down()
    say("Nothing is running")
    return 0


def erase() -> int:
    """Delete the private database, once the person has said yes."""
    if os.environ.get("YES") != "1":
        raise Failed(
            f"This deletes the database in {cluster.status().data} with everything people submitted."
            " If that is meant: make erase YES=1"
        )
    stop()
    cluster.erase()
    say("The private database is deleted")
    return 0


def _stop_leftovers() -> None:
    for name, pid in _recorded().items():
        if _is_ours(pid):
            say(f"Stopping the {name} that an earlier run left behind")
            _end(pid, within_s=_STOP_WITHIN_S)
    _record().unlink(missing_ok=True)


def _end(pid: int, within_s: float) -> None:
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + within_s
    while _is_ours(pid):
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.1)


def _is_ours(pid: int) -> bool:
    """A process of this folder; the number may have gone to a stranger since it was written down."""
    return str(PROJECT_ROOT) in _command_of(pid)


def _command_of(pid: int) -> str:
    if sys.platform != "linux":
        return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


# Records and logs


def _record() -> Path:
    return settings().state_dir / "run.json"


def _recorded() -> dict[str, int]:
    return json.loads(_record().read_text()) if _record().exists() else {}


def _logs() -> Path:
    return private_folder(private_folder(settings().state_dir) / "logs")


def _open_log(name: str) -> BinaryIO:
    """A new log for each start; the one before stays beside it."""
    file = _log_of(name)
    if file.exists():
        file.replace(file.with_suffix(".log.old"))
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _bound_logs() -> None:
    """A log that grew too large goes to its `.old`, and its program writes on into the emptied file.

    Programs write into them through an open file of theirs, always at the end: it cannot be
    renamed under them. What is written between the copy and the cut is lost.
    """
    for file in (*_logs().glob("*.log"), cluster.log_file()):
        if file.exists() and file.stat().st_size > _LARGEST_LOG_BYTES:
            shutil.copyfile(file, file.with_suffix(".log.old"))
            os.truncate(file, 0)


def _log_of(name: str) -> Path:
    return _logs() / f"{name.replace(' ', '-')}.log"


def _last_words(name: str) -> str:
    file = _log_of(name)
    last = "\n".join("    " + line for line in file.read_text(errors="replace").splitlines()[-15:])
    return f"The last lines of {file}:\n{last}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
