"""Laws of the feature cache: three bounded levels, one answer, no frame encoded twice."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm import SageMM  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes, FeatureCache, FeatureFolder  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play  # noqa: E402

ONE = 2 * 4 * 64 * 4  # bytes of a frame's features: maps, tokens, hidden, float32


@pytest.fixture(scope="module")
def visual(tiny_folder):
    from policies.sage_mm.model.sage_model import load

    return load(tiny_folder).base.model.visual


@pytest.fixture(scope="module")
def frames():
    return np.concatenate([observe(seed, 4)["frames"] for seed in range(3)])


def test_frames_are_found_on_disk_by_a_later_run(visual, frames, tmp_path):
    reference = FrameEncoder(visual)
    (keys,) = reference.encode([frames])
    first = FrameEncoder(visual, CacheSizes(cpu=2 * ONE, folder=tmp_path))
    assert first.encode([frames]) == [keys] and first.held_bytes <= 2 * ONE
    assert torch.equal(first.features(keys), reference.features(keys))
    later = FrameEncoder(visual, CacheSizes(cpu=0, folder=tmp_path))
    assert later.encode([frames]) == [keys] and (later.encodes, later.hits) == (0, 12)
    assert torch.equal(later.features(keys), reference.features(keys))
    assert later.grids(keys) == reference.grids(keys)


def test_other_weights_do_not_find_them(visual, frames, tmp_path):
    sizes = CacheSizes(folder=tmp_path)
    FrameEncoder(visual, sizes).encode([frames])
    bias = visual.merger.linear_fc2.bias
    with torch.no_grad():
        bias += 1
        other = FrameEncoder(visual, sizes)
        other.encode([frames])
        bias -= 1
    assert other.encodes == len(frames)


def test_the_folder_is_bounded_and_the_least_recently_read_goes_first(tmp_path):
    folder = FeatureFolder(tmp_path, 20 * (ONE + 200))
    entry = (2, 2), torch.ones(2, 4, 64)
    keys = [bytes([i] * 16) for i in range(60)]
    for i, key in enumerate(keys):
        folder.put(key, entry)
        found = folder.get(keys[0])  # always in use
        assert found is not None and found[0] == (2, 2) and torch.equal(found[1], entry[1])
        held = sum(p.stat().st_size for p in tmp_path.glob("*.features"))
        assert held <= folder.max_bytes, i
    assert folder.get(keys[-1]) is not None and folder.get(keys[1]) is None
    FeatureFolder(tmp_path / "none", 100).put(keys[0], entry)
    assert FeatureFolder(tmp_path / "none", 100).get(keys[0]) is None


@pytest.mark.parametrize("damage", [b"", b"not a tensor", None])
def test_a_damaged_file_is_encoded_anew(visual, frames, tmp_path, damage):
    sizes = CacheSizes(cpu=0, folder=tmp_path)
    FrameEncoder(visual, sizes).encode([frames[:1]])
    (path,) = tmp_path.glob("*.features")
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    again = FrameEncoder(visual, sizes)
    (keys,) = again.encode([frames[:1]])
    assert again.encodes == 1
    assert torch.equal(again.features(keys), FrameEncoder(visual, sizes).features(keys))


def test_a_full_disk_is_a_warning(tmp_path, monkeypatch):
    folder = FeatureFolder(tmp_path, 1 << 20)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("policies.sage_mm.vision.feature_cache.os.replace", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        folder.put(b"k" * 16, ((1, 1), torch.ones(1, 1, 4)))
    assert folder.get(b"k" * 16) is None and not list(tmp_path.glob("*.part"))


def test_a_store_is_sent_to_another_process_empty(tmp_path):
    store = FeatureCache(CacheSizes(folder=tmp_path), torch.device("cpu"))
    store.put(b"k" * 16, ((1, 1), torch.ones(1, 1, 4)))
    copy = pickle.loads(pickle.dumps(store))
    assert copy.held_bytes == 0 and copy.get(b"k" * 16)[0] == (1, 1)
    with pytest.raises(ValueError, match="0 bytes or more"):
        CacheSizes(cpu=-1)


def test_no_frame_is_encoded_twice_in_rollout_scoring_and_training(tiny_folder, tmp_path):
    """The same frames in several episodes and turns, from memory and from disk."""
    for sizes in (CacheSizes(), CacheSizes(cpu=ONE, folder=tmp_path)):
        policy = SageMM.load(tiny_folder, max_new_tokens=6, cache=sizes)
        policy.reset(seed=1)
        looks = episode(1, 3)
        turns = [play(policy, looks, name) for name in "ab"]
        batch = as_batch(turns)
        policy.reference_logprobs(batch)
        policy.values(batch).sum().backward()
        policy.evaluate(batch).logprobs.sum().backward()
        distinct = len({key for row in batch.frames for key in row})
        encoder = policy.model.encoder
        assert encoder.distinct == distinct and encoder.encodes == distinct
        assert policy.measures()["policy/encodes_per_frame"] == 1


@pytest.mark.gpu
def test_features_stay_on_the_gpu(tiny_folder, frames):
    from policies.sage_mm.model.sage_model import load

    encoder = load(tiny_folder, device="cuda", cache=CacheSizes(cpu=1 << 20, gpu=4 * ONE)).encoder
    (keys,) = encoder.encode([frames])
    assert encoder.features(keys[-2:]).device.type == "cuda"
    assert encoder.features(keys[:2]).device.type == "cpu"  # found below, and taken up again
    assert encoder.features(keys[:2]).device.type == "cuda"
