"""A drawing of how firm ranks are: for each proposal of a theme a bar from its 5 % to its 95 % rank. Pure.

Like the drawings of `proposals.curves` it says the same in words, and needs no other file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from masterplan.language import N_, translator
from proposals.curves import Plot

_WIDTH, _ROW, _TOP, _BOTTOM = 640, 22, 8, 26
#: Room for the rank and the tracking code on the left.
_LEFT, _RIGHT = 190, 16
_INK, _QUIET, _BAR, _MARK = "#23211c", "#5a564c", "#9cc7c2", "#0f5c5c"
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
Row = Mapping[str, Any]


def rank_plot(rows: Sequence[Row], of: int, language: str) -> Plot:
    """The intervals of these rows (`rank_table.RankTable.rows` of one theme, the best first), of `of` ranks in all.

    The bar is the interval, the mark the rank under the set's own weights.
    """
    translate = translator(language)
    last = max((row["high"] for row in rows), default=1)
    height = _TOP + _ROW * len(rows) + _BOTTOM

    def across(rank: float) -> float:
        return _LEFT + (rank - 1) / max(last - 1, 1) * (_WIDTH - _LEFT - _RIGHT)

    parts = []
    for rank in sorted({1, round((1 + last) / 2), last}):
        parts.append(f'<line x1="{across(rank):.1f}" y1="{_TOP}" x2="{across(rank):.1f}" y2="{height - _BOTTOM}"'
                     ' stroke="#d5d1c5"/>')  # fmt: skip
        parts.append(_text(across(rank), height - 8, str(rank), "middle", _QUIET))
    for number, row in enumerate(rows):
        middle = _TOP + _ROW * number + _ROW / 2
        low, high = across(row["low"]), across(row["high"])
        parts += [
            _text(4, middle + 4, f"{row['rank']}. {row['receipt']}", "start", _INK),
            f'<rect x="{low - 4:.1f}" y="{middle - 4:.1f}" width="{high - low + 8:.1f}" height="8" rx="4"'
            f' fill="{_BAR}"/>',
            f'<circle cx="{across(row["rank"]):.1f}" cy="{middle:.1f}" r="5" fill="#ffffff" stroke="{_MARK}"'
            ' stroke-width="2.4"/>',
        ]  # fmt: skip
    words = translate(N_(
        "Rank intervals of {shown} of {count} proposals, from 5 to 95 % of the drawn weights; the table below says"
        " the same."
    )).format(shown=len(rows), count=of)  # fmt: skip
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img"><title>{escape(words)}</title>{"".join(parts)}</svg>'
    )
    return Plot(svg, words)


def _text(x: float, y: float, words: str, anchor: str, color: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
