"""What GDAL may open, as the two copies of GDAL themselves tell it in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layers import gdal_lock

ROOT = Path(__file__).resolve().parents[2]


def ask(code: str) -> object:
    """What `code` prints as JSON in a fresh Python that has locked GDAL."""
    program = f"from layers import gdal_lock\ngdal_lock.lock()\nimport json\n{code}"
    environ = {name: value for name, value in os.environ.items() if name not in gdal_lock.environment()}
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert answer.stderr == ""
    return json.loads(answer.stdout)


def test_pyogrio_offers_nothing_outside_the_allow_list() -> None:
    drivers = ask("import pyogrio\nprint(json.dumps(list(pyogrio.list_drivers())))")
    assert set(drivers) == {"GeoJSON", "GPKG", "MEM"}
    assert set(drivers) <= gdal_lock.ALLOWED_DRIVERS


def test_rasterio_offers_nothing_outside_the_allow_list() -> None:
    drivers = ask("from rasterio.env import Env\nwith Env() as e: print(json.dumps(list(e.drivers())))")
    assert {"GTiff", "COG"} <= set(drivers) <= gdal_lock.ALLOWED_DRIVERS


def test_the_reading_child_has_geopackage_alone() -> None:
    code = (
        "gdal_lock.lock(frozenset({'GPKG'}))\n"
        "import pyogrio\nprint(json.dumps(list(pyogrio.list_drivers())))"
    )
    assert ask(code) == ["GPKG"]


def test_a_vrt_in_disguise_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "target.csv").write_text("lon,lat\n27.6,47.16\n")
    disguised = tmp_path / "innocent.geojson"
    disguised.write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='target'><SrcDataSource>"
        f"{tmp_path}/target.csv</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    code = (
        "import pyogrio, pyogrio.errors\n"
        f"try: pyogrio.read_info({str(disguised)!r}); print(json.dumps('opened'))\n"
        "except pyogrio.errors.DataSourceError: print(json.dumps('refused'))"
    )
    assert ask(code) == "refused"


def test_a_late_lock_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio", sys)
    with pytest.raises(RuntimeError, match="after importing"):
        gdal_lock.lock(environ={})


def test_a_second_lock_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    environ: dict[str, str] = {}
    for name in ("pyogrio", "rasterio", "fiona", "osgeo"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    gdal_lock.lock(environ=environ)
    monkeypatch.setitem(sys.modules, "pyogrio", sys)
    gdal_lock.lock(environ=environ)
    assert environ["PROJ_NETWORK"] == "OFF"


def test_a_driver_outside_the_list_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="WFS"):
        gdal_lock.skipped_drivers(frozenset({"GPKG", "WFS"}))
