"""Laws of `algos.data_pipeline.checking`: `check_log`, `question_check`: interrupted is as whole.

Bugs planted that these laws see: a play that failed counts as played; rejections written as plays
end; the order of lines that of the plays; an id of a play that hangs on its place in the list.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from algos.data_pipeline.checking.check_log import CHECKS_FILE, put_in_order, read_plays
from algos.data_pipeline.checking.check_plays import Answering
from algos.data_pipeline.checking.check_settings import CheckError, CheckSettings
from algos.data_pipeline.checking.question_check import REPORT, check_questions
from algos.data_pipeline.questions.ledger import BudgetSpent, paid_replies
from algos.data_pipeline.questions.question_files import LEDGER, QUESTIONS, REJECTED
from algos.runs.append_log import LogError
from policies.base import Decision
from policies.turn_usage import TokenCounts, TurnUsage
from tests.helpers.data_line.checked_questions import (
    Coloured,
    Guesses,
    SeesColours,
    generated,
    write_generated,
)

SETTINGS = CheckSettings(
    answerers=("sees", "guesses"), outside_frames=16, rl_policy="guesses", per_video=2, envs=3
)
FILES = (QUESTIONS, REJECTED, "hold_out.json", "rl.json", "datasheet.md", REPORT)


def questions():
    videos = ["600_red@100-103.mp4", "600_red@300-303.mp4", "600_red@50-550.mp4"]
    for k in range(9):
        span = ((100.0 + k / 4, 100.75 + k / 4),)
        text = f"Which colour is at place number {k}?"
        yield generated(f"q{k}", videos[k % 3], question=text, evidence=span)


def run(folder: Path, wait: float = 0.0, fails: str = "") -> None:
    """Check the questions; in a process of its own that can be killed."""

    class Slow(SeesColours):
        def answer(self, observation, episode):
            time.sleep(wait)
            if fails and fails in episode:
                raise CheckError("as asked for")
            return super().answer(observation, episode)

    how = Answering({"sees": Slow(), "guesses": Guesses()}, Coloured)
    check_questions(folder, SETTINGS, how=how)


def content(folder: Path) -> dict[str, object]:
    """Return what a check leaves, but for times."""
    rows = [json.loads(line) for line in (folder / CHECKS_FILE).read_text().splitlines()]
    untimed = [{**row, "seconds": None} for row in rows]
    return {name: (folder / name).read_bytes() for name in FILES} | {"plays": untimed}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, object]:
    """What a check leaves that nothing interrupted."""
    folder = write_generated(tmp_path_factory.mktemp("whole"), questions())
    run(folder)
    return content(folder)


def test_checked_again_nothing_is_played_and_no_byte_changes(tmp_path) -> None:
    folder = write_generated(tmp_path, questions())
    run(folder)
    before = content(folder)
    run(folder, fails="q")  # whoever plays fails
    assert content(folder) == before


def test_what_failed_in_between_leaves_no_trace(tmp_path, whole) -> None:
    torn = write_generated(tmp_path, questions())
    run(torn, fails="q1/sufficient")
    found, wanted = content(torn), dict(whole)
    assert found != wanted
    run(torn)
    found = content(torn)
    for files in (found, wanted):  # what was rejected is only ever added to: here in another order
        files[REJECTED] = sorted(files[REJECTED].splitlines())
    assert found == wanted


def kill_and_go_on(folder: Path, seed: int, times: int) -> None:
    """Kill the check that many times at random moments, then let it end."""
    rng = random.Random(seed)
    context = multiprocessing.get_context("fork")
    for _ in range(times):
        process = context.Process(target=run, args=(folder, 0.002))
        process.start()
        time.sleep(rng.uniform(0.02, 0.35))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    run(folder)


def check_kills(killed: Path, whole: dict[str, object], seed: int, times: int) -> None:
    write_generated(killed, questions())
    kill_and_go_on(killed, seed, times)
    assert content(killed) == whole
    keys = [row["key"] for row in content(killed)["plays"]]
    assert len(keys) == len(set(keys))


def test_three_kills_at_random_moments_lose_nothing(tmp_path, whole) -> None:
    check_kills(tmp_path, whole, 0, 3)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing(tmp_path, whole) -> None:
    check_kills(tmp_path, whole, 1, 20)


def test_the_number_of_environments_changes_nothing(tmp_path, whole) -> None:
    folder = write_generated(tmp_path, questions())
    how = Answering({"sees": SeesColours(), "guesses": Guesses()}, Coloured)
    check_questions(folder, CheckSettings(**vars(SETTINGS) | {"envs": 1}), how=how)
    assert content(folder) == whole


def test_other_questions_beside_it_do_not_change_what_a_question_is_answered(
    tmp_path, whole
) -> None:
    folder = write_generated(tmp_path, list(questions())[4:6])
    run(folder)
    plays = [asdict(play) for play in read_plays(folder).values()]
    found = [
        {
            (p["key"], p["prediction"])
            for p in some
            if p["question"] == "q4" and p["check"] != "pass"
        }
        for some in (plays, whole["plays"])
    ]
    assert found[0] == found[1] and found[0]


def test_other_settings_play_anew_and_a_former_answer_is_not_lost(tmp_path) -> None:
    folder = write_generated(tmp_path, [next(questions())])
    how = Answering({"sees": SeesColours()}, Coloured)
    check_questions(folder, CheckSettings(answerers=("sees",), checks=("blind",)), how=how)
    before = read_plays(folder)
    warmer = CheckSettings(answerers=("sees",), checks=("blind",), temperature=0.3)
    check_questions(folder, warmer, how=how)
    after = read_plays(folder)
    assert len(before) == 3 and len(after) == 6 and set(before) < set(after)
    more = CheckSettings(answerers=("sees",), checks=("blind",), temperature=0.3, tries=4)
    check_questions(folder, more, how=how)
    assert len(read_plays(folder)) == 7, "the first three tries stay"


def test_a_torn_last_line_counts_as_never_written(tmp_path, whole) -> None:
    torn = write_generated(tmp_path, questions())
    run(torn)
    path = torn / CHECKS_FILE
    path.write_bytes(path.read_bytes()[:-20])
    run(torn)
    assert content(torn) == whole


def test_a_line_that_is_no_play_is_named(tmp_path) -> None:
    (tmp_path / CHECKS_FILE).write_text('{"key": "a"}\n')
    with pytest.raises(LogError, match=r"checks.jsonl, line 1"):
        read_plays(tmp_path)
    put_in_order(tmp_path / "nothing there", ["a"])


class Paid(SeesColours):
    """Served by somebody who bills: a hundred tokens a reply."""

    def act_batch(self, observations, episodes):
        usage = TurnUsage((TokenCounts(1000, 100, audio=0),), model="google/gemini-3.8-flash")
        return [
            Decision(one.action, usage=usage) for one in super().act_batch(observations, episodes)
        ]


def test_every_reply_is_on_the_ledger_once_with_the_price_of_its_day(tmp_path) -> None:
    folder = write_generated(tmp_path, [next(questions())])
    settings = CheckSettings(answerers=("paid",), checks=("blind", "sufficient"))
    how = Answering({"paid": Paid()}, Coloured)
    for _ in range(2):
        report = check_questions(folder, settings, how=how)
    lines = paid_replies(folder / LEDGER)
    assert len(lines) == 6 and {line.stage for line in lines} == {"check"}
    assert all(line.dollars and line.price for line in lines)
    assert report.spent.replies == 6
    assert report.spent.dollars == pytest.approx(sum(line.dollars for line in lines))


def test_a_play_that_is_asked_for_again_is_paid_for_again(tmp_path) -> None:
    folder = write_generated(tmp_path, [next(questions())])
    settings = CheckSettings(answerers=("paid",), checks=("blind",))
    how = Answering({"paid": Paid()}, Coloured)
    check_questions(folder, settings, how=how)
    (folder / CHECKS_FILE).unlink()  # as after a kill between paying and writing
    check_questions(folder, settings, how=how)
    assert len(paid_replies(folder / LEDGER)) == 6


def test_a_budget_that_is_spent_ends_the_checks_and_what_was_played_stays(tmp_path) -> None:
    folder = write_generated(tmp_path, list(questions()))
    how = Answering({"paid": Paid()}, Coloured)
    settings = CheckSettings(answerers=("paid",), checks=("blind",), budget=0.003, envs=1)
    with pytest.raises((CheckError, BudgetSpent), match="the same command goes on"):
        check_questions(folder, settings, how=how)
    played = len(read_plays(folder))
    assert 0 < played < 27 and not (folder / QUESTIONS).exists()
    with pytest.raises(CheckError, match="nothing was played"):
        check_questions(folder, settings, how=how)
    assert len(read_plays(folder)) == played == len(paid_replies(folder / LEDGER))
    richer = CheckSettings(answerers=("paid",), checks=("blind",), envs=1)
    check_questions(folder, richer, how=how)
    assert len(read_plays(folder)) == 27 == len(paid_replies(folder / LEDGER))
