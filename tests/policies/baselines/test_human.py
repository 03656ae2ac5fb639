"""Laws of `policies.baselines.human`: what is typed, what is printed, which frames are saved."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from algos.rollout.playing import play
from policies.baselines.human import FRAMES, Human, read_command
from policies.errors import PolicyError
from policies.registry import load_policy
from sage_env import Answer, Invalid, QAItem, Sample, Skip, UseTool, VideoQAEnv, Zoom
from sage_env.testing import open_memory

ITEM = QAItem("q", Path("60.memory"), "which?", ("left", "right"), "right", "mcq")


def sit_down(folder, typed: str):
    """Play one episode with what is typed; return the trajectory and what was printed."""
    out = io.StringIO()
    human = Human(folder, stdin=io.StringIO(typed), stdout=out)
    env = VideoQAEnv(dataset=[ITEM], opener=open_memory, overview_frames=3, frame_size=(64, 64))
    try:
        return play(env, human, seed=0), out.getvalue()
    except PolicyError as error:
        return error, out.getvalue()


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("skip 95", Skip(95.0)),
        ("SKIP 1:35", Skip(95.0)),
        ("sample 0 60", Sample(0.0, 60.0, FRAMES)),
        ("sample 0:10 1:00:00 4", Sample(10.0, 3600.0, 4)),
        ("zoom 31 34.5", Zoom(31.0, 34.5, FRAMES)),
        ("zoom 31 34 2", Zoom(31.0, 34.0, 2)),
        ("zoom 31 34 0.5 0 1 0.5", Zoom(31.0, 34.0, FRAMES, (0.5, 0.0, 1.0, 0.5))),
        ("zoom 31 34 2 0.5 0 1 0.5", Zoom(31.0, 34.0, 2, (0.5, 0.0, 1.0, 0.5))),
        ('tool ground {"event": "a goal"}', UseTool("ground", {"event": "a goal"})),
        ("tool ground", UseTool("ground", {})),
        ("  answer  the red one ", Answer("the red one")),
        ('{"action": "zoom", "start": 1, "end": 2, "num_frames": 3}', Zoom(1.0, 2.0, 3)),
    ],
)
def test_commands(line: str, action: object) -> None:
    assert read_command(line) == action


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("look", "no command 'look'"),
        ("help", "zoom START END"),
        ("skip", "expected TO, got ''"),
        ("skip soon", "expected a time in seconds or MM:SS, got 'soon'"),
        ("sample 9 3", "start must be before end"),
        ("sample 0 9 many", "whole number of frames, got 'many'"),
        ("zoom 0 9 4 0.5", "X0 Y0 X1 Y1"),
        ("zoom 0 9 0.5 0 1 x", "could not convert"),
        ("zoom 0 9 0.5 0 0.1 1", "box must be fractions"),
        ("answer", "text of the answer"),
        ("tool ground {", "JSON"),
        ("tool", "name must be"),
        ('{"action": "fly"}', "fly"),
    ],
)
def test_what_cannot_be_read_is_explained(line: str, reason: str) -> None:
    found = read_command(line)
    assert isinstance(found, Invalid) and reason in found.reason


@given(st.text(max_size=60))
def test_nothing_typed_raises(line: str) -> None:
    for command in ("", "skip ", "sample ", "zoom ", "tool ", "answer "):
        read_command(command + line)


def test_an_episode_with_a_mistake_in_it(tmp_path) -> None:
    trajectory, said = sit_down(tmp_path, "zoom 9\n\nzoom 10 20 2\nanswer B\nanswer A\n")
    actions = [turn.decision.action for turn in trajectory.turns]
    assert actions == [Zoom(10.0, 20.0, 2), Answer("B")] and trajectory.ret == 1.0
    assert "A video of 1:00.0. which?" in said and "A) left\n  B) right" in said
    assert "There is no command" not in said  # an empty line asks nothing
    assert "zoom: expected START END" in said and "turns left 9, frames left 123" in said
    paths = [Path(line.split()[-1]) for line in said.splitlines() if line.endswith(".png")]
    assert len(paths) == 5 and sorted(paths) == sorted(tmp_path.rglob("*.png"))
    assert paths[0] == tmp_path / "episode-1" / "turn-0" / "00-at-10.0s.png"
    seen = open_memory(Path("60.memory")).frames_at([10.0], size=(64, 64)).pixels[0]
    seen = seen[8:56]  # without the black bars
    assert np.array_equal(np.asarray(Image.open(paths[0])), seen)


def test_the_next_episode_has_a_folder_of_its_own(tmp_path) -> None:
    sit_down(tmp_path, "answer A\n")
    sit_down(tmp_path, "answer A\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["episode-1", "episode-2"]


def test_the_end_of_the_input_is_one_sentence(tmp_path) -> None:
    error, _ = sit_down(tmp_path, "zoom 10 20 2\n")
    assert isinstance(error, PolicyError) and "the input ended before" in str(error)


def test_by_name(tmp_path) -> None:
    human = load_policy(f"human:{tmp_path}")
    assert isinstance(human, Human) and human.folder == tmp_path
    assert isinstance(load_policy("human"), Human)
