"""Laws of `policies.sage_mm.vision.batched_tower`: it is transformers' tower, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from policies.sage_mm.vision.batched_tower import BatchedTower  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder, patchify  # noqa: E402


@pytest.fixture(scope="module")
def visual(tiny_folder):
    from policies.sage_mm.model.sage_model import load

    return load(tiny_folder).base.model.visual


def frames(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (160, 32)])
def test_the_batched_tower_is_the_tower(visual, size) -> None:
    pixels = torch.from_numpy(frames(*size))
    rows, grid = patchify(pixels), (size[0] // 16, size[1] // 16)
    with torch.no_grad():
        mine = BatchedTower(visual)(rows, grid)
        theirs = visual(rows, grid_thw=torch.tensor([[1, *grid]] * 3), return_dict=True)
    for a, b in zip(mine, [theirs.pooler_output, *theirs.deepstack_features], strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_positions_are_learned_through_it(visual) -> None:
    visual.requires_grad_(True)
    try:
        (merged, *_) = BatchedTower(visual)(patchify(torch.from_numpy(frames(64, 64))), (4, 4))
        (gradient,) = torch.autograd.grad(merged.square().sum(), [visual.pos_embed.weight])
        assert float(gradient.abs().max()) > 0
    finally:
        visual.requires_grad_(False)


def test_adopted_features_are_those_of_the_frame(visual) -> None:
    there, here = FrameEncoder(visual), FrameEncoder(visual)
    (keys,) = there.encode([frames(64, 64)])
    here.adopt(there.entries(keys[:2]))
    assert torch.equal(here.features(keys[:2]), there.features(keys[:2]))
    assert here.encode([frames(64, 64)]) == [keys]
    assert (here.encodes, here.hits) == (1, 2)


def test_positions_that_are_trained_are_not_kept(visual) -> None:
    """After a step they are others; frozen ones are found once for each grid."""
    tower, rows = BatchedTower(visual), patchify(torch.from_numpy(frames(64, 64)))
    weight = visual.pos_embed.weight
    visual.requires_grad_(True)
    try:
        before = tower(rows, (4, 4))[0].detach()
        with torch.no_grad():
            weight[:, 0] += 1
        after = tower(rows, (4, 4))[0]
        assert (after - before).abs().max() > 1e-3
        torch.autograd.grad(after.sum(), [weight])  # not through a graph that is gone
    finally:
        with torch.no_grad():
            weight[:, 0] -= 1
        visual.requires_grad_(False)
    tower = BatchedTower(visual)
    with torch.no_grad():
        tower(rows, (4, 4))
        kept = tower._position_embeddings((4, 4))
        assert tower._position_embeddings((4, 4)) is kept
        assert tower._position_embeddings((2, 8)) is not kept
        tower(rows, (2, 8))


def test_it_is_learned_through_as_the_tower_itself(visual) -> None:
    pixels = torch.from_numpy(frames(64, 64))
    visual.requires_grad_(True)
    try:
        merged = BatchedTower(visual)(patchify(pixels), (4, 4))[0]
        grid = torch.tensor([[1, 4, 4]] * 3)
        theirs = visual(patchify(pixels), grid_thw=grid, return_dict=True).pooler_output
        wanted = [visual.patch_embed.proj.weight, visual.blocks[0].attn.qkv.weight]
        for mine, other in zip(
            torch.autograd.grad(merged.square().mean(), wanted),
            torch.autograd.grad(theirs.square().mean(), wanted),
            strict=True,
        ):
            assert other.abs().max() > 0
            torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-3)
    finally:
        visual.requires_grad_(False)


def test_what_is_hooked_to_find_the_positions_is_unhooked(visual) -> None:
    with torch.no_grad():
        BatchedTower(visual)(patchify(torch.from_numpy(frames(32, 64))), (2, 4))
    assert not visual.patch_embed._forward_hooks and not visual.blocks[0]._forward_pre_hooks
