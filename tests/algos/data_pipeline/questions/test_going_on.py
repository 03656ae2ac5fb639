"""Laws of `algos.data_pipeline.questions.followed_videos`, `writers`, `request_journal` and
`generating`, and of `policies.served.gemini_batch` and `gemini_files`, when a run goes on after a
service failed, a video moved, a setting changed, or the questions were checked.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.question_check import check_questions
from algos.data_pipeline.questions.generating import GenerateResult, generate_questions
from algos.data_pipeline.questions.ledger import Ledger, paid_replies
from algos.data_pipeline.questions.question_files import (
    QUESTIONS,
    generated_questions,
    kept_questions,
    rejections,
)
from algos.data_pipeline.questions.writers import writer_of
from algos.data_pipeline.stand_in.exchange import Exchange, refused
from algos.data_pipeline.stand_in.server import StandIn
from algos.runs.append_log import LogError, read_log
from sage_env.datasets.loading import load_dataset
from tests.helpers.clips import write_clip
from tests.helpers.pipeline.stand_in_videos import quick, stand_in

pytest.importorskip("google.genai")


def asked(folder: Path, server: StandIn, **settings: Any) -> GenerateResult:
    given = quick(server, **settings)
    return generate_questions(folder, folder, given, writer_of(given))


def outcomes(result: GenerateResult) -> list[str]:
    return [one.outcome for one in result.videos]


def one_video(videos: list[Path]) -> Path:
    for video in videos[1:]:
        video.unlink()
    return videos[0].parent


def looks(server: StandIn, *failures: Exchange) -> None:
    """Let the next looks at batches fail."""
    whole, left = server.batches.asked, iter(failures)
    server.batches.asked = lambda name: next(left, None) or whole(name)  # type: ignore[method-assign]


def test_a_look_at_a_batch_that_fails_begins_no_other(videos: list[Path], tmp_path: Path) -> None:
    folder, down = one_video(videos), refused(503, "UNAVAILABLE", "later")
    with stand_in(videos[:1], tmp_path / "p") as server:
        looks(server, down, down)
        assert outcomes(asked(folder, server, tier="batch")) == ["written"]
        assert sum(server.replying.by_request.values()) == 1


@pytest.mark.parametrize("tier", ["batch", "standard"])
def test_a_batch_that_cannot_be_looked_at_is_waited_for_by_the_next_run(
    videos: list[Path], tmp_path: Path, tier: str
) -> None:
    folder, down = one_video(videos), refused(503, "UNAVAILABLE", "later")
    with stand_in(videos[:1], tmp_path / "p") as server:
        looks(server, *[down] * 8)
        for _ in range(2):  # the run that began it, and one that finds it
            result = asked(folder, server, tier="batch")
            assert outcomes(result) == ["failed"] and "not sent again" in result.videos[0].why
        result = asked(folder, server, tier=tier)
        assert outcomes(result) == ["written"] and result.spent.unknown == 0
        assert sum(server.replying.by_request.values()) == 1
    (line,) = paid_replies(folder / "ledger.jsonl")
    assert line.tier == "batch"  # whatever the run that found it asks for


def test_a_batch_that_the_service_has_forgotten_is_asked_anew_and_may_have_been_billed(
    videos: list[Path], tmp_path: Path
) -> None:
    folder, down = one_video(videos), refused(503, "UNAVAILABLE", "later")
    with stand_in(videos[:1], tmp_path / "p") as server:
        looks(server, *[down] * 4, refused(404, "NOT_FOUND", "no such batch"))
        assert outcomes(asked(folder, server, tier="batch")) == ["failed"]
        assert outcomes(asked(folder, server, tier="batch")) == ["written"]
    first, second = paid_replies(folder / "ledger.jsonl")
    assert first.dollars is None and first.at_most and "NOT_FOUND" in first.note
    assert second.dollars


def test_a_reply_is_paid_at_the_tier_that_it_was_asked_at(
    videos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = one_video(videos)
    with stand_in(videos[:1], tmp_path / "p") as server:
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "pay", lambda *_, **__: None)  # killed behind the reply
            asked(folder, server, tier="flex")
        asked(folder, server)
    assert [line.tier for line in paid_replies(folder / "ledger.jsonl")] == ["flex"]


@pytest.mark.parametrize("text", ["", '{"facts": ["a'])
def test_a_cut_reply_is_asked_for_again_where_it_may_be_longer(
    videos: list[Path], tmp_path: Path, text: str
) -> None:
    folder = one_video(videos)
    with stand_in(videos[:1], tmp_path / "p") as server:
        whole = server.replying._written

        def cut(video: Any, kind: Any, body: Any, *more: Any, **named: Any) -> Exchange:
            if body["generationConfig"]["maxOutputTokens"] > 1000:
                return whole(video, kind, body, *more, **named)
            found = {"content": {"parts": [{"text": text}]}, "finishReason": "MAX_TOKENS"}
            return Exchange({"candidates": [found]})

        server.replying._written = cut  # type: ignore[method-assign]
        for _ in range(2):
            result = asked(folder, server, max_output_tokens=1000, tries=1)
            assert outcomes(result) == ["given up"]
            assert "--max-output-tokens" in result.videos[0].why
        assert sum(server.replying.by_request.values()) == 1
        assert outcomes(asked(folder, server, max_output_tokens=1001, tries=1)) == ["written"]


def test_a_file_that_the_service_could_not_use_is_sent_anew(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = one_video(videos)
    with stand_in(videos[:1], tmp_path / "p") as server:
        about = server.files._about
        server.files._about = lambda file: {  # type: ignore[method-assign]
            **about(file),
            "state": "FAILED" if server.files.sent < 2 else "ACTIVE",
        }
        given = quick(server)
        writer = writer_of(given)
        writer._uploads._delete = lambda _: None  # type: ignore[attr-defined]  # killed before it
        assert outcomes(generate_questions(folder, folder, given, writer)) == ["failed"]
        assert outcomes(asked(folder, server)) == ["written"] and server.files.sent == 2


def test_questions_follow_a_video_that_has_another_name(videos: list[Path], tmp_path: Path) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        asked(folder, server)
        before = kept_questions(folder)
        videos[0].rename(folder / "other name.mp4")
        (folder / "other name.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
        assert asked(folder, server).kept == 18 and asked(folder, server).kept == 18
        assert sum(server.replying.by_request.values()) == 3
    assert [one.id for one in kept_questions(folder)] == [one.id for one in before]
    items = load_dataset(str(folder / QUESTIONS))
    assert {item.video.name for item in items} == {"other name.mp4", "v1.mp4", "v2.mp4"}
    named = {item.subtitles.name for item in items if item.subtitles is not None}
    assert named == {"other name.srt"} and not rejections(folder)


def test_questions_about_what_a_file_held_before_are_not_kept(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        asked(folder, server)
        shutil.copy(videos[2], videos[0])  # now two of one content
        result = asked(folder, server)
        assert result.kept == 12
        write_clip(videos[1], list(range(0, 25 * 20, 25)))  # one that the service does not know
        assert asked(folder, server).kept == 6
    checks = {(one.video, one.check) for one in rejections(folder) if one.id != one.video}
    assert checks == {("v0.mp4", "video_changed"), ("v1.mp4", "video_changed")}
    assert {one.video for one in kept_questions(folder)} == {"v2.mp4"}


def test_a_video_that_is_not_here_today_takes_nothing_away(
    videos: list[Path], tmp_path: Path
) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        asked(folder, server)
        videos[0].unlink()
        assert asked(folder, server).kept == 18 and not rejections(folder)


def test_questions_that_a_person_wrote_are_not_written_over(
    videos: list[Path], tmp_path: Path
) -> None:
    """`questions.jsonl` beside videos is also what `data export` writes."""
    folder, own = one_video(videos), '{"id": "mine", "video": "v0.mp4"}\n'
    (folder / QUESTIONS).write_text(own)
    with stand_in(videos[:1], tmp_path / "p") as server:
        with pytest.raises(LogError, match="questions.jsonl .* written over: .* --out"):
            asked(folder, server)
        assert (folder / QUESTIONS).read_text() == own and not server.replying.by_request
        (folder / QUESTIONS).unlink()
        assert outcomes(asked(folder, server)) == outcomes(asked(folder, server)) == ["written"]


def test_a_link_that_leads_nowhere_is_told(videos: list[Path], tmp_path: Path) -> None:
    folder = one_video(videos)
    (folder / "broken.mp4").symlink_to("nowhere")
    with stand_in(videos[:1], tmp_path / "p") as server:
        result = asked(folder, server)
    assert {one.path: one.outcome for one in result.videos} == {
        "broken.mp4": "skipped",
        "v0.mp4": "written",
    }


def test_what_checks_did_not_keep_does_not_come_back(videos: list[Path], tmp_path: Path) -> None:
    folder = videos[0].parent
    with stand_in(videos, tmp_path / "p") as server:
        assert asked(folder, server).kept == 18
        check_questions(folder, CheckSettings())  # nobody answers: none can be kept
        assert asked(folder, server).kept == 0 and len(generated_questions(folder)) == 18


@pytest.mark.parametrize("line", ["[1]", '{"request": "x", "batch": "b"}', '{"asking": {}}'])
def test_a_line_that_is_none_of_the_journal_is_named(
    videos: list[Path], tmp_path: Path, line: str
) -> None:
    folder = one_video(videos)
    (folder / "asked.jsonl").write_text(line + "\n")
    with stand_in(videos[:1], tmp_path / "p") as server, pytest.raises(LogError, match="line 1"):
        asked(folder, server)


def test_a_reply_knows_how_it_was_asked_for(videos: list[Path], tmp_path: Path) -> None:
    folder = one_video(videos)
    with stand_in(videos[:1], tmp_path / "p") as server:
        asked(folder, server, tier="flex", max_output_tokens=2000)
    sent = [row for row in read_log(folder / "asked.jsonl") if "asking" in row]
    (reply,) = [json.loads(one) for one in (folder / "replies.jsonl").read_text().splitlines()]
    assert sent[0]["tier"] == reply["tier"] == "flex"
    assert sent[0]["most_tokens"] == reply["most_tokens"] == 2000
