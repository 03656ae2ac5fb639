"""Laws of `algos.viewer.reading.replay_commands`: each command plays, on a run of this project."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from algos.cli.entry import main
from algos.suite.evaluating import evaluate_entries
from algos.viewer.reading.replay_commands import what_if_commands
from policies.baselines.random_policy import RandomPolicy
from sage_env.synth import sage_synth

VALUES = {
    "turn": "1",
    "drop": "0",
    "frames": "6",
    "turns": "2",
    "policy": "random",
    "temperature": "0.5",
    "seed": "3",
}
CHANGED = {
    "Another budget": {"max_frames": 6, "max_turns": 2},
    "Another policy": {"policy": "random"},
    "Without the frames of this turn": {"dropped look": 0},
    "Another temperature or seed": {"temperature": 0.5, "seed": 3},
    "As it was recorded": {},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two entries, in a folder whose name a shell would read as several words."""
    dataset = sage_synth(tmp_path_factory.mktemp("videos"), "test", count=1)
    dataset.prepare(dataset[0])
    folder = tmp_path_factory.mktemp("runs") / "my run's $1"
    policies = {"random": RandomPolicy(), "again": RandomPolicy()}
    evaluate_entries(dataset[:1], policies, folder, envs=1, seed=2, max_turns=3)
    return folder, dataset[0].id


@pytest.mark.parametrize("label", CHANGED)
def test_each_command_plays_what_it_says(run, label, tmp_path, capsys) -> None:
    folder, question = run
    entry = "again" if label == "Another policy" else "random"
    commands = dict(what_if_commands([str(folder), "--entry", entry], question))
    assert set(commands) == set(CHANGED)
    text = re.sub(r"\{(\w+)\}", lambda place: VALUES[place[1]], commands[label])
    program, *words = shlex.split(text)
    assert program == "sage-vqa"
    assert main([*words, "--out", str(tmp_path / "replay")]) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "replay" / "replay.json").read_text())
    changed = {name: values[1] for name, values in record["changed"].items()}
    assert CHANGED[label].items() <= changed.items()
    assert (tmp_path / "replay" / "replay.html").exists()
    if not CHANGED[label]:
        assert record["first_difference"] is None and changed == {}
