"""Tracking codes: what a person keeps as proof of submission, short enough to read over the phone.

`IS-7K4M-2QXT-9HB3`: the initials of the place, eleven random characters of Crockford's base 32 (no
I, L, O or U) and a check character. The check is a polynomial over GF(32): it notices every single
wrong character and every two exchanged ones. Who holds the code may see the result, so it is drawn
from the system's secure randomness and cannot be guessed.
"""

from __future__ import annotations

import secrets
from functools import cache

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_
from masterplan.place import place

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Random bits in a code.
BITS = 55
_RANDOM_CHARACTERS = BITS // 5
_CHARACTERS = _RANDOM_CHARACTERS + 1
_GROUP = 4
_LONGEST_TYPED = 60
#: Letters that are read for others on paper or heard for others on the phone.
_CONFUSED = str.maketrans("OILU", "011V")
_VOWELS = "AEIOU"

NOT_A_CODE = N_("“{typed}” is not a tracking code. It looks like {example}, with or without the dashes.")
MISTYPED = N_("The tracking code “{typed}” has a wrong character. Compare it with the one you were given.")


def issue() -> str:
    """A new code that nobody can guess."""
    return code(secrets.randbits(BITS))


def code(number: int) -> str:
    """The code of a number below 2 ** BITS; demonstration rows draw theirs from a seed."""
    values = [(number >> shift) & 31 for shift in range(BITS - 5, -1, -5)]
    body = "".join(ALPHABET[value] for value in (*values, _check(values)))
    groups = [body[start : start + _GROUP] for start in range(0, _CHARACTERS, _GROUP)]
    return "-".join([prefix(), *groups])


def normalise(typed: str) -> str:
    """The code as issued, from what a person typed: any case, spaces, O for 0, I or L for 1.

    Raises
    ------
    InputError
        When it is not a code, or its check character says that something was mistyped.
    """
    shown = typed.strip()[:_LONGEST_TYPED]
    characters = "".join(filter(_is_code_character, typed.upper())).translate(_CONFUSED)
    start = prefix().translate(_CONFUSED)
    if len(characters) == len(start) + _CHARACTERS and characters.startswith(start):
        characters = characters[len(start) :]
    if len(characters) != _CHARACTERS or len(typed) > _LONGEST_TYPED:
        raise InputError([("receipt", MasterplanError(NOT_A_CODE, typed=shown, example=code(0)))])
    values = [ALPHABET.index(character) for character in characters]
    if _check(values[:-1]) != values[-1]:
        raise InputError([("receipt", MasterplanError(MISTYPED, typed=shown))])
    return code(sum(value << shift for value, shift in zip(values, range(BITS - 5, -1, -5), strict=False)))


def _is_code_character(character: str) -> bool:
    return character.isascii() and character.isalnum()


@cache
def prefix() -> str:
    """The initials of the place: its first letter and the next consonant ("iasi" → "IS")."""
    letters = place().id.upper()
    return letters[0] + next((letter for letter in letters[1:] if letter not in _VOWELS), "")


def _check(values: list[int]) -> int:
    """The last coefficient of the polynomial that makes it vanish at the generator of GF(32)."""
    sum_so_far = 0
    for value in values:
        sum_so_far = _times_generator(sum_so_far) ^ value
    return _times_generator(sum_so_far)


def _times_generator(value: int) -> int:
    """Multiply by x in GF(2)[x] / (x⁵ + x² + 1)."""
    doubled = value << 1
    return doubled ^ 0b100101 if doubled & 32 else doubled
