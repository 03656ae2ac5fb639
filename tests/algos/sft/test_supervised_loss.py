"""Laws of `algos.sft`: what is learned from, and a gradient that no cut of the batch changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from algos.sft import Example, TeacherTokens, add_supervised_gradients, batches
from algos.tiny.architecture import build_model, make_config, train_tokenizer
from algos.tiny.recipe import _texts
from policies.base import Decision
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.frame_encoder import FrameEncoder
from sage_env.actions.action import Answer, Zoom
from sage_env.actions.action_text import format_action, parse_action


@pytest.fixture(scope="module")
def student():
    torch.set_num_threads(1)
    tokenizer = train_tokenizer(_texts())
    model = build_model(make_config(tokenizer), seed=0)
    tokens = ChatTokens(tokenizer.backend_tokenizer, "brief")
    return model, tokens, FrameEncoder(model.model.visual)


class Teacher:
    """Zooms once and answers."""

    def reset(self, *, seed=None):
        self.turns = {}

    def act_batch(self, observations, episodes):
        decisions = []
        for name in episodes:
            self.turns[name] = self.turns.get(name, 0) + 1
            action = Zoom(1.0, 2.0, 2) if self.turns[name] == 1 else Answer("star")
            decisions.append(Decision(action, format_action(action, "red empty")))
        return decisions

    def end(self, episodes):
        pass


def observe(rng, count, turns_left):
    return {
        "frames": rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8),
        "seconds": np.array([0.5, 1.5, 2.5], np.float32),
        "num_frames": count,
        "duration": np.float32(3.0),
        "turns_left": turns_left,
        "frames_left": 9,
        "question": "Which symbol flashes on the red backdrop?",
        "choices": "",
        "message": "",
        "text": "",
    }


@pytest.fixture(scope="module")
def examples(student):
    _, tokens, encoder = student
    rng = np.random.default_rng(0)
    found = []
    for episode in range(7):
        teacher = TeacherTokens(Teacher(), tokens, encoder)
        teacher.reset(seed=0)
        turns = [
            teacher.act_batch([observe(rng, 1 + (episode + k) % 3, 2 - k)], [0])[0].tokens
            for k in range(2)
        ]
        ids = [part for turn in turns for part in (turn.prompt, turn.completion)]
        loss_mask = [np.full(len(part), k % 2 == 1) for k, part in enumerate(ids)]
        frames = tuple(key for turn in turns for key in turn.frames)
        found.append(Example(np.concatenate(ids), np.concatenate(loss_mask), frames))
    return found


def test_the_dictation_spells_the_teachers_actions(student, examples) -> None:
    _, tokens, _ = student
    for example in examples:
        text = tokens.text(example.ids[example.loss_mask]).split("<|im_end|>")
        assert parse_action(text[0]) == Zoom(1.0, 2.0, 2)
        assert parse_action(text[1]) == Answer("star")
        assert (example.ids == tokens.frame_pad).sum() == len(example.frames)


@pytest.mark.parametrize(("size", "workers"), [(1, 1), (3, 2), (8, 2)])
def test_the_gradient_does_not_depend_on_how_it_is_cut(student, examples, size, workers) -> None:
    model, tokens, encoder = student
    parameters = list(model.model.language_model.parameters())

    def gradient(size: int, workers: int) -> tuple[float, list[torch.Tensor]]:
        loss = add_supervised_gradients(
            model,
            encoder,
            tokens.frame_pad,
            examples,
            parameters,
            micro_batch=size,
            workers=workers,
        )
        found = [p.grad for p in parameters]
        for parameter in parameters:
            parameter.grad = None
        return loss, found

    whole, pieces = gradient(99, 1), gradient(size, workers)
    assert pieces[0] == pytest.approx(whole[0], abs=1e-5)
    for a, b in zip(whole[1], pieces[1], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_a_pass_shows_every_example_once(examples) -> None:
    stream = batches(examples, 2, np.random.default_rng(0))
    seen = [id(example) for _ in range(4) for example in next(stream)]
    assert sorted(seen) == sorted(map(id, examples))
