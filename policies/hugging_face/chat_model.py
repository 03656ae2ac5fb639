"""A model of Hugging Face that chats about pictures: conversations in, sampled replies out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import LogitsProcessorList

from policies.errors import ModelError
from policies.hugging_face.chat_layout import ChatLayout, Message
from policies.hugging_face.conversation import ChatTurn
from policies.hugging_face.draws import Draws
from policies.sage_mm.generation.sampling import Sampling
from sage_env.actions.thoughts import after_thoughts

_NO_LIMIT = 10**9  # tokenizers without a length say a number far above it


@dataclass(frozen=True, eq=False)
class ChatReply:
    """One sampled reply.

    Attributes:
        prompt: int64 `(P,)`, everything that was read.
        completion: int64 `(C,)`, what was sampled, stop token included when it came.
        logprobs: float32 `(C,)` in nats.
    """

    prompt: NDArray[np.int64]
    completion: NDArray[np.int64]
    logprobs: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ChatModel:
    """A network with its own processor.

    Attributes:
        network: of transformers.
        processor: likewise; its tokenizer pads on the left.
        layout: what its chat template can write.
        stops: ids that end a reply.
        images: settings of the image processor for every call.
        template: variables of the chat template.
    """

    network: Any
    processor: Any
    layout: ChatLayout
    stops: tuple[int, ...]
    images: Mapping[str, Any] = field(default_factory=dict)
    template: Mapping[str, Any] = field(default_factory=dict)

    @property
    def limit(self) -> int | None:
        """Return the tokens of the context; `None` if neither model nor tokenizer says."""
        text = self.network.config.get_text_config()
        found = getattr(text, "max_position_embeddings", None)
        found = found or self.processor.tokenizer.model_max_length
        return int(found) if found < _NO_LIMIT else None

    def encode(self, system: str, conversations: Sequence[Sequence[ChatTurn]]) -> Any:
        """Return conversations as the model reads them: B rows of L tokens, padded on the left.

        Args:
            system: what the model is told first.
            conversations: whose last turns want replies; either all with pictures, or none.

        Returns:
            a `BatchFeature` with `input_ids` and `attention_mask` int64 `(B, L)`, and what the
            processor makes of the pictures.

        Raises:
            ModelError: if the processor cannot read them.
        """
        asked = [self.layout.messages(system, turns) for turns in conversations]
        texts = [render(self.processor, messages, True, self.template) for messages in asked]
        pictures = [
            [Image.fromarray(p) for t in turns for p in t.pictures] for turns in conversations
        ]
        settings: dict[str, Any] = {"padding": True, "return_tensors": "pt"}
        begin = self.processor.tokenizer.bos_token
        if begin and texts[0].startswith(begin):  # else the tokenizer would write it again
            settings["add_special_tokens"] = False
        if any(pictures):
            settings |= {"images": pictures, "images_kwargs": dict(self.images)}
        try:
            inputs = self.processor(text=texts, **settings)
        except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
            raise ModelError(
                f"{type(self.processor).__name__} cannot read the frames: {error}; see the "
                "settings that it has for pictures, and the option `images`"
            ) from error
        if "token_type_ids" not in inspect.signature(self.network.forward).parameters:
            inputs.pop("token_type_ids", None)  # tokenizers give them unasked
        return inputs

    @torch.inference_mode()
    def replies(
        self, inputs: Any, sampling: Sampling, uniforms: NDArray[np.float64]
    ) -> list[ChatReply]:
        """Sample a reply for each row of `encode`.

        Args:
            inputs: from `encode`.
            sampling: temperature and cuts.
            uniforms: float64 `(B, C)` in [0, 1), a number per row and token; C is the most tokens
                of a reply.

        Raises:
            ModelError: if the model's numbers are not finite.
        """
        place = self.network.device
        draws = Draws(sampling, torch.from_numpy(uniforms).to(place))
        ids, mask = inputs["input_ids"].numpy(), inputs["attention_mask"].numpy().astype(bool)
        written: Tensor = self.network.generate(
            **inputs.to(place, dtype=self.network.dtype),
            max_new_tokens=uniforms.shape[1],
            logits_processor=LogitsProcessorList([draws]),
        )
        completions = written[:, ids.shape[1] :].cpu().numpy()
        logprobs = draws.logprobs.cpu().numpy()
        if not np.isfinite(logprobs[:, 0]).all():
            raise ModelError(
                f"the model's logits are not finite in {self.network.dtype}: give another dtype, "
                "such as bfloat16 or float32"
            )
        replies = []
        for row, kept, said, scores in zip(ids, mask, completions, logprobs, strict=True):
            ends = np.flatnonzero(np.isin(said, self.stops))
            length = int(ends[0]) + 1 if len(ends) else len(said)
            replies.append(ChatReply(row[kept], said[:length], scores[:length]))
        return replies

    def visual_tokens(self, prompt: NDArray[np.int64]) -> int | None:
        """Return how many tokens int64 `(P,)` stand for pictures; `None` where none is known to."""
        marks = [getattr(self.processor, f"{kind}_token_id", None) for kind in ("image", "video")]
        known = [mark for mark in marks if isinstance(mark, int)]
        return int(np.isin(prompt, known).sum()) if known else None

    def text(self, completion: NDArray[np.int64]) -> str:
        """Return what was sampled, int64 `(C,)`, without control tokens.

        Marks of thoughts stay, also where a tokenizer has them as control tokens.
        """
        tokenizer = self.processor.tokenizer
        said = [int(one) for one in completion if one not in self.stops]
        hidden = {token for token in tokenizer.all_special_tokens if after_thoughts(token) == token}
        kept = [one for one in said if tokenizer.convert_ids_to_tokens(one) not in hidden]
        return str(tokenizer.decode(kept, skip_special_tokens=False))


def render(
    processor: Any, messages: list[Message], reply: bool, template: Mapping[str, Any]
) -> str:
    """Return a conversation as a processor's chat template writes it.

    Args:
        processor: of a checkpoint.
        messages: of the conversation.
        reply: whether the model's next reply is opened.
        template: variables of the template.
    """
    written = processor.apply_chat_template(
        messages, add_generation_prompt=reply, tokenize=False, **template
    )
    return str(written)
