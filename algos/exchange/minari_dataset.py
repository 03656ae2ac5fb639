"""Episodes as a Minari dataset, and back: every observation, lossless.

| Minari | is |
|---|---|
| `observations` | of `VideoQAEnv`, frames included, decoded again: T + 1 for T turns |
| `actions` | texts, as `sage_env.wrappers.TextActions` takes them: the JSON of an action, or what \
the agent wrote where that was none. The dataset's spaces are those of `TextActions(env)` |
| `rewards` | what was learned from; the environment's own in an evaluation |
| `terminations`, `truncations` | of the last step |
| `infos["record"]` | T + 1 texts of JSON: our turns as they are; the first has the rest |
| `seed`, `id` | of the episode |
| `options/item_id` | the question |

Storage is HDF5 without JPEG (`jpeg_encoding=False`; Minari's default is lossy). Failed episodes are
left out, and so are those whose judge failed: their last action has no reward.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algos.exchange.minari_spaces import register_spaces
from algos.exchange.played_entry import ExchangeError, PlayedEntry, plain_json
from algos.exchange.playing_again import actions_of, environment_of, play_again
from algos.rollout.trajectory import Trajectory
from sage_env.actions.action import Action, Invalid, is_unicode
from sage_env.actions.action_text import format_action
from sage_env.env import VideoQAEnv
from sage_env.lazy_exports import needs_extra
from sage_env.release import __version__
from sage_env.wrappers.text_actions import TextActions

_ROOT = "MINARI_DATASETS_PATH"
RECORD = "record"


@dataclass(frozen=True, eq=False)
class MinariEpisode:
    """One episode as the dataset has it.

    Attributes:
        trajectory: as it was exported.
        observations: by key: an array or list of T + 1 values.
        actions: texts.
        rewards: float64 `(T,)`.
    """

    trajectory: Trajectory
    observations: dict[str, Any]
    actions: Sequence[str]
    rewards: Any


def dataset_id(entry: PlayedEntry) -> str:
    """Return the name of an entry's dataset: `sage-vqa/DATASET/ENTRY-v0`, in Minari's letters."""
    words = [_word(entry.dataset), _word(entry.name)]
    return f"sage-vqa/{words[0]}/{words[1]}-v0"


def write_minari(
    entry: PlayedEntry,
    folder: Path,
    *,
    root: Path | None = None,
    call_tools: bool = False,
) -> str:
    """Write a dataset below a folder of datasets, and return its id.

    `MINARI_DATASETS_PATH=FOLDER` makes Minari find it. One episode is in memory at a time.

    Args:
        entry: whose episodes.
        folder: of datasets.
        root: folder of the videos, where they are not where the run had them.
        call_tools: whether tools may be called again to show what they showed.

    Raises:
        MissingExtra: if Minari or h5py is not installed.
        ExchangeError: if the dataset is there already, or something else is shown than then.
    """
    with needs_extra("the Minari export", "minari"):
        import h5py  # noqa: F401 - Minari says otherwise how to install it
        import minari
    name = dataset_id(entry)
    if (folder / name).exists():
        raise ExchangeError(f"{folder / name} is there already: remove it or give another --out")
    register_spaces(_texts(entry))
    with (
        environment_of(entry, root=root, call_tools=call_tools) as env,
        _datasets_in(folder),
        _whole_or_not(folder / name),
        warnings.catch_warnings(),
    ):
        # About authors and environments, which an evaluation does not know.
        warnings.filterwarnings("ignore", category=UserWarning, module="minari")
        minari.create_dataset_from_buffers(
            name,
            _buffers(env, entry),
            observation_space=env.observation_space,
            action_space=TextActions(env).action_space,
            algorithm_name=entry.policy,
            code_permalink="",
            description=_description(entry),
            requirements=[f"sage-video-qa=={__version__}"],
            data_format="hdf5",
            jpeg_encoding=False,
        )
    return name


def read_minari(folder: Path, name: str) -> Iterator[MinariEpisode]:
    """Yield the episodes of a dataset that `write_minari` wrote.

    Raises:
        MissingExtra: if Minari or h5py is not installed.
        ExchangeError: if it was written by another project.
    """
    with needs_extra("reading a Minari dataset", "minari"):
        import h5py  # noqa: F401
        import minari
    register_spaces()
    with _datasets_in(folder):
        dataset = minari.load_dataset(name)
        for episode in dataset.iterate_episodes():
            try:
                records = [json.loads(text) for text in episode.infos[RECORD]]
            except (KeyError, TypeError, ValueError) as error:
                raise ExchangeError(
                    f"{folder / name} holds no episodes that were exported here: {error!r}"
                ) from error
            trajectory = Trajectory.from_json({**records[0], "turns": records[1:]})
            # Minari gives texts of a space that it does not know as bytes.
            actions = [_decoded(action) for action in episode.actions]
            yield MinariEpisode(trajectory, episode.observations, actions, episode.rewards)


def action_text(action: Action | Invalid) -> str:
    """Return an action as `TextActions` takes it."""
    return action.text if isinstance(action, Invalid) else format_action(action)


def _buffers(env: VideoQAEnv, entry: PlayedEntry) -> Iterator[Any]:
    """Yield one buffer for each episode that did not fail."""
    from minari.data_collector import EpisodeBuffer

    for number, (question, trajectory) in enumerate(entry.episodes()):
        seen = list(play_again(env, question, trajectory, actions_of(trajectory)))
        told = plain_json(trajectory.to_json())
        records = [{**told, "turns": []}, *told["turns"]]
        length = len(trajectory.turns)
        ends = [k == length - 1 for k in range(length)]
        yield EpisodeBuffer(
            id=number,
            seed=trajectory.seed,
            options={"item_id": question.item.id},
            observations={key: _column([one[key] for one in seen]) for key in seen[0]},
            actions=_storable([action_text(action) for action in actions_of(trajectory)]),
            rewards=[turn.reward for turn in trajectory.turns],
            terminations=[end and trajectory.terminated for end in ends],
            truncations=[end and trajectory.truncated for end in ends],
            infos={RECORD: [json.dumps(record) for record in records]},
        )


def _column(values: list[Any]) -> Any:
    """Return the values of one key as HDF5 takes them: texts as a list, numbers as an array."""
    if isinstance(values[0], str):
        return _storable(values)
    return np.stack([np.asarray(value) for value in values])


def _storable(texts: list[str]) -> list[str]:
    """Return texts that HDF5 keeps as they are; refuse the others rather than change them."""
    for text in texts:
        if "\0" in text or not is_unicode(text):
            raise ExchangeError(
                f"HDF5 cannot hold the text {text!r:.60}: it has a NUL or half a character; leave "
                "that question out with `sage-vqa eval --ids`"
            )
    return texts


def _texts(entry: PlayedEntry) -> Iterator[str]:
    for question, trajectory in entry.episodes():
        yield from (question.item.question, *question.item.choices)
        yield from (action_text(action) for action in actions_of(trajectory))


def _description(entry: PlayedEntry) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in entry.counts().items())
    return (
        f"{entry.policy} on {entry.dataset}, long-video question answering. Of "
        f"{len(entry.questions)} questions: {counts}; failed ones are left out. Actions are texts "
        "as sage_env.wrappers.TextActions takes them."
    )


def _word(text: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in text)
    return kept.strip("-_") or "unnamed"


def _decoded(text: Any) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


@contextmanager
def _whole_or_not(folder: Path) -> Iterator[None]:
    """Remove what a dataset that failed half-way has left."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _datasets_in(folder: Path) -> Iterator[None]:
    """Inside the block, let Minari keep its datasets in a folder."""
    before = os.environ.get(_ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[_ROOT] = str(folder.absolute())  # Minari joins a relative one twice
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_ROOT, None)
        else:
            os.environ[_ROOT] = before
