"""Villages, intravilan, residents and stops.

Places are recalled to about a kilometre. A village that falls outside the indicative cell of its commune is drawn
towards the seat until it lies inside: cells and villages are both sketches, and residents must add up per UAT.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import shapely
from shapely import Point, Polygon
from shapely.geometry.base import BaseGeometry

from data.digitise import waters
from data.digitise.facts import UATS, Uat
from data.digitise.geometry import LonLat, area_within, blob, degrees, largest, metres, point, roughened
from data.digitise.network import prospective, radial
from data.digitise.roads import PROSPECTIVE, RADIALS
from data.digitise.writing import TEAM, Feature, feature

CENSUS = "INS, Recensământul populației și locuințelor 2021"
CENSUS_DATE = "2021-12-01"
CITY_POINTS = 520
COMMUNE_PEOPLE_A_POINT = 220
VILLAGE_EDGE_M = 60.0
LEAST_FREE_SHARE = 0.4
PLASTIC = 1.324717957244746

# Villages beside the seat: name, lon, lat, share of the commune's residents (the seat has the rest).
VILLAGES: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "Aroneanu": (("Dorobanț", 27.583, 47.236, 0.36), ("Șorogari", 27.592, 47.216, 0.22),
                 ("Aldei", 27.618, 47.233, 0.10)),
    "Bârnova": (("Păun", 27.656, 47.086, 0.24), ("Vișan", 27.603, 47.103, 0.28), ("Pietrăria", 27.668, 47.078, 0.10),
                ("Cercu", 27.600, 47.058, 0.06)),
    "Ciurea": (("Lunca Cetățuii", 27.574, 47.087, 0.58), ("Hlincea", 27.590, 47.100, 0.09),
               ("Dumbrava", 27.545, 47.060, 0.07), ("Piciorul Lupului", 27.553, 47.033, 0.05),
               ("Curături", 27.590, 47.043, 0.03)),
    "Comarna": (("Osoi", 27.772, 47.102, 0.42), ("Curagău", 27.782, 47.082, 0.10), ("Stânca", 27.752, 47.092, 0.10)),
    "Costuleni": (("Covasna", 27.850, 47.000, 0.22), ("Cozia", 27.812, 47.015, 0.20),
                  ("Hilița", 27.890, 47.040, 0.16)),
    "Dobrovăț": (),
    "Dumești": (("Păușești", 27.325, 47.132, 0.25), ("Chilișoaia", 27.315, 47.152, 0.15),
                ("Hoisești", 27.360, 47.150, 0.20)),
    "Golăiești": (("Medeleni", 27.724, 47.250, 0.14), ("Cilibiu", 27.690, 47.221, 0.10),
                  ("Petrești", 27.664, 47.232, 0.22), ("Podu Jijiei", 27.666, 47.254, 0.12)),
    "Grajduri": (("Pădureni", 27.560, 47.000, 0.24), ("Poiana cu Cetate", 27.515, 46.985, 0.13),
                 ("Valea Satului", 27.555, 46.957, 0.13), ("Corcodel", 27.520, 46.960, 0.06)),
    "Holboca": (("Dancu", 27.662, 47.152, 0.44), ("Cristești", 27.735, 47.172, 0.10),
                ("Rușenii Noi", 27.665, 47.175, 0.09), ("Valea Lungă", 27.708, 47.177, 0.06),
                ("Orzeni", 27.712, 47.150, 0.07)),
    "Horlești": (("Bogdănești", 27.355, 47.090, 0.24), ("Scoposeni", 27.395, 47.127, 0.26)),
    "Lețcani": (("Cogeasca", 27.373, 47.172, 0.24), ("Cucuteni", 27.392, 47.145, 0.18),
                ("Bogonos", 27.390, 47.222, 0.16)),
    "Miroslava": (("Valea Adâncă", 27.540, 47.135, 0.24), ("Uricani", 27.476, 47.147, 0.13),
                  ("Horpaz", 27.530, 47.112, 0.11), ("Balciu", 27.552, 47.122, 0.07),
                  ("Ciurbești", 27.520, 47.088, 0.05), ("Cornești", 27.486, 47.104, 0.04),
                  ("Voroviești", 27.455, 47.131, 0.04), ("Brătuleni", 27.495, 47.127, 0.04),
                  ("Dancaș", 27.505, 47.095, 0.02), ("Proselnici", 27.440, 47.155, 0.02)),
    "Mogoșești": (("Hadâmbu", 27.470, 47.012, 0.20), ("Budești", 27.528, 47.058, 0.16),
                  ("Mânjești", 27.490, 47.040, 0.24)),
    "Movileni": (("Potângeni", 27.392, 47.296, 0.34), ("Larga-Jijia", 27.372, 47.347, 0.18),
                 ("Iepureni", 27.420, 47.300, 0.16)),
    "Popricani": (("Cârlig", 27.530, 47.236, 0.26), ("Vânători", 27.540, 47.270, 0.20),
                  ("Rediu Mitropoliei", 27.500, 47.262, 0.12), ("Moimești", 27.478, 47.277, 0.08),
                  ("Țipilești", 27.490, 47.252, 0.09), ("Cuza Vodă", 27.530, 47.296, 0.06)),
    "Prisăcani": (("Măcărești", 27.905, 47.083, 0.32), ("Moreni", 27.866, 47.092, 0.28)),
    "Rediu": (("Breazu", 27.528, 47.217, 0.33), ("Horlești", 27.478, 47.218, 0.13),
              ("Tăutești", 27.455, 47.240, 0.09)),
    "Românești": (("Ursoaia", 27.340, 47.262, 0.28), ("Avântu", 27.352, 47.290, 0.17)),
    "Schitu Duca": (("Poieni", 27.718, 47.060, 0.26), ("Dumitreștii Gălății", 27.792, 47.010, 0.16),
                    ("Pocreaca", 27.782, 46.975, 0.12), ("Blaga", 27.745, 47.015, 0.08),
                    ("Satu Nou", 27.735, 47.040, 0.10)),
    "Scânteia": (("Bodești", 27.560, 46.937, 0.14), ("Boroșoaia", 27.610, 46.912, 0.12),
                 ("Tufeștii de Sus", 27.545, 46.905, 0.16), ("Ciocârlești", 27.605, 46.938, 0.08)),
    "Tomești": (("Chicerea", 27.677, 47.096, 0.10), ("Goruni", 27.738, 47.113, 0.12),
                ("Vlădiceni", 27.660, 47.115, 0.10)),
    "Ungheni": (("Bosia", 27.752, 47.193, 0.38), ("Mânzătești", 27.737, 47.214, 0.15),
                ("Coada Stâncii", 27.752, 47.228, 0.07)),
    "Valea Lupului": (),
    "Victoria": (("Sculeni", 27.610, 47.314, 0.14), ("Stânca", 27.616, 47.283, 0.16),
                 ("Frăsuleni", 27.640, 47.293, 0.16), ("Luceni", 27.640, 47.275, 0.10),
                 ("Șendreni", 27.580, 47.318, 0.10)),
    "Voinești": (("Slobozia", 27.445, 47.055, 0.30), ("Schitu Stavnic", 27.425, 47.040, 0.10),
                 ("Lungani", 27.412, 47.092, 0.12), ("Vocotești", 27.455, 47.088, 0.12)),
    "Țigănași": (("Cârniceni", 27.503, 47.338, 0.36), ("Mihail Kogălniceanu", 27.515, 47.365, 0.17),
                 ("Stejarii", 27.440, 47.352, 0.12)),
    "Țuțora": (("Chiperești", 27.760, 47.128, 0.40), ("Oprișeni", 27.820, 47.114, 0.20)),
}

CITY_EDGE: tuple[LonLat, ...] = (
    (27.5080, 47.1800), (27.5030, 47.1740), (27.5150, 47.1680), (27.5270, 47.1600), (27.5380, 47.1530),
    (27.5440, 47.1455), (27.5530, 47.1380), (27.5620, 47.1345), (27.5690, 47.1300), (27.5730, 47.1190),
    (27.5770, 47.1090), (27.5870, 47.1050), (27.5930, 47.1140), (27.5960, 47.1250), (27.6050, 47.1240),
    (27.6180, 47.1120), (27.6330, 47.1010), (27.6460, 47.1010), (27.6460, 47.1110), (27.6370, 47.1230),
    (27.6290, 47.1340), (27.6420, 47.1330), (27.6530, 47.1370), (27.6470, 47.1460), (27.6400, 47.1560),
    (27.6340, 47.1660), (27.6330, 47.1770), (27.6260, 47.1830), (27.6150, 47.1750), (27.6090, 47.1720),
    (27.6000, 47.1850), (27.5930, 47.1960), (27.5830, 47.2000), (27.5740, 47.1960), (27.5650, 47.2050),
    (27.5540, 47.2060), (27.5500, 47.1930), (27.5400, 47.1870), (27.5270, 47.1840),
)

# Where the city's residents live: lon, lat, spread in metres, weight (blocks of flats weigh most).
DENSITY: tuple[tuple[float, float, float, float], ...] = (
    (27.5830, 47.1650, 900, 1.0), (27.5490, 47.1560, 850, 2.1), (27.5400, 47.1640, 750, 2.0),
    (27.5590, 47.1540, 650, 1.6), (27.5850, 47.1420, 750, 2.0), (27.5860, 47.1230, 800, 1.8),
    (27.6160, 47.1640, 850, 1.9), (27.6200, 47.1570, 600, 1.5), (27.5480, 47.1730, 650, 1.4),
    (27.5670, 47.1460, 650, 1.2), (27.6010, 47.1540, 600, 1.4), (27.5880, 47.1500, 500, 1.5),
    (27.5660, 47.1830, 800, 0.5), (27.6330, 47.1120, 900, 0.35), (27.5900, 47.1740, 600, 0.7),
    (27.5780, 47.1910, 700, 0.35), (27.6080, 47.1380, 600, 0.8), (27.5180, 47.1750, 700, 0.4),
)


@dataclass(frozen=True)
class Settlement:
    """An intravilan: Stereo 70 polygon, its UAT, its share of the UAT's residents."""

    uat: Uat
    locality: str
    shape: Polygon
    share: float


def _inside(place: LonLat, cell: BaseGeometry, seat: Point) -> LonLat:
    """The place, moved towards the seat until it lies well inside the Stereo 70 cell."""
    here, core = point(place), cell.buffer(-350)
    for step in range(21):
        share = step / 20
        moved = Point(here.x + (seat.x - here.x) * share, here.y + (seat.y - here.y) * share)
        if core.contains(moved):
            break
    lonlat = degrees(moved)
    return (lonlat.x, lonlat.y)


@cache
def _spines() -> BaseGeometry:
    """Valleys and roads that villages lie along, Stereo 70."""
    roads = [metres(prospective(p.origin)) for p in PROSPECTIVE] + [metres(radial(r.id)) for r in RADIALS]
    return shapely.union_all([waters.course(r.id) for r in waters.RIVERS] + roads)


def _lie_of_land(place: Point) -> float:
    """Direction of the nearest valley or road, degrees from east."""
    parts = shapely.get_parts(_spines())
    spine = parts[int(np.argmin(shapely.distance(parts, place)))]
    at = spine.project(place)
    a, b = spine.interpolate(max(0.0, at - 300)), spine.interpolate(min(spine.length, at + 300))
    return math.degrees(math.atan2(b.y - a.y, b.x - a.x))


def _village_hectares(residents: float) -> float:
    """Intravilan grows slower than people: gardens in the hamlets, terraces near the city."""
    return 22 + 0.9 * residents**0.68


def _commune(uat: Uat, cell: BaseGeometry) -> list[Settlement]:
    seat = point(uat.seat)
    villages = VILLAGES[uat.name]
    seat_share = 1 - sum(v[3] for v in villages)
    places = [(uat.name, uat.seat, seat_share)] + [
        (name, _inside((lon, lat), cell, seat), share) for name, lon, lat, share in villages
    ]
    found: list[Settlement] = []
    taken: list[BaseGeometry] = []
    for number, (name, place, share) in enumerate(places):
        seed = number * 3 + int(uat.siruta) % 17
        hectares = _village_hectares(share * uat.population)
        whole = blob(place, hectares, seed, 1.3 + 0.5 * (seed % 4) / 3, _lie_of_land(point(place)))
        ragged = 0.09 * whole.area**0.5
        drawn = roughened(whole, ragged, 4 * ragged, seed)
        free = drawn.intersection(cell.buffer(-VILLAGE_EDGE_M))
        for other in taken:
            free = free.difference(other.buffer(30))
        if number > 0 and free.area < LEAST_FREE_SHARE * drawn.area:
            continue  # no room beside its neighbours: its people are counted at the seat
        shape = largest(free)
        taken.append(shape)
        found.append(Settlement(uat, name, shape, share))
    missing = 1 - sum(s.share for s in found)
    return [replace(found[0], share=found[0].share + missing), *found[1:]]


def settlements(cells: dict[str, BaseGeometry]) -> list[Settlement]:
    """Every intravilan within its UAT; cells are lon, lat by SIRUTA."""
    found = []
    for uat in UATS:
        cell = metres(cells[uat.siruta])
        if uat.name == "Iași":
            edge = roughened(area_within(CITY_EDGE), 110, 900, 3)
            city = largest(edge.intersection(cell.buffer(-20)))
            found.append(Settlement(uat, "Iași", city, 1.0))
        else:
            found.extend(_commune(uat, cell))
    return found


def intravilan_features(places: list[Settlement]) -> list[Feature]:
    """Intravilan polygons; the first settlement of a UAT is its seat."""
    features = []
    for number, s in enumerate(places):
        features.append(feature(
            f"intravilan-{s.uat.siruta}-{_number_in_uat(places, number)}", s.shape, f"Intravilan {s.locality}",
            f"Built-up limit of {s.locality}", status="existing", uat=s.uat.siruta, locality=s.locality,
            source=f"repere de localități din cunoaștere generală; {TEAM}",
        ))
    return features


def _number_in_uat(places: list[Settlement], number: int) -> int:
    return sum(1 for other in places[: number + 1] if other.uat == places[number].uat)


def scattered(shape: Polygon, count: int) -> np.ndarray:
    """`count` points spread evenly inside a Stereo 70 polygon (R2 sequence)."""
    west, south, east, north = shape.bounds
    a, b = 1 / PLASTIC, 1 / PLASTIC**2
    shapely.prepare(shape)
    found: list[tuple[float, float]] = []
    k = 0
    while len(found) < count:
        k += 1
        x, y = west + (0.5 + k * a) % 1 * (east - west), south + (0.5 + k * b) % 1 * (north - south)
        if shapely.contains_xy(shape, x, y):
            found.append((x, y))
    return np.array(found)


def split_whole(total: int, weights: np.ndarray) -> list[int]:
    """Whole numbers in proportion to the weights that add up to the total (largest remainders)."""
    exact = total * weights / weights.sum()
    whole = np.floor(exact).astype(int)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return [int(v) for v in whole]


def density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Relative density of residents of the city at Stereo 70 places."""
    total = np.full(np.shape(x), 0.06)
    for lon, lat, spread, weight in DENSITY:
        centre = point((lon, lat))
        total = total + weight * np.exp(-((x - centre.x) ** 2 + (y - centre.y) ** 2) / (2 * spread**2))
    return total


def _residents_of(s: Settlement, total: int) -> list[tuple[float, float, int]]:
    if s.uat.name == "Iași":
        places = scattered(s.shape.buffer(-80), CITY_POINTS)
        weights = density(places[:, 0], places[:, 1])
    else:
        places = scattered(largest(s.shape.buffer(-40)), max(2, math.ceil(total / COMMUNE_PEOPLE_A_POINT)))
        weights = np.ones(len(places))
    return [(x, y, n) for (x, y), n in zip(places, split_whole(total, weights), strict=True)]


def population_features(places: list[Settlement]) -> list[Feature]:
    """Residents as points inside the intravilan; the sum per UAT is the census."""
    features = []
    for uat in UATS:
        own = [s for s in places if s.uat == uat]
        totals = split_whole(uat.population, np.array([s.share for s in own]))
        number = 0
        for s, total in zip(own, totals, strict=True):
            for x, y, residents in _residents_of(s, total):
                if residents == 0:
                    continue
                number += 1
                features.append(feature(
                    f"population-{uat.siruta}-{number}", Point(x, y), s.locality, residents=residents, uat=uat.siruta,
                    source=f"{CENSUS} (total pe UAT; repartizare orientativă)", source_date=CENSUS_DATE,
                ))
    return features

