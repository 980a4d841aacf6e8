"""`masterplan layers derive heat`, `wind` and `green-access`: what the climate of the city says, and who has green."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from layers.deriving_commands import TO_LAYER, Band, Official, Out, deliver, workshop
from masterplan import console

#: Sixteen points of the compass, as a rose's columns are headed.
_COMPASS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"]
_FILE = {"exists": True, "dir_okay": False, "readable": True}


def heat(
    scenes: Annotated[
        list[Path],
        typer.Argument(
            metavar="MTL…",
            help="MTL files (text or JSON) of Landsat 5, 7, 8 or 9, Level 1, with their band files beside.",
            **_FILE,
        ),
    ],
    built_up: Annotated[
        Path, typer.Option(metavar="FILE", help="Polygons of what is built up; rural is 500 m away from it.", **_FILE)
    ],
    out: Out = TO_LAYER,
    bounds: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N", help="Degrees to cut to; else the zone's own for the layer, and all of it for a file."
        ),
    ] = None,
    thermal_band: Annotated[
        str | None, typer.Option(metavar="NAME", help="10 or 11; 6_VCID_1 or 6_VCID_2; else the one that suits best.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="The scenes are without clouds: mask none.")] = False,
    smallest_ha: Annotated[
        float, typer.Option(min=0, metavar="HA", help="Smaller patches of a class go to their neighbour.")
    ] = 2,
    official: Official = False,
) -> None:
    """Surface heat against rural ground, from one or several Landsat scenes: heat.

    The raster beside it holds the anomaly, the surface temperature (°C) and the number of scenes.
    """
    from layers import heat as heating
    from layers.rasters import sha256_of
    from layers.vector_inputs import shapes_of
    from masterplan.place import place

    cut = _numbers(bounds, 4, "--bounds") if bounds else (place().bounds if out == TO_LAYER else None)
    shapes = [feature.geometry for feature in shapes_of(built_up, "Polygon")]
    town = heating.BuiltUp(shapes, built_up.name, sha256_of(built_up))
    files = [heating.read_scene(path, thermal_band, clouds=not clear) for path in scenes]
    with workshop() as folder:
        with console.progress("heat") as report:
            made = heating.derive(
                files, town, folder, bounds=cut, clouds=not clear, smallest_m2=smallest_ha * 10_000, progress=report
            )
        deliver([made], out, official)


def wind(
    station: Annotated[
        Path, typer.Argument(metavar="CSV", help="Hourly wind of a station: date and hour, direction, speed.", **_FILE)
    ],
    at: Annotated[str, typer.Option(metavar="LON,LAT", help="Where the station is, in degrees.")],
    name: Annotated[str, typer.Option(metavar="TEXT", help="What the station is called.")],
    out: Out = TO_LAYER,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="WHAT=COLUMN", help="What the file calls direction, speed, time or date; repeatable."
        ),
    ] = None,
    dates: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="How dates are written, as %d.%m.%Y; else found out.")
    ] = None,
    unit: Annotated[str, typer.Option(metavar="m/s|km/h|kt", help="The unit of the speeds.")] = "m/s",
    calm_below: Annotated[
        float, typer.Option(min=0, metavar="M/S", help="Hours with less wind are calm and have no direction.")
    ] = 0.5,
    roughness: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A GeoTIFF of roughness lengths in metres, for corridors.", **_FILE),
    ] = None,
    building_heights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Or one of heights of buildings in metres.", **_FILE)
    ] = None,
    band: Band = None,
    direction: Annotated[
        list[float] | None,
        typer.Option(
            min=0, max=360, metavar="DEGREES", help="Corridors along this wind (repeatable); else along what prevails."
        ),
    ] = None,
    length_m: Annotated[float, typer.Option(min=1, metavar="METRES", help="The least length of a corridor.")] = 1000,
    width_m: Annotated[float, typer.Option(min=1, metavar="METRES", help="The least width of a corridor.")] = 50,
    roughness_at_most: Annotated[
        float, typer.Option(min=0, metavar="METRES", help="The roughness length that still lets the wind through.")
    ] = 0.5,
    official: Official = False,
) -> None:
    """Prevailing wind by season from a station, and corridors for it: wind and ventilation_corridors.

    Prints the rose: hours by speed class and sector, with calm hours apart.
    """
    from layers import airflow
    from layers import wind as winds
    from layers.commands import pairs

    if unit not in winds.SPEED_UNITS:
        raise typer.BadParameter(f"use {', '.join(winds.SPEED_UNITS)}", param_hint="--unit")
    if roughness and building_heights:
        raise typer.BadParameter("bring roughness or heights, not both", param_hint="--building-heights")
    named = pairs(columns or [], "--map")
    if unknown := set(named) - {"direction", "speed", "time", "date"}:
        raise typer.BadParameter(f"“{min(unknown)}” is none of direction, speed, time, date", param_hint="--map")
    longitude, latitude = _numbers(at, 2, "--at")
    raw = station.read_bytes()
    record = winds.read_record(raw, station.name, named, dates, unit)
    known = airflow.Station(name, longitude, latitude, station.name, hashlib.sha256(raw).hexdigest())
    _tell_rose(winds.rose(record, calm_below=calm_below))
    made = [airflow.derive_wind(record, known, calm_below)]
    with workshop() as folder:
        if raster := roughness or building_heights:
            prevailing = winds.prevailing(record, station.name, calm_below=calm_below)
            along = direction or [each.direction_deg for each in prevailing]
            obstacles = airflow.Obstacles(raster, raster == building_heights, band)
            options = airflow.CorridorOptions(roughness_at_most, length_m, width_m)
            origin = () if direction else [(station.name, known.sha256)]
            with console.progress("ventilation_corridors") as report:
                made.append(airflow.derive_corridors(obstacles, along, options, folder, origin, report))
        deliver(made, out, official)


def green_access(
    green: Annotated[
        Path, typer.Argument(metavar="GREEN", help="Polygons of green spaces, status existing or proposed.", **_FILE)
    ],
    residents: Annotated[
        Path,
        typer.Argument(
            metavar="RESIDENTS", help="A GeoTIFF of residents a cell, or points with a column “residents”.", **_FILE
        ),
    ],
    out: Out = TO_LAYER,
    network: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lines of streets that people walk along.", **_FILE)
    ] = None,
    areas: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Polygons with names, to count apart, such as UATs.", **_FILE)
    ] = None,
    band: Band = None,
    distance_m: Annotated[float, typer.Option(min=1, metavar="METRES", help="What is near in a straight line.")] = 300,
    smallest_ha: Annotated[
        float, typer.Option(min=0, metavar="HA", help="The least size of a green space that counts.")
    ] = 0.5,
    minutes: Annotated[str, typer.Option(metavar="MINUTES", help="What is near on foot, with commas.")] = "5,10",
    official: Official = False,
) -> None:
    """Who has green space near, today and with what is proposed: green_reach.

    Prints the shares of residents, and how many gain.
    """
    from layers import green_access as access
    from layers import green_reach
    from layers.rasters import sha256_of
    from layers.vector_inputs import moved, shapes_of
    from masterplan.place import place

    options = green_reach.Options(distance_m, smallest_ha * 10_000, _numbers(minutes, None, "--minutes"))
    if min(options.minutes) <= 0:
        raise typer.BadParameter("more than 0", param_hint="--minutes")
    spaces = green_reach.spaces_of(green)
    people = green_reach.residents_of(residents, distance_m, band)
    files = [each for each in (green, network, areas) if each]
    streets = None
    if network:
        lines = [feature.geometry for feature in shapes_of(network, "LineString")]
        streets = access.network(moved(lines, place().storage_srid))
    with console.progress("green_reach") as report:
        answer = green_reach.derive(
            spaces, people, [(each.name, sha256_of(each)) for each in files], options, streets=streets,
            areas=green_reach.areas_of(areas) if areas else (),
            newest=date.fromtimestamp(max(each.stat().st_mtime for each in files)), progress=report,
        )  # fmt: skip
    console.table([_row(measure, area, tally) for (measure, area), tally in answer.tallies.items()], as_json=False)
    deliver([answer.derivation], out, official)


def _row(measure: str, area: str, tally) -> dict[str, object]:
    return {
        "area": area or "all", "near": measure, "residents": round(tally.residents),
        "existing": _percent(tally.share_existing), "with proposed": _percent(tally.share_with_proposed),
        "gain": round(tally.gained),
    }  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _tell_rose(rose) -> None:
    upper = [*(f"{bound:g}" for bound in rose.speed_bounds[1:]), None]
    rows = []
    for least, most, hours in zip(rose.speed_bounds, upper, rose.hours.tolist(), strict=True):
        rows.append({"m/s": f"{least:g}-{most}" if most else f"{least:g}+"} | dict(zip(_COMPASS, hours, strict=True)))
    console.table(rows, as_json=False)
    console.say(f"calm: {rose.calm} of {rose.total} hours, variable: {rose.variable}")


def _numbers(typed: str, count: int | None, option: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in typed.split(","))
    except ValueError:
        found = ()
    if not found or (count is not None and len(found) != count):
        raise typer.BadParameter(f"{count or 'some'} numbers with commas between them", param_hint=option)
    return found
