"""Laws of `policies.sage_mm.vision.feature_cache`: three bounded levels, no frame encoded twice."""

from __future__ import annotations

import os
import pickle
import signal
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from safetensors.torch import save  # noqa: E402

from policies.sage_mm import SageMM  # noqa: E402
from policies.sage_mm.vision import feature_cache  # noqa: E402
from policies.sage_mm.vision.feature_cache import CacheSizes, FeatureCache, FeatureFolder  # noqa: E402
from policies.sage_mm.vision.frame_encoder import FrameEncoder  # noqa: E402
from sage_env.storage import sealed_file  # noqa: E402
from sage_env.storage.sealed_file import seal  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play  # noqa: E402
from tests.helpers.storage.odd_entries import ODD, is_untouched, put_odd  # noqa: E402

ONE = 4 * 4 * 64 * 4  # bytes of a frame's features: maps, tokens, hidden, float32


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

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        folder.put(b"k" * 16, ((1, 1), torch.ones(1, 1, 4)))
    assert folder.get(b"k" * 16) is None and not list(tmp_path.glob("*.part"))


def _kept(folder, number, value):
    entry = (2, 3), torch.full((2, 6, 4), float(value))
    FeatureFolder(folder, 1 << 20).put(bytes([number] * 16), entry)
    return folder / f"{bytes([number] * 16).hex()}.features"


def test_no_flipped_bit_and_no_other_frame_is_a_feature(tmp_path):
    one, two = _kept(tmp_path, 1, 0.5), _kept(tmp_path, 2, -0.5)
    folder, whole = FeatureFolder(tmp_path, 1 << 20), one.read_bytes()
    for place in range(0, len(whole), 5):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        one.write_bytes(flipped)
        assert folder.get(b"\x01" * 16) is None and not one.exists()
    os.replace(two, one)
    assert folder.get(b"\x01" * 16) is None
    for shape in ((2, 5, 4), (12, 4), (2, 6, 4, 1)):  # six tokens are named, and others there
        data = save({"features": torch.ones(shape)})
        one.write_bytes(b"".join(seal(one.stem, (struct.pack("<II", 2, 3), data))))
        assert folder.get(b"\x01" * 16) is None
    length = 1 << 42  # a file with a hole, which takes no space, and a header that says so
    about, whose = sealed_file._about(one.stem, length), bytes(4)
    one.write_bytes(about + whose)
    os.truncate(one, length + sealed_file.HEADER_BYTES)
    assert folder.get(b"\x01" * 16) is None and not one.exists()


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_file_is_no_feature(tmp_path, kind):
    (tmp_path / "elsewhere").mkdir()
    path = _kept(tmp_path / "store", 1, 0.5)
    target = put_odd(kind, path, tmp_path / "elsewhere")
    folder = FeatureFolder(tmp_path / "store", 1 << 20)
    assert folder.get(b"\x01" * 16) is None
    _kept(tmp_path / "store", 1, 0.5)
    assert is_untouched(kind, path, target)
    assert kind == "folder" or folder.get(b"\x01" * 16) is not None


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.warns(RuntimeWarning, match="frame features cannot be shared"):
        cache = FeatureCache(CacheSizes(folder=tmp_path / "taken"), torch.device("cpu"))
    cache.put(b"k" * 16, ((1, 1), torch.ones(1, 1, 4)))
    assert cache.get(b"k" * 16) is not None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    cache = FeatureCache(CacheSizes(), torch.device("cpu"))
    cache.put(b"k" * 16, ((1, 1), torch.ones(1, 1, 4)))
    taken, go_on = Event(), Event()

    def hold():
        with cache._lock:
            taken.set()
            go_on.wait(20)

    thread = Thread(target=hold)
    thread.start()
    assert taken.wait(20)
    child = os.fork()
    if not child:
        signal.alarm(10)  # what hangs is ended
        os._exit(0 if cache.get(b"k" * 16) is not None else 1)
    _, status = os.waitpid(child, 0)
    go_on.set()
    thread.join()
    assert status == 0


def test_what_a_slower_level_finds_goes_to_the_faster_ones(tmp_path):
    entry = (1, 1), torch.ones(1, 1, 4)
    keys = b"a" * 16, b"b" * 16
    for key in keys:
        FeatureFolder(tmp_path, 1 << 20).put(key, entry)
    # A meta tensor stands for one on a GPU: it has a device of its own, and no memory.
    cache = FeatureCache(
        CacheSizes(cpu=1 << 20, gpu=entry[1].nbytes, folder=tmp_path), torch.device("meta")
    )
    assert [cache.get(key)[1].device.type for key in keys] == ["cpu", "cpu"]  # from the disk
    for path in tmp_path.glob("*.features"):
        path.unlink()
    assert cache.get(keys[1])[1].device.type == "meta"  # there is room for one
    assert cache.get(keys[0])[1].device.type == "cpu"
    assert cache.get(keys[0])[1].device.type == "meta"
    assert cache.held_bytes == 2 * entry[1].nbytes


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


def test_a_cache_says_which_levels_it_has(tmp_path):
    """It stands in the error of a frame that was lost, so that the right size is raised."""
    cpu = torch.device("cpu")
    plain = FeatureCache(CacheSizes(cpu=3 << 20), cpu)
    assert str(plain) == "0 frames on cpu (0 of 3 MiB)"
    shared = FeatureCache(CacheSizes(cpu=2 << 20, folder=tmp_path), cpu)
    shared.put(b"k", ((1, 1), torch.zeros(1 << 18)))  # one MiB
    text = str(shared)
    assert text.startswith(f"1 frames on cpu (1 of 2 MiB), files in {tmp_path} (at most ")


@pytest.mark.parametrize("name", ["cpu", "gpu", "disk", "pictures"])
def test_a_level_may_have_nothing_and_not_less(name):
    assert getattr(CacheSizes(**{name: 0}), name) == 0
    with pytest.raises(ValueError, match="cache sizes must be 0 bytes or more"):
        CacheSizes(**{name: -1})


def test_a_level_beside_the_model_is_there_where_the_model_is_not_on_the_cpu():
    sizes = CacheSizes(cpu=2 << 20, gpu=1 << 20)
    assert str(FeatureCache(sizes, torch.device("cpu"))) == "0 frames on cpu (0 of 2 MiB)"
    beside = FeatureCache(sizes, torch.device("meta"))
    assert str(beside) == "0 frames on meta (0 of 1 MiB), 0 frames on cpu (0 of 2 MiB)"
    without = FeatureCache(CacheSizes(cpu=2 << 20), torch.device("meta"))
    assert str(without) == "0 frames on cpu (0 of 2 MiB)"
    beside.put(b"k", ((1, 1), torch.zeros(1, 1, 4)))
    assert beside.get(b"k")[1].device.type == "meta" and beside.held_bytes == 16


def test_what_just_fits_is_kept_and_what_is_larger_pushes_nothing_out():
    entry = (1, 1), torch.ones(1, 1, 4)
    cache = FeatureCache(CacheSizes(cpu=16), torch.device("cpu"))
    cache.put(b"a", entry)
    cache.put(b"b", ((1, 2), torch.ones(1, 2, 4)))
    assert cache.get(b"a") is not None and cache.get(b"b") is None and cache.held_bytes == 16
    cache.put(b"c", entry)
    assert cache.get(b"a") is None and cache.get(b"c") is not None
    nothing = FeatureCache(CacheSizes(cpu=0), torch.device("cpu"))
    nothing.put(b"a", entry)
    assert nothing.get(b"a") is None and nothing.held_bytes == 0


def test_what_is_there_is_not_copied_or_written_again(tmp_path, monkeypatch):
    entry = (3, 5), torch.ones(1, 15, 4)
    cache = FeatureCache(CacheSizes(folder=tmp_path), torch.device("cpu"))
    cache.put(b"a" * 16, entry)
    kept = cache.get(b"a" * 16)
    monkeypatch.setattr(feature_cache, "save", None)
    cache.put(b"a" * 16, ((3, 5), torch.zeros(1, 15, 4)))
    assert cache.get(b"a" * 16) is kept
    later = FeatureCache(CacheSizes(folder=tmp_path), torch.device("cpu"))
    grid, features = later.get(b"a" * 16)
    assert grid == (3, 5) and torch.equal(features, entry[1])
    assert later.get(b"b" * 16) is None
    assert str(later).endswith(f"files in {tmp_path} (at most {16 << 10} MiB)")


@pytest.mark.parametrize(
    ("grid", "tensors"),
    [
        ((2, 3), {"features": torch.ones(1, 5, 4)}),
        ((2, 3), {"features": torch.ones(1, 7, 4)}),
        ((2, 3), {"features": torch.ones(1, 6)}),
        ((2, 3), {"features": torch.ones(1, 6, 4, 1)}),
        ((2, 3), {"others": torch.ones(1, 6, 4)}),
        ((2, 3), None),
    ],
)
def test_a_file_whose_features_are_not_those_of_its_grid_is_none(tmp_path, grid, tensors):
    folder, key = FeatureFolder(tmp_path, 1 << 20), b"a" * 16
    data = b"no tensors" if tensors is None else feature_cache.save(tensors)
    content = (feature_cache._GRID.pack(*grid), data)
    folder._files.put(key.hex(), feature_cache.seal(key.hex(), content))
    assert list(tmp_path.glob("*.features"))
    assert folder.get(key) is None
    folder.put(key, (grid, torch.ones(1, 6, 4)))
    found = folder.get(key)
    assert found is not None and found[0] == grid and torch.equal(found[1], torch.ones(1, 6, 4))


def test_what_fills_a_folder_to_its_last_byte_is_read():
    """The bound of a folder is one of what is read from it too."""
    with TemporaryDirectory() as name:
        key, entry = b"a" * 16, ((1, 1), torch.ones(1, 1, 4))
        FeatureFolder(Path(name), 1 << 20).put(key, entry)
        (path,) = Path(name).glob("*.features")
        size = path.stat().st_size
        assert FeatureFolder(Path(name), size).get(key) is not None
        assert FeatureFolder(Path(name), 20).get(key) is None


def test_what_is_kept_by_default_is_what_a_machine_of_today_can_spare():
    """Two GiB of memory, nothing beside the model, four GiB of pictures; a folder has sixteen."""
    gib = 1 << 30
    assert CacheSizes() == CacheSizes(2 * gib, 0, None, 16 * gib, 4 * gib)


def test_sizes_in_words_are_sizes():
    words = {"gpu": "8GB", "disk": "1 GiB", "folder": "features", "pictures": 0}
    found = CacheSizes.from_words(words)
    assert found == CacheSizes(gpu=8 * 10**9, disk=2**30, folder=Path("features"), pictures=0)
    assert CacheSizes.from_words({}) == CacheSizes()
    with pytest.raises(ValueError, match="expected levels of cpu, gpu, folder, disk, pictures"):
        CacheSizes.from_words({"ram": "8GB"})
    with pytest.raises(ValueError, match="a number of bytes such as 8GB"):
        CacheSizes.from_words({"gpu": "lots"})
