"""Laws of `algos.data_pipeline.questions.generating` and `request_journal` under kill -9.

A process that asks is killed at random moments, in the middle of a write or of a request, again and
again in one folder, until one lives. Then nothing is lost, nothing paid for twice, and nothing
asked twice but what a killed process had sent and nobody knows the reply of; and that is written
down.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from algos.data_pipeline.questions.generating import generate_questions
from algos.data_pipeline.questions.ledger import paid_replies
from algos.data_pipeline.questions.question_files import generated_questions, rejections
from algos.data_pipeline.questions.request_journal import stored_replies
from algos.data_pipeline.questions.writers import writer_of
from algos.data_pipeline.stand_in.planted import planted_questions
from algos.runs.append_log import read_log
from tests.helpers.pipeline.stand_in_videos import clips, quick, stand_in

pytest.importorskip("google.genai")
RATES = {"times_past_end": 0.1, "exact_duplicate": 0.1, "malformed": 0.15, "failed": 0.1}
LATENCY = 0.02  # seconds of a reply, so that some are on their way at a kill


def ask(folder: Path, server: Any, workers: int) -> None:
    given = quick(server, workers=workers, tries=9)
    generate_questions(folder, folder, given, writer_of(given))


def ask_and_die(folder: Path, server: Any, workers: int, moment: int) -> None:
    """Ask in a process that dies at its n-th write, in the middle of it."""
    write, left = os.write, iter(range(moment))

    def writes(file: int, data: bytes) -> int:
        if next(left, None) is None:
            write(file, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(file, data)

    import algos.runs.append_log as log

    log.os = type("os", (), {**vars(os), "write": staticmethod(writes)})  # type: ignore[assignment]
    ask(folder, server, workers)
    os._exit(0)


def contents(folder: Path) -> Counter[Any]:
    """Return what the questions say, whatever request they came with."""
    kept = [(q.video, q.question, q.answer, q.evidence) for q in generated_questions(folder)]
    bad = [(r.video, r.check, r.found["written"]["question"], None) for r in sound(folder)]
    return Counter([*kept, *bad])


def sound(folder: Path) -> list[Any]:
    """Return rejections of questions, without those of replies: a lost reply is not seen."""
    return [one for one in rejections(folder) if not one.check.startswith("reply_")]


def kill_again_and_again(root: Path, videos: int, kills: int, seed: int) -> Counter[str]:
    draws, ends = random.Random(seed), Counter[str]()
    paths = clips(root / "videos", videos)
    whole = root / "whole"
    clips(whole, videos)
    with stand_in(paths, root / "p0", RATES) as server:
        ask(whole, server, 2)
    folder = root / "videos"
    with stand_in(paths, root / "p1", RATES, latency=LATENCY) as server:
        while ends["killed"] < kills:
            process = get_context("fork").Process(
                target=ask_and_die,
                args=(folder, server, draws.randint(1, 4), draws.randint(0, 14)),
            )
            process.start()
            if draws.random() < 0.5:
                time.sleep(draws.uniform(0.0, 0.5))
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join(60)
            ends["killed" if process.exitcode == -signal.SIGKILL else "lived"] += 1
            if process.exitcode == 0:  # all is done
                break
        ask(folder, server, 2)
        check(folder, root / "p1", server)
    assert contents(folder) == contents(whole)
    return ends


def check(folder: Path, private: Path, server: Any) -> None:
    rows = read_log(folder / "asked.jsonl")
    sent = {row["request"]: row["asking"]["video"] for row in rows if "asking" in row}
    lost = {row["request"] for row in rows if row.get("outcome") == "lost"}
    refused = {row["request"] for row in rows if "outcome" in row} - lost
    replies = [one.reply for one in stored_replies(folder)]
    # Each request is sent once, has one end, and the two files together know all of them.
    assert len(set(replies)) == len(replies) and not set(replies) & (lost | refused)
    assert set(sent) == {*replies, *lost, *refused}
    assert set(server.replying.by_request.values()) == {1}
    assert set(server.replying.by_request) <= set(sent)
    # What the server answered is here, but for what was on its way at a kill.
    answered = {row["request"]: row["outcome"] for row in read_log(private / "requests.jsonl")}
    whole = {name for name, outcome in answered.items() if outcome != "failed"}
    assert whole - lost == set(replies)
    # Paid once each; what may have been paid is told, with what it may have cost.
    lines = paid_replies(folder / "ledger.jsonl")
    assert len({line.request for line in lines}) == len(lines)
    assert {line.request for line in lines} == {*replies, *lost}
    assert all(line.at_most for line in lines if line.request in lost)
    # A video is asked about again only for a reply that was lost, refused, or could not be used.
    bad = {one.id for one in rejections(folder) if one.check.startswith("reply_")}
    for video in set(sent.values()):
        own = {name for name, about in sent.items() if about == video}
        assert len(own - lost - refused - bad) == 1
    # Every question of every reply that is here is kept or rejected, once.
    ids = [q.id for q in generated_questions(folder)] + [one.id for one in sound(folder)]
    told = {
        one.id for one in planted_questions(private / "planted.jsonl") if one.request in replies
    }
    assert len(set(ids)) == len(ids) and set(ids) == told


def test_killed_three_times_it_is_as_if_nobody_had_disturbed_it(tmp_path: Path) -> None:
    assert kill_again_and_again(tmp_path, videos=5, kills=3, seed=2)["killed"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_twenty_times_it_is_as_if_nobody_had_disturbed_it(tmp_path: Path, seed: int) -> None:
    assert kill_again_and_again(tmp_path, videos=24, kills=20, seed=seed)["killed"] == 20
