"""Laws of `request_journal`, and of what `generating` does first: nothing sent is forgotten.

Bugs planted that these laws see: a setting that is no part of an asking's key, a lost request that
costs nothing, a reply that is priced by the day on which it was read.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from algos.data_pipeline.questions.generating import _Run
from algos.data_pipeline.questions.ledger import BudgetSpent, paid_replies
from algos.data_pipeline.questions.question_files import LEDGER, REPLIES
from algos.data_pipeline.questions.request_journal import (
    Asking,
    RequestJournal,
    SentAs,
    StoredReply,
)
from algos.data_pipeline.questions.settings import GenerateSettings
from algos.runs.append_log import AppendLog
from policies.served.wire import NoReply

GEMINI, SERVER = "google/gemini-3.8-flash", "localhost/m"
VIDEO = SimpleNamespace(digest="d" * 24, path="a.mp4")


def run(folder: Path, model: str = GEMINI, **settings) -> _Run:
    return _Run(folder, folder, GenerateSettings(**settings), SimpleNamespace(model=model))


def key(folder: Path, model: str = GEMINI, video=VIDEO, **settings) -> str:
    one = run(folder, model, **settings)
    one.close()
    return one._asking(video).key


def test_the_key_of_an_asking_says_all_that_its_reply_depends_on(tmp_path) -> None:
    for model in (GEMINI, SERVER):
        frames = model == SERVER  # of a whole video nobody sends frames
        base = key(tmp_path, model)
        assert base == key(tmp_path, model) and len(base) == 12
        others = [
            key(tmp_path, "google/other"),
            key(tmp_path, model, SimpleNamespace(digest="e" * 24, path="a.mp4")),
            key(tmp_path, model, fps=2.0),
            key(tmp_path, model, media_resolution="low"),
            key(tmp_path, model, options={"x": 1}),
            key(tmp_path, model, questions=(5, 6)),
        ]
        seen = [key(tmp_path, model, frames=9), key(tmp_path, model, frame_side=9)]
        assert len({base, *others}) == 7
        assert len({base, *seen}) == (3 if frames else 1)
        same = {"budget": 3.0, "workers": 1, "tries": 1, "tier": "flex", "poll": 1.0}
        assert base == key(tmp_path, model, **same)
        moved = SimpleNamespace(digest=VIDEO.digest, path="elsewhere/b.mp4")
        assert base == key(tmp_path, model, moved), "by its content"


def asking(name: str) -> Asking:
    return Asking(key=name * 12, video="a.mp4", digest="d", model=GEMINI, prompt="p")


def test_the_next_process_knows_what_became_of_every_request(tmp_path) -> None:
    first = RequestJournal(tmp_path)
    for name in "abcde":
        assert first.begin(asking(name), SentAs(at_most=0.5)) == f"{name * 12}-0"
    first.came(f"{'a' * 12}-0", asking("a"), {"x": 1})
    first.ended(f"{'b' * 12}-0", "429")
    first.started(f"{'d' * 12}-0", "batches/1")
    first.started(f"{'e' * 12}-0", "batches/2")
    assert first.begin(asking("b"), SentAs()) == f"{'b' * 12}-1", "each under an id of its own"
    first.ended(f"{'b' * 12}-1", "429")
    first.close()

    second = RequestJournal(tmp_path)
    assert {name: row["at_most"] for name, row in second.lost.items()} == {f"{'c' * 12}-0": 0.5}
    assert {k: row["batch"] for k, row in second.batches.items()} == {
        "d" * 12: "batches/1",
        "e" * 12: "batches/2",
    }
    assert [reply.body for reply in second.replies("a" * 12)] == [{"x": 1}]
    second.came(f"{'d' * 12}-0", asking("d"), {})
    second.ended(f"{'e' * 12}-0", "no reply")
    second.ended(f"{'c' * 12}-0", "lost")
    assert second.begin(asking("b"), SentAs()) == f"{'b' * 12}-2"
    second.ended(f"{'b' * 12}-2", "429")
    second.close()

    third = RequestJournal(tmp_path)
    assert (third.lost, third.batches) == ({}, {})
    third.close()


def test_what_a_killed_process_could_not_write_down_is_paid_by_the_next(tmp_path) -> None:
    journal = RequestJournal(tmp_path)
    journal.begin(asking("c"), SentAs(at_most=0.25))
    journal.begin(asking("d"), SentAs(at_most=0.5))
    journal.started(f"{'d' * 12}-0", "batches/1")
    journal.begin(asking("a"), SentAs(at_most=0.75))
    journal.close()
    counts = {"promptTokenCount": 1_000_000, "totalTokenCount": 1_000_000}
    reply = StoredReply(
        reply=f"{'a' * 12}-0",
        asking=asking("a"),
        body={"candidates": [], "usageMetadata": counts},
        when="2027-06-01T00:00:00+00:00",
    )
    log = AppendLog(tmp_path / REPLIES)
    log.append(asdict(reply))
    log.close()
    one = run(tmp_path, budget=3.0)
    one.settle()
    lines = {line.request[0]: line for line in paid_replies(tmp_path / LEDGER)}
    assert set(lines) == {"a", "c"}, "a batch is not lost: its reply can be found"
    assert (lines["c"].dollars, lines["c"].at_most) == (None, 0.25) and lines["c"].note
    assert lines["a"].when.startswith("2027-06-01")
    assert lines["a"].dollars == pytest.approx(1.5), "a million tokens, by the price of that day"
    with pytest.raises(BudgetSpent, match=r"\$2\.2500 is spent or set aside"):
        one.ledger.reserve("next", 0.8)  # 1.5, 0.25 and the 0.5 of the batch
    one.ledger.reserve("next", 0.75)
    one.close()
    again = run(tmp_path)
    again.settle()
    assert len(paid_replies(tmp_path / LEDGER)) == 2 and not again.journal.lost
    again.close()


@pytest.mark.parametrize(
    ("error", "billed"),
    [
        (NoReply("refused", sent=False), False),
        (NoReply("cut off", sent=True), True),
        (BudgetSpent("none left"), False),
        (TimeoutError("slow"), True),
        (KeyboardInterrupt(), True),
    ],
)
def test_a_request_that_was_never_sent_costs_nothing_and_any_other_may(
    tmp_path, error, billed
) -> None:
    one = run(tmp_path, budget=1.0)
    request = one.journal.begin(asking("a"), SentAs(at_most=0.75))
    one.ledger.reserve(request, 0.75)
    one._not_answered(request, asking("a"), error)
    one.close()
    lines = paid_replies(tmp_path / LEDGER)
    assert [line.at_most for line in lines] == [0.75] * billed
    again = run(tmp_path)
    assert not again.journal.lost
    again.close()
