"""The worker: each job once, retried, taken over, reported, and given back when it stops."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text

from masterplan import jobs
from masterplan.actors import SYSTEM, VISITOR
from masterplan.database import owner_transaction, transaction
from proposals import work
from proposals.submitting import Submission, submit, submit_many

POINT = {"type": "Point", "coordinates": [27.583, 47.165]}


@pytest.fixture(autouse=True)
def _no_jobs(database_name: str) -> None:
    with owner_transaction() as connection:
        connection.execute(text("DELETE FROM masterplan.job"))


def leave(kind: str, **payload: object) -> None:
    with transaction(SYSTEM) as connection:
        jobs.enqueue(connection, kind, payload)


def table() -> list:
    with transaction(SYSTEM) as connection:
        return connection.execute(text("SELECT * FROM masterplan.job ORDER BY id")).all()


def change(assignment: str) -> None:
    with owner_transaction() as connection:
        connection.execute(text(f"UPDATE masterplan.job SET {assignment}"))


# -- the queue -----------------------------------------------------------------------------


def test_several_workers_never_do_the_same_job():
    for number in range(60):
        leave("count", number=number)
    done: Counter[int] = Counter()
    lock, start = threading.Lock(), threading.Barrier(6)

    def handle(payload: dict, progress: jobs.Progress) -> None:
        with lock:
            done[payload["number"]] += 1

    def empty_the_queue(_: int) -> None:
        start.wait()
        while jobs.run_one({"count": handle}):
            pass

    with ThreadPoolExecutor(6) as workers:
        list(workers.map(empty_the_queue, range(6)))
    assert done == Counter(range(60))
    assert {(job.state, job.attempts, job.progress) for job in table()} == {("done", 1, 1.0)}


def test_the_same_jobs_waiting_are_done_together():
    for _ in range(3):
        leave("layer_changed", layer="heat")
    leave("layer_changed", layer="wind")
    done = []
    while jobs.run_one({"layer_changed": lambda payload, progress: done.append(payload["layer"])}):
        pass
    assert done == ["heat", "wind"]
    assert {job.state for job in table()} == {"done"}


def test_a_job_left_beside_a_twin_that_is_done_meanwhile_is_done_after_it():
    """Whoever leaves a job brings something with it, which the twin's worker cannot see before the commit."""
    seen = []
    leave("count")
    with owner_transaction() as connection:
        jobs.enqueue(connection, "count")
        assert jobs.run_one({"count": lambda payload, progress: seen.append("the twin")})
    assert jobs.run_one({"count": lambda payload, progress: seen.append("after the commit")})
    assert seen == ["the twin", "after the commit"]


def test_one_that_failed_before_keeps_its_turn_beside_a_new_twin():
    leave("fall")
    change("attempts = 2, last_error = 'before'")
    leave("fall")
    change("run_after = now() - interval '1 minute' * id")
    assert jobs.run_one({"fall": lambda payload, progress: None})
    assert Counter(job.state for job in table()) == {"done": 1, "queued": 1}


def test_a_worker_whose_job_was_taken_over_says_nothing_of_it_any_more():
    leave("long")

    def handle(payload: dict, progress: jobs.Progress) -> None:
        change("attempts = 2, claimed_at = now(), progress = 0.7")
        progress(0.1)

    assert jobs.run_one({"long": handle})
    (job,) = table()
    assert (job.state, job.attempts, job.progress) == ("running", 2, 0.7)


def test_what_fails_is_tried_again_and_then_kept_with_its_last_words():
    leave("fall")
    tries = []

    def handle(payload: dict, progress: jobs.Progress) -> None:
        tries.append(1)
        raise ValueError(f"fell for the {len(tries)}. time")

    for attempt in (1, 2, 3):
        assert jobs.run_one({"fall": handle})
        (job,) = table()
        assert job.attempts == attempt and job.last_error == f"ValueError: fell for the {attempt}. time"
        assert not jobs.run_one({"fall": handle}), "not before it is due again"
        change("run_after = now()")
    assert job.state == "failed" and job.finished_at is not None
    assert not jobs.run_one({"fall": handle})


def test_a_retry_that_works_forgets_the_error():
    leave("fall")
    outcomes = iter([ValueError("once"), None])

    def handle(payload: dict, progress: jobs.Progress) -> None:
        if error := next(outcomes):
            raise error

    jobs.run_one({"fall": handle})
    change("run_after = now()")
    jobs.run_one({"fall": handle})
    (job,) = table()
    assert (job.state, job.attempts, job.last_error) == ("done", 2, "")


def test_a_job_without_a_handler_fails_with_its_name():
    leave("unheard")
    jobs.run_one({})
    assert "unheard" in table()[0].last_error


def test_the_job_of_a_worker_that_died_is_taken_over_but_not_sooner():
    leave("long")
    change("state = 'running', attempts = 1, claimed_at = now() - interval '5 minutes'")
    ran = []
    handlers = {"long": lambda payload, progress: ran.append(1)}
    assert not jobs.run_one(handlers)
    change("claimed_at = now() - interval '1 hour'")
    assert jobs.run_one(handlers) and ran
    (job,) = table()
    assert (job.state, job.attempts) == ("done", 2)


def test_a_job_that_ended_its_worker_as_often_as_it_may_be_tried_is_given_up():
    for number in (1, 2):
        leave("deadly", number=number)
    change("state = 'running', attempts = CASE payload ->> 'number' WHEN '1' THEN 3 ELSE 2 END,"
           " claimed_at = now() - interval '14 minutes'")  # fmt: skip
    ran = []
    handlers = {"deadly": lambda payload, progress: ran.append(payload["number"])}
    assert not jobs.run_one(handlers), "they may still be at work"
    assert {job.state for job in table()} == {"running"}
    change("claimed_at = now() - interval '16 minutes'")
    assert jobs.run_one(handlers)
    given_up, taken_over = table()
    assert (given_up.state, given_up.attempts) == ("failed", 3)
    assert given_up.finished_at is not None and given_up.last_error == "its worker ended without a word"
    assert (taken_over.state, taken_over.attempts, taken_over.last_error) == ("done", 3, "")
    assert not jobs.run_one(handlers) and ran == [2]


def test_what_is_given_up_keeps_no_one_waiting_and_can_be_left_again():
    leave("deadly")
    change("state = 'running', attempts = max_attempts, claimed_at = now() - interval '1 hour'")
    assert not jobs.wait_until_done(0.2)
    assert not jobs.run_one({})
    assert jobs.wait_until_done(5)
    leave("deadly")
    assert [job.state for job in table()] == ["failed", "queued"]


def test_progress_is_seen_while_it_runs_and_renews_the_claim():
    leave("long")
    seen = []

    def handle(payload: dict, progress: jobs.Progress) -> None:
        change("claimed_at = now() - interval '14 minutes'")
        for share in (0.25, 7.0, -1.0):
            progress(share)
            seen.append(table()[0])

    jobs.run_one({"long": handle})
    assert [job.progress for job in seen] == [0.25, 1.0, 0.0]
    assert {job.state for job in seen} == {"running"}
    with transaction(SYSTEM) as connection:
        age = connection.scalar(text("SELECT extract(epoch FROM now() - claimed_at) FROM masterplan.job"))
    assert age < 60


def test_a_worker_that_stops_gives_its_job_back():
    leave("long")
    stop = threading.Event()

    def handle(payload: dict, progress: jobs.Progress) -> None:
        progress(0.1)
        stop.set()
        progress(0.2)
        raise AssertionError("went on after it was stopped")

    jobs.work({"long": handle}, stop)
    (job,) = table()
    assert (job.state, job.attempts, job.last_error) == ("queued", 0, "")
    assert jobs.run_one({"long": lambda payload, progress: None})
    assert table()[0].state == "done"


# -- what the jobs of proposals do ---------------------------------------------------------


def observation() -> Submission:
    return Submission(uuid4(), "observation", "green_blue", "Copaci tăiați", "", POINT)


def pending() -> int:
    with transaction(SYSTEM) as connection:
        return len(connection.scalars(work._PENDING).all())


def heat_versions() -> set:
    with transaction(SYSTEM) as connection:
        return set(connection.scalars(text("SELECT layer_versions ->> 'heat' FROM masterplan.measurement")))


def test_what_was_imported_is_scored_by_the_job_it_leaves(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work, "CHUNK", 2)
    submit_many([observation() for _ in range(5)], SYSTEM)
    assert pending() == 5
    assert jobs.run_one(work.HANDLERS)
    assert pending() == 0
    assert table()[0].state == "done"


def test_a_changed_layer_makes_measures_stale_and_the_job_takes_them_again():
    before = submit(observation(), VISITOR)
    with owner_transaction() as connection:
        # A new version in which the heat is 3 °C more everywhere.
        connection.execute(text("UPDATE masterplan.layer SET version = version + 1 WHERE id = 'heat'"))
        connection.execute(text("""
            INSERT INTO masterplan.layer_version SELECT layer_id, version + 1, edition, source, source_date,
                indicative, accuracy_m, feature_count, file_sha256, now() FROM masterplan.layer_version
            WHERE layer_id = 'heat'
        """))
        connection.execute(text("""
            UPDATE masterplan.feature SET properties = jsonb_set(properties, '{anomaly_c}',
                to_jsonb((properties ->> 'anomaly_c')::float8 + 3)) WHERE layer_id = 'heat'
        """))
    leave("layer_changed", layer="heat")
    jobs.run_one(work.HANDLERS)
    assert heat_versions() == {"2"}
    with transaction(SYSTEM) as connection:
        results = connection.scalar(
            text("SELECT results FROM masterplan.score WHERE proposal_id = :id"), {"id": before.proposal_id}
        )
    cooler, hotter = before.score.results["heat_cooling"], results["heat_cooling"]
    assert hotter["layer_version"] == 2
    assert hotter["value"] == pytest.approx(cooler["value"] + 3, abs=0.002)
    assert hotter["score"] > cooler["score"]


def test_two_that_score_at_once_do_not_disturb_each_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work, "CHUNK", 3)
    submit_many([observation() for _ in range(20)], SYSTEM)
    with ThreadPoolExecutor(3) as workers:
        futures = [workers.submit(work.score_pending) for _ in range(2)]
        futures.append(workers.submit(work.score_everything))
        done = [future.result() for future in futures]
    assert pending() == 0
    with transaction(SYSTEM) as connection:
        everything = connection.scalar(text("SELECT count(*) FROM masterplan.proposal"))
    assert done[2] == everything and sum(done[:2]) <= 20


def test_scoring_everything_reports_up_to_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(work, "CHUNK", 4)
    submit_many([observation() for _ in range(10)], SYSTEM)
    shares: list[float] = []
    work.score_everything(shares.append)
    assert len(shares) > 1 and shares == sorted(shares) and shares[-1] == 1.0


def test_nothing_to_do_is_done_at_once():
    shares: list[float] = []
    assert work.score_pending(shares.append) == 0 and shares == []


def test_what_was_committed_late_is_looked_for_once_more_after_a_layer_changed():
    with owner_transaction() as connection:
        jobs.enqueue(connection, "layer_changed", {"layer": "heat"})
    for expected in ([("done", False), ("queued", True)], [("done", False), ("done", True)]):
        assert jobs.run_one(work.HANDLERS)
        assert [(job.state, job.payload.get("stragglers", False)) for job in table()] == expected
        assert not jobs.run_one(work.HANDLERS), "not before a submission's transaction must have ended"
        change("run_after = now()")


def test_after_a_layer_changed_whoever_submits_first_finds_its_outlines_made():
    kept = text("SELECT count(*) FROM masterplan.current_outline")
    with owner_transaction() as connection:
        expected = connection.scalar(kept)
        connection.execute(text("DELETE FROM masterplan.outline"))
    assert expected > 5
    leave("layer_changed", layer="heat")
    assert jobs.run_one(work.HANDLERS)
    with owner_transaction() as connection:
        assert connection.scalar(kept) == expected
