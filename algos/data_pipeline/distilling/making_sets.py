"""From questions and teachers to three sets: played, filtered, written.

OUT/
episodes/POLICY.jsonl   every episode, written as it ends
sft.parquet             episodes to imitate
dpo.parquet             pairs of episodes
rl.parquet              questions to train on
filter_log.jsonl        why each episode and question that is in no set is in none
manifest.json           settings, counts, hashes
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from algos.data_pipeline.distilling.distill_manifest import (
    begin,
    finish,
    play_settings,
    require_same_play,
)
from algos.data_pipeline.distilling.episode_facts import EpisodeFacts
from algos.data_pipeline.distilling.filtering import Filtered, filter_episodes
from algos.data_pipeline.distilling.parquet_sets import FILES, SetKind, write_set
from algos.data_pipeline.distilling.playing_tries import Teacher, TryFile, play_tries
from algos.data_pipeline.distilling.preference_pairs import Pair, find_pairs
from algos.data_pipeline.distilling.rl_questions import RLQuestion, choose_questions
from algos.data_pipeline.distilling.set_rows import (
    Played,
    Row,
    episode_row,
    pair_row,
    question_row,
    rl_row,
)
from algos.data_pipeline.distilling.settings import DistillError, DistillSettings
from algos.suite.entries import file_name
from sage_env.datasets.item import QAItem
from sage_env.storage.atomic_file import atomic_path
from sage_env.tools.naming import find_tools
from sage_env.wrappers.chat_observations import system_text

EPISODES = "episodes"
FILTER_LOG = "filter_log.jsonl"


@dataclass(frozen=True, eq=False)
class Sets:
    """What came of a distillation.

    Attributes:
        folder: where the files lie.
        root: the folder of the videos, which their readers have to be told where it is another.
        filtered: the episodes of the SFT set, and what became of the others.
        pairs: of the DPO set.
        questions: of the RL set.
        questions_lost: why each other question is not in the RL set, by its id.
        counts: everything in numbers, as the manifest has it.
    """

    folder: Path
    root: Path
    filtered: Filtered
    pairs: Sequence[Pair]
    questions: Sequence[RLQuestion]
    questions_lost: Mapping[str, str]
    counts: Mapping[str, Any]


def distill(
    items: Sequence[QAItem],
    teachers: Sequence[Teacher],
    folder: Path,
    settings: DistillSettings | None = None,
    *,
    asked: Sequence[QAItem] | None = None,
    root: Path | None = None,
    held_out: Collection[str] = (),
    seed: int = 0,
    envs: int = 8,
    progress: bool = False,
) -> Sets:
    """Let teachers play questions several times, and make sets of what they did.

    Killed at any moment, the same call goes on, and ends with the same files.

    Args:
        items: the dataset, which may make its videos.
        teachers: who plays, no name twice.
        folder: of the distillation; no one else may write there meanwhile.
        settings: of the play, the filters and the sets.
        asked: questions of the dataset; by default all.
        root: folder of the videos, relative to which the sets name them; by default the one that
            they share.
        held_out: ids of questions of which nothing may get into a set; they are not played.
        seed: of environments, of the policies' draws, and of what is left out by chance.
        envs: episodes that are played at the same time; changes the speed, not the result.
        progress: show progress bars.

    Raises:
        DistillError: if the folder holds episodes of other settings, or nothing could be played.
        SageEnvError: if a teacher cannot play, or a file cannot be read or written.
    """
    settings = settings or DistillSettings()
    chosen = [x for x in (items if asked is None else asked) if x.id not in held_out]
    _require_sound(teachers, chosen)
    told = play_settings(teachers, chosen, seed)
    require_same_play(folder, told)
    begin(folder, told)
    files: dict[str, TryFile] = {}
    for teacher in teachers:
        path = folder / EPISODES / f"{file_name(teacher.name)}.jsonl"
        play_tries(teacher, items, chosen, path, seed=seed, envs=envs, progress=progress)
        files[teacher.name] = TryFile(teacher, chosen, path)
    place = root if root is not None else shared_folder(chosen)
    about = {"frame_size": getattr(items, "frame_size", None)}
    about |= {"seed": seed, "settings": asdict(settings)}
    return _Writing(teachers, files, chosen, folder, settings, seed, place, about).write(held_out)


def _require_sound(teachers: Sequence[Teacher], asked: Sequence[QAItem]) -> None:
    if not teachers or not asked:
        what = "no policy" if not teachers else "no question that is not held out"
        raise DistillError(f"{what} was given: there is nothing to distil")
    names = [file_name(teacher.name).lower() for teacher in teachers]
    if len(set(names)) < len(names):
        told = ", ".join(teacher.name for teacher in teachers)
        raise DistillError(f"two policies have one name: {told}")
    if any(teacher.tries < 1 for teacher in teachers):
        raise DistillError("every policy has to play each question at least once")


def shared_folder(items: Sequence[QAItem]) -> Path:
    """Return the folder that all videos of questions lie below."""
    return Path(os.path.commonpath([os.path.abspath(item.video.parent) for item in items]))


class _Writing:
    """The sets of one distillation, as they are made of its episodes."""

    def __init__(
        self,
        teachers: Sequence[Teacher],
        files: Mapping[str, TryFile],
        asked: Sequence[QAItem],
        folder: Path,
        settings: DistillSettings,
        seed: int,
        root: Path,
        about: Mapping[str, Any],
    ) -> None:
        self.files, self.folder, self.settings, self.root = files, folder, settings, root
        self.about, self.seed = about, seed
        self.items = {item.id: item for item in asked}
        self.options = {teacher.name: teacher.env_options for teacher in teachers}
        self.systems = {
            teacher.name: system_text(find_tools(teacher.env_options.get("tools", ())))
            for teacher in teachers
        }
        self.order = {name: place for place, name in enumerate(self.files)}
        self.places = {item_id: place for place, item_id in enumerate(self.items)}

    def write(self, held_out: Collection[str]) -> Sets:
        """Filter, and write every file.

        Args:
            held_out: questions that were held out, which the manifest counts.
        """
        facts = sorted(
            (one for file in self.files.values() for one in file.facts()),
            key=lambda e: (self.places[e.item_id], self.order[e.policy], e.attempt),
        )
        _require_some(facts)
        how, seed = self.settings, self.seed
        videos = {item.id: str(item.video) for item in self.items.values()}
        filtered = filter_episodes(facts, how.filter, videos, seed=seed)
        pairs = find_pairs(
            filtered.comparable,
            how.pairs,
            most=how.pairs_per_question,
            grounded=how.filter.grounded,
            seed=seed,
        )
        questions, lost = choose_questions(
            facts, half=how.rl_half, most=how.rl_questions, policy=how.rl_policy, seed=seed
        )
        rows = {
            "sft": write_set(self._path("sft"), "sft", self._sft(filtered.kept), self.about),
            "dpo": write_set(self._path("dpo"), "dpo", self._dpo(pairs), self.about),
            "rl": write_set(self._path("rl"), "rl", self._rl(questions), self.about),
        }
        self._write_log(filtered, lost)
        counts = _counts(facts, filtered, pairs, questions, lost)
        counts = {"rows": rows, "questions held out": len(held_out), **counts}
        finish(
            self.folder,
            {"filters": asdict(how), "counts": counts},
            [*FILES.values(), FILTER_LOG],
        )
        return Sets(self.folder, self.root, filtered, pairs, questions, lost, counts)

    def _path(self, kind: SetKind) -> Path:
        return self.folder / FILES[kind]

    def _played(self, facts: EpisodeFacts) -> Played:
        trajectory = self.files[facts.policy].trajectory(facts)
        return Played(facts, trajectory, self.options[facts.policy], self.systems[facts.policy])

    def _sft(self, kept: Sequence[EpisodeFacts]) -> Iterator[Row]:
        for facts in kept:
            item = self.items[facts.item_id]
            yield {**question_row(item, self.root), **episode_row(item, self._played(facts))}

    def _dpo(self, pairs: Sequence[Pair]) -> Iterator[Row]:
        for pair in pairs:
            item = self.items[pair.chosen.item_id]
            both = self._played(pair.chosen), self._played(pair.rejected)
            yield pair_row(item, self.root, pair.rule, *both)

    def _rl(self, questions: Sequence[RLQuestion]) -> Iterator[Row]:
        for question in questions:
            yield rl_row(self.items[question.item_id], question, self.root)

    def _write_log(self, filtered: Filtered, questions: Mapping[str, str]) -> None:
        with atomic_path(self.folder / FILTER_LOG) as partial:
            with partial.open("w", encoding="utf-8") as file:
                for name, reason in filtered.lost.items():
                    row = {"set": "sft", "episode": name, "reason": reason}
                    file.write(json.dumps(row) + "\n")
                for item_id, reason in questions.items():
                    row = {"set": "rl", "question": item_id, "reason": reason}
                    file.write(json.dumps(row) + "\n")


def _require_some(facts: Sequence[EpisodeFacts]) -> None:
    """Refuse a play in which everything failed on our side: the sets would silently be empty."""
    failed = [one for one in facts if one.error is not None]
    if len(failed) == len(facts):
        raise DistillError(
            f"all {len(facts)} episodes failed, the first with: {failed[0].error}; the same "
            "command plays them again"
        )


def _counts(
    facts: Sequence[EpisodeFacts],
    filtered: Filtered,
    pairs: Sequence[Pair],
    questions: Sequence[RLQuestion],
    lost: Mapping[str, str],
) -> dict[str, Any]:
    """Return everything that was chosen and left out, in numbers."""
    kept = filtered.kept
    by_policy = {}
    for name in dict.fromkeys(one.policy for one in facts):
        own = [one for one in facts if one.policy == name]
        by_policy[name] = {
            "episodes": len(own),
            "failed": sum(one.error is not None for one in own),
            "right": sum(one.right is True for one in own),
            "kept": sum(one.policy == name for one in kept),
        }
    return {
        "episodes played": len(facts),
        "by policy": by_policy,
        "sft": {
            "episodes": len(kept),
            "state-action pairs": sum(one.turns for one in kept),
            "questions": len({one.item_id for one in kept}),
            "direct": sum(one.direct for one in kept),
            "several turns": sum(not one.direct for one in kept),
            "with tools": sum(one.uses_tools for one in kept),
            "without evidence to see": sum(one.evidence_seen is None for one in kept),
            "left out": filtered.counts,
            "notes": list(filtered.notes),
        },
        "dpo": dict(Counter(pair.rule for pair in pairs)),
        "rl": {
            "questions": len(questions),
            "direct": sum(one.horizon == "direct" for one in questions),
            "several turns": sum(one.horizon != "direct" for one in questions),
            "mean pass rate": _mean([one.pass_rate for one in questions]),
            "left out": dict(Counter(lost.values())),
        },
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
