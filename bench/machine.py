"""What the figures were measured on: commit, machine and versions, without names of people, hosts or folders."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text

from bench.worlds import PROJECT_ROOT, use, world_of
from masterplan.actors import SYSTEM
from masterplan.database import transaction

_PACKAGES = ("streamlit", "streamlit-folium", "folium", "geopandas", "pyogrio", "shapely", "psycopg", "playwright")


def described() -> list[str]:
    """One line a fact."""
    return [
        f"commit {commit()}",
        f"date {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"machine: {_processor()}, {os.cpu_count()} cores, {_memory()}; load {os.getloadavg()[0]:.1f} over the last"
        " minute of the run",
        f"{_system()}, Python {platform.python_version()}, {_database()}",
        ", ".join(f"{name} {version(name)}" for name in _PACKAGES) + f", {_chromium()}",
    ]


def commit() -> str:
    """The commit, and whether what ran differs from it."""
    status = _said("git", "status", "--porcelain", "--", "*.py", "*.sql", "*.js", "data")
    changed = [line for line in status.splitlines() if line[3:].split("/")[0] not in ("tests", "docs")]
    return _said("git", "rev-parse", "--short=12", "HEAD") + (" with uncommitted changes" if changed else "")


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=30).stdout.rstrip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _processor() -> str:
    return _after("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()


def _memory() -> str:
    kilobytes = _after("/proc/meminfo", "MemTotal").split(" ")[0]
    return f"{int(kilobytes) / 1024**2:.0f} GB" if kilobytes else "memory unknown"


def _after(file: str, name: str) -> str:
    """The value of the first line `name : value`, or nothing where the system has no such file."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.platform(terse=True)


def _database() -> str:
    use(world_of(0))
    with transaction(SYSTEM) as connection:
        server = connection.scalar(text("SELECT current_setting('server_version')"))
        postgis = connection.scalar(text("SELECT postgis_lib_version()"))
    return f"PostgreSQL {server}, PostGIS {postgis}"


def _chromium() -> str:
    return _said("chromium", "--version").strip() or "Chromium"
