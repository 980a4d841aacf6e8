"""How layers are drawn: `data/symbology.toml` as a MapLibre style and as a legend.

A feature's status is told by line style, not by colour alone: existing is
solid, proposed dashed, prospective dotted.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from layers.catalogue import STATUSES, Layer, catalogue
from layers.colors import MARK_CONTRAST, TEXT_CONTRAST, lifted, turned
from layers.tiles import LABEL_SUFFIX
from masterplan.formats import number
from masterplan.language import N_, translator
from masterplan.settings import settings

#: Dash pattern of each status, in line widths; with round ends, almost nothing is a dot.
DASHES: dict[str, list[float] | None] = {"existing": None, "proposed": [3, 1.6], "prospective": [0.05, 1.9]}
STATUS_NAMES = {"existing": N_("existing"), "proposed": N_("proposed"), "prospective": N_("prospective")}

DEFAULT_COLOR = "#6b6b6b"
#: Drawn by the browser from its own fonts: no font files are fetched. The weight and slant are read from the
#: first name, which no font has.
_FONT = ["Noto Sans", "Segoe UI", "DejaVu Sans", "sans-serif"]
_FONTS = {"plain": _FONT, "bold": ["Plan Bold", *_FONT], "italic": ["Plan Italic", *_FONT]}


@dataclass(frozen=True)
class Theme:
    """The ground that the plan is drawn on: its colour, that of halos, and of UATs inside and beyond the zone."""

    background: str
    halo: str
    zone: str
    beyond: str
    dark: bool = False


THEMES = {
    "paper": Theme("#f4f2ec", "#ffffff", "#ffffff", "#d9d5ca"),
    "white": Theme("#ffffff", "#ffffff", "#ffffff", "#dcdcdc"),
    "dark": Theme("#171c20", "#171c20", "#232b31", "#101417", dark=True),
}
THEME_NAMES = {"paper": N_("paper"), "white": N_("white"), "dark": N_("dark")}
DEFAULT_THEME = "paper"


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
    #: Whether the categories are steps of more and more, as the probability of a flood.
    ordered: bool = False
    classes: tuple[dict[str, Any], ...] = ()
    #: Width of the outline of an area, and of the band of ground under each side of a line; 0 is none.
    outline: float = 1.2
    casing: float = 0
    #: Arrow heads along the line.
    directed: bool = False
    #: The attribute by whose value, a SIRUTA code, a chosen UAT lights a feature up, and the light's colour.
    lit_attribute: str = ""
    lit_color: str = "#b8431a"
    #: An attribute of which one value is shown at a time.
    choice_attribute: str = ""
    choice_default: str = ""
    label: bool = False
    label_attribute: str = ""
    label_before_ro: str = ""
    label_before_en: str = ""
    label_size: float = 12
    label_color: str = "#333333"
    label_font: str = "plain"
    label_spacing: float = 0
    label_upper: bool = False
    label_upright: bool = False
    #: Shown from this zoom of MapLibre on (one less than the map's); whose names go first, the larger value or rank.
    label_zoom: float = 0
    #: An attribute and a value whose features are named by another layer already.
    label_except: tuple[str, str] | None = None
    label_sort: str = ""
    label_big: tuple[str, str] | None = None
    label_rank: int = 0
    badge_attribute: str = ""
    badge_size: float = 11
    badge_spacing: float = 260
    badge_zoom: float = 0
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


def style_layers(language: str, theme: str = DEFAULT_THEME) -> list[dict[str, Any]]:
    """The MapLibre style layers of every plan layer: all marks first, then all labels, the most important last.

    Each says in its metadata its `layer` and what `part` of it it draws; `lit` names the attribute by which
    a chosen UAT lights it up, and `choice` the one of which one value is shown at a time.
    """
    ground = THEMES[theme]
    pairs = [(layer, _themed(s, ground)) for layer, s in drawn_in_order()]
    marks = [entry for layer, s in pairs for entry in _marks(layer, s, ground)]
    casings = [entry for layer, s in pairs for entry in _casings(layer, s, ground)]
    lowest = next((i for i, e in enumerate(marks) if e["metadata"]["layer"] in _layers_of(casings)), 0)
    ordered = sorted(pairs, key=lambda pair: (pair[1].label_rank, -pair[1].order))
    labels = [entry for layer, s in ordered for entry in _labels(layer, s, ground, language)]
    return [*marks[:lowest], *casings, *marks[lowest:], *labels]


def _layers_of(entries: list[dict[str, Any]]) -> set[str]:
    return {entry["metadata"]["layer"] for entry in entries}


def _themed(symbology: Symbology, ground: Theme) -> Symbology:
    """The same marks on another ground: on a dark one colours are lifted, and ramps turned."""
    if not ground.dark:
        return symbology
    return replace(
        symbology,
        color=lifted(symbology.color, ground.background, MARK_CONTRAST),
        label_color=lifted(symbology.label_color, ground.halo, TEXT_CONTRAST),
        classes=tuple(c | {"color": turned(c["color"])} for c in symbology.classes),
        categories=tuple(c | {"color": _category_on_dark(c["color"], symbology.ordered, ground)}
                         for c in symbology.categories),
    )  # fmt: skip


def _category_on_dark(color: str, ordered: bool, ground: Theme) -> str:
    return turned(color) if ordered else lifted(color, ground.background, MARK_CONTRAST)


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


# -- marks ---------------------------------------------------------------------------------


def _marks(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    makers = {
        "fill": _fill_with_outline, "line": _lines, "boundary": _boundary,
        "circle": _circles, "arrow": _arrows,
    }  # fmt: skip
    return makers[symbology.mark](layer, symbology, ground)


def _entry(layer: Layer, symbology: Symbology, part: str, kind: str, **content: Any) -> dict[str, Any]:
    layout = {"visibility": "visible" if symbology.visible else "none"} | content.pop("layout", {})
    metadata = {"layer": layer.id, "part": part.partition("-")[0]} | content.pop("metadata", {})
    if symbology.choice_attribute:
        metadata["choice"] = symbology.choice_attribute
        chosen = ["==", ["get", symbology.choice_attribute], symbology.choice_default]
        content["filter"] = ["all", content["filter"], chosen] if "filter" in content else chosen
    return {
        "id": f"{layer.id}-{part}",
        "type": kind,
        "source": layer.group,
        "source-layer": layer.id,
        "metadata": metadata,
        "layout": layout,
        **content,
    }


def _fill_with_outline(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    color = color_expression(symbology)
    fill = _entry(layer, symbology, "fill", "fill",
                  paint={"fill-color": color, "fill-opacity": symbology.opacity, "fill-antialias": True})  # fmt: skip
    outline = [] if symbology.classes else _lines(layer, replace(symbology, width=symbology.outline), ground)
    return [fill, *outline]


def _casings(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    """A band in the colour of the ground under lines that form a network: all below all, so that they join."""
    if not symbology.casing:
        return []
    paint = {"line-color": ground.halo, "line-width": _widening(symbology.width, 2 * symbology.casing),
             "line-opacity": 0.9}  # fmt: skip
    return [_entry(layer, symbology, "casing", "line", layout=_ROUND, paint=paint)]


_ROUND = {"line-cap": "round", "line-join": "round"}


def _lines(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    color = color_expression(symbology)
    lines = [
        _entry(
            layer, symbology, f"line-{status}", "line",
            filter=_has_status(status),
            layout={"line-cap": "butt" if status == "proposed" else "round", "line-join": "round"},
            paint=_line_paint(color, symbology.width, DASHES[status]),
        )
        for status in STATUSES
    ]  # fmt: skip
    return [*lines, *_lit_lines(layer, symbology), *_directions(layer, symbology, ground)]


def _lit_lines(layer: Layer, symbology: Symbology) -> list[dict[str, Any]]:
    """What a chosen UAT lights up: nothing, until one is chosen."""
    if not symbology.lit_attribute:
        return []
    nothing = ["==", ["get", symbology.lit_attribute], ""]
    return [
        _entry(layer, symbology, "lit", "line", filter=nothing, layout=_ROUND,
               metadata={"lit": symbology.lit_attribute},
               paint=_line_paint(symbology.color, symbology.width * 1.9, None)),
    ]  # fmt: skip


def _directions(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    """Small arrow heads along a line, the way it is drawn: a prospective radial comes from its UAT inwards."""
    if not symbology.directed:
        return []
    layout = {
        "symbol-placement": "line", "symbol-spacing": 90, "icon-image": "head", "icon-size": 0.62,
        "icon-allow-overlap": True, "icon-ignore-placement": True, "icon-rotation-alignment": "map",
    }  # fmt: skip
    paint = {"icon-color": symbology.color, "icon-halo-color": ground.halo, "icon-halo-width": 1.5}
    return [_entry(layer, symbology, "direction", "symbol", layout=layout, paint=paint)]


def _has_status(status: str) -> list[Any]:
    """A feature that says no status is drawn as existing."""
    return ["==", ["coalesce", ["get", "status"], "existing"], status]


def _line_paint(color: Any, width: float, dash: list[float] | None) -> dict[str, Any]:
    paint: dict[str, Any] = {"line-color": color, "line-width": _widening(width)}
    if dash:
        paint["line-dasharray"] = dash
    return paint


def _widening(width: float, more: float = 0) -> list[Any]:
    """Wider the closer one looks, by `more` pixels on top."""
    return ["interpolate", ["linear"], ["zoom"], 8, width * 0.6 + more, 10, width * 0.85 + more,
            13, width * 1.4 + more, 16, width * 2.2 + more]  # fmt: skip


def _boundary(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    """Areas of the zone are light, the others shaded; a thin line between; those of a chosen UAT marked."""
    shade = ["case", ["boolean", ["get", "in_zone"], True], ground.zone, ground.beyond]
    edge = {"line-color": symbology.color, "line-width": symbology.width}
    nothing = ["==", ["get", "siruta"], ""]
    return [
        _entry(layer, symbology, "fill", "fill", paint={"fill-color": shade, "fill-opacity": 0.35}),
        _entry(layer, symbology, "crossed", "fill", filter=nothing, metadata={"lit": "crossed"},
               paint={"fill-color": symbology.lit_color, "fill-opacity": 0.1}),
        _entry(layer, symbology, "chosen", "fill", filter=nothing, metadata={"lit": "siruta"},
               paint={"fill-color": symbology.lit_color, "fill-opacity": 0.2}),
        _entry(layer, symbology, "halo", "line", layout=_ROUND,
               paint={"line-color": ground.halo, "line-width": symbology.width + 2.4, "line-opacity": 0.6}),
        _entry(layer, symbology, "line", "line", paint=edge | {"line-dasharray": [5, 1.5, 1, 1.5]}),
        _entry(layer, symbology, "edge", "line", filter=nothing, metadata={"lit": "siruta"}, layout=_ROUND,
               paint={"line-color": symbology.lit_color, "line-width": 2.6}),
    ]  # fmt: skip


def _circles(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    growing = ["interpolate", ["linear"], ["zoom"], 9, symbology.radius * 0.5, 11, symbology.radius * 0.8,
               15, symbology.radius * 1.8]  # fmt: skip
    paint = {
        "circle-color": color_expression(symbology), "circle-radius": growing,
        "circle-stroke-color": ground.halo,
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 9, 0.4, 12, 1.2],
    }  # fmt: skip
    return [_entry(layer, symbology, "circle", "circle", paint=paint)]


def _arrows(layer: Layer, symbology: Symbology, ground: Theme) -> list[dict[str, Any]]:
    """An arrow that flies with the wind, the longer the faster: a wind from the north (0°) points south."""
    speed = ["to-number", ["get", symbology.attribute]]
    # The zoom may only be asked outermost.
    sized = [["interpolate", ["linear"], speed, 1, 0.8 * grown, 6, 2 * grown] for grown in (0.6, 1, 1.6)]
    layout = {
        "icon-image": "arrow", "icon-rotate": ["to-number", ["get", symbology.rotate_attribute]],
        "icon-rotation-alignment": "map", "icon-allow-overlap": True, "icon-ignore-placement": True,
        "icon-size": ["interpolate", ["linear"], ["zoom"], 8, sized[0], 11, sized[1], 14, sized[2]],
    }  # fmt: skip
    paint = {"icon-color": color_expression(symbology), "icon-halo-color": ground.halo, "icon-halo-width": 2}
    return [_entry(layer, symbology, "arrow", "symbol", layout=layout, paint=paint)]


# -- labels --------------------------------------------------------------------------------


def _labels(layer: Layer, symbology: Symbology, ground: Theme, language: str) -> list[dict[str, Any]]:
    names = [_name(layer, symbology, ground, language)] if symbology.label else []
    badges = [_badge(layer, symbology, ground)] if symbology.badge_attribute else []
    return names + badges


def _name(layer: Layer, symbology: Symbology, ground: Theme, language: str) -> dict[str, Any]:
    along = "Line" in layer.geometry
    said = ["coalesce", ["get", symbology.label_attribute or f"name_{language}"], ["get", "name_ro"]]
    before = getattr(symbology, f"label_before_{language}")
    layout = {
        "text-field": ["concat", before, " ", said] if before else said,
        "text-font": _FONTS[symbology.label_font],
        "text-size": _label_size(symbology),
        "text-letter-spacing": symbology.label_spacing,
        "text-max-width": 8,
        "text-padding": 4,
        "symbol-placement": "line" if along else "point",
    }
    if symbology.label_upper:
        layout["text-transform"] = "uppercase"
    if symbology.label_sort:
        layout["symbol-sort-key"] = ["-", 0, ["to-number", ["get", symbology.label_sort], 0]]
    if along:
        layout |= {"symbol-spacing": 360, "text-offset": [0, -0.9], "text-max-angle": 40}
        if symbology.label_upright:
            # A winding line gives no straight stretch for a name along it: the name stands across its middle.
            layout |= {"text-rotation-alignment": "viewport", "symbol-placement": "line-center",
                       "text-max-angle": 1440, "text-offset": [0, 0]}  # fmt: skip
    else:
        # A name that finds its middle taken moves a little before it is left out.
        layout |= {"text-variable-anchor": ["center", "top", "bottom"], "text-radial-offset": 0.9}
    entry = _entry(layer, symbology, "label", "symbol", layout=layout, paint=_text_paint(symbology.label_color, ground))
    if symbology.label_zoom:
        entry["minzoom"] = symbology.label_zoom
    if symbology.label_except:
        attribute, value = symbology.label_except
        entry["filter"] = ["!=", ["get", attribute], value]
    if "Polygon" in layer.geometry:
        entry["source-layer"] = layer.id + LABEL_SUFFIX
    return entry


def _label_size(symbology: Symbology) -> list[Any]:
    def sized(factor: float) -> Any:
        plain = round(symbology.label_size * factor, 2)
        if not symbology.label_big:
            return plain
        attribute, value = symbology.label_big
        return ["case", ["==", ["get", attribute], value], round(plain * 1.4, 2), plain]

    return ["interpolate", ["linear"], ["zoom"], 9, sized(0.86), 12, sized(1.08), 15, sized(1.3)]


def _text_paint(color: str, ground: Theme) -> dict[str, Any]:
    return {"text-color": color, "text-halo-color": ground.halo, "text-halo-width": 1.9, "text-halo-blur": 0.3}


def _badge(layer: Layer, symbology: Symbology, ground: Theme) -> dict[str, Any]:
    """A short code on a plate of the line's colour, upright on the line."""
    layout = {
        "text-field": ["get", symbology.badge_attribute], "text-font": _FONTS["bold"],
        "text-size": symbology.badge_size, "symbol-placement": "line", "symbol-spacing": symbology.badge_spacing,
        "icon-image": f"badge{symbology.color}", "icon-text-fit": "both", "icon-text-fit-padding": [1, 4, 1, 4],
        "text-rotation-alignment": "viewport", "icon-rotation-alignment": "viewport",
        "text-padding": 3, "icon-padding": 3,
    }  # fmt: skip
    # Without its plate (in other programs) it is still read: its outline has the line's colour.
    paint = {"text-color": ground.halo, "text-halo-color": symbology.color, "text-halo-width": 1.2}
    entry = _entry(layer, symbology, "badge", "symbol", layout=layout, paint=paint)
    if symbology.badge_zoom:
        entry["minzoom"] = symbology.badge_zoom
    return entry


def labelled_layers() -> list[str]:
    """Layers whose features carry their name on the map."""
    return [layer_id for layer_id, symbology in symbologies().items() if symbology.label]


def legend(layer: Layer, language: str, statuses: list[str], theme: str = DEFAULT_THEME) -> list[dict[str, Any]]:
    """The legend rows of a layer: a swatch (mark, colour, dash) and its words.

    `statuses` are those its features have; each gets a row with its line style.
    """
    symbology = _themed(symbologies()[layer.id], THEMES[theme])
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
