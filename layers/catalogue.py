"""The catalogue of layers: what `data/layers.toml` declares about each."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from masterplan.errors import NotFound
from masterplan.language import N_
from masterplan.settings import settings

ATTRIBUTE_TYPES = {"text": str, "integer": int, "number": (int, float), "boolean": bool, "list": list}
STATUSES = ("existing", "proposed", "prospective")


@dataclass(frozen=True)
class Attribute:
    """One typed attribute of a layer's features. `unit` is empty where it has none."""

    name: str
    type: str
    name_ro: str
    name_en: str
    unit: str = ""
    filterable: bool = True
    values: tuple[str, ...] | tuple[float, ...] = ()
    values_ro: tuple[str, ...] = ()
    values_en: tuple[str, ...] = ()
    #: For readers of the map alone: the layer whose features the values name by their ids, and whether it is told.
    refers_to: str = ""
    told: bool = True

    def value_name(self, value: object, language: str) -> str:
        """What a listed value is called in `language`; a value without a name is its own."""
        names = dict(zip(self.values, getattr(self, f"values_{language}"), strict=False))
        return names.get(value, str(value))

    def is_of_type(self, value: object) -> bool:
        """Whether a value, as JSON has it, is of the declared type."""
        truth_told = isinstance(value, bool) and self.type != "boolean"
        return isinstance(value, ATTRIBUTE_TYPES[self.type]) and not truth_told

    def allows(self, value: object) -> bool:
        """Whether a value, or every item of a list, is among the listed ones; any is where none are listed."""
        return not self.values or set(value if isinstance(value, list) else [value]) <= set(self.values)


#: What every feature that was derived from a raster says of itself, beside its layer's own attributes.
DERIVED_ATTRIBUTES = (
    Attribute("value_min", "number", "valoare minimă", "lowest value"),
    Attribute("value_max", "number", "valoare maximă", "highest value"),
    Attribute("value_unit", "text", "unitatea valorilor", "unit of the values"),
    Attribute("method", "text", "metodă", "method", filterable=False),
    Attribute("parameters", "text", "parametri", "parameters", filterable=False),
    Attribute("input_sha256", "text", "fișiere de intrare (SHA-256)", "input files (SHA-256)", filterable=False),
)


_FOR_READERS = ("refers_to", "told")


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}


@dataclass(frozen=True)
class Layer:
    """One layer as declared. `accuracy_m` is how far, in metres, a drawn edge may lie from the true one."""

    id: str
    group: str
    kind: str
    geometry: str
    name_ro: str
    name_en: str
    description_ro: str
    description_en: str
    source: str
    licence: str
    source_date: date
    indicative: bool
    accuracy_m: float
    attributes: tuple[Attribute, ...]
    #: Whether its features come with the application. One that does not is there once somebody derived it.
    shipped: bool = True

    def attribute_rows(self) -> list[dict[str, Any]]:
        """The attributes as plain values, for the database; how a reader is told of them is not of their type."""
        rows = (_listed(asdict(attribute)) for attribute in self.attributes)
        return [{name: value for name, value in row.items() if name not in _FOR_READERS} for row in rows]


@dataclass(frozen=True)
class Group:
    """A group of layers, as in the consultation's documents."""

    id: str
    name_ro: str
    name_en: str


@dataclass(frozen=True)
class Catalogue:
    """Groups and layers in the order they are shown."""

    groups: tuple[Group, ...]
    layers: tuple[Layer, ...]

    def layer(self, layer_id: str) -> Layer:
        """The layer with this id.

        Raises
        ------
        NotFound
            When the catalogue has no such layer; the message lists those it has.
        """
        for layer in self.layers:
            if layer.id == layer_id:
                return layer
        raise NotFound(
            N_("There is no layer “{layer}”. The layers are: {known}."),
            layer=layer_id,
            known=", ".join(layer.id for layer in self.layers),
        )


@cache
def catalogue() -> Catalogue:
    """The catalogue of this installation, read once."""
    return read_catalogue(settings().data_dir / "layers.toml")


def read_catalogue(path: Path) -> Catalogue:
    with path.open("rb") as file:
        raw = tomllib.load(file)
    return Catalogue(
        groups=tuple(Group(**group) for group in raw["group"]),
        layers=tuple(_layer(entry) for entry in raw["layer"]),
    )


def _layer(entry: dict[str, Any]) -> Layer:
    attributes = tuple(_attribute(item) for item in entry.get("attribute", []))
    declared = {name: entry[name] for name in Layer.__dataclass_fields__ if name not in ("attributes", "shipped")}
    return Layer(**declared, attributes=attributes, shipped=entry.get("shipped", True))


def _attribute(item: dict[str, Any]) -> Attribute:
    if item["type"] not in ATTRIBUTE_TYPES:
        raise ValueError(f"unknown attribute type: {item['type']!r}")
    convert = float if item["type"] in ("integer", "number") else str
    lists = {name: tuple(item.get(name, ())) for name in ("values_ro", "values_en")}
    if any(names and len(names) != len(item["values"]) for names in lists.values()):
        raise ValueError(f"the attribute {item['name']!r} must name each of its values")
    return Attribute(**item | lists | {"values": tuple(convert(value) for value in item.get("values", ()))})


def shipped_file(layer_id: str) -> Path:
    """Where the shipped features of a layer are."""
    return settings().data_dir / "geojson" / f"{layer_id}.geojson"
