"""Laws of `policies.sage_released.policy`.

The tiny model plays a released checkpoint's format, through the environment, on a file.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.batching.token_batches import collate  # noqa: E402
from algos.rollout.playing import play  # noqa: E402
from algos.rollout.trajectory import load_trajectories, save_trajectories  # noqa: E402
from policies.base import TrainablePolicy  # noqa: E402
from policies.check.policy_check import check_policy  # noqa: E402
from policies.errors import PolicyError  # noqa: E402
from policies.registry import load_policy  # noqa: E402
from policies.sage_mm.generation.sequence import Completion, PrefillState  # noqa: E402
from policies.sage_mm.model.sage_model import load  # noqa: E402
from policies.sage_released import SageReleased  # noqa: E402
from policies.sage_released.protocol import Call, StageReply  # noqa: E402
from sage_env import Answer, Invalid, QAItem, UseTool, VideoQAEnv, Zoom  # noqa: E402
from tests.helpers.clips import write_clip  # noqa: E402
from tests.helpers.released import RECORDED, Hear, LookAtFrames, Weather  # noqa: E402
from tests.helpers.released_writing import write_reply  # noqa: E402

SIZE = (64, 96)


class Recorded(SageReleased):
    """Says what was recorded; the model reads every prompt, and scores what is said."""

    script: list[str] = []

    def _complete(self, rows):
        return [self._said(row, self.script.pop(0)) for row in rows]

    @torch.inference_mode()
    def _said(self, row, text):
        ids = self.model.tokens.completion(text)
        whole = torch.from_numpy(np.concatenate([row.ids, ids]))[None]
        positions = self.model.positions(whole, [whole.shape[1]], [row.frames])
        hidden = self.model.hidden(whole, positions, row.frames)
        scores = self.model.log_probs(hidden[0, len(row.ids) - 1 : -1], self.temperature)
        chosen = scores.gather(1, torch.from_numpy(ids)[:, None])[:, 0]
        return Completion(ids, chosen.numpy(), PrefillState(row.ids, hidden, 0))


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    clip = write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(160)])
    return [QAItem(f"q{k}", clip, "which word?", (), "amber", duration=160.0) for k in range(3)]


@pytest.fixture(scope="module")
def model(tiny_folder):
    return load(tiny_folder)


@pytest.fixture(scope="module")
def tools():
    return [Hear(), LookAtFrames(), Weather()]


@pytest.fixture(scope="module")
def played(model, items, tools):
    """The recorded episode."""
    policy = Recorded(model, tools=tools)
    policy.script = list(RECORDED)
    encodes = model.encoder.encodes
    options = {**policy.env_options, "frame_size": SIZE}
    env = VideoQAEnv(dataset=items[:1], tools=tools, **options)
    return play(env, policy, seed=0), policy, model.encoder.encodes - encodes


def test_the_recorded_episode_comes_to_its_answer(played) -> None:
    trajectory = played[0]
    assert trajectory.error is None and trajectory.ret == 1.0
    actions = [turn.decision.action for turn in trajectory.turns]
    assert actions[:3] == [
        Zoom(18.0, 24.0, 10),
        UseTool("analyze", {"query": "How bright are the frames?", "seconds": [18.0, 19.0]}),
        UseTool("transcribe", {"start": 0.0, "end": 40.0}),
    ]
    assert isinstance(actions[3], Invalid) and "no tool for unified_web_search" in actions[3].reason
    assert actions[4] == Answer("amber")
    assert [turn.decision.text for turn in trajectory.turns] == RECORDED


def test_the_context_stage_sees_128_frames_and_the_reasoner_none(played) -> None:
    trajectory, policy, encodes = played
    pad = policy.model.tokens.frame_pad
    turns = [turn.decision.tokens for turn in trajectory.turns]
    assert [len(turn.frames) for turn in turns] == [128, 0, 0, 0, 0]
    per_frame = SIZE[0] * SIZE[1] // 32**2
    assert [int((turn.prompt == pad).sum()) for turn in turns] == [128 * per_frame, 0, 0, 0, 0]
    assert encodes == 128  # what is extracted is not read by this model
    assert len(trajectory.turns[0].info["frame_seconds"]) > 0


def test_the_context_stage_reads_no_black_bar(model, items) -> None:
    """Of 64 by 96 pixels in 96 by 96, 2 rows of 3 visual tokens are picture, and not 3."""
    policy = Recorded(model)
    policy.script = list(RECORDED)
    options = {**policy.env_options, "frame_size": (96, 96), "overview_frames": 5}
    observation, _ = VideoQAEnv(dataset=items[:1], **options).reset(seed=0)
    (decision,) = policy.act_batch([observation], ["x"])
    prompt = decision.tokens.prompt
    assert int((prompt == model.tokens.frame_pad).sum()) == 5 * 6
    assert [frame.tokens for frame in model.tokens.frames(prompt)] == [6] * 5


def test_every_result_is_in_the_prompts_that_follow(played) -> None:
    trajectory, policy, _ = played
    prompts = [policy.model.tokens.text(turn.decision.tokens.prompt) for turn in trajectory.turns]
    assert prompts[0].count(" seconds><|vision_start|>") == 128
    assert "of duration 00:02:39." in prompts[0]
    assert "{'media_paths': ['video_frame_0_00:00:18.0.jpg'" in prompts[1]
    assert "extract_parts_from_timestamp_#1 with arguments {'video_path'" in prompts[1]
    assert "perform_reasoning_#1 output: {'answer': '2 frames, mean" in prompts[2]
    heard = "verbal_transcript_#1 output: {'transcript': '[0 to 40] the word is amber'}"
    assert heard in prompts[3] and heard in prompts[4]
    assert "None_#1 output: Error: this environment has no tool for unified_web" in prompts[4]
    assert prompts[4].index("extract_parts_from_timestamp_#1") < prompts[4].index(heard)
    for prompt in prompts[1:]:
        assert "Context of the video: Black and white blocks" in prompt


def test_the_record_says_that_no_turn_continues_another(played, tmp_path) -> None:
    trajectory, policy, _ = played
    assert all(turn.decision.tokens.fresh for turn in trajectory.turns)
    assert not trajectory.append_only and not isinstance(policy, TrainablePolicy)
    save_trajectories(tmp_path / "t.jsonl", [trajectory])
    assert not load_trajectories(tmp_path / "t.jsonl")[0].append_only
    with pytest.raises(ValueError, match="a context of their own"):
        collate([trajectory], 1.0)


def test_the_models_own_text_plays_to_the_end_and_keeps_the_contract(model, items) -> None:
    policy = SageReleased(model, temperature=1.0, max_new_tokens=8)
    options = {**policy.env_options, "frame_size": SIZE, "overview_frames": 4, "max_turns": 3}
    env = VideoQAEnv(dataset=items, **options)
    check_policy(policy, env)
    trajectory = play(env, policy, seed=3)
    assert all(isinstance(turn.decision.action, Invalid) for turn in trajectory.turns)
    assert [len(turn.decision.tokens.frames) for turn in trajectory.turns] == [4, 4, 4]
    said = [policy.model.tokens.text(turn.decision.tokens.prompt) for turn in trajectory.turns]
    assert "could not be used" not in said[0] and "could not be used" in said[1]


def test_the_oldest_results_go_where_the_prompt_is_too_long(model, items, monkeypatch) -> None:
    class Talks(Weather):
        def __call__(self, arguments, context):
            return f"day {arguments['day']} " + "rain " * 300

        parameters = {"type": "object", "properties": {"day": {"type": "integer"}}}

    policy = Recorded(model, tools=[Talks()], max_new_tokens=500)
    looks = [StageReply(call=Call("weather", {"day": day}), context="wet") for day in range(4)]
    policy.script = [write_reply(look, "reasoner" if k else "context") for k, look in
                     enumerate(looks)] + [write_reply(StageReply("amber"), "reasoner")]  # fmt: skip
    options = {**policy.env_options, "frame_size": SIZE, "overview_frames": 1}
    env = VideoQAEnv(dataset=items[:1], tools=[Talks()], **options)
    monkeypatch.setattr(model.config, "max_position_embeddings", 6500)
    turns = play(env, policy, seed=0).turns
    last = policy.model.tokens.text(turns[-1].decision.tokens.prompt)
    assert len(turns) == 5 and "weather_#4 output: {'result': 'day 3" in last
    assert "weather_#1 output" not in last
    monkeypatch.setattr(model.config, "max_position_embeddings", 1000)
    policy.script = list(RECORDED)
    with pytest.raises(PolicyError, match="fewer overview_frames"):
        play(env, policy, seed=0)


def test_by_name(tiny_folder) -> None:
    policy = load_policy(f"sage-released:{tiny_folder}", temperature=0.5)
    assert isinstance(policy, SageReleased) and policy.temperature == 0.5
    assert policy.env_options["overview_frames"] == 128 and policy.env_options["max_turns"] == 11
