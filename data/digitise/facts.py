"""The UATs of the metropolitan zone: SIRUTA, population 2021, area, seat, membership and neighbours.

Seats and SIRUTA codes: geo-spatial.org; population: INS, census 2021; areas and neighbours are statistics of
the published boundaries. "A": member of ADI ZMI (March 2022); "L": Law 246/2022.
"""

from __future__ import annotations

from dataclasses import dataclass

_TABLE = """
95747|Aroneanu|comună|4338|39.22|27.60426, 47.20381|A L|Golăiești;Holboca;Iași;Popricani;Victoria
95088|Bârnova|comună|7913|41.48|27.62514, 47.0737|A L|Ciurea;Dobrovăț;Iași;Schitu Duca;Tomești
96254|Ciurea|comună|17254|47.51|27.57149, 47.06519|A L|Bârnova;Dobrovăț;Grajduri;Iași;Miroslava;Mogoșești
96370|Comarna|comună|4221|46.93|27.79936, 47.09457|A L|Costuleni;Prisăcani;Schitu Duca;Tomești;Țuțora
96423|Costuleni|comună|4080|70.0|27.86168, 47.02885|A |Comarna;Prisăcani;Schitu Duca
96888|Dobrovăț|comună|2128|93.05|27.7209, 46.96313|A L|Bârnova;Ciurea;Grajduri;Schitu Duca
96940|Dumești|comună|4252|71.84|27.34153, 47.1745| |Horlești;Lețcani;Românești
97090|Golăiești|comună|3563|53.54|27.69681, 47.24192|A L|Aroneanu;Holboca;Ungheni;Victoria
97241|Grajduri|comună|3687|40.91|27.53708, 46.97284| L|Ciurea;Dobrovăț;Mogoșești;Scânteia
95159|Holboca|comună|13697|50.11|27.6867, 47.15454|A L|Aroneanu;Golăiești;Iași;Tomești;Ungheni;Țuțora
97517|Horlești|comună|2529|51.47|27.37702, 47.10309| L|Dumești;Lețcani;Miroslava;Voinești
95060|Iași|municipiu|271692|91.67|27.58295, 47.16162|A L|Aroneanu;Bârnova;Ciurea;Holboca;Miroslava;Popricani;Rediu;Tomești;Valea Lupului
97679|Lețcani|comună|6845|58.58|27.41007, 47.19509|A L|Dumești;Horlești;Miroslava;Rediu;Românești
97919|Miroslava|comună|28534|83.05|27.52442, 47.15088|A L|Ciurea;Horlești;Iași;Lețcani;Mogoșești;Rediu;Valea Lupului;Voinești
98113|Mogoșești|comună|4706|67.73|27.51497, 47.04221|A L|Ciurea;Grajduri;Miroslava;Voinești
98257|Movileni|comună|2895|75.89|27.35996, 47.32949|A L|Popricani;Rediu;Românești;Țigănași
98505|Popricani|comună|7236|69.58|27.51202, 47.28724|A L|Aroneanu;Iași;Movileni;Rediu;Victoria;Țigănași
98603|Prisăcani|comună|3638|59.72|27.88411, 47.07739|A |Comarna;Costuleni;Țuțora
95239|Rediu|comună|8295|44.98|27.50385, 47.2169|A L|Iași;Lețcani;Miroslava;Movileni;Popricani;Românești;Valea Lupului
98738|Românești|comună|1524|42.75|27.31846, 47.28273| L|Dumești;Lețcani;Movileni;Rediu
98827|Schitu Duca|comună|3619|116.87|27.76679, 47.03271|A L|Bârnova;Comarna;Costuleni;Dobrovăț;Tomești
98916|Scânteia|comună|5505|41.31|27.5773, 46.91992|A |Grajduri
95293|Tomești|comună|12169|38.89|27.69595, 47.12482|A L|Bârnova;Comarna;Holboca;Iași;Schitu Duca;Țuțora
96003|Ungheni|comună|3582|45.94|27.76552, 47.21674|A L|Golăiești;Holboca;Țuțora
100353|Valea Lupului|comună|14510|10.51|27.49809, 47.17898|A L|Iași;Miroslava;Rediu
100004|Victoria|comună|3819|61.73|27.59211, 47.29499|A L|Aroneanu;Golăiești;Popricani;Țigănași
100219|Voinești|comună|7105|62.84|27.43081, 47.07486| L|Horlești;Miroslava;Mogoșești
99879|Țigănași|comună|4114|64.12|27.46844, 47.33182| L|Movileni;Popricani;Victoria
99922|Țuțora|comună|2063|37.94|27.79582, 47.13362|A L|Comarna;Holboca;Prisăcani;Tomești;Ungheni
"""


@dataclass(frozen=True)
class Uat:
    """One territorial unit; seat in lon, lat (EPSG:4326)."""

    siruta: str
    name: str
    kind: str
    population: int
    area_km2: float
    seat: tuple[float, float]
    lists: str
    neighbours: frozenset[str]


def _row(line: str) -> Uat:
    siruta, name, kind, population, area, seat, lists, neighbours = line.split("|")
    lon, lat = seat.split(",")
    return Uat(
        siruta.strip(), name, kind, int(population), float(area), (float(lon), float(lat)),
        " ".join(lists.split()), frozenset(neighbours.split(";")),
    )


UATS: tuple[Uat, ...] = tuple(_row(line) for line in _TABLE.strip().splitlines())
BY_NAME: dict[str, Uat] = {uat.name: uat for uat in UATS}
