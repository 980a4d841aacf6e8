"""Invented proposals for tests: known in Python and written straight to the tables, by a seed.

Every place where an address could hide holds a canary: contacts, sessions, attributes, events.
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection, text

from proposals.criteria import THEMES
from proposals.filters import AUTHOR_KINDS, GATE_VERDICTS, STATUSES

GATES = ("zone", "flood_frequent", "green_space")
SCORED = ("land", "public_transport", "heat_cooling")
UATS = ("95060", "97429", None)
CANARY = "canary"
#: How a row came, as somebody wrote it down, with an address in it; and what may leave of that.
EVENT = f"Întâlnirea din 12.10.2026, „Bucium” ({CANARY}@example.org, {CANARY}@localhost) \N{SNOWMAN}"
EVENT_AS_EXPORTED = "Întâlnirea din 12.10.2026, „Bucium” […] […] \N{SNOWMAN}"
HOSTILE = (
    "Grădină în Tătărași", "{{7*7}} <script>alert(1)</script>", "100% \\ mai_bine", 'Șoseaua „Bucium" \N{SNOWMAN}',
    "O'Brien; DROP TABLE --", "Ţara cu sedilă şi tab\tși\nrând", "PĂDURE nouă \u2028 la Bârnova", "ploaie\x01control",
)  # fmt: skip

#: EPSG:3844, about the middle of Iași; some lie far outside.
_EAST, _NORTH = 695_500.0, 632_500.0
to_degrees = Transformer.from_crs(3844, 4326, always_xy=True).transform
to_mercator = Transformer.from_crs(3844, 3857, always_xy=True).transform


@dataclass
class Row:
    receipt: str
    kind: str
    status: str
    channel: str
    author_kind: str
    theme: str
    title: str
    description: str
    geometry: BaseGeometry
    uat: str | None
    on_behalf_of: str | None
    budget_lei: float | None
    documentation_stage: str | None
    created_at: datetime
    total: float | None
    coverage: float | None
    recommendation: str | None
    results: dict[str, dict[str, Any]] | None = field(default=None)

    @property
    def degrees(self) -> BaseGeometry:
        return shapely.transform(self.geometry, to_degrees, interleaved=False)


def rows(number: int, seed: int = 1, prefix: str = "T") -> list[Row]:
    """`number` rows, the same for the same seed."""
    chance = random.Random(seed)
    return [_row(chance, f"{prefix}-{index:05d}") for index in range(number)]


def _row(chance: random.Random, receipt: str) -> Row:
    kind = chance.choice(("observation", "proposal"))
    proposes, scored = kind == "proposal", chance.random() < 0.9
    return Row(
        receipt=receipt,
        kind=kind,
        status=chance.choice(STATUSES),
        channel=chance.choice(("online", "email", "letter", "meeting")),
        author_kind=chance.choice(AUTHOR_KINDS),
        theme=chance.choice(THEMES),
        title=f"{chance.choice(HOSTILE)} {chance.randrange(50)}",
        description=" ".join(chance.choices(HOSTILE, k=chance.randrange(4))),
        geometry=_geometry(chance),
        uat=chance.choice(UATS),
        on_behalf_of=chance.choice(UATS[:2]) if proposes else None,
        budget_lei=chance.choice((None, 0.0, round(chance.uniform(1, 9e8), 2))) if proposes else None,
        documentation_stage=chance.choice((None, "idea", "feasibility")) if proposes else None,
        # Many just before and after midnight on the zone's clock, winter and summer.
        created_at=chance.choice((datetime(2026, 6, 1, 21, tzinfo=UTC), datetime(2026, 11, 1, 22, tzinfo=UTC)))
        + timedelta(chance.randrange(5), chance.choice((-1, 0, 1, 40_000)), chance.randrange(9)),
        total=chance.choice((None, 40.0, 60.0, round(chance.uniform(0, 100), 2))) if scored else None,
        coverage=round(chance.random(), 4) if scored else None,
        recommendation=chance.choice((None, "integrate", "debate", "reject")) if scored and proposes else None,
        results=_results(chance) if scored else None,
    )


def _geometry(chance: random.Random) -> BaseGeometry:
    spread = chance.choice((2_000, 30_000))
    x, y = _EAST + chance.uniform(-spread, spread), _NORTH + chance.uniform(-spread, spread)
    shape = chance.choice(("point", "line", "area", "areas"))
    if shape == "point":
        return shapely.Point(x, y)
    if shape == "line":
        bend, end = (x + chance.uniform(5, 3000), y + 10), (x + 20, y + chance.uniform(20, 900))
        return shapely.LineString([(x, y), bend, end])
    area = shapely.Point(x, y).buffer(chance.uniform(1, 500), quad_segs=2)
    if shape == "areas":
        return shapely.MultiPolygon([area, shapely.box(x + 2000, y, x + 2100, y + 50)])
    # Clockwise on purpose: the export must turn it round (RFC 7946).
    hole = shapely.box(x - 0.2, y - 0.2, x + 0.2, y + 0.2)
    return shapely.Polygon(area.exterior.reverse().coords, [hole.exterior.coords])


def _results(chance: random.Random) -> dict[str, dict[str, Any]]:
    gates = {
        key: {"kind": "gate", "verdict": chance.choice(GATE_VERDICTS), "value": chance.choice(("inside", 0.25, None)),
              "unit": "%", "layer": "flood_bands", "feature_name": CANARY, "reason": "holds"}
        for key in GATES if chance.random() < 0.8
    }  # fmt: skip
    scored = {
        key: {"kind": "scored", "value": round(chance.uniform(0, 2000), 1), "unit": "m", "weight": 8.5, "share": 0.5,
              "score": chance.choice((60, 60.5, round(chance.uniform(0, 100), 2))), "reason": "scored"}
        if chance.random() < 0.8 else
        {"kind": "scored", "value": None, "unit": "m", "weight": 8.5, "share": 0.0, "score": None,
         "verdict": "not_assessed", "reason": "missing"}
        for key in SCORED if chance.random() < 0.8
    }  # fmt: skip
    return gates | scored


_INSERT = text("""
INSERT INTO masterplan.proposal (receipt, submission_key, kind, status, channel, source_event, author_kind, theme,
    title, description, geom, uat, on_behalf_of, budget_lei, documentation_stage, attributes, criteria_set, edition,
    session, created_at)
VALUES (:receipt, gen_random_uuid(), :kind, :status, :channel, :event, :author_kind, :theme, :title, :description,
    ST_GeomFromWKB(:wkb, 3844), :uat, :on_behalf_of, :budget_lei, :documentation_stage,
    jsonb_build_object('note', CAST(:canary AS text)), 'v0', 1, :canary, :created_at)
RETURNING id
""")
_MEASURED = text(
    "INSERT INTO masterplan.measurement (proposal_id, measures, layer_versions, edition) VALUES (:id, '{}', '{}', 1)"
)
_SCORED = text("""
INSERT INTO masterplan.score (proposal_id, criteria_set, total, coverage, recommendation, results)
VALUES (:id, 'v0', :total, :coverage, :recommendation, CAST(:results AS jsonb))
""")
_CONTACT = text("INSERT INTO masterplan.contact (proposal_id, email, consent_version) VALUES (:id, :email, '1')")


def insert(connection: Connection, many: list[Row]) -> None:
    """Write the rows, acting as the system."""
    for row in many:
        values = {name: value for name, value in asdict(row).items() if name != "geometry"}
        values |= {"wkb": row.geometry.wkb, "canary": f"{CANARY}@example.org", "results": json.dumps(row.results),
                   "event": EVENT}  # fmt: skip
        number = connection.scalar(_INSERT, values)
        if row.results is not None:
            connection.execute(_MEASURED, {"id": number})
            connection.execute(_SCORED, values | {"id": number})
        connection.execute(_CONTACT, {"id": number, "email": f"{CANARY}.{number}@example.org"})
