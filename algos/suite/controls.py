"""Floors and ceilings by name: what a number is worth is seen beside them.

| control | is played by | what it takes away | so |
|---|---|---|---|
| `constant` | a constant choice, each in turn | everything | the best is a floor |
| `longest` | the longest choice | everything | a floor of how choices were written |
| `blind` | the policy, once, without a frame | the video | what the questions alone tell |
| `transcript` | the policy, once, with subtitles | the pictures | what ears tell |
| `one-frame` | the policy, once, with the middle frame | time | what needs no looking around |
| `wrong-video` | the policy | the right video | what any video would have done |
| `shuffled` | the policy | the order of the choices | how far it follows their places |
| `oracle` | the policy, shown the evidence | the search | a ceiling of looking |

Questions keep their ids, so that each control is compared with the policy question by question.
None of them tells the policy the gold answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algos.suite.entries import Control
from algos.suite.question_changes import about_another_video, with_shuffled_choices
from policies.baselines.uniform import direct_env_options
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError

CONTROLS: Mapping[str, Control] = {
    control.name: control
    for control in (
        Control(
            "constant",
            "one choice for all questions, each position in turn: the best is a floor",
            "constant:{position}",
            env_options=direct_env_options(0),
        ),
        Control(
            "longest",
            "the longest choice of each question",
            "longest",
            env_options=direct_env_options(0),
        ),
        Control(
            "blind",
            "the policy without a frame: what the questions alone tell",
            "uniform:0:{policy}",
            env_options=direct_env_options(0),
        ),
        Control(
            "transcript",
            "the policy with subtitles and no frame",
            "transcript:{policy}",
            env_options=direct_env_options(0),
            asks=lambda item: item.subtitles is not None,
        ),
        Control(
            "one-frame",
            "the policy with the middle frame alone",
            "uniform:1:{policy}",
            env_options=direct_env_options(1),
        ),
        Control(
            "wrong-video",
            "the policy with another video of near duration: what any video would have done",
            transform=about_another_video,
        ),
        Control(
            "shuffled",
            "the policy with the choices in another order",
            transform=with_shuffled_choices,
        ),
        Control(
            "oracle",
            "the policy shown the evidence: what finding it is worth",
            "oracle:{policy}",
            asks=lambda item: bool(item.evidence),
        ),
    )
}
"""Every control by its name; `constant` stands for one of each position, see `chosen_controls`."""
_SEES_NOTHING = ("constant", "longest", "majority", "random", "transcript")
_NOT_AT_ONCE = {
    "gemini-video": "is given the whole video, whatever is shown",
    "human": "would be asked every question again",
    "oracle": "knows the gold answer",
    "sb3": "cannot be made to answer at once",
}


class UnknownControl(SageEnvError):
    """There is no control by that name; the message says which there are."""


@dataclass(frozen=True)
class LeftOut:
    """A control that is not played, and why not.

    Attributes:
        name: of the control.
        policy: of whom; `None` for all.
        why: in a few words.
    """

    name: str
    policy: str | None
    why: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        whose = "" if self.policy is None else f" of {self.policy}"
        return f"the control {self.name}{whose} is left out: {self.why}"


def chosen_controls(
    names: Sequence[str], items: Sequence[QAItem]
) -> tuple[list[Control], list[LeftOut]]:
    """Return the controls of these names that the questions can be asked with, and the others.

    Args:
        names: of `CONTROLS`; none: all of them.
        items: the questions that are asked.

    Raises:
        UnknownControl: if a name is none of a control.
    """
    found: list[Control] = []
    left_out: list[LeftOut] = []
    for name in dict.fromkeys(names or CONTROLS):
        control = CONTROLS.get(name)
        if control is None:
            known = ", ".join(CONTROLS)
            raise UnknownControl(f"there is no control {name!r}: give some of {known}")
        why = _cannot_be_asked(control, items)
        if why is not None:
            left_out.append(LeftOut(name, None, why))
        elif name == "constant":
            found += _positions(control, items)
        else:
            found.append(control)
    return found, left_out


def why_not_with(control: Control, policy: str) -> str | None:
    """Return why a control means nothing for a policy, by its name; `None` where it does.

    Args:
        control: of `chosen_controls`.
        policy: name of the policy.
    """
    kind = policy.partition(":")[0]
    if not control.of_each_policy:
        return None
    if kind in _SEES_NOTHING:
        return "it sees nothing of the video anyway"
    if kind in ("oracle", "human") or control.policy != "{policy}":
        why = _NOT_AT_ONCE.get(kind)
        return None if why is None else f"it {why}"
    return None


def _cannot_be_asked(control: Control, items: Sequence[QAItem]) -> str | None:
    """Return why no question can be asked with a control; `None` where one can."""
    needed = {"transcript": "has subtitles", "oracle": "has evidence spans"}
    if control.asks is not None and not any(control.asks(item) for item in items):
        return f"no question {needed.get(control.name, 'suits it')}"
    if control.name == "wrong-video" and len({item.video for item in items}) < 2:
        return "all questions are about one video"
    if control.name in ("constant", "longest", "shuffled"):
        return None if any(item.choices for item in items) else "no question has choices"
    return None


def _positions(control: Control, items: Sequence[QAItem]) -> list[Control]:
    """Return a constant choice for each position that a choice of the questions has."""
    most = max(len(item.choices) for item in items)
    about = "always the choice at position {}: the best of them is a floor"
    return [
        Control(f"constant-{k}", about.format(k), f"constant:{k}", env_options=control.env_options)
        for k in range(1, most + 1)
    ]
