"""What the browser's map reads: a MapLibre style and the content of the layer panel.

Both hold addresses and the plan's own words; text that people wrote never
passes here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from layers import symbology
from layers.catalogue import Layer, catalogue
from layers.presets import Preset, presets
from layers.tiles import plan_stamp
from masterplan.formats import day, quantity
from masterplan.language import N_, translator
from masterplan.place import place

#: Tiles are cut up to this zoom; the browser enlarges them beyond.
PLAN_MAX_ZOOM = 16


def style(connection: Connection, language: str, theme: str = symbology.DEFAULT_THEME) -> dict[str, Any]:
    """The MapLibre style of the plan; addresses are relative to the host it comes from.

    Its metadata says which layers are shown at first, in which order (the uppermost first), and the presets.
    """
    stamp = plan_stamp(connection)
    west, south, east, north = place().bounds
    sources = {
        group.id: {
            "type": "vector",
            "tiles": [f"/tiles/plan/{group.id}/{{z}}/{{x}}/{{y}}?v={stamp}"],
            "minzoom": 7,
            "maxzoom": PLAN_MAX_ZOOM,
            "bounds": [west, south, east, north],
        }
        for group in catalogue().groups
    }
    ground = {"background-color": symbology.THEMES[theme].background}
    background = {"id": "background", "type": "background", "paint": ground}
    return {
        "version": 8,
        "name": place().text("plan_name", language),
        "metadata": _start(theme),
        "sources": sources,
        "layers": [background, *symbology.style_layers(language, theme)],
    }


def _start(theme: str) -> dict[str, Any]:
    drawn = [(layer.id, marks) for layer, marks in reversed(symbology.drawn_in_order())]
    return {
        "theme": theme,
        "themes": list(symbology.THEMES),
        "order": [layer_id for layer_id, _ in drawn],
        "visible": [layer_id for layer_id, marks in drawn if marks.visible],
        "choices": {layer_id: marks.choice_default for layer_id, marks in drawn if marks.choice_attribute},
        "presets": {preset.id: {"layers": preset.layers, "opacity": preset.opacity} for preset in presets()},
    }


_LAYERS = text("""
SELECT l.id, l.version, l.source, l.source_date, l.licence, l.indicative, l.accuracy_m,
    l.description_ro, l.description_en,
    count(f.pk) AS features, array_remove(array_agg(DISTINCT f.status), NULL) AS statuses
FROM masterplan.layer l LEFT JOIN masterplan.current_feature f ON f.layer_id = l.id
GROUP BY l.id
""")
_EDITION = text("SELECT label, status FROM masterplan.edition ORDER BY id DESC LIMIT 1")


def panel(
    connection: Connection, language: str, theme: str = symbology.DEFAULT_THEME
) -> list[dict[str, Any]]:
    """The layer panel: groups, each with its layers, and what each says of itself."""
    loaded = {row.id: row for row in connection.execute(_LAYERS)}
    edition = connection.execute(_EDITION).one().label
    groups = []
    for group in catalogue().groups:
        members = [layer for layer in catalogue().layers if layer.group == group.id and layer.id in loaded]
        groups.append({
            "id": group.id,
            "name": getattr(group, f"name_{language}"),
            "layers": [_panel_layer(layer, loaded[layer.id], edition, language, theme) for layer in members],
        })  # fmt: skip
    return [group for group in groups if group["layers"]]


INDICATIVE = N_("indicative")
OFFICIAL = N_("official")


def _panel_layer(layer: Layer, row, edition: str, language: str, theme: str) -> dict[str, Any]:
    translate = translator(language)
    return {
        "id": layer.id,
        "name": getattr(layer, f"name_{language}"),
        "description": getattr(row, f"description_{language}"),
        "visible": symbology.symbologies()[layer.id].visible,
        "legend": symbology.legend(layer, language, list(row.statuses), theme),
        "legend_title": _legend_title(layer, language),
        "choice": _choice(layer, language),
        "indicative": row.indicative,
        "standing": translate(INDICATIVE if row.indicative else OFFICIAL),
        "facts": [
            [translate(N_("Source")), row.source],
            [translate(N_("Date")), day(row.source_date, language)],
            [translate(N_("Licence")), row.licence],
            _edition_or_version(layer, row.version, edition, translate),
            [translate(N_("Accuracy")),
             translate(N_("about {distance}")).format(distance=quantity(row.accuracy_m, "m", language))],
        ],
        "links": [
            {"name": "GeoJSON", "address": f"/ogc/collections/{layer.id}/items?f=geojson&limit=10000",
             "file": f"{layer.id}.geojson"},
            {"name": "OGC API", "address": f"/ogc/collections/{layer.id}", "file": ""},
        ],
    }  # fmt: skip


def _edition_or_version(layer: Layer, version: int, edition: str, translate) -> list[str]:
    """Plan layers live in editions, evidence has versions only."""
    words = translate(N_("version {version}")).format(version=version)
    if layer.kind == "evidence":
        return [translate(N_("Version")), words]
    return [translate(N_("Edition")), f"{edition}, {words}"]


def _legend_title(layer: Layer, language: str) -> str:
    """What the classes of a legend are classes of, with its unit: `NO₂, medie anuală (µg/m³)`."""
    marks = symbology.symbologies()[layer.id]
    if not marks.classes:
        return ""
    attribute = next(a for a in layer.attributes if a.name == marks.attribute)
    name = getattr(attribute, f"name_{language}")
    return f"{name} ({attribute.unit})" if attribute.unit else name


def _choice(layer: Layer, language: str) -> dict[str, Any] | None:
    """The attribute of which one value is shown at a time, with the names of its values."""
    marks = symbology.symbologies()[layer.id]
    if not marks.choice_attribute:
        return None
    attribute = next(a for a in layer.attributes if a.name == marks.choice_attribute)
    return {
        "name": getattr(attribute, f"name_{language}"),
        "values": [[value, attribute.value_name(value, language)] for value in attribute.values],
    }


def preset_choices(language: str) -> list[dict[str, str]]:
    """The presets as they are offered."""
    return [_preset(preset, language) for preset in presets()]


def _preset(preset: Preset, language: str) -> dict[str, str]:
    return {
        "id": preset.id,
        "name": getattr(preset, f"name_{language}"),
        "question": getattr(preset, f"question_{language}"),
    }


_ORIGINS = text("""
SELECT r.properties ->> 'origin_uat' AS siruta, r.properties ->> 'origin_name' AS name, r.properties -> 'crossed_uats'
    AS crossed, joined.name_ro AS joins_ro, joined.name_en AS joins_en
FROM masterplan.current_feature r LEFT JOIN masterplan.current_feature joined
    ON joined.layer_id = 'radials' AND joined.feature_id = r.properties ->> 'joins'
WHERE r.layer_id = 'prospective_radials' AND r.properties ->> 'origin_uat' IS NOT NULL
ORDER BY r.properties ->> 'origin_name' COLLATE "ro-x-icu", r.feature_id
""")
_UATS = text("SELECT properties ->> 'siruta', name_ro FROM masterplan.current_feature WHERE layer_id = 'uat'")


def origins(connection: Connection, language: str) -> list[dict[str, Any]]:
    """Where each prospective radial comes from: the UAT, those crossed inwards, and the radial it joins."""
    names = dict(connection.execute(_UATS).all())
    found = []
    for row in connection.execute(_ORIGINS):
        crossed = [str(code) for code in row.crossed or []]
        found.append({
            "siruta": row.siruta, "name": row.name, "crossed": crossed,
            "crossed_names": [names.get(code, code) for code in crossed],
            "joins": getattr(row, f"joins_{language}") or row.joins_ro or "",
        })  # fmt: skip
    return found
