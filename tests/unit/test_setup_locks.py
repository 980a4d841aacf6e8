"""What is installed is what is locked, checked by hash, from whatever registry the machine uses."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")
CONFIGURATION = ("package.json", ".npmrc", "pyproject.toml", "Makefile", "scripts/setup.py", ".ci/run")
REGISTRIES = re.compile(r"pypi\.|pythonhosted|npmjs|registry\.\w|deb\.debian")


def entries(lock: str) -> list[str]:
    """One text for each requirement, continuation lines joined."""
    joined = (PROJECT_ROOT / lock).read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(file: str) -> set[str]:
    lines = (PROJECT_ROOT / file).read_text().splitlines()
    return {canonical(re.split(r"[\[<>=~;\s]", line)[0]) for line in lines if line and line[0] not in "#-"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"[\w.\-\[\],]+==[\w.!+]+( ;.*?)? +--hash=sha256:[0-9a-f]{64}", entry), entry[:100]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_no_address(lock: str) -> None:
    assert "://" not in (PROJECT_ROOT / lock).read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_holds_everything_asked_for(lock: str) -> None:
    locked = {canonical(re.split(r"[=\[]", entry)[0]) for entry in entries(lock)}
    assert asked_for(lock.replace(".txt", ".in")) <= locked


def test_the_two_locks_agree() -> None:
    versions = [
        dict(re.match(r"([\w.\-]+)\S*?==(\S+)", entry).groups() for entry in entries(lock)) for lock in LOCKS
    ]
    for name in versions[0].keys() & versions[1].keys():
        assert versions[0][name] == versions[1][name]


@pytest.mark.parametrize("file", [*LOCKS, "requirements.in", "requirements-dev.in", *CONFIGURATION])
def test_nothing_names_a_registry(file: str) -> None:
    assert not REGISTRIES.search((PROJECT_ROOT / file).read_text())


def test_the_npm_lock_names_hashes_and_no_addresses() -> None:
    packages = json.loads((PROJECT_ROOT / "package-lock.json").read_text())["packages"]
    wanted = json.loads((PROJECT_ROOT / "package.json").read_text())
    assert packages[""]["dependencies"] == wanted["dependencies"]
    installed = {name: facts for name, facts in packages.items() if name}
    assert set(wanted["dependencies"]) <= {name.removeprefix("node_modules/") for name in installed}
    for name, facts in installed.items():
        assert facts["integrity"].startswith("sha512-"), name
        assert "resolved" not in facts, name


def test_browser_assets_are_pinned_to_one_version() -> None:
    wanted = json.loads((PROJECT_ROOT / "package.json").read_text())
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


#: Folders and files of ours, and the list in which what they import has to stand by its own name.
APPLICATION = ("app.py", "cli.py", "masterplan", "layers", "proposals", "migrations")
AROUND_IT = ("tests", "bench", "scripts", "data")
#: Alternatives that the bench of terrain runs in a Python of their own.
NOT_OURS = {"pysheds", "whitebox_workflows"}


def imported(*places: str) -> set[str]:
    """The distributions behind every import, also inside functions; our own modules and Python's left out."""
    files = [
        file for place in places for file in sorted((PROJECT_ROOT / place).rglob("*.py")) or [PROJECT_ROOT / place]
    ]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    behind = importlib.metadata.packages_distributions()
    tops = {name.partition(".")[0] for name in names} - NOT_OURS
    return {canonical(behind[top][0]) for top in tops if top in behind}


def test_what_is_imported_is_asked_for_by_name() -> None:
    """Not only because something else happens to bring it."""
    assert imported(*APPLICATION) - asked_for("requirements.in") == set()
    everything = asked_for("requirements.in") | asked_for("requirements-dev.in")
    assert imported(*AROUND_IT) - everything == set()
    assert {"numpy", "starlette", "pillow", "pydantic-settings"} <= imported(*APPLICATION), "imports are found"
