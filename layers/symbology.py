"""How layers are drawn: `data/symbology.toml` as a MapLibre style and as a legend.

A feature's status is told by line style, not by colour alone: existing is
solid, proposed dashed, prospective dotted.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from layers.catalogue import STATUSES, Layer, catalogue
from layers.tiles import LABEL_SUFFIX
from masterplan.formats import number
from masterplan.language import N_, translator
from masterplan.settings import settings

#: Dash pattern of each status, in line widths.
DASHES: dict[str, list[float] | None] = {"existing": None, "proposed": [4, 2], "prospective": [0.6, 2]}
STATUS_NAMES = {"existing": N_("existing"), "proposed": N_("proposed"), "prospective": N_("prospective")}

DEFAULT_COLOR = "#6b6b6b"
#: Drawn by the browser from its own fonts: no font files are fetched. Names must be plain CSS identifiers.
_LABEL_FONT = ["DejaVu Sans", "sans-serif"]
_HALO = {"text-halo-color": "#ffffff", "text-halo-width": 2}


@dataclass(frozen=True)
class Symbology:
    """The marks of one layer; sizes in CSS pixels, opacity from 0 to 1."""

    mark: str = "fill"
    color: str = DEFAULT_COLOR
    opacity: float = 0.4
    width: float = 1.4
    radius: float = 4
    attribute: str = ""
    rotate_attribute: str = ""
    categories: tuple[dict[str, Any], ...] = ()
    classes: tuple[dict[str, Any], ...] = ()
    label: bool = False
    label_attribute: str = ""
    label_size: float = 12
    label_color: str = "#333333"
    visible: bool = False
    order: int = field(default=0, compare=False)


@cache
def symbologies() -> dict[str, Symbology]:
    """Layer id → its marks; a layer that the file leaves out gets plain ones, drawn last."""
    with (settings().data_dir / "symbology.toml").open("rb") as file:
        raw = tomllib.load(file)
    known = {
        layer_id: Symbology(
            **entry
            | {"categories": tuple(entry.get("categories", ())), "classes": tuple(entry.get("classes", ()))},
            order=order,
        )
        for order, (layer_id, entry) in enumerate(raw.items())
    }
    plain = {layer.id: Symbology(mark=_plain_mark(layer), order=len(raw)) for layer in catalogue().layers}
    return plain | known


def _plain_mark(layer: Layer) -> str:
    for geometry, mark in (("Polygon", "fill"), ("Line", "line"), ("Point", "circle")):
        if geometry in layer.geometry:
            return mark
    raise ValueError(f"unknown geometry type: {layer.geometry!r}")


def drawn_in_order() -> list[tuple[Layer, Symbology]]:
    """Layers with their marks, the lowest first."""
    marks = symbologies()
    return sorted(((layer, marks[layer.id]) for layer in catalogue().layers), key=lambda pair: pair[1].order)


def style_layers(language: str) -> list[dict[str, Any]]:
    """The MapLibre style layers of every plan layer: all marks first, then all labels."""
    pairs = drawn_in_order()
    marks = [entry for layer, symbology in pairs for entry in _marks(layer, symbology)]
    labels = [_label(layer, s, language) for layer, s in reversed(pairs) if s.label]
    return marks + labels


def color_expression(symbology: Symbology) -> Any:
    """The colour of a feature as a MapLibre expression over its attribute."""
    if symbology.categories:
        # MapLibre matches whole numbers and texts only: 0.1 is matched as text.
        pairs = [item for c in symbology.categories for item in (_as_text(c["value"]), c["color"])]
        return ["match", ["to-string", ["get", symbology.attribute]], *pairs, DEFAULT_COLOR]
    if symbology.classes:
        first, *rest = symbology.classes
        steps = [item for c in rest for item in (c["from"], c["color"])]
        return ["step", ["to-number", ["get", symbology.attribute]], first["color"], *steps]
    return symbology.color


def color_of(symbology: Symbology, value: str | float) -> str:
    """The colour (#rrggbb) in which `color_expression` draws a feature whose attribute is `value`."""
    for category in symbology.categories:
        if _as_text(category["value"]) == _as_text(value):
            return category["color"]
    if symbology.classes:
        first, *rest = symbology.classes
        return next((c["color"] for c in reversed(rest) if value >= c["from"]), first["color"])
    return DEFAULT_COLOR if symbology.categories else symbology.color


def _as_text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _marks(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    makers = {
        "fill": _fill_with_outline, "line": _lines, "boundary": _boundary,
        "circle": _circles, "arrow": _arrows,
    }  # fmt: skip
    return makers[symbology.mark](layer, symbology)


def _entry(layer: Layer, symbology: Symbology, part: str, kind: str, **content: Any) -> dict[str, Any]:
    layout = {"visibility": "visible" if symbology.visible else "none"} | content.pop("layout", {})
    return {
        "id": f"{layer.id}-{part}",
        "type": kind,
        "source": layer.group,
        "source-layer": layer.id,
        "metadata": {"layer": layer.id},
        "layout": layout,
        **content,
    }


def _fill_with_outline(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    color = color_expression(symbology)
    fill = _entry(layer, symbology, "fill", "fill",
                  paint={"fill-color": color, "fill-opacity": symbology.opacity, "fill-antialias": True})  # fmt: skip
    if symbology.classes:
        return [fill]
    return [fill, *_lines(layer, symbology, width=1.2)]


def _lines(layer: Layer, symbology: Symbology, width: float | None = None) -> list[dict[str, Any]]:
    return [
        _entry(
            layer, symbology, f"line-{status}", "line",
            filter=_has_status(status),
            layout={"line-cap": "round" if status == "prospective" else "butt", "line-join": "round"},
            paint=_line_paint(color_expression(symbology), width or symbology.width, DASHES[status]),
        )
        for status in STATUSES
    ]  # fmt: skip


def _has_status(status: str) -> list[Any]:
    """A feature that says no status is drawn as existing."""
    return ["==", ["coalesce", ["get", "status"], "existing"], status]


def _line_paint(color: Any, width: float, dash: list[float] | None) -> dict[str, Any]:
    widening = ["interpolate", ["linear"], ["zoom"], 9, width * 0.7, 13, width * 1.4, 16, width * 2.2]
    paint: dict[str, Any] = {"line-color": color, "line-width": widening}
    if dash:
        paint["line-dasharray"] = dash
    return paint


def _boundary(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    """Areas of the zone are white, the others shaded; a thin line between."""
    shade = ["case", ["boolean", ["get", "in_zone"], True], "#ffffff", "#d9d5ca"]
    return [
        _entry(layer, symbology, "fill", "fill", paint={"fill-color": shade, "fill-opacity": 0.35}),
        _entry(layer, symbology, "line", "line",
               paint={"line-color": symbology.color, "line-width": symbology.width,
                      "line-dasharray": [5, 1.5, 1, 1.5]}),
    ]  # fmt: skip


def _circles(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    growing = ["interpolate", ["linear"], ["zoom"], 10, symbology.radius * 0.6, 15, symbology.radius * 1.8]
    paint = {
        "circle-color": color_expression(symbology), "circle-radius": growing,
        "circle-stroke-color": "#ffffff", "circle-stroke-width": 1,
    }  # fmt: skip
    return [_entry(layer, symbology, "circle", "circle", paint=paint)]


def _arrows(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    """An arrow that flies with the wind: a wind from the north (0°) points down."""
    layout = {
        "text-field": "↓", "text-font": _LABEL_FONT, "text-size": 22,
        "text-rotate": ["to-number", ["get", symbology.rotate_attribute]],
        "text-rotation-alignment": "map", "text-allow-overlap": True, "text-ignore-placement": True,
    }  # fmt: skip
    return [_entry(layer, symbology, "arrow", "symbol", layout=layout,
                   paint={"text-color": symbology.color, **_HALO})]  # fmt: skip


def _label(layer: Layer, symbology: Symbology, language: str) -> dict[str, Any]:
    along = "Line" in layer.geometry
    layout = {
        "text-field": ["get", symbology.label_attribute or f"name_{language}"],
        "text-font": _LABEL_FONT,
        "text-size": symbology.label_size,
        "text-max-width": 9,
        "symbol-placement": "line" if along else "point",
        "text-padding": 6,
    }
    if along:
        layout["symbol-spacing"] = 420
        layout["text-offset"] = [0, -0.8]
    paint = {"text-color": symbology.label_color, **_HALO}
    entry = _entry(layer, symbology, "label", "symbol", layout=layout, paint=paint)
    if "Polygon" in layer.geometry:
        entry["source-layer"] = layer.id + LABEL_SUFFIX
    return entry


def labelled_layers() -> list[str]:
    """Layers whose features carry their name on the map."""
    return [layer_id for layer_id, symbology in symbologies().items() if symbology.label]


def legend(layer: Layer, language: str, statuses: list[str]) -> list[dict[str, Any]]:
    """The legend rows of a layer: a swatch (mark, colour, dash) and its words.

    `statuses` are those its features have; each gets a row with its line style.
    """
    symbology = symbologies()[layer.id]
    translate = translator(language)
    swatch = {"mark": symbology.mark, "color": symbology.color, "opacity": symbology.opacity, "width": symbology.width}
    if symbology.categories:
        return [swatch | {"color": c["color"], "text": c[language]} for c in symbology.categories]
    if symbology.classes:
        return [swatch | {"color": c["color"], "text": words} for c, words in _class_words(layer, symbology, language)]
    if statuses:
        return [swatch | {"dash": DASHES[s], "text": translate(STATUS_NAMES[s])} for s in STATUSES if s in statuses]
    return [swatch | {"text": ""}]


def _class_words(layer: Layer, symbology: Symbology, language: str) -> list[tuple[dict[str, Any], str]]:
    unit = next(a.unit for a in layer.attributes if a.name == symbology.attribute)
    limits = [c["from"] for c in symbology.classes]
    rows = []
    for position, entry in enumerate(symbology.classes):
        low, high = limits[position], limits[position + 1] if position + 1 < len(limits) else None
        if position == 0:
            words = f"< {_limit(high, language)}"
        elif high is None:
            words = f"≥ {_limit(low, language)}"
        else:
            words = f"{_limit(low, language)} … {_limit(high, language)}"
        rows.append((entry, f"{words} {unit}".strip()))
    return rows


def _limit(value: float, language: str) -> str:
    decimals = 0 if float(value).is_integer() else (2 if round(value * 10) != value * 10 else 1)
    return number(value, decimals, language)
