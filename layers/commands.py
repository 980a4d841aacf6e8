"""The commands of the layers: what is loaded, and loading."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import text

from layers import climate_commands
from layers.catalogue import catalogue
from layers.deriving_commands import derive
from layers.loading import Options, load_file, load_shipped
from layers.store import Loaded
from masterplan import console
from masterplan.actors import SYSTEM
from masterplan.commands import AsJson
from masterplan.database import transaction

layers = typer.Typer(
    help="The layers of the plan: list them, load them, derive them.", no_args_is_help=True, rich_markup_mode=None
)
layers.add_typer(derive, name="derive")
derive.command()(climate_commands.heat)
derive.command()(climate_commands.wind)
derive.command("green-access")(climate_commands.green_access)

_LIST = text("""
    SELECT l.id, l.group_id AS "group", l.kind, l.geometry_type AS geometry, l.version,
    l.indicative, l.accuracy_m,
        (SELECT count(*) FROM masterplan.current_feature f WHERE f.layer_id = l.id) AS features,
        l.source, l.source_date, l.loaded_at
    FROM masterplan.layer l ORDER BY l.position, l.id
""")


@layers.command("list")
def list_layers(as_json: AsJson = False) -> None:
    """List the loaded layers: version, features, source, date.

    Also names those that are not loaded yet.
    """
    with transaction(SYSTEM) as connection:
        rows = [dict(row) for row in connection.execute(_LIST).mappings()]
    console.table(rows, as_json)
    missing = [layer for layer in catalogue().layers if layer.id not in {row["id"] for row in rows}]
    if shipped := [layer.id for layer in missing if layer.shipped]:
        console.remark(f"not loaded: {', '.join(shipped)}. Load them: masterplan layers load")
    if derived := [layer.id for layer in missing if not layer.shipped]:
        console.remark(f"not derived yet: {', '.join(derived)}. See masterplan layers derive --help")


@layers.command()
def load(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="GeoJSON, GeoPackage or CSV (lon, lat). Without it, every shipped layer is loaded.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The layer that the file becomes, as layers list names it; needed with FILE."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where the file comes from; shown on the map.")
    ] = None,
    source_date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="The date that the file is of.")
    ] = None,
    official: Annotated[
        bool,
        typer.Option(
            "--official",
            help="The file is the official one: no longer marked as an indicative sketch, and gates measured on"
            " it may fail a proposal.",
        ),
    ] = False,
    accuracy_m: Annotated[
        float | None,
        typer.Option(min=0, metavar="METRES", help="How far a drawn edge may lie from the true one."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="ATTRIBUTE=COLUMN",
            help="Which column of the file holds an attribute of the layer, as population=POP2021; repeatable, or"
            " several with commas.",
        ),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column with the feature's stable id.")
    ] = None,
) -> None:
    """Load a file as the new version of a layer, or every shipped layer.

    A new version closes the old rows and opens new ones in one transaction; nothing is overwritten,
    and running servers show it within seconds. Loading what is there already changes nothing.
    """
    options = Options(
        source=source,
        source_date=_day(source_date),
        official=official,
        accuracy_m=accuracy_m,
        columns=pairs(columns or [], "--map"),
        id_column=id_column,
    )
    if file is None:
        if layer is not None or options != Options():
            raise typer.BadParameter("These options describe a FILE: masterplan layers load FILE --layer ID")
        load_shipped(_tell)
        return
    if layer is None:
        raise typer.BadParameter("Say which layer the file becomes: --layer ID (see masterplan layers list)")
    report = load_file(file, layer, options)
    for issue in report.issues:
        where = f"row {issue.row}" if issue.row else "file"
        console.remark(f"{issue.outcome}: {where}: {console.one_line(issue.message('en'))}")
    _tell(report.loaded)


def _tell(loaded: Loaded) -> None:
    change = f"opened {loaded.opened}, closed {loaded.closed}, " if loaded.changed else ""
    console.say(f"{loaded.layer_id}: version {loaded.version}, {change}unchanged {loaded.unchanged}")


def _day(typed: str | None) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        sentence = f"“{typed}” is not a date; write YYYY-MM-DD."
        raise typer.BadParameter(sentence, param_hint="--source-date") from None


def pairs(given: list[str], option: str) -> dict[str, str]:
    """`a=b` pairs, one or several (with commas) an option."""
    found = {}
    for pair in (part for each in given for part in each.split(",") if part.strip()):
        name, equals, value = (piece.strip() for piece in pair.partition("="))
        if not (name and equals and value):
            raise typer.BadParameter(f"“{pair.strip()}” is not of the form NAME=COLUMN.", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"“{name}” is given twice.", param_hint=option)
        found[name] = value
    return found
