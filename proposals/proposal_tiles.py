"""Vector tiles of what people brought, straight from PostGIS; nothing is left out at any zoom.

Seen from afar, proposals are counted in a grid: each cell with any is one point that says how
many. From `REAL_ZOOM` on each is drawn as it is, and one point more marks each line and area so
that small ones can be seen. Over the tiles of one zoom, `count` always adds up to the total.
"""

from __future__ import annotations

from sqlalchemy import CTE, BigInteger, Connection, Float, Integer, Select, cast, func, literal, null, select
from sqlalchemy.sql.expression import ColumnElement

from layers.tiles import BUFFER, EXTENT, TileAddress
from masterplan.place import TILE_SRID
from masterplan.tables import proposal, score
from proposals.filters import ProposalFilter
from proposals.selecting import SCORED, where

#: From this zoom on the real geometry is drawn; below it, a grid of counts.
REAL_ZOOM = 13
#: Cells along the side of a tile: about 32 by 32 pixels each on the screen, so that circles stay apart.
CELLS = 16
LAYER = "proposals"

#: Half the side of the world in Web Mercator, in metres; tiles are counted from its north-west corner.
_HALF_WORLD_M = 20037508.342789244


def proposal_tile(connection: Connection, address: TileAddress, wanted: ProposalFilter) -> bytes:
    """The tile of what the filter means and the actor may see, as MVT with the layer `proposals`.

    Below `REAL_ZOOM`: a point a cell at the middle of its proposals, with `count`; where it is one,
    with its `receipt`, `kind`, `theme`, `status`, `title`, `total` and `recommendation` too. From
    there on: a point each (`count` 1), and the shape of each line and area (no `count`), all with
    those properties. Every point lies in exactly one tile.
    """
    drawn = _counted(address, wanted) if address.z < REAL_ZOOM else _real(address, wanted)
    encoded = select(func.coalesce(func.ST_AsMVT(drawn.table_valued(), LAYER, EXTENT, "geom"), b""))
    return bytes(connection.scalar(encoded.select_from(drawn)))


# -- where a point lies --------------------------------------------------------------------


def _cell(from_edge_m: ColumnElement[float], cells: int) -> ColumnElement[int]:
    """The number of a column or row of cells, counted over the whole world: one and only one for
    each place, since every tile asks the same arithmetic."""
    number = func.floor(from_edge_m * (cells / (2 * _HALF_WORLD_M)))
    return cast(func.least(func.greatest(number, 0), cells - 1), BigInteger)


def _column(address: TileAddress) -> ColumnElement[int]:
    return _cell(func.ST_X(proposal.c.anchor_3857) + _HALF_WORLD_M, CELLS * 2**address.z)


def _row(address: TileAddress) -> ColumnElement[int]:
    return _cell(literal(_HALF_WORLD_M, Float(53)) - func.ST_Y(proposal.c.anchor_3857), CELLS * 2**address.z)


def _in_tile(address: TileAddress) -> ColumnElement[bool]:
    west, north = address.x * CELLS, address.y * CELLS
    return _column(address).between(west, west + CELLS - 1) & _row(address).between(north, north + CELLS - 1)


def _box(address: TileAddress) -> ColumnElement:
    return func.ST_TileEnvelope(address.z, address.x, address.y)


def _near(column: ColumnElement, address: TileAddress, units: float) -> ColumnElement[bool]:
    """For the index: the bounding box touches the tile widened by so many of its units."""
    return column.op("&&")(func.ST_Expand(_box(address), _unit_m(address) * units))


def _unit_m(address: TileAddress) -> float:
    return 2 * _HALF_WORLD_M / 2**address.z / EXTENT


def _point(x: ColumnElement[float], y: ColumnElement[float], address: TileAddress) -> ColumnElement:
    """A point in the tile's units. Kept off the far edges: map clients drop what rounds onto them,
    taking it for the next tile's."""
    unit = _unit_m(address)
    east = (address.x + 1) * unit * EXTENT - _HALF_WORLD_M - unit
    south = _HALF_WORLD_M - (address.y + 1) * unit * EXTENT + unit
    place = func.ST_SetSRID(func.ST_MakePoint(func.least(x, east), func.greatest(y, south)), TILE_SRID)
    return func.ST_AsMVTGeom(place, _box(address), EXTENT, 0, False)


# -- from afar -----------------------------------------------------------------------------


def _counted(address: TileAddress, wanted: ProposalFilter) -> CTE:
    seen = (
        select(
            proposal.c.id,
            func.ST_X(proposal.c.anchor_3857).label("x"),
            func.ST_Y(proposal.c.anchor_3857).label("y"),
            _column(address).label("cell_column"),
            _row(address).label("cell_row"),
        )
        .select_from(SCORED)
        .where(_near(proposal.c.anchor_3857, address, 1), _in_tile(address), *where(wanted))
        .cte("seen")
    )
    cells = (
        select(
            func.count().label("count"),
            func.min(seen.c.id).label("id"),
            func.avg(seen.c.x).label("x"),
            func.avg(seen.c.y).label("y"),
        )
        .group_by(seen.c.cell_column, seen.c.cell_row)
        .order_by(seen.c.cell_column, seen.c.cell_row)
        .cte("cells")
    )
    alone = (cells.c.count == 1) & (cells.c.id == proposal.c.id)
    middle = _point(cells.c.x, cells.c.y, address)
    return (
        select(cast(cells.c.count, Integer).label("count"), *_words(), middle.label("geom"))
        .select_from(cells.outerjoin(SCORED, alone))
        .cte("drawn")
    )


def _words() -> list[ColumnElement]:
    p = proposal.c
    return [
        p.receipt.label("id"), p.receipt, p.kind, p.theme, p.status, p.title,
        score.c.total, score.c.recommendation,
    ]  # fmt: skip


# -- close by ------------------------------------------------------------------------------


def _real(address: TileAddress, wanted: ProposalFilter) -> CTE:
    shapes, points = _shapes(address, wanted), _points(address, wanted)
    together = shapes.union_all(points).cte("together")
    return select(together).where(together.c.geom.is_not(None)).cte("drawn")


def _shapes(address: TileAddress, wanted: ProposalFilter) -> Select:
    geometry = func.ST_AsMVTGeom(proposal.c.geom_3857, _box(address), EXTENT, BUFFER, True)
    return (
        select(cast(null(), Integer).label("count"), *_words(), geometry.label("geom"))
        .select_from(SCORED)
        .where(
            _near(proposal.c.geom_3857, address, BUFFER),
            func.ST_Dimension(proposal.c.geom_3857) > 0,
            *where(wanted),
        )
    )


def _points(address: TileAddress, wanted: ProposalFilter) -> Select:
    x, y = func.ST_X(proposal.c.anchor_3857), func.ST_Y(proposal.c.anchor_3857)
    return (
        select(literal(1, Integer).label("count"), *_words(), _point(x, y, address).label("geom"))
        .select_from(SCORED)
        .where(
            _near(proposal.c.anchor_3857, address, 1),
            _in_tile(address),
            *where(wanted),
        )
    )


# -- freshness -----------------------------------------------------------------------------


def proposals_stamp(connection: Connection) -> str:
    """A short text that changes whenever anything changes that this actor's tiles show."""
    changed = func.hashfloat8extended(func.date_part("epoch", proposal.c.updated_at), proposal.c.id)
    scored = func.hashfloat8extended(func.date_part("epoch", score.c.scored_at), -proposal.c.id)
    seen = select(func.count(), func.bit_xor(changed), func.bit_xor(scored)).select_from(SCORED)
    number, changes, scores = connection.execute(seen).one()
    return f"{number:x}-{((changes or 0) ^ (scores or 0)) & 0xFFFFFFFFFFFFFFFF:016x}"
