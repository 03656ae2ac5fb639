"""The recipe of the tiny model: tokenizer, tower, lessons."""

from __future__ import annotations

import numpy as np
import pytest

from algos.tiny.architecture import build_model, make_config, save_checkpoint, train_tokenizer
from algos.tiny.lessons import Lessons, caption, find_colour, find_symbol
from algos.tiny.pictures import Pictures, _draw_video, look
from algos.tiny.recipe import _texts
from policies.sage_mm.prompt import ChatTokens
from policies.sage_mm.vision import FrameEncoder
from policies.scripted import BACKDROPS, SIGHTS, Look
from sage_env.synth.plan import plan_video


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(_texts())


@pytest.fixture(scope="module")
def model(tokenizer):
    return build_model(make_config(tokenizer), seed=0)


def test_numbers_are_tokens_of_their_own_and_text_survives(tokenizer) -> None:
    text = '{"thought": "blue star", "action": "zoom", "start": 312.5, "end": 3340.0}'
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    pieces = [tokenizer.decode([i]) for i in ids]
    assert [p for p in pieces if any(c.isdigit() for c in p)] == [*"312", ".5", *"3340", ".0"]


def test_any_text_survives_the_tokenizer(tokenizer) -> None:
    text = 'Où est "Ψ"?\t<|im_end|> 漢字 \u200b🙂'
    chat = ChatTokens(tokenizer.backend_tokenizer, "brief")
    assert chat.text(chat.completion(text)) == text


def test_the_checkpoint_is_small_and_loads(tokenizer, model, tmp_path) -> None:
    from policies.sage_mm import SageMM

    save_checkpoint(model, tokenizer, tmp_path, {"max_turns": 5})
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 15e6
    policy = SageMM.load(tmp_path)
    assert policy.env_options == {"max_turns": 5}
    assert policy.model.tokens.style == "brief"


def test_labels_of_pictures_are_what_the_plan_shows() -> None:
    pictures = _draw_video(3, seed=1000)
    assert pictures.pixels.shape[1:] == (64, 64, 3)
    assert len(pictures) == len(pictures.backdrops) == len(pictures.sights)
    plan = plan_video("train", 3, 1000)
    flash = next(s for s in plan.scenes if s.kind == "flash")
    assert look(plan, flash.events[0].start)[1] == flash.events[0]
    assert look(plan, flash.events[0].end)[1] is None


LOOKS = [
    Look(5.0, "grey", "star"),
    Look(15.0, "blue", "empty"),
    Look(25.0, "blue", "star"),
    Look(35.0, "red", "heart"),
]


def test_lessons_say_what_was_seen() -> None:
    assert caption(LOOKS[:2]) == "5.0 grey star; 15.0 blue empty"
    assert find_colour(LOOKS, "blue") == "blue star 25.0 from 15.0 to 25.0 within 5.0 to 35.0"
    assert find_colour(LOOKS, "red") == "red heart 35.0 from 35.0 to 35.0 within 25.0 to 35.0"
    assert find_symbol(LOOKS, "star") == "star 25.0"  # the one on grey is a decoy
    assert find_symbol(LOOKS, "ring") == "ring empty"


def test_a_lesson_teaches_its_reply_and_nothing_else(tokenizer, model) -> None:
    rng = np.random.default_rng(0)
    count = len(BACKDROPS) * len(SIGHTS)
    pictures = Pictures(
        rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8),
        np.arange(count) // len(SIGHTS),
        np.arange(count) % len(SIGHTS),
    )
    tokens = ChatTokens(tokenizer.backend_tokenizer, "brief")
    lessons = Lessons(pictures, FrameEncoder(model.model.visual), tokens, rng)
    for example in lessons.draw(20):
        reply = tokens.text(example.ids[example.taught])
        prompt = tokens.text(example.ids[~example.taught])
        assert example.ids[example.taught][-1] == tokens.stop
        assert prompt.count("seconds>") == len(example.frames)
        assert (example.ids == tokens.frame_pad).sum() == len(example.frames)
        if "List" in prompt:
            times = [part.split(" ")[0] for part in reply.split("; ")]
            assert times == sorted(times, key=float)
            assert all(f"<{second} seconds>" in prompt for second in times)
