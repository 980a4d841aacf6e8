"""From a clean clone to a running or tested application. Run by the system's python3: standard library only.

Every step looks first and does nothing when its result is there already: a second run
asks no registry. `make help` lists the ways in.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
NODE_MODULES = ROOT / "node_modules"
STATE = Path(os.environ.get("MASTERPLAN_STATE_DIR", ROOT / ".masterplan"))
LOGS = STATE / "logs"
TEST_STATE = ROOT / ".masterplan" / "test"

_FONTS_WITH_ROMANIAN = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf")
#: Debian's proxies lie where the path of a person who is not root does not lead.
_WITH_ADMINISTRATORS_PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
#: What Debian asks before it starts a service that it just installed: 101 is no.
_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE = "#!/bin/sh\n# While masterplan installs packages for its tests.\nexit 101\n"
_NO_MAIN_CLUSTER = Path("/etc/postgresql-common/createcluster.d/masterplan-setup.conf")


class SetupFailed(Exception):
    """Said to the person as it stands: what failed, and the remedy."""


def say(line: str) -> None:
    print(f"• {line}", flush=True)


def main(arguments: list[str]) -> int:
    """Do what `make` asked for; returns the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    ways = {
        "run": run,
        "test": test,
        "lint": lint,
        "lock": lock,
        "bench": lambda: measure("bench"),
        "proof": lambda: measure("bench.proof"),
        "install": lambda: prepare(for_tests=True),
        "prepare": lambda: prepare(for_tests=False),
        "stop": lambda: hand_over("stop"),
        "erase": lambda: hand_over("erase"),
        "clean": clean,
    }
    try:
        if arguments[:1] == ["install-system-packages"]:
            return install_as_root(arguments[1:])
        return ways[arguments[0]]() or 0
    except SetupFailed as failed:
        print(f"\n✗ {failed}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
    return 1


def _leave(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


# What `make` offers


def run() -> NoReturn:
    """Prepare, then become the process that serves, so that signals reach it."""
    prepare(for_tests=False)
    os.execv(VENV_PYTHON, [str(VENV_PYTHON), str(ROOT / "scripts" / "serve.py"), "run"])


def test() -> int:
    """Static checks, then the whole suite; everything runs even when something fails before it."""
    prepare(for_tests=True)
    try:
        failed = [*static_checks(), *_failing({"pytest": _pytest()})]
    finally:
        _forget_test_cluster()
    if failed:
        print(f"\n✗ Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def lint() -> int:
    prepare(for_tests=True)
    return 1 if static_checks() else 0


def static_checks() -> list[str]:
    """The names of the checks that fail."""
    return _failing(
        {
            "ruff": [_tool("ruff"), "check", "--output-format=concise", "."],
            "import-linter": [_tool("lint-imports"), "--no-logo"],
        }
    )


def _pytest() -> list[str]:
    chosen = shlex.split(os.environ.get("ARGS", ""))
    return [_tool("pytest"), "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *chosen]


def _forget_test_cluster() -> None:
    environment = {**os.environ, "MASTERPLAN_STATE_DIR": str(TEST_STATE)}
    environment.pop("MASTERPLAN_DATABASE_URL", None)
    command = [VENV_PYTHON, ROOT / "scripts" / "serve.py", "erase"]
    subprocess.run(command, env={**environment, "YES": "1"}, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


def measure(module: str) -> int:
    prepare(for_tests=True)
    return subprocess.run(
        [VENV_PYTHON, "-m", module, *shlex.split(os.environ.get("ARGS", ""))], cwd=ROOT
    ).returncode


def hand_over(way: str) -> int:
    if not VENV_PYTHON.exists():
        say("Nothing is running: the application was not set up in this folder.")
        return 0
    return subprocess.run([VENV_PYTHON, ROOT / "scripts" / "serve.py", way], cwd=ROOT).returncode


def clean() -> int:
    """Remove what was installed into this folder; the database and its secrets stay."""
    hand_over("stop")
    for folder in (VENV, NODE_MODULES, *(ROOT / name for name in (".pytest_cache", ".ruff_cache"))):
        shutil.rmtree(folder, ignore_errors=True)
    say("Removed .venv and node_modules. The database stays; make erase deletes it.")
    return 0


def lock() -> int:
    """Write the lock files anew: the newest versions that the .in files and package.json allow."""
    prepare(for_tests=True)
    uv = [_tool("uv"), "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes",
          "--no-header", "--no-emit-index-url", "--no-annotate", "--upgrade"]  # fmt: skip
    for name in ("requirements", "requirements-dev"):
        say(f"Locking {name}.txt")
        done = subprocess.run([*uv, f"{name}.in", "-o", f"{name}.txt", "--quiet"], cwd=ROOT)
        if done.returncode:
            raise SetupFailed(f"{name}.txt could not be locked; uv says why above.")
    say("Locking package-lock.json")
    return subprocess.run([*_npm(), "update", "--package-lock-only", "--silent"], cwd=ROOT).returncode


# Preparing


def prepare(for_tests: bool) -> None:
    """System packages, Python packages and browser assets, each only where it is missing."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupFailed(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed; {sys.executable} is"
            f" {sys.version.split()[0]}. Name another one: make PYTHON=/path/to/python3 …"
        )
    _own_the_folder()
    install_system_packages(missing_system_packages(for_tests))
    install_python_packages(for_tests)
    install_browser_assets(for_tests)


def _own_the_folder() -> None:
    try:
        STATE.parent.mkdir(parents=True, exist_ok=True)
        for folder in (STATE, LOGS):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as refused:
        raise SetupFailed(f"{refused}. Run as the owner of {STATE}, or set MASTERPLAN_STATE_DIR.") from None
    for place in (ROOT, LOGS, VENV, NODE_MODULES):
        if place.exists() and not os.access(place, os.W_OK):
            raise SetupFailed(
                f"{place} cannot be written by this user (it was perhaps made by root, with sudo make)."
                f" Remedy: sudo chown -R {os.geteuid()} {shlex.quote(str(ROOT))}"
            )


def missing_system_packages(for_tests: bool) -> dict[str, str]:
    """What is missing, each with the Debian package that brings it."""
    missing = {}
    if not importlib.util.find_spec("ensurepip") and not VENV_PYTHON.exists():
        missing["Python's venv module"] = "python3-venv"
    needs_server = for_tests or not os.environ.get("MASTERPLAN_DATABASE_URL")
    if needs_server and not _postgresql().installations():
        missing["PostgreSQL 15 or newer with PostGIS"] = "postgresql-postgis"
    if sys.platform == "linux" and not _loads("libexpat.so.1"):
        missing["the XML library expat"] = "libexpat1"
    if for_tests and sys.platform == "linux" and not _loads("libatomic.so.1"):
        missing["the library libatomic, which Playwright's Node needs"] = "libatomic1"
    if for_tests and not shutil.which("chromium"):
        missing["the browser Chromium"] = "chromium"
    if for_tests and sys.platform == "linux" and not shutil.which("nginx", path=_WITH_ADMINISTRATORS_PROGRAMS):
        missing["the proxy nginx, for its tests"] = "nginx"
    if for_tests and sys.platform == "linux" and not _has_romanian_font():
        missing["a font with ă â î ș ț"] = "fonts-dejavu-core"
    return missing


def _postgresql() -> object:
    """The application's own module that looks for PostgreSQL; it needs no installed package."""
    sys.path.insert(0, str(ROOT))
    from masterplan import postgresql

    return postgresql


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _has_romanian_font() -> bool:
    return any(next(Path("/usr/share/fonts").rglob(name), None) for name in _FONTS_WITH_ROMANIAN)


# System packages


def install_system_packages(missing: dict[str, str]) -> None:
    """Let apt install what is missing, as root or through sudo; elsewhere say what to install."""
    if not missing:
        return
    packages = list(missing.values())
    by_hand = f"apt-get update && apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise SetupFailed(
            f"Missing on this system: {', '.join(missing)}. Install it with the system's package manager"
            " (macOS: brew install postgresql@17 postgis), or see „Other systems” in README.md."
        )
    say(f"Installing system packages: {', '.join(packages)} (for {', '.join(missing)})")
    step = [*_as_root(by_hand), sys.executable, str(ROOT / "scripts" / "setup.py"), "install-system-packages"]
    _follow(
        [*step, *packages], log="apt", counted=r"^Setting up (\S+)", remedy=f"Or by hand, as root: {by_hand}"
    )
    still = missing_system_packages(for_tests=bool({"chromium", "fonts-dejavu-core", "nginx"} & set(packages)))
    if left := [what for what in missing if what in still]:
        raise SetupFailed(f"apt installed {', '.join(packages)}, yet {', '.join(left)} cannot be found.")


def _as_root(by_hand: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if not sudo:
        raise SetupFailed(f"Only root may install packages, and there is no sudo. As root: {by_hand}")
    if subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    if not sys.stdin.isatty():
        raise SetupFailed(f"sudo wants a password, and there is no terminal to ask on. As root: {by_hand}")
    # Asked for here, while the terminal is still ours to talk on.
    if subprocess.run([sudo, "-v"]).returncode:
        raise SetupFailed(f"sudo refused. As root: {by_hand}")
    return [sudo, "-n"]


def install_as_root(packages: list[str]) -> int:
    """The part that runs as root. Debian must make no cluster on port 5432, and nginx must not serve on port 80."""
    made = [folder for folder in _NO_MAIN_CLUSTER.parents if not folder.exists()]
    _NO_MAIN_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    _NO_MAIN_CLUSTER.write_text("create_main_cluster = false\n")
    try:
        with _no_service_started():
            if not _all_known_to_apt(packages) or _apt("install", *packages):
                if code := _apt("update"):
                    return code
                return _apt("install", *packages)
            return 0
    finally:
        if "nginx" in packages and shutil.which("systemctl"):
            # Nor at the next start of the machine.
            subprocess.run(["systemctl", "disable", "--quiet", "nginx"], check=False)
        _NO_MAIN_CLUSTER.unlink()
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()


@contextmanager
def _no_service_started() -> Iterator[None]:
    """While packages are installed; an answer that somebody gave before stays theirs."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text(_NO_SERVICE)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _all_known_to_apt(packages: list[str]) -> bool:
    policy = subprocess.run(["apt-cache", "policy", *packages], capture_output=True, text=True).stdout
    return len(re.findall(r"^  Candidate: (?!\(none\))", policy, re.MULTILINE)) == len(packages)


def _apt(way: str, *packages: str) -> int:
    command = ["apt-get", way, "--yes", "-o", "DPkg::Lock::Timeout=300"]
    if way == "install":
        command += ["--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    return subprocess.run(
        [*command, *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
    ).returncode


# Python packages


def install_python_packages(for_tests: bool) -> None:
    """The virtual environment, exactly as locked, and the project itself on its path."""
    locks = ["requirements.txt", *(["requirements-dev.txt"] if for_tests else [])]
    wanted = {name: _digest(ROOT / name) for name in locks} | {"place": str(VENV)}
    stamp = VENV / "masterplan-setup.json"
    if _stamped(stamp, wanted) and _venv_works():
        return
    if not _venv_works() or json.loads(_text(stamp) or "{}").get("place", str(VENV)) != str(VENV):
        say("Making the virtual environment .venv")
        _quietly([sys.executable, "-m", "venv", "--clear", VENV], log="venv")
    say("Installing Python packages from the lock (the first time: a minute or two)")
    files = [part for name in locks for part in ("-r", str(ROOT / name))]
    pip = [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "install"]
    _follow(
        [*pip, "--require-hashes", "--only-binary=:all:", "--progress-bar=off", *files],
        log="pip",
        counted=r"^Collecting (\S+)",
        remedy="Is the package registry reachable? Then run again: it goes on where it stopped.",
    )
    _put_project_on_path()
    before = json.loads(_text(stamp) or "{}")
    stamp.write_text(json.dumps({**_still_true(before), **wanted}))


def _still_true(stamped: dict[str, str]) -> dict[str, str]:
    """Test packages that an earlier run installed from the same lock are there still."""
    return {
        name: digest
        for name, digest in stamped.items()
        if _text(ROOT / name) and digest == _digest(ROOT / name)
    }


def _venv_works() -> bool:
    try:
        return subprocess.run([VENV_PYTHON, "-c", "import pip"], capture_output=True).returncode == 0
    except OSError:
        return False


def _put_project_on_path() -> None:
    """What `pip install --editable` would do, without a build backend from a registry."""
    site_packages = subprocess.run(
        [VENV_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    (Path(site_packages) / "masterplan_project.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "masterplan"
    # `exec` from sh, since a #! line breaks on long paths and on spaces.
    program = 'import sys; sys.argv[0] = "masterplan"; from cli import main; sys.exit(main())'
    command.write_text(f"""#!/bin/sh\nexec {shlex.quote(str(VENV_PYTHON))} -P -c '{program}' "$@"\n""")
    command.chmod(0o755)


def _tool(name: str) -> str:
    return str(VENV / "bin" / name)


# Browser assets


def install_browser_assets(for_tests: bool) -> None:
    """What the browser loads from us, exactly as locked; Node and npm come with the Python packages."""
    wanted = {"package-lock.json": _digest(ROOT / "package-lock.json")} | (
        {"dev": "yes"} if for_tests else {}
    )
    stamp = NODE_MODULES / ".masterplan-setup.json"
    if _stamped(stamp, wanted):
        return
    say("Installing browser assets from the lock")
    _follow(
        [
            *_npm(),
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            *([] if for_tests else ["--omit=dev"]),
        ],
        log="npm",
        remedy="Is the package registry reachable? Then run again.",
    )
    stamp.write_text(json.dumps(wanted))


def _npm() -> list[str]:
    return [str(VENV_PYTHON), _tool("npm")]


# Stamps and children


def _stamped(stamp: Path, wanted: dict[str, str]) -> bool:
    return wanted.items() <= json.loads(_text(stamp) or "{}").items()


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _failing(checks: dict[str, list[str]]) -> list[str]:
    return [name for name, command in checks.items() if _checked(name, command)]


def _checked(name: str, command: list[str]) -> int:
    say(f"Checking: {name}")
    return subprocess.run(command, cwd=ROOT).returncode


def _quietly(command: Iterable[object], log: str) -> None:
    _follow(command, log=log, remedy="")


def _follow(command: Iterable[object], log: str, remedy: str, counted: str = "") -> None:
    """Run a talkative program: all it says goes to a log, here only how far it is."""
    file = LOGS / f"{log}.log"
    count, began = 0, time.monotonic()
    with file.open("w") as record:
        child = subprocess.Popen(
            [str(part) for part in command], cwd=ROOT, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            for line in child.stdout:
                record.write(line)
                if counted and (found := re.match(counted, line)):
                    count += 1
                    _show_count(count, found[1])
            code = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            _end_count(count)
    if code:
        last = "\n".join("    " + line for line in file.read_text().splitlines()[-12:])
        raise SetupFailed(f"It failed. The last lines of {file}:\n{last}\n  {remedy}")
    if time.monotonic() - began > 5:
        print(f"  done in {time.monotonic() - began:.0f} s")


def _show_count(count: int, name: str) -> None:
    if sys.stdout.isatty():
        print(f"\r    {count:4}  {name[:60]:<60}", end="", flush=True)
    elif count % 25 == 0:
        print(f"    {count} packages …", flush=True)


def _end_count(count: int) -> None:
    if count and sys.stdout.isatty():
        print("\r" + " " * 72 + "\r", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
