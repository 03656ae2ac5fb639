"""Ablation of frames: the same prompt without them. No torch."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from policies.sage_mm.tokens.chat_tokens import TIME, ChatTokens

_TIME = re.compile(TIME.pattern + "$")


def without_frames(tokens: ChatTokens, prompt: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a prompt without its frames and the times before them.

    It is, id for id, what `ChatTokens.prompt` makes of the same observation with no frames. The
    text around the frames is encoded anew, because tokens may merge across the gap.

    Args:
        tokens: the layout that made the prompt.
        prompt: int64 `(P,)`, the ids that one user turn added.

    Returns:
        int64 `(P',)`; the prompt itself where it has no frames.
    """
    starts = np.flatnonzero(prompt == tokens.vision_start)
    if not len(starts):
        return prompt
    ends = np.flatnonzero(prompt == tokens.vision_end)
    begin = int(np.flatnonzero(prompt[: starts[0]] == tokens.im_start)[-1]) + 1
    finish = int(ends[-1] + np.flatnonzero(prompt[ends[-1] :] == tokens.im_end)[0])
    before = zip([begin, *(ends[:-1] + 1)], starts, strict=True)
    texts = [_TIME.sub("", tokens.text(prompt[start:end])) for start, end in before]
    text = "".join([*texts, tokens.text(prompt[ends[-1] + 1 : finish])])
    encoded = tokens.completion(text)[:-1]  # less the stop token
    return np.concatenate([prompt[:begin], encoded, prompt[finish:]])
