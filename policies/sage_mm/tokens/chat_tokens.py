"""Segments of text and frames as token ids in Qwen's chat layout (ChatML), and back. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from policies.errors import ModelError
from policies.introspection import PromptFrame
from policies.prompt import SYSTEM, Segment, Style, joined
from policies.turn_usage import TokenCounts, TurnUsage
from sage_env.actions.thoughts import after_thoughts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TIME = re.compile(r"<([0-9]+\.[0-9]) seconds>")
"""How the time of a frame is written before it."""


class ChatTokens:
    """Segments as token ids in Qwen's chat layout, and ids as text.

    Only this class writes special tokens. Text from outside (questions, messages) is encoded as
    plain characters, so that a question which spells `<|im_end|>` or `<|video_pad|>` cannot end
    a turn or stand for a frame.

    Args:
        tokenizer: the backend of a Qwen tokenizer; it is copied, not changed.
        style: which wording; it decides about the system prompt.
        assistant_prefill: text that the prompt ends with and the model goes on from; it is not
            empty for checkpoints whose chat template prefills, as those that think first do.

    Attributes:
        style: see above.
        assistant_prefill: see above.
        im_start: id that opens a message.
        im_end: id that closes a message; the stop token.
        vision_start: id before the visual tokens of a frame.
        vision_end: id after them.
        frame_pad: id of every visual token; features take the place of its embedding.

    Raises:
        ModelError: if the tokenizer lacks one of the chat or vision tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, style: Style = "full", assistant_prefill: str = ""
    ) -> None:
        """Look up the special tokens."""
        if style not in SYSTEM:
            raise ValueError(f"the prompt style must be one of {sorted(SYSTEM)}, got {style!r}")
        self.style, self.assistant_prefill = style, assistant_prefill
        self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
        self._tokenizer.encode_special_tokens = True
        self._words = _without_added_tokens(self._tokenizer)
        self.im_start, self.im_end = self._special("<|im_start|>"), self._special("<|im_end|>")
        self.vision_start = self._special("<|vision_start|>")
        self.vision_end = self._special("<|vision_end|>")
        self.frame_pad = self._special("<|video_pad|>")
        self._encode = lru_cache(maxsize=1 << 16)(self._encode_words)
        # with added tokens: `<think>` is one in checkpoints that think first
        self._prefill = self._plain(assistant_prefill) if assistant_prefill else []

    def __reduce__(self) -> tuple[type[ChatTokens], tuple[Tokenizer, Style, str]]:
        """Pickle without the cache of encoded texts, which cannot be pickled."""
        return ChatTokens, (self._tokenizer, self.style, self.assistant_prefill)

    @property
    def thinks_first(self) -> bool:
        """Return whether the prompt ends inside thoughts: a reply is a draft until it ends them."""
        return after_thoughts(self.assistant_prefill) is None

    def with_prefill(self, assistant_prefill: str) -> ChatTokens:
        """Return the same layout with another prefill of the assistant's turns."""
        if assistant_prefill == self.assistant_prefill:
            return self
        return ChatTokens(self._tokenizer, self.style, assistant_prefill)

    def _special(self, token: str) -> int:
        """Return the id of a special token; a tokenizer that spells it as text has none."""
        index = self._tokenizer.token_to_id(token)
        if index is None:
            raise ModelError(
                f"the tokenizer has no {token} token: use the tokenizer of a Qwen3-VL checkpoint"
            )
        if index in self._encode_text(token):
            raise ModelError(f"the tokenizer must know {token} as a special token, not as text")
        return int(index)

    def _encode_text(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _encode_words(self, text: str) -> list[int]:
        """Encode words of a user or of the environment, in which every tag is plain text."""
        return list(self._words.encode(text, add_special_tokens=False).ids)

    def _plain(self, text: str) -> list[int]:
        """Encode text of the chat template, in which added tokens are tokens and not text."""
        tokenizer = type(self._tokenizer).from_str(self.to_json())
        tokenizer.encode_special_tokens = False
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def to_json(self) -> str:
        """Return the tokenizer as its file `tokenizer.json`."""
        return str(self._tokenizer.to_str())

    @property
    def stop(self) -> int:
        """The id that ends a completion."""
        return self.im_end

    def banned(self, vocabulary: int) -> NDArray[np.bool_]:
        """Return which ids must never be sampled: bool `(vocabulary,)`.

        These are all special tokens but the stop token (vision and chat markers, padding), and the
        rows of the embedding that belong to no token.

        Args:
            vocabulary: rows of the output layer.
        """
        mask = np.ones(vocabulary, dtype=bool)
        mask[list(self._tokenizer.get_vocab(with_added_tokens=True).values())] = False
        for index, token in self._tokenizer.get_added_tokens_decoder().items():
            mask[index] = token.special
        mask[self.stop] = False
        return mask

    def prompt(
        self,
        segments: Sequence[Segment],
        tokens_per_frame: int | Sequence[int],
        *,
        first: bool,
        stopped: bool = True,
        system: str | None = None,
    ) -> NDArray[np.int64]:
        r"""Return the ids that a user turn adds, up to where the assistant begins: int64 `(P,)`.

        A first turn of one frame of two visual tokens, without and with a system message:

            <|im_start|>user\n<12.3 seconds><|vision_start|><|video_pad|><|video_pad|>
            <|vision_end|>\nWhat is it?<|im_end|>\n<|im_start|>assistant\n

            <|im_start|>system\n...<|im_end|>\n and the same

        Args:
            segments: of the user turn, from `render_user`.
            tokens_per_frame: visual tokens that each frame takes, or one number for all.
            first: whether the turn opens the conversation.
            stopped: whether the completion before it ended with the stop token. If not, the turn
                first closes it.
            system: what the system message says; by default what the style says.
        """
        ids: list[int] = []
        if not first:
            ids += [] if stopped else [self.im_end]
            ids += self._encode("\n")
        elif words := SYSTEM[self.style] if system is None else system:
            ids += [self.im_start, *self._encode(f"system\n{words}"), self.im_end]
            ids += self._encode("\n")
        ids.append(self.im_start)
        for segment in joined(["user\n", *segments]):
            if isinstance(segment, str):
                ids += self._encode(segment)
            else:
                visual = _visual_tokens(tokens_per_frame, segment)
                ids += [self.vision_start, *[self.frame_pad] * visual, self.vision_end]
        ids += [self.im_end, *self._encode("\n"), self.im_start, *self._encode("assistant\n")]
        ids += self._prefill
        return np.array(ids, dtype=np.int64)

    def completion(self, text: str) -> NDArray[np.int64]:
        """Return the ids of an assistant's text, stop token included: int64 `(C,)`."""
        return np.array([*self._encode_text(text), self.stop], dtype=np.int64)

    def text(self, ids: NDArray[np.int64]) -> str:
        """Return what the ids int64 `(C,)` of a completion spell, without its stop token."""
        kept = ids[:-1] if len(ids) and ids[-1] == self.stop else ids
        return self._tokenizer.decode(kept.tolist(), skip_special_tokens=False)

    def usage(
        self, prompt: NDArray[np.int64], completion: NDArray[np.int64], *, resent: bool = False
    ) -> TurnUsage:
        """Return what a turn takes that reads the ids int64 `(P,)` and samples those `(C,)`."""
        visual = int((prompt == self.frame_pad).sum())
        counts = TokenCounts(len(prompt), len(completion), visual=visual)
        return TurnUsage((counts,), resent)

    def frames(self, ids: NDArray[np.int64]) -> list[PromptFrame]:
        """Return what tokens int64 `(L,)` say of each frame, a run of visual tokens, in order."""
        visual = np.concatenate([[False], ids == self.frame_pad, [False]])
        found, after = [], 0
        for begin, end in np.flatnonzero(visual[1:] != visual[:-1]).reshape(-1, 2).tolist():
            lead = ids[after:begin]
            lead = lead[:-1] if len(lead) and lead[-1] == self.vision_start else lead
            times = list(TIME.finditer(text := self.text(lead)))
            stands_last = bool(times) and times[-1].end() == len(text)
            found.append(PromptFrame(float(times[-1][1]) if stands_last else None, end - begin))
            after = end
        return found


def _visual_tokens(tokens_per_frame: int | Sequence[int], frame: int) -> int:
    """Return how many visual tokens a frame takes, of one number for all or one for each."""
    return tokens_per_frame if isinstance(tokens_per_frame, int) else tokens_per_frame[frame]


def _without_added_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer that reads every added token as the text that spells it.

    `encode_special_tokens` does so for special tokens. Checkpoints also have added tokens that are
    not special, such as `<think>` and `<tool_call>` of Qwen3: in a question they would be tokens.
    """
    if all(token.special for token in tokenizer.get_added_tokens_decoder().values()):
        return tokenizer
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        token["special"] = True
    plain = type(tokenizer).from_str(json.dumps(data))
    plain.encode_special_tokens = True
    return plain
