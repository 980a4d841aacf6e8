"""Relations between submissions, from place, theme and words: overlaps, continues, conflicts with, near-duplicate.

One statement for one submission or for all; every reader gets the relations to what that reader may see.
Nothing is decided by a relation: it says what to read together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from masterplan.errors import NotFound
from masterplan.language import N_
from proposals import receipts
from proposals.submitting import NOT_FOUND

#: Two areas overlap when they share at least this part of the smaller one (0 to 1): less is a matter of drawing.
LEAST_SHARED = 0.05
#: A line or a point goes with an area when at least this part of it lies inside (0 to 1).
LEAST_INSIDE = 0.25
#: Two lines overlap when at least this part of the shorter one runs beside the other (0 to 1) …
LEAST_ALONG = 0.25
#: … within this distance, in metres: the width of a street with its pavements.
BESIDE_M = 15.0
#: A line continues another when an end of one comes this near an end of the other, in metres: the tolerance of the
#: criterion `continuity` in v0.
JOINS_M = 100.0
#: What lies farther apart than this, in metres, is not the same place: a block of houses.
SAME_PLACE_M = 100.0
#: Titles with descriptions at least this alike (pg_trgm similarity, 0 to 1) say the same; below it are other words.
ALIKE = 0.5
#: So many relations of a kind are named of one submission, the closest first.
MOST_OF_A_KIND = 20

#: Themes of which the first takes land that the second wants free: overlapping, they cannot both be built.
TAKES_FROM = (
    ("development", "green_blue"), ("development", "water"), ("development", "public_space"),
    ("mobility", "green_blue"), ("mobility", "development"),
)  # fmt: skip

KINDS = ("near_duplicate", "conflicts", "continues", "overlaps")
KIND_NAMES = {
    "near_duplicate": N_("says nearly the same of the same place"),
    "conflicts": N_("wants something else of the same land"),
    "continues": N_("continues the same line"),
    "overlaps": N_("overlaps"),
}


@dataclass(frozen=True)
class Relation:
    """What one submission is to another. `shared` is the part of the smaller one that both cover (0 to 1),
    `distance_m` how far apart they lie in metres of the storage CRS, `alike` how alike their words are (0 to 1)."""

    kind: str
    receipt: str
    other: str
    title: str
    theme: str
    shared: float
    distance_m: float
    alike: float


_SHOWN = "status NOT IN ('hidden', 'withdrawn')"


def _size(geometry: str) -> str:
    """Area, or length in metres where there is no area; 1 for points, which are inside or not."""
    return f"""CASE ST_Dimension({geometry}) WHEN 2 THEN ST_Area({geometry}) WHEN 1 THEN ST_Length({geometry})
        ELSE ST_NumGeometries({geometry}) END"""


#: Lines share what runs within BESIDE_M of the other; else what the smaller has inside the other.
_SHARED = f"""CASE
    WHEN NOT ST_DWithin(a.geom, b.geom, {BESIDE_M}) THEN 0
    WHEN ST_Dimension(a.geom) = 2 AND ST_Dimension(b.geom) = 2 THEN
        ST_Area(ST_Intersection(a.geom, b.geom)) / nullif(least(ST_Area(a.geom), ST_Area(b.geom)), 0)
    WHEN ST_Dimension(a.geom) = 1 AND ST_Dimension(b.geom) = 1 THEN CASE WHEN ST_Length(a.geom) <= ST_Length(b.geom)
        THEN ST_Length(ST_Intersection(a.geom, ST_Buffer(b.geom, {BESIDE_M}))) / nullif(ST_Length(a.geom), 0)
        ELSE ST_Length(ST_Intersection(b.geom, ST_Buffer(a.geom, {BESIDE_M}))) / nullif(ST_Length(b.geom), 0) END
    WHEN ST_Dimension(a.geom) = 2 THEN {_size("ST_Intersection(b.geom, a.geom)")} / nullif({_size("b.geom")}, 0)
        * CASE WHEN ST_Dimension(ST_Intersection(b.geom, a.geom)) = ST_Dimension(b.geom) THEN 1 ELSE 0 END
    WHEN ST_Dimension(b.geom) = 2 THEN {_size("ST_Intersection(a.geom, b.geom)")} / nullif({_size("a.geom")}, 0)
        * CASE WHEN ST_Dimension(ST_Intersection(a.geom, b.geom)) = ST_Dimension(a.geom) THEN 1 ELSE 0 END
    ELSE 0 END"""

_JOINS = f"""ST_Dimension(a.geom) = 1 AND ST_Dimension(b.geom) = 1 AND a.theme = b.theme
    AND ST_DWithin(ST_Boundary(ST_LineMerge(a.geom)), ST_Boundary(ST_LineMerge(b.geom)), {JOINS_M})"""

_OVERLAP = f"""f.shared >= CASE
    WHEN f.a_dim = 2 AND f.b_dim = 2 THEN {LEAST_SHARED}
    WHEN f.a_dim = 1 AND f.b_dim = 1 THEN {LEAST_ALONG} ELSE {LEAST_INSIDE} END"""
_TAKES = " OR ".join(
    f"(f.a_theme = '{one}' AND f.b_theme = '{other}' OR f.a_theme = '{other}' AND f.b_theme = '{one}')"
    for one, other in TAKES_FROM
)

_RELATIONS = text(f"""
WITH found AS (
    SELECT a.receipt, b.receipt AS other, b.title, b.theme, a.theme AS a_theme, b.theme AS b_theme,
        a.kind AS a_kind, b.kind AS b_kind, ST_Dimension(a.geom) AS a_dim, ST_Dimension(b.geom) AS b_dim,
        coalesce({_SHARED}, 0) AS shared, ST_Distance(a.geom, b.geom) AS distance_m,
        similarity(masterplan.plain(a.title || ' ' || a.description), masterplan.plain(b.title || ' ' || b.description))
            AS alike,
        coalesce({_JOINS}, false) AS joins
    FROM masterplan.proposal a JOIN masterplan.proposal b
        ON b.id <> a.id AND ST_DWithin(a.geom, b.geom, {SAME_PLACE_M}) AND b.{_SHOWN}
    WHERE a.receipt = ANY(:receipts)
), told AS (
    SELECT f.*, k.kind, row_number() OVER (
        PARTITION BY f.receipt, k.kind ORDER BY f.shared DESC, f.distance_m, f.alike DESC, f.other) AS place
    FROM found f CROSS JOIN LATERAL (
        SELECT 'near_duplicate' AS kind WHERE f.alike >= {ALIKE} AND f.a_theme = f.b_theme
        UNION ALL SELECT 'conflicts'
            WHERE f.a_kind = 'proposal' AND f.b_kind = 'proposal' AND ({_OVERLAP}) AND ({_TAKES})
        UNION ALL SELECT 'continues' WHERE f.joins AND NOT ({_OVERLAP})
        UNION ALL SELECT 'overlaps' WHERE ({_OVERLAP})
    ) k
)
SELECT kind, receipt, other, title, theme, shared, distance_m, alike FROM told WHERE place <= {MOST_OF_A_KIND}
ORDER BY receipt, array_position(ARRAY{list(KINDS)}, kind), place
""")


def relations(connection: Connection, codes: Sequence[str]) -> list[Relation]:
    """What these submissions are to others that the actor of this transaction may see, the firmest kind first.

    Hidden and withdrawn ones are related to nothing. A pair may have several relations.

    Raises
    ------
    InputError
        When one of them is no tracking code.
    """
    wanted = [receipts.normalise(code) for code in codes]
    return [Relation(**row._mapping) for row in connection.execute(_RELATIONS, {"receipts": wanted})]


_IS_THERE = text("SELECT EXISTS (SELECT FROM masterplan.proposal WHERE receipt = :receipt)")


def relations_of(connection: Connection, code: str) -> list[Relation]:
    """The same of one submission.

    Raises
    ------
    NotFound
        When no submission has this code, or not for this actor.
    """
    receipt = receipts.normalise(code)
    if not connection.scalar(_IS_THERE, {"receipt": receipt}):
        raise NotFound(NOT_FOUND, receipt=receipt)
    return relations(connection, [receipt])
