"""Laws of `policies.sage_mm.vision.frame_encoder`: sizes, passes, keys, what is lost and said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from policies.errors import ModelError  # noqa: E402
from policies.sage_mm.vision import frame_encoder  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder, _weights_hash  # noqa: E402
from tests.helpers.episodes import observe  # noqa: E402

ONE = 4 * 4 * 64 * 4  # bytes of a frame's features: maps, tokens, hidden, float32


@pytest.fixture(scope="module")
def visual(tiny_folder):
    from policies.sage_mm.model.sage_model import load

    return load(tiny_folder).base.model.visual


def picture(height: int, width: int) -> np.ndarray:
    return np.zeros((1, height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "near"),
    [((64, 50), "(64, 64)"), ((50, 64), "(64, 64)"), ((10, 10), "(32, 32)"),
     ((1, 32), "(32, 32)"), ((110, 40), "(96, 32)"), ((33, 79), "(32, 64)")],
)  # fmt: skip
def test_each_side_must_be_whole_and_the_nearest_size_is_named(visual, size, near) -> None:
    said = rf"multiples of 32 pixels, got {size[0]}x{size[1]}: .*frame_size="
    with pytest.raises(ModelError, match=said) as caught:
        FrameEncoder(visual).grid_of(picture(*size))
    assert str(caught.value).endswith(f"frame_size={near}")
    assert FrameEncoder(visual).grid_of(picture(32, 96)) == (1, 3)


@pytest.mark.parametrize("pair", [1, 3])
def test_a_tower_of_other_patches_is_refused(pair: int) -> None:
    settings = SimpleNamespace(spatial_merge_size=2, patch_size=16, temporal_patch_size=pair)
    with pytest.raises(ModelError, match=f"2 frames per patch, got one with {pair}"):
        FrameEncoder(SimpleNamespace(config=settings))


def on(device: str, chunk: int = 64, merge: int = 2) -> FrameEncoder:
    """An encoder whose tower is elsewhere, as far as the size of a pass is concerned."""
    encoder: Any = FrameEncoder.__new__(FrameEncoder)
    weight = SimpleNamespace(device=torch.device(device))
    patch_embed = SimpleNamespace(proj=SimpleNamespace(weight=weight))
    encoder._tower = SimpleNamespace(visual=SimpleNamespace(patch_embed=patch_embed))
    encoder._merge, encoder._chunk = merge, chunk
    return encoder


@pytest.mark.parametrize(
    ("device", "grid", "count"),
    [
        ("cpu", (1, 1), 32), ("cpu", (4, 8), 1), ("cpu", (4, 4), 2), ("cpu", (2, 9), 1),
        ("cuda", (8, 8), 16), ("cuda", (16, 32), 2), ("cuda", (32, 32), 1), ("cuda", (40, 60), 1),
        ("cuda", (4, 4), 64), ("cuda", (4, 5), 51), ("cuda", (1, 1), 64),
    ],
)  # fmt: skip
def test_a_pass_is_filled_and_no_fuller_on_either_device(device, grid, count) -> None:
    assert on(device).frames_per_pass(grid) == count
    assert on(device, chunk=1).frames_per_pass(grid) == 1


@pytest.mark.parametrize(("merge", "count"), [(1, 32), (2, 8), (3, 3), (4, 2)])
def test_a_visual_token_is_a_square_of_patches(merge: int, count: int) -> None:
    assert on("cpu", merge=merge).frames_per_pass((2, 2)) == count


def test_a_pass_has_64_frames_at_most_unless_told_otherwise(visual, monkeypatch) -> None:
    monkeypatch.setattr(frame_encoder, "CPU_PATCHES", 1 << 20)
    assert FrameEncoder(visual).frames_per_pass((1, 1)) == 64
    assert FrameEncoder(visual, chunk=65).frames_per_pass((1, 1)) == 65


def test_keys_are_16_bytes_and_tell_the_names_of_weights_apart(visual) -> None:
    ((key,),) = FrameEncoder(visual).encode([picture(32, 32)])
    assert len(key) == 16
    layer = torch.nn.Linear(2, 2)
    one, other = (_weights_hash(torch.nn.ModuleDict({name: layer})) for name in "ab")
    assert one != other and len(one) == 16
    assert one == _weights_hash(torch.nn.ModuleDict({"a": layer}))
    with torch.no_grad():
        layer.bias += 1
    assert one != _weights_hash(torch.nn.ModuleDict({"a": layer}))


def test_frames_of_several_sizes_and_none_at_all(visual) -> None:
    encoder = FrameEncoder(visual)
    sizes = [(32, 32), (32, 64), (64, 32), (32, 32)]
    frames = [np.full((1, *size, 3), k, np.uint8) for k, size in enumerate(sizes)]
    keys = [k for (k,) in encoder.encode([*frames])]
    assert encoder.encode([frames[0][:0]]) == [()] and encoder.encode([]) == []
    assert encoder.grids(keys) == [(1, 1), (1, 2), (2, 1), (1, 1)] and encoder.grids([]) == []
    whole = encoder.features(keys)
    assert whole.shape == (4, 6, 64)
    parts = [FrameEncoder(visual) for _ in keys]
    for part, frame in zip(parts, frames, strict=True):
        part.encode([frame])
    alone = torch.cat([p.features([k]) for p, k in zip(parts, keys, strict=True)], 1)
    assert torch.equal(whole, alone)
    assert (encoder.encodes, encoder.distinct, encoder.hits) == (4, 4, 0)


def test_a_small_cache_is_said_once(visual, caplog) -> None:
    encoder = FrameEncoder(visual, CacheSizes(cpu=ONE))
    (keys,) = encoder.encode([observe(1, 3)["frames"][:3]])
    assert not caplog.records, "to drop is no fault: nobody has asked for it again"
    for key in keys * 2:
        encoder.features([key])
    assert len(caplog.records) == 1


def test_a_picture_that_was_damaged_is_no_picture(visual, monkeypatch) -> None:
    encoder = FrameEncoder(visual, CacheSizes(cpu=0))
    frames = observe(1, 2)["frames"][:2]
    (keys,) = encoder.encode([frames])
    encoder.features(keys)
    monkeypatch.setattr(encoder._pictures, "get", lambda key: 255 - frames[0])
    for ask in (encoder.features, encoder.grids):
        with pytest.raises(KeyError, match="its pixels are not kept: encode it first"):
            ask([keys[0]])


def test_a_frame_asked_for_twice_at_once_is_one_and_a_hit(visual) -> None:
    encoder = FrameEncoder(visual)
    frame = observe(1, 1)["frames"][:1]
    ((key,), (again,)) = encoder.encode([frame, frame])
    assert key == again and (encoder.encodes, encoder.hits, encoder.distinct) == (1, 1, 1)
    assert encoder.features([key, key]).shape[1] == 2 * encoder.features([key]).shape[1]
    assert list(encoder.entries([key, key])) == [key]
