"""Laws of `algos.suite.controls`: floors and ceilings by name, of policies that they suit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect
from algos.suite.controls import CONTROLS, UnknownControl, chosen_controls, why_not_with
from algos.suite.entries import Control
from policies.base import Decision
from policies.registry import load_policy
from sage_env import Answer, QAItem, Sample, VideoQAEnv
from sage_env.testing import open_memory


def questions() -> list[QAItem]:
    """Return two questions on each of three videos; all have evidence."""
    return [
        QAItem(
            f"v{k}-{n}",
            Path(f"{60 + k}.memory"),
            "which?",
            ("red", "blue", "green")[: 2 + n],
            "blue",
            "mcq",
            ((10.0, 20.0),),
            60.0 + k,
        )
        for k in range(3)
        for n in range(2)
    ]


class Spy:
    """Looks once, then answers with the last choice; keeps what it was shown."""

    env_options = {"overview_frames": 4}

    def __init__(self) -> None:
        self.seen: list[dict] = []
        self.answers_only = False

    def reset(self, *, seed=None):
        self.looked = False

    def act(self, observation):
        self.seen.append(dict(observation))
        if self.answers_only or self.looked:
            return Decision(Answer(str(observation["choices"]).split("\n")[-1]))
        self.looked = True
        return Sample(0.0, 30.0, 2)


def play(control: Control, spy: Spy, items: list[QAItem], seed: int = 0):
    """Play a control as an evaluation does, and return its items and rows."""
    changed = list(control.transform(items, seed)) if control.transform else items
    policy = load_policy(control.played_by("spy"), objects={"spy": spy})
    options = {**getattr(policy, "env_options", {}), "max_frames": 64, **control.env_options}
    envs = [VideoQAEnv(dataset=changed, opener=open_memory, frame_size=(8, 8), **options)]
    played = collect(envs, policy, [EpisodeSpec(item.id) for item in changed], seed=0)
    return changed, [sample_row(i, t) for i, t in zip(changed, played, strict=True)]


@pytest.mark.parametrize("name", [name for name in CONTROLS if name != "constant"])
def test_every_control_keeps_the_ids_and_tells_nobody_the_gold_answer(name, tmp_path) -> None:
    (said := tmp_path / "said.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    items = [replace(item, subtitles=said) for item in questions()]
    spy = Spy()
    changed, rows = play(CONTROLS[name], spy, items)
    assert [row["id"] for row in rows] == [item.id for item in items]
    assert all(row["error"] is None for row in rows)
    for seen in spy.seen:
        assert "blue" not in str({**seen, "choices": "", "frames": ""}), "but for the choices"


def test_what_each_control_shows() -> None:
    items = questions()
    frames = {}
    for name in ("blind", "one-frame", "wrong-video", "shuffled", "oracle"):
        spy = Spy()
        _, rows = play(CONTROLS[name], spy, items)
        frames[name] = {row["frames"] for row in rows}
        turns = {row["turns"] for row in rows}
        assert turns == ({1} if name in ("blind", "one-frame") else {2}), name
        if name == "one-frame":
            (seen,) = [s for s in spy.seen if float(s["duration"]) == 61.0][:1]
            assert seen["seconds"][0] == 30.5, "the frame in the middle"
    assert frames["blind"] == {0} and frames["one-frame"] == {1}
    assert frames["wrong-video"] == frames["shuffled"] == {6}
    assert frames["oracle"] == {4 + 8}, "the overview, and a look at the evidence"


@pytest.mark.parametrize("name", ["constant", "longest", "blind", "transcript"])
def test_the_environment_of_a_control_without_pictures_shows_none_whoever_plays(name) -> None:
    spy = Spy()
    options = {"max_frames": 64, "overview_frames": 16} | dict(CONTROLS[name].env_options)
    env = VideoQAEnv(dataset=questions(), opener=open_memory, frame_size=(8, 8), **options)
    collect([env], spy, [EpisodeSpec("v0-0")], seed=0)
    assert spy.seen and {int(seen["num_frames"]) for seen in spy.seen} == {0}


def test_a_blind_policy_cannot_be_given_frames_by_the_command_line() -> None:
    spy = Spy()
    policy = load_policy("uniform:0:spy", objects={"spy": spy})
    options = {**policy.env_options, "max_frames": 64, "overview_frames": 16, "max_turns": 5}
    env = VideoQAEnv(
        dataset=questions(), opener=open_memory, frame_size=(8, 8),
        **{**options, **CONTROLS["blind"].env_options},
    )  # fmt: skip
    collect([env], policy, [EpisodeSpec("v0-0")], seed=0)
    assert [int(seen["num_frames"]) for seen in spy.seen] == [0]


def test_constants_are_one_for_each_position_and_the_best_is_the_share_of_its_gold() -> None:
    items = questions()  # gold stands second of 2 and of 3
    controls, left_out = chosen_controls(["constant"], items)
    assert [control.name for control in controls] == ["constant-1", "constant-2", "constant-3"]
    right = []
    for control in controls:
        _, rows = play(control, Spy(), items)
        right.append(sum(row["verdict"] for row in rows))
        assert {row["frames_decoded"] for row in rows} <= {0, None}
    assert right == [0, 6, 0] and not left_out


def test_what_cannot_be_asked_is_left_out_and_says_why() -> None:
    items = questions()
    controls, left_out = chosen_controls([], items)
    assert [str(one) for one in left_out] == [
        "the control transcript is left out: no question has subtitles"
    ]
    assert len(controls) == len(CONTROLS) - 2 + 3
    bare = [replace(items[0], evidence=(), choices=(), kind="open")]
    controls, left_out = chosen_controls([], bare)
    assert {one.name: one.why for one in left_out} == {
        "constant": "no question has choices",
        "longest": "no question has choices",
        "shuffled": "no question has choices",
        "transcript": "no question has subtitles",
        "wrong-video": "all questions are about one video",
        "oracle": "no question has evidence spans",
    }
    assert [control.name for control in controls] == ["blind", "one-frame"]
    with pytest.raises(UnknownControl, match="'blinded': give some of constant, longest, blind"):
        chosen_controls(["blinded"], items)


def test_a_control_that_means_nothing_for_a_policy_says_why() -> None:
    unsuited = {
        policy: [name for name in CONTROLS if why_not_with(CONTROLS[name], policy)]
        for policy in ("sage-mm:x", "uniform:8", "constant:2", "gemini-video", "oracle:random")
    }
    once = ["blind", "transcript", "one-frame", "oracle"]
    assert unsuited["sage-mm:x"] == unsuited["uniform:8"] == []
    assert unsuited["constant:2"] == [
        "blind", "transcript", "one-frame", "wrong-video", "shuffled", "oracle"
    ]  # fmt: skip
    assert unsuited["gemini-video"] == once
    assert set(unsuited["oracle:random"]) == {*once, "wrong-video", "shuffled"}
    assert why_not_with(CONTROLS["blind"], "gemini-video") == (
        "it is given the whole video, whatever is shown"
    )
