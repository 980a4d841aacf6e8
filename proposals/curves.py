"""Small drawings of value functions with the place where a value falls on them: SVG of our own numbers and words. Pure.

A drawing comes with its text alternative: who does not see it reads the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log
from typing import Any

from masterplan.formats import number, quantity
from masterplan.language import N_, translator
from proposals.criteria import Scored
from proposals.explaining import MEASURED_WORDS

_WIDTH, _HEIGHT = 300, 112
#: Room for the scores on the left and the values below.
_LEFT, _RIGHT, _TOP, _BOTTOM = 30, 10, 16, 22
_INK, _QUIET, _CURVE, _MARK = "#23211c", "#5a564c", "#0f5c5c", "#b3261e"
_FONT = "font-family=\"system-ui, sans-serif\" font-size=\"11\""
_ROW = 22


@dataclass(frozen=True)
class Plot:
    """A drawing and what it says in words."""

    svg: str
    words: str

    @property
    def image(self) -> str:
        """An `img` element that runs nothing and needs no other file."""
        source = base64.b64encode(self.svg.encode()).decode("ascii")
        return f'<img src="data:image/svg+xml;base64,{source}" alt="{escape(self.words, quote=True)}" />'


def plot(criterion: Scored, result: Mapping[str, Any], language: str) -> Plot | None:
    """Where the result of a scored criterion falls on its value function; None without a value or a function."""
    value, score = result.get("value"), result.get("score")
    if value is None or score is None:
        return None
    if isinstance(value, str):
        return _bars(criterion, value, language)
    return _curve(criterion, float(value), float(score), language) if criterion.value_function.points else None


# -- numbers -------------------------------------------------------------------------------


def _curve(criterion: Scored, value: float, score: float, language: str) -> Plot:
    function, translate = criterion.value_function, translator(language)
    unit = translate(criterion.unit) if criterion.unit else ""
    across = _across(function.points, function.scale, value)
    corners = [(across(x), _up(y)) for x, y in function.points]
    line = [(_LEFT, corners[0][1]), *corners, (_WIDTH - _RIGHT, corners[-1][1])]
    at = (across(value), _up(score))
    points = ", ".join(f"{quantity(x, unit, language)} → {number(y, 0, language)}" for x, y in function.points)
    words = translate(N_("Value function: {points} points; this value, {value}, gives {score}.")).format(
        points=points, value=quantity(value, unit, language), score=number(score, 0, language)
    )
    told = quantity(value, unit, language)
    anchor = "start" if at[0] < _WIDTH * 0.35 else "end" if at[0] > _WIDTH * 0.65 else "middle"
    first, last = function.points[0][0], function.points[-1][0]
    return Plot(_svg(_HEIGHT, words, [
        *_scale(), _polyline(line),
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{_CURVE}"/>' for x, y in corners),
        # A dashed line down to the value and a ring: not by colour alone.
        f'<line x1="{at[0]:.1f}" y1="{at[1]:.1f}" x2="{at[0]:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="{_MARK}"'
        ' stroke-width="1.2" stroke-dasharray="3 3"/>',
        f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5" fill="#ffffff" stroke="{_MARK}" stroke-width="2.4"/>',
        _text(at[0], 11, told, anchor, _MARK, bold=True),
        *_edges(across, first, last, lambda x: quantity(x, unit, language)),
    ]), words)  # fmt: skip


def _across(points: Sequence[tuple[float, float]], scale: str, value: float) -> Callable[[float], float]:
    """From a value to its place from left to right; a value beyond the function's points still has one."""
    smallest = points[0][0]

    def along(x: float) -> float:
        return log(max(x, smallest)) if scale == "log" else x

    start, end = along(points[0][0]), along(points[-1][0])
    span = (end - start) or 1.0
    low, high = min(start, max(along(value), start - span / 2)), max(end, min(along(value), end + span / 2))
    margin = (high - low) * 0.06

    def place(x: float) -> float:
        share = (min(max(along(x), low), high) - low + margin) / (high - low + 2 * margin)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    return place


def _up(score: float) -> float:
    return _TOP + (1 - score / 100) * (_HEIGHT - _TOP - _BOTTOM)


def _scale() -> list[str]:
    """Lines at 0, 50 and 100 points."""
    return [
        part
        for score in (0, 50, 100)
        for part in (
            f'<line x1="{_LEFT}" y1="{_up(score):.1f}" x2="{_WIDTH - _RIGHT}" y2="{_up(score):.1f}" stroke="#d5d1c5"/>',
            _text(_LEFT - 5, _up(score) + 4, str(score), "end", _QUIET),
        )
    ]


def _edges(across: Callable[[float], float], first: float, last: float, told: Callable[[float], str]) -> list[str]:
    """The values at the function's first and last point."""
    return [
        _text(max(across(first), _LEFT), _HEIGHT - 7, told(first), "start" if across(first) < 70 else "middle", _QUIET),
        _text(across(last), _HEIGHT - 7, told(last), "end" if across(last) > _WIDTH - 70 else "middle", _QUIET),
    ]


# -- words ---------------------------------------------------------------------------------


def _bars(criterion: Scored, word: str, language: str) -> Plot | None:
    """A bar for each word that the measure may answer with, the one found marked."""
    categories, translate = criterion.value_function.categories, translator(language)
    if word not in categories:
        return None
    ranked = sorted(categories.items(), key=lambda pair: -pair[1])
    named = {key: translate(MEASURED_WORDS[key]) for key, _ in ranked}
    points = ", ".join(f"{named[key]} → {number(score, 0, language)}" for key, score in ranked)
    words = translate(N_("Value function: {points} points; this value, {value}, gives {score}.")).format(
        points=points, value=named[word], score=number(categories[word], 0, language)
    )
    parts = []
    for row, (key, score) in enumerate(ranked):
        top, found = row * _ROW, key == word
        width = max(2.0, score / 100 * (_WIDTH - 44))
        outline = f' stroke="{_MARK}" stroke-width="2"' if found else ""
        parts += [
            f'<rect x="2" y="{top + 14}" width="{width:.1f}" height="6" fill="{_CURVE}"{outline}/>',
            _text(2, top + 11, f"{'▸ ' if found else ''}{named[key]}", "start", _MARK if found else _INK, bold=found),
            _text(_WIDTH - 4, top + 20, number(score, 0, language), "end", _QUIET),
        ]
    return Plot(_svg(len(ranked) * _ROW + 4, words, parts), words)


# -- SVG -----------------------------------------------------------------------------------


def _svg(height: int, words: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img"><title>{escape(words)}</title>{"".join(parts)}</svg>'
    )


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{line}" fill="none" stroke="{_CURVE}" stroke-width="2"/>'


def _text(x: float, y: float, words: str, anchor: str, color: str, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" {_FONT}{weight} text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
