"""Drawing the plan with folium: the one module that calls `st_folium`.

What people wrote never reaches folium. The map gets addresses and our own
settings, packed as base64 of JSON, an alphabet that means nothing to HTML, to
JavaScript or to Jinja. On top of that, branca's habit of compiling rendered
output a second time as a template is switched off here, once, before any map.
"""

from __future__ import annotations

import base64
import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import branca.element
import folium
import streamlit as st
from folium.elements import JSCSSMixin
from folium.plugins import Draw
from folium.template import Template
from streamlit_folium import st_folium

from layers.assets import asset_address
from masterplan.language import LANGUAGES, N_, translator
from masterplan.place import place

log = logging.getLogger(__name__)


class InertTemplate:
    """Text that stays text: what branca takes for a template renders to itself."""

    def __init__(self, source: str) -> None:
        self._source = source

    def render(self, *_args: object, **_kwargs: object) -> str:
        return self._source


branca.element.Template = InertTemplate


def packed(content: Any) -> str:
    """Any JSON value as base64 text: safe in HTML, JavaScript and templates alike."""
    return base64.b64encode(json.dumps(content, ensure_ascii=False, allow_nan=False).encode()).decode("ascii")


@dataclass(frozen=True)
class MapState:
    """What changes on the map without mounting it anew.

    `proposals` is the address of the tiles to show; `mark` a (longitude, latitude) to
    ring; `outline` a GeoJSON geometry to draw; a new `clear_drawings` empties the editor. `rubric`
    is the address that judges what is being drawn, "" for none, and `theme` what it is judged as
    until the person says otherwise; `evidence` the address of what a criterion measured.
    """

    proposals: str
    mark: tuple[float, float] | None = None
    outline: dict[str, Any] | None = None
    clear_drawings: str = ""
    rubric: str = ""
    theme: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class MapReply:
    """What a person did on the map: the last click as (longitude, latitude), and the drawn geometries."""

    clicked: tuple[float, float] | None
    drawings: list[dict[str, Any]]


class _PlanMap(JSCSSMixin, folium.MacroElement):
    """Our map code in folium's words."""

    _template = Template(
        "{% macro script(this, kwargs) %}"
        'masterplan.start({{ this._parent.get_name() }}, "{{ this.packed }}");'
        "{% endmacro %}"
    )
    default_js = [
        ("maplibre", asset_address("maplibre-gl.js")),
        ("maplibre_leaflet", asset_address("leaflet-maplibre-gl.js")),
        ("geodesic", asset_address("geographiclib-geodesic.js")),
        ("plan_map", asset_address("plan-map.js")),
    ]
    default_css = [
        ("maplibre_css", asset_address("maplibre-gl.css")),
        ("plan_map_css", asset_address("plan-map.css")),
    ]

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__()
        self._name = "PlanMap"
        self.packed = packed(content)


class _State(folium.MacroElement):
    """The changing part, run again whenever it differs."""

    _template = Template(
        '{% macro script(this, kwargs) %}masterplan.update("{{ this.packed }}");'
        'masterplanRubric.update(map, "{{ this.packed }}");{% endmacro %}'
    )

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__()
        self._name = "PlanState"
        self.packed = packed(content)


class _Map(folium.Map):
    default_js = [("leaflet", asset_address("leaflet.js"))]
    default_css = [("leaflet_css", asset_address("leaflet.css"))]


class _Draw(Draw):
    default_js = [("leaflet_draw_js", asset_address("leaflet.draw.js"))]
    default_css = [("leaflet_draw_css", asset_address("leaflet.draw.css"))]


STRINGS = {
    "layers": N_("Layers"),
    "map_label": N_("Map of the metropolitan masterplan. Arrow keys move it, plus and minus zoom."),
    "zoom_in": N_("Zoom in"),
    "zoom_out": N_("Zoom out"),
    "about_layer": N_("About the layer"),
    "presets": N_("What do you want to see?"),
    "origin": N_("UAT of origin"),
    "all_origins": N_("all"),
    "origin_told": N_("{name}: crosses {crossed}; joins {joins}."),
    "origin_direct": N_("{name}: crosses no other UAT; joins {joins}."),
    "no_origin": N_("No prospective radial comes from this UAT."),
    "shown_of": N_("{shown} of {all} shown"),
    "opacity": N_("Opacity"),
    "data": N_("Data"),
    "order": N_("Order of the layers"),
    "order_hint": N_("The first is drawn above the others. Names stay above all."),
    "move_up": N_("Move up"),
    "move_down": N_("Move down"),
    "ground": N_("Ground"),
    "north": N_("North is up"),
    "my_place": N_("Go to my place"),
    "no_place": N_("Your device did not say where it is. Search for the place or click the map."),
    "place_outside": N_("You are outside the map of the zone."),
    "measure": N_("Measure a length or an area"),
    "measure_hint": N_("Click the map, point after point."),
    "measured_length": N_("Length: {length}"),
    "measured_both": N_("Length: {length} · area when closed: {area}"),
    "measure_middle": N_("Point in the middle of the map"),
    "measure_undo": N_("Remove the last point"),
    "measure_done": N_("Done"),
    "search": N_("Search on the map"),
    "search_hint": N_("UAT, village, radial, code…"),
    "search_nothing": N_("Nothing found."),
    "search_failed": N_("The search does not answer. Try again."),
    "no_webgl": N_("This browser cannot draw the map (WebGL is off). Everything can be done without it,"
                   " on the page “Propose”."),
    "tiles_failed": N_("Part of the map could not be loaded. It is tried again when you move the map."),
    "proposals": N_("What people brought"),
    "observation": N_("observation"),
    "proposal": N_("project proposal"),
    "several": N_("several at a place, with their number"),
    "backdrops": N_("Backdrop"),
    "basemap_failed": N_("The basemap cannot be reached. The plan itself is complete without it."),
    "panel_failed": N_("The list of layers could not be loaded. Reload the page."),
    "proposals_here": N_("{count} observations and proposals"),
    "draw_line": N_("Draw a line"),
    "draw_area": N_("Draw an area"),
    "cancel": N_("Cancel"),
    "finish": N_("Finish"),
    "undo_point": N_("Remove the last point"),
    "draw_start": N_("Click where it starts."),
    "draw_continue": N_("Click to add a point."),
    "draw_end_line": N_("Click the last point again to finish."),
    "draw_end_area": N_("Click the first point to close the area."),
    "edges_cross": N_("The edges may not cross."),
    "edit": N_("Change what you drew"),
    "remove": N_("Delete what you drew"),
    "nothing_drawn": N_("Nothing is drawn yet"),
    "save": N_("Keep"),
    "remove_all": N_("Delete all"),
    "edit_hint": N_("Drag the points, then keep the change."),
    "remove_hint": N_("Click what should go, then keep the change."),
}  # fmt: skip


def _content() -> dict[str, Any]:
    """The map's words in every language, so that another one does not mount it anew, and the zone's bounds."""
    bounds = dict(zip(("west", "south", "east", "north"), place().bounds, strict=True))
    return {"strings": {language: _words(language) for language in LANGUAGES}, "bounds": bounds}


def _words(language: str) -> dict[str, str]:
    translate = translator(language)
    indicative = place().text("indicative", language)
    # Leaflet sets the attribution as HTML.
    own = {"indicative": indicative, "attribution": escape(indicative)}
    return {key: translate(msgid) for key, msgid in STRINGS.items()} | own


def plan_map(drawing: bool) -> folium.Map:
    """The base map: same arguments, same script, so that it is mounted once."""
    lon, lat = place().center
    base = _Map(location=[lat, lon], zoom_start=place().zoom, tiles=None, min_zoom=8, max_zoom=19, control_scale=False)
    _PlanMap(_content()).add_to(base)
    if drawing:
        unused = {shape: False for shape in ("rectangle", "circle", "circlemarker", "marker")}
        shapes = {"polyline": {}, "polygon": {"allowIntersection": False}}
        _Draw(show_geometry_on_click=False, draw_options=unused | shapes).add_to(base)
    return base


def draw_map(state: MapState, *, language: str, key: str, height: int, drawing: bool) -> MapReply:
    """Show the plan and return what a person did on it."""
    changing = folium.FeatureGroup(name="state", control=False)
    _State({
        "language": language, "proposals": state.proposals, "mark": state.mark,
        "outline": state.outline, "clear_drawings": state.clear_drawings,
        "rubric": state.rubric, "theme": state.theme, "evidence": state.evidence,
    }).add_to(changing)  # fmt: skip
    reply = st_folium(
        plan_map(drawing),
        key=key,
        height=height,
        use_container_width=True,
        returned_objects=["last_clicked", "all_drawings"] if drawing else ["last_clicked"],
        feature_group_to_add=changing,
    )
    return read_reply(reply)


def take_news(key: str) -> MapReply | None:
    """What the browser sent from the map with this key and caused this run, before the map is drawn; given once.

    st_folium leaves it in the session under the key, where it would outlive the map itself.
    """
    sent = st.session_state.pop(key, None)
    return None if sent is None else read_reply(sent)


#: No hand draws more shapes than this, or more points in one; the submission's own limits are narrower.
MOST_DRAWINGS = 100
MOST_POSITIONS = 10_000
#: Where the map's projection ends, in degrees of latitude.
_NORTHERNMOST = 85.06
#: Nesting of coordinates above the single position, per type that the map can draw.
_DEPTHS = {"Point": 0, "LineString": 1, "Polygon": 2}


def read_reply(reply: object) -> MapReply:
    """What a person did on the map; whatever it cannot have sent was forged, and is left out and noted in the log."""
    if reply is None:
        return MapReply(None, [])
    if not isinstance(reply, Mapping):
        _note_forged("reply")
        return MapReply(None, [])
    return MapReply(clicked=_click(reply.get("last_clicked")), drawings=_drawings(reply.get("all_drawings")))


def _note_forged(what: str) -> None:
    log.warning("the browser sent a %s that the map does not make", what)


def _click(sent: object) -> tuple[float, float] | None:
    if sent is None:
        return None
    lon, lat = (sent.get("lng"), sent.get("lat")) if isinstance(sent, Mapping) else (None, None)
    if not (_is_number(lon) and _is_number(lat) and abs(lat) <= _NORTHERNMOST):
        _note_forged("click")
        return None
    return ((lon + 180.0) % 360.0 - 180.0, float(lat))


def _drawings(sent: object) -> list[dict[str, Any]]:
    if sent is None:
        return []
    if not isinstance(sent, list) or len(sent) > MOST_DRAWINGS:
        _note_forged("list of drawings")
        return []
    read = [_geometry(drawing) for drawing in sent]
    if None in read:
        _note_forged("drawing")
    return [geometry for geometry in read if geometry is not None]


def _geometry(drawing: object) -> dict[str, Any] | None:
    geometry = drawing.get("geometry") if isinstance(drawing, Mapping) else None
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    depth = _DEPTHS.get(kind) if isinstance(kind, str) else None
    if depth is None or not 0 < _positions(geometry.get("coordinates"), depth) <= MOST_POSITIONS:
        return None
    return {"type": kind, "coordinates": geometry["coordinates"]}


def _positions(coordinates: object, depth: int) -> int:
    """How many positions lie in coordinates so deeply nested; 0 when they are none."""
    if not isinstance(coordinates, list):
        return 0
    if depth == 0:
        return int(len(coordinates) in (2, 3) and all(map(_is_number, coordinates)))
    counts = [_positions(each, depth - 1) for each in coordinates]
    return sum(counts) if all(counts) else 0


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
