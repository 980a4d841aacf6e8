"""Public transport stops: tram and bus in the city, a bus stop in each commune, railway stations. WGS 84 lon, lat."""

from __future__ import annotations

from shapely.geometry.base import BaseGeometry

from data.digitise.facts import UATS
from data.digitise.geometry import LonLat, metres, point
from data.digitise.settlements import Settlement
from data.digitise.writing import TEAM, Feature, feature

TRAM: tuple[tuple[str, float, float], ...] = (
    ("Copou (rond Agronomie)", 27.5640, 47.1905), ("Stadion Emil Alexandrescu", 27.5660, 47.1855),
    ("Parcul Copou", 27.5680, 47.1805), ("Triumf", 27.5700, 47.1770), ("Universitate", 27.5722, 47.1745),
    ("Râpa Galbenă", 27.5728, 47.1703), ("Gara Iași", 27.5706, 47.1663), ("Piața Mihai Eminescu", 27.5762, 47.1690),
    ("Piața Unirii", 27.5822, 47.1655), ("Arcu", 27.5785, 47.1640), ("Târgu Cucu", 27.5915, 47.1640),
    ("Elena Doamna", 27.5945, 47.1600), ("Palat", 27.5895, 47.1565), ("Podu Roș", 27.5870, 47.1512),
    ("Baza 3", 27.5985, 47.1450), ("Socola", 27.6080, 47.1415), ("Țesătura", 27.6020, 47.1520),
    ("Tudor Vladimirescu", 27.6085, 47.1548), ("Bularga", 27.6170, 47.1522), ("Aviației", 27.6285, 47.1560),
    ("Metalurgie", 27.6420, 47.1540), ("Dancu", 27.6580, 47.1515), ("Tehnopolis", 27.6290, 47.1440),
    ("Doi Băieți", 27.6075, 47.1645), ("Oancea", 27.6140, 47.1660), ("Flora", 27.6200, 47.1640),
    ("Tătărași Sud", 27.6235, 47.1580), ("Podul de Piatră", 27.5742, 47.1588), ("Cantemir", 27.5800, 47.1535),
    ("Alexandru cel Bun (Piață)", 27.5600, 47.1555), ("Minerva", 27.5530, 47.1545), ("Mircea cel Bătrân", 27.5465, 47.1560),
    ("Dacia", 27.5395, 47.1620), ("Rond Dacia", 27.5370, 47.1665), ("Canta", 27.5470, 47.1715),
    ("Rampă", 27.5620, 47.1620), ("Nicolina 1", 27.5858, 47.1455), ("Nicolina 2", 27.5850, 47.1400),
    ("Rond Nicolina", 27.5868, 47.1340), ("Belvedere", 27.5870, 47.1290), ("C.U.G. 1", 27.5862, 47.1235),
    ("C.U.G. (rond)", 27.5830, 47.1155),
)

BUS: tuple[tuple[str, float, float], ...] = (
    ("Păcurari (Casa de Cultură)", 27.5660, 47.1712), ("Păcurari – Petru Poni", 27.5560, 47.1728), ("Rond Păcurari", 27.5430, 47.1735),
    ("Păcurari – Autogară Vest", 27.5310, 47.1750), ("Era Shopping", 27.5170, 47.1768), ("Valea Lupului – Antibiotice", 27.5060, 47.1782),
    ("Șoseaua Rediu", 27.5470, 47.1815), ("Canta – Străpungere Silvestru", 27.5640, 47.1640),
    ("Galata – Piață", 27.5668, 47.1460), ("Galata – Mănăstire", 27.5630, 47.1405), ("Valea Adâncă (cap de linie)", 27.5430, 47.1370),
    ("Viticultori", 27.5860, 47.1860), ("Sărărie", 27.5820, 47.1760), ("Moara de Vânt", 27.5790, 47.1880),
    ("Moara de Vânt – Aurora", 27.5810, 47.1960), ("Spitalul Sf. Spiridon", 27.5840, 47.1680), ("Bd. Independenței", 27.5880, 47.1680),
    ("Copou – Breazu", 27.5590, 47.2030), ("Grădina Botanică", 27.5590, 47.1870), ("Ciric – Pădure", 27.6050, 47.1840),
    ("Aeroport", 27.6200, 47.1775), ("Ateneu Tătărași", 27.6100, 47.1690), ("Vasile Lupu", 27.6160, 47.1690), ("Ciurchi", 27.6060, 47.1605),
    ("Bucium – Bariera Socola", 27.6180, 47.1350), ("Bucium – Trei Fântâni", 27.6110, 47.1240), ("Bucium – Plopii fără soț", 27.6270, 47.1230),
    ("Bucium (rond)", 27.6350, 47.1130), ("Bucium – Păun", 27.6450, 47.1035), ("Cetățuia", 27.5930, 47.1310), ("Frumoasa", 27.5850, 47.1380),
    ("Manta Roșie", 27.5800, 47.1470), ("Tabacului", 27.5950, 47.1380), ("Bd. Chimiei", 27.6360, 47.1415), ("Zona industrială", 27.6480, 47.1375),
    ("Calea Chișinăului – Fabrica de Mase Plastice", 27.6500, 47.1530), ("Palas Mall", 27.5880, 47.1580), ("Iulius Mall", 27.6040, 47.1575),
    ("Hala Centrală", 27.5850, 47.1605), ("Piața Voievozilor", 27.5770, 47.1775),
)

RAIL: tuple[tuple[str, float, float], ...] = (
    ("Gara Iași", 27.5697, 47.1658), ("Gara Internațională Nicolina", 27.5905, 47.1405), ("Gara Socola", 27.6140, 47.1385),
    ("Halta Ciurea", 27.5775, 47.0640), ("Halta Lunca Cetățuii", 27.5790, 47.0950), ("Halta Bârnova", 27.5830, 47.0350),
    ("Gara Grajduri", 27.5480, 46.9850), ("Halta Scânteia", 27.5790, 46.9350), ("Gara Lețcani", 27.4180, 47.1830),
    ("Halta Valea Lupului", 27.4930, 47.1690), ("Halta Cucuteni", 27.3860, 47.1850), ("Halta Potângeni", 27.3960, 47.2920),
    ("Gara Movileni", 27.3760, 47.3250), ("Halta Larga Jijia", 27.3740, 47.3510), ("Halta Dancu", 27.6600, 47.1440),
    ("Gara Holboca", 27.6960, 47.1520), ("Gara Cristești-Jijia", 27.7420, 47.1740), ("Halta Ungheni-Prut", 27.7790, 47.2080),
)

SOURCE = f"rețeaua publică de transport (CTP Iași, CFR Călători), repere din cunoaștere generală; {TEAM}"


def stop_features(cells: dict[str, BaseGeometry], places: list[Settlement]) -> list[Feature]:
    """Every stop; commune stops stand in the middle of each intravilan with enough residents."""
    features: list[Feature] = []
    for mode, table in (("tram", TRAM), ("bus", BUS), ("rail", RAIL)):
        for number, (name, lon, lat) in enumerate(table, start=1):
            features.append(_stop(f"stop-{mode}-{number}", (lon, lat), name, mode))
    for uat in UATS:
        if uat.name == "Iași":
            continue
        cell = metres(cells[uat.siruta])
        own = [s for s in places if s.uat == uat]
        for number, s in enumerate(own, start=1):
            centre = s.shape.representative_point() if number > 1 else point(uat.seat)
            if cell.contains(centre):
                label = f"{s.locality} – centru" if number == 1 else s.locality
                features.append(feature(
                    f"stop-bus-{uat.siruta}-{number}", centre, label, status="existing", mode="bus", source=SOURCE))
    return features


def _stop(id: str, place: LonLat, name: str, mode: str) -> Feature:
    return feature(id, point(place), name, status="existing", mode=mode, source=SOURCE)
