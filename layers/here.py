"""What is here: every feature of the plan at a place, straight from the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, text

from layers.catalogue import Attribute, Layer, catalogue
from layers.naming import NO_NAMES, Names, names_of, title_of
from masterplan.formats import day, number, quantity
from masterplan.language import LANGUAGES, N_, translator
from masterplan.place import WGS84_SRID, place

#: Lines and points count as here within this distance; the caller widens it with the zoom.
DEFAULT_REACH_M = 50.0

_HERE = text(f"""
WITH place AS (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), {WGS84_SRID}), CAST(:srid AS integer)) AS point)
SELECT f.layer_id, f.feature_id, f.name_ro, f.name_en, f.status, f.properties, f.indicative, f.source, f.source_date,
    lower(f.versions) AS version, ST_Distance(f.geom, place.point) AS distance_m
FROM masterplan.current_feature f, place
WHERE ST_DWithin(f.geom, place.point, CASE WHEN ST_Dimension(f.geom) = 2 THEN 0 ELSE CAST(:reach AS float8) END)
ORDER BY f.layer_id, distance_m, f.feature_id
""")

#: How layers are computed, for readers; the method with its sources, every parameter and the digests of the input
#: are attributes of each feature, which the layer's download has.
_COMPUTED = {
    "stormwater": N_("from heights: how much ground drains through each cell, by flow in several directions"),
    "flow_paths": N_("from heights: the steepest way down from each cell"),
    "depressions": N_("from heights: hollows that water fills before it flows on"),
    "relief": N_("from heights: slope and landform of each cell"),
    "heat": N_("from satellite images: the warmth of the ground against rural ground on the same day"),
    "wind": N_("from the hourly record of a station, calm hours left out"),
    "ventilation_corridors": N_("from the roughness of the ground: open lanes along the prevailing winds"),
    "green_reach": N_("from green spaces and residents: who has green near, and who would gain it"),
}
#: So many input files are named; the others are counted.
_FILES_NAMED = 2

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
    source_date: date | None = None

    def facts(self, language: str) -> list[tuple[str, str]]:
        """Name and value, with unit, of each attribute that this feature has and that is in this language."""
        values = ((a, self.properties.get(a.name)) for a in self.layer.attributes)
        told = [
            (title_of(a, language), attribute_words(a, value, language, self.names))
            for a, value in values
            if a.told and value not in (None, "", []) and not a.name.endswith(_IN_OTHER_LANGUAGES[language])
        ]
        return told + (self._computed(language) if "method" in self.properties else [])

    def _computed(self, language: str) -> list[tuple[str, str]]:
        """Of what was derived from measurements: the range of its class; how, from what and when it was computed."""
        translate = translator(language)
        told = [(translate(N_("range of the class")), range_words(self.properties, language))]
        if self.layer.id in _COMPUTED:
            told.append((translate(N_("computed")), translate(_COMPUTED[self.layer.id])))
        files = [each.rpartition(" ")[0] for each in self.properties.get("input_sha256", "").split("; ")]
        named = ", ".join(files[:_FILES_NAMED])
        if len(files) > _FILES_NAMED:
            named = translate(N_("{files} and {count} more")).format(files=named, count=len(files) - _FILES_NAMED)
        dated = f", {day(self.source_date, language)}" if self.source_date else ""
        told.append((translate(N_("from")), named + dated))
        return [(title, value) for title, value in told if value]


def range_words(properties: dict[str, Any], language: str) -> str:
    """The range of values that a class stands for, with its unit; nothing where it has no bounds."""
    least, most, unit = (properties.get(name) for name in ("value_min", "value_max", "value_unit"))
    translate = translator(language)
    if least is None and most is None:
        return ""
    unit = f"\N{NO-BREAK SPACE}{unit}" if unit else ""
    if most is None:
        return translate(N_("from {least} on")).format(least=_exactly(least, language) + unit)
    above = _exactly(most, language) + unit
    if least is None:
        return translate(N_("below {most}")).format(most=above)
    return translate(N_("from {least} to {most}")).format(least=_exactly(least, language), most=above)


def _exactly(value: float, language: str) -> str:
    """A limit as it was set, without its zeros."""
    return number(value, len(f"{value:.4f}".rstrip("0").partition(".")[2]), language)


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
            row.source_date,
        )
        for row in rows
        if row.layer_id in layers
    ]  # fmt: skip
    return sorted(found, key=lambda feature: position[feature.layer.id])
