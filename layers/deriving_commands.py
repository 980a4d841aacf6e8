"""The commands that derive layers from rasters: `masterplan layers derive …`.

Each makes derivations (`layers.derived.Derivation`) in a folder of its own and hands them to `deliver`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from masterplan import console

derive = typer.Typer(
    help="Derive layers of the plan from rasters and measurements.", no_args_is_help=True, rich_markup_mode=None
)

#: What `--out` says for: make it the current version of the layer, in the database.
TO_LAYER = "layer"



def _checked(out: str) -> str:
    if out != TO_LAYER and Path(out).suffix != ".geojson":
        raise typer.BadParameter("use layer, or the name of a file that ends in .geojson")
    return out


Out = Annotated[
    str,
    typer.Option(
        callback=_checked,
        metavar="layer|FILE.geojson",
        help="“layer” makes it the layer's new version; a file name writes GeoJSON, with the rasters beside it.",
    ),
]
Official = Annotated[
    bool, typer.Option("--official", help="The input is official: what comes of it is not marked as indicative.")
]
Band = Annotated[int | None, typer.Option(min=1, metavar="N", help="The band to read, where the file has several.")]
Raster = Annotated[
    Path, typer.Argument(metavar="DEM", help="Heights in metres, a GeoTIFF in any coordinate system.",
                         exists=True, dir_okay=False, readable=True),
]  # fmt: skip


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder for rasters in the making, gone afterwards."""
    with TemporaryDirectory(prefix="masterplan-derive-") as folder:
        yield Path(folder)


def deliver(derivations: Sequence, out: str, official: bool) -> None:
    """Load what was derived as layers, or write it to files; says what came of it.

    With files, the first layer gets the name itself and each further one the name with its id:
    `water.geojson`, `water.flow_paths.geojson`.
    """
    from layers import derived

    for position, derivation in enumerate(derivations):
        if out == TO_LAYER:
            report = derived.publish(derivation, official)
            for issue in report.issues:
                console.remark(f"{issue.outcome}: {console.one_line(issue.message('en'))}")
            loaded = report.loaded
            change = f"opened {loaded.opened}, closed {loaded.closed}, " if loaded.changed else ""
            console.say(f"{loaded.layer_id}: version {loaded.version}, {change}unchanged {loaded.unchanged}")
            continue
        file = Path(out)
        if position:
            file = file.with_name(f"{file.stem}.{derivation.layer}.geojson")
        for written in derived.write_files(derivation, file):
            console.say(f"{derivation.layer}: {written}")


@derive.command()
def stormwater(
    dem: Raster,
    out: Out = TO_LAYER,
    band: Band = None,
    condition: Annotated[
        str, typer.Option(metavar="fill|breach", help="Fill depressions, or cut a channel out of them, before routing.")
    ] = "fill",
    thresholds: Annotated[
        str,
        typer.Option(metavar="LOW,MEDIUM,HIGH", help="Upstream area in km² from which accumulation is each of these."),
    ] = "0.05,0.5,5",
    smallest: Annotated[
        int, typer.Option(min=1, metavar="CELLS", help="Areas of fewer cells are given to their neighbour.")
    ] = 9,
    storm_mm: Annotated[
        float | None, typer.Option(min=0, metavar="MM", help="Depth of a design storm; needs --land-cover.")
    ] = None,
    land_cover: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A GeoTIFF with ESA WorldCover codes.", exists=True, dir_okay=False),
    ] = None,
    soil_group: Annotated[
        str, typer.Option(metavar="A|B|C|D", help="Hydrologic soil group, from sand (A) to clay (D).")
    ] = "C",
    official: Official = False,
) -> None:
    """Where rainwater gathers, from heights: stormwater, flow_paths and depressions.

    The whole raster is held in memory; when that is short the command says so before it begins.
    """
    from layers.terrain import stormwater as terrain

    if condition not in ("fill", "breach"):
        raise typer.BadParameter("use fill or breach", param_hint="--condition")
    if soil_group not in tuple("ABCD"):
        raise typer.BadParameter("use A, B, C or D", param_hint="--soil-group")
    options = terrain.Options(
        conditioning=condition, thresholds_km2=_three_numbers(thresholds), smallest_cells=smallest,
        storm_mm=storm_mm, land_cover=land_cover, soil_group=soil_group,
    )  # fmt: skip
    with workshop() as folder:
        with console.progress("stormwater") as report:
            made = terrain.derive(dem, options, folder, band, report)
        deliver(made, out, official)


@derive.command()
def relief(
    dem: Raster,
    out: Out = TO_LAYER,
    band: Band = None,
    surroundings_m: Annotated[
        float, typer.Option(min=1, metavar="METRES", help="How far around a place it is compared, to tell landforms.")
    ] = 500,
    smallest: Annotated[
        int, typer.Option(min=1, metavar="CELLS", help="Areas of fewer cells are given to their neighbour.")
    ] = 25,
    official: Official = False,
) -> None:
    """Slope classes with altitude and landform, from heights: relief.

    The raster beside it holds slope (%), aspect, hillshade, landform and altitude.
    """
    from layers.terrain import relief as terrain

    options = terrain.Options(surroundings_m=surroundings_m, smallest_cells=smallest)
    with workshop() as folder:
        with console.progress("relief") as report:
            made = terrain.derive(dem, options, folder, band, report)
        deliver(made, out, official)


def _three_numbers(typed: str) -> tuple[float, float, float]:
    try:
        low, medium, high = (float(part) for part in typed.split(","))
    except ValueError:
        raise typer.BadParameter("three numbers with commas between them", param_hint="--thresholds") from None
    return low, medium, high


# Further commands live in modules of their own and are registered here: derive.command("name")(function).
