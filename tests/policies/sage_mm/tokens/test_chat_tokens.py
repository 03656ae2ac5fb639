"""Laws of `policies.sage_mm.tokens.chat_tokens`, `chat_template`: wording, layout, true times."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.prompt import SYSTEM, render_user
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.tokens.mrope import mrope_positions
from tests.helpers.episodes import observe

tiny = pytest.importorskip("tests.helpers.tiny_model")
TOKENIZER = tiny.build_tokenizer()
BRIEF = ChatTokens(TOKENIZER.backend_tokenizer, "brief")
FULL = ChatTokens(TOKENIZER.backend_tokenizer, "full")
QWEN_LAYOUT = tiny.QWEN_LAYOUT


def spell(segments, tokens_per_frame=4):
    frame = "<|vision_start|>" + "<|video_pad|>" * tokens_per_frame + "<|vision_end|>"
    return "".join(s if isinstance(s, str) else frame for s in segments)


def test_brief_wording():
    seconds = np.array([0.25, 31.96, -1, -1], np.float32)
    observation = observe(0, 2, seconds=seconds, turns_left=9, frames_left=98)
    assert render_user(observation, first=True, style="brief") == [
        "<0.2 seconds>",
        0,
        "<32.0 seconds>",
        1,
        "\nvideo 600.0 seconds. turns left 9, frames left 98.\n"
        "what colour is star 0?\nred, green, blue",
    ]
    observation |= {"message": "only 2 frames left", "num_frames": 1}
    assert render_user(observation, first=False, style="brief") == [
        "only 2 frames left\n<0.2 seconds>",
        0,
        "\nturns left 9, frames left 98.",
    ]
    blind = observe(0, 0, choices="", message="starts blind")
    assert render_user(blind, first=True, style="brief") == [
        "\nstarts blind\nvideo 600.0 seconds. turns left 9, frames left 100.\n"
        "what colour is star 0?"
    ]


def test_full_wording_tells_all():
    observation = observe(
        3, 1, cursor=np.float32(12.5), text="a voice says: blue", message="clamped"
    )
    for first in (True, False):
        text = spell(render_user(observation, first=first, style="full"))
        told = ["clamped", "a voice says: blue", "12.5", "9", "97", "seconds>"]
        told += ["600.0", "what colour is star 3?", "red\ngreen\nblue"] if first else []
        assert [part for part in told if part not in text] == []


@pytest.mark.parametrize("chat", [BRIEF, FULL], ids=["brief", "full"])
def test_ids_equal_the_chat_template(chat):
    looks = [observe(1, 3), observe(2, 0, message="no frames there"), observe(3, 2)]
    replies = ['{"action": "skip", "to": 9}', "cut off by length", '{"action": "answer"}']
    ids, messages = [], []
    if SYSTEM[chat.style]:
        messages.append({"role": "system", "content": SYSTEM[chat.style]})
    for turn, (look, reply) in enumerate(zip(looks, replies, strict=True)):
        segments = render_user(look, first=turn == 0, style=chat.style)
        stopped = turn != 2  # the second reply has no stop token
        ids += chat.prompt(segments, 4, first=turn == 0, stopped=stopped).tolist()
        messages.append({"role": "user", "content": spell(segments)})
        text = TOKENIZER.apply_chat_template(
            messages, chat_template=QWEN_LAYOUT, add_generation_prompt=True, tokenize=False
        )
        assert ids == TOKENIZER(text, add_special_tokens=False).input_ids
        completion = chat.completion(reply).tolist()
        ids += completion[:-1] if turn == 1 else completion
        messages.append({"role": "assistant", "content": reply})


def test_times_are_the_frames_own():
    seconds = np.array([0.04, 7.96, 8.04, 3599.99], np.float32)
    ids = BRIEF.prompt(render_user(observe(0, 4, seconds=seconds), first=True), 4, first=True)
    text = TOKENIZER.decode(ids, skip_special_tokens=False)
    before = [part.rpartition("<")[2] for part in text.split("<|vision_start|>")[:-1]]
    assert before == ["0.0 seconds>", "8.0 seconds>", "8.0 seconds>", "3600.0 seconds>"]
    assert (ids == BRIEF.frame_pad).sum() == 16


@settings(max_examples=60, deadline=None)
@given(st.text() | st.sampled_from(["<|im_end|>", "a<|video_pad|>b", "<|im_start|>system\n"]))
def test_text_from_outside_stays_text(text):
    look = observe(0, 2, question=text, message=text)
    ids = BRIEF.prompt(render_user(look, first=True, style="brief"), 4, first=True)
    plain = BRIEF.prompt(render_user(observe(0, 2), first=True, style="brief"), 4, first=True)
    special = np.flatnonzero(BRIEF.banned(len(TOKENIZER))).tolist() + [BRIEF.stop]
    assert [i for i in ids if i in special] == [i for i in plain if i in special]


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_completion_spells_its_text(text):
    assert BRIEF.text(BRIEF.completion(text)) == text
    assert BRIEF.text(BRIEF.completion(text)[:-1]) == text


def test_banned_are_the_special_tokens_and_the_empty_rows():
    banned = np.flatnonzero(BRIEF.banned(len(TOKENIZER) + 3))
    special = {TOKENIZER.convert_tokens_to_ids(t) for t in tiny.SPECIAL.values()}
    rows = range(len(TOKENIZER), len(TOKENIZER) + 3)
    assert set(banned.tolist()) == (special | set(rows)) - {BRIEF.stop}


def test_positions_by_hand():
    pad = 9
    ids = np.array([1, 2, 9, 9, 9, 9, 9, 9, 3, 9, 4])
    positions, after = mrope_positions(ids, pad, [(2, 3), (1, 1)], start=10)
    assert positions.tolist() == [
        [10, 11, 12, 12, 12, 12, 12, 12, 15, 16, 17],
        [10, 11, 12, 12, 12, 13, 13, 13, 15, 16, 17],
        [10, 11, 12, 13, 14, 12, 13, 14, 15, 16, 17],
    ]
    assert after == 18
    with pytest.raises(ValueError, match="fill 1 visual tokens, but the ids have 7"):
        mrope_positions(ids, pad, [(1, 1)])


def test_a_tokenizer_without_vision_tokens_is_refused():
    from tokenizers import Tokenizer, models

    bare = Tokenizer(models.BPE())
    bare.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    with pytest.raises(ValueError, match=r"no <\|vision_start\|> token"):
        ChatTokens(bare)
    with pytest.raises(ValueError, match="must be one of"):
        ChatTokens(TOKENIZER.backend_tokenizer, "short")


def test_tags_in_a_question_stay_text_with_any_tokenizer():
    """Qwen3's `<think>` and `<tool_call>` are added tokens that are not special."""
    hub = tiny.build_tokenizer().backend_tokenizer
    hub.add_tokens(["<think>", "</think>", "<tool_call>"])
    added = {hub.token_to_id(tag) for tag in ("<think>", "</think>", "<tool_call>")}
    tokens = ChatTokens(hub, "full")
    said = "a <think>b</think> <tool_call> <|im_end|> <|video_pad|>?"
    for again in (tokens, pickle.loads(pickle.dumps(tokens)), tokens.with_prefill("<think>")):
        for words in ({"first": True, "system": said}, {"first": False}):
            ids = again.prompt([said], 1, **words)
            body = ids[: len(ids) - len(again._prefill)]
            assert not added & set(body.tolist())
            assert (body == again.im_end).sum() == (body == again.im_start).sum() - 1
            assert said in again.text(body) and not (body == again.frame_pad).any()
    assert added & set(tokens.completion("<think>so</think>").tolist()), "a model may think"
    plain = ChatTokens(TOKENIZER.backend_tokenizer, "full")
    assert plain._words is plain._tokenizer, "nothing is copied where there is nothing to hide"


def test_a_frame_is_read_with_the_time_right_before_it_or_none() -> None:
    """A time further back is that of something else, and a prompt may begin with a frame."""
    timed, bare = ["<12.5 seconds>", 0], ["so: ", 0]
    far = ["<3.0 seconds> and then ", 0]

    def found(segments, size):
        return [
            (f.seconds, f.tokens) for f in BRIEF.frames(BRIEF.prompt(segments, size, first=True))
        ]

    assert found([*timed, *bare, *far, *timed, "?"], 3) == [
        (12.5, 3), (None, 3), (None, 3), (12.5, 3)
    ]  # fmt: skip
    assert found(["<1.0 seconds><2.0 seconds>", 0], 1) == [(2.0, 1)]
    assert found(["no frame at <1.0 seconds>"], 1) == []
    pads = np.array([BRIEF.frame_pad] * 2)
    assert [(f.seconds, f.tokens) for f in BRIEF.frames(pads)] == [(None, 2)]
    assert BRIEF.frames(np.zeros(0, np.int64)) == []


def test_only_a_stop_token_at_the_end_is_left_out_of_a_text() -> None:
    said, stop = BRIEF.completion("so")[:-1], [BRIEF.stop]
    assert BRIEF.text(np.array(stop)) == BRIEF.text(np.zeros(0, np.int64)) == ""
    assert BRIEF.text(np.concatenate([stop, said])) == "<|im_end|>so"
    assert BRIEF.text(np.concatenate([said, stop, stop])) == "so<|im_end|>"


def test_a_layout_with_a_prefill_is_another_one() -> None:
    assert BRIEF.with_prefill("") is BRIEF and not BRIEF.thinks_first
    thinking = BRIEF.with_prefill("<think>\n")
    assert thinking.thinks_first and thinking.style == "brief"
    assert not BRIEF.with_prefill("<think>\n\n</think>\n\n").thinks_first
    assert thinking.with_prefill("") is not thinking
    again = pickle.loads(pickle.dumps(thinking))
    assert (again.style, again.assistant_prefill) == ("brief", "<think>\n")
    prompt = thinking.prompt(["?"], 1, first=False)
    assert thinking.text(prompt).endswith("assistant\n<think>\n")
    assert BRIEF.prompt(["?"], 1, first=False).tolist() == prompt[: len(prompt) - len(
        thinking._prefill
    )].tolist()  # fmt: skip


def test_a_system_prompt_may_be_given_or_left_out() -> None:
    named, none = (FULL.prompt(["?"], 1, first=True, system=words) for words in ("Hi", ""))
    assert FULL.text(named).startswith("<|im_start|>system\nHi<|im_end|>\n<|im_start|>user\n?")
    assert FULL.text(none).startswith("<|im_start|>user\n?")
    default = FULL.text(FULL.prompt(["?"], 1, first=True))
    assert default.startswith(f"<|im_start|>system\n{SYSTEM['full']}<|im_end|>")
    assert FULL.text(FULL.prompt(["?"], 1, first=False, system="Hi")).startswith(
        "\n<|im_start|>user"
    )


def test_a_token_that_is_plain_text_is_none() -> None:
    from tokenizers import Tokenizer, models

    plain = Tokenizer(models.WordLevel({"<|im_start|>": 0, "x": 1}, unk_token="x"))
    with pytest.raises(
        ValueError, match=r"must know <\|im_start\|> as a special token, not as text"
    ):
        ChatTokens(plain)
