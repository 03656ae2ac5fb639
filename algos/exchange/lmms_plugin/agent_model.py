"""A policy of ours as a model of lmms-eval: it answers by playing an episode about the video.

A question of our own task that failed on our side is answered with `FAILURE` and the reason, which
that task counts apart. Another task would count any text as a wrong answer, so there the failure
stops the evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lmms_eval.api.instance import GenerationResult, TokenCounts
from lmms_eval.api.model import lmms

from algos.exchange.lmms_plugin.asked_questions import asked_item
from algos.exchange.lmms_plugin.task_documents import ITEM
from algos.exchange.lmms_samples import FAILURE
from algos.exchange.played_entry import ExchangeError
from algos.rollout.environment_options import EnvironmentOptions
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.seeds import subseed
from policies.base import PrivilegedPolicy
from policies.registry import load_policy
from sage_env.actions.action import Answer
from sage_env.env import VideoQAEnv

_OPTION = "option_"
_ENVIRONMENT = tuple(field.name for field in fields(EnvironmentOptions))


class SageVqa(lmms):  # type: ignore[misc]
    """The model `sage-vqa`.

    `--model_args policy=uniform:16,max_turns=5` takes the names of `sage-vqa eval`: `policy`,
    `adapter`, `temperature`, `seed`, the options of the environment, and settings of a served
    policy behind `option_`, e.g. `option_base_url=URL`; a size is `frame_size=224x224`, several
    tools are `tools=a:B+c:D`. What a task says of generation is not used.
    """

    is_simple = False

    def __init__(
        self,
        policy: str = "sage-mm-tiny",
        adapter: str | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        batch_size: int | str = 8,
        device: str | None = None,
        max_batch_size: int | None = None,
        **given: Any,
    ) -> None:
        """Load the policy.

        Args:
            policy: who plays.
            adapter: folder of a trained LoRA adapter, for the sage-mm policies.
            temperature: of sampling; 0 is greedy.
            seed: of the policy and the environment.
            batch_size: questions that are played at the same time.
            device: taken and not used: a policy chooses its own.
            max_batch_size: likewise.
            given: options of the environment, and of the policy behind `option_`.

        Raises:
            ExchangeError: if an option is not known, or the policy looks at gold evidence.
        """
        super().__init__()
        options = {k.removeprefix(_OPTION): v for k, v in given.items() if k.startswith(_OPTION)}
        rest = {name: value for name, value in given.items() if not name.startswith(_OPTION)}
        if unknown := rest.keys() - set(_ENVIRONMENT):
            raise ExchangeError(
                f"model_args {', '.join(sorted(unknown))} not known: the environment takes "
                f"{', '.join(_ENVIRONMENT)}"
            )
        environment = _environment(rest)
        self._policy = load_policy(
            policy,
            adapter=None if adapter is None else Path(adapter),
            temperature=temperature,
            options=options,
            tools=environment.tools,
        )
        if isinstance(self._policy, PrivilegedPolicy):
            raise ExchangeError(f"{policy} looks at the gold evidence, which no task shows")
        self._options = environment.env_options(self._policy)
        self._seed = int(seed)
        self._envs = int(batch_size) if str(batch_size).isdigit() else 1

    def generate_until(self, requests: Sequence[Any]) -> list[Any]:
        """Return an answer for each request, with the number of tokens that were sampled.

        Raises:
            ExchangeError: if a request has no one video, or a question of another task fails.
        """
        documents, items = [], []
        for number, request in enumerate(requests):
            _, doc_to_messages, _, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            documents.append(doc)
            name = f"{task}/{split}/{doc_id}#{number}"
            items.append(asked_item(name, doc, [] if ITEM in doc else doc_to_messages(doc)))
        if not items:
            return []
        count = min(self._envs, len(items))
        envs = [VideoQAEnv(dataset=items, **self._options) for _ in range(count)]
        specs = [
            EpisodeSpec(item.id, subseed(self._seed, "evaluate", item.id), name=item.id)
            for item in items
        ]
        try:
            played = collect(envs, self._policy, specs, seed=self._seed, isolate=True)
        finally:
            for env in envs:
                env.close()
        pairs = zip(documents, played, strict=True)
        return [_result(doc, trajectory) for doc, trajectory in pairs]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Refuse: an agent's answer has no likelihood of its own."""
        raise NotImplementedError("sage-vqa answers by playing: use a task of generate_until")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Refuse: the rounds of an agent are its own."""
        raise NotImplementedError("sage-vqa answers by playing: use a task of generate_until")


def _environment(given: Mapping[str, Any]) -> EnvironmentOptions:
    """Return options as `--model_args` writes them: `frame_size=224x224`, `tools=a:B+c:D`.

    Raises:
        ExchangeError: if a size is none.
    """
    read = dict(given)
    if "frame_size" in read:
        sides = str(read["frame_size"]).split("x")
        if len(sides) != 2 or not all(side.isdecimal() for side in sides):
            raise ExchangeError(f"frame_size must be HEIGHTxWIDTH, got {read['frame_size']!r}")
        read["frame_size"] = (int(sides[0]), int(sides[1]))
    if "tools" in read:
        read["tools"] = tuple(str(read["tools"]).split("+"))
    return EnvironmentOptions(**read)


def _result(doc: Mapping[str, Any], trajectory: Trajectory) -> Any:
    """Return the text of an episode's answer, "" without one, and what it cost."""
    if trajectory.error is not None:
        if ITEM not in doc:
            raise ExchangeError(
                f"{trajectory.item_id}: the episode failed, and this task would count that as a "
                f"wrong answer: {trajectory.error}"
            )
        return GenerationResult(f"{FAILURE}{trajectory.error}")
    action = trajectory.turns[-1].decision.action
    text = action.text if isinstance(action, Answer) else ""
    tokens = [t.decision.tokens for t in trajectory.turns if t.decision.tokens is not None]
    if not tokens:
        return GenerationResult(text)
    sampled = sum(len(one.completion) for one in tokens)
    return GenerationResult(text, TokenCounts(output_tokens=sampled))
