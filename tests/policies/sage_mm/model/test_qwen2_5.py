"""Laws of `policies.sage_mm.model.pretrained`, `policies.sage_mm.vision.batched_tower`.

Of Qwen2.5-VL: by the seams of Qwen3-VL it is the model that it is.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from transformers import Qwen2VLImageProcessorPil  # noqa: E402

from policies.errors import ModelError  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.vision.batched_tower import BatchedTower  # noqa: E402
from policies.sage_mm.vision.frame_encoder import patchify  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402
from tests.helpers.foreign.tiny_qwen2_5 import write_tiny_qwen2_5  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_qwen2_5(tmp_path_factory.mktemp("qwen") / "model")


@pytest.fixture(scope="module")
def policy(folder):
    return SageMM.load(folder, max_new_tokens=6, lora=LoraSettings(r=4))


def frames(height: int, width: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def sized(observations):
    """Give frames of a test's episode a size that this family can cut into tokens."""
    for observation in observations:
        count = len(observation["frames"])
        yield dict(observation) | {"frames": frames(56, 84, count)}


@pytest.mark.parametrize("size", [(56, 56), (56, 84), (140, 28), (112, 196)])
def test_the_batched_tower_is_the_tower_with_its_windows(policy, size) -> None:
    visual, grid = policy.model.base.model.visual, (size[0] // 14, size[1] // 14)
    tower = BatchedTower(visual)
    rows = patchify(torch.from_numpy(frames(*size)), 14, 2, tower.normal)
    with torch.no_grad():
        (mine,) = tower(rows, grid)
        theirs = visual(rows, grid_thw=torch.tensor([[1, *grid]] * 3), return_dict=True)
    torch.testing.assert_close(mine, theirs.pooler_output, atol=1e-5, rtol=0)


def test_patches_are_those_of_its_own_image_processor(policy) -> None:
    pixels = frames(56, 84)
    processor = Qwen2VLImageProcessorPil(do_resize=False)
    theirs = processor(images=list(pixels), return_tensors="pt")
    normal = BatchedTower(policy.model.base.model.visual).normal
    mine = patchify(torch.from_numpy(pixels), 14, 2, normal)
    assert theirs["image_grid_thw"].tolist() == [[1, 4, 6]] * 3
    torch.testing.assert_close(mine, theirs["pixel_values"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_cached_features_are_the_models_own_pixel_path(policy, kind) -> None:
    """Frames of two sizes, each as a picture, or as a video of one frame: the same states."""
    model, base = policy.model, policy.model.base
    shapes = [(56, 84), (140, 28)]
    shown = [frames(*shape, count=1) for shape in shapes]
    (one,), (other,) = model.encoder.encode(shown)
    tokens = model.tokens
    ids = [tokens.im_start, 15, 19]
    for rows, columns in ((2, 3), (5, 1)):
        ids += [tokens.vision_start, *[tokens.frame_pad] * (rows * columns), tokens.vision_end, 21]
    ids = torch.tensor([ids])
    positions = model.positions(ids, [ids.shape[1]], [(one, other)])
    with torch.no_grad():
        mine = model.hidden(ids, positions, (one, other))
    visual = ids == tokens.frame_pad
    pad = base.config.image_token_id if kind == "image" else tokens.frame_pad
    normal = BatchedTower(base.model.visual).normal
    pixels = torch.cat([patchify(torch.from_numpy(x), 14, 2, normal) for x in shown])
    grid = torch.tensor([[1, 4, 6], [1, 10, 2]])
    name = "" if kind == "image" else "_videos"
    base.model.rope_deltas = None
    with torch.no_grad():
        theirs = base.model(
            input_ids=ids.masked_fill(visual, pad),
            mm_token_type_ids=visual.int() * (1 if kind == "image" else 2),
            **{f"pixel_values{name}": pixels, f"{kind}_grid_thw": grid},
        ).last_hidden_state
    base.model.rope_deltas = None
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_rescoring_is_sampling(policy) -> None:
    stir(policy)
    policy.reset(seed=3)
    batch = as_batch([play(policy, sized(episode(k, 3)), f"e{k}") for k in range(2)])
    with torch.no_grad():
        scored = policy.evaluate(batch)
    gap = (scored.logprobs - batch.old_logprobs)[batch.sampled].abs().max()
    assert float(gap) <= 1e-5 and int(batch.sampled.sum()) > 6


def test_an_adapter_comes_back(folder, policy, tmp_path) -> None:
    stir(policy)
    policy.save_adapter(tmp_path / "adapter")
    again = SageMM.load(folder, max_new_tokens=6, adapter=tmp_path / "adapter")
    for policy_of in (policy, again):
        policy_of.reset(seed=3)
    first, second = (play(p, sized(episode(1, 2)), "x") for p in (policy, again))
    for one, other in zip(first, second, strict=True):
        assert one.completion.tolist() == other.completion.tolist()
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_other_frames_make_other_scores(policy) -> None:
    policy.reset(seed=3)
    batch = as_batch([play(policy, sized(episode(1, 2)), "x")])
    with torch.no_grad():
        before = policy.evaluate(batch).logprobs
        batch.frames = [tuple(reversed(batch.frames[0]))]
        after = policy.evaluate(batch).logprobs
    assert float((before - after).abs().max()) > 1e-4


def test_sliding_windows_and_other_families_are_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="layers of sliding-window attention"):
        SageMM.load(write_tiny_qwen2_5(tmp_path / "sliding", sliding=True))
    from transformers import LlavaConfig

    LlavaConfig().save_pretrained(tmp_path / "llava")
    with pytest.raises(ModelError, match=rf"as hf:{tmp_path}/llava other families play"):
        SageMM.load(tmp_path / "llava")
