"""Auxiliary losses for what a small model does not learn from the reply alone: which frame, when.

A frame's time is written before the frame. To copy the time of the red frame, a model has to
gather a frame's digits where its content is known (on the `<|vision_end|>` behind it), gather what
is asked for where an answer begins, and attend from the one to the other. The loss of the reply
alone leaves that at chance: given its first digit, the rest of a time can be guessed from the times
in the prompt, so only that first digit needs the frame. So each of the three steps gets a loss of
its own:

* heads on `<|vision_end|>` read the frame's time and content, and those of the frame before it;
* heads on a reply's tokens read the colour and the word that a time is asked for with;
* the attention of one layer is pulled to the frame that determines the next token.

The labels follow from a conversation's tokens and the reading head. The heads are not part of the
checkpoint. Attention supervision is due to Liu et al., "Neural Machine Translation with Supervised
Attention", arXiv 1609.04186.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb

from algos.sft.examples import Example
from algos.sft.supervised_loss import next_tokens
from algos.tiny.hint_labels import NONE, SLOTS, Labeller, Labels
from policies.sage_mm.vision.frame_encoder import FrameEncoder

# Of five layers: two gather what stands near a token, the third reaches the frame before it, the
# fourth (number 3, from 0) points, and one is left to copy. Revisit with another depth.
GATHERED = 2  # layers after which a frame's own time and what is asked for are to be known
NEIGHBOUR = 3  # layers after which those of the frame before it are
POINTING = 3  # number of the layer, from 0, whose attention goes to the frame


class Hints(nn.Module):
    """The auxiliary heads, and the loss of all three steps.

    Args:
        base: the model; its layers are watched.
        labeller: says what is to be known where.
    """

    def __init__(self, base: Any, labeller: Labeller) -> None:
        """Make fresh heads and start to watch."""
        super().__init__()
        language = base.model.language_model
        width = language.config.hidden_size
        self._base, self._labeller = (base,), labeller  # a tuple: not a part of this module
        self._embedding, self._pointing = (language.embed_tokens,), (language.layers[POINTING],)
        scale = width**-0.5
        self.own = nn.Parameter(torch.randn(SLOTS, width, width) * scale)
        self.before = nn.Parameter(torch.randn(SLOTS, width, width) * scale)
        self.asked = nn.Parameter(torch.randn(2, width, width) * scale)
        self._seen = threading.local()  # batches are differentiated side by side
        for name, number in (("gathered", GATHERED), ("neighbour", NEIGHBOUR)):
            language.layers[number - 1].register_forward_hook(self._keep_output(name))
        self._pointing[0].register_forward_pre_hook(self._keep_input, with_kwargs=True)

    def exam(self, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]) -> float:
        """Return the share of right first tokens among those that a frame determines.

        Of a time that is the first digit, which cannot be guessed from the digits before it.

        Args:
            encoder: has the features of the examples' frames.
            frame_pad: id of the visual token.
            examples: conversations that were not trained on.
        """
        likeliest = next_tokens(self._base[0], encoder, frame_pad, examples)
        right = []
        for row, example in zip(likeliest, examples, strict=True):
            points = self._labeller(example).points.tolist()
            first = [at for at in points if at - 1 not in points]
            right += [row[at] == example.ids[at + 1] for at in first]
        return float(np.mean(right))

    def _keep_output(self, name: str) -> Any:
        def keep(module: Any, args: Any, output: Any) -> None:
            setattr(self._seen, name, output[0] if isinstance(output, tuple) else output)

        return keep

    def _keep_input(self, module: Any, args: Any, kwargs: Any) -> None:
        self._seen.input = args[0] if args else kwargs["hidden_states"]
        self._seen.rotations = kwargs["position_embeddings"]

    def loss(self, examples: Sequence[Example]) -> Tensor:
        """Return the mean loss of conversations whose forward pass has just run in this thread.

        A float `()`, in nats: the sum of up to four cross-entropies.
        """
        labels = [self._labeller(example) for example in examples]
        total = self._read("gathered", self.own, labels, "ends", "own")
        total = total + self._read("neighbour", self.before, labels, "ends", "before")
        if any(len(label.points) for label in labels):
            total = total + self._read("gathered", self.asked, labels, "points", "asked")
            total = total + self._point(labels)
        return total

    def _read(
        self, layer: str, heads: Tensor, labels: Sequence[Labels], places: str, words: str
    ) -> Tensor:
        """Return the loss of one group of heads: their cross-entropy, float `()`, in nats, >= 0.

        The mean over all words that are labelled at all places: 0 if every word is certain and
        right, log(vocabulary) for a uniform guess. It is also 0 where nothing is labelled.

        Args:
            layer: the hidden states to read, `gathered` or `neighbour`.
            heads: float `(slots, hidden, hidden)`, one map per word.
            labels: of every row.
            places: attribute of `labels` that holds the columns to read.
            words: attribute of `labels` that holds the tokens, `NONE` for no label.
        """
        rows = np.repeat(np.arange(len(labels)), [len(getattr(x, places)) for x in labels])
        columns = np.concatenate([getattr(x, places) for x in labels])
        hidden = getattr(self._seen, layer)[torch.from_numpy(rows), torch.from_numpy(columns)]
        hidden = F.rms_norm(hidden, hidden.shape[-1:])
        scores = torch.einsum("nd,sde,ve->nsv", hidden, heads, self._embedding[0].weight)
        wanted = torch.from_numpy(np.concatenate([getattr(x, words) for x in labels])).flatten()
        if not bool((wanted != NONE).any()):
            return scores.sum() * 0.0
        return F.cross_entropy(scores.flatten(0, 1), wanted, ignore_index=NONE)

    def _point(self, labels: Sequence[Labels]) -> Tensor:
        """Return the loss of the attention that should point to frames, float `()`, in nats, >= 0.

        The mean of -log(attention on the token that ends the frame which determines the next
        token), over these places and the layer's heads: 0 if all attention is there, log(n) where
        it is spread evenly over n tokens. The scores are computed again, because attention kernels
        do not return them.
        """
        layer, attention = self._pointing[0], self._pointing[0].self_attn
        hidden = layer.input_layernorm(self._seen.input)
        shape = (*hidden.shape[:2], -1, attention.head_dim)
        query = attention.q_norm(attention.q_proj(hidden).view(shape)).transpose(1, 2)
        key = attention.k_norm(attention.k_proj(hidden).view(shape)).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *self._seen.rotations)
        scores = query @ key.transpose(-1, -2) * attention.scaling
        row = torch.arange(len(labels)).repeat_interleave(
            torch.tensor([len(x.points) for x in labels])
        )
        at = torch.from_numpy(np.concatenate([x.points for x in labels]))
        to = torch.from_numpy(np.concatenate([x.frames for x in labels]))
        scores = scores[row, :, at]
        later = torch.arange(scores.shape[-1]) > at[:, None]
        scores = scores.masked_fill(later[:, None], float("-inf"))
        return F.cross_entropy(scores.flatten(0, 1), to.repeat_interleave(scores.shape[1]))
