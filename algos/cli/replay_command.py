"""`sage-vqa replay RUN`: a recorded question played again, with something changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.replaying.playing_on import play_on
from algos.replaying.recorded import RecordedEpisode, recorded_episode
from algos.replaying.replay_record import change_texts, replay_record, save_record
from algos.replaying.side_by_side import timelines
from algos.rollout.environment_options import BUDGET, FRAMES, SIZES
from algos.runs.joint_folder import entry_folder
from algos.viewer.reading.run_folders import read_run
from algos.viewer.writing.view_file import write_view
from policies.registry import AnyPolicy, load_policy
from policies.served.named_options import read_options


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Play a recorded question again: another policy, another budget, a look dropped.

    What is not named stays as it was recorded: with nothing named it is the recorded episode. Both
    are printed side by side and written to a folder.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder that `sage-vqa eval` wrote, of one entry or of several."""
    question: str
    """Id of the question."""
    entry: str | None = None
    """Name of the entry, where the folder holds several."""
    turn: int | None = None
    """First turn that is chosen anew, from 1; the turns before are as recorded. By default the
    first, with --drop the one after the dropped look."""
    drop: int | None = None
    """Turn whose frames and text are kept from the policy; 0 is the overview."""
    policy: str | None = None
    """Who plays on, as `sage-vqa eval --policy` names it; by default who played."""
    adapter: Path | None = None
    """Folder of a trained LoRA adapter; by default that of the record, for its policy."""
    policy_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """NAME=VALUE, as often as needed: a setting of the policy, over those of the record."""
    temperature: float | None = None
    """Sampling temperature; by default that of the record. 0 is greedy."""
    seed: int | None = None
    """Seed of the policy; by default that of the record."""
    max_turns: int | None = None
    """Most turns, the answer included."""
    max_frames: int | None = None
    """Most frames, the overview included."""
    frames_per_turn: int | None = None
    """Most frames that one action is shown."""
    overview_frames: int | None = None
    """Evenly spaced frames shown at the start."""
    root: Path | None = None
    """Folder of the video files, if they are not where the run had them."""
    html: bool = False
    """Whether to write a page with both timelines and all frames, too."""
    out: Path = Path("runs/replay")
    """Folder for `replay.json` and the page; a replay that is there is written over."""

    def run(self) -> None:
        """Play, print both, save.

        Raises:
            CommandError: if the folder is another's, or the episode failed.
        """
        self._check()
        recorded = recorded_episode(
            entry_folder(self.run_folder, self.entry), self.question, root=self.root
        )
        policy, settings = self._policy(recorded)
        environment = self._environment(recorded, policy)
        turn = self.turn or (1 if self.drop is None else self.drop + 1)
        found = play_on(recorded, policy, environment, turn=turn, drop=self.drop, seed=self.seed)
        settings |= {"environment": environment, "dropped look": self.drop}
        settings["dataset"] = recorded.settings.get("dataset")
        record = replay_record(recorded, found, settings)
        say(f"{recorded.item.question}\n")
        say(timelines(recorded.trajectory, found.trajectory))
        self._tell(record)
        save_record(self.out / "replay.json", record)
        say(f"saved in {self.out / 'replay.json'}")
        if self.html:
            view = read_run(self.out / "replay.json")
            say(f"page: {write_view(view, self.out / 'replay.html').path}")
        if found.trajectory.error is not None:
            raise CommandError(found.trajectory.error)

    def _check(self) -> None:
        """Refuse numbers that are none, and a folder of another command, before anything plays."""
        if self.turn is not None and self.turn < 1:
            raise CommandError(f"--turn must be at least 1, got {self.turn}")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise CommandError(f"--temperature must be 0 or more, got {self.temperature}")
        if self.seed is not None and self.seed < 0:
            raise CommandError(f"--seed must be 0 or more, got {self.seed}")
        own = {"replay.json", "replay.html"}
        if self.out.exists() and any(path.name not in own for path in self.out.iterdir()):
            raise CommandError(f"{self.out} holds something else: name another folder with --out")

    def _policy(self, recorded: RecordedEpisode) -> tuple[AnyPolicy, dict[str, Any]]:
        """Return who plays on, and its settings under the names of the manifest."""
        was = recorded.settings
        same = self.policy in (None, was.get("policy"))
        name = str(was.get("policy")) if self.policy is None else self.policy
        kept: dict[str, Any] = dict(was.get("policy options") or {}) if same else {}
        adapter = Path(str(was["adapter"])) if same and was.get("adapter") else None
        temperature = was.get("temperature") if self.temperature is None else self.temperature
        seed = recorded.trajectory.conditions.policy_seed if self.seed is None else self.seed
        try:
            options = kept | read_options(self.policy_option)
        except ValueError as error:
            raise CommandError(f"--policy-option {error}") from None
        policy = load_policy(
            name,
            adapter=adapter if self.adapter is None else self.adapter,
            temperature=temperature,
            options=options,
            tools=recorded.environment.get("tools", ()),
        )
        settings = {"policy": name, "temperature": temperature, "seed": was.get("seed")}
        if self.seed is not None:
            settings["seed"] = seed
        settings["adapter"] = adapter if self.adapter is None else self.adapter
        return policy, settings | {"policy options": options or None}

    def _environment(self, recorded: RecordedEpisode, policy: AnyPolicy) -> dict[str, Any]:
        """Return the arguments of the environment: the record's, and over them what was named.

        Another policy that plays from the first turn on also has what it asks for; one that comes
        later has its size of frames alone.
        """
        found = recorded.environment
        if self.policy is not None and self.policy != recorded.settings.get("policy"):
            wanted: dict[str, Any] = dict(getattr(policy, "env_options", {}))
            first = self.turn in (None, 1) and self.drop in (None, 0)
            names = wanted if first else [name for name in wanted if name in SIZES]
            if any(name in SIZES for name in names):
                found = {name: value for name, value in found.items() if name not in SIZES}
            found |= {name: wanted[name] for name in names}
        given = {name: getattr(self, name) for name in BUDGET}
        found |= {name: value for name, value in given.items() if value is not None}
        if self.max_frames is not None and self.overview_frames is None:
            overview = found.get("overview_frames", FRAMES)
            found["overview_frames"] = min(overview, self.max_frames)
        return found

    def _tell(self, record: dict[str, Any]) -> None:
        """Say what was changed, where the episodes part, and how the turns before were given."""
        changed = [f"{name}: {words}" for name, words in change_texts(record).items()]
        say(f"\nchanged:  {'; '.join(changed) or 'nothing'}")
        place = record["first_difference"]
        words = "they are the same" if place is None else f"they part at turn {place}"
        before = "" if record["before"] == "nothing" else f"; turns before: {record['before']}"
        say(f"result:   {words}{before}")
