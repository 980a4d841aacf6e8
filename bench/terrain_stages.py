"""One tool's stages on one DEM, in a process of its own: seconds and peak memory of each as JSON.

`python bench/terrain_stages.py TOOL HEIGHTS.npy`. Peers run with a Python that has them installed, so this file
imports nothing of ours before it is told to. Every stage runs once on a small grid first: compilation is not counted.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

CELL_M = 10.0
Stages = dict[str, Callable[[], object]]


def ours(heights: np.ndarray) -> Stages:
    from layers import gdal_lock

    gdal_lock.lock()
    import rasterio
    from rasterio.transform import from_origin

    from layers.rasters import Grid
    from layers.terrain import relief, routing, stormwater

    rows, columns = heights.shape
    on = Grid(rasterio.CRS.from_epsg(3844), from_origin(690_000, 635_000, CELL_M, CELL_M), columns, rows)
    made: dict[str, object] = {}
    folder = Path(tempfile.mkdtemp())
    dem = folder / "dem.tif"
    with rasterio.open(
        dem, "w", driver="GTiff", width=columns, height=rows, count=1, dtype="float32", crs=on.crs,
        transform=on.transform, tiled=True,
    ) as file:  # fmt: skip
        file.write(heights, 1)
    keep = made.__setitem__
    return {
        "fill": lambda: keep("ground", routing.condition(heights)),
        "direction": lambda: keep("d8", routing.flow_directions(made["ground"], on)),
        "accumulation": lambda: keep("area", routing.upstream_area(made["d8"], on)),
        "multiple flow": lambda: keep("spread", routing.spread_area(made["ground"], on)),
        "depressions": lambda: routing.depressions(made["ground"], on),
        "wetness": lambda: stormwater.wetness_index(made["spread"], heights, on),
        "relief, windowed, with COG": lambda: (made.clear(), relief.surface(dem, folder / "out.tif", relief.Options())),
    }


def pyflwdir(heights: np.ndarray) -> Stages:
    from pyflwdir import dem, from_array

    made: dict[str, object] = {}
    keep = made.__setitem__
    return {
        # It gives heights and directions at once.
        "fill": lambda: keep("d8", dem.fill_depressions(heights, nodata=np.nan)[1]),
        "direction": lambda: keep("flow", from_array(made["d8"], ftype="d8", check_ftype=False)),
        "accumulation": lambda: made["flow"].upstream_area("cell"),
    }


def pysheds(heights: np.ndarray) -> Stages:
    from affine import Affine
    from pysheds.grid import Grid
    from pysheds.view import Raster, ViewFinder

    view = ViewFinder(
        affine=Affine(CELL_M, 0, 690_000, 0, -CELL_M, 635_000), shape=heights.shape, crs="EPSG:3844",
        nodata=np.float32(-9999),
    )  # fmt: skip
    on, made = Grid(viewfinder=view), {"dem": Raster(heights, view)}
    keep = made.__setitem__
    return {
        "fill": lambda: keep("filled", on.resolve_flats(on.fill_depressions(on.fill_pits(made["dem"])))),
        "direction": lambda: keep("d8", on.flowdir(made["filled"])),
        "accumulation": lambda: on.accumulation(made["d8"]),
        "multiple flow": lambda: on.accumulation(on.flowdir(made["filled"], routing="mfd"), routing="mfd"),
    }


def whitebox(heights: np.ndarray) -> Stages:
    import rasterio
    import whitebox_workflows
    from rasterio.transform import from_origin

    path = Path(tempfile.mkdtemp()) / "dem.tif"
    rows, columns = heights.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=columns, height=rows, count=1, dtype="float32", crs="EPSG:3844",
        transform=from_origin(690_000, 635_000, CELL_M, CELL_M),
    ) as file:  # fmt: skip
        file.write(heights, 1)
    environment = whitebox_workflows.WbEnvironment()
    environment.verbose = False
    water, made = environment.hydrology, {"dem": environment.read_raster(str(path))}
    keep = made.__setitem__
    return {
        "fill": lambda: keep("filled", water.depressions_storage.fill_depressions_wang_and_liu(dem=made["dem"])),
        "direction": lambda: keep("d8", water.d8_pointer(dem=made["filled"])),
        "accumulation": lambda: water.d8_flow_accum(input=made["d8"], input_is_pointer=True, out_type="cells"),
        "multiple flow": lambda: water.fd8_flow_accum(dem=made["filled"]),
    }


TOOLS = {"ours": ours, "pyflwdir": pyflwdir, "pysheds": pysheds, "whitebox": whitebox}


def peak_mb() -> float:
    """Greatest resident memory since it was last forgotten; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1000 if found else 0.0


def forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def main() -> None:
    tool, file = TOOLS[sys.argv[1]], Path(sys.argv[2])
    heights = np.load(file)
    for stage in tool(np.ascontiguousarray(heights[:64, :64])).values():
        stage()
    for name, stage in tool(heights).items():
        forget_peak()
        began = time.perf_counter()
        stage()
        seconds = time.perf_counter() - began
        print(json.dumps({"stage": name, "seconds": seconds, "peak_mb": peak_mb()}), flush=True)


if __name__ == "__main__":
    main()
