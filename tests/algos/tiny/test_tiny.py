"""Laws of `algos.tiny`: tokenizer, tower, lessons, and the labels of the auxiliary losses."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch

from algos.sft import Example, Schedule, add_supervised_gradients
from algos.tiny.architecture import build_model, make_config, save_checkpoint, train_tokenizer
from algos.tiny.hint_labels import NONE, Labeller
from algos.tiny.hints import Hints
from algos.tiny.lessons import Lessons, _Shown, caption, look_ups
from algos.tiny.pictures import Pictures, _draw_video, look
from algos.tiny.recipe import TEXT_NORM, _texts, scale_outputs
from policies.baselines.reading_head import BACKDROPS, SIGHTS, ReadingHead
from policies.baselines.scripted import FrameReading
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.frame_encoder import FrameEncoder
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
    FrameReading(5.0, "grey", "star"),
    FrameReading(15.0, "blue", "empty"),
    FrameReading(25.0, "blue", "star"),
    FrameReading(35.0, "red", "heart"),
]


def test_lessons_say_what_was_seen() -> None:
    assert caption(LOOKS[:2]) == "5.0 grey star; 15.0 blue empty"
    found = look_ups(LOOKS)
    blue = [text.removeprefix("blue ") for text in found if text.startswith("blue")]
    assert blue == ["what star", "at 25.0", "from 15.0", "to 25.0", "after 5.0", "before 35.0"]
    red = [text.removeprefix("red ") for text in found if text.startswith("red")]
    assert red == ["what heart", "at 35.0", "from 35.0", "to 35.0", "after 25.0", "before 35.0"]
    assert found[12:] == ["star at 25.0", "heart at 35.0"]  # the star on grey is a decoy
    assert look_ups([FrameReading(5.0, "pink", "empty")])[1] == "pink at empty"


@pytest.fixture(scope="module")
def classroom(tokenizer, model):
    """One picture of each kind, features that name it, and a head that reads them."""
    kinds = [(b, s) for b in range(len(BACKDROPS)) for s in range(len(SIGHTS))]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (len(kinds), 64, 64, 3), dtype=np.uint8)
    backdrops, sights = np.array(kinds).T
    encoder = FrameEncoder(model.model.visual)
    (keys,) = encoder.encode([pixels])
    features = encoder.features(keys)[0].numpy().astype(np.float64)
    wanted = np.hstack([np.eye(len(BACKDROPS))[backdrops], np.eye(len(SIGHTS))[sights]])
    weight = np.linalg.lstsq(features, wanted, rcond=None)[0].T
    head = ReadingHead(weight.astype(np.float32), np.zeros(weight.shape[0], np.float32))
    tokens = ChatTokens(tokenizer.backend_tokenizer, "brief")
    lessons = Lessons(Pictures(pixels, backdrops, sights), encoder, tokens, rng)
    names = [tokenizer.decode([i]) for i in range(len(tokenizer))]
    labeller = Labeller(tokens, names, encoder, head)
    return encoder, tokens, lessons, names, labeller


def test_hints_spell_the_time_of_the_frame_that_tells_a_token(classroom) -> None:
    _, tokens, lessons, names, labeller = classroom
    for example in lessons.draw(30):
        labels, ids = labeller(example), example.ids
        spelled = [
            "".join(names[t] for t in row[:5] if t not in (NONE, tokens.stop)) for row in labels.own
        ]
        seconds = re.findall(r"<([0-9.]+) seconds>", tokens.text(ids))
        assert spelled == seconds and len(labels.ends) == len(seconds)
        assert (labels.before[1:] == labels.own[:-1]).all()
        assert (labels.before[0] == tokens.stop).all()
        for at, end, (subject, word) in zip(
            labels.points, labels.frames, labels.asked, strict=True
        ):
            row = list(labels.ends).index(end)
            told = labels.before[row] if names[word].strip() == "after" else labels.own[row]
            assert example.loss_mask[at + 1] and ids[at + 1] in told
            if "List" not in tokens.text(ids):
                assert subject in labels.own[row] or names[word].strip() in ("after", "before")


def test_the_next_token_is_told_by_the_first_frame_of_a_colour(classroom) -> None:
    encoder, tokens, lessons, names, labeller = classroom
    shown = [_Shown(look, lessons._pick((look.backdrop, look.sight))) for look in LOOKS]
    example = lessons._example(shown, "Find blue.", "blue at 25.0; blue after 5.0; blue what star")
    labels = labeller(example)
    frames = [list(labels.ends).index(end) for end in labels.frames]
    words = [names[word].strip() for _, word in labels.asked]
    assert list(zip(words, frames, strict=True)) == [
        *[("at", 2)] * 3,
        *[("after", 1)] * 2,  # of the frame whose neighbour's time is wanted
        ("what", 2),
    ]


def test_hints_teach_where_to_look(classroom, tokenizer) -> None:
    encoder, tokens, lessons, _, labeller = classroom
    model = build_model(make_config(tokenizer), seed=1)
    hints = Hints(model, labeller)
    examples = lessons.draw(2, (2, 3))
    schedule = Schedule([*model.model.language_model.parameters(), *hints.parameters()], 2e-3, 400)
    losses = []
    for _ in range(30):
        add_supervised_gradients(
            model,
            encoder,
            tokens.frame_pad,
            examples,
            schedule.parameters,
            auxiliary_loss=hints.loss,
        )
        losses.append(float(hints.loss(examples).detach()))
        schedule.step()
    assert losses[-1] < 0.5 * losses[0]
    assert 0 <= hints.exam(encoder, tokens.frame_pad, examples) <= 1


def test_the_tower_is_scaled_to_the_text(model) -> None:
    visual = copy.deepcopy(model.model.visual)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    before = FrameEncoder(visual)
    features = before.features(before.encode([pixels])[0])
    factor = scale_outputs(visual, Pictures(pixels, np.zeros(8, int), np.zeros(8, int)))
    after = FrameEncoder(visual)
    scaled = after.features(after.encode([pixels])[0])
    torch.testing.assert_close(scaled[0], features[0] * factor, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scaled.norm(dim=-1).mean(1), torch.full((2,), TEXT_NORM))


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
        reply = tokens.text(example.ids[example.loss_mask])
        prompt = tokens.text(example.ids[~example.loss_mask])
        assert example.ids[example.loss_mask][-1] == tokens.stop
        assert prompt.count("seconds>") == len(example.frames)
        assert (example.ids == tokens.frame_pad).sum() == len(example.frames)
        if "List" in prompt:
            times = [part.split(" ")[0] for part in reply.split("; ")]
            assert times == sorted(times, key=float)
            assert all(f"<{second} seconds>" in prompt for second in times)


def test_a_second_conversation_has_its_own_frames_and_its_own_subject(classroom) -> None:
    _, tokens, lessons, names, labeller = classroom
    shown = [_Shown(look, lessons._pick((look.backdrop, look.sight))) for look in LOOKS]
    first, second = (
        lessons._example(shown, "Find blue.", reply) for reply in ("blue at 25.0", "at 25.0")
    )
    both = Example(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.loss_mask, second.loss_mask]),
        first.frames + second.frames,
    )
    labels = labeller(both)
    frames = [list(labels.ends).index(end) for end in labels.frames]
    assert frames == [2] * 3 + [len(LOOKS) + 2] * 3, "a time is that of the last frame so far"
    subjects = [subject for subject, _ in labels.asked]
    assert names[subjects[0]].strip() == "blue" and subjects[3:] == [NONE] * 3
