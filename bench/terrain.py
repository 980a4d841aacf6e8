"""Terrain: seconds and peak memory of each stage on DEMs of a million to a hundred million cells, beside peers.

pysheds and Whitebox are not of this project. They run with another Python, named in MASTERPLAN_BENCH_PEERS:

    python3 -m venv peers
    peers/bin/pip install "pysheds==0.5" "numpy<2.4" "whitebox-workflows==2.0.6" rasterio
    MASTERPLAN_BENCH_PEERS=$PWD/peers/bin/python python -m bench --only terrain

pysheds 0.5 does not run on numpy 2.4 (it calls `np.in1d`), hence the older one. The wheel `whitebox` fetches its
program from the web on first use; `whitebox-workflows` brings the same tools within the wheel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.figures import Row, Section
from bench.worlds import PROJECT_ROOT, Say

SIDES, QUICK_SIDES = (1_000, 4_000, 10_000), (1_000,)
PEERS = ("pyflwdir", "pysheds", "whitebox")
_LIMIT_S = 1_800
_STAGES_FILE = Path(__file__).with_name("terrain_stages.py")


@dataclass(frozen=True)
class Found:
    """One stage of one tool."""

    seconds: float
    peak_mb: float


def measure(counts: Sequence[int], say: Say) -> Section:
    """The section; a short run (no 100,000 proposals asked for) measures the smallest DEM alone."""
    sides = SIDES if max(counts) >= 100_000 else QUICK_SIDES
    section = Section(
        "Terrain",
        "A made-up DEM of several octaves of noise on a slope, 10 m cells, float32. Each tool in a process of its own;"
        " compiled beforehand. Peak is the greatest resident memory during the stage, with all that is held from"
        " earlier stages. pyflwdir's own “fill” gives directions too, along the flood and not the steepest way;"
        " Whitebox holds float64.",
        counted="cells",
    )
    ours: dict[int, dict[str, Found]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            file = Path(folder) / f"{side}.npy"
            np.save(file, heights(side))
            found = {tool: _run(tool, file, say, section) for tool in ("ours", *PEERS)}
            ours[side] = found["ours"]
            _rows(section, side, found)
            file.unlink()
    for stage in ours[sides[0]]:
        if len(sides) > 1 and all(stage in ours[side] for side in sides):
            logs = np.log([side**2 for side in sides]), np.log([ours[side][stage].seconds for side in sides])
            exponent = float(np.polyfit(*logs, 1)[0])
            section.rows.append(Row(f"{stage}: seconds ∝ cells ^ this", max(sides) ** 2, "exponent", exponent))
    return section


def heights(side: int) -> np.ndarray:
    """Ground with hollows of every size that falls to the south; the same for the same side."""
    from scipy.ndimage import zoom

    dice = np.random.default_rng(7)
    ground = 400 + np.linspace(0.5 * side, 0, side, dtype=np.float32)[:, np.newaxis].repeat(side, axis=1)
    for wave in (8, 32, 128, 512):
        noise = dice.normal(size=(side // wave + 2,) * 2).astype(np.float32)
        ground += zoom(noise, wave, order=1)[:side, :side] * (wave / 4)
    return ground


def _run(tool: str, file: Path, say: Say, section: Section) -> dict[str, Found]:
    python = sys.executable if tool in ("ours", "pyflwdir") else os.environ.get("MASTERPLAN_BENCH_PEERS")
    if not python:
        _skip(section, f"{tool}: MASTERPLAN_BENCH_PEERS names no Python that has it (see bench/terrain.py)")
        return {}
    say(f"terrain: {tool} on {file.stem}²")
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT)}
    found: dict[str, Found] = {}
    try:
        done = subprocess.run(
            [python, str(_STAGES_FILE), tool, str(file)], capture_output=True, text=True, env=environment,
            timeout=_LIMIT_S,
        )  # fmt: skip
        lines, fault = done.stdout, (done.stderr.strip().splitlines() or ["killed"])[-1] if done.returncode else ""
    except subprocess.TimeoutExpired as late:
        lines, fault = (late.stdout or b"").decode(), f"not done within {_LIMIT_S} s"
    for line in lines.splitlines():
        said = json.loads(line)
        found[said["stage"]] = Found(said["seconds"], said["peak_mb"])
    if fault:
        _skip(section, f"{tool} on {file.stem}²: {fault[:200]}")
    return found


def _skip(section: Section, reason: str) -> None:
    if reason not in section.skipped:
        section.skipped.append(reason)


def _rows(section: Section, side: int, found: dict[str, dict[str, Found]]) -> None:
    for stage, mine in found["ours"].items():
        peers = {tool: found[tool][stage] for tool in PEERS if stage in found[tool]} or {"": None}
        for tool, theirs in peers.items():
            seconds = theirs.seconds if theirs else None
            section.rows.append(Row(stage, side**2, "s", mine.seconds, tool, seconds))
        for tool, theirs in peers.items():
            peak = theirs.peak_mb if theirs else None
            section.rows.append(Row(stage, side**2, "MB peak", mine.peak_mb, tool, peak))
