"""Check of a checkpoint's own chat template: it must write a conversation as `ChatTokens` does.

The layout is Qwen's, ChatML (`chat_template` of `tokenizer_config.json`, or `chat_template.jinja`);
transformers renders it (https://huggingface.co/docs/transformers/chat_templating).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.errors import ModelError
from policies.prompt import SYSTEM
from policies.sage_mm.tokens.chat_tokens import ChatTokens

_TURNS = ("<12.5 seconds>\nWhat is it?\nred, green", "nothing there\n\nturns left 2.")
_REPLY = '{"action": "skip", "to": 95.0}'


def template_prefill(tokenizer: Any, tokens: ChatTokens, source: str) -> str:
    """Compare a conversation in our layout with the same one by the checkpoint's chat template.

    The conversation has a system prompt (if ours has one), two user turns and a reply. Its text is
    compared token by token, and so is the block of a frame where the template knows videos.

    Args:
        tokenizer: the checkpoint's, with its template.
        tokens: our layout with that tokenizer and no prefill.
        source: name of the checkpoint, for messages.

    Returns:
        the assistant's prefill: what the template writes after the point where our prompt ends. It
        is empty, or, for a model that thinks first, `<think>` and a line break or the like.

    Raises:
        ModelError: if the template is another one; shows the first token that differs.
    """
    messages = [{"role": "system", "content": SYSTEM[tokens.style]}] * bool(SYSTEM[tokens.style])
    messages += [
        {"role": "user", "content": _TURNS[0]},
        {"role": "assistant", "content": _REPLY},
        {"role": "user", "content": _TURNS[1]},
    ]
    ours = np.concatenate(
        [
            tokens.prompt([_TURNS[0]], 0, first=True),
            tokens.completion(_REPLY),
            tokens.prompt([_TURNS[1]], 0, first=False),
        ]
    )
    theirs = _written(tokenizer, messages, source)
    _require_start(tokenizer, ours, theirs, source)
    prefill = tokenizer.decode(theirs[len(ours) :], skip_special_tokens=False)
    if "video_pad" in tokenizer.chat_template:
        _compare_frame(tokenizer, tokens, prefill, source)
    return str(prefill)


def _compare_frame(tokenizer: Any, tokens: ChatTokens, prefill: str, source: str) -> None:
    """Compare the tokens around a frame: its time, `<|vision_start|>`, a pad, `<|vision_end|>`.

    A template writes a `video` as one such block, with one pad token: the processor cuts it into
    frames only afterwards. So a video of the template is compared with one frame of ours.
    """
    content = [
        {"type": "text", "text": "<0.5 seconds>"},
        {"type": "video"},
        {"type": "text", "text": "\nWhat?"},
    ]
    system = SYSTEM[tokens.style]
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] * bool(system)
    messages.append({"role": "user", "content": content})
    ours = tokens.with_prefill(prefill).prompt(["<0.5 seconds>", 0, "\nWhat?"], 1, first=True)
    _require_start(tokenizer, ours, _written(tokenizer, messages, source), source)


def _written(tokenizer: Any, messages: list[dict[str, Any]], source: str) -> NDArray[np.int64]:
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template is a program of the checkpoint: it may raise anything
        raise ModelError(
            f"the chat template of {source} cannot write a conversation of system, user and "
            f"assistant ({type(error).__name__}: {error}): use the template of a Qwen3-VL "
            "checkpoint"
        ) from error
    return np.array(tokenizer(text, add_special_tokens=False).input_ids, dtype=np.int64)


def _require_start(
    tokenizer: Any, ours: NDArray[np.int64], theirs: NDArray[np.int64], source: str
) -> None:
    """Refuse a template whose conversation does not begin with ours."""
    if np.array_equal(theirs[: len(ours)], ours):
        return
    length = min(len(ours), len(theirs))
    at = int((ours[:length] != theirs[:length]).argmax()) if length else 0
    at = length if np.array_equal(ours[:length], theirs[:length]) else at

    def around(ids: NDArray[np.int64]) -> str:
        return str(tokenizer.decode(ids[max(0, at - 4) : at + 8], skip_special_tokens=False))

    raise ModelError(
        f"the chat template of {source} differs from Qwen3-VL's at token {at}: it writes "
        f"{around(theirs)!r} where SAGE-MM writes {around(ours)!r}; use a checkpoint with "
        "Qwen3-VL's chat template"
    )
