"""What may lie under the plan: an online basemap where one is configured, and the consultation's plates.

No basemap is needed. One of xyzservices' providers is chosen with
`MASTERPLAN_BASEMAP`, for example `OpenStreetMap.Mapnik`; then visitors' browsers
ask its servers, which the page says.
"""

from __future__ import annotations

from typing import Any

import xyzservices.providers

from layers.documents_routes import overlays
from masterplan.errors import ConfigurationError
from masterplan.language import N_, translator
from masterplan.settings import settings

BASEMAP = "basemap"


def backdrops(language: str) -> list[dict[str, Any]]:
    """Raster backdrops: id, name, tile address, attribution and zoom limit, the basemap first."""
    plates = [
        {"id": f"plate-{plate['id']}", "name": plate["name"], "tiles": plate["tiles"], "bounds": plate["bounds"],
         "attribution": "", "visible": False}
        for plate in overlays(language)
        if "tiles" in plate
    ]  # fmt: skip
    chosen = settings().basemap
    return [*([_basemap(chosen, language)] if chosen else []), *plates]


def _basemap(chosen: str, language: str) -> dict[str, Any]:
    try:
        provider = xyzservices.providers.query_name(chosen)
    except ValueError as unknown:
        raise ConfigurationError(
            N_("MASTERPLAN_BASEMAP names no known basemap: “{name}”. Write for example OpenStreetMap.Mapnik."),
            name=chosen,
        ) from unknown
    return {
        "id": BASEMAP,
        "name": translator(language)(N_("Basemap, from the servers of {name}")).format(name=provider.name),
        "tiles": provider.build_url(),
        "attribution": provider.attribution,
        "maxzoom": provider.get("max_zoom", 19),
        "visible": True,
    }
