"""Who is acting: a role, and for a UAT representative the UATs they speak for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The roles of the application, from the least to the most trusted."""

    VISITOR = "visitor"
    STAKEHOLDER = "stakeholder"
    UAT = "uat"
    PLANNER = "planner"
    ADMINISTRATOR = "administrator"
    #: The application's own work: the worker and the command line.
    SYSTEM = "system"
    #: Measures and scores the one submission that was just made or corrected; a page may call it, unlike the system.
    MEASURER = "measurer"


#: Roles that a person has; the others are the application's own.
PEOPLE = (Role.VISITOR, Role.STAKEHOLDER, Role.UAT, Role.PLANNER, Role.ADMINISTRATOR)
#: Roles that a process open to the public may act in; its database login can take no other.
PUBLIC_ROLES = (Role.VISITOR, Role.STAKEHOLDER, Role.UAT, Role.MEASURER)


@dataclass(frozen=True)
class Actor:
    """The person, or the system, on whose behalf a transaction runs.

    `user` is the number of the account of who is signed in. `uats` are SIRUTA codes; `session` names
    the browser session, so that someone not signed in still sees what they brought themselves.
    `receipt` is the tracking code in hand: who holds it sees what it stands for, until a decision is
    made. `key` is the submission key of what the measurer measures. `since` is when this person
    signed in, in seconds since 1970, 0 for who did not. `elsewhere` is a role of the team that the person
    has, and that this process, open to the public, cannot act in.
    """

    role: Role
    user: str = ""
    uats: tuple[str, ...] = ()
    session: str = ""
    receipt: str = ""
    key: str = ""
    since: int = 0
    elsewhere: Role | None = None

    @property
    def is_staff(self) -> bool:
        return self.role in (Role.PLANNER, Role.ADMINISTRATOR, Role.SYSTEM)


VISITOR = Actor(Role.VISITOR)
SYSTEM = Actor(Role.SYSTEM, user="system")
