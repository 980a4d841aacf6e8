"""What is here: every feature of the plan at a place, straight from the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from layers.catalogue import DERIVED_ATTRIBUTES, Attribute, Layer, catalogue
from layers.naming import NO_NAMES, Names, names_of, title_of
from masterplan.formats import number, quantity
from masterplan.language import LANGUAGES, N_, translator
from masterplan.place import WGS84_SRID, place

#: Lines and points count as here within this distance; the caller widens it with the zoom.
DEFAULT_REACH_M = 50.0

_HERE = text(f"""
WITH place AS (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), {WGS84_SRID}), CAST(:srid AS integer)) AS point)
SELECT f.layer_id, f.feature_id, f.name_ro, f.name_en, f.status, f.properties, f.indicative, f.source,
    lower(f.versions) AS version, ST_Distance(f.geom, place.point) AS distance_m
FROM masterplan.current_feature f, place
WHERE ST_DWithin(f.geom, place.point, CASE WHEN ST_Dimension(f.geom) = 2 THEN 0 ELSE CAST(:reach AS float8) END)
ORDER BY f.layer_id, distance_m, f.feature_id
""")

#: Attributes that say something in words end in the language they say it in, as `mix_ro`.
_IN_OTHER_LANGUAGES = {
    language: tuple(f"_{other}" for other in LANGUAGES if other != language) for language in LANGUAGES
}


@dataclass(frozen=True)
class FeatureHere:
    """One feature at the place. `distance_m` is 0 inside an area."""

    layer: Layer
    feature_id: str
    name_ro: str
    name_en: str
    status: str | None
    properties: dict[str, Any]
    indicative: bool
    source: str
    version: int
    distance_m: float
    names: Names = NO_NAMES

    def facts(self, language: str) -> list[tuple[str, str]]:
        """Name and value, with unit, of each attribute that this feature has and that is in this language."""
        attributes = (*self.layer.attributes, *DERIVED_ATTRIBUTES)
        values = ((a, self.properties.get(a.name)) for a in attributes)
        return [
            (title_of(a, language), attribute_words(a, value, language, self.names))
            for a, value in values
            if a.told and value not in (None, "", []) and not a.name.endswith(_IN_OTHER_LANGUAGES[language])
        ]


def attribute_words(attribute: Attribute, value: Any, language: str, names: Names = NO_NAMES) -> str:
    """A value as a person reads it: formatted number with unit, yes or no, joined list, the name behind a code."""
    translate = translator(language)
    if attribute.refers_to:
        codes = value if isinstance(value, list) else [value]
        return ", ".join(names.of(attribute.refers_to, code, language) for code in codes)
    if attribute.type == "boolean":
        return translate(N_("yes") if value else N_("no"))
    if attribute.type == "list":
        return ", ".join(attribute.value_name(item, language) for item in value)
    if attribute.type in ("integer", "number"):
        if attribute.unit:
            return quantity(value, attribute.unit, language)
        return number(value, 0 if float(value).is_integer() else 1, language)
    return attribute.value_name(value, language)


def what_is_here(
    connection: Connection, lon: float, lat: float, reach_m: float = DEFAULT_REACH_M
) -> list[FeatureHere]:
    """Every current feature at a place (degrees, EPSG:4326), in the order of the catalogue.

    Areas count when they contain the place, lines and points within `reach_m` metres.
    """
    parameters = {"lon": lon, "lat": lat, "reach": reach_m, "srid": place().storage_srid}
    rows = connection.execute(_HERE, parameters).all()
    position = {layer.id: order for order, layer in enumerate(catalogue().layers)}
    layers = {layer.id: layer for layer in catalogue().layers}
    names = names_of(connection, (
        (attribute, row.properties.get(attribute.name))
        for row in rows if row.layer_id in layers for attribute in layers[row.layer_id].attributes
    ))  # fmt: skip
    found = [
        FeatureHere(
            layers[row.layer_id], row.feature_id, row.name_ro, row.name_en, row.status,
            row.properties, row.indicative, row.source, row.version, row.distance_m, names,
        )
        for row in rows
        if row.layer_id in layers
    ]  # fmt: skip
    return sorted(found, key=lambda feature: position[feature.layer.id])
