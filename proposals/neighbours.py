"""Stale by a neighbour: which lines are measured again when a public mobility line appears, changes or disappears.

A trigger of the database leaves the job, whoever did it (migration 0011). `network_continuity` alone reads the
lines of others, and only within its tolerance of a line's ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Connection, text

from proposals.measures import network_continuity
from proposals.measuring import sets_in_use

#: The job that marks stale what ends near lines that changed (`lines`), or, where very many changed at
#: once, every line measured before a moment (`measured_before`).
LINES_CHANGED = "lines_changed"

#: The ends as `network_continuity` takes them: a closed line has none, and meets the network anywhere.
_NEAR = text("""
    WITH changed AS (
        SELECT c.id, c.uat, ST_GeomFromEWKB(decode(c.geom, 'hex')) AS geom
        FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS c(id bigint, uat text, geom text)
    )
    UPDATE masterplan.measurement m SET stale = true FROM masterplan.proposal p
    WHERE m.proposal_id = p.id AND NOT m.stale AND p.theme = ANY(:themes) AND ST_Dimension(p.geom) = 1
        AND EXISTS (
            SELECT FROM changed c CROSS JOIN LATERAL (SELECT ST_LineMerge(p.geom) AS line) w
            WHERE c.id <> p.id AND c.uat IS DISTINCT FROM p.on_behalf_of AND ST_DWithin(c.geom, p.geom, :reach)
                AND ST_DWithin(c.geom, CASE WHEN ST_IsEmpty(ST_Boundary(w.line)) THEN w.line
                    ELSE ST_Boundary(w.line) END, :reach))
""")
_ALL = text("""
    UPDATE masterplan.measurement m SET stale = true FROM masterplan.proposal p
    WHERE m.proposal_id = p.id AND NOT m.stale AND p.theme = ANY(:themes) AND ST_Dimension(p.geom) = 1
        AND m.measured_at < CAST(:before AS timestamptz)
""")


def mark_ending_near(connection: Connection, payload: Mapping[str, Any]) -> int:
    """Mark stale the lines that end within the tolerance of lines of other UATs that changed; how many.

    `payload` is that of the job. The tolerance, in metres, is the largest that any set in use asks for.
    """
    asking = [
        criterion
        for criteria in sets_in_use(connection).values()
        for criterion in (*criteria.gates, *criteria.scored)
        if criterion.spec.function == network_continuity.__name__
    ]
    if not asking:
        return 0
    values: dict[str, Any] = {"themes": sorted({theme for criterion in asking for theme in criterion.themes})}
    if "lines" in payload:
        values["reach"] = max(float(criterion.spec.parameters["tolerance_m"]) for criterion in asking)
        return connection.execute(_NEAR, values | {"lines": orjson.dumps(payload["lines"]).decode()}).rowcount
    return connection.execute(_ALL, values | {"before": payload["measured_before"]}).rowcount
