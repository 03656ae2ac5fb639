"""The settings of the whole line, one explanation under each, and how a folder keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from algos.runs.evaluation_manifest import plain
from algos.runs.json_files import read_json, write_json
from sage_env.errors import SageEnvError

STAND_IN = "stand-in"
"""The service that is a server on this machine."""
SETTINGS = "settings.json"
_MAY_DIFFER = ("out", "videos", "envs", "workers", "stop_after")


class LineError(SageEnvError, ValueError):
    """The line cannot be run as asked; the message names what to change."""


@dataclass(frozen=True, kw_only=True)
class LineSettings:
    """Settings of the whole line, from videos to a report."""

    out: Path = Path("runs/pipeline")
    """Folder of everything that is made; an unfinished line in it goes on."""
    videos: Path | None = None
    """Folder of your own videos; by default SageSynth's are made, of a seed of their own."""
    service: str = STAND_IN
    """Who writes the questions: stand-in (a server on this machine in Gemini's place, spoken to by
    the real client), gemini[:MODEL], or openai:MODEL."""
    budget: float | None = None
    """Dollars that writing and checking questions may cost; by default no limit."""
    video_count: int = 70
    """SageSynth videos that are made; multiples of 7 have every duration as often."""
    spoken_count: int = 7
    """Videos with speech among them, where a synthesiser is installed; 0 for none."""
    seed: int = 2027
    """Of the videos, the stand-in's errors, and all that is drawn."""
    held_out: float = 0.4
    """Share of the videos that nothing is learned from or chosen on: what is measured."""
    answerers: tuple[str, ...] = ("scripted",)
    """Policies that check the questions: who has to be able to answer, or unable."""
    labels: tuple[str, ...] = ("uniform",)
    """Checks that are told and reject nothing. An agent that should learn when one look is enough
    needs questions for which it is."""
    check_tries: int = 3
    """Plays of each question for each check."""
    teachers: tuple[str, ...] = ("scripted", "sage-mm-tiny")
    """Policies whose right episodes are learned from."""
    tries: tuple[int, ...] = (1, 4)
    """Episodes of each question, of each teacher."""
    checkpoint: str | None = None
    """Model that learns, a folder or hub id; by default the shipped small one."""
    direct_share: float = 0.3
    """Share of the SFT set that answers at once; the shipped model knows that, and looks badly."""
    rl_half: bool = True
    """Whether half of the RL set needs several turns and half none, as in the paper."""
    sft_epochs: int = 8
    """Passes over the episodes."""
    sft_lr: float = 1e-3
    """Peak learning rate of the fine-tuning; as of this and of the share, tried on other videos."""
    updates: int = 12
    """Of PPO."""
    per_update: int = 32
    """Questions of an update."""
    episodes: int = 8
    """Episodes of each question in an update."""
    actor_lr: float = 1e-3
    """Learning rate of PPO; the small model's, see `algos.experiment.settings`."""
    envs: int = 64
    """Episodes that are played at the same time; changes the speed, not the result."""
    workers: int = 2
    """Passes side by side, each on one core."""
    stop_after: str | None = None
    """Name of a stage after which to stop: videos, questions, checks, distill, sft, ppo or eval."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no line."""
        for one in fields(self):
            value = getattr(self, one.name)
            least = 0 if one.name in ("seed", "spoken_count") else 1
            if one.type == "int" and value < least:
                raise LineError(f"{one.name} must be at least {least}, got {value}")
        if not 0 < self.held_out < 1:
            raise LineError(f"held_out must be in (0, 1), got {self.held_out}")
        if len(self.tries) not in (1, len(self.teachers)) or not self.teachers:
            raise LineError(
                f"tries must be one number, or one for each of the {len(self.teachers)} teachers, "
                f"got {self.tries}"
            )
        if not self.answerers:
            raise LineError("answerers: nobody checks the questions, so that none could be kept")
        if (self.videos is None) != (self.service == STAND_IN):
            raise LineError(
                "the stand-in knows the videos that are made here and no others: give --videos "
                "FOLDER together with --service gemini (or openai:MODEL), or neither"
            )

    @property
    def offline(self) -> bool:
        """Return whether nothing is asked of another machine for the questions."""
        return self.service == STAND_IN

    @property
    def video_folder(self) -> Path:
        """Return the folder of the videos."""
        return self.out / "videos" if self.videos is None else self.videos

    @property
    def question_folder(self) -> Path:
        """Return the folder of the questions and their checks."""
        return self.out / "questions"

    @property
    def private(self) -> Path:
        """Return the folder of the stand-in's own record."""
        return self.out / "stand-in"

    def described(self) -> dict[str, Any]:
        """Return what the results depend on, as plain JSON data."""
        told = {name: value for name, value in asdict(self).items() if name not in _MAY_DIFFER}
        found: dict[str, Any] = plain(told)
        return found


def keep_settings(settings: LineSettings) -> None:
    """Write the settings to the folder, or refuse it if it was begun with others.

    Raises:
        LineError: naming what differs.
    """
    path, now = settings.out / SETTINGS, settings.described()
    if path.exists():
        then: Mapping[str, Any] = read_json(path)
        differ = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        if differ:
            told = "; ".join(f"{n}: {then.get(n)!r}, now {now.get(n)!r}" for n in differ)
            raise LineError(
                f"{settings.out} holds a line of other settings ({told}): go on with those, or "
                "give this one a folder of its own with --out"
            )
    write_json(path, now)
