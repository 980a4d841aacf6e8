"""What a person submits, and everything that can be wrong with it, said at once. Pure: no database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from pyproj import Transformer
from shapely import Geometry

from layers.reading_geojson import build
from layers.reading_geometry import normalise
from layers.reading_limits import Limits
from layers.reading_messages import MESSAGES
from layers.reading_report import FeatureRefused
from masterplan.actors import Actor, Role
from masterplan.coordinates import STEREO70_SRID, TypedPoint
from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import WGS84_SRID, place
from proposals.criteria import THEMES

KINDS = ("observation", "proposal")
CHANNELS = ("online", "email", "letter", "meeting")
AUTHOR_KINDS = ("institution", "uat", "company", "ngo", "owners_association", "professional", "citizen")
DOCUMENTATION_STAGES = ("none", "idea", "prefeasibility", "feasibility", "technical_project")

SHORTEST_TITLE, LONGEST_TITLE = 3, 200
LONGEST_DESCRIPTION = 10_000
LONGEST_SOURCE_EVENT = 200
LONGEST_EMAIL = 254
LARGEST_BUDGET_LEI = 1e12
#: Larger than any measure of a project in any unit; NaN and infinity are not below it.
LARGEST_NUMBER = 1e15
MOST_ATTRIBUTES = 50
LONGEST_ATTRIBUTE = 500

MAX_VERTICES = 2_000
#: Larger than any commune of the zone: a shape beyond it is a slip of the hand.
MAX_AREA_M2 = 200_000_000.0
MIN_AREA_M2 = 1.0
MAX_LENGTH_M = 200_000.0
MIN_LENGTH_M = 1.0
#: How far outside the bounds of the place a geometry may reach, in degrees.
MARGIN_DEG = 0.2

_LIMITS = Limits(feature_vertices=MAX_VERTICES)
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"\\]{1,64}@(?:[^@\s.,;<>()\[\]\"\\]{1,63}\.)+[^@\s.,;<>()\[\]\"\\]{2,63}")
_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: Bidirectional controls: they make a text read otherwise than it is stored.
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F])

#: Names the text that a person agreed to by leaving an e-mail; a changed text gets a new version.
CONSENT_VERSION = "2026-11"
#: That text; the table `masterplan.consent` keeps each version in both languages.
CONSENT = N_(
    "By leaving an e-mail address you agree that the masterplan team keeps it to answer you; it is stored apart and"
    " shown to planners only."
)

CONTROLS_REMOVED = N_("Invisible control characters were removed.")
HEIGHTS_DROPPED = N_("Heights were left out: the map is flat.")


@dataclass(frozen=True)
class Submission:
    """One observation or proposal as it is handed in.

    `geometry` is a GeoJSON geometry (or a Feature with one) in EPSG:4326, longitude first, or a
    typed point. `on_behalf_of` is a SIRUTA code; `budget_lei` is in lei. `submission_key` is made
    once per form, so that sending it twice makes one row.
    """

    submission_key: UUID
    kind: str
    theme: str
    title: str
    description: str
    geometry: Mapping[str, Any] | TypedPoint
    channel: str = "online"
    source_event: str = ""
    author_kind: str = "citizen"
    email: str | None = None
    on_behalf_of: str | None = None
    budget_lei: float | None = None
    documentation_stage: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """A submission that may be stored: its texts clean, its geometry valid (EPSG:4326, longitude first).

    `repairs` says what was changed on the way.
    """

    submission: Submission
    geometry: Geometry
    repairs: tuple[MasterplanError, ...]


@dataclass(frozen=True)
class Words:
    """What its author may correct of a submission: the words, not the place."""

    title: str
    description: str
    theme: str


Faults = list[tuple[str, MasterplanError]]


def check(submission: Submission, actor: Actor) -> Checked:
    """The submission as it can be stored.

    Raises
    ------
    InputError
        Everything wrong with it at once, each fault under the name of its field.
    """
    faults: Faults = _wrong_kinds(submission)
    if faults:
        # What is no text at all was not typed into a form; the other checks rely on it.
        raise InputError(faults)
    repairs: list[MasterplanError] = []
    cleaned = _clean_texts(submission, repairs)
    _check_words(cleaned, faults)
    _check_texts(cleaned, faults)
    _check_numbers(cleaned, faults)
    _check_rights(cleaned, actor, faults)
    geometry = _checked_geometry(cleaned.geometry, faults, repairs)
    if faults:
        raise InputError(faults)
    return Checked(cleaned, geometry, tuple(repairs))


_ONLY_WORDS = Submission(
    submission_key=UUID(int=0), kind="observation", theme="other", title="", description="", geometry={}
)


def check_words(words: Words) -> tuple[Words, tuple[MasterplanError, ...]]:
    """Corrected words as they can be stored, and what was changed on the way.

    Raises
    ------
    InputError
        As `check` does.
    """
    given = replace(_ONLY_WORDS, **vars(words))
    faults: Faults = _wrong_kinds(given)
    if faults:
        raise InputError(faults)
    repairs: list[MasterplanError] = []
    cleaned = _clean_texts(given, repairs)
    _check_words(cleaned, faults)
    _check_texts(cleaned, faults)
    if faults:
        raise InputError(faults)
    return Words(cleaned.title, cleaned.description, cleaned.theme), tuple(repairs)


_KINDS_OF_VALUES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("kind", "theme", "title", "description", "channel", "source_event", "author_kind"), (str,)),
    **dict.fromkeys(("email", "on_behalf_of", "documentation_stage"), (str, type(None))),
    "submission_key": (UUID,), "attributes": (Mapping,),
}  # fmt: skip


def _wrong_kinds(submission: Submission) -> Faults:
    """What is of another type than its field, whatever it says."""
    return [
        (name, MasterplanError(N_("What was sent for {name} is not what belongs there."), name=name))
        for name, kinds in _KINDS_OF_VALUES.items()
        if not isinstance(getattr(submission, name), kinds)
    ]


# -- texts ---------------------------------------------------------------------------------


def _clean_texts(submission: Submission, repairs: list[MasterplanError]) -> Submission:
    """Texts trimmed, lines ended alike, control characters removed."""
    given = {
        "title": submission.title,
        "description": submission.description,
        "source_event": submission.source_event,
        "email": submission.email or "",
    }
    without = {name: _without_controls(str(text)) for name, text in given.items()}
    if any(without[name] != _even_lines(str(text)) for name, text in given.items()):
        repairs.append(MasterplanError(CONTROLS_REMOVED))
    return replace(
        submission,
        title=" ".join(without["title"].split()),
        description=without["description"].strip(),
        source_event=" ".join(without["source_event"].split()),
        email=without["email"].strip() or None,
    )


def _even_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _without_controls(text: str) -> str:
    kept = _even_lines(text).translate(_BIDI)
    return "".join(c for c in kept if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def _check_texts(submission: Submission, faults: Faults) -> None:
    length = len(submission.title)
    if length < SHORTEST_TITLE:
        faults.append(("title", MasterplanError(N_("Give it a title of at least {shortest} characters."),
                                                shortest=SHORTEST_TITLE)))  # fmt: skip
    for name, longest in (
        ("title", LONGEST_TITLE),
        ("description", LONGEST_DESCRIPTION),
        ("source_event", LONGEST_SOURCE_EVENT),
    ):
        length = len(getattr(submission, name))
        if length > longest:
            faults.append((name, MasterplanError(N_("The text has {length} characters; at most {longest} fit."),
                                                 length=length, longest=longest)))  # fmt: skip
    email = submission.email
    if email and (len(email) > LONGEST_EMAIL or not _EMAIL.fullmatch(email)):
        faults.append(("email", MasterplanError(
            N_("This does not look like an e-mail address. Correct it, or leave it empty.")
        )))  # fmt: skip


def _check_words(submission: Submission, faults: Faults) -> None:
    """Words of closed lists."""
    if not submission.theme:
        faults.append(("theme", MasterplanError(N_("Choose a theme."))))
    for name, known, may_lack in (
        ("kind", KINDS, False),
        ("theme", ("", *THEMES), False),
        ("channel", CHANNELS, False),
        ("author_kind", AUTHOR_KINDS, False),
        ("documentation_stage", DOCUMENTATION_STAGES, True),
    ):
        word = getattr(submission, name)
        if word not in known and not (may_lack and word is None):
            faults.append((name, MasterplanError(N_("Unknown {name}: “{word}”. Use one of: {known}."),
                                                 name=name, word=str(word)[:40], known=", ".join(known))))  # fmt: skip


# -- numbers and attributes ----------------------------------------------------------------


def _check_numbers(submission: Submission, faults: Faults) -> None:
    budget = submission.budget_lei
    if budget is not None and not (_is_number(budget) and 0 <= budget <= LARGEST_BUDGET_LEI):
        faults.append(("budget_lei", MasterplanError(N_("The budget must be a number of lei, zero or more."))))
    if len(submission.attributes) > MOST_ATTRIBUTES:
        faults.append(("attributes", MasterplanError(N_("At most {most} attributes are kept."), most=MOST_ATTRIBUTES)))
        return
    for name, value in submission.attributes.items():
        if not isinstance(name, str) or not _ATTRIBUTE_NAME.fullmatch(name):
            faults.append(("attributes", MasterplanError(
                N_("“{name}” is no name for an attribute: small letters, digits and _ only."), name=str(name)[:40]
            )))  # fmt: skip
        elif not _is_plain(value):
            faults.append(("attributes", MasterplanError(
                N_("The attribute “{name}” must be a number, yes or no, or a text of at most {longest} characters."),
                name=name, longest=LONGEST_ATTRIBUTE,
            )))  # fmt: skip


def _is_number(value: object) -> bool:
    """A number that a float can hold: Python's integers have no end, and isfinite fails beyond."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST_ATTRIBUTE and value == _without_controls(value)
    return isinstance(value, bool) or _is_number(value)


# -- who may submit what -------------------------------------------------------------------


def _check_rights(submission: Submission, actor: Actor, faults: Faults) -> None:
    if submission.kind == "proposal":
        _check_on_behalf(submission, actor, faults)
    elif submission.on_behalf_of is not None:
        faults.append(("on_behalf_of", MasterplanError(
            N_("Only a proposal is made on behalf of a UAT; an observation is everyone's own.")
        )))  # fmt: skip
    if submission.channel != "online":
        if not actor.is_staff:
            faults.append(("channel", MasterplanError(
                N_("What came by e-mail, letter or at a meeting is entered by the masterplan's team.")
            )))  # fmt: skip
        if not submission.source_event:
            faults.append(("source_event", MasterplanError(
                N_("Say which meeting, letter or e-mail it came from, with its date.")
            )))  # fmt: skip
    elif submission.source_event:
        faults.append(("source_event", MasterplanError(
            N_("What is submitted online has no other source; choose how it came, or leave this empty.")
        )))  # fmt: skip


def _check_on_behalf(submission: Submission, actor: Actor, faults: Faults) -> None:
    if not (actor.role is Role.UAT or actor.is_staff):
        faults.append(("kind", MasterplanError(
            N_("Proposals are submitted by representatives of a UAT. Submit an observation instead.")
        )))  # fmt: skip
    elif not submission.on_behalf_of:
        faults.append(("on_behalf_of", MasterplanError(N_("Say on behalf of which UAT the proposal is made."))))
    elif actor.role is Role.UAT and submission.on_behalf_of not in actor.uats:
        faults.append(("on_behalf_of", MasterplanError(
            N_("You represent other UATs than this one ({siruta})."), siruta=str(submission.on_behalf_of)[:20]
        )))  # fmt: skip


# -- geometry ------------------------------------------------------------------------------


def checked_geometry(given: object) -> tuple[Geometry, tuple[MasterplanError, ...]]:
    """A GeoJSON geometry (EPSG:4326) as a submission of it would store it, and what was changed on the way.

    Raises
    ------
    InputError
        When a submission of it would be refused for its geometry, with the same words.
    """
    faults: Faults = []
    repairs: list[MasterplanError] = []
    geometry = _checked_geometry(given if isinstance(given, Mapping) else {}, faults, repairs)
    if geometry is None:
        raise InputError(faults)
    return geometry, tuple(repairs)


def _checked_geometry(
    given: Mapping[str, Any] | TypedPoint, faults: Faults, repairs: list[MasterplanError]
) -> Geometry | None:
    try:
        geometry = _located(_built(given, repairs))
        _check_size(geometry)
    except FeatureRefused as refused:
        faults.append(("geometry", MasterplanError(MESSAGES[refused.code], **refused.facts)))
    except MasterplanError as refused:
        faults.append(("geometry", refused))
    else:
        return geometry
    return None


def _built(given: Mapping[str, Any] | TypedPoint, repairs: list[MasterplanError]) -> Geometry:
    if isinstance(given, TypedPoint):
        return shapely.points(*_in_degrees(given))
    inner = given.get("geometry") if isinstance(given, Mapping) and given.get("type") == "Feature" else given
    geometry, notes = normalise(build(inner, _LIMITS, _teller(repairs)))
    repairs += [MasterplanError(MESSAGES[code], **facts) for code, _, facts in notes if facts is not None]
    parts = shapely.get_parts(geometry)
    return parts[0] if len(parts) == 1 else geometry


def _teller(repairs: list[MasterplanError]):
    """Says once what was changed; members that mean nothing to a geometry are left out in silence."""
    sentences = {
        "z_dropped": HEIGHTS_DROPPED,
        "ordinates_dropped": HEIGHTS_DROPPED,
        "ring_closed": MESSAGES["ring_closed"],
    }

    def tell(code: str, outcome: str, where: str | None) -> None:
        sentence = sentences.get(code)
        if sentence and sentence not in [repair.msgid for repair in repairs]:
            repairs.append(MasterplanError(sentence))

    return tell


def _in_degrees(point: TypedPoint) -> tuple[float, float]:
    """Longitude and latitude of a typed point."""
    if point.srid == WGS84_SRID:
        return point.x, point.y
    return _transformer(point.srid, WGS84_SRID).transform(point.x, point.y)


@cache
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _located(geometry: Geometry) -> Geometry:
    """The geometry, if it lies in the box around the place; else the likeliest reason why not."""
    west, south, east, north = place().bounds
    box = (west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG)
    xy = shapely.get_coordinates(geometry)
    if _all_inside(xy, box):
        return geometry
    if _all_inside(xy[:, ::-1], box):
        raise MasterplanError(N_("Longitude and latitude look exchanged: longitude (east) comes first."))
    if (np.abs(xy) > 180).any():
        raise MasterplanError(
            N_("The coordinates are not degrees; they look like metres. Stereo 70 coordinates are typed"
               " in their own field.")
        )  # fmt: skip
    x, y = (round(float(value), 5) for value in xy[0])
    raise MasterplanError(
        N_("The place lies outside the area of this map (longitude {west} to {east}, latitude {south} to {north});"
           " found {x}, {y}."),
        west=round(box[0], 2), east=round(box[2], 2), south=round(box[1], 2), north=round(box[3], 2), x=x, y=y,
    )  # fmt: skip


def _all_inside(xy: np.ndarray, box: tuple[float, float, float, float]) -> bool:
    return bool(((xy >= box[:2]) & (xy <= box[2:])).all())


def _check_size(geometry: Geometry) -> None:
    """Caps in metres; also that the shape is still valid once projected."""
    transformer = _transformer(WGS84_SRID, STEREO70_SRID)
    projected = shapely.transform(geometry, transformer.transform, interleaved=False)
    if not shapely.is_valid(projected):
        raise MasterplanError(N_("The shape is too thin to be stored. Draw it with less detail."))
    dimension = shapely.get_dimensions(geometry)
    if dimension == 2 and projected.area > MAX_AREA_M2:
        raise MasterplanError(N_("The area has {found} km²; at most {largest} km² can be submitted."),
                              found=round(projected.area / 1e6), largest=round(MAX_AREA_M2 / 1e6))  # fmt: skip
    if dimension == 2 and projected.area < MIN_AREA_M2:
        raise MasterplanError(N_("The area has less than a square metre. Draw it again, or mark a point."))
    if dimension == 1 and projected.length > MAX_LENGTH_M:
        raise MasterplanError(N_("The line is {found} km long; at most {largest} km can be submitted."),
                              found=round(projected.length / 1e3), largest=round(MAX_LENGTH_M / 1e3))  # fmt: skip
    if dimension == 1 and projected.length < MIN_LENGTH_M:
        raise MasterplanError(N_("The line is shorter than a metre. Draw it again, or mark a point."))
