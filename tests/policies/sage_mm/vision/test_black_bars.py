"""Laws of `policies.sage_mm.vision.frame_encoder`: no visual token is spent on a black bar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.rollout.playing import EpisodeSpec, collect  # noqa: E402
from algos.verify.replay import replay  # noqa: E402
from policies.errors import ContextFull, ModelError  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.model.pretrained import open_checkpoint  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder, patchify  # noqa: E402
from sage_env import QAItem, Sample, VideoQAEnv, Zoom  # noqa: E402
from sage_env.testing.memory_video import MemoryVideo  # noqa: E402
from tests.helpers.episodes import as_batch, observe, play, stir  # noqa: E402

WIDE = 135, 240  # 16:9


@pytest.fixture(scope="module")
def policy(tiny_folder):
    """One whose visual tokens are squares of 32 pixels."""
    policy = SageMM.load(tiny_folder, max_new_tokens=6, lora=LoraSettings(r=4), draft_tokens=0)
    stir(policy)
    return policy


@pytest.fixture
def bars(policy):
    """The same with the bars left in."""
    policy.model.encoder.cut_bars = False
    yield policy
    policy.model.encoder.cut_bars = True


def wide_env(**arguments):
    items = [QAItem("wide", Path("60.memory"), "What is it?", ("a", "b"), "a", "mcq")]
    arguments = {"overview_frames": 2, "frames_per_turn": 3, "frame_size": (224, 224)} | arguments
    return VideoQAEnv(dataset=items, opener=lambda _: MemoryVideo(60.0, 2.0, WIDE), **arguments)


def looks(env):
    """An overview, a quarter of the picture that is tall, a strip, and whole pictures."""
    return [
        env.reset(seed=0)[0],
        env.step(Zoom(3.0, 9.0, 2, (0.0, 0.0, 0.25, 1.0)))[0],
        env.step(Zoom(3.0, 9.0, 1, (0.0, 0.4, 1.0, 0.5)))[0],
        env.step(Sample(30.0, 40.0, 2))[0],
    ]


def test_a_wide_picture_costs_four_rows_of_seven_and_not_seven(policy):
    """224 * 9 / 16 = 126 rows: 128 are 4 rows of visual tokens, wherever the bars are cut.

    A quarter of its width is 240 / 4 by 135, in a height of 224: 100 columns, so 7 rows of 4. A
    tenth of its height is 240 by 14, in a width of 224: 13 rows, so 1 row of 7.
    """
    encoder, seen = policy.model.encoder, looks(wide_env())
    assert [encoder.tokens_per_picture(look) for look in seen] == [
        [28] * 2,
        [28] * 2,
        [7],
        [28] * 2,
    ]
    keys = [key for look in seen for key in encoder.encode([encoder.pictures(look)])[0]]
    assert encoder.grids(keys) == [(4, 7)] * 2 + [(7, 4)] * 2 + [(1, 7)] + [(4, 7)] * 2
    assert policy.visual_tokens(keys) == [28, 28, 28, 28, 7, 28, 28]
    ids, shown = policy.prompt(seen[0], np.zeros(0, np.int64))
    assert (ids == policy.model.tokens.frame_pad).sum() == 56
    assert [frame.tokens for frame in policy.read_frames(ids)] == [28, 28] and list(shown) == keys[
        :2
    ]


def test_bars_may_be_kept(bars):
    seen = looks(wide_env())
    assert [bars.model.encoder.tokens_per_picture(look) for look in seen] == [
        [49] * 2, [49] * 2, [49], [49] * 2
    ]  # fmt: skip
    ids, _ = bars.prompt(seen[0], np.zeros(0, np.int64))
    assert (ids == bars.model.tokens.frame_pad).sum() == 98


def test_the_room_of_a_context_is_reckoned_without_bars(policy, monkeypatch):
    """2 frames are shown and 30 are left: 21 tokens each are saved, 32 * 21 = 672 in all."""

    def least():
        low, high = 0, 9000
        while low < high:
            middle = (low + high) // 2
            monkeypatch.setattr(policy.model.config, "max_position_embeddings", middle)
            policy.reset(seed=0)
            try:
                policy._append(policy._context("x"), look, ())
                high = middle
            except ContextFull:
                low = middle + 1
        return low

    look = wide_env(max_frames=32).reset(seed=0)[0]
    cut = least()
    monkeypatch.setattr(policy.model.encoder, "cut_bars", False)
    assert least() - cut == 32 * 21


def test_a_blind_start_is_not_refused_for_bars_that_nobody_has_seen(policy, monkeypatch):
    look = wide_env(overview_frames=0, max_frames=32).reset(seed=0)[0]
    assert policy.model.encoder.least_tokens(look) == 1
    assert policy.model.encoder.least_tokens(observe(1, 0)) == 4  # says nothing of bars
    monkeypatch.setattr(policy.model.encoder, "cut_bars", False)
    assert policy.model.encoder.least_tokens(look) == 49


def test_where_there_is_no_bar_nothing_changes(policy, monkeypatch):
    look = observe(3, 4)
    region = np.zeros((len(look["frames"]), 4), np.int32)
    region[:4] = 0, 64, 0, 64
    nothing = np.zeros(0, np.int64)
    cut, said_nothing = (
        policy.prompt(look | {"picture": region}, nothing),
        policy.prompt(look, nothing),
    )
    monkeypatch.setattr(policy.model.encoder, "cut_bars", False)
    whole = policy.prompt(look | {"picture": region}, nothing)
    for ids, keys in (said_nothing, whole):
        assert ids.tolist() == cut[0].tolist() and keys == cut[1]


def test_a_picture_has_one_key_wherever_it_stands_and_bars_make_another(policy):
    """The same pixels in frames of three sizes; with bars they are other pixels."""
    encoder = policy.model.encoder
    envs = [wide_env(frame_size=(128, 224)), wide_env(), wide_env(frame_size=(288, 224))]
    seen = [env.reset(seed=0)[0] for env in envs]
    first, *others = encoder.encode([encoder.pictures(look) for look in seen])
    assert others == [first, first]
    (barred,) = encoder.encode([seen[1]["frames"][:2]])
    assert not set(barred) & set(first) and encoder.grids(barred) == [(7, 7)] * 2


def test_a_tower_with_larger_tokens_cuts_to_its_own(policy, monkeypatch):
    """Of 256 rows 144 are picture: 160 in tokens of 32 pixels a side, 192 in tokens of 64."""
    encoder = FrameEncoder(policy.model.base.model.visual)
    look = wide_env(frame_size=(256, 256)).reset(seed=0)[0]
    assert encoder.pictures(look)[0].shape == (160, 256, 3)
    monkeypatch.setattr(encoder, "_merge", 4)
    assert encoder.pictures(look)[0].shape == (192, 256, 3)


def test_a_budget_of_pixels_fills_the_tokens_of_a_square_with_a_wide_picture(policy):
    """49 squares hold 5 by 9 with a picture of 160 by 284, 27 % larger on each side than 126."""
    look = wide_env(frame_size=None, frame_pixels=224 * 224).reset(seed=0)[0]
    assert policy.model.encoder.tokens_per_picture(look) == [45, 45]


def mixed_look(seed, regions, **changes):
    """Frames of 64 by 96 of which these regions are picture."""
    look = observe(seed, len(regions), **changes)
    random = np.random.default_rng(seed)
    look["frames"] = np.zeros((len(look["frames"]), 64, 96, 3), np.uint8)
    look["picture"] = np.zeros((len(look["frames"]), 4), np.int32)
    for k, (top, bottom, left, right) in enumerate(regions):
        shape = bottom - top, right - left, 3
        look["frames"][k, top:bottom, left:right] = random.integers(0, 256, shape)
        look["picture"][k] = top, bottom, left, right
    return look


def test_the_pixel_path_of_transformers_reads_mixed_pictures_alike(policy):
    """M-RoPE, patches and DeepStack of frames with four different grids in one conversation."""
    look = mixed_look(5, [(20, 44, 0, 96), (0, 64, 40, 50), (0, 64, 0, 96), (0, 64, 10, 70)])
    model, encoder = policy.model, policy.model.encoder
    ids, keys = policy.prompt(look, np.zeros(0, np.int64))
    assert encoder.grids(keys) == [(1, 3), (2, 1), (2, 3), (2, 2)]
    row = torch.from_numpy(ids)[None]
    pieces = [patchify(torch.from_numpy(each.copy())[None]) for each in encoder.pictures(look)]
    model.base.model.rope_deltas = None
    with torch.no_grad(), model.using(None):
        expected = model.base(
            input_ids=row,
            attention_mask=torch.ones_like(row),
            mm_token_type_ids=2 * (row == model.tokens.frame_pad).int(),
            pixel_values_videos=torch.cat(pieces),
            video_grid_thw=torch.tensor([[1, 2 * h, 2 * w] for h, w in encoder.grids(keys)]),
        ).logits
        positions = model.positions(row, [row.shape[1]], [keys])
        ours = model.base.lm_head(model.hidden(row, positions, keys))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_episodes_with_mixed_pictures_are_rescored_as_they_were_sampled(policy):
    """Two rollouts of a question share its overview; their zooms have other shapes."""
    policy.reset(seed=4)
    first = mixed_look(1, [(20, 44, 0, 96), (20, 44, 0, 96)])
    asked = {"question": first["question"]}
    episodes = [
        [first, mixed_look(2, [(0, 64, 40, 50)], **asked), mixed_look(3, [], **asked)],
        [first, mixed_look(4, [(0, 64, 0, 96), (10, 50, 0, 90)], **asked)],
    ]
    turns = [play(policy, looks, name) for name, looks in enumerate(episodes)]
    batch = as_batch(turns)
    with torch.no_grad():
        scored = policy.evaluate(batch).logprobs
    torch.testing.assert_close(scored, batch.old_logprobs, atol=2e-5, rtol=0)
    for looks, played in zip(episodes, turns, strict=True):  # and rendered as they were shown
        said = np.zeros(0, np.int64)
        for look, turn in zip(looks, played, strict=True):
            ids, keys = policy.prompt(look, said)
            assert ids.tolist() == turn.prompt.tolist() and keys == turn.frames
            said = np.concatenate([said, turn.prompt, turn.completion])


def test_features_that_were_dropped_are_made_again_from_the_cut_picture(policy):
    look = mixed_look(6, [(20, 44, 0, 96), (0, 64, 40, 50)])
    kept, dropping = (
        FrameEncoder(policy.model.base.model.visual, CacheSizes(cpu=size)) for size in (1 << 20, 0)
    )
    (keys,) = kept.encode([kept.pictures(look)])
    assert dropping.encode([dropping.pictures(look)]) == [keys]
    assert dropping.grids(keys) == [(1, 3), (2, 1)]
    assert torch.equal(dropping.features(keys), kept.features(keys))


def test_a_frame_that_is_no_whole_number_of_tokens_is_refused_whatever_its_picture(policy):
    look = mixed_look(7, [(0, 32, 0, 32)])
    look["frames"] = look["frames"][:, :, :80]
    with pytest.raises(ModelError, match="multiples of 32 pixels, got 64x80"):
        policy.model.encoder.pictures(look)


def test_a_checkpoint_says_whether_it_was_trained_with_bars(tiny_folder, tmp_path):
    for path in tiny_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "sage_mm.json").write_text('{"cut_bars": false}')
    assert SageMM.load(tmp_path).model.encoder.cut_bars is False
    assert SageMM.load(tmp_path, cut_bars=True).model.encoder.cut_bars is True
    (tmp_path / "sage_mm.json").write_text("{}")
    assert open_checkpoint(tmp_path).cut_bars is True
    (tmp_path / "sage_mm.json").write_text('{"cut_bars": 1}')
    with pytest.raises(ModelError, match="cut_bars must be true or false, got 1"):
        open_checkpoint(tmp_path)


def test_an_episode_is_replayed_with_the_bars_it_was_played_with_and_no_others(policy, monkeypatch):
    settings = {"max_turns": 2, "max_frames": 8}
    policy.reset(seed=1)
    (played,) = collect([wide_env(**settings)], policy, [EpisodeSpec("wide", seed=1)])
    assert played.error is None and len(played.frames) == 2
    again = replay(wide_env(**settings), policy, [played])
    assert again.measured and not again.problem
    monkeypatch.setattr(policy.model.encoder, "cut_bars", False)
    problem = replay(wide_env(**settings), policy, [played]).problem
    assert "turn 0: the prompt differs from token" in problem
