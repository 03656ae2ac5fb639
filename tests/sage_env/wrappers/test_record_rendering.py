"""Laws of `sage_env.wrappers.record_rendering`: a picture a step, a film an episode, none lost."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence

from sage_env import Answer, Invalid, Sample, Skip, VideoError
from sage_env.testing import MemoryVideo, open_memory
from sage_env.testing.episodes import ITEMS
from sage_env.wrappers import RecordRendering

ACTIONS = [Sample(0.0, 5.0, 2), Skip(7.0), Invalid("?", "why"), Answer("star")]


def make(**changes: Any) -> gym.Env[Any, Any]:
    arguments = {"dataset": ITEMS, "opener": open_memory, "frame_size": (24, 32)}
    arguments |= {"overview_frames": 4, "render_mode": "rgb_array"}
    return gym.make("sage_env:SageVideoQA-v0", **arguments | changes)


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_has_what_was_rendered_at_reset_and_after_every_step(tmp_path) -> None:
    env, plain = RecordRendering(make(), tmp_path / "films"), make()
    plain.reset(options={"item_id": "which"})
    expected = [plain.render()]
    env.reset(options={"item_id": "which"})
    for action in ACTIONS:
        assert data_equivalence(env.step(action)[:4], plain.step(action)[:4], exact=True)
        expected.append(plain.render())
    (path,) = env.paths
    assert path == tmp_path / "films" / "episode-000000-which.mp4"
    found = pictures(path)  # the episode has ended: nothing more is needed
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and np.abs(one.astype(int) - other).mean() < 4
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == env.metadata["render_fps"] == 1
    env.close()


def test_episodes_are_counted_chosen_and_cut_off_by_reset_and_close(tmp_path) -> None:
    asked = []

    def even(episode: int) -> bool:
        asked.append(episode)
        return episode % 2 == 0

    env = RecordRendering(make(), tmp_path, episode_trigger=even, name_prefix="run", fps=12.5)
    for _ in range(4):
        env.reset(options={"item_id": "who"})
        env.step(ACTIONS[0])
    env.close()
    assert asked == [0, 1, 2, 3]
    assert [p.name for p in env.paths] == ["run-000000-who.mp4", "run-000002-who.mp4"]
    for path in env.paths:
        assert len(pictures(path)) == 2
        with av.open(str(path)) as container:
            assert float(container.streams.video[0].average_rate) == 12.5


class Breaks(MemoryVideo):
    """A video that breaks at its second request."""

    def frames_at(self, seconds, **arguments):
        if max(seconds) == 5.0 or len(seconds) == 3:
            raise VideoError("the disk is on fire")
        return super().frames_at(seconds, **arguments)


def test_a_film_can_be_played_when_the_environment_raises_in_the_middle(tmp_path) -> None:
    env = RecordRendering(make(opener=lambda path: Breaks(60.0)), tmp_path)
    env.reset(options={"item_id": "which"})
    env.step(Skip(3.0))
    with pytest.raises(VideoError, match="on fire"):
        env.step(Sample(0.0, 10.0, 3))
    assert len(pictures(env.paths[0])) == 2
    env.reset(options={"item_id": "which"})
    env.close()
    assert [len(pictures(path)) for path in env.paths] == [2, 1]


def test_a_reset_that_fails_leaves_no_film_and_does_not_count(tmp_path) -> None:
    env = RecordRendering(make(), tmp_path)
    with pytest.raises(Exception, match="no item has the id"):
        env.reset(options={"item_id": "nobody"})
    assert not list(tmp_path.iterdir())
    env.reset(options={"item_id": "who"})
    env.close()
    assert [path.name for path in tmp_path.iterdir()] == ["episode-000000-who.mp4"]


IDS = ["../../etc/passwd", 'a:b*c?"<>|', "猫 の 映画", "x" * 999, "...", "nul\0"]


@pytest.mark.parametrize("item_id", IDS)
def test_any_id_makes_a_file_name_and_stays_in_the_folder(tmp_path, item_id: str) -> None:
    folder = tmp_path / "films"
    items = [replace(ITEMS[0], id=item_id)]
    for _ in range(3):  # other runs into the same folder
        env = RecordRendering(make(dataset=items), folder)
        env.reset(seed=0)
        env.close()
    assert [p.name for p in tmp_path.iterdir()] == ["films"]
    names = sorted(p.name for p in folder.iterdir())
    assert len(names) == 3 and all(name.startswith("episode-000000") for name in names)
    assert not any(c in name for name in names for c in '/\\:*?"<>| \0')
    assert all(len(pictures(folder / name)) == 1 for name in names)


def test_copies_record_their_own_films(tmp_path) -> None:
    env = RecordRendering(make(), tmp_path)
    env.reset(options={"item_id": "who"})
    for other in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        other.step(ACTIONS[0])  # the running film is the first one's
        other.reset(options={"item_id": "who"})
        other.step(ACTIONS[1])
        other.close()
    env.step(ACTIONS[0])
    env.close()
    names = {path.name: len(pictures(path)) for path in tmp_path.iterdir()}
    twice = {"episode-000001-who.mp4": 2, "episode-000001-who-2.mp4": 2}
    assert names == {"episode-000000-who.mp4": 2, **twice}


def test_it_can_be_remade_from_its_spec(tmp_path) -> None:
    env = RecordRendering(make(), tmp_path, name_prefix="again")
    again = gym.make(env.spec)
    assert isinstance(again, RecordRendering)
    again.reset(options={"item_id": "who"})
    again.close()
    assert [path.name for path in tmp_path.iterdir()] == ["again-000000-who.mp4"]


@pytest.mark.parametrize(
    ("arguments", "changes", "words"),
    [
        ({}, {"render_mode": None}, "render_mode='rgb_array'"),
        ({"name_prefix": "a/b"}, {}, "put folders into folder"),
        ({"name_prefix": ""}, {}, "name_prefix must be"),
        ({"name_prefix": ".hidden"}, {}, "name_prefix must be"),
        ({"fps": 0}, {}, "fps must be"),
        ({"fps": float("nan")}, {}, "fps must be"),
        ({"fps": 0.0004}, {}, "at least 0.001"),  # no fraction that a file could hold
    ],
)
def test_what_cannot_be_recorded_is_refused(tmp_path, arguments, changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        RecordRendering(make(**changes), tmp_path, **arguments)


def test_lists_of_pictures_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="rgb_array_list"):
        RecordRendering(gym.wrappers.RenderCollection(make()), tmp_path)
