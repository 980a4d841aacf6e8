"""Tracking codes survive handwriting and telephones, and notice what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masterplan.errors import InputError
from proposals import receipts

numbers = st.integers(min_value=0, max_value=2**receipts.BITS - 1)


def test_a_code_has_the_shape_that_is_read_over_the_phone():
    issued = receipts.issue()
    prefix, *groups = issued.split("-")
    assert prefix == "IS"
    assert [len(group) for group in groups] == [4, 4, 4]
    assert set("".join(groups)) <= set(receipts.ALPHABET)


def test_codes_are_not_repeated():
    assert len({receipts.issue() for _ in range(10_000)}) == 10_000


@given(numbers)
def test_what_was_issued_is_understood(number: int):
    issued = receipts.code(number)
    assert receipts.normalise(issued) == issued


@given(numbers)
def test_what_is_typed_carelessly_is_understood(number: int):
    issued = receipts.code(number)
    for typed in (
        issued.lower(),
        issued.replace("-", ""),
        issued.replace("-", " "),
        f"  {issued}\n",
        issued.removeprefix("IS-"),
        issued.replace("0", "O").replace("1", "I"),
        issued.lower().replace("0", "o").replace("1", "l"),
        issued.replace("V", "U"),
        issued.replace("-", "–"),
    ):
        assert receipts.normalise(typed) == issued


@given(numbers, st.integers(0, 11), st.integers(1, 31))
def test_one_wrong_character_is_noticed(number: int, position: int, shift: int):
    body = receipts.code(number).removeprefix("IS-").replace("-", "")
    wrong = receipts.ALPHABET[(receipts.ALPHABET.index(body[position]) + shift) % 32]
    with pytest.raises(InputError, match="wrong character"):
        receipts.normalise(body[:position] + wrong + body[position + 1 :])


@given(numbers, st.integers(0, 11), st.integers(0, 11))
def test_two_exchanged_characters_are_noticed(number: int, first: int, second: int):
    body = list(receipts.code(number).removeprefix("IS-").replace("-", ""))
    if body[first] == body[second]:
        return
    body[first], body[second] = body[second], body[first]
    with pytest.raises(InputError, match="wrong character"):
        receipts.normalise("".join(body))


@pytest.mark.parametrize("typed", ["", "IS", "IS-7K4M", "hello", "IS-7K4M-2QXT-9HB3-0000", "x" * 5000, "é" * 12])
def test_what_is_no_code_is_refused_with_an_example(typed: str):
    with pytest.raises(InputError, match="looks like IS-"):
        receipts.normalise(typed)


@given(st.text(max_size=40))
def test_anything_typed_is_a_code_or_an_input_error(typed: str):
    try:
        found = receipts.normalise(typed)
    except InputError:
        return
    assert receipts.normalise(found) == found
