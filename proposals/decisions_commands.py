"""The commands of decisions."""

from __future__ import annotations

from typing import Annotated

import typer

from masterplan import console
from masterplan.actors import SYSTEM
from masterplan.database import transaction
from proposals import decisions as service

decisions = typer.Typer(
    help="Decisions: how long those concerned may answer.", no_args_is_help=True, rich_markup_mode=None
)


@decisions.callback()
def _group() -> None:
    """A group of commands, though there is only one as yet."""


@decisions.command("answer-days")
def answer_days(
    days: Annotated[
        int | None, typer.Argument(metavar="DAYS", min=0, max=365, help="0: they are not waited for.")
    ] = None,
) -> None:
    """Say, or set, how long those concerned may answer before a decision is published.

    It counts for decisions confirmed from now on; those confirmed already keep their date.
    """
    with transaction(SYSTEM) as connection:
        if days is not None:
            service.set_answer_days(connection, days)
        console.say(f"Those concerned have {service.answer_days(connection)} days to answer.")
