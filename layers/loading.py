"""From a file to a stored layer: read, check against what the layer declares, store.

A file that replaces a shipped layer rarely has every attribute. What it does not
say about a feature already known (same id) is kept from the current version, and
the report says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from layers import store
from layers.catalogue import STATUSES, Attribute, Layer, catalogue, shipped_file
from layers.reading import REFUSED, Issue, ReadFeature, read_features
from layers.store import FeatureRow, Loaded
from masterplan.database import owner_transaction
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

#: Names that files use for a feature's name, in the order they are looked for.
_NAME_FIELDS = ("name_ro", "name", "denumire", "nume")


@dataclass(frozen=True)
class Options:
    """What a person says about a file: where it is from, and what its columns are called.

    `columns` maps a declared attribute to the file's column for it.
    """

    source: str | None = None
    source_date: date | None = None
    official: bool = False
    accuracy_m: float | None = None
    columns: dict[str, str] = field(default_factory=dict)
    id_column: str | None = None
    #: Attributes that this file's features have beside those that the catalogue declares.
    also: tuple[Attribute, ...] = ()
    #: What stands in place of the catalogue's description, which is that of the shipped sketch.
    description_ro: str | None = None
    description_en: str | None = None


@dataclass(frozen=True)
class Report:
    """What came of a load: what was stored, and everything noticed on the way."""

    loaded: Loaded
    issues: list[Issue]


def load_shipped(said: Callable[[Loaded], None] = lambda _: None) -> list[Loaded]:
    """Load every shipped layer of the catalogue, in one transaction; safe to repeat.

    A layer that was since replaced by another file keeps that file.
    """
    results = []
    with owner_transaction() as connection:
        replaced = _layers_replaced(connection)
        for layer in catalogue().layers:
            if layer.id in replaced or not layer.shipped:
                continue
            results.append(_load(connection, layer, shipped_file(layer.id), layer, Options(), shipped=True).loaded)
            said(results[-1])
    return results


def load_file(path: Path, layer_id: str, options: Options) -> Report:
    """Load a file as the new version of a layer.

    Raises
    ------
    NotFound
        When the catalogue has no such layer.
    InputError
        When anything in the file is refused: all faults at once, nothing stored.
    """
    layer = catalogue().layer(layer_id)
    with owner_transaction() as connection:
        return _load(connection, layer, path, _as_told(layer, path, options), options, shipped=False)


def _load(
    connection: Connection, layer: Layer, path: Path, declared: Layer, options: Options, shipped: bool
) -> Report:
    store.lock(connection, layer.id)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    # Of a file that somebody brings, the options too decide what its features are.
    if shipped and (known_already := store.current(connection, declared, sha256)):
        return Report(known_already, [])
    result = read_features(path)
    faults = [(issue.field or "file", _as_fault(issue)) for issue in result.issues if issue.outcome == REFUSED]
    known = _known_features(connection, layer.id)
    rows = []
    for feature in result.features:
        try:
            rows.append(_row(feature, declared, options, known))
        except InputError as refused:
            faults += refused.faults
    faults += [("id", fault) for fault in _repeated_ids(rows)]
    if faults:
        raise InputError(faults)
    return Report(store.load(connection, declared, rows, sha256, shipped), result.issues)


def _as_fault(issue: Issue) -> MasterplanError:
    where = {} if issue.row is None else {"row": issue.row}
    return MasterplanError(issue.msgid, **(where | issue.facts))


def _as_told(layer: Layer, path: Path, options: Options) -> Layer:
    """The layer with what is told of this file; untold, its source is its name and its date the file's own.

    The shipped sketch's source is never said of somebody else's file.
    """
    changed = date.fromtimestamp(path.stat().st_mtime)
    return replace(
        layer,
        indicative=not options.official,
        source=options.source or path.name,
        source_date=options.source_date or changed,
        accuracy_m=layer.accuracy_m if options.accuracy_m is None else options.accuracy_m,
        attributes=(*layer.attributes, *options.also),
        description_ro=options.description_ro or layer.description_ro,
        description_en=options.description_en or layer.description_en,
    )


_REPLACED = text("""
SELECT l.id FROM masterplan.layer l JOIN masterplan.layer_version v ON v.layer_id = l.id AND v.version = l.version
WHERE NOT v.shipped
""")


def _layers_replaced(connection: Connection) -> set[str]:
    """Layers whose current version is a file that somebody brought."""
    return set(connection.scalars(_REPLACED))


_KNOWN = text("""
SELECT feature_id, name_ro, name_en, status, properties FROM masterplan.current_feature WHERE layer_id = :layer
""")


def _known_features(connection: Connection, layer_id: str) -> dict[str, Any]:
    return {row.feature_id: row for row in connection.execute(_KNOWN, {"layer": layer_id})}


def _row(feature: ReadFeature, layer: Layer, options: Options, known: dict[str, Any]) -> FeatureRow:
    """A read feature as a row of its layer.

    Raises
    ------
    InputError
        Every way in which it is not what the layer declares.
    """
    faults: list[tuple[str, MasterplanError]] = []
    properties = feature.properties
    given_id = properties.get(options.id_column) if options.id_column else feature.feature_id
    feature_id = str(given_id or "").strip()
    if not feature_id:
        faults.append(("id", MasterplanError(N_("Feature {row} has no id."), row=feature.row)))
    before = known.get(feature_id)
    if not layer.geometry.endswith(feature.geometry.geom_type.removeprefix("Multi")):
        faults.append(("geometry", MasterplanError(
            N_("Feature {row}: the layer holds {expected}, this is {found}."),
            row=feature.row, expected=layer.geometry, found=feature.geometry.geom_type,
        )))  # fmt: skip
    status = properties.get("status", before.status if before else None)
    if status is not None and status not in STATUSES:
        faults.append(("status", MasterplanError(
            N_("Feature {row}: unknown status “{status}”; use one of: {known}."),
            row=feature.row, status=str(status)[:40], known=", ".join(STATUSES),
        )))  # fmt: skip
    attributes = _attributes(feature, layer, options, before, faults)
    name = next((str(properties[n]) for n in _NAME_FIELDS if properties.get(n)), before.name_ro if before else "")
    source_date = _date(feature, layer.source_date, faults)
    if faults:
        raise InputError(faults)
    return FeatureRow(
        feature_id=feature_id,
        name_ro=name,
        name_en=str(properties.get("name_en") or name),
        status=status,
        properties=attributes,
        source=str(properties.get("source") or layer.source),
        source_date=source_date,
        indicative=bool(properties.get("indicative", layer.indicative)) and layer.indicative,
        geometry=feature.geometry,
    )


def _attributes(feature: ReadFeature, layer: Layer, options: Options, before: Any, faults: list) -> dict[str, Any]:
    values = {}
    for attribute in layer.attributes:
        column = options.columns.get(attribute.name, attribute.name)
        value = feature.properties.get(column)
        if value is None and before is not None:
            value = before.properties.get(attribute.name)
        if value is None:
            continue
        if not attribute.is_of_type(value):
            faults.append((attribute.name, MasterplanError(
                N_("Feature {row}: “{attribute}” should be {type}, found “{value}”."),
                row=feature.row, attribute=attribute.name, type=attribute.type, value=str(value)[:40],
            )))  # fmt: skip
        elif not attribute.allows(value):
            faults.append((attribute.name, MasterplanError(
                N_("Feature {row}: “{attribute}” is “{value}”; use one of: {known}."),
                row=feature.row, attribute=attribute.name, value=str(value)[:40],
                known=", ".join(map(str, attribute.values)),
            )))  # fmt: skip
        else:
            values[attribute.name] = value
    return values


def _repeated_ids(rows: list[FeatureRow]) -> list[MasterplanError]:
    seen: set[str] = set()
    repeated = sorted({row.feature_id for row in rows if row.feature_id in seen or seen.add(row.feature_id)})
    return [MasterplanError(N_("The id “{id}” stands on more than one feature."), id=id_) for id_ in repeated]


def _date(feature: ReadFeature, otherwise: date, faults: list) -> date:
    given = feature.properties.get("source_date")
    if not given:
        return otherwise
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        faults.append(("source_date", MasterplanError(
            N_("Feature {row}: “{value}” is not a date; write 2026-11-23."), row=feature.row, value=str(given)[:40]
        )))  # fmt: skip
        return otherwise
