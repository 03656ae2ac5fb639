"""Laws of `policies.sage_mm.tokens.chat_template`: what a template writes, and where it differs."""

from __future__ import annotations

import numpy as np
import pytest

from policies.errors import ModelError
from policies.sage_mm.tokens import chat_template
from policies.sage_mm.tokens.chat_template import template_prefill
from policies.sage_mm.tokens.chat_tokens import ChatTokens

tiny = pytest.importorskip("tests.helpers.tiny_model")
LAYOUT = tiny.QWEN_LAYOUT
OPENS = "{{ '<|im_start|>assistant\n' }}"


@pytest.fixture
def tokenizer():
    return tiny.build_tokenizer()


@pytest.mark.parametrize("style", ["brief", "full"])
@pytest.mark.parametrize(
    "prefill", ["", "<think>\n", "<|vision_end|>", "<|im_start|>\n", "a <|endoftext|>"]
)
def test_what_follows_our_prompt_is_the_prefill_special_tokens_too(tokenizer, style, prefill):
    opens = OPENS.replace("assistant\n", f"assistant\n{prefill}")
    tokenizer.chat_template = LAYOUT.replace(OPENS, opens)
    tokens = ChatTokens(tokenizer.backend_tokenizer, style)
    assert template_prefill(tokenizer, tokens, "x") == prefill


def test_a_template_that_knows_no_videos_is_not_asked_for_one(tokenizer) -> None:
    tokens = ChatTokens(tokenizer.backend_tokenizer, "full")
    text = LAYOUT.replace("<|vision_start|><|video_pad|><|vision_end|>", "no pictures")
    tokenizer.chat_template = text
    assert template_prefill(tokenizer, tokens, "x") == ""
    tokenizer.chat_template = text + "{# video_pad #}"
    with pytest.raises(ModelError, match="the chat template of x differs"):
        template_prefill(tokenizer, tokens, "x")


class Ids:
    """A tokenizer whose ids spell themselves."""

    def decode(self, ids, skip_special_tokens):
        assert not skip_special_tokens
        return " ".join(map(str, ids))


OURS = np.arange(100, 120)


def require(theirs: np.ndarray) -> None:
    chat_template._require_start(Ids(), OURS, theirs, "the source")


@pytest.mark.parametrize("at", [0, 1, 4, 10, 19])
def test_the_first_token_that_differs_is_shown_with_what_is_around_it(at: int) -> None:
    theirs = OURS.copy()
    theirs[at:] += 100
    with pytest.raises(ModelError) as caught:
        require(theirs)
    first, last = max(0, at - 4), min(20, at + 8)
    words = [" ".join(map(str, ids[first:last])) for ids in (theirs, OURS)]
    assert f"at token {at}: it writes {words[0]!r} where SAGE-MM writes {words[1]!r};" in str(
        caught.value
    )


@pytest.mark.parametrize("length", [0, 1, 19])
def test_a_conversation_that_ends_early_differs_where_it_ends(length: int) -> None:
    with pytest.raises(ModelError, match=f"differs from Qwen3-VL's at token {length}:"):
        require(OURS[:length])


def test_what_goes_on_after_ours_is_no_difference() -> None:
    longer = np.append(OURS, [7, 8])
    require(OURS)
    require(longer)
    with pytest.raises(ModelError, match="at token 0:"):
        require(longer[1:])
