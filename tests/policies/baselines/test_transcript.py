"""Laws of `policies.baselines.transcript`, `named_wrappers`: told what is said, shown nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.rollout.playing import EpisodeSpec, collect
from policies.base import Decision, PrivilegedPolicy
from policies.baselines.transcript import Transcript, transcript_text
from policies.baselines.uniform import UniformPolicy
from policies.registry import UnknownPolicy, load_policy
from sage_env import Answer, QAItem, VideoQAEnv
from sage_env.subtitles import Line
from sage_env.testing import open_memory
from sage_env.tools.quoting import FROM_OUTSIDE

LINES = [Line(float(k), k + 0.5, f"line number {k}") for k in range(200)]


class Listener:
    """Answers what is said last."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.shown: list[int] = []

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        self.asked.append(observation["question"])
        self.shown.append(int(observation["num_frames"]))
        return Decision(Answer(observation["question"].split()[-1]))


def questions(folder: Path) -> list[QAItem]:
    items = []
    for word in ("red", "blue"):
        path = folder / f"{word}.srt"
        path.write_text(f"1\n00:00:01,500 --> 00:00:02,000\nIt is <i>{word}</i>\n")
        items.append(QAItem(word, Path("60.memory"), "Which?", (), word, subtitles=path))
    return [*items, QAItem("silent", Path("60.memory"), "Which?", (), "red")]


def test_it_is_told_what_is_said_in_its_own_video_and_shown_nothing(tmp_path) -> None:
    items, listener = questions(tmp_path), Listener()
    policy = Transcript(listener)
    assert isinstance(policy, PrivilegedPolicy)
    made = {"dataset": items, "opener": open_memory, "frame_size": (8, 8), **policy.env_options}
    specs = [EpisodeSpec(item.id) for item in items]
    played = collect([VideoQAEnv(**made) for _ in range(3)], policy, specs, seed=0)
    assert [one.turns[-1].info["correct"] for one in played[:2]] == [True, True]
    assert listener.asked == [
        f"Which?\n\nWhat is said in the video ({FROM_OUTSIDE}):\n> [1.5 s] It is {word}"
        for word in ("red", "blue")
    ]
    assert listener.shown == [0, 0]
    assert "'silent' has no subtitles" in str(played[2].error), "a failure, and no wrong answer"


def test_a_long_transcript_loses_lines_evenly_and_says_so() -> None:
    whole = transcript_text(LINES)
    assert whole.count("\n") == 200 and "lines" not in whole.split("\n")[0]
    assert transcript_text([]) == f"What is said in the video ({FROM_OUTSIDE}):\n> (nothing)"
    head, *lines = transcript_text(LINES, 1000).split("\n")
    assert head == f"What is said in the video ({len(lines)} of 200 lines) ({FROM_OUTSIDE}):"
    assert 900 < sum(len(line) + 1 for line in lines) <= 1000
    numbers = [int(line.split()[-1]) for line in lines]
    gaps = {b - a for a, b in zip(numbers, numbers[1:], strict=False)}
    assert numbers[0] == 0 and max(gaps) - min(gaps) <= 1 and numbers[-1] > 190


def test_one_line_that_is_too_long_is_left_out() -> None:
    assert transcript_text([Line(0.0, 1.0, "x" * 99)], 50).endswith("\n> (nothing)")


def test_a_policy_around_another_is_made_by_name() -> None:
    inner = Listener()
    policy = load_policy("transcript:uniform:4:mine", objects={"mine": inner})
    assert isinstance(policy, Transcript) and policy.answerer is inner
    assert policy.env_options["max_frames"] == 0
    direct = load_policy("uniform:0:uniform:16:mine", objects={"mine": inner})
    assert isinstance(direct, UniformPolicy) and direct.answerer is inner
    oracle = load_policy("oracle:uniform:16:mine", objects={"mine": inner})
    assert oracle.env_options == {}, "one turn would leave no look at the evidence"
    with pytest.raises(ValueError, match="call inform"):
        policy.act_batch([{"question": "?"}], ["an episode"])
    for name, why in (
        ("transcript", "lacks a part"),
        ("oracle:oracle", "must not know the answer"),
        ("uniform:few:random", "a whole number, 0 or more"),
    ):
        with pytest.raises(UnknownPolicy, match=why):
            load_policy(name)


@pytest.mark.parametrize("name", ["sage-mm-tiny", "scripted", "random"])
@pytest.mark.parametrize("frames", [0, 1])
def test_policies_of_ours_answer_blind_and_from_one_frame(name, frames) -> None:
    pytest.importorskip("torch")
    policy = load_policy(f"uniform:{frames}:{name}", temperature=0.0)
    item = QAItem("q", Path("60.memory"), "What colour?", ("red", "blue"), "blue", "mcq")
    options = {**policy.env_options, "frame_size": (64, 64)}
    env = VideoQAEnv(dataset=[item], opener=open_memory, **options)
    (played,) = collect([env], policy, [EpisodeSpec("q")], seed=0)
    assert played.error is None and played.num_turns == 1
    assert played.turns[0].info["spent"].frames_shown == frames
    if name == "sage-mm-tiny":
        (counts,) = played.turns[0].decision.usage.replies
        assert counts.prompt > counts.visual == frames, "one token for a frame of 64 pixels"
