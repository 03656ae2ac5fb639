"""Laws of `algos.data_pipeline.questions.generating`, `request_journal`, `writers`, `question_log`.

`policies.served.gemini_json` speaks to the stand-in through the real client: what is answered is
asked once, kept before it is read, paid once; what fails is said and asked again; nothing is lost.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from algos.data_pipeline.questions.generating import GenerateResult, generate_questions
from algos.data_pipeline.questions.ledger import paid_replies
from algos.data_pipeline.questions.question_files import (
    GENERATED,
    QUESTIONS,
    REPLIES,
    generated_questions,
    kept_questions,
    reject,
    rejections,
    write_kept,
)
from algos.data_pipeline.questions.question_files import Rejection as Rejected
from algos.data_pipeline.questions.request_journal import stored_replies
from algos.data_pipeline.questions.writers import NoSuchService, writer_of
from algos.data_pipeline.stand_in.planted import planted_questions
from algos.data_pipeline.stand_in.server import StandIn
from algos.runs.append_log import read_log
from policies.errors import ServiceRefused
from sage_env.datasets.loading import load_dataset
from tests.helpers.loopback import KEY, Loopback, Says
from tests.helpers.pipeline.stand_in_videos import quick, stand_in

pytest.importorskip("google.genai")


def asked(folder: Path, server: StandIn | None, **settings: Any) -> GenerateResult:
    given = quick(server, **settings)
    return generate_questions(folder, folder, given, writer_of(given))


def outcomes(result: GenerateResult) -> dict[str, str]:
    return {one.path: one.outcome for one in result.videos}


WRITTEN = {"v0.mp4": "written", "v1.mp4": "written", "v2.mp4": "written"}


def test_every_video_is_asked_about_once_and_a_dataset_comes_of_it(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "private") as server:
        first = asked(folder, server)
        before = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
        again = asked(folder, server)
        assert outcomes(first) == outcomes(again) == WRITTEN and first.kept == again.kept == 18
        assert server.replying.outcomes == {"questions": 3} and server.files.sent == 3
        assert sorted(server.replying.by_request.values()) == [1, 1, 1]
        assert len(server.files.deleted) == 3  # nothing stays at the service
    after = {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}
    assert before == after and set(after) >= {REPLIES, GENERATED, QUESTIONS, "ledger.jsonl"}
    items = load_dataset(str(folder / QUESTIONS))
    truth = {one.id: one for one in planted_questions(tmp_path / "private" / "planted.jsonl")}
    assert {item.id for item in items} == set(truth) and first.spent.unknown == 0
    spans = Counter(item.evidence for item in items)
    assert spans == {((5.0 * k, 5.0 * k + 4.0),): 3 for k in range(6)}  # exact, on frames


@pytest.mark.parametrize(
    ("kind", "sends", "unknown"),
    [("busy_with_delay", 2, 0), ("busy", 2, 0), ("failed", 2, 0), ("cut", 2, 1), ("silent", 2, 1)],
)
def test_a_request_that_fails_is_sent_again_under_another_id(
    videos: list[Path], tmp_path: Path, kind: str, sends: int, unknown: int
) -> None:
    """A request whose reply was lost may have been billed: its cost is unknown, and bounded."""
    folder = videos[0].parent
    for video in videos[1:]:
        video.unlink()
    server = stand_in(videos[:1], tmp_path / "p", {kind: 1.0}, delay=0.05, silence=60.0)
    fail = server.replying._rates.of_request
    once = iter([True])
    server.replying._rates = _Rates(server, lambda v, n: fail(v, n) if next(once, False) else "")
    with server:
        retries = quick(server).retries.__class__(timeout=1.0, attempts=3, first_wait=0.01)
        result = asked(folder, server, retries=retries)
        assert outcomes(result) == {"v0.mp4": "written"} and result.kept == 6
        assert server.replying.outcomes == {kind: 1, "questions": 1}
        assert set(server.replying.by_request.values()) == {1}
    lines = paid_replies(folder / "ledger.jsonl")
    assert len(lines) == 1 + unknown and result.spent.unknown == unknown
    assert all(line.at_most for line in lines if line.dollars is None)
    ended = [row for row in read_log(folder / "asked.jsonl") if "outcome" in row]
    assert len(ended) == 1 and ended[0]["outcome"]


class _Rates:
    """Rates whose failures of requests are told by a function."""

    def __init__(self, server: StandIn, of_request: Any) -> None:
        self._own, self.of_request = server.replying._rates, of_request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


@pytest.mark.parametrize(
    ("kind", "outcome", "replies"),
    [
        ("malformed", "given up", 2),
        ("refusal", "given up", 2),
        ("blocked", "given up", 1),  # asking again would be paid for the same
        ("withheld", "given up", 1),
        ("truncated", "written", 1),
    ],
)
def test_a_reply_that_cannot_be_used_is_kept_paid_and_told(
    videos: list[Path], tmp_path: Path, kind: str, outcome: str, replies: int
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p", {kind: 1.0}) as server:
        result = asked(folder, server, tries=2)
        again = asked(folder, server, tries=2)
        assert set(outcomes(result).values()) == {outcome} == set(outcomes(again).values())
        assert sum(server.replying.by_request.values()) == 3 * replies
    assert len(stored_replies(folder)) == len(paid_replies(folder / "ledger.jsonl")) == 3 * replies
    checks = {one.check for one in rejections(folder)}
    assert checks == (set() if kind == "truncated" else {f"reply_{kind}"})
    assert bool(result.kept) == (kind == "truncated") == (folder / QUESTIONS).exists()


def test_a_bad_question_is_rejected_and_the_others_live(videos: list[Path], tmp_path: Path) -> None:
    folder, wrong = videos[0].parent, ("times_past_end", "answer_not_in_options", "missing_field")
    rates = {"times_past_end": 0.3, "missing_field": 0.2, "exact_duplicate": 0.2}
    with stand_in(videos, tmp_path / "p", rates) as server:
        asked(folder, server)
    truth = {one.id: one.error for one in planted_questions(tmp_path / "p" / "planted.jsonl")}
    found = {one.id: one.check for one in rejections(folder)}
    expected = {"times_past_end": "times_past_end", "missing_field": "form"}
    expected |= {"exact_duplicate": "same_question"}
    kept = {one.id for one in kept_questions(folder)}
    assert kept | set(found) == set(truth) and not kept & set(found) and kept
    for name, error in truth.items():
        if error in wrong:
            assert found[name] == expected[error]
    # of two equal questions one is rejected, whichever is read second
    doubles = sum(error == "exact_duplicate" for error in truth.values())
    assert doubles and Counter(found.values())["same_question"] == doubles


def test_a_quota_of_the_day_stops_and_the_next_day_goes_on(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p", daily_quota=1) as server:
        result = asked(folder, server, workers=1)
        assert Counter(outcomes(result).values()) == {"written": 1, "not asked": 2}
        assert "begins again at" in result.stopped and "UTC" in result.stopped
        assert result.kept == 6 and server.replying.outcomes == {"questions": 1, "quota": 1}
    with stand_in(videos, tmp_path / "p2") as server:
        assert outcomes(asked(folder, server)) == WRITTEN
        assert server.replying.outcomes == {"questions": 2}
    assert len(kept_questions(folder)) == 18


def test_a_budget_stops_before_it_is_exceeded(videos: list[Path], tmp_path: Path) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        result = asked(folder, server, workers=1, budget=0.135)
        assert Counter(outcomes(result).values())["written"] >= 1 and result.stopped
        assert "budget" in result.stopped and result.spent.dollars <= 0.135
        sent = sum(server.replying.outcomes.values())
        assert sent == len(paid_replies(folder / "ledger.jsonl")) < 3
        assert outcomes(asked(folder, server, budget=10.0)) == WRITTEN
    with pytest.raises(ServiceRefused, match="model"), _Refusing() as refusing:
        given = quick(None, base_url=refusing.url)
        generate_questions(folder, folder, given, writer_of(given))


class _Refusing(Loopback):
    """Has no model of any name."""

    def __init__(self) -> None:
        super().__init__([], Says({"error": {"code": 404, "message": "no such model"}}, 404))


def test_what_cannot_be_sent_is_known_before_and_listed(videos: list[Path], tmp_path: Path) -> None:
    folder = videos[0].parent
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    (folder / "w").mkdir()
    (folder / "w" / "copy.mp4").write_bytes(videos[0].read_bytes())
    with stand_in(videos, tmp_path / "p") as server:
        # 41 s and 42 s at 24 frames a second are more than the model takes beside the reply
        output = 1_048_576 - 40 * 24 * 70 - 2000
        result = asked(folder, server, fps=24.0, max_output_tokens=output)
        found = outcomes(result)
        assert found == {
            "broken.mp4": "skipped",
            "w/copy.mp4": "skipped",
            "v0.mp4": "written",
            "v1.mp4": "skipped",
            "v2.mp4": "skipped",
        }
        assert server.files.sent == 1
    checks = {one.video: one.check for one in rejections(folder)}
    assert checks == {
        "broken.mp4": "video_unreadable",
        "w/copy.mp4": "video_same_video",
        "v1.mp4": "video_too_long",
        "v2.mp4": "video_too_long",
    }


def test_the_key_and_the_file_names_are_told_to_nobody(videos: list[Path], tmp_path: Path) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p", {"malformed": 0.5}) as server:
        asked(folder, server)
    texts = [path.read_bytes() for path in [*folder.glob("*.json*"), *(tmp_path / "p").iterdir()]]
    assert len(texts) > 5 and not any(KEY.encode() in text for text in texts)
    assert not any(b"v0.mp4" in path.read_bytes() for path in (tmp_path / "p").iterdir())


def test_a_video_that_is_at_the_service_is_found_again_by_its_name(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        given = quick(server)
        writer = writer_of(given)
        writer.done = lambda video: None  # type: ignore[method-assign]  # as if it was killed
        (folder / "first").mkdir()
        generate_questions(folder, folder / "first", given, writer)
        assert server.files.sent == 3 and not server.files.deleted
        generate_questions(folder, folder / "second", given, writer_of(given))
        assert server.files.sent == 3 and len(server.files.deleted) == 3
        assert set(server.replying.by_video.values()) == {2}


def test_other_settings_ask_anew_and_former_questions_stay(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        assert asked(folder, server).kept == 18
        result = asked(folder, server, service="gemini:gemini-2.5-flash")
        assert server.replying.outcomes == {"questions": 6}
        assert result.kept == 18  # word for word the same, so none is added
        assert {one.check for one in rejections(folder)} == {"same_question"}
        models = [line.model for line in paid_replies(folder / "ledger.jsonl")]
        assert Counter(models) == {"google/gemini-3.8-flash": 3, "google/gemini-2.5-flash": 3}


def test_a_rejection_of_a_later_check_takes_the_question_out_of_the_dataset(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        asked(folder, server)
        first, second = generated_questions(folder)[:2]
        gone = Rejected(id=first.id, video=first.video, check="not_needed", reason="blind")
        reject(folder, [gone, gone])
        assert write_kept(folder, {second.id: "test"}) == 1
        (item,) = load_dataset(str(folder / QUESTIONS), split="test")
        assert item.id == second.id
        assert asked(folder, server).kept == 17  # and asking again does not bring it back
        assert len([one for one in rejections(folder) if one.id == first.id]) == 1


def test_a_server_without_video_is_shown_frames_with_their_times(
    videos: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("openai")
    folder = videos[0].parent
    question = {
        "question": "What is it?", "type": "open", "options": [], "answer": "a star",
        "modality": "visual", "modality_reason": "r", "difficulty": "easy",
        "difficulty_reason": "r", "evidence": [{"start": "1", "end": "3"}],
        "percent_video_parsed": 5,
    }  # fmt: skip
    text = json.dumps({"facts": [], "questions": [question]})
    usage = {"prompt_tokens": 9, "completion_tokens": 4}
    message = {"role": "assistant", "content": text}
    body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    with Loopback(lambda _: Says(body), Says({"data": [{"id": "m"}]})) as server:
        given = quick(None, service="openai:m", base_url=f"{server.url}/v1", frames=4, workers=1)
        result = generate_questions(folder, folder, given, writer_of(given))
        assert outcomes(result) == WRITTEN and result.kept == 3 and len(server.bodies) == 3
        assert result.spent.unknown == 3  # nobody knows the prices of a server of one's own
        blocks = server.bodies[0]["messages"][-1]["content"]
        texts = [block["text"] for block in blocks if block["type"] == "text"]
        assert [block["type"] for block in blocks[:2]] == ["text", "image_url"]
        assert texts[:4] == ["0:05.000", "0:15.000", "0:25.000", "0:35.000"]
        assert server.bodies[0]["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("name", ["openai", "claude:x", "", "gemini2"])
def test_a_service_has_a_name_that_is_known(name: str) -> None:
    with pytest.raises(NoSuchService, match="--service"):
        writer_of(quick(None, service=name))


def test_a_batch_is_half_the_price_and_found_again_after_a_kill(
    videos: list[Path], tmp_path: Path
) -> None:
    """`policies.served.gemini_batch`: a batch that was begun is asked about, and not begun anew."""
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p", {"failed": 0.4}) as server:
        given = quick(server, tier="batch", workers=1)
        writer, ends = writer_of(given), iter([True])
        found_again = writer.found_again

        def killed(batch: str, ask: Any) -> Any:
            if next(ends, False):
                raise SystemExit  # nothing of it is caught on the way
            return found_again(batch, ask)

        writer.found_again = killed  # type: ignore[method-assign]
        journal = "algos.data_pipeline.questions.request_journal.RequestJournal.ended"
        ledger = "algos.data_pipeline.questions.ledger.Ledger.pay"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal, lambda *_: None)  # a process that is killed writes nothing
            patch.setattr(ledger, lambda *_, **__: None)
            with pytest.raises(SystemExit):
                generate_questions(folder, folder, given, writer)
        begun = sum(server.replying.by_request.values())
        assert begun >= 1 and not stored_replies(folder)
        result = generate_questions(folder, folder, given, writer_of(given))
        assert outcomes(result) == WRITTEN and result.kept == 18
        assert server.replying.outcomes["questions"] == 3 == result.spent.replies
        assert set(server.replying.by_request.values()) == {1}
    lines = paid_replies(folder / "ledger.jsonl")
    for line in lines:
        assert line.tier == "batch" and line.prompt is not None and line.completion is not None
        full = line.prompt * 0.75e-6 + line.completion * 3.75e-6
        assert line.dollars == pytest.approx(full / 2)
