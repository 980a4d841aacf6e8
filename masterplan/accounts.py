"""Who is signed in, and what they may do at this moment.

A person is the pair of issuer and subject that the provider vouches for; the address is only how
somebody is invited, and binds only when the provider verified it. Nothing of a role is kept in a
cookie or a page: each action reads it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.engine import Row

from masterplan.actors import PUBLIC_ROLES, VISITOR, Actor, Role
from masterplan.database import transaction
from masterplan.errors import Forbidden, InputError, MasterplanError, NotFound
from masterplan.language import N_
from masterplan.settings import settings
from masterplan.uats import uat_names

#: Roles that can be granted; everyone who signs in is a stakeholder.
GRANTED = (Role.UAT, Role.PLANNER, Role.ADMINISTRATOR)
#: The provider's clock may be this much ahead of ours, or behind.
CLOCK_DIFFERS_S = 60
_LONGEST_CLAIM = 400

NOT_VOUCHED_FOR = N_(
    "The sign-in service did not say who you are. Try again; if it stays so, tell the masterplan's team."
)
TOKEN_EXPIRED = N_("Your sign-in has expired. Sign in again.")
SESSION_TOO_OLD = N_("You signed in more than {hours} hours ago. Sign in again.")
SESSION_ENDED = N_("You were signed out. Sign in again.")
DISABLED = N_("This account was disabled. Ask the masterplan's team.")

NO_ADDRESS = N_("“{email}” is not an e-mail address.")
UNKNOWN_ACCOUNT = N_("There is no account and no invitation for {who}. masterplan users list shows them.")
SEVERAL_ACCOUNTS = N_("{who} signs in through several services: say which account by its number, one of {numbers}.")
UAT_NEEDED = N_("A UAT representative speaks for at least one UAT: give its SIRUTA code.")
NO_UAT = N_("Only a UAT representative has UATs; leave them out for this role.")
UNKNOWN_UAT = N_("There is no UAT with the SIRUTA code {siruta} on the map.")
NOT_YOURSELF = N_("Nobody changes their own role or account. Ask another administrator, or use the command line.")


class SignInRefused(MasterplanError):
    """A sign-in, or what is left of one, is not good (any more)."""

    http_status = 401


@dataclass(frozen=True)
class Identity:
    """What the provider says of who signed in; `issued` and `expires` in seconds since 1970."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str
    issued: int
    expires: int


@dataclass(frozen=True)
class Account:
    """One person as administrators and the command line see them."""

    number: int | None
    email: str
    name: str
    role: str
    uats: list[str]
    state: str
    issuer: str


# -- signing in ------------------------------------------------------------------------------


def identity_of(claims: Mapping[str, Any]) -> Identity:
    """Who the claims of an ID token speak of; their signature was checked when they came.

    Raises
    ------
    SignInRefused
        When the provider leaves out who it is, who they are, or until when it holds.
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not (_is_name(issuer) and _is_name(subject) and _is_moment(issued) and _is_moment(expires)):
        raise SignInRefused(NOT_VOUCHED_FOR)
    return Identity(
        issuer=issuer, subject=subject,
        email=_words(claims.get("email")),
        # Some providers write it as text; anything but a plain yes is a no.
        email_verified=claims.get("email_verified") in (True, "true"),
        name=_words(claims.get("name")),
        issued=int(issued), expires=int(expires),
    )  # fmt: skip


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and 0 < len(claim) <= _LONGEST_CLAIM


def _is_moment(claim: object) -> bool:
    return isinstance(claim, (int, float)) and not isinstance(claim, bool) and 0 < claim < 2**40


def _words(claim: object) -> str:
    return "".join(c for c in claim if c.isprintable())[:_LONGEST_CLAIM].strip() if isinstance(claim, str) else ""


_SIGN_IN = text("SELECT masterplan.sign_in(:issuer, :subject, :email, :verified, :name, :issued)")
_ACCOUNT_OF = text("SELECT * FROM masterplan.account_of(:issuer, :subject)")
_ACCOUNT_NUMBERED = text("SELECT * FROM masterplan.account_numbered(:number)")
_END_SESSIONS = text("SELECT masterplan.end_sessions(:issuer, :subject, :issued)")


def sign_in(identity: Identity, now: float | None = None) -> None:
    """Begin a session: the account is made or brought up to date, an invitation binds.

    Raises
    ------
    SignInRefused
        When the token has expired, is older than a session may last, or was signed out.
    """
    moment = time.time() if now is None else now
    if identity.expires < moment or identity.issued > moment + CLOCK_DIFFERS_S:
        raise SignInRefused(TOKEN_EXPIRED)
    _refuse_too_old(identity.issued, moment)
    with transaction(VISITOR) as connection:
        before = _account_of(connection, identity)
        if before is not None:
            _refuse_ended(before, identity.issued)
        connection.execute(_SIGN_IN, {
            "issuer": identity.issuer, "subject": identity.subject, "email": identity.email,
            "verified": identity.email_verified, "name": identity.name, "issued": identity.issued,
        })  # fmt: skip


def actor(identity: Identity, session: str, now: float | None = None) -> Actor:
    """On whose behalf a session acts at this moment.

    Raises
    ------
    SignInRefused
        When the account is disabled or unknown, was signed out since, or signed in too long ago.
    """
    _refuse_too_old(identity.issued, time.time() if now is None else now)
    with transaction(VISITOR) as connection:
        return _actor_of(_account_of(connection, identity), identity.issued, session)


def actor_of_ticket(number: str, since: int, session: str, now: float | None = None) -> Actor:
    """The same for the account whose number a signed ticket carries.

    Raises
    ------
    SignInRefused
        As `actor` does.
    """
    _refuse_too_old(since, time.time() if now is None else now)
    with transaction(VISITOR) as connection:
        found = connection.execute(_ACCOUNT_NUMBERED, {"number": int(number)}).one_or_none()
        return _actor_of(found, since, session)


def end_sessions(identity: Identity) -> None:
    """No token of this person seen so far is good any more, wherever its cookie was copied to."""
    with transaction(VISITOR) as connection:
        connection.execute(
            _END_SESSIONS, {"issuer": identity.issuer, "subject": identity.subject, "issued": identity.issued}
        )


def _account_of(connection: Connection, identity: Identity) -> Row | None:
    who = {"issuer": identity.issuer, "subject": identity.subject}
    return connection.execute(_ACCOUNT_OF, who).one_or_none()


def _refuse_too_old(issued: int, now: float) -> None:
    if issued + settings().session_hours * 3600 < now:
        raise SignInRefused(SESSION_TOO_OLD, hours=settings().session_hours)


def _refuse_ended(account: Row, issued: int) -> None:
    if account.disabled:
        raise SignInRefused(DISABLED)
    if issued <= account.valid_after:
        raise SignInRefused(SESSION_ENDED)


def _actor_of(account: Row | None, issued: int, session: str) -> Actor:
    if account is None:
        raise SignInRefused(SESSION_ENDED)
    _refuse_ended(account, issued)
    role, elsewhere = Role(account.role) if account.role else Role.STAKEHOLDER, None
    if settings().process == "public" and role not in PUBLIC_ROLES:
        # This process cannot be staff, whoever signs in; staff have an address of their own.
        role, elsewhere = Role.STAKEHOLDER, role
    uats = tuple(account.uats) if role is Role.UAT else ()
    return Actor(role, str(account.id), uats, session, since=issued, elsewhere=elsewhere)


# -- granting --------------------------------------------------------------------------------

_BY_EMAIL = text("SELECT id FROM masterplan.account WHERE lower(email) = :email AND email_verified ORDER BY id")
_BY_NUMBER = text("SELECT id FROM masterplan.account WHERE id = :number")
_GIVE = text(
    "INSERT INTO masterplan.account_role (account_id, role, uats) VALUES (:account, :role, :uats)"
    " ON CONFLICT (account_id) DO UPDATE SET role = excluded.role, uats = excluded.uats,"
    " granted_by = masterplan.acting_account(), granted_at = now()"
)
_TAKE = text("DELETE FROM masterplan.account_role WHERE account_id = :account")
_INVITE = text(
    "INSERT INTO masterplan.invitation (email, role, uats) VALUES (:email, :role, :uats)"
    " ON CONFLICT (email) DO UPDATE SET role = excluded.role, uats = excluded.uats,"
    " invited_by = masterplan.acting_account(), invited_at = now(), expires_at = now() + interval '30 days'"
)
_UNINVITE = text("DELETE FROM masterplan.invitation WHERE email = :email")
_DISABLE = text(
    "UPDATE masterplan.account SET disabled_at = now(),"
    " sessions_valid_after = greatest(sessions_valid_after, extract(epoch FROM now())::bigint) WHERE id = :account"
)
_ENABLE = text("UPDATE masterplan.account SET disabled_at = NULL WHERE id = :account")
_LIST = text("""
SELECT a.id AS number, a.email, a.name, coalesce(r.role, 'stakeholder') AS role, coalesce(r.uats, '{}') AS uats,
    CASE WHEN a.disabled_at IS NOT NULL THEN 'disabled' WHEN NOT a.email_verified THEN 'address not verified'
        ELSE 'active' END AS state, a.issuer
FROM masterplan.account a LEFT JOIN masterplan.account_role r ON r.account_id = a.id
UNION ALL
SELECT NULL, email, '', role, uats, CASE WHEN expires_at > now() THEN 'invited' ELSE 'invitation expired' END, ''
FROM masterplan.invitation
ORDER BY email, number
""")


def grant(who: str, role: Role, uats: tuple[str, ...], by: Actor) -> bool:
    """Give a role to an account (an address, or a number), or invite the address; True when invited.

    Raises
    ------
    InputError
        When the role and the UATs do not fit, or nobody can be meant.
    Forbidden
        When somebody changes their own account.
    """
    if role not in GRANTED:
        raise ValueError(f"not a role to grant: {role!r}")
    with transaction(by) as connection:
        _refuse_odd_uats(connection, role, uats)
        facts = {"role": role.value, "uats": list(uats)}
        account = _account(connection, who, by)
        if account is not None:
            connection.execute(_GIVE, facts | {"account": account})
            return False
        connection.execute(_INVITE, facts | {"email": _address(who)})
        return True


def revoke(who: str, by: Actor) -> None:
    """Take the role, or the invitation; the account stays, as a stakeholder's.

    Raises
    ------
    NotFound
        When there is neither an account nor an invitation.
    Forbidden
        When somebody changes their own account.
    """
    with transaction(by) as connection:
        account = _account(connection, who, by)
        taken = 0 if account is None else 1
        if account is not None:
            connection.execute(_TAKE, {"account": account})
        if "@" in who:
            taken += connection.execute(_UNINVITE, {"email": _address(who)}).rowcount
        if not taken:
            raise NotFound(UNKNOWN_ACCOUNT, who=who)


def disable(who: str, by: Actor) -> None:
    """Nobody acts by this account any more, in no session; raises as `revoke`."""
    _change(who, by, _DISABLE)


def enable(who: str, by: Actor) -> None:
    """The account may sign in again; raises as `revoke`."""
    _change(who, by, _ENABLE)


def _change(who: str, by: Actor, statement: Any) -> None:
    with transaction(by) as connection:
        account = _account(connection, who, by)
        if account is None:
            raise NotFound(UNKNOWN_ACCOUNT, who=who)
        connection.execute(statement, {"account": account})


def everyone(by: Actor) -> list[Account]:
    """Accounts and invitations, as far as `by` may see them."""
    with transaction(by) as connection:
        return [Account(**row._mapping) for row in connection.execute(_LIST)]


def _account(connection: Connection, who: str, by: Actor) -> int | None:
    """The number of the account meant; None when there is none yet for an address."""
    if who.isascii() and who.isdigit():
        found = list(connection.scalars(_BY_NUMBER, {"number": int(who)}))
        if not found:
            raise NotFound(UNKNOWN_ACCOUNT, who=who)
    else:
        found = list(connection.scalars(_BY_EMAIL, {"email": _address(who)}))
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise InputError([("who", MasterplanError(SEVERAL_ACCOUNTS, who=who, numbers=numbers))])
    if found and str(found[0]) == by.user:
        raise Forbidden(NOT_YOURSELF)
    return found[0] if found else None


def _address(written: str) -> str:
    email = written.strip().lower()
    name, _, host = email.partition("@")
    if not name or not host or any(c.isspace() for c in email) or "@" in host or len(email) > _LONGEST_CLAIM:
        raise InputError([("who", MasterplanError(NO_ADDRESS, email=written[:80]))])
    return email


def _refuse_odd_uats(connection: Connection, role: Role, uats: tuple[str, ...]) -> None:
    if role is not Role.UAT:
        faults = [("uats", MasterplanError(NO_UAT))] if uats else []
    else:
        known = uat_names(connection)
        faults = [("uats", MasterplanError(UNKNOWN_UAT, siruta=u[:20])) for u in uats if u not in known]
        if not uats:
            faults = [("uats", MasterplanError(UAT_NEEDED))]
    if faults:
        raise InputError(faults)
