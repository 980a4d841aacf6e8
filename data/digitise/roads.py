"""Rings, radials and prospective radials: control points in lon, lat (EPSG:4326).

A radial starts on a vertex of R1 or R2 and ends on a vertex of R3; a prospective radial comes from the seat of its
UAT of origin to a vertex of R3 and joins the end of an inner radial. The vertices are put into the rings exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from data.digitise.geometry import LonLat

RINGS: dict[str, tuple[LonLat, ...]] = {
    "R1": (
        (27.5695, 47.1662), (27.5672, 47.1703), (27.5688, 47.1738), (27.5728, 47.1757), (27.5790, 47.1752),
        (27.5852, 47.1733), (27.5912, 47.1700), (27.5945, 47.1652), (27.5952, 47.1600), (27.5938, 47.1548),
        (27.5880, 47.1512), (27.5810, 47.1532), (27.5745, 47.1568), (27.5697, 47.1610),
    ),
    "R2": (
        (27.5425, 47.1735), (27.5372, 47.1660), (27.5378, 47.1580), (27.5450, 47.1508), (27.5560, 47.1450),
        (27.5665, 47.1400), (27.5760, 47.1345), (27.5870, 47.1335), (27.6000, 47.1350), (27.6130, 47.1400),
        (27.6235, 47.1470), (27.6290, 47.1560), (27.6265, 47.1660), (27.6190, 47.1745), (27.6085, 47.1810),
        (27.5945, 47.1862), (27.5800, 47.1905), (27.5660, 47.1915), (27.5555, 47.1870), (27.5480, 47.1805),
    ),
    "R3": (
        (27.4705, 47.1830), (27.4672, 47.1740), (27.4655, 47.1640), (27.4745, 47.1520), (27.4800, 47.1420),
        (27.4835, 47.1330), (27.4930, 47.1255), (27.5060, 47.1200), (27.5160, 47.1120), (27.5290, 47.1085),
        (27.5430, 47.1060), (27.5560, 47.0975), (27.5760, 47.0965), (27.5900, 47.0985), (27.6060, 47.0945),
        (27.6230, 47.0980), (27.6350, 47.0975), (27.6450, 47.1030), (27.6530, 47.1110), (27.6630, 47.1140),
        (27.6700, 47.1205), (27.6740, 47.1290), (27.6735, 47.1390), (27.6790, 47.1470), (27.6805, 47.1570),
        (27.6760, 47.1650), (27.6735, 47.1760), (27.6655, 47.1870), (27.6600, 47.2020), (27.6490, 47.2075),
        (27.6360, 47.2110), (27.6220, 47.2180), (27.6040, 47.2225), (27.5850, 47.2240), (27.5700, 47.2290),
        (27.5580, 47.2250), (27.5450, 47.2235), (27.5320, 47.2210), (27.5200, 47.2195), (27.5080, 47.2130),
        (27.4960, 47.2085), (27.4850, 47.2005), (27.4755, 47.1940),
    ),
}

RING_NAMES = {
    "R1": ("Inelul R1 – central", "Ring R1 – centre"),
    "R2": ("Inelul R2 – cartiere", "Ring R2 – districts"),
    "R3": ("Inelul R3 – exterior, cu variantele ocolitoare", "Ring R3 – outer, with the bypasses"),
}


@dataclass(frozen=True)
class Radial:
    """An existing radial: first control on ring `start`, last on R3."""

    id: str
    code: str
    name: str
    name_en: str
    start: str
    road: str
    controls: tuple[LonLat, ...]


RADIALS: tuple[Radial, ...] = (
    Radial("pacurari", "RA1", "Radiala Păcurari – Valea Lupului", "Păcurari – Valea Lupului radial", "R1",
           "DN 28, Șoseaua Păcurari",
           ((27.5672, 47.1703), (27.5560, 47.1730), (27.5425, 47.1735), (27.5270, 47.1755), (27.5080, 47.1775),
            (27.4890, 47.1805), (27.4705, 47.1830))),
    Radial("dacia", "RA2", "Radiala Dacia – Miroslava Nord", "Dacia – Miroslava North radial", "R2",
           "Bd. Dacia – legătura Mall Moldova – Miroslava",
           ((27.5372, 47.1660), (27.5290, 47.1630), (27.5180, 47.1600), (27.5020, 47.1570), (27.4870, 47.1545),
            (27.4745, 47.1520))),
    Radial("galata", "RA3", "Radiala Galata – Miroslava", "Galata – Miroslava radial", "R1",
           "Calea Galata – Șoseaua Voinești",
           ((27.5745, 47.1568), (27.5690, 47.1500), (27.5560, 47.1450), (27.5450, 47.1390), (27.5330, 47.1330),
            (27.5190, 47.1255), (27.5060, 47.1200))),
    Radial("nicolina", "RA4", "Radiala Nicolina – C.U.G. – Lunca Cetățuii", "Nicolina – CUG – Lunca Cetățuii radial",
           "R1", "DJ 248, Șoseaua Nicolina",
           ((27.5880, 47.1512), (27.5850, 47.1440), (27.5870, 47.1335), (27.5850, 47.1220), (27.5800, 47.1090),
            (27.5760, 47.0965))),
    Radial("barnova", "RA5", "Radiala Socola – Bârnova", "Socola – Bârnova radial", "R2",
           "Strada Trei Fântâni – Bârnova",
           ((27.6000, 47.1350), (27.6050, 47.1260), (27.6100, 47.1160), (27.6160, 47.1060), (27.6230, 47.0980))),
    Radial("bucium", "RA6", "Radiala Bucium – Păun", "Bucium – Păun radial", "R1", "DN 24, Bd. Socola – Șoseaua Bucium",
           ((27.5880, 47.1512), (27.5990, 47.1440), (27.6130, 47.1400), (27.6220, 47.1300), (27.6320, 47.1180),
            (27.6450, 47.1030))),
    Radial("tomesti", "RA7", "Radiala Bd. Chimiei – Tomești", "Bd. Chimiei – Tomești radial", "R2",
           "DN 28, Bd. Chimiei – Calea Tomești",
           ((27.6235, 47.1470), (27.6360, 47.1400), (27.6510, 47.1350), (27.6740, 47.1290))),
    Radial("chisinaului", "RA8", "Radiala Calea Chișinăului – Dancu", "Calea Chișinăului – Dancu radial", "R1",
           "Bd. Tudor Vladimirescu – Calea Chișinăului",
           ((27.5938, 47.1548), (27.6080, 47.1545), (27.6290, 47.1560), (27.6440, 47.1530), (27.6620, 47.1500),
            (27.6790, 47.1470))),
    Radial("tatarasi", "RA9", "Radiala Tătărași – Calea Dacilor – Holboca", "Tătărași – Calea Dacilor – Holboca radial",
           "R1", "Strada Vasile Lupu – Calea Dacilor",
           ((27.5945, 47.1652), (27.6110, 47.1640), (27.6265, 47.1660), (27.6440, 47.1665), (27.6610, 47.1655),
            (27.6760, 47.1650))),
    Radial("aeroport", "RA10", "Radiala Aeroport – Aroneanu", "Airport – Aroneanu radial", "R2",
           "Strada Aeroportului",
           ((27.6190, 47.1745), (27.6245, 47.1810), (27.6270, 47.1900), (27.6310, 47.2010), (27.6360, 47.2110))),
    Radial("moara", "RA11", "Radiala Moara de Vânt – Șorogari", "Moara de Vânt – Șorogari radial", "R1",
           "Strada Sărăriei – Strada Moara de Vânt",
           ((27.5790, 47.1752), (27.5795, 47.1830), (27.5800, 47.1905), (27.5820, 47.2010), (27.5845, 47.2130),
            (27.5850, 47.2240))),
    Radial("copou", "RA12", "Radiala Copou – Breazu", "Copou – Breazu radial", "R1",
           "DN 24, Bd. Carol I – Aleea Mihail Sadoveanu",
           ((27.5728, 47.1757), (27.5690, 47.1820), (27.5660, 47.1915), (27.5590, 47.2010), (27.5560, 47.2130),
            (27.5580, 47.2250))),
    Radial("rediu", "RA13", "Radiala Șoseaua Rediu", "Șoseaua Rediu radial", "R2", "DJ 282, Șoseaua Rediu",
           ((27.5480, 47.1805), (27.5390, 47.1880), (27.5290, 47.1960), (27.5190, 47.2050), (27.5080, 47.2130))),
)


@dataclass(frozen=True)
class Prospective:
    """A prospective radial: from the seat of its origin to R3 (last control) and on to the end of `joins`."""

    origin: str
    joins: str
    road: str
    controls: tuple[LonLat, ...]


_PACURARI, _DACIA, _GALATA = (27.4705, 47.1830), (27.4745, 47.1520), (27.5060, 47.1200)
_NICOLINA, _BARNOVA, _BUCIUM = (27.5760, 47.0965), (27.6230, 47.0980), (27.6450, 47.1030)
_TOMESTI, _DANCU, _HOLBOCA = (27.6740, 47.1290), (27.6790, 47.1470), (27.6760, 47.1650)
_AEROPORT, _MOARA, _COPOU, _REDIU = (27.6360, 47.2110), (27.5850, 47.2240), (27.5580, 47.2250), (27.5080, 47.2130)

PROSPECTIVE: tuple[Prospective, ...] = (
    Prospective("Lețcani", "pacurari", "coridor DN 28 – parcul industrial Lețcani",
                ((27.4101, 47.1951), (27.4240, 47.1915), (27.4480, 47.1885), _PACURARI)),
    Prospective("Românești", "pacurari", "coridor Românești – Lețcani Nord – A8",
                ((27.3185, 47.2827), (27.3480, 47.2560), (27.3850, 47.2290), (27.4250, 47.2080), (27.4560, 47.2000),
                 (27.4755, 47.1940))),
    Prospective("Movileni", "rediu", "coridor DJ 282 Movileni – Rediu",
                ((27.3600, 47.3295), (27.3920, 47.3060), (27.4280, 47.2800), (27.4600, 47.2560), (27.4860, 47.2330),
                 _REDIU)),
    Prospective("Țigănași", "copou", "coridor DN 24C – Cârniceni – Popricani",
                ((27.4684, 47.3318), (27.4980, 47.3230), (27.5250, 47.3050), (27.5360, 47.2850), (27.5430, 47.2620),
                 (27.5480, 47.2430), _COPOU)),
    Prospective("Popricani", "copou", "coridor Popricani – Cârlig – Breazu",
                ((27.5120, 47.2872), (27.5180, 47.2700), (27.5230, 47.2520), (27.5290, 47.2360), (27.5320, 47.2210))),
    Prospective("Victoria", "moara", "coridor Sculeni – Stânca – Șorogari (DN 24)",
                ((27.5921, 47.2950), (27.5840, 47.2790), (27.5830, 47.2600), (27.5860, 47.2420), _MOARA)),
    Prospective("Golăiești", "aeroport", "coridor Golăiești – Aroneanu – Aeroport",
                ((27.6968, 47.2419), (27.6790, 47.2350), (27.6600, 47.2240), _AEROPORT)),
    Prospective("Ungheni", "tatarasi", "coridor Ungheni – Cristești – Holboca (A8, trecerea peste Prut)",
                ((27.7655, 47.2167), (27.7480, 47.2020), (27.7270, 47.1850), (27.7010, 47.1720), _HOLBOCA)),
    Prospective("Țuțora", "chisinaului", "coridor Țuțora – Chiperești – Dancu",
                ((27.7958, 47.1336), (27.7700, 47.1390), (27.7380, 47.1420), (27.7080, 47.1455), _DANCU)),
    Prospective("Prisăcani", "tomesti", "coridor Prisăcani – Comarna – Tomești",
                ((27.8841, 47.0774), (27.8560, 47.0870), (27.8280, 47.0960), (27.7960, 47.1050), (27.7600, 47.1140),
                 (27.7240, 47.1200), (27.6960, 47.1250), _TOMESTI)),
    Prospective("Comarna", "tomesti", "coridor Osoi – Chicerea – Tomești Sud",
                ((27.7994, 47.0946), (27.7700, 47.0990), (27.7350, 47.1030), (27.7020, 47.1070), (27.6630, 47.1140))),
    Prospective("Costuleni", "bucium", "coridor DN 28 Costuleni – Schitu Duca – Bucium",
                ((27.8617, 47.0289), (27.8290, 47.0400), (27.7900, 47.0560), (27.7480, 47.0680), (27.7050, 47.0810),
                 (27.6700, 47.0930), _BUCIUM)),
    Prospective("Schitu Duca", "bucium", "coridor DN 24 Schitu Duca – Poieni – Bucium",
                ((27.7668, 47.0327), (27.7330, 47.0450), (27.6990, 47.0640), (27.6680, 47.0840), _BUCIUM)),
    Prospective("Dobrovăț", "barnova", "coridor Dobrovăț – Bârnova, prin pădure",
                ((27.7209, 46.9631), (27.7020, 46.9870), (27.6770, 47.0110), (27.6540, 47.0360), (27.6350, 47.0650),
                 (27.6260, 47.0830), _BARNOVA)),
    Prospective("Scânteia", "nicolina", "coridor DJ 248 Scânteia – Grajduri – Ciurea",
                ((27.5773, 46.9199), (27.5600, 46.9450), (27.5440, 46.9730), (27.5530, 47.0060), (27.5660, 47.0360),
                 (27.5720, 47.0650), _NICOLINA)),
    Prospective("Mogoșești", "galata", "coridor Mogoșești – Ciurbești – Galata",
                ((27.5150, 47.0422), (27.5170, 47.0600), (27.5190, 47.0780), (27.5160, 47.0980), (27.5290, 47.1085))),
    Prospective("Voinești", "galata", "coridor Voinești – Cornești – Ezăreni",
                ((27.4308, 47.0749), (27.4480, 47.0900), (27.4680, 47.1020), (27.4880, 47.1110), _GALATA)),
    Prospective("Horlești", "dacia", "coridor Horlești – Cucuteni – Uricani",
                ((27.3770, 47.1031), (27.4040, 47.1210), (27.4290, 47.1390), (27.4520, 47.1490), _DACIA)),
)
