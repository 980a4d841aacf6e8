"""Everything as GeoJSON: seconds and peak memory, against psql with ST_AsGeoJSON and geopandas.to_file."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import worlds
from bench.figures import Goal, Row, Section
from bench.worlds import PROJECT_ROOT, Broken, Say
from masterplan.database import admin_url

RUNS = 3
MOST_TIMES = 2.0
#: Python's own memory wanders by some per cent from run to run.
MOST_MEMORY_GROWTH = 0.10
_ROWS = (Path(__file__).with_name("export_rows.sql")).read_text(encoding="utf-8")

METHOD = f"""\
Each is a child process of its own, start of Python included, that writes all proposals with every criterion to a
file: `masterplan proposals export -o FILE`; `psql` with `ST_AsGeoJSON` of the same columns (`bench/export_rows.sql`)
read by a cursor (`FETCH_COUNT`); `geopandas.read_postgis` of the same query and `to_file` (it must write the criteria
as text). Median of {RUNS} runs (geopandas: one). Memory is the peak resident size of that child; the database
server's is not counted. Ours goes through row-level security, the others are superuser; ours makes one valid RFC
7946 collection, psql a feature a line."""


@dataclass
class _Run:
    seconds: float
    megabytes: float
    file_megabytes: float


def measure(counts: Sequence[int], say: Say) -> Section:
    section = Section("4. Exporting everything as GeoJSON", METHOD)
    ours: dict[int, _Run] = {}
    psql: dict[int, _Run] = {}
    for count in counts:
        say(f"Exporting {count:,} proposals three ways")
        worlds.use(worlds.world_of(count))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "export.geojson"
            ours[count] = _median([_ours(file) for _ in range(RUNS)])
            psql[count] = _median([_psql(file, Path(folder)) for _ in range(RUNS)])
            geopandas = _geopandas(file)
        for name, theirs in (("psql, ST_AsGeoJSON", psql[count]), ("geopandas.to_file", geopandas)):
            note = f"files: {ours[count].file_megabytes:,.1f} MB, {theirs.file_megabytes:,.1f} MB"
            section.rows += [
                Row("time", count, "s", ours[count].seconds, name, theirs.seconds, note),
                Row("peak memory", count, "MB", ours[count].megabytes, name, theirs.megabytes),
            ]
    section.goals = _goals(ours, psql)
    return section


def _goals(ours: dict[int, _Run], psql: dict[int, _Run]) -> list[Goal]:
    most, full = max(ours), max(ours) >= 100_000
    times = ours[most].seconds / psql[most].seconds
    goals = [Goal("within 2 × psql", f"× {times:.2f} at {most:,}", times <= MOST_TIMES if full else None)]
    fewer = sorted(ours)[-2]
    growth = ours[most].megabytes / ours[fewer].megabytes - 1
    found = f"{ours[fewer].megabytes:.0f} → {ours[most].megabytes:.0f} MB ({growth:+.1%})"
    flat = growth <= MOST_MEMORY_GROWTH if full else None
    return [*goals, Goal(f"memory flat from {fewer:,} to {most:,} (≤ 10 %)", found, flat)]


def _median(runs: list[_Run]) -> _Run:
    return _Run(*(statistics.median(getattr(run, name) for run in runs) for name in _Run.__dataclass_fields__))


def _ours(file: Path) -> _Run:
    return _child([sys.executable, "cli.py", "proposals", "export", "-o", str(file)], file)


def _geopandas(file: Path) -> _Run:
    return _child([sys.executable, "bench/export_geopandas.py", str(file)], file)


def _psql(file: Path, folder: Path) -> _Run:
    script = folder / "export.sql"
    script.write_text(f"\\set FETCH_COUNT 1000\nSET timezone = 'UTC';\n"
                      f"SELECT ST_AsGeoJSON(r.*, 'geometry', 7) FROM (\n{_ROWS}) r;\n")  # fmt: skip
    url = admin_url()
    login = {
        "PGHOST": url.query["host"], "PGPORT": url.query["port"],
        "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database,
    }  # fmt: skip
    return _child(["psql", "-XqAt", "-f", str(script), "-o", str(file)], file, login)


def _child(command: list[str], file: Path, environment: dict[str, str] | None = None) -> _Run:
    """Run to the end, apart from this process and its memory."""
    file.unlink(missing_ok=True)
    ended = subprocess.run(
        [sys.executable, "-IS", "bench/peak.py", *command],
        cwd=PROJECT_ROOT, env=os.environ | (environment or {}), capture_output=True,
    )  # fmt: skip
    found = json.loads(ended.stdout)
    if found["status"]:
        raise Broken(f"{command[:3]} failed: {ended.stderr.decode(errors='replace')[-2000:]}")
    # Linux tells kilobytes, macOS bytes.
    peak = found["peak"] / (1024 if sys.platform == "linux" else 1024**2)
    return _Run(found["seconds"], peak, file.stat().st_size / 1e6)
