"""Search in the plan: UATs, villages, zones, rings, radials, rivers, stops and green spaces, diacritics or not."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from masterplan.language import N_, translator
from masterplan.place import WGS84_SRID

#: What is searched, and what one of it is called; earlier ones come first among equals.
SEARCHED = {
    "uat": N_("UAT"), "intravilan": N_("locality"), "rings": N_("ring"), "radials": N_("radial"),
    "prospective_radials": N_("prospective radial"), "strategic_zones": N_("strategic zone"),
    "watercourses": N_("watercourse"), "green_access": N_("green space"), "underused_land": N_("underused land"),
    "transport_stops": N_("public transport stop"),
}  # fmt: skip
MOST_FOUND = 10
MOST_WORDS = 6

# A locality may have several parts: the largest stands for it. Its UAT tells two of one name apart.
_FIND = text(f"""
WITH sought AS (
    SELECT f.layer_id, f.geom, f.pk,
        CASE WHEN f.layer_id = 'intravilan' THEN coalesce(f.properties ->> 'locality', f.name_ro)
            ELSE f.name_ro END AS name,
        lower(public.unaccent(concat_ws(' ', f.name_ro, f.name_en, f.properties ->> 'locality'))) AS words,
        lower(coalesce(f.properties ->> 'siruta', f.properties ->> 'ring', f.properties ->> 'code', '')) AS code,
        CASE WHEN f.layer_id = 'uat' THEN f.properties ->> 'siruta' ELSE f.properties ->> 'origin_uat' END AS uat,
        CASE WHEN f.layer_id = 'intravilan' THEN f.properties ->> 'uat' END AS lies_in, f.name_ro, f.name_en
    FROM masterplan.current_feature f WHERE f.layer_id = ANY(:layers)
), found AS (
    SELECT DISTINCT ON (layer_id, name, lies_in) *,
        CASE WHEN code = lower(:typed) THEN 0
             WHEN lower(public.unaccent(name)) = lower(public.unaccent(:typed)) THEN 1
             WHEN words LIKE lower(public.unaccent(:beginning)) THEN 2 ELSE 3 END AS rank
    FROM sought
    WHERE code = lower(:typed) OR words LIKE ALL (
        SELECT '%' || lower(public.unaccent(word)) || '%' FROM unnest(CAST(:words AS text[])) AS word)
    ORDER BY layer_id, name, lies_in, rank, ST_Area(geom) DESC
)
SELECT found.layer_id, found.name, found.name_ro, found.name_en, found.uat, owner.name_ro AS owner,
    ST_X(point) AS lon, ST_Y(point) AS lat,
    ST_XMin(whole) AS west, ST_YMin(whole) AS south, ST_XMax(whole) AS east, ST_YMax(whole) AS north
FROM found LEFT JOIN masterplan.current_feature owner
        ON owner.layer_id = 'uat' AND owner.feature_id = found.lies_in,
    LATERAL (SELECT ST_Transform(CASE ST_Dimension(found.geom) WHEN 1 THEN ST_LineInterpolatePoint(
            ST_GeometryN(found.geom, 1), 0.5) ELSE ST_PointOnSurface(found.geom) END, {WGS84_SRID}) AS point,
        ST_Transform(found.geom, {WGS84_SRID}) AS whole) place
ORDER BY rank, array_position(CAST(:layers AS text[]), found.layer_id), found.name
LIMIT {MOST_FOUND}
""")


@dataclass(frozen=True)
class Found:
    """Something found: a place in degrees (EPSG:4326), its bounds unless it is a point, and the UAT it lights up."""

    name: str
    detail: str
    lon: float
    lat: float
    bounds: tuple[float, float, float, float] | None = None
    uat: str = ""


def search_plan(connection: Connection, typed: str, language: str) -> list[Found]:
    """At most `MOST_FOUND` features that hold every word typed, or have what was typed as their code; best first."""
    words = typed.split()[:MOST_WORDS]
    if not words:
        return []
    rows = connection.execute(_FIND, {
        "typed": " ".join(words), "beginning": _literal(" ".join(words)) + "%", "words": [_literal(w) for w in words],
        "layers": list(SEARCHED),
    })  # fmt: skip
    return [_found(row, language) for row in rows]


def _literal(word: str) -> str:
    """The word as LIKE reads it: nothing in it stands for anything else."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _found(row, language: str) -> Found:
    kind = translator(language)(SEARCHED[row.layer_id])
    name = row.name if row.layer_id == "intravilan" else getattr(row, f"name_{language}") or row.name_ro
    bounds = (row.west, row.south, row.east, row.north)
    is_point = (row.west, row.south) == (row.east, row.north)
    return Found(
        name, f"{kind}, {row.owner}" if row.owner else kind, row.lon, row.lat,
        None if is_point else bounds, row.uat or "",
    )  # fmt: skip

