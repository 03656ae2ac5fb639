"""Playing what a plan asks for and nobody has played yet, in the environment of every evaluation.

What is written down is written before the next play ends: a kill loses the plays that were running,
and asks for them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from algos.data_pipeline.checking.check_kinds import CHECKS
from algos.data_pipeline.checking.check_log import CHECKS_FILE, CheckPlay, is_known, read_plays
from algos.data_pipeline.checking.check_settings import CheckError, CheckSettings
from algos.data_pipeline.checking.confined_tools import confined_tools
from algos.data_pipeline.checking.planned_plays import PASS, PlannedPlay
from algos.data_pipeline.questions.ledger import BudgetSpent, Ledger
from algos.data_pipeline.questions.question_files import LEDGER
from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.seeds import subseed
from policies.base import PrivilegedPolicy
from policies.briefing import WholeVideoPolicy
from policies.registry import AnyPolicy, load_policy
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError
from sage_env.openers import FileOpener, Opener, RestrictedOpener

Progress = Callable[[CheckPlay], None]
_WITH_TOOLS = ("outside", PASS)  # others are answered at once: no turn is left for a tool


@dataclass(frozen=True, eq=False)
class Answering:
    """Who answers, and what videos are opened by.

    Attributes:
        policies: objects by the names that they go by; other names are of `policies.registry`.
        opener: of whole videos.
        progress: called with each play that ended.
    """

    policies: Mapping[str, AnyPolicy] = field(default_factory=dict)
    opener: Opener = field(default_factory=FileOpener)
    progress: Progress = lambda _: None


def play_missing(
    folder: Path, plays: Sequence[PlannedPlay], settings: CheckSettings, how: Answering
) -> None:
    """Play what has no verdict yet, and write every play down as it ends.

    Args:
        folder: of the questions; no one else may write there meanwhile.
        plays: of a plan.
        settings: of the checks.
        how: who answers.

    Raises:
        CheckError: if a policy cannot answer checks, or the play ended early: it says how much is
            saved.
    """
    known = read_plays(folder)
    waiting = [play for play in plays if not is_known(known, play.key)]
    if not waiting:
        return
    with (
        closing(AppendLog(folder / CHECKS_FILE)) as log,
        closing(Ledger(folder / LEDGER, settings.budget)) as ledger,
    ):
        writer = _Writer(log, ledger, how.progress)
        try:
            writer.require_budget()
        except BudgetSpent as error:
            raise CheckError(f"{error}; nothing was played") from error
        # One policy at a time: a large model leaves its memory to the next.
        for answerer, named in groupby(waiting, lambda play: play.answerer):
            policy = answering_policy(answerer, settings, how.policies)
            for check, some in groupby(named, lambda play: play.check):
                _play(check, list(some), policy, settings, how.opener, writer)


def answering_policy(
    name: str, settings: CheckSettings, policies: Mapping[str, AnyPolicy]
) -> AnyPolicy:
    """Return the policy of a name, if it can be shown a part of a video.

    Raises:
        CheckError: if it would know the answer, or see the whole video whatever is shown.
        SageEnvError: if there is none by that name.
    """
    policy = load_policy(
        name, temperature=settings.temperature, tools=settings.tools, objects=policies
    )
    if isinstance(policy, PrivilegedPolicy):
        raise CheckError(f"{name!r} is told more than it is shown: give another answerer")
    if isinstance(policy, WholeVideoPolicy):
        raise CheckError(
            f"{name!r} is given the whole video, whatever it is shown: give a policy that sees "
            "frames, such as gemini:MODEL"
        )
    return policy


def _play(
    check: str,
    plays: Sequence[PlannedPlay],
    policy: AnyPolicy,
    settings: CheckSettings,
    opener: Opener,
    writer: _Writer,
) -> None:
    """Play one check by one answerer."""
    player = policy if check == PASS else CHECKS[check].player(policy, settings)
    if hasattr(player, "temperature"):
        player.temperature = 1.0 if check == PASS else settings.temperature
    by_id = {play.asked.id: play for play in plays}
    items = [play.asked for play in plays]
    spans = max(1, *(len(item.evidence) for item in items))
    options: dict[str, Any] = dict(getattr(player, "env_options", {}))
    if check != PASS:
        options |= CHECKS[check].env_options(settings, spans)
    restricts = check != PASS and CHECKS[check].restricts
    options["opener"] = RestrictedOpener(opener) if restricts else opener
    if settings.judge != "rule":
        options["judge"] = settings.judge
    if settings.call_timeout is not None:
        options["call_timeout"] = settings.call_timeout
    specs = [EpisodeSpec(item.id, subseed(settings.seed, item.id), name=item.id) for item in items]

    def ended(trajectory: Trajectory) -> None:
        writer.write(by_id[str(trajectory.item_id)], trajectory)

    with ExitStack() as stack:
        if check in _WITH_TOOLS and settings.tools:
            options["tools"] = settings.tools
            if restricts:
                options["tools"] = stack.enter_context(confined_tools(settings.tools))
        envs = stack.enter_context(_environments(items, min(settings.envs, len(items)), options))
        seed = subseed(settings.seed, "checks", check)
        try:
            collect(envs, player, specs, seed=seed, progress=ended, isolate=True, keep=False)
        except SageEnvError as error:
            raise CheckError(f"{error}; {writer.saved()}") from error
        except BaseException as error:
            error.add_note(writer.saved())
            raise


class _Writer:
    """Writes plays down: what was paid first, so that nothing paid is ever without a line."""

    def __init__(self, log: AppendLog, ledger: Ledger, progress: Progress) -> None:
        self._log, self._ledger, self._progress = log, ledger, progress
        self._attempts: Counter[str] = Counter()
        self._written = 0

    def write(self, play: PlannedPlay, trajectory: Trajectory) -> None:
        row = play_row(play, trajectory)
        self._pay(play.key, trajectory)
        self._log.append(asdict(row))
        self._written += 1
        self._progress(row)
        self.require_budget()

    def require_budget(self) -> None:
        budget, spent = self._ledger.budget, self._ledger.spent()
        if budget is not None and spent.dollars > budget:
            raise BudgetSpent(f"the budget is ${budget:.2f}, and {spent.sentence()} are spent")

    def saved(self) -> str:
        return (
            f"{self._written} more plays are saved in {self._log.path}, and the same command goes "
            "on with the others"
        )

    def _pay(self, key: str, trajectory: Trajectory) -> None:
        decisions = [turn.decision for turn in trajectory.turns]
        decisions += [] if trajectory.failed is None else [trajectory.failed]
        for usage in (one.usage for one in decisions):
            for counts in () if usage is None or usage.model is None else usage.replies:
                assert usage is not None and usage.model is not None
                # A play that is asked for again is paid for again: its lines have other numbers.
                while (request := f"check/{key}/{self._attempts[key]}") in self._ledger:
                    self._attempts[key] += 1
                self._ledger.pay(request, stage="check", model=usage.model, counts=counts)


def play_row(play: PlannedPlay, trajectory: Trajectory) -> CheckPlay:
    """Return a play that has ended as a line of `checks.jsonl`."""
    row = sample_row(play.asked, trajectory)
    # What comes of a play in which a tool was late is not the answerer's doing.
    error = row["error"] or ("a tool was late" if trajectory.hindered else None)
    infos = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    seconds = [float(s) for info in infos for s in info.get("frame_seconds") or ()]
    return CheckPlay(
        key=play.key,
        question=play.question,
        check=play.check,
        answerer=play.answerer,
        trial=play.trial,
        verdict=None if error is not None else row["verdict"],
        prediction=row["prediction"],
        error=error,
        turns=row["turns"],
        frames=row["frames"],
        seen=(min(seconds), max(seconds)) if seconds else None,
        tokens=row["tokens"],
        cost=row["cost"],
        price=row["price"],
        seconds=row["seconds"],
    )


@contextmanager
def _environments(
    items: Sequence[Any], count: int, options: dict[str, Any]
) -> Iterator[Sequence[VideoQAEnv]]:
    try:
        envs = [VideoQAEnv(dataset=items, **options) for _ in range(count)]
    except (ValueError, TypeError) as error:
        raise CheckError(f"no environment can be made for the checks: {error}") from error
    try:
        yield envs
    finally:
        for env in envs:
            env.close()
