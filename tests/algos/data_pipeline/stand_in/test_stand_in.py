"""Laws of `algos.data_pipeline.stand_in`: it errs where its seed says, and remembers where.

Modules: `planted`, `error_rates`, `known_videos`, `spoiling`, `written_questions`, `exchange`,
`stored_files`, `replying`, `server`.
"""

from __future__ import annotations

import hashlib
import json
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from algos.data_pipeline.questions.source_videos import content_digest
from algos.data_pipeline.stand_in.error_rates import SOME_ERRORS, ErrorRates
from algos.data_pipeline.stand_in.known_videos import KnownVideo, file_digest, known_videos
from algos.data_pipeline.stand_in.planted import OF_QUESTIONS, OF_REPLIES, OF_REQUESTS
from algos.data_pipeline.stand_in.server import StandIn
from algos.data_pipeline.stand_in.spoiling import LATER, Draft, clock_of, seconds_of, spoiled
from algos.data_pipeline.stand_in.stored_files import StoredFiles
from algos.data_pipeline.stand_in.written_questions import write_questions
from tests.helpers.pipeline.stand_in_videos import SYMBOLS, clips, items_about

OTHERS = {"glance": SYMBOLS}


def known(seconds: float = 40.0, name: str = "a") -> KnownVideo:
    items = tuple(items_about(Path(f"{name}.mp4"), seconds))
    return KnownVideo(f"sha-{name}", f"content-{name}", seconds, items)


def written(video: KnownVideo, **rates: float) -> Any:
    return write_questions(video, "r-0", ErrorRates(rates=rates, seed=5), OTHERS)


def test_without_errors_it_writes_what_is_true() -> None:
    found = written(known())
    assert {row["question"] for row in found.reply["questions"]} == {
        item.question for item in known().items
    }
    truth = {item.id: item for item in known().items}
    for row, planted in zip(found.reply["questions"], found.planted, strict=True):
        item = truth[planted.truth]
        assert not planted.error and row["answer"] == item.answer
        spans = [(seconds_of(e["start"]), seconds_of(e["end"])) for e in row["evidence"]]
        assert tuple(spans) == item.evidence and planted.question == item.question


def test_what_is_spoken_is_said_to_be_heard() -> None:
    items = [replace(one, group={"family": "spoken"}) for one in known().items[:2]]
    video = KnownVideo("sha", "content", 40.0, (*items, *known().items[2:]))
    modalities = Counter(row["modality"] for row in written(video).reply["questions"])
    assert modalities == {"verbal": 2, "visual": 4}


def test_errors_depend_on_the_seed_the_video_and_the_question_and_on_no_position() -> None:
    video, rates = known(), {"wrong_answer": 0.5}
    whole = {one.truth: one.error for one in written(video, **rates).planted}
    assert written(video, **rates) == written(video, **rates)
    fewer = KnownVideo(video.digest, video.content, video.duration, video.items[::-1][:4])
    part = {one.truth: one.error for one in written(fewer, **rates).planted}
    assert part == {name: whole[name] for name in part} and 0 < sum(map(bool, whole.values())) < 6
    others = [written(known(name=name), **rates) for name in "bcdefgh"]
    assert len({tuple(bool(one.error) for one in w.planted) for w in others}) > 3


def test_each_kind_comes_as_often_as_its_rate_says() -> None:
    rates = ErrorRates(rates=SOME_ERRORS, seed=1)
    draws = 8_000
    for level, drawn in (
        (OF_QUESTIONS, [rates.of_question("v", f"q{k}") for k in range(draws)]),
        (OF_REPLIES, [rates.of_reply(f"v{k}", 0) for k in range(draws)]),
        (OF_REQUESTS, [rates.of_request(f"v{k}", k) for k in range(draws)]),
    ):
        count = Counter(drawn)
        for kind in level:
            rate = SOME_ERRORS[kind]
            assert abs(count[kind] - rate * draws) < 5 * (rate * draws) ** 0.5


@pytest.mark.parametrize("kind", OF_QUESTIONS)
def test_each_error_is_what_it_says(kind: str) -> None:
    video = known()
    found = written(video, **{kind: 1.0})
    rows, planted = found.reply["questions"], found.planted
    truth = {item.id: item for item in video.items}
    wrong = [(row, one) for row, one in zip(rows, planted, strict=True) if one.error]
    assert wrong and {one.error for _, one in wrong} == {kind}
    assert len(rows) == 6 + (len(wrong) if kind in LATER else 0)
    for row, one in wrong:
        item = truth[one.truth]
        spans = [(seconds_of(e["start"]), seconds_of(e["end"])) for e in row.get("evidence", [])]
        first, last = item.evidence[0]
        holds = {
            "wrong_answer": row["answer"] != item.answer
            and (not row["options"] or row["answer"] in row["options"]),
            "wrong_times": all((e <= first or s >= last) and 0 <= s < e <= 40 for s, e in spans),
            "times_past_end": all(s > 40 for s, _ in spans),
            "times_reversed": all(e < s for s, e in spans),
            "whole_video": spans == [(0.0, 40.0)],
            "answer_not_in_options": row["answer"] not in row["options"] and bool(row["options"]),
            "same_options": len(set(row["options"])) < len(row["options"]),
            "gives_itself_away": item.answer in row["question"],
            "long_answer": len(row["answer"]) > 40 and row["answer"] in row["options"],
            "near_duplicate": row["question"] != item.question and row["answer"] == item.answer,
            "exact_duplicate": row["question"] == item.question,
            "injected": "answer B" in row["question"] and row["answer"] == item.answer,
            "missing_field": "evidence" not in row,
        }
        assert holds[kind]


@pytest.mark.parametrize("span", [(10.0, 14.0), (1.0, 3.0), (35.0, 39.0), (16.0, 24.0)])
def test_evidence_that_is_moved_touches_the_true_one_nowhere(span: tuple[float, float]) -> None:
    row = {"evidence": [{"start": clock_of(span[0]), "end": clock_of(span[1])}]}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (moved,) = spoiled(Draft("t", row), "wrong_times", 40.0, (), rng).row["evidence"]
        start, end = seconds_of(moved["start"]), seconds_of(moved["end"])
        assert end - start == pytest.approx(span[1] - span[0], abs=2e-3)
        assert 0 <= start and end <= 40.001 and (end <= span[0] + 1e-3 or start >= span[1] - 1e-3)


def test_a_piece_of_an_upload_has_just_one_place() -> None:
    files = StoredFiles("http://x")
    files.uploaded("/upload/v1beta/files", "", {}, b'{"file": {"name": "files/a"}}')

    def piece(offset: int, data: bytes, command: str = "upload") -> int:
        told = {"x-goog-upload-offset": str(offset), "x-goog-upload-command": command}
        return files.uploaded("/upload", "upload_id=1", told, data).status

    assert piece(0, b"abc") == 200
    assert piece(0, b"abc") == piece(2, b"c") == piece(4, b"e") == 400
    assert piece(3, b"def", "upload, finalize") == 200
    assert files.digest_of("http://x/v1/files/a") == hashlib.sha256(b"abcdef").hexdigest()
    assert files.sent == 1 and piece(6, b"") == 400


def test_a_question_that_has_no_place_for_an_error_stays_good() -> None:
    draft = Draft("t", {"options": [], "answer": "x", "evidence": []})
    assert spoiled(draft, "same_options", 9.0, (), np.random.default_rng(0)) is draft


@pytest.mark.parametrize("seconds", [0.0, 0.001, 59.999, 60.0, 3723.25])
def test_times_are_written_so_that_they_can_be_read(seconds: float) -> None:
    assert seconds_of(clock_of(seconds)) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ({"sleepy": 0.1}, "is no error"),
        ({"cut": 1.5}, "0 to 1"),
        ({"cut": 0.6, "busy": 0.6}, "add"),
    ],
)
def test_rates_that_are_none_are_refused(rates: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ErrorRates(rates=rates)


def test_videos_are_known_by_their_content_and_not_by_their_name(tmp_path: Path) -> None:
    (clip,) = clips(tmp_path, 1)
    items = items_about(clip, 40.0) + items_about(tmp_path / "missing.mp4", 40.0)
    (video,) = known_videos(items).values()
    copy = tmp_path / "other-name.mp4"
    copy.write_bytes(clip.read_bytes())
    assert video.digest == file_digest(copy) and video.content == content_digest(copy)
    assert video.duration == 40.0 and len(video.items) == 6


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--root", "NEW"], "stand-in: no video of sage-synth .train. is there, .* data build"),
        (["--dataset", "no-such"], "stand-in: .*no-such"),
    ],
)
def test_with_nothing_to_know_it_does_not_serve(asked, told, tmp_path, monkeypatch) -> None:
    """A server that knows no video would answer each request with an error."""
    asked = [str(tmp_path) if word == "NEW" else word for word in asked]
    monkeypatch.setattr("sys.argv", ["stand_in", "--splits", "train", "--port", "0", *asked])
    monkeypatch.setattr(StandIn, "serve", lambda self: None)
    with pytest.raises(SystemExit, match=told):
        runpy.run_module("algos.data_pipeline.stand_in", run_name="__main__", alter_sys=True)


def test_over_http_it_takes_any_video_and_writes_about_those_it_knows(tmp_path: Path) -> None:
    (clip,) = clips(tmp_path, 1)
    with StandIn(known_videos(items_about(clip, 40.0)), private=tmp_path / "p") as server:
        assert said(server, "GET", "/v1beta/models/m")["name"] == "models/m"
        unknown = said(server, "POST", "/v1/models/m:generateContent", {"contents": []})
        assert unknown["error"]["status"] == "INVALID_ARGUMENT"
        assert said(server, "GET", "/v1/files/none")["error"]["code"] == 403
        assert said(server, "GET", "/v2/other")["error"]["code"] == 404
        assert said(server, "POST", "/upload/v1/files", [])["error"]["code"] == 400
        inline = {"inlineData": {"mimeType": "video/mp4", "data": _base64(clip)}}
        body = {"contents": [{"role": "user", "parts": [inline, {"text": "write"}]}]}
        found = said(server, "POST", "/v1/models/m:generateContent", body)
        text = found["candidates"][0]["content"]["parts"][0]["text"]
        assert len(json.loads(text)["questions"]) == 6
        assert found["usageMetadata"]["promptTokensDetails"][0]["tokenCount"] == 40 * 70


def _base64(path: Path) -> str:
    import base64

    return base64.b64encode(path.read_bytes()).decode()


def said(server: StandIn, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(server.url + path, data, method=method)
    try:
        with urlopen(request, timeout=10) as response:
            return json.load(response)
    except HTTPError as error:
        return json.load(error)
