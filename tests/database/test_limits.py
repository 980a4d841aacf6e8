"""How many may be submitted: counted in the database, by all processes together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner, Result

import cli
from masterplan import database, jobs
from masterplan.actors import SYSTEM, VISITOR, Actor, Role
from masterplan.database import owner_transaction, transaction
from masterplan.errors import Forbidden, InputError
from masterplan.formats import clock
from masterplan.settings import PROJECT_ROOT
from proposals import consultations, work
from proposals.limits import TooMany
from proposals.submitting import Submission, submit

PLANNER = Actor(Role.PLANNER, user="p")
ANA = Actor(Role.STAKEHOLDER, user="7", session="ana")
HOME, OFFICE = "a" * 64, "b" * 64


def observation(**given) -> Submission:
    return replace(
        Submission(
            submission_key=uuid4(), kind="observation", theme="public_space", title="O bancă la umbră",
            description="", geometry={"type": "Point", "coordinates": [27.583, 47.165]},
        ),
        **given,
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _accounts(database_name: str):
    """Numbers 7 and 8 are people who signed in once."""
    engine = create_engine(database.admin_url())
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO masterplan.account (id, issuer, subject) OVERRIDING SYSTEM VALUE"
            " VALUES (7, 'https://login.example', 'ana'), (8, 'https://login.example', 'dan')"
        ))  # fmt: skip
    engine.dispose()


@pytest.fixture(autouse=True)
def _shipped_limits(database_name: str):
    """As the migration sets them, and nothing counted yet."""
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.submission_mark"))
        connection.execute(text("DELETE FROM masterplan.job"))
        connection.execute(text(
            "UPDATE masterplan.submission_limit SET most = CASE kind WHEN 'origin' THEN 5 WHEN 'unknown' THEN 60"
            " ELSE 30 END"
        ))  # fmt: skip


def set_limit(kind: str, most: int) -> None:
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_limit SET most = :m WHERE kind = :k"),
                           {"m": most, "k": kind})  # fmt: skip


def marks(kind: str | None = None) -> int:
    with owner_transaction() as connection:
        return connection.scalar(
            text("SELECT count(*) FROM masterplan.submission_mark WHERE kind = coalesce(:k, kind)"), {"k": kind}
        )


def age(minutes: float) -> None:
    """Let time pass for everything counted so far."""
    with owner_transaction() as connection:
        connection.execute(text("UPDATE masterplan.submission_mark SET at = at - make_interval(secs => :s)"),
                           {"s": 60 * minutes})  # fmt: skip
        connection.execute(text("UPDATE masterplan.job SET run_after = run_after - make_interval(secs => :s)"),
                           {"s": 60 * minutes})  # fmt: skip


def proposals() -> int:
    with transaction(SYSTEM) as connection:
        return connection.scalar(text("SELECT count(*) FROM masterplan.proposal"))


def test_the_sixth_of_an_origin_within_the_hour_waits_until_the_first_is_an_hour_old():
    before = datetime.now(UTC)
    for _ in range(5):
        submit(observation(), VISITOR, HOME)
    stored = proposals()
    with pytest.raises(TooMany) as refused:
        submit(observation(), VISITOR, HOME)
    assert timedelta(0) < refused.value.until - before - timedelta(hours=1) < timedelta(seconds=30)
    assert clock(refused.value.until) in refused.value.message("ro")
    assert (proposals(), marks()) == (stored, 5), "what is refused is neither stored nor counted"
    submit(observation(), VISITOR, OFFICE)
    age(59)
    with pytest.raises(TooMany):
        submit(observation(), VISITOR, HOME)
    age(1)
    submit(observation(), VISITOR, HOME)


def test_the_hour_slides():
    """Four old ones and one new: as one more leaves the hour, one more is taken."""
    for _ in range(4):
        submit(observation(), VISITOR, HOME)
    age(50)
    submit(observation(), VISITOR, HOME)
    with pytest.raises(TooMany) as refused:
        submit(observation(), VISITOR, HOME)
    wait = refused.value.until - datetime.now(UTC)
    assert timedelta(minutes=9) < wait < timedelta(minutes=10)


def test_the_same_one_sent_twice_counts_once_and_is_never_refused():
    again = observation()
    first = submit(again, VISITOR, HOME)
    for _ in range(4):
        submit(observation(), VISITOR, HOME)
    assert submit(again, VISITOR, HOME).receipt == first.receipt
    assert marks() == 5


def test_what_is_wrong_is_said_and_not_counted():
    for _ in range(7):
        with pytest.raises(InputError):
            submit(observation(title=""), VISITOR, HOME)
    assert marks() == 0


def test_unknown_origins_share_a_limit_of_their_own():
    set_limit("unknown", 6)
    for number in range(6):
        submit(observation(), Actor(Role.VISITOR, session=f"s{number}"))
    with pytest.raises(TooMany):
        submit(observation(), VISITOR)
    submit(observation(), VISITOR, HOME)


def test_an_account_is_counted_wherever_it_is():
    set_limit("account", 3)
    for origin in (HOME, OFFICE, ""):
        submit(observation(), ANA, origin)
    with pytest.raises(TooMany, match="account"):
        submit(observation(), ANA, "c" * 64)
    submit(observation(), replace(ANA, user="8"), HOME)
    assert marks("origin") == 0


def test_staff_are_not_limited():
    set_limit("account", 1)
    for _ in range(3):
        submit(observation(), PLANNER)
    assert marks() == 0


_PROCESS = """
import sys
from uuid import uuid4
from masterplan.actors import VISITOR
from proposals.limits import TooMany
from proposals.submitting import Submission, submit
taken = 0
sys.stdin.readline()
for _ in range(4):
    try:
        submit(Submission(uuid4(), "observation", "water", "Un titlu", "",
                          {"type": "Point", "coordinates": [27.583, 47.165]}), VISITOR, "a" * 64)
        taken += 1
    except TooMany:
        pass
print(taken)
"""


def test_two_processes_at_once_do_not_pass_the_limit_together():
    running = [
        subprocess.Popen([sys.executable, "-c", _PROCESS], cwd=PROJECT_ROOT, text=True, env=os.environ.copy(),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    taken = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(taken) == 5 == marks("origin"), "4 + 4 were tried; and the parent sees what they left behind"
    with pytest.raises(TooMany):
        submit(observation(), VISITOR, HOME)


def command(*words: str, expect: int = 0) -> Result:
    done = CliRunner().invoke(cli.app(), ["limits", *words])
    assert done.exit_code == expect, done.output
    return done


def test_limits_are_seen_and_set_by_a_command_and_hold_at_the_next_submission():
    listed = json.loads(command("list", "--json").stdout)
    assert [(each["limit"], each["most"]) for each in listed] == [("origin", 5), ("unknown", 60), ("account", 30)]
    submit(observation(), VISITOR, HOME)
    assert "at most 1 within an hour" in command("set", "origin", "1").stdout
    with pytest.raises(TooMany):
        submit(observation(), VISITOR, HOME)
    submit(observation(), VISITOR, OFFICE)
    for words in (("set", "everybody", "7"), ("set", "origin", "0"), ("set", "origin", "many")):
        assert "Error:" in command(*words, expect=2).stderr
    assert [each["most"] for each in json.loads(command("list", "--json").stdout)] == [1, 60, 30]


def test_whoever_comes_while_the_last_place_is_being_taken_waits_and_is_refused():
    """The race itself: both ask before either has committed."""
    for _ in range(4):
        submit(observation(), VISITOR, HOME)
    admit = text("SELECT masterplan.admit('origin', :whose)")
    asked = threading.Event()

    def other():
        with transaction(VISITOR) as connection:
            asked.set()
            return connection.scalar(admit, {"whose": HOME})

    with ThreadPoolExecutor() as pool:
        with transaction(VISITOR) as connection:
            assert connection.scalar(admit, {"whose": HOME}) is None
            waiting = pool.submit(other)
            asked.wait(5)
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        assert waiting.result(10) is not None
    assert marks() == 5


def test_a_refused_transaction_gives_its_place_back():
    set_limit("origin", 1)
    admit = text("SELECT masterplan.admit('origin', :whose)")
    with pytest.raises(ZeroDivisionError), transaction(VISITOR) as connection:
        assert connection.scalar(admit, {"whose": HOME}) is None
        raise ZeroDivisionError
    submit(observation(), VISITOR, HOME)


def test_the_worker_forgets_what_no_limit_counts():
    submit(observation(), VISITOR, HOME)
    age(30)
    submit(observation(), VISITOR, OFFICE)
    submit(observation(), ANA)
    assert not jobs.run_one(work.HANDLERS), "nothing is an hour old"
    age(30.5)
    assert jobs.run_one(work.HANDLERS)
    assert (marks("origin"), marks("account")) == (1, 1)
    age(30)
    assert jobs.run_one(work.HANDLERS), "the first run left a job for the rest"
    assert marks() == 0
    assert not jobs.run_one(work.HANDLERS)
    with owner_transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM masterplan.job WHERE state = 'queued'")) == 0


@pytest.mark.parametrize("table", ["submission_limit", "submission_mark", "consultation", "moderation", "consent"])
@pytest.mark.parametrize("actor", [VISITOR, ANA, PLANNER, SYSTEM])
@pytest.mark.parametrize("statement", ["SELECT * FROM masterplan.{}", "DELETE FROM masterplan.{}"])
def test_no_actor_reaches_the_tables_past_their_functions(table, actor, statement):
    """But the system, which the command line acts as: it sees the limits."""
    if (table, actor, statement[:6]) == ("submission_limit", SYSTEM, "SELECT"):
        return
    with pytest.raises(DBAPIError, match="permission denied"), transaction(actor) as connection:
        connection.execute(text(statement.format(table)))


# -- consultation sessions -----------------------------------------------------------------


def opened(most: int = 40, hours: float = 2) -> str:
    now = datetime.now(UTC)
    return consultations.open_one("Casa de Cultură, Miroslava", most, now + timedelta(hours=hours), now, PLANNER)


def listed(code: str) -> consultations.Consultation:
    with transaction(PLANNER) as connection:
        return next(each for each in consultations.every(connection) if each.code == code)


def test_forty_people_on_one_network_take_part_with_the_code():
    code = opened(most=40)
    for number in range(40):
        typed = code if number % 2 else code.lower().replace("-", " ")
        submit(observation(), Actor(Role.VISITOR, session=f"p{number}"), HOME, typed)
    assert marks() == 0
    assert (listed(code).used, listed(code).most) == (40, 40)
    stored = proposals()
    with pytest.raises(InputError, match=f"All the submissions of the consultation session {code}"):
        submit(observation(), VISITOR, HOME, code)
    assert proposals() == stored
    for _ in range(5):
        submit(observation(), VISITOR, HOME)
    with pytest.raises(TooMany):
        submit(observation(), VISITOR, HOME)


def test_the_last_place_of_a_session_is_taken_once():
    code = opened(most=3)

    def one(_: int) -> bool:
        try:
            submit(observation(), VISITOR, HOME, code)
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(8))) == 3
    assert listed(code).used == 3


def test_a_session_that_ended_or_never_was_takes_nothing():
    code = opened()
    consultations.close(code, PLANNER)
    with pytest.raises(InputError, match="ended"):
        submit(observation(), VISITOR, HOME, code)
    late = opened()
    with owner_transaction() as connection:
        connection.execute(text(
            "UPDATE masterplan.consultation SET opened_at = opened_at - interval '3 hours',"
            " expires_at = expires_at - interval '3 hours' WHERE code = :c"
        ), {"c": late})  # fmt: skip
    with pytest.raises(InputError, match="ended"):
        submit(observation(), VISITOR, HOME, late)
    with pytest.raises(InputError, match="no consultation session with the code 0000-0000"):
        submit(observation(), VISITOR, HOME, "oooo-0000")
    with pytest.raises(InputError, match="not the code"):
        submit(observation(), VISITOR, HOME, "12")
    assert [each.open for each in (listed(code), listed(late))] == [False, False]


@pytest.mark.parametrize("actor", [VISITOR, ANA, Actor(Role.UAT, user="m", uats=("97919",))])
def test_only_planners_open_list_and_close_sessions(actor):
    now = datetime.now(UTC)
    with pytest.raises(Forbidden):
        consultations.open_one("Primăria", 40, now + timedelta(hours=1), now, actor)
    with pytest.raises(Forbidden):
        consultations.close(opened(), actor)
    for statement in (
        "SELECT * FROM masterplan.consultations()",
        "SELECT masterplan.open_consultation('AAAA-AAAA', 'Primăria', 9, now() + interval '1 hour')",
        "SELECT masterplan.close_consultation('AAAA-AAAA')",
    ):
        with pytest.raises(DBAPIError, match="only planners|permission denied"), transaction(actor) as connection:
            connection.execute(text(statement))


def test_everything_wrong_with_a_new_session_is_said_at_once():
    now = datetime.now(UTC)
    with pytest.raises(InputError) as refused:
        consultations.open_one(" a ", 1001, now + timedelta(days=32), now, PLANNER)
    assert [field for field, _ in refused.value.faults] == ["place", "most", "until"]
    with pytest.raises(InputError):
        consultations.open_one("Primăria", 0, now - timedelta(seconds=1), now, PLANNER)
