"""The commands of the audit: whether the history is whole, and what is in it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from masterplan import audit as history
from masterplan import console
from masterplan.actors import SYSTEM
from masterplan.commands import AsJson
from masterplan.database import transaction

audit = typer.Typer(
    help="The history of what was done: verify its chain, list it.", no_args_is_help=True, rich_markup_mode=None
)


@audit.command()
def verify(
    head: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:HASH", help="What an earlier run said, kept elsewhere: it must still be there."),
    ] = None,
) -> None:
    """Compute the chain of events again, and say whether the past is as it was written.

    Ends with status 1 and names the first event that is wrong. Keep the head that it says in another place: a
    history that was cut off at its end, or written anew as a whole, is only noticed against one.
    """
    remembered = history.head_of(head) if head is not None else None
    with transaction(SYSTEM) as connection:
        found = history.verify(connection, remembered)
    if found.fault is not None:
        console.remark(f"error: {found.fault}")
        raise typer.Exit(1)
    console.say(f"The history is whole: {found.head.number} events. Its head: {found.head}")


@audit.command("list")
def list_events(
    newest: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest events: when, what, about what, by whom.

    WHO is the number of an account (masterplan users list), empty where nobody was signed in.
    """
    with transaction(SYSTEM) as connection:
        rows = [asdict(event) for event in history.newest(connection, newest)]
    console.table(rows, as_json)
