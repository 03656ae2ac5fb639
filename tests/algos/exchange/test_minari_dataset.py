"""Laws of `algos.exchange.minari_dataset`, `minari_spaces`: each observation comes back exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algos.exchange.minari_dataset import action_text, read_minari, write_minari
from algos.exchange.minari_spaces import register_spaces
from algos.exchange.played_entry import ExchangeError, PlayedEntry, read_entry
from algos.exchange.playing_again import actions_of, environment_of, play_again
from policies.base import Decision
from sage_env import Invalid
from sage_env.wrappers import TextActions


@pytest.fixture(scope="module")
def dataset(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("minari")
    return folder, write_minari(read_entry(run), folder)


def test_every_observation_comes_back_exactly(
    entry: PlayedEntry, dataset: tuple[Path, str]
) -> None:
    episodes = list(read_minari(*dataset))
    assert len(episodes) == 3
    with environment_of(entry) as env:
        for episode, (question, trajectory) in zip(episodes, entry.episodes(), strict=True):
            seen = list(play_again(env, question, trajectory, actions_of(trajectory)))
            assert len(seen) == len(episode.actions) + 1
            assert episode.observations.keys() == seen[0].keys()
            for key, values in episode.observations.items():
                assert len(values) == len(seen)
                for then, now in zip(seen, values, strict=True):
                    np.testing.assert_array_equal(np.asarray(now), np.asarray(then[key]))
                    if not isinstance(now, str):
                        assert now.dtype == np.asarray(then[key]).dtype


def test_episodes_actions_and_rewards_come_back(
    entry: PlayedEntry, dataset: tuple[Path, str]
) -> None:
    for episode, (_, trajectory) in zip(read_minari(*dataset), entry.episodes(), strict=True):
        assert episode.trajectory.to_json() == trajectory.to_json()
        actions = actions_of(trajectory)
        assert list(episode.actions) == [action_text(action) for action in actions]
        assert episode.rewards.tolist() == [turn.reward for turn in trajectory.turns]
        for text, action in zip(episode.actions, actions, strict=True):
            read = TextActions.action(None, text)  # type: ignore[arg-type]
            assert read == action or isinstance(action, Invalid) and isinstance(read, Invalid)


def test_the_spaces_are_those_of_the_environment(
    entry: PlayedEntry, dataset: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import minari

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(dataset[0]))
    register_spaces()
    read = minari.load_dataset(dataset[1])
    with environment_of(entry) as env:
        assert read.observation_space == env.observation_space
        assert read.action_space == TextActions(env).action_space
    for episode, (_, played) in zip(read.iterate_episodes(), entry.episodes(), strict=True):
        before = [False] * (len(played.turns) - 1)
        assert episode.terminations.tolist() == [*before, played.terminated], "with its last step"
        assert episode.truncations.tolist() == [*before, played.truncated]
        assert read.observation_space["question"].contains("ein Döner, 烤肉")
    assert read.total_episodes == 3 and read.total_steps == 8
    data = next(iter(read.iterate_episodes()))
    assert data.terminations.tolist() == [False, False, True] and not data.truncations.any()
    assert not read.storage.jpeg_encoding
    assert (
        "1 right, 1 wrong, 1 missing, 1 unjudged, 1 failed" in read.storage.metadata["description"]
    )


def test_minari_alone_reads_it(dataset: tuple[Path, str]) -> None:
    """A process that knows nothing of us loads it; its texts are in the spaces that it sees."""
    code = f"""
import sys, minari, numpy as np
data = minari.load_dataset({dataset[1]!r})
episode = next(iter(data.iterate_episodes()))
text = data.observation_space["question"]
assert type(text).__name__ == "Text" and text.contains(episode.observations["question"][0])
assert all(data.action_space.contains(action) for action in episode.actions)
assert not any(name.startswith(("sage_env", "algos")) for name in sys.modules)
print(episode.observations["frames"].shape)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"MINARI_DATASETS_PATH": str(dataset[0]), "PATH": "", "HOME": str(dataset[0])},
        capture_output=True,
        text=True,
        cwd=dataset[0],
    )
    assert done.stdout.strip() == "(4, 4, 64, 96, 3)", done.stderr


def test_a_relative_folder_is_as_good(run: Path, tmp_path: Path, monkeypatch) -> None:
    entry = read_entry(run.absolute())
    monkeypatch.chdir(tmp_path)
    name = write_minari(entry, Path("out/minari"))
    assert (tmp_path / "out/minari" / name / "data").is_dir()
    assert len(list(read_minari(Path("out/minari"), name))) == 3


def test_a_dataset_is_not_written_over(entry: PlayedEntry, dataset: tuple[Path, str]) -> None:
    assert dataset[1] == "sage-vqa/plans/planned-v0"
    with pytest.raises(ExchangeError, match="is there already"):
        write_minari(entry, dataset[0])


def test_a_text_that_the_file_cannot_hold_is_refused_and_nothing_stays(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    question = entry.questions[1]
    turns = list(question.trajectory.turns)
    turns[0] = replace(turns[0], decision=Decision(Invalid("a\0b", "no JSON object")))
    told = replace(question, trajectory=replace(question.trajectory, turns=turns))
    with pytest.raises(ExchangeError, match="HDF5 cannot hold the text 'a"):
        write_minari(replace(entry, questions=[entry.questions[0], told]), tmp_path)
    assert not list(tmp_path.rglob("*.hdf5"))
    assert write_minari(entry, tmp_path)


def test_a_dataset_of_another_project_is_refused(tmp_path: Path, monkeypatch) -> None:
    import gymnasium as gym
    import minari
    from minari.data_collector import EpisodeBuffer

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    buffer = EpisodeBuffer(
        id=0, observations=[0, 1], actions=[0], rewards=[1.0], terminations=[True],
        truncations=[False],
    )  # fmt: skip
    space = gym.spaces.Discrete(2)
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(
            "other/toy-v0", [buffer], observation_space=space, action_space=space
        )
    with pytest.raises(ExchangeError, match="no episodes that were exported here"):
        list(read_minari(tmp_path, "other/toy-v0"))


def test_a_plain_text_space_stays_plain() -> None:
    from gymnasium.spaces import Text
    from minari.serialization import deserialize_space, serialize_space

    register_spaces(["é"])
    register_spaces()
    plain = Text(5, charset="ab")
    assert deserialize_space(serialize_space(plain)) == plain
    assert "unicode" not in json.loads(serialize_space(plain))
