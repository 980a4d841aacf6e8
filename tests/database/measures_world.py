"""A small invented world for the measures: seeded layers in the database and the same in memory.

Shapes are drawn at random in EPSG:3844 around Iași, some overlapping, so that an independent
reckoning by shapely can be asked for each number. Official (not indicative) unless asked.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass, field

import shapely
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, text

WEST, SOUTH, SIDE = 685_000.0, 620_000.0, 20_000.0

POLYGONS, LINES, POINTS = "Polygon", "LineString", "Point"
LAYERS = {
    "uat": POLYGONS, "rings": LINES, "radials": LINES, "prospective_radials": LINES,
    "strategic_zones": POLYGONS, "underused_land": POLYGONS, "intravilan": POLYGONS,
    "transport_stops": POINTS, "green_blue_metropolitan": POLYGONS, "green_blue_urban": POLYGONS,
    "green_access": POLYGONS, "watercourses": LINES, "flood_bands": POLYGONS, "stormwater": POLYGONS,
    "heat": POLYGONS, "ventilation_corridors": POLYGONS, "relief": POLYGONS, "unstable_slopes": POLYGONS,
    "pollutants": POLYGONS, "protected_areas": POLYGONS, "population": POINTS,
}  # fmt: skip


@dataclass
class Feature:
    id: str
    geometry: BaseGeometry
    status: str | None = "existing"
    properties: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"Numele {self.id}"


World = dict[str, list[Feature]]


def blob(dice: random.Random, x: float, y: float, radius: float, vertices: int = 9) -> Polygon:
    """A star-shaped polygon around a point: valid, not convex."""
    turns = sorted(dice.uniform(0, 2 * math.pi) for _ in range(vertices))
    return Polygon([
        (x + r * math.cos(a), y + r * math.sin(a))
        for a, r in ((a, radius * dice.uniform(0.4, 1)) for a in turns)
    ]).buffer(0)  # fmt: skip


def place(dice: random.Random, margin: float = 0.0) -> tuple[float, float]:
    return (WEST + dice.uniform(-margin, SIDE + margin), SOUTH + dice.uniform(-margin, SIDE + margin))


def walk(dice: random.Random, x: float, y: float, steps: int, stride: float) -> LineString:
    heading, points = dice.uniform(0, 2 * math.pi), [(x, y)]
    for _ in range(steps):
        heading += dice.gauss(0, 0.4)
        x, y = x + stride * math.cos(heading), y + stride * math.sin(heading)
        points.append((x, y))
    return LineString(points)


def invent(seed: int = 1) -> World:
    """The same world for the same seed."""
    dice = random.Random(seed)
    world = {layer: _features(dice, layer) for layer in LAYERS}
    step = SIDE / 4
    world["uat"] = [
        Feature(f"uat-{i}-{j}", shapely.box(WEST + i * step, SOUTH + j * step, WEST + (i + 1) * step,
                                            SOUTH + (j + 1) * step),
                properties={"in_zone": (i, j) != (0, 0), "population": dice.randint(1500, 30000)})
        for i in range(4) for j in range(4)
    ]  # fmt: skip
    half = SIDE / 20
    for layer, attribute in (("heat", "anomaly_c"), ("relief", "slope_percent")):
        world[layer] = [
            Feature(f"{layer}-{i}-{j}",
                    shapely.box(WEST + i * half, SOUTH + j * half,
                                WEST + (i + 1) * half, SOUTH + (j + 1) * half),
                    properties={attribute: round(dice.uniform(-1, 30 if layer == "relief" else 6), 2)})
            for i in range(20) for j in range(20)
        ]  # fmt: skip
    return world


def _features(dice: random.Random, layer: str) -> list[Feature]:
    count = {"population": 900, "transport_stops": 250, "green_access": 60}.get(layer, 30)
    return [_feature(dice, layer, f"{layer}-{number}") for number in range(count)]


def _feature(dice: random.Random, layer: str, feature_id: str) -> Feature:
    x, y = place(dice)
    shape = {
        POLYGONS: lambda: blob(dice, x, y, dice.uniform(200, 2500)),
        LINES: lambda: walk(dice, x, y, 25, 300),
        POINTS: lambda: Point(x, y),
    }[LAYERS[layer]]()
    status = dice.choice(["existing", "existing", "proposed"])
    return Feature(feature_id, shape, status, _properties(dice, layer, shape))


def _properties(dice: random.Random, layer: str, shape: BaseGeometry) -> dict:
    return {
        "strategic_zones": lambda: {"uses": dice.sample(["housing", "logistics", "green", "mobility"], 2)},
        "green_access": lambda: {"area_ha": round(shape.area / 1e4, 2), "registered": dice.random() < 0.7},
        "watercourses": lambda: {"width_m": dice.choice([4, 9, 12, 30, 60, 80])},
        "flood_bands": lambda: {"probability_percent": dice.choice([10, 1, 0.1])},
        "stormwater": lambda: {
            "accumulation": dice.choice(["low", "medium", "high"]),
            "upstream_km2": round(dice.uniform(0, 25), 2)},
        "ventilation_corridors": lambda: {
            "width_m": dice.randint(200, 900), "direction_deg": dice.randint(0, 359)},
        "pollutants": lambda: {
            "no2_ugm3": round(dice.uniform(5, 50), 1), "pm10_ugm3": round(dice.uniform(10, 50), 1),
            "pm25_ugm3": round(dice.uniform(5, 30), 1)},
        "population": lambda: {"residents": dice.randint(0, 900)},
    }.get(layer, dict)()  # fmt: skip


def store(
    connection: Connection, world: World, accuracy_m: float = 20.0, indicative: bool = False, version: int = 1
) -> None:
    """Replace every layer in the database by this world, on the owner's connection."""
    connection.execute(
        text("TRUNCATE masterplan.layer, masterplan.layer_version, masterplan.feature CASCADE")
    )
    for position, (layer, features) in enumerate(world.items()):
        facts = {"id": layer, "position": position, "kind": LAYERS[layer], "indicative": indicative,
                 "accuracy": accuracy_m, "version": version, "count": len(features)}  # fmt: skip
        connection.execute(_LAYER, facts)
        connection.execute(_VERSION, facts)
        if features:
            connection.execute(_FEATURE, [
                {"layer": layer, "id": f.id, "name": f.name, "status": f.status, "indicative": indicative,
                 "properties": json.dumps(f.properties), "geom": shapely.to_wkb(f.geometry),
                 "version": version}
                for f in features
            ])  # fmt: skip
    connection.execute(text("ANALYZE masterplan.feature, masterplan.layer"))


_LAYER = text("""
    INSERT INTO masterplan.layer (id, group_id, position, kind, geometry_type, name_ro, name_en,
        description_ro, description_en, source, licence, source_date, indicative, accuracy_m,
        attributes, version)
    VALUES (:id, 'mobility', :position, 'evidence', :kind, :id, :id, '', '', 'inventat', 'CC0', '2026-01-01',
        :indicative, :accuracy, '[]', :version)
""")
_VERSION = text("""
    INSERT INTO masterplan.layer_version (layer_id, version, source, source_date, indicative, accuracy_m,
        feature_count, file_sha256)
    VALUES (:id, :version, 'inventat', '2026-01-01', :indicative, :accuracy, :count, '')
""")
_FEATURE = text("""
    INSERT INTO masterplan.feature (layer_id, feature_id, versions, name_ro, name_en, status, properties,
        source, source_date, indicative, geom)
    VALUES (:layer, :id, int4range(:version, NULL), :name, :name, :status, CAST(:properties AS jsonb),
        'inventat', '2026-01-01', :indicative, ST_GeomFromWKB(:geom, 3844))
""")
