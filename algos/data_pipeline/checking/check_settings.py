"""How questions are checked: who answers, how often, and what counts as more than a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sage_env.errors import SageEnvError

PLAYED = ("sufficient", "blind", "transcript", "outside", "uniform")
"""Checks that are played, in the order in which they are: `check_kinds` says how."""
WRITTEN = ("injected", "length", "gives_away", "near_duplicate")
"""Checks that read the questions alone, before anything is played."""
CAP, AUDIT, EDITED = "cap", "audit", "edited"
"""Why a question goes after all checks: its video has enough, or a person says so."""
OURS = (*WRITTEN, *PLAYED, CAP)
"""Names of checks in `rejected.jsonl` that one call of `check_questions` decides."""


class CheckError(SageEnvError):
    """Questions cannot be checked as asked; the message names what to change."""


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Settings of `check_questions`; every number that decides is one of them.

    Attributes:
        answerers: policies by name that answer the played checks; another family of models than
            the one that wrote the questions says more. None: nothing is played, and no question
            can be accepted.
        tools: names of tools that answerers may use where they play as agents.
        listen: whether speech is recognised in videos with questions about it and no subtitles.
        judge: who decides on open answers that no rule can decide, by name.
        checks: of `PLAYED`, those that are played.
        labels: of `checks`, those that are played and told, and reject nothing.
        tries: least plays of a question, for each check and answerer; more where its choices are
            so few that this many right guesses are likely, see `guesses.tries_needed`.
        level: most probability that guesses alone count as an answer, for each question and check,
            over all answerers together.
        share: least share of right tries that counts as an answer.
        temperature: of the answerers.
        span_frames: frames of each evidence span that `sufficient` shows.
        uniform_frames: evenly spaced frames of the whole video that `uniform` shows.
        outside_frames: evenly spaced frames of the rest of the video that `outside` shows; `None`:
            the answerer looks where it likes, as an agent.
        margin: seconds around the evidence that `outside` hides with it.
        least_rest: seconds of a rest that is worth looking at; with less `outside` is not asked.
        orders: whether questions that hold an order to whoever reads them are rejected; else they
            are played as any other: what they say is text.
        length_ratio: a right choice that is this many times as long as the longest other is
            rejected; `None`: none is.
        similar: cosine from which two texts of questions are near, see `near_duplicates`; `None`:
            what suits the way in which they are compared.
        per_video: most questions of one video; `None` for any number.
        held_out: share of the videos whose questions are held out for tests.
        rl_policy: who plays each kept question for `pass_rates`; `None` for nobody.
        rl_tries: how often.
        seed: of everything that is drawn.
        envs: questions that are played side by side; changes the speed, not the result.
        call_timeout: seconds for one call of a tool or judge; `None`: as the environment has it.
        budget: dollars that the checks may cost, by the ledger; `None` for no limit.
    """

    answerers: Sequence[str] = ()
    tools: Sequence[str] = ()
    listen: bool = True
    judge: str = "rule"
    checks: Sequence[str] = PLAYED
    labels: Sequence[str] = ()
    tries: int = 3
    level: float = 0.05
    share: float = 0.5
    temperature: float = 1.0
    span_frames: int = 16
    uniform_frames: int = 16
    outside_frames: int | None = None
    margin: float = 1.0
    least_rest: float = 1.0
    orders: bool = True
    length_ratio: float | None = 2.5
    similar: float | None = None
    per_video: int | None = 20
    held_out: float = 0.1
    rl_policy: str | None = None
    rl_tries: int = 4
    seed: int = 0
    envs: int = 8
    call_timeout: float | None = None
    budget: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that nothing can be checked with.

        Raises:
            CheckError: naming the setting.
        """
        for name in ("checks", "labels"):
            if unknown := [one for one in getattr(self, name) if one not in PLAYED]:
                known = ", ".join(PLAYED)
                raise CheckError(f"{name}: there is no check {unknown[0]!r}: give some of {known}")
        if len(set(self.answerers)) < len(self.answerers):
            raise CheckError(f"an answerer is named twice: {', '.join(self.answerers)}")
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                raise CheckError(f"{name} must be from {least} to {most}, got {value}")

    @property
    def gates(self) -> tuple[str, ...]:
        """Return the played checks that reject."""
        return tuple(one for one in PLAYED if one in self.checks and one not in self.labels)

    def described(self) -> Mapping[str, object]:
        """Return what the verdicts depend on, as JSON data."""
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        data = {name: list(v) if isinstance(v, list | tuple) else v for name, v in told.items()}
        return {name: value for name, value in data.items() if name not in ("envs", "budget")}


_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("tries", 1, 1000),
    ("level", 1e-9, 0.5),
    ("share", 0.0, 1.0),
    ("temperature", 0.0, 10.0),
    ("span_frames", 1, 1024),
    ("uniform_frames", 1, 1024),
    ("outside_frames", 1, 1024),
    ("margin", 0.0, 1e6),
    ("least_rest", 0.0, 1e6),
    ("length_ratio", 1.0, 1e6),
    ("similar", 0.0, 1.0),
    ("per_video", 1, 1e9),
    ("held_out", 0.0, 1.0),
    ("rl_tries", 2, 10_000),
    ("seed", 0, 2**63),
    ("envs", 1, 1024),
    ("budget", 0.0, 1e9),
)
