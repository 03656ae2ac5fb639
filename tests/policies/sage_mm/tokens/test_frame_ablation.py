"""Laws of `policies.sage_mm.tokens.frame_ablation`: frames and times go, every other id stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.recipe.step_credit import with_credit
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import AblatesFrames, Decision
from policies.prompt import render_user
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.tokens.frame_ablation import without_frames
from sage_env import Answer, Sample
from tests.helpers.episodes import as_batch, episode, observe, play, stir

tiny = pytest.importorskip("tests.helpers.tiny_model")
TOKENIZER = tiny.build_tokenizer()
STYLES = {style: ChatTokens(TOKENIZER.backend_tokenizer, style) for style in ("brief", "full")}
TEXTS = st.sampled_from(["", "cut to <12.5 seconds>", "Only 3 frames are left.", "é <|im_end|>\n"])


@settings(max_examples=60)
@given(
    st.sampled_from(["brief", "full"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 4),
    st.integers(1, 3),
    TEXTS,
    TEXTS,
)
def test_it_is_the_prompt_of_no_frames(style, first, stopped, frames, size, message, question):
    tokens = STYLES[style]

    def prompt(num_frames: int):
        observation = observe(3, num_frames, message=message, question=question or "what?")
        segments = render_user(observation, first=first, style=style)
        return tokens.prompt(segments, size, first=first, stopped=stopped)

    shown = prompt(frames)
    assert without_frames(tokens, shown).tolist() == prompt(0).tolist()
    assert (without_frames(tokens, shown) is shown) == (frames == 0)


def test_credit_of_a_real_network_is_the_difference_of_two_scores(tiny_folder) -> None:
    from policies.sage_mm import SageMM

    policy = SageMM.load(tiny_folder, max_new_tokens=6)
    stir(policy)
    assert isinstance(policy, AblatesFrames)
    policy.reset(seed=7)
    spoken = play(policy, episode(5, 3), "a")
    assert [len(t.frames) for t in spoken] == [3, 2, 3]
    actions = [Sample(0.0, 9.0, 2), Sample(9.0, 20.0, 3), Answer("red")]
    decisions = [Decision(a, "", t) for a, t in zip(actions, spoken, strict=True)]
    whole = Trajectory("q", 0, [Turn(d, 0.0, {}) for d in decisions], terminated=True)
    (found,) = with_credit(policy, [whole], micro_batch=1, overview=True)
    credits = [found.start_info["credit"], *(turn.info.get("credit") for turn in found.turns)]
    assert credits[3] is None
    for k in range(3):
        changed = [policy.without_frames(t) if j == k else t for j, t in enumerate(spoken)]
        assert changed[k].frames == () and len(changed[k].prompt) < len(spoken[k].prompt)
        scores = []
        for turns in (spoken, changed):
            batch = as_batch([turns])
            with torch.no_grad():
                logprobs = policy.evaluate(batch).logprobs
            scores.append(float(logprobs[batch.turn == 2].double().sum()))
        assert credits[k] == pytest.approx(scores[0] - scores[1], abs=1e-4)
    assert len({round(c, 3) for c in credits[:3]}) == 3 and np.abs(credits[:3]).max() > 1e-2
