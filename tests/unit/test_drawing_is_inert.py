"""Hostile text through folium: nothing is run on the server, nothing reaches HTML or script as itself."""

import base64
import json
import re

import branca.element
import folium
import pytest
from streamlit_folium import generate_leaflet_string

from layers import drawing

HOSTILE = [
    "{{ 7 * 7 }}", "{% for x in range(3) %}x{% endfor %}", "{# c #}", "{{ ''.__class__.__mro__ }}",
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "`${alert(1)}`", "'; alert(1); //",
    '"); alert(1); ("', "\\u003cscript\\u003e", "\x00\x1f\u2028\u2029", "&lt;b&gt;", "$&{}",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_packed_content_is_only_base64_and_comes_back_whole(text):
    packed = drawing.packed({"text": text})
    assert re.fullmatch(r"[A-Za-z0-9+/=]*", packed)
    assert json.loads(base64.b64decode(packed)) == {"text": text}


@pytest.mark.parametrize("text", HOSTILE)
def test_branca_does_not_compile_text_a_second_time(text):
    assert branca.element.Element(text).render() == text


def test_a_sink_of_folium_that_ran_python_before_is_inert():
    """A GeoJSON property holding a template reaches the page as it is: 49 would mean that Python ran."""
    base = folium.Map(tiles=None)
    feature = {"type": "Feature", "properties": {"name": "{{ 7 * 7 }}"},
               "geometry": {"type": "Point", "coordinates": [27.58, 47.16]}}  # fmt: skip
    collection = {"type": "FeatureCollection", "features": [feature]}
    folium.GeoJson(collection, tooltip=folium.GeoJsonTooltip(["name"])).add_to(base)
    page = base.get_root().render()
    assert "{{ 7 * 7 }}" in page
    assert '"name": "49"' not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_the_state_stands_in_the_map_script_as_itself(text):
    group = folium.FeatureGroup()
    drawing._State({"proposals": text, "outline": {"type": text}}).add_to(group)
    group.add_to(drawing.plan_map(drawing=True))
    script = generate_leaflet_string(group, base_id="g")
    assert text not in script


def test_the_base_map_is_the_same_script_every_time_so_that_it_is_mounted_once():
    first, second = (drawing.plan_map(drawing=True) for _ in range(2))
    scripts = []
    for base in (first, second):
        base.get_root().render()
        base.render()
        scripts.append(re.sub(r"_[0-9a-f]{32}", "", generate_leaflet_string(base)))
    assert scripts[0] == scripts[1]


def test_no_asset_of_the_map_comes_from_another_host():
    base = drawing.plan_map(drawing=True)
    addresses = [address for child in (base, *base._children.values())
                 for address in (*getattr(child, "default_js", []), *getattr(child, "default_css", []))]
    assert addresses
    assert all(address.startswith("/assets/") for _, address in addresses)


def test_a_click_beyond_the_date_line_is_brought_back():
    assert drawing.read_reply({"last_clicked": {"lat": 47.0, "lng": 387.5}}).clicked == pytest.approx((27.5, 47.0))
