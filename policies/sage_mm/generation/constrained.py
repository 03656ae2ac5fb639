"""Constrained decoding: which tokens may come next if a reply must be one valid action.

The grammar is compiled by llguidance (github.com/guidance-ai/llguidance) from the JSON Schema of
actions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.base import TokenBatch
from policies.errors import ModelError
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from sage_env.errors import MissingExtra
from sage_env.tools.reply_schema import action_schema
from sage_env.tools.tool import Tool

# The spelling of `format_action`, and so of the demonstrations that a model is taught with: other
# spacing would be text that the model has never seen.
_WRITTEN: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


class ActionGrammar:
    """The schema of actions as a grammar over a model's tokens.

    A reply is one JSON object that the schema accepts, and the stop token. Which tokens are allowed
    depends on the reply's own tokens before them and on nothing else: re-scoring therefore finds
    the distribution that sampling drew from.

    Args:
        tokens: the chat layout.
        vocabulary: rows of the model's output layer.
        tools: of the environment; they are in the schema.

    Raises:
        MissingExtra: without llguidance.
        ModelError: if the checkpoint opens replies with a thought of its own, or its tokenizer
            cannot be used.
    """

    def __init__(self, tokens: ChatTokens, vocabulary: int, tools: Iterable[Tool] = ()) -> None:
        """Compile the schema; this takes about a second for a large vocabulary."""
        try:
            from llguidance import LLMatcher, LLTokenizer
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "constrained decoding needs the package 'llguidance': "
                "pip install 'sage-video-qa[constrained]'"
            ) from error
        if tokens.assistant_prefill:
            raise ModelError(
                f"the checkpoint opens its replies with {tokens.assistant_prefill!r}, where no "
                "action can begin: use it without constrained decoding"
            )
        self.vocabulary, self._stop = vocabulary, tokens.stop
        schema = json.dumps(action_schema(tools))
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=_WRITTEN)
        model: Any = LLTokenizer(tokens.to_json(), n_vocab=vocabulary, eos_token=tokens.stop)
        self._fresh: Any = LLMatcher(model, grammar)
        if self._fresh.is_error():
            raise ModelError(f"the action schema cannot be compiled: {self._fresh.get_error()}")

    def start(self) -> Any:
        """Return the grammar's state at the start of a reply, for `allowed` and `consume`."""
        return self._fresh.deep_copy()

    def allowed(self, replies: Sequence[Any]) -> NDArray[np.bool_]:
        """Return which tokens may come next: bool `(N, vocabulary)` for the states of N replies."""
        from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

        packed = allocate_token_bitmask(len(replies), self.vocabulary)
        for i, reply in enumerate(replies):
            fill_next_token_bitmask(reply, packed, i)
        bits = np.unpackbits(packed.view(np.uint8), axis=1, bitorder="little")
        return bits[:, : self.vocabulary].astype(bool)

    def consume(self, reply: Any, token: int) -> None:
        """Move the state of a reply on by one token, in place; the stop token moves nothing.

        Raises:
            ModelError: if it was not allowed, as in a batch that was sampled without the grammar.
        """
        if token != self._stop and not reply.consume_token(token):
            raise ModelError(
                f"token {token} cannot stand here in an action: score a batch as it was sampled, "
                "with or without constrained decoding"
            )

    def allowed_in(self, batch: TokenBatch) -> Tensor:
        """Return which tokens could have come at each of the N sampled tokens of a batch.

        Returns:
            bool `(N, vocabulary)`, rows in the order of `batch.ids[batch.sampled]`.

        Raises:
            ModelError: if a sampled token was not allowed.
        """
        masks: list[NDArray[np.bool_]] = []
        for ids, sampled, turn in zip(batch.ids, batch.sampled, batch.turn, strict=True):
            for number in turn[sampled].unique().tolist():
                reply = self.start()
                for token in ids[sampled & (turn == number)].tolist():
                    masks.append(self.allowed([reply])[0])
                    self.consume(reply, token)
        return torch.from_numpy(np.stack(masks))
