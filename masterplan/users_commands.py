"""The commands about people: who may do what, also before anybody could sign in."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from masterplan import accounts, console
from masterplan.actors import SYSTEM, Role

users = typer.Typer(
    help="Accounts: grant a role, take it back, disable, list.", no_args_is_help=True, rich_markup_mode=None
)

Who = Annotated[str, typer.Argument(metavar="WHO", help="An e-mail address, or the number of an account.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of columns.")]


@users.command()
def grant(
    who: Who,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="uat, planner or administrator.")],
    uat: Annotated[list[str] | None, typer.Option(help="SIRUTA code that a representative speaks for; repeat.")] = None,
) -> None:
    """Give WHO a role, in place of the one they had.

    An address that has not signed in yet is invited for 30 days: the role binds at the first sign-in with
    this address, if the provider has verified it. The first administrator is made this way.
    """
    if role not in {granted.value for granted in accounts.GRANTED}:
        raise typer.BadParameter(f"{role!r} is not uat, planner or administrator.", param_hint="ROLE")
    invited = accounts.grant(who, Role(role), tuple(uat or ()), SYSTEM)
    if invited:
        console.say(f"{who} is invited: the role {role} binds at the first sign-in, within 30 days.")
    else:
        console.say(f"{who} has the role {role} from now on.")


@users.command()
def revoke(who: Who) -> None:
    """Take the role of WHO, or the invitation.

    The account stays: whoever signs in is a stakeholder. It holds at the next action, also in open pages.
    """
    accounts.revoke(who, SYSTEM)
    console.say(f"{who} has no role any more.")


@users.command()
def disable(who: Who) -> None:
    """Nobody acts by the account of WHO any more.

    It holds at the next action, in every browser; cookies copied from it are worth nothing.
    """
    accounts.disable(who, SYSTEM)
    console.say(f"The account of {who} is disabled.")


@users.command()
def enable(who: Who) -> None:
    """The account of WHO may sign in again.

    Its role is the one it had.
    """
    accounts.enable(who, SYSTEM)
    console.say(f"{who} may sign in again.")


@users.command(name="list")
def list_users(as_json: AsJson = False) -> None:
    """List accounts and invitations.

    The number names an account where an address would not be enough.
    """
    console.table([asdict(account) for account in accounts.everyone(SYSTEM)], as_json)
