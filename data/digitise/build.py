"""All layers from the control points."""

from __future__ import annotations

from pathlib import Path

from data.digitise import ground, network, settlements, stops, tessellation, zones
from data.digitise.geometry import metres
from data.digitise.writing import Feature, write_layer


def layers() -> dict[str, list[Feature]]:
    """Every layer's features by layer id."""
    cells = tessellation.cells()
    zone = metres(tessellation.zone_all())
    places = tuple(settlements.settlements(cells))
    return {
        "rings": network.ring_features(),
        "radials": network.radial_features(),
        "prospective_radials": network.prospective_features(cells),
        "transport_stops": stops.stop_features(cells, list(places)),
        "strategic_zones": zones.zone_features(),
        "underused_land": zones.underused_features(),
        "intravilan": settlements.intravilan_features(list(places)),
        "green_blue_concept": zones.corridor_features("green_blue_concept", zones.CONCEPT, zone),
        "green_blue_metropolitan": zones.corridor_features("green_blue_metropolitan", zones.METROPOLITAN, zone),
        "green_blue_urban": zones.corridor_features("green_blue_urban", zones.URBAN, zone),
        "green_access": zones.green_access_features(),
        "protected_areas": zones.protected_features(zone),
        "watercourses": ground.watercourse_features(),
        "flood_bands": ground.flood_features(),
        "stormwater": ground.stormwater_features(),
        "heat": ground.heat_features(places),
        "relief": ground.relief_features(),
        "wind": ground.wind_features(),
        "ventilation_corridors": ground.ventilation_features(),
        "unstable_slopes": zones.unstable_features(),
        "pollutants": ground.pollutant_features(places),
        "uat": tessellation.uat_features(),
        "population": settlements.population_features(list(places)),
    }


def build(folder: Path) -> None:
    """Write every layer into the folder as `<layer>.geojson`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, features in layers().items():
        write_layer(folder, name, features)
