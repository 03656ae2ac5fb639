"""The peer of rollouts: at every turn the whole conversation is rendered and prefilled again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from policies.base import Observation
from policies.prompt import SYSTEM, render_user
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.vision.frame_encoder import FrameEncoder, patchify


class RerenderingPlayer:
    """Plays with `generate` of transformers: each turn takes the whole conversation, with pixels.

    The checkpoint's chat template writes the text, which is tokenised as a whole; the batch is
    padded on the left. Within a turn `generate` keeps keys and values, between turns nothing is
    kept. Decoding is greedy.

    Args:
        model: its weights are used, adapters included.
        tokenizer: of the checkpoint.
        max_new_tokens: most tokens of a reply.

    Attributes:
        encodes: number of frames that the vision tower encoded.
    """

    def __init__(self, model: SageModel, tokenizer: Any, max_new_tokens: int) -> None:
        """Start with no episode."""
        self.model, self.tokenizer, self.max_new_tokens = model, tokenizer, max_new_tokens
        self.encodes = 0
        self._messages: dict[int, list[dict[str, Any]]] = {}
        self._frames: dict[int, list[NDArray[np.uint8]]] = {}

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[list[int]]:
        """Return the token ids of each episode's next reply, the stop token included."""
        texts = []
        for observation, name in zip(observations, episodes, strict=True):
            self._show(observation, name)
            text = self.tokenizer.apply_chat_template(
                self._messages[name], add_generation_prompt=True, tokenize=False
            )
            grid = self.model.encoder.grid_of(observation["frames"])
            texts.append(text.replace("<|video_pad|>", "<|video_pad|>" * (grid[0] * grid[1])))
        replies = self._generate(texts, [x for name in episodes for x in self._frames[name]])
        for name, reply in zip(episodes, replies, strict=True):
            content = self.tokenizer.decode(reply, skip_special_tokens=True)
            self._messages[name].append({"role": "assistant", "content": content})
        return replies

    def _show(self, observation: Observation, name: int) -> None:
        style, first = self.model.tokens.style, name not in self._messages
        if first:
            system = [{"role": "system", "content": SYSTEM[style]}] * bool(SYSTEM[style])
            self._messages[name], self._frames[name] = list(system), []
        content = [
            {"type": "text", "text": segment} if isinstance(segment, str) else {"type": "video"}
            for segment in render_user(observation, first=first, style=style)
        ]
        self._messages[name].append({"role": "user", "content": content})
        self._frames[name].extend(observation["frames"][: int(observation["num_frames"])])

    def _generate(self, texts: list[str], frames: list[NDArray[np.uint8]]) -> list[list[int]]:
        tower, stop = self.model.encoder.visual.config, self.model.tokens.stop
        patch, merge = int(tower.patch_size), int(tower.spatial_merge_size)
        inputs = self.tokenizer(
            texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt"
        )
        height, width = frames[0].shape[:2]
        self.encodes += len(frames)
        self.model.base.model.rope_deltas = None
        with torch.inference_mode():
            out = self.model.base.generate(
                input_ids=inputs.input_ids,
                attention_mask=inputs.attention_mask,
                mm_token_type_ids=2 * (inputs.input_ids == self.model.tokens.frame_pad).int(),
                pixel_values_videos=patchify(torch.from_numpy(np.stack(frames)), patch, merge),
                video_grid_thw=torch.tensor([[1, height // patch, width // patch]] * len(frames)),
                do_sample=False,
                max_new_tokens=self.max_new_tokens,
                eos_token_id=stop,
            )
        replies = out[:, inputs.input_ids.shape[1] :].tolist()
        return [row[: row.index(stop) + 1] if stop in row else row for row in replies]


class UncachedEncoder(FrameEncoder):
    """A frame encoder without a cache: every frame of every observation is encoded."""

    def encode(self, batches: Sequence[Collection[NDArray[np.uint8]]]) -> list[tuple[bytes, ...]]:
        """Encode all frames, F per batch of uint8 `(H, W, 3)`; return one key per frame of each."""
        keys = [tuple(self._key(frame) for frame in frames) for frames in batches]
        for frames, names in zip(batches, keys, strict=True):
            self._seen |= set(names)
            self._encode(dict(zip(names, frames, strict=True)))
        return keys
