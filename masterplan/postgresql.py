"""Which PostgreSQL with PostGIS this machine has. Standard library only: the set-up script asks it too."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OLDEST_MAJOR = 15

#: Where Debian and Ubuntu, Fedora and the PostgreSQL yum packages, and Homebrew put the programs.
_USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_NEEDED = ("initdb", "pg_ctl", "postgres")


@dataclass(frozen=True, order=True)
class Installation:
    """The server programs of one major version that can load PostGIS."""

    major: int
    folder: Path

    def program(self, name: str) -> str:
        return str(self.folder / name)


def installations() -> list[Installation]:
    """Every usable PostgreSQL with PostGIS on this machine, newest first."""
    found = {Installation(major, folder) for folder in _folders() if (major := _usable_major(folder))}
    return sorted(found, reverse=True)


def _folders() -> Iterator[Path]:
    for pattern in _USUAL_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))
    if configured := _said_by("pg_config", "--bindir"):
        yield Path(configured)
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parent


def _usable_major(folder: Path) -> int | None:
    if not all((folder / name).exists() for name in _NEEDED):
        return None
    version = re.search(r"\s(\d+)", _said_by(str(folder / "postgres"), "--version"))
    major = int(version[1]) if version else 0
    return major if major >= OLDEST_MAJOR and _has_postgis(folder, major) else None


def _has_postgis(folder: Path, major: int) -> bool:
    shared = _said_by(str(folder / "pg_config"), "--sharedir") or f"/usr/share/postgresql/{major}"
    return (Path(shared) / "extension" / "postgis.control").exists()


def _said_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
