"""Strategic zones, underused land, green-blue infrastructure, green spaces, protected areas. WGS 84 lon, lat."""

from __future__ import annotations

from dataclasses import dataclass

import shapely
import shapely.ops
from shapely.geometry.base import BaseGeometry

from data.digitise import waters
from data.digitise.geometry import (
    LonLat,
    area_within,
    blob,
    curve,
    degrees,
    largest,
    metres,
    plot_of_land,
    ribbon,
    roughened,
)
from data.digitise.writing import REPORT, TEAM, Feature, feature, rounded

PRESS = "apix.ro, bzi.ro, ziarulevenimentul.ro, g4media.ro"


@dataclass(frozen=True)
class Zone:
    """A strategic zone: `outline` control points and the recommended mix."""

    id: str
    name: str
    name_en: str
    status: str
    uses: tuple[str, ...]
    mix_ro: str
    mix_en: str
    outline: tuple[LonLat, ...]
    source: str = PRESS


ZONES: tuple[Zone, ...] = (
    Zone("moara-de-vant-sorogari", "Moara de Vânt – Șorogari", "Moara de Vânt – Șorogari", "proposed",
         ("health", "sport", "green", "housing", "services", "mobility"),
         "spital regional de urgență, complex sportiv și aqua park, culoare verzi-albastre spre Ciric și pădurile "
         "periurbane, locuire în densificare",
         "regional emergency hospital, sports complex and aqua park, green-blue corridors towards the Ciric and the "
         "peri-urban forests, housing in densification",
         ((27.5740, 47.1930), (27.5830, 47.1935), (27.5920, 47.1900), (27.5965, 47.1990), (27.5950, 47.2090),
          (27.5920, 47.2190), (27.5820, 47.2220), (27.5740, 47.2150), (27.5715, 47.2030))),
    Zone("iasi-vest", "Iași Vest – Valea Lupului – Rediu – Lețcani", "Iași West – Valea Lupului – Rediu – Lețcani",
         "proposed", ("housing", "services", "production", "logistics", "mobility", "green"),
         "model compact cu funcțiuni mixte: locuire, servicii, industrie și logistică legate de viitoarea A8",
         "compact model with mixed functions: housing, services, industry and logistics tied to the future A8",
         ((27.5330, 47.1770), (27.5290, 47.1880), (27.5150, 47.1990), (27.4960, 47.2030), (27.4700, 47.2020),
          (27.4450, 47.1985), (27.4270, 47.1960), (27.4260, 47.1870), (27.4480, 47.1830), (27.4720, 47.1745),
          (27.4980, 47.1710), (27.5180, 47.1730))),
    Zone("holboca-dancu", "Holboca – Dancu – Calea Dacilor", "Holboca – Dancu – Calea Dacilor", "proposed",
         ("production", "logistics", "services", "housing", "mobility"),
         "producție, logistică, servicii și locuire; nod intermodal",
         "production, logistics, services and housing; intermodal hub",
         ((27.6410, 47.1480), (27.6600, 47.1450), (27.6830, 47.1450), (27.7030, 47.1500), (27.7080, 47.1600),
          (27.6930, 47.1690), (27.6720, 47.1720), (27.6510, 47.1700), (27.6390, 47.1620))),
    Zone("cug", "Platforma C.U.G. (Nicolina – Lunca Cetățuii)", "CUG platform (Nicolina – Lunca Cetățuii)", "proposed",
         ("production", "services", "housing", "research", "green", "mobility"),
         "regenerarea platformei industriale: producție nepoluantă, servicii, locuire, spații verzi pe Nicolina",
         "regeneration of the industrial platform: clean production, services, housing, green space along the Nicolina",
         ((27.5690, 47.1215), (27.5790, 47.1200), (27.5815, 47.1130), (27.5810, 47.1040), (27.5790, 47.0960),
          (27.5720, 47.0950), (27.5690, 47.1030), (27.5665, 47.1130))),
    Zone("delta-urbana", "Delta urbană Bahlui – Nicolina", "Urban delta Bahlui – Nicolina", "proposed",
         ("green", "culture", "sport", "services"),
         "spațiu public verde-albastru la confluență, cultură și sport, servicii la parter",
         "green-blue public space at the confluence, culture and sport, services at ground floor",
         ((27.5765, 47.1545), (27.5850, 47.1540), (27.5950, 47.1530), (27.5960, 47.1495), (27.5890, 47.1480),
          (27.5875, 47.1430), (27.5835, 47.1430), (27.5830, 47.1485), (27.5775, 47.1520))),
    Zone("podgoria-copou", "Moara de Vânt – Podgoria Copou", "Moara de Vânt – Podgoria Copou", "proposed",
         ("housing", "services", "education", "green", "mobility"),
         "plan de circa 100 ha: locuire cu densitate moderată, școală, servicii de cartier, parc pe fostele vii",
         "plan of about 100 ha: moderate-density housing, school, neighbourhood services, park on the former vineyards",
         ((27.5665, 47.1950), (27.5735, 47.1920), (27.5712, 47.2020), (27.5735, 47.2085), (27.5650, 47.2100),
          (27.5625, 47.2030))),
    Zone("miroslava", "Parcurile industriale Miroslava", "Miroslava industrial parks", "existing",
         ("production", "logistics", "services"), "producție și logistică, servicii pentru angajați",
         "production and logistics, services for employees",
         ((27.4820, 47.1445), (27.4935, 47.1475), (27.5010, 47.1455), (27.4985, 47.1415), (27.5040, 47.1390),
          (27.5010, 47.1350), (27.4900, 47.1335), (27.4835, 47.1375))),
    Zone("letcani", "Parcul industrial Lețcani", "Lețcani industrial park", "proposed",
         ("production", "logistics"), "producție și logistică la nodul A8", "production and logistics at the A8 junction",
         ((27.4180, 47.2040), (27.4300, 47.2060), (27.4350, 47.2010), (27.4280, 47.1985), (27.4190, 47.1990))),
    Zone("holboca-parc", "Parcul industrial Holboca", "Holboca industrial park", "proposed",
         ("production", "logistics", "research"), "parc de circa 30 ha: producție, logistică, cercetare aplicată",
         "park of about 30 ha: production, logistics, applied research",
         ((27.7070, 47.1650), (27.7140, 47.1660), (27.7150, 47.1620), (27.7110, 47.1600), (27.7075, 47.1610))),
)


def zone_features() -> list[Feature]:
    return [
        feature(f"zone-{z.id}", plot_of_land(z.outline), z.name, z.name_en, status=z.status, zone=z.id,
                uses=list(z.uses), mix_ro=z.mix_ro, mix_en=z.mix_en, source=f"{z.source}; {TEAM}")
        for z in ZONES
    ]


UNDERUSED: tuple[tuple[str, LonLat, float, float, float, str], ...] = (
    # name, centre, hectares, stretch, angle, former use
    ("Platforma C.U.G. – Fortus", (27.5738, 47.1120), 68, 1.9, 80, "industrie grea"),
    ("Platforma C.U.G. – sud", (27.5745, 47.1000), 36, 1.8, 85, "industrie grea"),
    ("Fosta Uzină Mecanică Nicolina", (27.5905, 47.1440), 21, 1.6, 60, "construcții de material rulant"),
    ("Fosta Tepro", (27.6380, 47.1460), 34, 1.7, 165, "țevi sudate"),
    ("Fosta Țesătura", (27.6005, 47.1492), 9, 1.4, 10, "industrie textilă"),
    ("Fosta Iasitex", (27.5980, 47.1430), 11, 1.5, 140, "industrie textilă"),
    ("Fosta Terom", (27.6430, 47.1390), 42, 1.6, 160, "fibre sintetice"),
    ("Fosta fabrică Moldomobila", (27.5380, 47.1712), 8, 1.5, 175, "mobilă"),
    ("Fostul Combinat de Utilaj – hale Metalurgiei", (27.6460, 47.1500), 19, 1.8, 170, "metalurgie"),
    ("Triajul Socola – est", (27.6195, 47.1415), 24, 3.2, 155, "triaj feroviar"),
    ("Depoul și magaziile Gării", (27.5610, 47.1655), 10, 2.6, 160, "depozite feroviare"),
    ("Fosta fabrică de țigarete", (27.5955, 47.1395), 5, 1.3, 20, "industria tutunului"),
    ("Fostul abator Bucium", (27.6260, 47.1290), 6, 1.4, 130, "industrie alimentară"),
    ("Fosta avicolă Tomești", (27.6850, 47.1300), 27, 1.8, 15, "fermă avicolă"),
    ("Fosta fermă Dancu", (27.6700, 47.1620), 22, 1.6, 170, "fermă zootehnică"),
    ("Fostele sere Holboca", (27.6990, 47.1600), 30, 1.7, 30, "sere"),
    ("Fostul I.A.S. Rediu", (27.5200, 47.2120), 12, 1.4, 45, "fermă pomicolă"),
    ("Fosta fermă Uricani", (27.4830, 47.1490), 15, 1.5, 120, "fermă zootehnică"),
    ("Fostul complex Lețcani", (27.4170, 47.1885), 14, 1.7, 170, "fermă zootehnică"),
    ("Halda CET Holboca", (27.7180, 47.1560), 48, 1.5, 60, "depozit de zgură și cenușă"),
)


def underused_features() -> list[Feature]:
    return [
        feature(f"underused-{number}", blob(centre, hectares, number, stretch, angle), name, status="existing",
                former_use=former, source=f"presa locală și planuri publice de regenerare; {TEAM}")
        for number, (name, centre, hectares, stretch, angle, former) in enumerate(UNDERUSED, start=1)
    ]


GREEN: tuple[tuple[str, LonLat, float, float, float, str, bool], ...] = (
    # name, centre, hectares, stretch, angle, status, registered
    ("Parcul Copou", (27.5672, 47.1790), 10.5, 1.5, 110, "existing", True),
    ("Parcul Expoziției", (27.5655, 47.1835), 9, 1.6, 105, "existing", True),
    ("Grădina Botanică „Anastasie Fătu”", (27.5545, 47.1880), 82, 1.4, 70, "existing", True),
    ("Pădurea și parcul de agrement Ciric", (27.6065, 47.1900), 96, 1.9, 95, "existing", True),
    ("Cimitirul Eternitatea – parc", (27.6040, 47.1690), 34, 1.5, 60, "existing", True),
    ("Grădina Palas", (27.5880, 47.1560), 5, 1.6, 15, "existing", True),
    ("Esplanada Elisabeta – Râpa Galbenă", (27.5722, 47.1712), 1.8, 1.8, 100, "existing", True),
    ("Parcul Voievozilor", (27.5765, 47.1758), 1.6, 1.3, 45, "existing", True),
    ("Parcul Gării", (27.5718, 47.1652), 0.9, 1.5, 20, "existing", True),
    ("Scuarul Cuza Vodă – Piața Unirii", (27.5838, 47.1662), 0.6, 1.3, 40, "existing", True),
    ("Parcul Tătărași", (27.6135, 47.1625), 3.2, 1.4, 10, "existing", True),
    ("Parcul Ciurchi", (27.6060, 47.1588), 1.4, 1.2, 60, "existing", True),
    ("Parcul Nicolina", (27.5840, 47.1380), 3.4, 2.1, 85, "existing", True),
    ("Parcul C.U.G.", (27.5895, 47.1180), 4.6, 1.5, 110, "existing", True),
    ("Parcul Alexandru cel Bun", (27.5545, 47.1580), 2.4, 1.7, 15, "existing", True),
    ("Parcul Dacia", (27.5415, 47.1605), 1.9, 1.3, 75, "existing", True),
    ("Parcul Mircea cel Bătrân", (27.5480, 47.1530), 1.2, 1.2, 30, "existing", True),
    ("Parcul Canta", (27.5500, 47.1700), 2.1, 1.6, 160, "existing", True),
    ("Grădina Mănăstirii Galata", (27.5640, 47.1415), 6.5, 1.3, 20, "existing", True),
    ("Livada Mănăstirii Cetățuia", (27.5930, 47.1275), 11, 1.3, 120, "existing", True),
    ("Parcul Bucium", (27.6310, 47.1150), 5.2, 1.5, 130, "existing", True),
    ("Campusul Tudor Vladimirescu – parc", (27.6110, 47.1530), 4.1, 1.6, 10, "existing", True),
    ("Pădurea Breazu", (27.5480, 47.2150), 118, 1.5, 65, "existing", False),
    ("Pădurea Repedea", (27.6380, 47.0810), 310, 1.7, 150, "existing", False),
    ("Malurile lacului Ezăreni", (27.5340, 47.1135), 24, 2.8, 22, "existing", False),
    ("Parcul Valea Lupului", (27.4960, 47.1812), 2.2, 1.4, 30, "existing", True),
    ("Parcul Miroslava", (27.5225, 47.1530), 2.8, 1.3, 70, "existing", True),
    ("Parcul Tomești", (27.6975, 47.1260), 1.7, 1.3, 40, "existing", True),
    ("Parcul Holboca", (27.6885, 47.1555), 1.5, 1.3, 15, "existing", True),
    ("Parcul Ciurea", (27.5735, 47.0660), 1.9, 1.4, 95, "existing", True),
    ("Pădurea-parc Cetățuia", (27.5985, 47.1195), 49, 1.7, 130, "proposed", False),
    ("Parcul deltei urbane Bahlui – Nicolina", (27.5835, 47.1500), 7.5, 1.9, 110, "proposed", False),
    ("Parcul liniar Bahlui Vest", (27.5340, 47.1645), 18, 3.2, 172, "proposed", False),
    ("Parcul liniar Bahlui Est – Bularga", (27.6270, 47.1480), 16, 3.2, 165, "proposed", False),
    ("Parcul Moara de Vânt", (27.5855, 47.2035), 26, 1.7, 100, "proposed", False),
    ("Parcul Podgoria Copou", (27.5690, 47.2030), 14, 1.5, 70, "proposed", False),
    ("Parcul Nicolina – C.U.G.", (27.5810, 47.1080), 12, 2.4, 85, "proposed", False),
    ("Parcul lacului Chirița", (27.6590, 47.1980), 38, 2.4, 100, "proposed", False),
    ("Parcul lacului Aroneanu", (27.6040, 47.2140), 30, 2.6, 110, "proposed", False),
    ("Parcul lacului Rediu", (27.5075, 47.2240), 12, 2.0, 125, "proposed", False),
    ("Parcul Dancu", (27.6640, 47.1560), 5, 1.4, 10, "proposed", False),
    ("Parcul Lunca Cetățuii", (27.5710, 47.0880), 8, 2.0, 85, "proposed", False),
    ("Parcul Lețcani", (27.4090, 47.1915), 4, 1.4, 160, "proposed", False),
    ("Parcul Horpaz – Ezăreni", (27.5230, 47.1110), 9, 1.8, 22, "proposed", False),
)


def green_access_features() -> list[Feature]:
    """Green spaces with the hectares of the very polygon that ships."""
    features = []
    for number, (name, centre, hectares, stretch, angle, status, registered) in enumerate(GREEN, start=1):
        shape = rounded(degrees(blob(centre, hectares, number + 3, stretch, angle)))
        features.append(feature(
            f"green-{number}", shape, name, status=status, area_ha=round(metres(shape).area / 10_000, 2),
            registered=registered, in_degrees=True,
            source=f"spații verzi publice cunoscute și propuneri din presă; {TEAM}"))
    return features


@dataclass(frozen=True)
class Corridor:
    """A green-blue corridor along a river (`river`) or along control points; width in metres."""

    id: str
    name: str
    name_en: str
    kind: str
    width_m: float
    status: str
    river: str | None = None
    controls: tuple[LonLat, ...] = ()
    reach: tuple[float, float] = (0.0, 1.0)


CONCEPT: tuple[Corridor, ...] = (
    Corridor("bahlui", "Axa verde-albastră Bahlui", "Bahlui green-blue axis", "axă albastră", 1100, "proposed", "bahlui",
             reach=(0.12, 1.0)),
    Corridor("nicolina", "Axa verde-albastră Nicolina", "Nicolina green-blue axis", "axă albastră", 700, "proposed",
             "nicolina", reach=(0.15, 1.0)),
    Corridor("ciric", "Axa verde-albastră Ciric", "Ciric green-blue axis", "axă albastră", 800, "proposed", "ciric"),
    Corridor("jijia", "Lunca Jijiei", "Jijia floodplain", "axă albastră", 1500, "proposed", "jijia", reach=(0.03, 0.8)),
    Corridor("prut", "Frontiera verde a Prutului", "Green border of the Prut", "axă albastră", 900, "proposed", "prut",
             reach=(0.06, 0.86)),
    Corridor("centura-nord", "Centura verde nordică Breazu – Șorogari – Ciric", "Northern green belt", "centură verde",
             1200, "proposed", controls=((27.480, 47.232), (27.520, 47.226), (27.552, 47.216), (27.582, 47.222),
                                         (27.612, 47.212), (27.640, 47.205), (27.662, 47.192))),
    Corridor("coasta-sud", "Coasta împădurită Repedea – Bârnova – Ciurea", "Wooded southern scarp", "centură verde", 2600,
             "existing", controls=((27.560, 47.035), (27.600, 47.048), (27.640, 47.070), (27.680, 47.062),
                                   (27.720, 47.052), (27.750, 47.062))),
)

METROPOLITAN: tuple[Corridor, ...] = (
    Corridor("bahlui-vest", "Culoarul metropolitan Bahlui Vest", "Bahlui West corridor", "culoar de apă", 520, "proposed",
             "bahlui", reach=(0.30, 0.57)),
    Corridor("bahlui-est", "Culoarul metropolitan Bahlui Est", "Bahlui East corridor", "culoar de apă", 520, "proposed",
             "bahlui", reach=(0.74, 1.0)),
    Corridor("nicolina", "Culoarul metropolitan Nicolina – Ciurea", "Nicolina – Ciurea corridor", "culoar de apă", 320,
             "proposed", "nicolina", reach=(0.2, 0.72)),
    Corridor("ciric", "Culoarul metropolitan Ciric – Aroneanu", "Ciric – Aroneanu corridor", "culoar de apă", 420,
             "proposed", "ciric", reach=(0.05, 0.62)),
    Corridor("jijia", "Culoarul metropolitan Jijia", "Jijia corridor", "culoar de apă", 700, "proposed", "jijia",
             reach=(0.12, 0.60)),
    Corridor("ezareni", "Culoarul lacului Ezăreni", "Ezăreni lake corridor", "culoar de apă", 300, "proposed", "ezareni"),
    Corridor("ciurbesti", "Culoarul lacului Ciurbești", "Ciurbești lake corridor", "culoar de apă", 320, "proposed",
             "ciurbesti"),
    Corridor("voinesti", "Culoarul Voinești – Cucuteni", "Voinești – Cucuteni corridor", "culoar de apă", 300, "proposed",
             "voinesti"),
    Corridor("rediu", "Culoarul Rediu – Breazu", "Rediu – Breazu corridor", "culoar de apă", 260, "proposed", "rediu",
             reach=(0.0, 0.8)),
    Corridor("chirita", "Culoarul Chirița", "Chirița corridor", "culoar de apă", 320, "proposed", "chirita"),
    Corridor("barnova-iasi", "Culoarul verde Bârnova – Cetățuia", "Bârnova – Cetățuia green corridor", "culoar verde", 420,
             "proposed", controls=((27.640, 47.076), (27.622, 47.090), (27.608, 47.106), (27.598, 47.120), (27.590, 47.131))),
    Corridor("repedea-dobrovat", "Culoarul forestier Repedea – Dobrovăț", "Repedea – Dobrovăț forest corridor",
             "culoar verde", 900, "existing", controls=((27.645, 47.072), (27.668, 47.045), (27.690, 47.018),
                                                       (27.712, 46.990))),
    Corridor("breazu-sorogari", "Culoarul verde Breazu – Șorogari", "Breazu – Șorogari green corridor", "culoar verde",
             480, "proposed", controls=((27.530, 47.226), (27.556, 47.217), (27.580, 47.218), (27.598, 47.214))),
)

URBAN: tuple[Corridor, ...] = (
    Corridor("bahlui", "Bahlui urban – promenadă", "Urban Bahlui promenade", "culoar de apă", 110, "proposed", "bahlui",
             reach=(0.53, 0.76)),
    Corridor("nicolina", "Nicolina urbană", "Urban Nicolina", "culoar de apă", 80, "proposed", "nicolina",
             reach=(0.68, 1.0)),
    Corridor("cacaina", "Cacaina – culoar verde", "Cacaina green corridor", "culoar de apă", 60, "proposed", "cacaina",
             reach=(0.1, 1.0)),
    Corridor("ciric", "Ciric – Tătărași", "Ciric – Tătărași", "culoar de apă", 120, "proposed", "ciric",
             reach=(0.55, 1.0)),
    Corridor("copou", "Coama Copoului – bulevardul verde", "Copou ridge green boulevard", "culoar verde", 70, "existing",
             controls=((27.5728, 47.1757), (27.5690, 47.1820), (27.5660, 47.1915), (27.5590, 47.2010))),
    Corridor("rapa-galbena", "Râpa Galbenă – Gară – Bahlui", "Râpa Galbenă – station – Bahlui", "culoar verde", 50,
             "proposed", controls=((27.5728, 47.1712), (27.5712, 47.1672), (27.5702, 47.1640), (27.5696, 47.1600))),
    Corridor("palas-ciric", "Palas – Tătărași – Ciric", "Palas – Tătărași – Ciric", "culoar verde", 50, "proposed",
             controls=((27.5890, 47.1570), (27.5985, 47.1610), (27.6070, 47.1660), (27.6100, 47.1730))),
    Corridor("galata", "Versantul Galata – Nicolina", "Galata slope – Nicolina", "culoar verde", 90, "proposed",
             controls=((27.5560, 47.1420), (27.5640, 47.1410), (27.5740, 47.1400), (27.5840, 47.1400))),
    Corridor("cetatuia", "Cetățuia – Frumoasa – Podu Roș", "Cetățuia – Frumoasa – Podu Roș", "culoar verde", 80,
             "proposed", controls=((27.5930, 47.1290), (27.5890, 47.1360), (27.5870, 47.1430), (27.5870, 47.1500))),
    Corridor("rediu", "Pârâul Rediu – Canta", "Rediu brook – Canta", "culoar de apă", 60, "proposed", "rediu",
             reach=(0.72, 1.0)),
)


def corridor_shape(c: Corridor, seed: int, zone: BaseGeometry) -> BaseGeometry:
    """The corridor within the zone, as a Stereo 70 polygon."""
    line = waters.course(c.river) if c.river else curve(c.controls)
    start, end = c.reach
    stretch = shapely.ops.substring(line, start, end, normalized=True)
    strip = ribbon(stretch, c.width_m, 0.22, seed, swell_m=max(900.0, 3 * c.width_m))
    return largest(strip.intersection(zone))


def corridor_features(layer: str, corridors: tuple[Corridor, ...], zone: BaseGeometry) -> list[Feature]:
    return [
        feature(f"{layer}-{c.id}", corridor_shape(c, number, zone), c.name, c.name_en, status=c.status, kind=c.kind,
                width_m=c.width_m, source=f"planșele «Infrastructură verde-albastră» numite în {REPORT}")
        for number, c in enumerate(corridors, start=1)
    ]


PROTECTED: tuple[tuple[str, str, str, tuple[LonLat, ...]], ...] = (
    ("natura2000", "Pădurea Bârnova – Repedea (ROSCI0135)", "Bârnova – Repedea forest (Natura 2000)",
     ((27.583, 47.045), (27.598, 47.053), (27.612, 47.056), (27.622, 47.068), (27.632, 47.083), (27.646, 47.080),
      (27.656, 47.068), (27.688, 47.060), (27.708, 47.048), (27.718, 47.030), (27.736, 47.018), (27.748, 46.992),
      (27.735, 46.986), (27.722, 46.996), (27.706, 46.998), (27.690, 46.985), (27.664, 46.986), (27.640, 46.992),
      (27.622, 47.004), (27.600, 47.006), (27.590, 47.024))),
    ("natura2000", "Sărăturile Jijia Inferioară – Prut", "Lower Jijia – Prut salt meadows (Natura 2000)",
     ((27.736, 47.172), (27.758, 47.170), (27.770, 47.152), (27.800, 47.138), (27.824, 47.122), (27.850, 47.108),
      (27.838, 47.092), (27.800, 47.106), (27.764, 47.118), (27.742, 47.136), (27.734, 47.154))),
    ("natura2000", "Eleșteele Jijiei și Miletinului", "Jijia and Miletin fishponds (Natura 2000)",
     ((27.345, 47.370), (27.400, 47.362), (27.452, 47.352), (27.502, 47.334), (27.498, 47.318), (27.452, 47.330),
      (27.404, 47.345), (27.350, 47.356))),
    ("natura2000", "Râul Prut", "River Prut (Natura 2000)", ()),
    ("natura2000", "Valea lui David", "Valea lui David (Natura 2000)",
     ((27.460, 47.205), (27.478, 47.209), (27.488, 47.204), (27.480, 47.197), (27.464, 47.198))),
    ("forest", "Pădurea Dobrovăț", "Dobrovăț forest",
     ((27.640, 46.985), (27.668, 46.972), (27.692, 46.958), (27.708, 46.945), (27.694, 46.936), (27.660, 46.944),
      (27.640, 46.962))),
    ("forest", "Pădurea Grajduri – Ciurea", "Grajduri – Ciurea forest",
     ((27.512, 47.022), (27.545, 47.020), (27.570, 47.002), (27.600, 46.990), (27.596, 46.968), (27.560, 46.986),
      (27.520, 47.000))),
    ("forest", "Pădurea Mogoșești – Hadâmbu", "Mogoșești – Hadâmbu forest",
     ((27.452, 47.026), (27.482, 47.030), (27.502, 47.014), (27.492, 46.990), (27.462, 46.992), (27.446, 47.008))),
    ("forest", "Pădurea Schitu Duca – Pocreaca", "Schitu Duca – Pocreaca forest",
     ((27.776, 47.002), (27.806, 47.006), (27.826, 46.990), (27.816, 46.966), (27.792, 46.962), (27.774, 46.982))),
    ("forest", "Pădurea Icușeni", "Icușeni forest",
     ((27.628, 47.314), (27.644, 47.308), (27.652, 47.298), (27.640, 47.296), (27.628, 47.304))),
    ("forest", "Pădurea Uricani", "Uricani forest",
     ((27.462, 47.146), (27.474, 47.148), (27.478, 47.140), (27.470, 47.134), (27.460, 47.138))),
    ("forest", "Pădurea Ciric", "Ciric forest",
     ((27.606, 47.183), (27.612, 47.186), (27.614, 47.194), (27.608, 47.200), (27.605, 47.194))),
    ("forest", "Pădurea Breazu", "Breazu forest",
     ((27.540, 47.210), (27.550, 47.208), (27.558, 47.214), (27.554, 47.222), (27.543, 47.220))),
    ("monument", "Zona construită protejată – centrul istoric", "Protected built area – historic centre",
     ((27.5735, 47.1690), (27.5800, 47.1705), (27.5870, 47.1690), (27.5925, 47.1655), (27.5925, 47.1600),
      (27.5900, 47.1555), (27.5850, 47.1555), (27.5820, 47.1610), (27.5760, 47.1645))),
    ("monument", "Zona construită protejată – Copou", "Protected built area – Copou",
     ((27.5680, 47.1735), (27.5745, 47.1735), (27.5715, 47.1815), (27.5685, 47.1890), (27.5640, 47.1890),
      (27.5655, 47.1800))),
    ("monument", "Ansamblul Mănăstirii Galata", "Galata monastery ensemble",
     ((27.5615, 47.1425), (27.5650, 47.1430), (27.5660, 47.1405), (27.5625, 47.1400))),
    ("monument", "Ansamblul Mănăstirii Cetățuia", "Cetățuia monastery ensemble",
     ((27.5885, 47.1300), (27.5925, 47.1305), (27.5930, 47.1270), (27.5890, 47.1268))),
    ("monument", "Ansamblul Mănăstirii Frumoasa", "Frumoasa monastery ensemble",
     ((27.5835, 47.1392), (27.5862, 47.1394), (27.5865, 47.1372), (27.5838, 47.1370))),
    ("monument", "Mănăstirea Dobrovăț", "Dobrovăț monastery",
     ((27.7170, 46.9640), (27.7200, 46.9645), (27.7205, 46.9620), (27.7172, 46.9618))),
    ("monument", "Locul fosilifer Dealul Repedea", "Repedea fossil site",
     ((27.6290, 47.0870), (27.6340, 47.0875), (27.6350, 47.0840), (27.6300, 47.0838))),
)


def protected_features(zone: BaseGeometry) -> list[Feature]:
    """Protected areas; the Prut strip stays on the zone's side of the border (zone in Stereo 70)."""
    features = []
    for number, (kind, name, name_en, outline) in enumerate(PROTECTED, start=1):
        shape = largest(_protected_shape(kind, outline, number).intersection(zone))
        features.append(feature(
            f"protected-{number}", shape, name, name_en, status="existing", kind=kind,
            source=f"situri și monumente de notorietate publică; {TEAM}"))
    return features


def _protected_shape(kind: str, outline: tuple[LonLat, ...], seed: int) -> BaseGeometry:
    """The area in Stereo 70; no outline: the strip along the Prut."""
    if not outline:
        return ribbon(waters.course("prut"), 900, 0.25, seed)
    if kind == "monument":
        return plot_of_land(outline)
    drawn = area_within(outline)
    ragged = 0.05 * drawn.area**0.5
    return roughened(drawn, ragged, 5 * ragged, seed)


def forests() -> BaseGeometry:
    """Woods in Stereo 70, as the protected areas draw them."""
    return shapely.union_all([
        _protected_shape(kind, outline, number)
        for number, (kind, name, _, outline) in enumerate(PROTECTED, start=1)
        if kind == "forest" or "Repedea" in name and kind == "natura2000"
    ])


UNSTABLE: tuple[tuple[str, str, LonLat, float, float, float], ...] = (
    ("Versantul Copou", "Copou slope", (27.5610, 47.1785), 85, 2.4, 100),
    ("Versantul Galata", "Galata slope", (27.5600, 47.1440), 78, 2.1, 15),
    ("Versantul Cetățuia", "Cetățuia slope", (27.5960, 47.1290), 92, 1.9, 120),
    ("Versantul Bucium", "Bucium slope", (27.6390, 47.1060), 140, 1.9, 130),
    ("Versantul Moara de Vânt", "Moara de Vânt slope", (27.5860, 47.1930), 74, 2.1, 100),
    ("Versantul Țicău – Sărărie", "Țicău – Sărărie slope", (27.5870, 47.1770), 30, 1.9, 70),
)


def unstable_features() -> list[Feature]:
    return [
        feature(f"unstable-{number}", blob(centre, hectares, number + 5, stretch, angle), name, name_en,
                status="existing", source=f"HCL Iași 127/2020 (denumirile zonelor); {TEAM}")
        for number, (name, name_en, centre, hectares, stretch, angle) in enumerate(UNSTABLE, start=1)
    ]
