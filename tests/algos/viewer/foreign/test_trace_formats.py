"""Laws of `algos.viewer.foreign.trace_formats`, `chat_messages`,
`conversations`, `chat_traces`, `videoseek_traces`, `atif_traces`, `sage_traces`, `lmms_traces`,
`inspect_traces`, `own_traces`.

What each trace says is worked out by hand; sources are named in `tests.helpers.viewer.traces`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from algos.exchange.atif_documents import DOCUMENTS, write_atif
from algos.exchange.lmms_samples import write_lmms_samples
from algos.exchange.picture_files import PictureFolder
from algos.exchange.played_entry import PlayedEntry, read_entry
from algos.viewer.foreign import open_trace
from algos.viewer.view_data import QuestionView, StepView
from tests.helpers.played.planned_run import planned_run
from tests.helpers.viewer.traces import ALL, SAGE, picture, write_trace


def opened(folder: Path, name: str) -> QuestionView:
    run = open_trace(write_trace(folder, name))
    assert run.count == 1 and len(run.notes) == 1
    return run.question(run.order[0])


def steps_of(question: QuestionView) -> list[StepView]:
    return list(question.episodes[0].steps)


def told(step: StepView) -> tuple[Any, ...]:
    return step.turn, step.action, step.span, [frame.second for frame in step.frames]


EXPECTED: dict[str, tuple[list[tuple[Any, ...]], str | None, bool | None]] = {
    "sage": (
        [(1, "zoom", (45.0, 65.0), [44.0, 64.0]), (2, "answer", None, [])],
        "Call your mom",
        None,
    ),
    "lmms": ([(1, "crop_video", (30.0, 42.5), []), (2, "answer", None, [])], "C", True),
    "lmms-old": ([(1, "answer", None, [])], "no", False),
    "longvt": (
        [
            (0, "overview", None, [0.0, 60.0]),
            (1, "crop_video", (50.0, 60.0), [52.5, 57.5]),
            (2, "answer", None, []),
        ],
        "A cup",
        None,
    ),
    "dvd": (
        [
            (0, "overview", None, []),
            (1, "frame_inspect_tool", (10.0, 65.0), []),
            (2, "answer", None, []),
        ],
        "The red team",
        None,
    ),
    "videoseek": (
        [
            (1, "overview", None, []),
            (2, "focus", (85.0, 95.5), []),
            (3, "answer", None, []),
        ],
        "B",
        None,
    ),
    "atif": (
        [
            (0, "overview", None, []),
            (1, "get_frames", None, [70.0]),
            (2, "answer", None, []),
        ],
        "At 1:10.",
        None,
    ),
    "responses": (
        [
            (0, "overview", None, []),
            (1, "view", (3.0, 9.0), []),
            (2, "view", (20.0, 30.0), []),
            (3, "answer", None, []),
        ],
        "A leaf",
        None,
    ),
    "trainer": ([(0, "overview", None, [12.0, 14.0]), (1, "answer", None, [])], "Ann", True),
    "inspect": (
        [
            (0, "overview", None, []),
            (1, "clip", (4.0, 10.0), [5.0]),
            (2, "answer", None, []),
        ],
        "B",
        True,
    ),
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_each_format_gives_its_turns_times_answer_and_verdict(tmp_path: Path, name: str) -> None:
    question = opened(tmp_path, name)
    episode = question.episodes[0]
    steps, prediction, verdict = EXPECTED[name]
    assert [told(step) for step in episode.steps] == steps
    assert (episode.prediction, episode.verdict) == (prediction, verdict)


@pytest.mark.parametrize("name", sorted(ALL))
def test_how_a_document_is_laid_out_changes_nothing(tmp_path: Path, name: str) -> None:
    plain = opened(tmp_path / "plain", name)
    path = write_trace(tmp_path / "indented", name, indent=2)
    run = open_trace(path)
    assert run.question(run.order[0]) == plain


def test_what_a_trace_does_not_say_is_unknown(tmp_path: Path) -> None:
    question = opened(tmp_path, "responses")
    episode = question.episodes[0]
    assert (question.gold, question.gold_choice, question.duration) == (None, None, None)
    assert (episode.verdict, episode.stop_reason, episode.error) == (None, None, None)
    assert all(step.reward is None and step.seconds is None for step in episode.steps)


def test_choices_and_gold_are_told_apart_where_they_stand_in_the_question(tmp_path: Path) -> None:
    seek, lmms = opened(tmp_path, "videoseek"), opened(tmp_path, "lmms")
    assert seek.question == "Which animal?" and seek.choices == ["Hawk", "Panda", "Tiger"]
    assert (lmms.gold, lmms.gold_choice, lmms.id) == ("blue", 2, "601-1")
    sage = opened(tmp_path, "sage")
    assert (sage.gold_choice, sage.group["difficulty"]) == (1, "medium")


def test_a_prompt_that_marks_its_question_and_length_gives_both(tmp_path: Path) -> None:
    question = opened(tmp_path, "dvd")
    assert (question.id, question.question, question.duration) == ("q-12", "Who wins?", 90.0)


def test_several_stretches_of_one_call_are_named(tmp_path: Path) -> None:
    step = steps_of(opened(tmp_path, "dvd"))[1]
    assert step.extra["stretches"] == "10 to 20 s, 60 to 65 s"


def test_replies_go_to_the_calls_that_they_name(tmp_path: Path) -> None:
    steps = steps_of(opened(tmp_path, "responses"))
    assert [step.told for step in steps[1:3]] == ["first", "second"]


def test_thoughts_stand_apart_from_calls_and_answers(tmp_path: Path) -> None:
    assert [step.thought for step in steps_of(opened(tmp_path, "longvt"))] == [
        None,
        "Near the end.",
        "A cup.",
    ]
    assert steps_of(opened(tmp_path, "responses"))[1].thought == "Middle."
    assert steps_of(opened(tmp_path, "inspect"))[1].thought == "See."
    assert [step.thought for step in steps_of(opened(tmp_path, "lmms"))] == [
        "Look closer.",
        "Blue.",
    ]


def test_pictures_come_with_the_frames_that_they_are_of(tmp_path: Path) -> None:
    longvt = steps_of(opened(tmp_path, "longvt"))
    shown = [frame.picture for step in longvt for frame in step.frames]
    assert shown == [picture(name) for name in ("red", "green", "blue", "white")]
    assert "spread" in longvt[1].extra["times of the frames"]
    assert opened(tmp_path, "longvt").frame_size == (6, 8)
    assert opened(tmp_path, "dvd").frame_size is None
    for name, colour in (("atif", "red"), ("trainer", "red"), ("inspect", "blue")):
        frames = [f for step in steps_of(opened(tmp_path, name)) for f in step.frames]
        assert {frame.picture for frame in frames} == {picture(colour)}, name


def test_measures_of_a_step_are_its_own(tmp_path: Path) -> None:
    step = steps_of(opened(tmp_path, "atif"))[1]
    assert (step.tokens, step.prompt_tokens, step.cost) == (20, 100, 0.001)


def test_pictures_whose_time_nobody_says_are_counted_and_not_placed(tmp_path: Path) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages = [
        {"role": "user", "content": [part, part, {"type": "text", "text": "Who?"}]},
        {"role": "assistant", "content": "Ann"},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(messages))
    run = open_trace(path)
    overview = steps_of(run.question(run.order[0]))[0]
    assert list(overview.frames) == []
    assert overview.extra == {
        "pictures without a time": "2",
        "pictures of the trace left out": "2",
    }


def test_a_trace_of_sage_takes_its_verdict_from_the_judged_results_beside_it(
    tmp_path: Path,
) -> None:
    judged = {k: v for k, v in SAGE.items() if k not in ("id", "complete_results")}
    judged |= {"is_correct": True, "evaluation_reasoning": "it says so", "duration": 151.0}
    other = {**judged, "question": "Another?", "is_correct": False}
    (tmp_path / "m.jsonl").write_text(json.dumps(SAGE) + "\n")
    (tmp_path / "m.json").write_text(json.dumps([other, judged]))
    for path in (tmp_path / "m.jsonl", tmp_path):
        run = open_trace(path)
        assert len(run.entries) == run.count == 1
        question = run.question(run.order[0])
        assert question.episodes[0].verdict is True and question.duration == 151.0
    differs = [{**judged, "answer": "something else"}]
    (tmp_path / "m.json").write_text(json.dumps(differs))
    run = open_trace(tmp_path / "m.jsonl")
    assert run.question(run.order[0]).episodes[0].verdict is None


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> PlayedEntry:
    return read_entry(planned_run(tmp_path_factory.mktemp("planned")))


def test_our_episodes_show_what_was_played_and_asked(entry: PlayedEntry) -> None:
    (path,) = (entry.folder / "evaluations").glob("*.jsonl")
    run = open_trace(path)
    assert run.count == len(entry.questions)
    for played in entry.questions:
        question = run.question(played.item.id)
        assert (question.question, question.gold) == (played.item.question, played.item.answer)
        trajectory = played.trajectory
        assert trajectory is not None
        turns = [step for step in steps_of(question) if step.turn > 0]
        assert len(turns) >= len(trajectory.turns)
        frames = [list(turn.info.get("frame_seconds") or ()) for turn in trajectory.turns]
        assert [[f.second for f in step.frames] for step in turns[: len(frames)]] == frames


@pytest.mark.parametrize("images", [False, True])
def test_our_exports_open_with_verdict_answer_and_frames(
    entry: PlayedEntry, tmp_path: Path, images: bool
) -> None:
    folder = PictureFolder(tmp_path / "images", "png", tmp_path) if images else None
    write_atif(entry, tmp_path, pictures_as=folder)
    atif = open_trace(tmp_path / DOCUMENTS)
    samples = open_trace(write_lmms_samples(entry, tmp_path / "lmms")[1])
    for played in entry.questions:
        row = played.row
        for run in (atif, samples):
            if played.item.id not in run.order:
                assert played.trajectory is None
                continue
            episode = run.question(played.item.id).episodes[0]
            assert (episode.verdict, episode.prediction) == (row["verdict"], row["prediction"])
            assert episode.error == row["error"]
    frames = [f for name in atif.order for s in steps_of(atif.question(name)) for f in s.frames]
    assert frames and all((frame.picture is not None) == images for frame in frames)
