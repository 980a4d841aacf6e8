"""How far it is from a place to what people ask about: ring, radial, green space, water, stop."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from layers.catalogue import Layer, catalogue
from masterplan.place import WGS84_SRID, place

#: The layers whose nearest feature is told, in this order.
ASKED = ("rings", "radials", "prospective_radials", "green_access", "watercourses", "transport_stops")

_NEAREST = text(f"""
WITH place AS (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(:lon, :lat), {WGS84_SRID}), CAST(:srid AS integer)) AS point)
SELECT asked.layer_id, nearest.name_ro, nearest.name_en, nearest.distance_m
FROM place, unnest(CAST(:layers AS text[])) WITH ORDINALITY AS asked (layer_id, position), LATERAL (
    SELECT f.name_ro, f.name_en, ST_Distance(f.geom, place.point) AS distance_m
    FROM masterplan.current_feature f WHERE f.layer_id = asked.layer_id
    ORDER BY f.geom <-> place.point, f.feature_id LIMIT 1) nearest
ORDER BY asked.position
""")


@dataclass(frozen=True)
class Nearest:
    """The nearest feature of a layer. `distance_m` is measured in the storage CRS, 0 on or inside it."""

    layer: Layer
    name_ro: str
    name_en: str
    distance_m: float

    def name(self, language: str) -> str:
        return getattr(self, f"name_{language}") or self.name_ro


def nearest_features(connection: Connection, lon: float, lat: float) -> list[Nearest]:
    """The nearest current feature of each layer in `ASKED` to a place (degrees, EPSG:4326).

    A layer without features is left out.
    """
    parameters = {"lon": lon, "lat": lat, "srid": place().storage_srid, "layers": list(ASKED)}
    known = {layer.id: layer for layer in catalogue().layers}
    rows = connection.execute(_NEAREST, parameters)
    return [Nearest(known[row.layer_id], row.name_ro, row.name_en, row.distance_m) for row in rows]
