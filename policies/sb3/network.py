"""A network for Stable-Baselines3 that matches frames with words; importing this loads torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

_HIDDEN = 64  # units of the hidden layers; a choice, for some 20 symbols and colours
_COARSE = 4  # pixels on a side of what colours are read from
_NOT_SHOWN = -30.0  # logit of a frame that is not there: e**-30 is 0 beside any other
_WORD_SCALE = 0.3  # standard deviation of word weights: few of their inputs are 1


class MatchNet(BaseFeaturesExtractor):
    """Scores each choice by what the frame that the question is about shows.

    The score of choice k is `log sum_f p(f) q(k | f)`, plus log N: 0 where nothing is known. `p` is
    a softmax over frames of how well a frame's coarse colours match the question's words, and `q`
    one over choices of how well the frame's shapes (its brightness) match the choice's words. All
    frames and all choices share their weights, so that neither has to be learned from data.

    Give it to a model as `policy_kwargs={"features_extractor_class": MatchNet,
    "features_extractor_kwargs": {"tile": (h, w)}, "net_arch": []}`; `answer_with_scores` makes the
    answers begin at their scores.

    Args:
        space: of `NumericObservations`.
        tile: its (h, w), at least (8, 8).
        width: of what is matched.
    """

    def __init__(self, space: spaces.Dict, tile: tuple[int, int], width: int = 32) -> None:
        """Make the layers, with random weights."""
        sizes = {key: (box.shape or ())[0] for key, box in space.spaces.items()}
        super().__init__(space, features_dim=sizes["has_choice"] + 1)
        self.tile, self.frames, self.choices = tile, sizes["shown"], sizes["has_choice"]
        if min(tile) < 8:
            raise ValueError(f"tile must be at least (8, 8), got {tile}")
        cells = math.ceil(tile[0] / 4) * math.ceil(tile[1] / 4)
        self.shape = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * cells, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, width),
        )
        self.colour = nn.Sequential(
            nn.AdaptiveAvgPool2d(_COARSE),
            nn.Flatten(),
            nn.Linear(3 * _COARSE**2, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, width),
        )
        self.question = nn.Linear(sizes["question"], width)
        self.choice = nn.Linear(sizes["choices"] // self.choices, width)
        for words in (self.question, self.choice):  # few of their inputs are 1, all others 0
            nn.init.normal_(words.weight, std=_WORD_SCALE)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Return the score of each choice and the best of them: float32 `(B, N + 1)`.

        Args:
            observations: a batch of `NumericObservations`, `frames` as float32 `(B, 3, R h, C w)`
                in [0, 1].
        """
        tiles = self._tiles(2.0 * observations["frames"] - 1.0)
        batch = len(observations["frames"])
        shapes = self.shape(tiles.amax(1, keepdim=True)).view(batch, self.frames, -1)
        colours = self.colour(tiles).view(batch, self.frames, -1)
        asked = torch.einsum("bfd,bd->bf", colours, self.question(observations["question"]))
        asked = asked.masked_fill(observations["shown"] == 0, _NOT_SHOWN).log_softmax(-1)
        words = self.choice(observations["choices"].view(batch, self.choices, -1))
        named = torch.einsum("bfd,bnd->bfn", shapes, words).log_softmax(-1)
        scores = (asked[..., None] + named).logsumexp(1) + math.log(self.choices)
        return torch.cat([scores, scores.amax(-1, keepdim=True)], -1)

    def _tiles(self, sheet: Tensor) -> Tensor:
        """Cut sheets (B, 3, R h, C w) into the frames on them: (B F, 3, h, w)."""
        (height, width), batch = self.tile, len(sheet)
        rows, columns = sheet.shape[2] // height, sheet.shape[3] // width
        tiles = sheet.reshape(batch, 3, rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
        return tiles.reshape(batch, -1, 3, height, width)[:, : self.frames].flatten(0, 1)


def answer_with_scores(model: Any) -> None:
    """Set the last layer so that each answer begins at its score, and every other action at 0.

    Args:
        model: an actor-critic model with a `MatchNet` and `net_arch=[]`, whose answers are the
            first actions, as those of `ActionGrid` are.
    """
    layer, count = model.policy.action_net, model.policy.features_extractor.choices
    with torch.no_grad():
        layer.weight.copy_(torch.eye(*layer.weight.shape))
        layer.weight[count:] = 0.0
        layer.bias.zero_()
