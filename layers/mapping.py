"""What the browser's map reads: a MapLibre style and the content of the layer panel.

Both hold addresses and the plan's own words; text that people wrote never
passes here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from layers import symbology
from layers.catalogue import catalogue
from layers.tiles import plan_stamp
from masterplan.formats import day, quantity
from masterplan.language import N_, translator
from masterplan.place import place

#: Tiles are cut up to this zoom; the browser enlarges them beyond.
PLAN_MAX_ZOOM = 16
_BACKGROUND = "#f4f2ec"


def style(connection: Connection, language: str) -> dict[str, Any]:
    """The MapLibre style of the plan; addresses are relative to the host it comes from."""
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
    background = {"id": "background", "type": "background", "paint": {"background-color": _BACKGROUND}}
    return {
        "version": 8,
        "name": place().text("plan_name", language),
        "sources": sources,
        "layers": [background, *symbology.style_layers(language)],
    }


_LAYERS = text("""
SELECT l.id, l.version, l.source, l.source_date, l.indicative, l.accuracy_m, l.description_ro, l.description_en,
    count(f.pk) AS features, array_remove(array_agg(DISTINCT f.status), NULL) AS statuses
FROM masterplan.layer l LEFT JOIN masterplan.current_feature f ON f.layer_id = l.id
GROUP BY l.id
""")


def panel(connection: Connection, language: str) -> list[dict[str, Any]]:
    """The layer panel: groups, each with its layers, legend rows, source and date."""
    loaded = {row.id: row for row in connection.execute(_LAYERS)}
    groups = []
    for group in catalogue().groups:
        members = [layer for layer in catalogue().layers if layer.group == group.id and layer.id in loaded]
        groups.append({
            "id": group.id,
            "name": getattr(group, f"name_{language}"),
            "layers": [_panel_layer(layer, loaded[layer.id], language) for layer in members],
        })  # fmt: skip
    return [group for group in groups if group["layers"]]


INDICATIVE = N_("indicative")
OFFICIAL = N_("official")


def _panel_layer(layer, row, language: str) -> dict[str, Any]:
    translate = translator(language)
    return {
        "id": layer.id,
        "name": getattr(layer, f"name_{language}"),
        "description": getattr(row, f"description_{language}"),
        "visible": symbology.symbologies()[layer.id].visible,
        "legend": symbology.legend(layer, language, list(row.statuses)),
        "indicative": row.indicative,
        "facts": [
            translate(INDICATIVE if row.indicative else OFFICIAL),
            translate(N_("accuracy about {distance}")).format(distance=quantity(row.accuracy_m, "m", language)),
            translate(N_("version {version}")).format(version=row.version),
        ],
        "source": translate(N_("Source: {source}, {date}")).format(
            source=row.source, date=day(row.source_date, language)
        ),
        "data": f"/ogc/collections/{layer.id}/items?f=geojson&limit=10000",
    }
