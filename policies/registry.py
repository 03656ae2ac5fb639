"""Policies by name, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from policies.base import BatchPolicy, Policy
from policies.baselines.uniform import UniformPolicy
from sage_env.errors import SageEnvError

UNIFORM_FRAMES = 16
"""Frames of the `uniform` policy when its name gives no number."""
NAMES = {
    "random": "chance",
    "uniform[:FRAMES[:POLICY]]": "one even look, then the answer; POLICY is sage-mm-tiny",
    "scripted": "coarse to fine by fixed rules, seeing with the small model's vision tower",
    "sage-mm-tiny": "the small model that comes with the project",
    "sage-mm:FOLDER": "a Qwen3-VL checkpoint, a folder or a hub id",
    "gemini[:MODEL]": "a Gemini model; the key is read from GEMINI_API_KEY",
    "openai:MODEL": "a model behind the chat-completions server at OPENAI_BASE_URL",
    "sage-released:FOLDER": "a released SAGE-MM checkpoint, in its own two-stage format",
    "oracle[:POLICY]": "looks at the gold evidence, then gives the gold answer, or POLICY's",
    "human[:FOLDER]": "you, at the terminal; frames are saved in FOLDER",
    "sb3:PATH": "a Stable-Baselines3 model, saved with `policies.sb3.save_sb3`",
    "package.module:Class": "your own class, made without arguments",
}
# Checkpoints go on the GPU if there is one; the small model is made for a CPU.
_WHERE: Mapping[str, Any] = {"device": "auto", "dtype": "auto"}


class UnknownPolicy(SageEnvError):
    """A policy cannot be had by that name; the message says why, and what there is."""


def load_policy(
    name: str, *, adapter: Path | None = None, temperature: float | None = None
) -> Policy | BatchPolicy:
    """Return the policy with that name, see `NAMES`.

    Args:
        name: of the policy.
        adapter: folder of a trained LoRA adapter, for the `sage-mm` policies.
        temperature: of sampling, for policies that have one; 0 is greedy.

    Raises:
        UnknownPolicy: if there is no such policy, or it has no use for an adapter.
        MissingExtra: if it needs a package that is not installed.
        MissingKey, ServiceError: if it is served, and there is no key, no server or no such model.
    """
    policy = _load(name, adapter)
    if temperature is not None and hasattr(policy, "temperature"):
        policy.temperature = temperature
    return policy


def _load(name: str, adapter: Path | None) -> Policy | BatchPolicy:
    kind, _, rest = name.partition(":")
    if kind == "uniform":
        frames, _, inner = rest.partition(":")
        if frames and not (frames.isdecimal() and int(frames) > 0):
            raise UnknownPolicy(f"uniform:FRAMES needs a whole number above 0, got {name!r}")
        return UniformPolicy(_load(inner or "sage-mm-tiny", adapter), int(frames or UNIFORM_FRAMES))
    if name == "sage-mm-tiny" or (kind == "sage-mm" and rest):
        if adapter is not None and not adapter.is_dir():
            raise UnknownPolicy(f"{adapter} is not a folder with a LoRA adapter")
        return _model(name, rest or None, adapter)
    if kind == "sage-released" and rest:
        return _released(name, rest, adapter)
    if kind == "oracle":
        from policies.baselines.oracle import Oracle

        return Oracle(_load(rest, adapter) if rest else None)
    if adapter is not None:
        raise UnknownPolicy(f"only the sage-mm policies take an adapter, {name!r} does not")
    if name == "random":
        from policies.baselines.random_policy import RandomPolicy

        return RandomPolicy()
    if kind == "human":
        from policies.baselines.human import FOLDER, Human

        return Human(Path(rest) if rest else FOLDER)
    if name == "scripted":
        return _scripted()
    if kind == "gemini":
        from policies.served import GeminiPolicy

        return GeminiPolicy(rest) if rest else GeminiPolicy()
    if kind == "openai" and rest:
        from policies.served import OpenAIPolicy

        return OpenAIPolicy(rest)
    if kind == "sb3" and rest:
        return _sb3(rest)
    if kind and rest:
        return _own(name)
    known = ", ".join(NAMES)
    raise UnknownPolicy(f"there is no policy {name!r}; give one of {known}")


def _model(name: str, checkpoint: str | None, adapter: Path | None) -> BatchPolicy:
    from policies.sage_mm import SageMM

    try:
        return SageMM.load(checkpoint, adapter=adapter, **(_WHERE if checkpoint else {}))
    except (ValueError, OSError) as error:  # no such folder or hub id, or another kind of model
        raise UnknownPolicy(f"{name!r} cannot be loaded: {error}") from error


def _released(name: str, checkpoint: str, adapter: Path | None) -> BatchPolicy:
    from policies.sage_released import SageReleased

    try:
        return SageReleased.load(checkpoint, adapter=adapter, **_WHERE)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"{name!r} cannot be loaded: {error}") from error


def _scripted() -> BatchPolicy:
    from policies.baselines.scripted import Scripted

    try:
        return Scripted.load()
    except OSError as error:
        raise UnknownPolicy(
            f"'scripted' sees with the small model's vision tower, which cannot be loaded: {error}"
        ) from error


def _sb3(path: str) -> Policy:
    from policies.sb3.sb3_policy import SB3Policy

    try:
        return SB3Policy.load(path)
    except (ValueError, OSError) as error:
        raise UnknownPolicy(f"the model {path!r} cannot be loaded: {error}") from error


def _own(name: str) -> Policy | BatchPolicy:
    """Import `package.module:Class` and make one."""
    module_name, _, class_name = name.partition(":")
    try:
        module: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses a package of its own
        raise UnknownPolicy(f"the policy {name!r} needs a module that is not there") from error
    except (ValueError, TypeError) as error:  # names such as "" or ".x"
        raise UnknownPolicy(f"{module_name!r} is not the name of a module") from error
    made = getattr(module, class_name, None)
    if made is None:
        raise UnknownPolicy(f"the module {module_name} has no {class_name!r}")
    try:
        policy: Policy | BatchPolicy = made() if callable(made) else made
    except TypeError as error:
        raise UnknownPolicy(f"{name} cannot be made without arguments: {error}") from error
    if not hasattr(policy, "reset") or not (hasattr(policy, "act") or hasattr(policy, "act_batch")):
        raise UnknownPolicy(f"{name} is not a policy: it needs `reset` and `act`")
    return policy
