"""Signed tickets: stable within the hour, refused when forged or old."""

import pytest

from masterplan import tickets
from masterplan.errors import Forbidden
from masterplan.tickets import Ticket

NOON = 1_795_435_200.0  # a full hour
TICKET = Ticket("session", "ana", {"theme": ["water"], "text": "Iași"})


def test_a_ticket_comes_back_as_it_was():
    assert tickets.read(tickets.sign(TICKET, NOON), NOON + 60) == TICKET


def test_the_same_question_within_an_hour_is_the_same_address():
    assert tickets.sign(TICKET, NOON) == tickets.sign(TICKET, NOON + 3599)
    assert tickets.sign(TICKET, NOON) != tickets.sign(TICKET, NOON + 3600)


def test_another_filter_or_session_is_another_ticket():
    assert tickets.sign(TICKET, NOON) != tickets.sign(Ticket("session", "ana", {}), NOON)
    assert tickets.sign(TICKET, NOON) != tickets.sign(Ticket("other", "ana", TICKET.filter), NOON)


def test_a_ticket_is_good_for_at_least_twelve_hours_and_not_for_fourteen():
    signed = tickets.sign(TICKET, NOON + 3599)
    assert tickets.read(signed, NOON + 3599 + 12 * 3600 - 3599) == TICKET
    with pytest.raises(Forbidden):
        tickets.read(signed, NOON + 14 * 3600)


def test_every_changed_character_is_refused():
    signed = tickets.sign(TICKET, NOON)
    # The last character of base64 has spare bits that mean nothing; every other one counts.
    for position in range(0, len(signed) - 1, 7):
        other = "A" if signed[position] != "A" else "B"
        with pytest.raises(Forbidden):
            tickets.read(signed[:position] + other + signed[position + 1 :], NOON)


@pytest.mark.parametrize("forged", ["", ".", "a.b.c", "e30.", "ș" * 10])
def test_nonsense_is_refused(forged):
    with pytest.raises(Forbidden):
        tickets.read(forged, NOON)
