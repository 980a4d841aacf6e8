"""The demonstration: who may play which role where no sign-in is configured.

The role switch shows only when every condition holds, so that it can never be
reached from another machine: `MASTERPLAN_DEMO=1`, a loopback listener that
`app.serve` itself opened, no sign-in provider, no forwarding header, and a Host
of this machine's own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from sqlalchemy import text

from masterplan.actors import Actor, Role
from masterplan.database import transaction
from masterplan.settings import settings

ROLES = (Role.VISITOR, Role.UAT, Role.PLANNER)
_LOCAL_HOSTS = {"localhost", "127.0.0.1"}
#: Whatever begins so was added by a proxy.
_FORWARDING_HEADERS = (
    "forwarded", "via", "x-forwarded", "x-original", "x-real", "x-client", "x-cluster", "x-envoy", "x-proxy",
    "cf-", "true-client", "fastly-", "x-azure", "x-amzn",
)  # fmt: skip

#: The address this process listens on, once `listening_on` was told; unknown when another program serves us.
_listener: str | None = None

_READ = text("SELECT role, uats FROM masterplan.session_role WHERE session_id = :session")
_WRITE = text(
    "INSERT INTO masterplan.session_role (session_id, role, uats) VALUES (:session, :role, :uats)"
    " ON CONFLICT (session_id) DO UPDATE SET role = excluded.role, uats = excluded.uats, updated_at = now()"
)


def is_allowed(headers: Mapping[str, str], provider_configured: bool) -> bool:
    """Whether a request with these headers (names in lower case) may play a role."""
    return (
        settings().demo
        and _listener is not None
        and is_loopback(_listener)
        and not provider_configured
        and not any(name.lower().startswith(_FORWARDING_HEADERS) for name in headers)
        and _host_name(headers.get("host", "")) in _LOCAL_HOSTS
    )


def listening_on(host: str) -> None:
    """Remember the address of the listener; only who opens it may say."""
    global _listener
    _listener = host


def is_loopback(host: str) -> bool:
    """Whether a listener on `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(host: str) -> str:
    name, _, port = host.partition(":")
    return name.lower() if not port or port.isdigit() else ""


def play(session: str, role: Role, uats: tuple[str, ...] = ()) -> None:
    """Remember the role that this browser session plays."""
    if role not in ROLES:
        raise ValueError(f"not a demonstration role: {role!r}")
    with transaction(Actor(Role.VISITOR, session=session)) as connection:
        connection.execute(_WRITE, {"session": session, "role": role.value, "uats": list(uats)})


def actor_of(session: str, allowed: bool) -> Actor:
    """Who the session acts as now, read from the database each time; a visitor unless `allowed`."""
    visitor = Actor(Role.VISITOR, session=session)
    if not allowed or not session:
        return visitor
    with transaction(visitor) as connection:
        row = connection.execute(_READ, {"session": session}).one_or_none()
    if row is None:
        return visitor
    return Actor(Role(row.role), user="demo", uats=tuple(row.uats), session=session)
