"""The commands about how much may be submitted without more ado."""

from __future__ import annotations

from typing import Annotated

import typer

from masterplan import console
from masterplan.commands import AsJson
from proposals.limits import KINDS, limits_now, set_limit

limits = typer.Typer(
    help="How many may be submitted within an hour: see it, change it.", no_args_is_help=True, rich_markup_mode=None
)

_MEANING = {
    "origin": "one origin, not signed in",
    "unknown": "all whose origin is not known, together",
    "account": "one account that is not staff",
}


@limits.command("list")
def list_limits(as_json: AsJson = False) -> None:
    """List the limits of submissions.

    With whom each counts.
    """
    console.table([{"limit": kind, "most": most, "within": "1 hour", "counts": _MEANING[kind]}
                   for kind, most in limits_now().items()], as_json)  # fmt: skip


@limits.command("set")
def set_one(
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="origin, unknown or account.")],
    most: Annotated[int, typer.Argument(metavar="MOST", help="Submissions within an hour.", min=1, max=1_000_000)],
) -> None:
    """Take at most MOST submissions within an hour.

    It holds at the next submission, in every process.
    """
    if limit not in KINDS:
        raise typer.BadParameter(f"{limit!r} is not {', '.join(KINDS[:-1])} or {KINDS[-1]}.", param_hint="LIMIT")
    set_limit(limit, most)
    console.say(f"at most {most} within an hour: {_MEANING[limit]}")
