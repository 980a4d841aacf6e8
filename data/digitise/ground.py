"""Evidence layers: relief, heat, pollutants as coverages of the zone; wind; water and its floods.

The fields are sketches: altitude rises from the drawn rivers towards the drawn hills, heat and pollutants fade from
the drawn city and roads. They give every place a value of the right order, never a measurement.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import shapely
import shapely.ops
from shapely import LineString
from shapely.geometry.base import BaseGeometry

from data.digitise import waters
from data.digitise.geometry import (
    LonLat,
    Raster,
    blob,
    coverage,
    curve,
    degrees,
    metres,
    point,
    polygons,
    ribbon,
    ripple,
    smooth_arcs,
    xy,
)
from data.digitise.network import radial, ring
from data.digitise.roads import PROSPECTIVE, RADIALS
from data.digitise.settlements import Settlement
from data.digitise.tessellation import raster_edge, zone_all, zone_raster
from data.digitise.writing import REPORT, TEAM, Feature, feature
from data.digitise.zones import forests

FIELD_CELL_M = 200.0
COARSE_GRID_SLOPE = 1.6
VALLEY_REACH_M = 7_000
LEAST_PATCH_M2 = 900_000.0

# Tops of the interfluves: lon, lat, metres above sea level.
HILLS: tuple[tuple[float, float, float], ...] = (
    (27.567, 47.185, 165), (27.553, 47.212, 205), (27.588, 47.215, 200), (27.615, 47.205, 190), (27.612, 47.166, 95),
    (27.560, 47.143, 135), (27.595, 47.127, 185), (27.640, 47.104, 240), (27.632, 47.085, 345), (27.652, 47.080, 400),
    (27.600, 47.055, 380), (27.680, 47.045, 360), (27.710, 47.020, 350), (27.660, 46.985, 340), (27.620, 46.965, 350),
    (27.560, 46.995, 360), (27.510, 46.985, 390), (27.480, 47.015, 370), (27.440, 47.010, 330), (27.540, 47.055, 210),
    (27.590, 46.910, 320), (27.690, 46.930, 320), (27.760, 46.990, 330), (27.790, 47.055, 280), (27.740, 47.090, 230),
    (27.830, 47.010, 260), (27.850, 47.055, 120), (27.880, 46.990, 210), (27.500, 47.140, 130), (27.540, 47.150, 105),
    (27.460, 47.110, 170), (27.380, 47.070, 230), (27.340, 47.110, 200), (27.300, 47.140, 180), (27.370, 47.160, 140),
    (27.440, 47.225, 170), (27.490, 47.225, 190), (27.350, 47.240, 160), (27.300, 47.260, 150), (27.400, 47.265, 185),
    (27.350, 47.310, 160), (27.420, 47.315, 165), (27.470, 47.275, 195), (27.530, 47.270, 185), (27.560, 47.255, 190),
    (27.600, 47.250, 170), (27.640, 47.235, 160), (27.670, 47.200, 140), (27.640, 47.175, 120), (27.700, 47.190, 95),
    (27.740, 47.230, 80), (27.560, 47.335, 110), (27.480, 47.370, 105), (27.610, 47.300, 85), (27.710, 47.130, 70),
    (27.780, 47.170, 45), (27.880, 47.090, 42),
)

LANDFORMS = {
    "floodplain": ("luncă", "Floodplain"), "terrace": ("terasă și vale", "Terrace and valley"),
    "hill": ("deal și colină", "Hill"), "scarp": ("coastă și versant abrupt", "Scarp"),
    "plateau": ("culme și platou înalt", "High ridge"),
}


@cache
def field_raster() -> Raster:
    return zone_raster(FIELD_CELL_M)


def _idw(raster: Raster, places: np.ndarray, values: np.ndarray, soften_m: float) -> np.ndarray:
    """Inverse-distance weighting (power 3) of values at Stereo 70 places over the grid."""
    total, weight = np.zeros(raster.x.shape), np.zeros(raster.x.shape)
    for (x, y), value in zip(places, values, strict=True):
        w = 1 / ((raster.x - x) ** 2 + (raster.y - y) ** 2 + soften_m**2) ** 1.5
        total += w * value
        weight += w
    return total / weight


def distance(raster: Raster, geometry: BaseGeometry, reach_m: float = 100_000) -> np.ndarray:
    """Metres from every cell to the geometry (Stereo 70); infinite outside the box reach_m around it."""
    around = raster.window(shapely.box(*geometry.bounds).buffer(reach_m))
    line = shapely.simplify(geometry, FIELD_CELL_M / 4)
    shapely.prepare(line)
    away = np.full(raster.x.shape, np.inf)
    away[around] = shapely.distance(line, shapely.points(raster.x[around], raster.y[around]))
    return away


@cache
def altitude() -> np.ndarray:
    """Metres above sea level on the field grid: river floors and interfluve tops, joined by rounded slopes."""
    raster = field_raster()
    tops = _idw(raster, xy([(h[0], h[1]) for h in HILLS]), np.array([h[2] for h in HILLS]), 900)
    height = np.full(raster.x.shape, np.inf)
    floor = np.full(raster.x.shape, np.inf)
    for river in waters.RIVERS:
        line = waters.course(river.id)
        away = distance(raster, line, reach_m=VALLEY_REACH_M if river.rank >= 4 else 100_000)
        near = np.isfinite(away)
        along = np.zeros(away.shape)
        along[near] = shapely.line_locate_point(
            line.simplify(400), shapely.points(raster.x[near], raster.y[near]), normalized=True)
        first, last = river.floor_m
        bed = first + (last - first) * along**0.6
        flat_m = {1: 1500, 2: 1100, 3: 700, 4: 260, 5: 140}[river.rank]
        rise = np.maximum(away - flat_m * (1 + 0.35 * ripple(raster.x, raster.y, 6000, river.rank)), 0)
        reach = {1: 2600, 2: 2300, 3: 2000, 4: 1700, 5: 1500}[river.rank]
        share = 1 - np.exp(-((rise / reach) ** 1.4))
        here = bed + np.minimum(away, flat_m) * 0.004 + np.maximum(tops - bed, 2) * share
        here = np.where(near, here, np.inf)
        closer = here < height
        height, floor = np.where(closer, here, height), np.where(closer, bed, floor)
    bumps = ripple(raster.x, raster.y, 2600, 5) * 0.10 * np.maximum(height - floor, 0)
    return height + bumps


@cache
def slope() -> np.ndarray:
    """Slope in percent: that of the field grid, made steeper because a coarse grid flattens slopes."""
    dy, dx = np.gradient(altitude(), FIELD_CELL_M)
    return COARSE_GRID_SLOPE * 100 * np.hypot(dx, dy)


def field_coverage(classes: np.ndarray, tolerance_m: float, least_m2: float) -> list[BaseGeometry]:
    """One polygon (lon, lat) for each connected patch of one class, covering the zone without gaps."""
    raster = field_raster()
    arcs = smooth_arcs(raster, classes, tolerance_m)
    zone = metres(zone_all())
    joined = coverage([*arcs, raster_edge(raster)], zone, lambda p: raster.value_at(classes, p), least_m2)
    return [part for shape in joined.values() for part in polygons(shape)]


def mean_inside(shape: BaseGeometry, *fields: np.ndarray) -> list[float]:
    """Means of fields over the cells whose centre lies in a lon, lat polygon (nearest cell if none)."""
    raster, flat = field_raster(), metres(shape)
    shapely.prepare(flat)
    window = raster.window(flat)
    inside = shapely.contains_xy(flat, raster.x[window], raster.y[window])
    if not inside.any():
        spot = np.array(flat.representative_point().coords)
        return [float(raster.value_at(f, spot)[0]) for f in fields]
    return [float(f[window][inside].mean()) for f in fields]


def relief_features() -> list[Feature]:
    """Landform patches with mean altitude and slope."""
    bands = np.digitize(altitude(), [48, 75, 110, 150, 200, 260, 320])
    steep = np.digitize(_blurred(slope(), 1), [5, 11, 16])
    features = []
    for number, shape in enumerate(field_coverage(bands * 4 + steep, 190, LEAST_PATCH_M2), start=1):
        height, tilt = mean_inside(shape, altitude(), slope())
        kind = _landform(height, tilt)
        name_ro, name_en = LANDFORMS[kind]
        features.append(feature(
            f"relief-{number}", shape, f"{name_ro.capitalize()}, circa {height:.0f} m", f"{name_en}, about {height:.0f} m",
            altitude_m=round(height), slope_percent=round(tilt, 1), landform=name_ro, in_degrees=True,
            source=f"model schematic din cote de notorietate publică; {TEAM}"))
    return features


def _blurred(values: np.ndarray, rounds: int) -> np.ndarray:
    for _ in range(rounds):
        padded = np.pad(values, 1, mode="edge")
        rows, columns = values.shape
        values = sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) / 9
    return values


def _landform(height: float, tilt: float) -> str:
    if height < 52 and tilt < 5:
        return "floodplain"
    if tilt >= 11:
        return "scarp"
    if height >= 260:
        return "plateau"
    return "terrace" if height < 100 else "hill"


def _towards(raster: Raster, place: LonLat, spread_m: float) -> np.ndarray:
    """1 at the place, fading to 0 like a bell."""
    p = point(place)
    return np.exp(-((raster.x - p.x) ** 2 + (raster.y - p.y) ** 2) / (2 * spread_m**2))


def _fade(away: np.ndarray, reach_m: float) -> np.ndarray:
    return np.exp(-np.maximum(away, 0) / reach_m)


CORES: tuple[tuple[LonLat, float, float], ...] = (
    ((27.583, 47.163), 1300, 2.6), ((27.552, 47.157), 1100, 1.6), ((27.587, 47.146), 900, 1.5),
    ((27.614, 47.162), 1000, 1.4), ((27.586, 47.122), 900, 1.3), ((27.545, 47.172), 900, 1.0),
    ((27.642, 47.144), 1100, 1.9), ((27.573, 47.110), 800, 1.5), ((27.510, 47.177), 800, 0.9),
    ((27.495, 47.138), 700, 1.0), ((27.670, 47.152), 800, 0.7),
)


@cache
def heat_field(places: tuple[Settlement, ...]) -> np.ndarray:
    """Summer evening anomaly against rural ground, °C."""
    raster = field_raster()
    city = next(s.shape for s in places if s.uat.name == "Iași")
    field = 2.1 * _fade(distance(raster, city), 650)
    for place, spread, degrees_c in CORES:
        field += degrees_c * _towards(raster, place, spread)
    villages = [s for s in places if s.uat.name != "Iași"]
    for s in villages:
        crowd = min(1.7, 0.35 + s.share * s.uat.population / 7000)
        field = np.maximum(field, crowd * _fade(distance(raster, s.shape, reach_m=3_000), 350))
    field -= 2.3 * _fade(distance(raster, forests()), 500)
    lakes = shapely.union_all([waters.lake_shape(x.id) for x in waters.LAKES])
    field -= 1.5 * _fade(distance(raster, lakes), 300)
    big = shapely.union_all([waters.course(r.id) for r in waters.RIVERS if r.rank <= 2])
    field -= 0.7 * _fade(distance(raster, big), 450)
    return field + 0.16 * ripple(raster.x, raster.y, 5200, 4) - 0.12


def heat_features(places: tuple[Settlement, ...]) -> list[Feature]:
    field = heat_field(places)
    edges = [-1.6, -0.7, 0.45, 1.0, 1.8, 2.6, 3.4, 4.2, 5.0, 5.8]
    features = []
    for number, shape in enumerate(field_coverage(np.digitize(field, edges), 170, 600_000), start=1):
        anomaly = round(mean_inside(shape, field)[0], 1) + 0.0
        features.append(feature(
            f"heat-{number}", shape, f"Abatere termică {anomaly:+.1f} °C".replace(".", ","),
            f"Heat anomaly {anomaly:+.1f} °C", anomaly_c=anomaly, in_degrees=True,
            source=f"Ichim & Sfîcă 2020, Sustainability 12:9652 (descriere); {TEAM}", source_date="2020-11-19"))
    return features


@cache
def traffic() -> tuple[BaseGeometry, BaseGeometry]:
    """Main roads in Stereo 70: rings R1, R2 with the radials; R3 with the corridors beyond."""
    inner = [ring("R1"), ring("R2"), *(radial(r.id) for r in RADIALS)]
    outer = [degrees(curve(p.controls)) for p in PROSPECTIVE] + [ring("R3")]
    return metres(shapely.union_all(inner)), metres(shapely.union_all(outer))


def pollutant_features(places: tuple[Settlement, ...]) -> list[Feature]:
    """NO₂, PM10 and PM2.5 annual means (µg/m³), patches by NO₂ bands."""
    raster = field_raster()
    inner, outer = traffic()
    near, far = _fade(distance(raster, inner), 450), _fade(distance(raster, outer), 380)
    core = sum(degrees_c * _towards(raster, p, 1.3 * s) for p, s, degrees_c in CORES)
    warm = np.clip(heat_field(places), 0, 6)
    no2 = 6.5 + 8.5 * near + 3.2 * far + 4.6 * core + 1.2 * warm
    pm10 = 15.5 + 5.0 * near + 2.0 * far + 3.6 * core + 0.9 * warm
    pm25 = 9.0 + 2.4 * near + 0.9 * far + 2.2 * core + 0.6 * warm
    features = []
    patches = field_coverage(np.digitize(no2, [8, 10.5, 14, 18, 23, 28, 33]), 190, 600_000)
    for number, shape in enumerate(patches, start=1):
        a, b, c = (round(v, 1) for v in mean_inside(shape, no2, pm10, pm25))
        features.append(feature(
            f"pollutants-{number}", shape, f"NO₂ {a:.1f} µg/m³, PM10 {b:.1f} µg/m³".replace(".", ","),
            f"NO₂ {a:.1f} µg/m³, PM10 {b:.1f} µg/m³", no2_ugm3=a, pm10_ugm3=b, pm25_ugm3=c, in_degrees=True,
            source=f"repartizare schematică în lungul traficului, după planșa «poluanți» numită în {REPORT}"))
    return features


SEASONS: tuple[tuple[str, str, str, float, float], ...] = (
    ("winter", "iarna", "winter", 330, 3.6), ("spring", "primăvara", "spring", 320, 3.9),
    ("summer", "vara", "summer", 310, 2.9), ("autumn", "toamna", "autumn", 315, 3.0),
)
WIND_SITES: tuple[tuple[str, float, float, float, float], ...] = (
    # name, lon, lat, turn in degrees (channelling), factor of speed
    ("Aeroport", 27.621, 47.179, 5, 1.10), ("Copou", 27.560, 47.195, 0, 1.15), ("Centru", 27.583, 47.165, -12, 0.60),
    ("Lunca Bahluiului – Dacia", 27.540, 47.163, -28, 0.95), ("Lunca Bahluiului – Lețcani", 27.430, 47.180, -25, 1.05),
    ("Lunca Bahluiului – Dancu", 27.665, 47.142, -30, 1.00), ("Nicolina – C.U.G.", 27.583, 47.115, 20, 0.75),
    ("Repedea", 27.632, 47.085, 0, 1.35), ("Bârnova", 27.600, 47.055, 5, 1.20), ("Ciric", 27.604, 47.190, 18, 0.85),
    ("Rediu", 27.504, 47.217, 0, 1.10), ("Movileni", 27.375, 47.320, -5, 1.10), ("Victoria", 27.592, 47.295, -8, 1.05),
    ("Golăiești", 27.697, 47.242, -10, 1.05), ("Țuțora", 27.796, 47.134, -12, 1.05), ("Costuleni", 27.862, 47.029, -8, 1.00),
    ("Schitu Duca", 27.767, 47.033, 12, 0.80), ("Grajduri", 27.540, 46.975, 5, 0.90), ("Voinești", 27.431, 47.075, 15, 0.85),
)


def wind_features() -> list[Feature]:
    """Prevailing wind (direction it comes from) at sites, by season."""
    features = []
    for site, (name, lon, lat, turn, factor) in enumerate(WIND_SITES, start=1):
        for season, ro, en, direction, speed in SEASONS:
            features.append(feature(
                f"wind-{site}-{season}", point((lon, lat)), f"{name}, {ro}", f"{name}, {en}",
                direction_deg=(direction + turn) % 360, speed_ms=round(speed * factor, 1), season=season,
                source=f"vânt dominant de nord-vest, canalizat pe valea Bahluiului (descriere publică); {TEAM}"))
    return features


VENTILATION: tuple[tuple[str, str, str, float, tuple[LonLat, ...]], ...] = (
    ("bahlui", "Culoarul de ventilație Bahlui", "Bahlui ventilation corridor", 900,
     ((27.430, 47.181), (27.475, 47.172), (27.520, 47.166), (27.553, 47.161), (27.580, 47.154), (27.610, 47.150),
      (27.640, 47.145), (27.690, 47.139), (27.735, 47.133))),
    ("ciric", "Culoarul de ventilație Ciric", "Ciric ventilation corridor", 600,
     ((27.590, 47.232), (27.598, 47.212), (27.604, 47.190), (27.609, 47.174), (27.618, 47.158))),
    ("nicolina", "Culoarul de ventilație Nicolina", "Nicolina ventilation corridor", 500,
     ((27.572, 47.070), (27.575, 47.095), (27.582, 47.118), (27.586, 47.138), (27.585, 47.149))),
    ("cacaina", "Culoarul de ventilație Cacaina – Șorogari", "Cacaina – Șorogari ventilation corridor", 320,
     ((27.585, 47.212), (27.589, 47.195), (27.591, 47.180), (27.596, 47.166))),
    ("rediu", "Culoarul de ventilație Rediu – Canta", "Rediu – Canta ventilation corridor", 420,
     ((27.496, 47.232), (27.514, 47.208), (27.530, 47.188), (27.543, 47.173))),
    ("galata", "Culoarul de ventilație Ezăreni – Nicolina", "Ezăreni – Nicolina ventilation corridor", 450,
     ((27.500, 47.106), (27.533, 47.117), (27.558, 47.124), (27.578, 47.129))),
)


def ventilation_features() -> list[Feature]:
    features = []
    for number, (id, name, name_en, width, controls) in enumerate(VENTILATION, start=1):
        line = curve(controls)
        features.append(feature(
            f"ventilation-{id}", ribbon(line, width, 0.2, number, swell_m=2500), name, name_en, status="existing",
            width_m=width, direction_deg=bearing(line),
            source=f"planșa «temperaturi, relief, vânt» numită în {REPORT}"))
    return features


def bearing(line: LineString) -> int:
    """Grid bearing from the first to the last vertex, degrees clockwise from north."""
    (x0, y0), (x1, y1) = line.coords[0], line.coords[-1]
    return round(math.degrees(math.atan2(x1 - x0, y1 - y0))) % 360


@cache
def in_zone(river_id: str) -> LineString:
    """The stretch of a river within the zone or 300 m around it, Stereo 70."""
    inside = shapely.intersection(waters.course(river_id), metres(zone_all()).buffer(300))
    merged = shapely.line_merge(inside) if inside.geom_type != "LineString" else inside
    return max(shapely.get_parts(merged), key=lambda part: part.length)


def watercourse_features() -> list[Feature]:
    return [
        feature(f"water-{r.id}", in_zone(r.id), r.name, status="existing", river=r.name, width_m=r.width_m,
                source=f"cursuri de apă de notorietate publică; {TEAM}")
        for r in waters.RIVERS
    ]


# Widths in metres of the 10 %, 1 % and 0.1 % bands by rank of the river.
FLOOD_WIDTHS = {1: (520, 1300, 2300), 2: (170, 620, 1250), 4: (50, 160, 340), 5: (30, 90, 190)}
FLOODING = ("prut", "jijia", "bahlui", "nicolina", "ciric", "cacaina", "voinesti", "ezareni", "ciurbesti", "vaslui",
            "dobrovat", "rebricea", "stavnic", "chirita", "rediu", "comarna", "cozia")


def flood_features() -> list[Feature]:
    """Flood bands; for each river the 10 % band lies inside the 1 % band, and that inside the 0.1 % one."""
    zone = metres(zone_all())
    features = []
    for river in (r for r in waters.RIVERS if r.id in FLOODING):
        seed = sum(map(ord, river.id)) % 23
        for width, chance in zip(FLOOD_WIDTHS[river.rank], (10, 1, 0.1), strict=True):
            swell = ribbon(in_zone(river.id), width, 0.35, seed, swell_m=2600)
            shape = shapely.intersection(swell, zone)
            said = f"{chance:g}".replace(".", ",")
            features.append(feature(
                f"flood-{river.id}-{str(chance).replace('.', '_')}", max(polygons(shape), key=lambda p: p.area),
                f"{river.name}: bandă de inundabilitate {said} %", f"{river.name}: {chance:g} % flood band",
                probability_percent=chance, source=f"lățimi schematice pe luncile de notorietate publică; {TEAM}"))
    return features


# Widths in metres of high, medium and low accumulation by rank of the river.
STORM_WIDTHS = {1: (700, 1700, 3000), 2: (340, 900, 1900), 4: (150, 420, 900), 5: (90, 260, 620)}
LEVELS = ("high", "medium", "low")
LEVEL_WORDS = {"high": ("ridicată", "high"), "medium": ("medie", "medium"), "low": ("redusă", "low")}
# Low places of the city where rain collects: name, lon, lat, hectares, upstream km².
HOLLOWS: tuple[tuple[str, float, float, float, float], ...] = (
    ("Podu Roș", 27.5875, 47.1515, 14, 2.1), ("Nicolina – Belvedere", 27.5850, 47.1390, 16, 3.0),
    ("Pasaj Alexandru cel Bun", 27.5640, 47.1590, 9, 1.4), ("Mitropolit Varlaam", 27.5880, 47.1735, 7, 0.9),
    ("Dacia – Canta", 27.5460, 47.1660, 15, 2.6), ("Tudor Vladimirescu", 27.6060, 47.1530, 17, 2.2),
    ("Bularga", 27.6220, 47.1505, 20, 4.1), ("Gara – Rampă", 27.5670, 47.1630, 8, 1.1),
    ("Socola – Tabacului", 27.5990, 47.1430, 10, 1.7), ("Zona industrială Tehnopolis", 27.6350, 47.1440, 24, 3.3),
    ("Dancu", 27.6600, 47.1480, 18, 2.4), ("Lunca Cetățuii", 27.5750, 47.0890, 15, 5.2),
    ("Valea Lupului Sud", 27.4980, 47.1700, 22, 4.0), ("Ciurchi – Cacaina", 27.5985, 47.1600, 9, 3.9),
)


def stormwater_features() -> list[Feature]:
    """Where rain collects: high inside medium inside low along each valley, without overlap, and city hollows."""
    zone = metres(zone_all())
    hollows = [_hollow(h) for h in HOLLOWS]
    claimed: BaseGeometry = shapely.union_all(hollows)
    features = [
        _storm(f"storm-hollow-{n}", shape, h[0], "high", h[4])
        for n, (h, shape) in enumerate(zip(HOLLOWS, hollows, strict=True), start=1)
    ]
    for rank, level in enumerate(LEVELS):
        for river in waters.RIVERS:
            seed = sum(map(ord, river.id)) % 19
            strip = ribbon(in_zone(river.id), STORM_WIDTHS[river.rank][rank], 0.38, seed, swell_m=1900)
            free = shapely.difference(shapely.intersection(strip, zone), claimed)
            pieces = [p for p in polygons(free) if p.area > 20_000]
            claimed = shapely.union(claimed, strip)
            for number, piece in enumerate(sorted(pieces, key=lambda p: -p.area), start=1):
                share = {"high": 1.0, "medium": 0.35, "low": 0.08}[level]
                upstream = round(max(0.2, min(river.upstream_km2, 6000) * share), 1)
                features.append(_storm(f"storm-{river.id}-{level}-{number}", piece, river.name, level, upstream))
    return features


def _hollow(h: tuple[str, float, float, float, float]) -> BaseGeometry:
    return blob((h[1], h[2]), h[3], round(h[4] * 10), 1.5, 20 * h[4])


def _storm(id: str, shape: BaseGeometry, place: str, level: str, upstream_km2: float) -> Feature:
    ro, en = LEVEL_WORDS[level]
    return feature(
        id, shape, f"{place}: tendință de acumulare {ro}", f"{place}: {en} accumulation", accumulation=level,
        upstream_km2=upstream_km2,
        source=f"planșa «tendințe de acumulare a apelor pluviale» numită în {REPORT}")
