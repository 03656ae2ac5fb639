"""Policies by name, for the command line."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from policies.base import BatchPolicy, Policy
from policies.baselines.uniform import UniformPolicy
from sage_env.errors import SageEnvError
from sage_env.lazy_exports import needs_extra
from sage_env.object_reference import is_reference, load_object

AnyPolicy: TypeAlias = Policy | BatchPolicy
UNIFORM_FRAMES = 16
"""Frames of the `uniform` policy when its name gives no number."""
# Checkpoints go on the GPU if there is one; the small model is made for a CPU.
_WHERE: Mapping[str, Any] = {"device": "auto", "dtype": "auto"}


class UnknownPolicy(SageEnvError):
    """A policy cannot be had by that name; the message says why, and what there is."""


def load_policy(
    name: str, *, adapter: Path | None = None, temperature: float | None = None
) -> AnyPolicy:
    """Return the policy with that name, see `POLICIES` and `NAMES`.

    Args:
        name: of the policy.
        adapter: folder of a trained LoRA adapter, for the `sage-mm` policies.
        temperature: of sampling, for policies that have one; 0 is greedy.

    Raises:
        UnknownPolicy: if the name stands for no policy, or the policy takes no adapter.
        MissingExtra: if it needs a package that is not installed.
        MissingKey, ServiceError: if it is served, and the key, the server or the model is missing.
    """
    policy = _load(name, adapter)
    if temperature is not None and hasattr(policy, "temperature"):
        policy.temperature = temperature
    return policy


def _load(name: str, adapter: Path | None) -> AnyPolicy:
    """Return the policy of an entry of `POLICIES`, or one of the user's own."""
    kind, _, rest = name.partition(":")
    entry = POLICIES.get(kind)
    if entry is None or (rest and not entry.argument):  # a module may be named like an entry
        if entry is not None and not is_reference(name):
            raise UnknownPolicy(
                f"{kind!r} takes nothing after its name, and no module is named {name!r}"
            )
        if not (kind and rest):
            raise UnknownPolicy(f"there is no policy {name!r}; give one of {_explained()}")
        return _own(name, adapter)
    if not rest and entry.argument.startswith(":"):
        raise UnknownPolicy(f"{name!r} lacks a part: {kind}{entry.argument} is {entry.about}")
    return entry.load(rest, adapter)


def _explained() -> str:
    return "; ".join(f"{usage} ({about})" for usage, about in NAMES.items())


def _random(_: str, adapter: Path | None) -> AnyPolicy:
    from policies.baselines.random_policy import RandomPolicy

    _refuse_adapter("random", adapter)
    return RandomPolicy()


def _uniform(rest: str, adapter: Path | None) -> AnyPolicy:
    frames, _, inner = rest.partition(":")
    if frames and not (frames.isdecimal() and int(frames) > 0):
        raise UnknownPolicy(f"uniform:FRAMES needs a whole number above 0, got 'uniform:{rest}'")
    return UniformPolicy(_load(inner or "sage-mm-tiny", adapter), int(frames or UNIFORM_FRAMES))


def _oracle(rest: str, adapter: Path | None) -> AnyPolicy:
    from policies.baselines.oracle import Oracle

    if not rest:
        _refuse_adapter("oracle", adapter)
    return Oracle(_load(rest, adapter) if rest else None)


def _human(folder: str, adapter: Path | None) -> AnyPolicy:
    from policies.baselines.human import FOLDER, Human

    _refuse_adapter("human", adapter)
    return Human(Path(folder) if folder else FOLDER)


def _gemini(model: str, adapter: Path | None) -> AnyPolicy:
    from policies.served.gemini import GeminiPolicy

    _refuse_adapter("gemini", adapter)
    return GeminiPolicy(model) if model else GeminiPolicy()


def _openai(model: str, adapter: Path | None) -> AnyPolicy:
    from policies.served.openai_compatible import OpenAIPolicy

    _refuse_adapter("openai", adapter)
    return OpenAIPolicy(model)


def _refuse_adapter(name: str, adapter: Path | None) -> None:
    if adapter is not None:
        raise UnknownPolicy(f"only the sage-mm policies take an adapter, {name!r} does not")


def _model(checkpoint: str, adapter: Path | None) -> BatchPolicy:
    """Load SAGE-MM; the checkpoint "" is the shipped one."""
    from policies.sage_mm import SageMM

    if adapter is not None and not adapter.is_dir():
        raise UnknownPolicy(f"{adapter} is not a folder with a LoRA adapter")
    name = f"sage-mm:{checkpoint}" if checkpoint else "sage-mm-tiny"
    try:
        return SageMM.load(checkpoint or None, adapter=adapter, **(_WHERE if checkpoint else {}))
    except (ValueError, OSError) as error:  # no such folder or hub id, or another kind of model
        lost = "" if not checkpoint or Path(checkpoint).exists() else "there is no such folder; "
        raise UnknownPolicy(f"{name!r} cannot be loaded: {lost}{error}") from error


def _released(checkpoint: str, adapter: Path | None) -> BatchPolicy:
    from policies.sage_released import SageReleased

    try:
        return SageReleased.load(checkpoint, adapter=adapter, **_WHERE)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"'sage-released:{checkpoint}' cannot be loaded: {error}") from error


def _scripted(_: str, adapter: Path | None) -> BatchPolicy:
    from policies.baselines.scripted import Scripted

    _refuse_adapter("scripted", adapter)
    try:
        with needs_extra("'scripted'", "sage"):
            return Scripted.load()
    except OSError as error:
        raise UnknownPolicy(
            f"'scripted' sees with the small model's vision tower, which cannot be loaded: {error}"
        ) from error


def _sb3(path: str, adapter: Path | None) -> Policy:
    from policies.sb3.sb3_policy import SB3Policy

    _refuse_adapter("sb3", adapter)
    try:
        return SB3Policy.load(path)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"the model {path!r} cannot be loaded: {error}") from error


def _own(name: str, adapter: Path | None) -> AnyPolicy:
    """Import `package.module:Class` and make one."""
    _refuse_adapter(name, adapter)
    with _told_as_theirs(name):
        made = load_object(name, "the policy", UnknownPolicy)
        if callable(made):
            try:
                inspect.signature(made).bind()
            except (TypeError, ValueError) as error:
                raise UnknownPolicy(f"{name} cannot be made without arguments: {error}") from error
        policy: AnyPolicy = made() if callable(made) else made
    if not hasattr(policy, "reset") or not (hasattr(policy, "act") or hasattr(policy, "act_batch")):
        raise UnknownPolicy(f"{name} is not a policy: it needs `reset` and `act`")
    return policy


@contextmanager
def _told_as_theirs(name: str) -> Iterator[None]:
    """Turn what the user's code raises into one sentence that says where."""
    try:
        yield
    except SageEnvError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
        raise UnknownPolicy(f"{name} fails: {type(error).__name__}: {error} ({where})") from error


@dataclass(frozen=True)
class PolicyEntry:
    """One kind of policy that the command line knows by name.

    Attributes:
        argument: what follows the kind in the name; in brackets where it may be left out, "" where
            nothing may follow.
        about: one line of help.
        load: makes the policy from the text after the colon and the folder of an adapter.
    """

    argument: str
    about: str
    load: Callable[[str, Path | None], AnyPolicy]


POLICIES: Mapping[str, PolicyEntry] = {
    "random": PolicyEntry("", "chance", _random),
    "uniform": PolicyEntry(
        "[:FRAMES[:POLICY]]",
        f"one look at FRAMES even frames ({UNIFORM_FRAMES}), then POLICY's answer (sage-mm-tiny's)",
        _uniform,
    ),
    "scripted": PolicyEntry(
        "", "coarse to fine by fixed rules, seeing with the small model's vision tower", _scripted
    ),
    "sage-mm-tiny": PolicyEntry("", "the small model that comes with the project", _model),
    "sage-mm": PolicyEntry(":FOLDER", "a Qwen3-VL checkpoint, a folder or a hub id", _model),
    "gemini": PolicyEntry(
        "[:MODEL]", "a Gemini model; the key is read from GEMINI_API_KEY", _gemini
    ),
    "openai": PolicyEntry(
        ":MODEL", "a model behind the chat-completions server at OPENAI_BASE_URL", _openai
    ),
    "sage-released": PolicyEntry(
        ":FOLDER", "a released SAGE-MM checkpoint, in its own two-stage format", _released
    ),
    "oracle": PolicyEntry(
        "[:POLICY]", "looks at the gold evidence, then gives the gold answer, or POLICY's", _oracle
    ),
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
