"""Criteria sets in the database: loaded from checked files, never changed once they left draft."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, String, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from layers.catalogue import catalogue
from masterplan.database import owner_transaction
from masterplan.errors import InputError, MasterplanError, NotFound
from masterplan.language import N_
from masterplan.settings import settings
from proposals.criteria import CriteriaSet, Fault, LayerCatalogue, check, definition, from_definition

#: What became of a file: stored, there already, or kept apart because the set may no longer change.
LOADED, UNCHANGED, REFUSED = "loaded", "unchanged", "refused"

NOT_DRAFT = N_(
    "The criteria set {version} is already in use ({status}) and cannot change: proposals were judged by it."
    " Give the changed criteria a new version."
)
NONE_IN_FORCE = N_("No criteria set is in force; the masterplan's team loads one (masterplan criteria load FILE).")
UNREADABLE = N_("The file cannot be read: {detail}.")


@dataclass(frozen=True)
class CriteriaLoad:
    """What a load did: the set's version and status in the database, and the outcome."""

    version: str
    status: str
    outcome: str


@dataclass(frozen=True)
class StoredSet:
    """One criteria set as the list shows it. `proposals` counts those it judges."""

    version: str
    status: str
    title: dict[str, str]
    loaded_at: Any
    in_force: bool
    proposals: int


# -- loading -------------------------------------------------------------------------------


def layer_catalogue() -> LayerCatalogue:
    """What the shipped catalogue says of each layer, as criteria are checked against it."""
    return {
        layer.id: {attribute.name: (attribute.type, attribute.unit or None) for attribute in layer.attributes}
        for layer in catalogue().layers
    }


def check_file(path: Path) -> list[Fault]:
    """Everything wrong with a criteria file, in the order of its lines."""
    return check(_text(path), layer_catalogue())


def load_file(path: Path) -> CriteriaLoad:
    """Store a criteria set. A draft is replaced; the same content again changes nothing.

    Raises
    ------
    InputError
        Every fault of the file at once, each under its "line N".
    MasterplanError
        When the set is no longer a draft and the file says something else.
    """
    loaded = _load(path)
    if loaded.outcome == REFUSED:
        raise MasterplanError(NOT_DRAFT, version=loaded.version, status=loaded.status)
    return loaded


def load_shipped_criteria(said: Callable[[CriteriaLoad], None] = lambda _: None) -> list[CriteriaLoad]:
    """Store every set of `data/criteria`; safe to repeat.

    A shipped file that says something else than the set in use is told as refused, and the set
    in use stays: an upgrade must neither change what proposals were judged by nor stop.
    """
    results = []
    for path in sorted((settings().data_dir / "criteria").glob("*.toml")):
        results.append(_load(path))
        said(results[-1])
    return results


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InputError([("file", MasterplanError(UNREADABLE, detail=f"{path.name}, {detail}"))]) from error


_WRITE = text("""
    INSERT INTO masterplan.criteria_set (version, status, definition, source_toml, sha256, published_at)
    VALUES (:version, :status, :definition, :source, :sha256, CASE WHEN :status = 'published' THEN now() END)
    ON CONFLICT (version) DO UPDATE SET status = excluded.status, definition = excluded.definition,
        source_toml = excluded.source_toml, sha256 = excluded.sha256, loaded_at = now(),
        published_at = excluded.published_at
""").bindparams(bindparam("definition", type_=JSONB), bindparam("status", type_=String))


def _load(path: Path) -> CriteriaLoad:
    source = _text(path)
    faults = check(source, layer_catalogue())
    if faults:
        raise InputError([(f"line {fault.line}", fault.error) for fault in faults])
    content = definition(source)
    version, status = content["set"]["version"], content["set"]["status"]
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    with owner_transaction() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('criteria ' || :v))"), {"v": version})
        before = connection.execute(
            text("SELECT status, sha256 FROM masterplan.criteria_set WHERE version = :v"), {"v": version}
        ).one_or_none()
        if before and before.sha256 == sha256:
            return CriteriaLoad(version, before.status, UNCHANGED)
        if before and before.status != "draft":
            return CriteriaLoad(version, before.status, REFUSED)
        connection.execute(
            _WRITE,
            {"version": version, "status": status, "definition": content, "source": source, "sha256": sha256},
        )
    return CriteriaLoad(version, status, LOADED)


# -- the life of a set ---------------------------------------------------------------------

_OUT_OF_ORDER = N_(
    "The criteria set {version} is {status}. A set goes from draft to consultation, then it is published, and"
    " at last retired; never back."
)
_CONSULT_FIRST = N_(
    "The criteria set {version} is a draft: people are asked first. To consult on it:"
    " masterplan criteria publish {version} --for-consultation"
)
_LAST_ONE = N_(
    "Without the criteria set {version} none would be in force, and nothing could be submitted. Publish another"
    " one first."
)
_MOVE = text("""
    UPDATE masterplan.criteria_set SET status = :status,
        published_at = CASE WHEN :status = 'published' THEN clock_timestamp() ELSE published_at END
    WHERE version = :version
""").bindparams(bindparam("status", type_=String))


def consult_on(version: str) -> None:
    """A draft goes out for consultation; from now on it never changes."""
    _move(version, "consultation", {"draft": None})


def publish(version: str) -> None:
    """A set that people were consulted on is published: it judges what is submitted from now on."""
    _move(version, "published", {"consultation": None, "draft": _CONSULT_FIRST})


def retire(version: str) -> None:
    """A set judges nothing new any more; what it judged keeps its results.

    Raises
    ------
    MasterplanError
        When no other set would be in force.
    """
    _move(version, "retired", {"draft": None, "consultation": None, "published": None})


def _move(version: str, status: str, allowed: Mapping[str, str | None]) -> None:
    """Take the set to another status, from those allowed; a sentence there says why it may not."""
    with owner_transaction() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('criteria in force'))"))
        before = stored_set(connection, version).status
        refusal = allowed.get(before, _OUT_OF_ORDER)
        if refusal:
            raise MasterplanError(refusal, version=version, status=before)
        connection.execute(_MOVE, {"version": version, "status": status})
        if connection.execute(_IN_FORCE_DIGEST).one_or_none() is None:
            raise MasterplanError(_LAST_ONE, version=version)


# -- asking --------------------------------------------------------------------------------

#: The newest published set; before any is published, the newest one in consultation.
_IN_FORCE = """
    SELECT version FROM masterplan.criteria_set WHERE status IN ('published', 'consultation')
    ORDER BY status = 'published' DESC, published_at DESC NULLS LAST, loaded_at DESC, version DESC LIMIT 1
"""
_IN_FORCE_DIGEST = text(
    f"SELECT version, sha256, status FROM masterplan.criteria_set WHERE version = ({_IN_FORCE})"
)
_DIGEST = text("SELECT version, sha256, status FROM masterplan.criteria_set WHERE version = :version")
_DEFINITION = text("SELECT definition FROM masterplan.criteria_set WHERE version = :version")
_LIST = text(f"""
    SELECT c.version, c.status, c.definition -> 'set' ->> 'title_ro' AS title_ro,
        c.definition -> 'set' ->> 'title_en' AS title_en, c.loaded_at,
        c.version IS NOT DISTINCT FROM ({_IN_FORCE}) AS in_force,
        (SELECT count(*) FROM masterplan.proposal p WHERE p.criteria_set = c.version) AS proposals
    FROM masterplan.criteria_set c ORDER BY c.loaded_at DESC, c.version DESC
""")

_read: dict[tuple[str, str, str], CriteriaSet] = {}


def in_force(connection: Connection) -> CriteriaSet:
    """The set that judges what is submitted now; its definition is read once for each digest.

    Raises
    ------
    NotFound
        When no set is published or in consultation; the message names the command.
    """
    row = connection.execute(_IN_FORCE_DIGEST).one_or_none()
    if row is None:
        raise NotFound(NONE_IN_FORCE)
    return _read_once(connection, row)


def stored_set(connection: Connection, version: str) -> CriteriaSet:
    """The criteria set of this version, whatever its status.

    Raises
    ------
    NotFound
        When no such version was loaded.
    """
    row = connection.execute(_DIGEST, {"version": version}).one_or_none()
    if row is None:
        raise NotFound(N_("There is no criteria set {version}."), version=version)
    return _read_once(connection, row)


def _read_once(connection: Connection, row: Row) -> CriteriaSet:
    """The set of a row with its status of today, which the definition only had when it was loaded."""
    key = (row.version, row.sha256, row.status)
    if key not in _read:
        found = from_definition(connection.scalar(_DEFINITION, {"version": row.version}))
        _read[key] = replace(found, status=row.status)
    return _read[key]


def stored_sets(connection: Connection) -> list[StoredSet]:
    """Every criteria set, the newest first. Row-level security decides which proposals are counted."""
    return [
        StoredSet(
            row.version, row.status, {"ro": row.title_ro, "en": row.title_en},
            row.loaded_at, row.in_force, row.proposals,
        )
        for row in connection.execute(_LIST)
    ]  # fmt: skip
