"""The entries of an evaluation: each is one line of its table, and one run folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sage_env.datasets.item import QAItem

Transform: TypeAlias = Callable[[Sequence[QAItem], int], Sequence[QAItem]]
"""Questions as a control asks them, from those of the dataset and the seed. Every id stays, once
and in order; what is asked of an item depends on the seed, its id and the whole dataset only, so
that a part of the questions is asked the same way as all of them."""


@dataclass(frozen=True)
class Control:
    """A floor or ceiling: what a number means is seen beside it.

    Attributes:
        name: of the control, as `--controls` takes it and the table shows it, e.g. `"blind"`.
        about: one line of help: what it takes away, and what a number above it proves.
        policy: who plays, as `--policy` names it; `{policy}` in it stands for the entry's own, and
            such a control is played once for each policy, any other once in all. It may not be
            named by a user outside of the control.
        transform: of the questions; `None` leaves them as they are.
        env_options: arguments of the environment, over those of the policy and the command line.
        asks: whether a question can be asked with it; others are left out of its line, which says
            so. `None`: any can.
    """

    name: str
    about: str
    policy: str = "{policy}"
    transform: Transform | None = None
    env_options: Mapping[str, Any] = field(default_factory=dict)
    asks: Callable[[QAItem], bool] | None = None

    @property
    def of_each_policy(self) -> bool:
        """Return whether it is played with every policy, and not once for all of them."""
        return "{policy}" in self.policy

    def played_by(self, policy: str) -> str:
        """Return the name of the policy that plays it, for an entry of `policy`."""
        return self.policy.replace("{policy}", policy)


@dataclass(frozen=True)
class Entry:
    """One line of an evaluation's table.

    Attributes:
        policy: as `--policy` names it; "" for a control that has a policy of its own.
        control: name of the control; `None` for none.
        budget: most frames per question, where a ladder of budgets is played; `None`: the policy's.
        repeat: number of the repeat; repeat 0 has the seeds of an evaluation without repeats.
    """

    policy: str
    control: str | None = None
    budget: int | None = None
    repeat: int = 0

    @property
    def title(self) -> str:
        """Return the entry in words, e.g. `sage-mm-tiny, blind, 16 frames, repeat 1`."""
        words = [word for word in (self.policy, self.control) if word]
        words += [] if self.budget is None else [f"{self.budget} frames"]
        return ", ".join([*words, *([f"repeat {self.repeat}"] if self.repeat else [])])

    @property
    def name(self) -> str:
        """Return the entry as the name of its folder, e.g. `sage-mm-tiny_blind_16f_r1`."""
        words = [self.policy, self.control or "", "" if self.budget is None else f"{self.budget}f"]
        words += [f"r{self.repeat}"] if self.repeat else []
        return "_".join(file_name(word) for word in words if word)


def planned(
    policies: Sequence[str],
    controls: Sequence[Control] = (),
    budgets: Sequence[int] = (),
    *,
    direct: bool = False,
    repeats: int = 1,
    suits: Callable[[Control, str], bool] = lambda control, policy: True,
) -> list[Entry]:
    """Return the entries of an evaluation, in the order of its table.

    Each policy is played at each budget and repeat; `uniform:N`, whose frames its name says, once
    in each repeat. Then come the floors, which are played once, at the policies' own budgets.

    Args:
        policies: names, of which doubles count once.
        controls: floors and ceilings beside them.
        budgets: most frames per question; none: what the policies ask for.
        direct: whether each policy also answers from each budget of evenly spaced frames at once.
        repeats: how often the policies are played, each time with other seeds.
        suits: whether a control means something for a policy.
    """
    named = list(dict.fromkeys(policies))
    found = [
        Entry(policy, None, budget, repeat)
        for policy in named
        for budget in ((None,) if not budgets or _says_frames(policy) else budgets)
        for repeat in range(repeats)
    ]
    if direct:
        answering = [policy for policy in named if policy.partition(":")[0] not in _NOT_DIRECT]
        lines = [f"uniform:{budget}:{one}" for one in answering for budget in budgets]
        found += [Entry(line, None, None, repeat) for line in lines for repeat in range(repeats)]
    for control in controls:
        whose = [one for one in named if suits(control, one)] if control.of_each_policy else [""]
        found += [Entry(one, control.name) for one in whose]
    return list(dict.fromkeys(found))


_NOT_DIRECT = ("uniform", "oracle", "human", "gemini-video")  # they choose no frames of their own


def _says_frames(policy: str) -> bool:
    kind, _, rest = policy.partition(":")
    return kind == "uniform" and bool(rest)


def file_name(text: str) -> str:
    """Return a text as the name of a file on any system; different texts may have the same."""
    return re.sub(r"[^A-Za-z0-9.=-]+", "-", text).strip("-.")[:100] or "policy"
