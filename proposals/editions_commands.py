"""The commands of editions: list them, compare two, set the calendar, publish the draft, export one."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from layers import editions as service
from layers.editions import Calendar, Difference, Edition
from masterplan import console
from masterplan.actors import SYSTEM
from masterplan.commands import AsJson
from masterplan.database import transaction
from masterplan.files import write_file
from proposals.plan_changes import Cause, causes

editions = typer.Typer(
    help="Editions of the plan: one sequence of whole numbers, one draft at a time.", no_args_is_help=True,
    rich_markup_mode=None,
)  # fmt: skip

_DAY = "%Y-%m-%d"


@editions.command("list")
def list_editions(as_json: AsJson = False) -> None:
    """List every edition, the newest first, with its calendar and the hash of its export."""
    with transaction(SYSTEM) as connection:
        found = service.editions(connection)
    console.table([_as_row(each) for each in found], as_json)


def _as_row(each: Edition) -> dict[str, Any]:
    return {
        "edition": each.id, "label": each.label, "status": each.status, "published_at": each.published_at,
        "opens_on": each.opens_on, "closes_on": each.closes_on, "adopting_act": each.adopting_act,
        "sha256": each.sha256,
    }  # fmt: skip


@editions.command()
def calendar(
    label: Annotated[str | None, typer.Option(help="What the draft is called.")] = None,
    opens: Annotated[
        datetime | None, typer.Option(formats=[_DAY], metavar="DAY", help="The first day of its consultation.")
    ] = None,
    closes: Annotated[
        datetime | None,
        typer.Option(formats=[_DAY], metavar="DAY", help="Its last day, at least 10 days after the first."),
    ] = None,
    minutes: Annotated[str | None, typer.Option(help="Where its minutes are to be read.")] = None,
    act: Annotated[str | None, typer.Option(help="The act that adopts it.")] = None,
    note: Annotated[str | None, typer.Option(help="What else is to be said of it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say, or set, the calendar of the draft; what is not given stays."""
    with transaction(SYSTEM) as connection:
        now = service.draft(connection)
        given = Calendar(
            now.label if label is None else label, _day(opens, now.opens_on), _day(closes, now.closes_on),
            now.minutes if minutes is None else minutes, now.adopting_act if act is None else act,
            now.note if note is None else note,
        )  # fmt: skip
        service.set_calendar(connection, given)
        planned = service.draft(connection)
    console.table([{"edition": planned.id} | asdict(given)], as_json)


def _day(given: datetime | None, otherwise: date | None) -> date | None:
    return otherwise if given is None else given.date()


@editions.command()
def diff(
    before: Annotated[int, typer.Argument(metavar="A", help="The edition to compare.")],
    after: Annotated[int, typer.Argument(metavar="B", help="The edition to compare it with.")],
    as_json: AsJson = False,
) -> None:
    """What B holds otherwise than A: features added, removed, moved, changed, and which proposal caused it.

    Of evidence, the layers that the two were measured on in different versions.
    """
    with transaction(SYSTEM) as connection:
        found = service.differences(connection, before, after)
        evidence = service.evidence_changes(connection, before, after)
        known = causes(connection, {each.proposal_id for each in found if each.proposal_id})
    rows = [_difference_row(each, known) for each in found]
    if as_json:
        versions = [{"layer": layer, "version_before": was, "version_after": now} for layer, was, now in evidence]
        console.json({"before": before, "after": after, "features": rows, "evidence": versions})
        return
    for row in rows:
        row["fields"] = ", ".join(row["fields"])
        del row["reason_ro"], row["reason_en"], row["lon"], row["lat"]
    console.table(rows, as_json=False)
    for layer, was, now in evidence:
        console.say(f"evidence: {layer}: version {was or 'none'} -> {now or 'none'}")


def _difference_row(each: Difference, known: dict[int, Cause]) -> dict[str, Any]:
    cause = known.get(each.proposal_id)
    lon, lat = each.point
    return {
        "what": each.what, "layer": each.layer_id, "feature": each.feature_id, "name": each.name_ro,
        "proposal": cause.receipt if cause else None,
        "fields": {name: {"before": was, "after": now} for name, (was, now) in each.fields.items()},
        "reason_ro": cause.reason["ro"] if cause else None, "reason_en": cause.reason["en"] if cause else None,
        "lon": round(lon, 7), "lat": round(lat, 7),
    }  # fmt: skip


@editions.command()
def publish(
    next_label: Annotated[str, typer.Option(help="What the draft after it is called.")] = "",
    as_json: AsJson = False,
) -> None:
    """Publish the draft: it is frozen with its export, and the next draft opens."""
    with transaction(SYSTEM) as connection:
        published = service.publish(connection, next_label)
    if as_json:
        console.json(_as_row(published))
    else:
        console.say(f"Edition {published.id} is published. SHA-256 of its export: {published.sha256}")


@editions.command()
def export(
    number: Annotated[int, typer.Argument(metavar="ID", help="The number of the edition.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="The GeoJSON file to write; - is standard output.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write the GeoJSON of a published edition, the same bytes every time."""
    with transaction(SYSTEM) as connection:
        content = service.stored_export(connection, number)
        sha256 = service.edition(connection, number).sha256
    write_file(_whole(content), output)
    told = {"edition": number, "file": output, "bytes": len(content), "sha256": sha256}
    if output == "-":
        return
    if as_json:
        console.json(told)
    else:
        console.say(f"Written: {output} ({len(content)} bytes, SHA-256 {sha256})")


def _whole(content: bytes) -> Generator[bytes, None, None]:
    yield content
