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


@dataclass(frozen=True)
class Actor:
    """The person, or the system, on whose behalf a transaction runs.

    `uats` are SIRUTA codes; `session` names the browser session, so that
    someone not signed in still sees what they brought themselves.
    """

    role: Role
    user: str = ""
    uats: tuple[str, ...] = ()
    session: str = ""

    @property
    def is_staff(self) -> bool:
        return self.role in (Role.PLANNER, Role.ADMINISTRATOR, Role.SYSTEM)


VISITOR = Actor(Role.VISITOR)
SYSTEM = Actor(Role.SYSTEM, user="system")
