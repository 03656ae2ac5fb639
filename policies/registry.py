"""Policies by name, for the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from policies.base import BatchPolicy, Policy
from policies.baselines.named_wrappers import UNIFORM_FRAMES, wrapped
from policies.briefing import WholeVideoPolicy
from policies.own_class import load_own
from policies.served.named_options import holds_key, refuse_keys_in
from sage_env.errors import SageEnvError
from sage_env.lazy_exports import needs_extra
from sage_env.object_reference import is_reference
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool

AnyPolicy: TypeAlias = Policy | BatchPolicy
# Checkpoints go on the GPU if there is one; the small model is made for a CPU.
_WHERE: Mapping[str, Any] = {"device": "auto", "dtype": "auto"}
_NOT_OPTIONS = ("checkpoint", "settings", "model", "tools", "temperature")


class UnknownPolicy(SageEnvError):
    """A policy cannot be had by that name; the message says why, and what there is."""


@dataclass(frozen=True)
class Given:
    """What a policy is made with beside its name.

    Attributes:
        adapter: folder of a LoRA adapter; `None` for none.
        options: settings of a served policy, see `policies.served.named_options`, or of `hf`.
        temperature: of sampling; `None` for the policy's own.
        tools: of the environment; policies that are told of actions are told of them.
        objects: policies that are there already, by the names that they go by.
    """

    adapter: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    temperature: float | None = None
    tools: tuple[Tool, ...] = ()
    objects: Mapping[str, AnyPolicy] = field(default_factory=dict)


def load_policy(
    name: str,
    *,
    adapter: Path | None = None,
    temperature: float | None = None,
    options: Mapping[str, Any] | None = None,
    tools: Sequence[Tool | str] = (),
    objects: Mapping[str, AnyPolicy] | None = None,
) -> AnyPolicy:
    """Return the policy with that name, see `POLICIES` and `NAMES`.

    Args:
        name: of the policy.
        adapter: folder of a trained LoRA adapter, for the `sage-mm` policies.
        temperature: of sampling, for policies that have one; 0 is greedy.
        options: settings of the `hf`, `gemini` and `openai` policies by name, e.g. `{"replies":
            "json", "seed": None}`; see `policies.served.named_options`.
        tools: of the environment, for policies that can call some; not for one inside another.
        objects: policies by the names that they go by, also inside others, as `uniform:8:NAME`.

    Raises:
        UnknownPolicy: if the name stands for no policy, or the policy takes no adapter or no such
            options.
        MissingExtra: if it needs a package that is not installed.
        MissingKey, ServiceError: if it is served, and the key, the server or the model is missing.
    """
    if holds_key(name):
        raise UnknownPolicy("a policy's name holds no key or password: set the key's variable")
    try:
        refuse_keys_in(tools)
        found = tuple(find_tools(tools).values())
    except ValueError as error:
        raise UnknownPolicy(str(error)) from None
    policy = _load(name, Given(adapter, dict(options or {}), temperature, found, objects or {}))
    if temperature is not None and hasattr(policy, "temperature"):
        policy.temperature = temperature
    return policy


def _load(name: str, given: Given) -> AnyPolicy:
    """Return the policy of an entry of `POLICIES`, or one of the user's own."""
    if name in given.objects:
        return given.objects[name]
    kind, _, rest = name.partition(":")
    entry = POLICIES.get(kind)
    if entry is None or (rest and not entry.argument):  # a module may be named like an entry
        if entry is not None and not is_reference(name):
            raise UnknownPolicy(
                f"{kind!r} takes nothing after its name, and no module is named {name!r}"
            )
        if not (kind and rest):
            known = "; ".join(f"{usage} ({about})" for usage, about in NAMES.items())
            raise UnknownPolicy(f"there is no policy {name!r}; give one of {known}")
        return _own(name, given)
    if not rest and entry.argument.startswith(":"):
        raise UnknownPolicy(f"{name!r} lacks a part: {kind}{entry.argument} is {entry.about}")
    return entry.load(rest, given)


def _random(_: str, given: Given) -> AnyPolicy:
    _refuse("random", given)
    from policies.baselines.random_policy import RandomPolicy

    return RandomPolicy()


def _around(kind: str) -> Callable[[str, Given], AnyPolicy]:
    def load(rest: str, given: Given) -> AnyPolicy:
        if not rest and kind != "uniform":
            _refuse(kind, given)
        try:
            return wrapped(kind, rest, lambda name: _answerer(name, given))
        except ValueError as error:
            raise UnknownPolicy(f"{kind}:{rest} is no policy: {error}") from None

    return load


def _answerer(name: str, given: Given) -> AnyPolicy:
    """Load a policy that answers from the frames that another one chose."""
    policy = _load(name, replace(given, tools=()))  # it can call none: it has one turn
    if isinstance(policy, WholeVideoPolicy):
        raise UnknownPolicy(f"{name!r} sees the whole video, whatever is chosen: name it alone")
    return policy


def _human(folder: str, given: Given) -> AnyPolicy:
    from policies.baselines.human import FOLDER, Human

    _refuse("human", given)
    return Human(Path(folder) if folder else FOLDER, tools=given.tools)


def _gemini(model: str, given: Given) -> AnyPolicy:
    from policies.served.gemini import GeminiPolicy

    _refuse("gemini", replace(given, options={}))
    return _served(GeminiPolicy, (model,) if model else (), given, tools=given.tools)


def _gemini_video(model: str, given: Given) -> AnyPolicy:
    from policies.served.gemini_video import GeminiVideoPolicy

    _refuse("gemini-video", replace(given, options={}))
    return _served(GeminiVideoPolicy, (model,) if model else (), given)


def _openai(model: str, given: Given) -> AnyPolicy:
    from policies.served.openai_compatible import OpenAIPolicy

    _refuse("openai", replace(given, options={}))
    return _served(OpenAIPolicy, (model,), given, tools=given.tools)


def _served(
    make: Callable[..., AnyPolicy], names: tuple[str, ...], given: Given, **settings: Any
) -> AnyPolicy:
    """Make a served policy with the options given by name."""
    from policies.served.named_options import named_options

    try:
        arguments = named_options(make, given.options)
        return make(*names, temperature=given.temperature, **arguments, **settings)
    except (ValueError, TypeError) as error:
        raise UnknownPolicy(f"these options do not suit {make.__name__}: {error}") from None


def _refuse(name: str, given: Given) -> None:
    if given.adapter is not None:
        raise UnknownPolicy(f"only the sage-mm policies take an adapter, {name!r} does not")
    _refuse_options(name, given)


def _refuse_options(name: str, given: Given) -> None:
    if given.options:
        raise UnknownPolicy(
            f"only the hf, gemini, gemini-video and openai policies take options, {name!r} does "
            f"not: {', '.join(given.options)}"
        )


def _model(checkpoint: str, given: Given) -> BatchPolicy:
    """Load SAGE-MM; the checkpoint "" is the shipped one."""
    _refuse_options("sage-mm", given)
    from policies.sage_mm import SageMM

    adapter = given.adapter
    if adapter is not None and not adapter.is_dir():
        raise UnknownPolicy(f"{adapter} is not a folder with a LoRA adapter")
    name = f"sage-mm:{checkpoint}" if checkpoint else "sage-mm-tiny"
    try:
        where = dict(_WHERE) if checkpoint else {}
        where |= {"tools": given.tools} if given.tools else {}
        return SageMM.load(checkpoint or None, adapter=adapter, **where)
    except (ValueError, OSError) as error:  # no such folder or hub id, or another kind of model
        lost = "" if not checkpoint or Path(checkpoint).exists() else "there is no such folder; "
        raise UnknownPolicy(f"{name!r} cannot be loaded: {lost}{error}") from error


def _hugging_face(checkpoint: str, given: Given) -> BatchPolicy:
    """Load any image-text-to-text model; options are arguments of `load` and of the class."""
    _refuse("hf", replace(given, options={}))
    from policies.hugging_face import HuggingFacePolicy

    both = (HuggingFacePolicy.load, HuggingFacePolicy)
    named = [name for make in both for name in inspect.signature(make).parameters]
    known = [one for one in named if one not in _NOT_OPTIONS]
    if unknown := [one for one in given.options if one not in known]:
        raise UnknownPolicy(
            f"'hf:{checkpoint}' has no option {', '.join(map(repr, unknown))}: it takes "
            f"{', '.join(known)}"
        )
    try:
        return HuggingFacePolicy.load(checkpoint, tools=given.tools, **given.options)
    except (ValueError, TypeError, OSError) as error:
        raise UnknownPolicy(f"'hf:{checkpoint}' cannot be loaded: {error}") from error


def _released(checkpoint: str, given: Given) -> BatchPolicy:
    _refuse_options("sage-released", given)
    from policies.sage_released import SageReleased

    try:
        return SageReleased.load(checkpoint, adapter=given.adapter, tools=given.tools, **_WHERE)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"'sage-released:{checkpoint}' cannot be loaded: {error}") from error


def _scripted(_: str, given: Given) -> BatchPolicy:
    _refuse("scripted", given)
    from policies.baselines.scripted import Scripted

    try:
        with needs_extra("'scripted'", "sage"):
            return Scripted.load()
    except OSError as error:
        raise UnknownPolicy(
            f"'scripted' sees with the small model's vision tower, which cannot be loaded: {error}"
        ) from error


def _sb3(path: str, given: Given) -> Policy:
    _refuse("sb3", given)
    from policies.sb3.sb3_policy import SB3Policy

    try:
        return SB3Policy.load(path)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"the model {path!r} cannot be loaded: {error}") from error


def _floor(kind: str) -> Callable[[str, Given], AnyPolicy]:
    def load(rest: str, given: Given) -> AnyPolicy:
        from policies.floors.named_floors import named_floor

        _refuse(kind, given)
        try:
            return named_floor(kind, rest)
        except ValueError as error:
            raise UnknownPolicy(str(error)) from None

    return load


def _own(name: str, given: Given) -> AnyPolicy:
    """Import `package.module:Class` and make one."""
    _refuse(name, given)
    return load_own(name, UnknownPolicy)


@dataclass(frozen=True)
class PolicyEntry:
    """One kind of policy that the command line knows by name.

    Attributes:
        argument: what follows the kind in the name; in brackets where it may be left out, "" where
            nothing may follow.
        about: one line of help.
        load: makes the policy from the text after the colon and what else is given.
    """

    argument: str
    about: str
    load: Callable[[str, Given], AnyPolicy]


POLICIES: Mapping[str, PolicyEntry] = {
    "random": PolicyEntry("", "chance", _random),
    "uniform": PolicyEntry(
        "[:FRAMES[:POLICY]]",
        f"one look at FRAMES even frames ({UNIFORM_FRAMES}; 0: blind), then POLICY's answer "
        "(sage-mm-tiny's)",
        _around("uniform"),
    ),
    "constant": PolicyEntry(
        "[:NUMBER]", "always the choice of that number (1)", _floor("constant")
    ),
    "longest": PolicyEntry("", "always the longest choice", _floor("longest")),
    "majority": PolicyEntry(
        ":DATASET", "the choice most often right in DATASET's train split", _floor("majority")
    ),
    "scripted": PolicyEntry(
        "", "coarse to fine by fixed rules, seeing with the small model's vision tower", _scripted
    ),
    "sage-mm-tiny": PolicyEntry("", "the small model that comes with the project", _model),
    "sage-mm": PolicyEntry(
        ":FOLDER", "a Qwen3-VL or Qwen2.5-VL checkpoint, a folder or a hub id", _model
    ),
    "hf": PolicyEntry(
        ":MODEL", "any Hugging Face image-text-to-text model, a folder or a hub id", _hugging_face
    ),
    "gemini": PolicyEntry(
        "[:MODEL]", "a Gemini model; the key is read from GEMINI_API_KEY", _gemini
    ),
    "gemini-video": PolicyEntry(
        "[:MODEL]", "a Gemini model that is given the whole video, and answers", _gemini_video
    ),
    "openai": PolicyEntry(
        ":MODEL", "a model behind the chat-completions server at OPENAI_BASE_URL", _openai
    ),
    "sage-released": PolicyEntry(
        ":FOLDER", "a released SAGE-MM checkpoint, in its own two-stage format", _released
    ),
    "oracle": PolicyEntry(
        "[:POLICY]",
        "looks at the gold evidence, then gives the gold answer, or POLICY's",
        _around("oracle"),
    ),
    "transcript": PolicyEntry(":POLICY", "POLICY, told the subtitles alone", _around("transcript")),
    "human": PolicyEntry("[:FOLDER]", "you, at the terminal; frames are saved in FOLDER", _human),
    "sb3": PolicyEntry(
        ":PATH", "a Stable-Baselines3 model, saved with `policies.sb3.save_sb3`", _sb3
    ),
}
"""Every policy that has a name, by the part before the colon."""
NAMES: Mapping[str, str] = {
    **{f"{kind}{entry.argument}": entry.about for kind, entry in POLICIES.items()},
    "package.module:Class": "your own class, made without arguments",
}
"""How a policy is named, with one line of help each: for `--policy --help` and for errors."""
