"""Laws of `policies.sage_mm.vision.frame_encoder`: equal to the pixel path, each frame once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from policies.prompt import render_user  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder, patchify  # noqa: E402
from tests.helpers.episodes import observe  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny_folder):
    from policies.sage_mm.model.sage_model import load

    return load(tiny_folder)


def tokens_of(model, looks):
    """The ids `(1, L)` of looks in a row, and all their frames."""
    chat = model.tokens
    turns = [
        chat.prompt(render_user(o, first=i == 0, style="brief"), 4, first=i == 0)
        for i, o in enumerate(looks)
    ]
    frames = np.concatenate([o["frames"][: o["num_frames"]] for o in looks])
    return torch.from_numpy(np.concatenate(turns))[None], frames


def pixel_path(model, ids, frames):
    """Logits of the whole model of transformers, fed with pixels."""
    grid = torch.tensor([[1, 4, 4]] * len(frames))
    model.base.model.rope_deltas = None
    with torch.no_grad(), model.using(None):
        return model.base(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            mm_token_type_ids=2 * (ids == model.tokens.frame_pad).int(),
            pixel_values_videos=patchify(torch.from_numpy(frames)),
            video_grid_thw=grid,
        ).logits


def cached_path(model, ids, frames):
    (keys,) = model.encoder.encode([frames])
    positions = model.positions(ids, [ids.shape[1]], [keys])
    with torch.no_grad(), model.using(None):
        return model.base.lm_head(model.hidden(ids, positions, keys))


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (224, 224), (96, 352), (480, 64)])
def test_patchify_equals_the_reference_processor(size):
    from transformers import Qwen2VLImageProcessorPil

    frames = np.random.default_rng(0).integers(0, 256, (3, *size, 3), dtype=np.uint8)
    reference = Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_resize=False,
    )(images=list(frames), return_tensors="pt")
    assert reference["image_grid_thw"].tolist() == [[1, size[0] // 16, size[1] // 16]] * 3
    torch.testing.assert_close(
        patchify(torch.from_numpy(frames)), reference["pixel_values"], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("patch, merge", [(16, 4), (14, 2), (8, 1)])
def test_patchify_by_its_definition(patch, merge):
    """Each row against the pixels that it stands for, in double precision."""
    height, width = 2 * patch * merge, 3 * patch * merge
    frames = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    rows = patchify(torch.from_numpy(frames), patch, merge).double().numpy()
    at = 0
    for frame in frames.astype(np.float64) / 127.5 - 1:
        for block in np.ndindex(2, 3):
            for inner in np.ndindex(merge, merge):
                top, left = (np.array(block) * merge + inner) * patch
                square = frame[top : top + patch, left : left + patch].transpose(2, 0, 1)
                expected = np.stack([square, square], axis=1).ravel()
                np.testing.assert_allclose(rows[at], expected, atol=1e-6)
                at += 1
    assert at == len(rows)


def test_positions_equal_the_reference(model):
    ids, frames = tokens_of(model, [observe(1, 3), observe(2, 2)])
    (keys,) = model.encoder.encode([frames])
    expected, _ = model.base.model.get_rope_index(
        ids,
        mm_token_type_ids=2 * (ids == model.tokens.frame_pad).int(),
        video_grid_thw=torch.tensor([[1, 4, 4]] * len(frames)),
    )
    assert torch.equal(model.positions(ids, [ids.shape[1]], [keys]), expected)


def test_cached_features_equal_the_pixel_path(model):
    ids, frames = tokens_of(model, [observe(1, 3), observe(2, 2)])
    expected = pixel_path(model, ids, frames)
    for _ in range(2):  # the second time from the cache
        torch.testing.assert_close(cached_path(model, ids, frames), expected, atol=1e-5, rtol=0)


def test_deepstack_and_pixels_matter(model, monkeypatch):
    ids, frames = tokens_of(model, [observe(1, 3)])
    expected = pixel_path(model, ids, frames)
    assert (cached_path(model, ids, frames[::-1]) - expected).abs().max() > 1e-2
    whole = model.encoder.features
    monkeypatch.setattr(model.encoder, "features", lambda keys: whole(keys)[:1])
    assert (cached_path(model, ids, frames) - expected).abs().max() > 1e-2


def test_each_distinct_frame_is_encoded_once(model):
    encoder = FrameEncoder(model.base.model.visual)
    a, b = observe(1, 3)["frames"][:3], observe(2, 2)["frames"][:2]
    first = encoder.encode([a, b, a[:0]])
    assert (encoder.encodes, encoder.hits) == (5, 0)
    again = encoder.encode([b, np.concatenate([a, a])])
    assert (encoder.encodes, encoder.hits) == (5, 8)
    assert again == [first[1], first[0] * 2] and len(set(first[0] + first[1])) == 5


def test_features_do_not_depend_on_the_chunk(model):
    frames = observe(1, 4)["frames"]
    whole, single = (FrameEncoder(model.base.model.visual, chunk=n) for n in (64, 1))
    (keys,) = whole.encode([frames])
    assert single.encode([frames]) == [keys]
    torch.testing.assert_close(whole.features(keys), single.features(keys), atol=1e-5, rtol=1e-5)
    assert whole.features(keys).shape == (4, 16, 64) and whole.grids(keys) == [(2, 2)] * 4


def test_keys_tell_pixels_shapes_and_weights_apart(model, tiny_folder):
    frame = np.zeros((1, 32, 64, 3), np.uint8)
    encoder = FrameEncoder(model.base.model.visual)
    keys = encoder.encode([frame, frame.reshape(1, 64, 32, 3), frame + 1])
    assert len(set(keys)) == 3 and encoder.grids([keys[0][0], keys[1][0]]) == [(1, 2), (2, 1)]
    weight = model.base.model.visual.merger.linear_fc2.bias
    with torch.no_grad():
        weight += 1
        other = FrameEncoder(model.base.model.visual).encode([frame])
        weight -= 1
    assert other[0] != keys[0]


def test_the_cache_is_bounded_and_a_dropped_frame_is_encoded_again(model, caplog):
    frames = observe(1, 4)["frames"]
    one = 4 * 4 * 64 * 4  # maps, tokens, hidden, bytes
    encoder = FrameEncoder(model.base.model.visual, CacheSizes(cpu=3 * one))
    (keys,) = encoder.encode([frames[:3]])
    before = encoder.features(keys)
    encoder.encode([frames[:1]])  # used again: now the second is the oldest
    encoder.encode([frames[3:]])
    assert encoder.held_bytes == 3 * one and encoder.encodes == 4
    encoder.features([keys[0], keys[2]])
    assert encoder.encodes == 4 and not caplog.records
    assert encoder.grids([keys[1]]) == [(2, 2)]
    again = encoder.features([keys[1]])
    assert encoder.encodes == 5 and torch.equal(again, before[:, 4:8])
    (record,) = caplog.records
    assert "is too small" in record.message and "raise the sizes" in record.message
    with pytest.raises(KeyError, match="encode it first, raise the sizes"):
        encoder.features([bytes(16)])
    with pytest.raises(KeyError, match="encode it first"):
        encoder.grids([bytes(16)])


@pytest.mark.parametrize("cpu", [0, 1, 10_000])
def test_without_a_cache_all_is_as_with_one(model, cpu):
    frames = np.random.default_rng(3).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    whole = FrameEncoder(model.base.model.visual)
    (keys,) = whole.encode([frames])
    small = FrameEncoder(model.base.model.visual, CacheSizes(cpu=cpu))
    with torch.inference_mode():  # as while sampling
        assert small.encode([frames]) == [keys]
        small.features(keys)
    assert torch.equal(small.features(keys + keys[:2]), whole.features(keys + keys[:2]))
    scale = torch.ones(1, requires_grad=True)
    (small.features(keys) * scale).sum().backward()  # what was made in it can be trained on
    assert scale.grad is not None
    forgetful = FrameEncoder(model.base.model.visual, CacheSizes(cpu=0, pictures=0))
    forgetful.encode([frames])
    with pytest.raises(KeyError):
        forgetful.features(keys)


@given(
    order=st.permutations(range(24)),
    cuts=st.lists(st.integers(1, 24), max_size=6),
    size=st.sampled_from([(64, 64), (32, 96)]),
)
@settings(max_examples=40, deadline=None)
def test_features_are_the_same_bits_whatever_is_encoded_beside(model, order, cuts, size):
    visual = model.base.model.visual
    frames = np.random.default_rng(5).integers(0, 256, (24, *size, 3), dtype=np.uint8)
    alone = FrameEncoder(visual)
    keys = [alone.encode([frame[None]])[0][0] for frame in frames]
    mixed = FrameEncoder(visual, CacheSizes(cpu=20_000))  # of about ten frames
    for part in np.split(np.array(order), sorted(cuts)):
        mixed.encode([frames[part], observe(len(part), 2)["frames"]])
    for key, entry in mixed.entries(keys).items():
        assert torch.equal(entry[1], alone.features([key]))


def test_a_pass_is_filled_on_a_cpu_and_no_fuller(model):
    encoder = FrameEncoder(model.base.model.visual)
    assert encoder.frames_per_pass((2, 2)) == 8  # 16 patches each
    assert encoder.frames_per_pass((7, 7)) == encoder.frames_per_pass((40, 60)) == 1
    assert FrameEncoder(model.base.model.visual, chunk=3).frames_per_pass((2, 2)) == 3


def test_odd_sizes_are_refused(model):
    with pytest.raises(ValueError, match=r"multiples of 32 .* 100x64: .*frame_size=\(96, 64\)"):
        model.encoder.encode([np.zeros((1, 100, 64, 3), np.uint8)])
