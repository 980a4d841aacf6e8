"""Coordinates typed on the map page and on the page without a map. Independent source: pyproj."""

from __future__ import annotations

import pytest
from pyproj import Transformer

from masterplan.coordinates import STEREO70_SRID
from masterplan.errors import MasterplanError
from masterplan.language import translator
from proposals import locating
from proposals.pages import form
from proposals.pages.form import OTHER_ORDER, typed_geometry
from tests.pages.helpers import HOSTILE, checked, shown

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("database_name")]

#: In Iași, metres east and north.
EASTING, NORTHING = 695_600, 635_200
LON, LAT = Transformer.from_crs(STEREO70_SRID, 4326, always_xy=True).transform(EASTING, NORTHING)
NORTH_FIRST, EAST_FIRST = f"{NORTHING} {EASTING}", f"{EASTING} {NORTHING}"


def typed(app, text: str):
    app.text_input[0].set_value(text)
    next(button for button in app.button if button.label == "Arată").click().run()
    return checked(app)


@pytest.mark.parametrize(("written", "noted"), [
    (NORTH_FIRST, False), (f"X={NORTHING} Y={EASTING}", False), (EAST_FIRST, True), (f"X={EASTING} Y={NORTHING}", True),
])  # fmt: skip
def test_stereo_70_with_the_easting_first_is_taken_and_said(open_page, written, noted):
    app = typed(open_page("map"), written)
    assert any(f"{LAT:.5f}, {LON:.5f} (WGS 84)" in caption for caption in shown(app))
    assert (translator("ro")(OTHER_ORDER) in shown(app)) is noted


def test_outside_in_both_orders_is_outside(open_page):
    # Bucharest: 326 km north, 585 km east.
    app = typed(open_page("map"), "326000 585000")
    assert "în afara hărții" in app.warning[0].value


def test_the_note_goes_with_the_next_click(open_page, fake_map):
    app = typed(open_page("map"), EAST_FIRST)
    fake_map.reply = {"last_clicked": {"lng": 27.567, "lat": 47.179}}
    assert translator("ro")(OTHER_ORDER) not in shown(checked(app.run()))


def test_what_cannot_be_read_is_shown_as_it_was_typed(open_page):
    app = typed(open_page("map"), HOSTILE)
    assert "](http" not in app.warning[0].value


def test_without_the_map_each_line_is_read_the_same_way(open_page):
    app = open_page("propose")
    app.text_area(key="propose_points").set_value(f"{EAST_FIRST}\n{NORTHING + 100} {EASTING + 100}").run()
    assert translator("ro")(OTHER_ORDER) in shown(checked(app))
    geometry, swapped = typed_geometry(f"{EAST_FIRST}\n{NORTHING + 100} {EASTING + 100}")
    assert swapped and geometry["type"] == "LineString"
    assert geometry["coordinates"][0] == pytest.approx([LON, LAT], abs=1e-8)
    assert geometry["coordinates"][1] == pytest.approx([LON, LAT], abs=0.003)
    assert typed_geometry(NORTH_FIRST)[1] is False


def test_many_points_are_read_in_one_question_each_as_if_alone(monkeypatch):
    typed = [NORTH_FIRST, EAST_FIRST, f"{NORTHING + 100} {EASTING + 100}"]
    asked = []
    located = locating._located
    monkeypatch.setattr(locating, "_located", lambda connection, points: asked.append(1) or located(connection, points))
    geometry, swapped = typed_geometry("\n".join(typed))
    # Once as typed, once those that lie outside the other way round.
    assert len(asked) == 2 and swapped
    alone = [typed_geometry(line)[0]["coordinates"] for line in typed]
    assert geometry == {"type": "LineString", "coordinates": alone}


def test_more_points_than_a_submission_may_have_are_refused_before_any_is_read(monkeypatch):
    monkeypatch.setattr(form, "parse_point", lambda line: pytest.fail("read"))
    with pytest.raises(MasterplanError, match="2001 points are too many"):
        typed_geometry("47.1585, 27.6014\n" * 2001)
