"""Rewards: functions that give every step named terms, whose sum is the environment's reward."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias, cast

from sage_env.actions.action import Action, Answer, Invalid
from sage_env.argument_checks import is_finite
from sage_env.datasets.item import QAItem
from sage_env.deadlines.timed_call import TimedPlugIn
from sage_env.errors import JudgeError, RewardError, RewardTimeout, boundary
from sage_env.history import History
from sage_env.object_reference import is_reference, load_object


class Reward(Protocol):
    """A function called once after every step, before the step returns."""

    def __call__(
        self, item: QAItem, action: Action | Invalid, history: History
    ) -> Mapping[str, float]:
        """Return the named terms of this step's reward: at least one, all finite.

        `history` ends with `action`; `history.ended` says whether the episode did, and
        `history.verdict` whether the answer is right (False when the turns ran out).
        """


StepJudge: TypeAlias = Callable[[QAItem, Action | Invalid, History], bool]
"""Says whether looking so was reasonable, given what had been seen; see `sage`."""


def answer(item: QAItem, action: Action | Invalid, history: History) -> Mapping[str, float]:
    """Give 1 for a right answer, else 0. The default."""
    return {"answer": 1.0 if history.ended and history.verdict else 0.0}


def efficient(frames_weight: float = 0.2, turns_weight: float = 0.1) -> Reward:
    """Return the reward `answer`, less a `cost` of looking, charged only when the answer is right.

    The cost is `frames_weight` times the share used of the environment's whole budget of frames,
    plus `turns_weight` times that of turns. Wrong answers cost nothing, so giving up early gains
    nothing; with weights that sum to less than 1, right always beats wrong. By default a right
    answer that used half of both budgets is worth 1 - 0.2 / 2 - 0.1 / 2 = 0.85.

    Args:
        frames_weight: cost of the whole budget of frames.
        turns_weight: cost of the whole budget of turns.
    """
    return partial(_efficient, frames_weight=frames_weight, turns_weight=turns_weight)


def _efficient(
    item: QAItem,
    action: Action | Invalid,
    history: History,
    *,
    frames_weight: float,
    turns_weight: float,
) -> Mapping[str, float]:
    right = 1.0 if history.ended and history.verdict else 0.0
    frames = history.spent.frames_shown / max(1, history.env_frames or history.max_frames)
    turns = history.spent.turns / (history.env_turns or history.max_turns)
    cost = frames_weight * frames + turns_weight * turns
    return {"answer": right, "cost": -cost if right else 0.0}


def sage(*, early: float = 0.0, reasonable: StepJudge | None = None) -> Reward:
    """Return the reward of SAGE (arXiv 2512.13874), with the defects of its released code mended.

    A *look* is a skip, a sample, a zoom or the use of a tool: what SAGE calls a tool call.

    | term | of | value |
    |---|---|---|
    | `format` | every turn | +0.05 for a valid action, -0.10 for one that is not |
    | `arguments` | every turn | -0.10 for a look that was refused (`Look.refused`) |
    | `repeat` | every turn | -0.05 √n for a look that was asked for n times before, just so |
    | `reasonable` | every look | ±0.10, what `reasonable` says; only if it is given |
    | `accuracy` | the last turn | see below |
    | `early` | the last turn | `early` times the share of turns left, if the answer is right |

    `accuracy` is 1 for a right answer, 1.25 if frames were shown after the overview; 0 for a wrong
    answer without a look before it; -0.5 for a wrong answer after looks, and for none at all; -2 if
    the turns ran out on an invalid action.

    What differs from the released code, and why:

    * `format`: text that is no JSON got 0 there, better than JSON with a wrong key; the paper's
      -0.10 is for both.
    * `arguments`: a look with impossible arguments costs this and keeps its `format`; where the
      text is no action there are no arguments to punish. Failures of ours are not refusals: they
      are errors, and never a reward.
    * `reasonable`: a judge that failed gave -0.10 there; here it raises `JudgeError`. The paper
      asks GPT-4o; without a judge the term is absent, so the preset `"sage"` is offline.
    * `accuracy`: an action that is invalid ended the episode there, and gives the -2 here only
      when it is the last; "wrong and N >= 1" in the paper's formula, with N the number of turns,
      holds for every answer, and its prose and its code mean the number of looks. The bonus for a
      visual tool needs frames that were really shown.
    * `early`: the code, not the paper, adds one point for every turn left, to wrong answers too,
      outweighing `accuracy` and in no logged term. Here it is off unless asked for, at most
      `early`, for right answers only, from the first turn on, and a term like any other.
    * Absent: the code's penalty for repaired JSON (nothing is repaired here), and that for many web
      or speech calls (in the code, out of reach of any input).

    Valid turns pay 0.05 each, as published: use `early` or `efficient` to have looks cost.

    Args:
        early: most that is added for answering right at once.
        reasonable: `(item, action, history) -> bool`, asked at every look.

    Raises:
        ValueError: if `early` is negative or not finite.
    """
    if not (is_finite(early) and early >= 0):
        raise ValueError(f"early must be a number >= 0, got {early}")
    return partial(_sage, early=early, reasonable=reasonable)


def _sage(
    item: QAItem,
    action: Action | Invalid,
    history: History,
    *,
    early: float,
    reasonable: StepJudge | None,
) -> Mapping[str, float]:
    valid = not isinstance(action, Invalid)
    looks = valid and not isinstance(action, Answer)
    refused = looks and history.looks[-1].refused
    repeats = history.actions[:-1].count(action) if looks else 0
    won = history.ended and history.verdict
    terms = {
        "format": 0.05 if valid else -0.10,
        "arguments": -0.10 if refused else 0.0,
        "repeat": -0.05 * math.sqrt(repeats),
        "accuracy": _accuracy(history) if history.ended else 0.0,
        "early": early * (1 - history.spent.turns / history.max_turns) if won else 0.0,
    }
    if reasonable is not None:
        terms["reasonable"] = 0.0
        if looks:
            terms["reasonable"] = 0.10 if _asked(reasonable, item, action, history) else -0.10
    return terms


def _accuracy(history: History) -> float:
    """Return what the end of an episode is worth."""
    last = history.actions[-1]
    if history.verdict:
        return 1.25 if any(look.seconds for look in history.looks[1:]) else 1.0
    if isinstance(last, Invalid):
        return -2.0
    looked = any(not isinstance(before, Answer | Invalid) for before in history.actions)
    return -0.5 if looked else 0.0


def _asked(judge: StepJudge, item: QAItem, action: Action | Invalid, history: History) -> bool:
    with boundary(JudgeError, f"the judge of looks failed on item {item.id!r}"):
        verdict: object = judge(item, action, history)
    if not isinstance(verdict, bool):
        raise JudgeError(f"a judge of looks must return True or False, got {verdict!r}")
    return verdict


PRESETS: Mapping[str, Reward] = {"answer": answer, "efficient": efficient(), "sage": sage()}


def find_reward(reward: str | Reward, timeout: float | None = None) -> Reward:
    """Return the preset of that name, or the function itself, with a deadline.

    Args:
        reward: the name of a preset, `"package.module:function"`, or the function.
        timeout: seconds that a call may take; `None` for no limit. Those of ours that ask nobody
            need none.

    Raises:
        ValueError: if there is no such preset, or it is not a function.
        RewardError: if the module or the function in it is not there.
    """
    if isinstance(reward, str):
        if reward in PRESETS:
            return PRESETS[reward]
        if is_reference(reward):
            with boundary(RewardError, f"the reward {reward} cannot be imported"):
                reward = load_object(reward, "the reward", RewardError)
    if isinstance(reward, str | type) or not callable(reward):
        raise ValueError(
            f"reward must be a function, its 'package.module:name', or one of "
            f"{', '.join(PRESETS)}, got {reward!r}"
        )
    if timeout is None or _asks_nobody(reward):
        return reward
    return cast(Reward, TimedPlugIn(reward, timeout, RewardTimeout, "the reward"))


def _asks_nobody(reward: Reward) -> bool:
    """Return whether a reward is one of ours that asks nobody."""
    if not isinstance(reward, partial):
        return reward is answer
    asks = reward.keywords.get("reasonable") is not None
    return reward.func in (_efficient, _sage) and not asks


def reward_terms(
    reward: Reward, item: QAItem, action: Action | Invalid, history: History
) -> dict[str, float]:
    """Return the terms of one step, as floats.

    Args:
        reward: the function.
        item: the question.
        action: the newest action.
        history: the episode so far, which ends with `action`.

    Raises:
        RewardError: if the function fails, or returns something else than terms.
    """
    with boundary(RewardError, f"the reward failed on item {item.id!r}"):
        terms: object = reward(item, action, history)
    return checked_terms(terms)


def checked_terms(terms: object) -> dict[str, float]:
    """Return a copy of what a reward function gave, as floats.

    Raises:
        RewardError: if it is not a non-empty mapping of names to finite numbers with a finite sum.
    """
    law = "a reward must return a non-empty mapping of names to finite numbers"
    if not isinstance(terms, Mapping) or not terms:
        raise RewardError(f"{law}, got {terms!r}: return for instance {{'answer': 0.0}}")
    for name, value in terms.items():
        if not isinstance(name, str) or not is_term(value):
            raise RewardError(f"{law}, got {name!r}: {value!r}")
    floats = {name: float(value) for name, value in terms.items()}
    if not math.isfinite(sum(floats.values())):
        raise RewardError(f"{law} with a finite sum, got {terms!r}")
    return floats


def is_term(value: object) -> bool:
    """Return whether a value can be a term: a finite number, or a verdict, which counts 1 or 0."""
    return isinstance(value, bool) or is_finite(value)
