"""Laws of `sage_env.video.cache.frame_store`, `proxy_file`, `proxy_recorder`: no wrong picture.

Files of the caches are damaged, swapped and replaced; frames are right, or decoded anew.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from sage_env.storage.sealed_file import HEADER_BYTES, seal
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.cache.proxy_file import FrameProxy
from sage_env.video.video_file import open_video
from tests.helpers.clips import number_in, numbered, write_clip
from tests.helpers.storage.odd_entries import ODD, is_untouched, put_odd

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
KEY = FrameKey("clip", 3, (12, 16), None)
PICTURE = numbered(3, 12, 16)


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    made = FrameStore(tmp_path / "store")
    made.put(KEY, PICTURE)
    return made


def path_of(store: FrameStore, key: FrameKey = KEY) -> Path:
    return store._files.path(store._name(key))


def test_no_flipped_bit_is_a_picture(store: FrameStore) -> None:
    path = path_of(store)
    whole = path.read_bytes()
    for place in [*range(HEADER_BYTES + 12), *range(60, len(whole), 11)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        assert store.get(KEY) is None and not path.exists()
    store.put(KEY, PICTURE)
    np.testing.assert_array_equal(store.get(KEY), PICTURE)


def test_the_zeros_of_a_full_disk_are_no_picture(store: FrameStore) -> None:
    path = path_of(store)
    whole = path.read_bytes()
    for keep in range(0, len(whole), 37):
        path.write_bytes(whole[:keep] + bytes(len(whole) - keep))
        assert store.get(KEY) is None


def test_a_picture_of_another_frame_or_shape_is_not_taken(store: FrameStore) -> None:
    other = KEY._replace(frame=4)
    store.put(other, numbered(4, 12, 16))
    os.replace(path_of(store, other), path_of(store))
    assert store.get(KEY) is None
    path = path_of(store)
    for height, width in ((1, 1), (16, 12), (6, 32), (12, 15), (0, 0), (2**31, 2**31)):
        pixels = bytes(min(3 * height * width, 3 * 12 * 16))
        parts = struct.pack("<II", height, width), pixels
        path.write_bytes(b"".join(seal(path.stem, parts)))
        assert store.get(KEY) is None and not path.exists()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((12, 16, 1), np.uint8),
        np.zeros((12, 16, 3), np.float32),
        np.zeros((16, 12, 3), np.uint8),
    ],
    ids=["one pixel", "grey", "float", "turned"],
)
def test_what_is_no_picture_of_the_key_is_refused(store: FrameStore, picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 \(H, W, 3\) with \(H, W\) = \(12, 16\)"):
        store.put(KEY._replace(frame=9), picture)


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_file_is_no_picture(store: FrameStore, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = path_of(store)
    target = put_odd(kind, path, elsewhere)
    assert store.get(KEY) is None
    store.put(KEY, PICTURE)
    assert is_untouched(kind, path, target)
    if kind != "folder":
        np.testing.assert_array_equal(store.get(KEY), PICTURE)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clip") / "a.mp4"
    return write_clip(made, range(0, 250, 5), options={"g": "10"}, size=(64, 96))


def numbers(video, seconds: list[float], **more) -> tuple[list[int], list[int]]:
    batch = video.frames_at(seconds, **more)
    return [number_in(picture) for picture in batch.pixels], batch.index.tolist()


@pytest.mark.parametrize("size", [None, (64, 96)])
def test_frames_are_right_though_every_picture_was_swapped(
    clip: Path, tmp_path: Path, size: tuple[int, int] | None
) -> None:
    """Each file of the folder gets the content of the next; native sizes are in the key too."""

    def opened():
        return open_video(clip, cache=FrameCache(0, FrameStore(tmp_path)))

    seconds = [0.0, 1.0, 2.0, 9.0]
    with opened() as video:
        first = numbers(video, seconds, size=size)
    assert first[0] == first[1] == [0, 5, 10, 45]
    files = sorted(tmp_path.glob("*.rgb"))
    contents = [path.read_bytes() for path in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    with opened() as video:
        assert numbers(video, seconds, size=size) == first
        assert video.stats.decoded > 0
    for path in tmp_path.glob("*.rgb"):  # one pixel, whole and sealed
        path.write_bytes(b"".join(seal(path.stem, (struct.pack("<II", 1, 1), b"abc"))))
    with opened() as video:
        assert numbers(video, seconds, size=size) == first


def _proxies(clip: Path, folder: Path) -> Path:
    """Look at a video with a proxy, and return the file."""
    with open_video(clip, cache=FrameCache(0), proxy_folder=folder) as video:
        video.frames_at([9.5], size=(32, 48))
        video.frames_at([0.0, 1.0, 2.0, 3.0], size=(32, 48))
    (path,) = folder.glob("*.jpegs")
    return path


def served(clip: Path, folder: Path) -> bool:
    """Look around with a tolerance; return whether the proxy had all of it."""
    with open_video(clip, cache=FrameCache(0), proxy_folder=folder) as video:
        shown, index = numbers(video, [0.1, 1.1, 2.1, 3.1], size=(32, 48), tolerance=0.3)
        assert shown == index
        return video.stats.decoded == 0


def test_small_pictures_of_no_such_frame_or_another_video_are_not_shown(
    clip: Path, tmp_path: Path
) -> None:
    path = _proxies(clip, tmp_path)
    assert served(clip, tmp_path)
    whole = path.read_bytes()
    for frame in (-1, 10**6, 2**62):  # each with its checksums right
        proxy = FrameProxy(tmp_path, path.stem)
        proxy.add(frame, numbered(7, 64, 96))
        served(clip, tmp_path)
    other = FrameProxy(tmp_path, "other")
    for frame in range(0, 50, 5):
        other.add(frame, numbered(frame + 1, 64, 96))
    os.replace(other.path, path)
    assert not served(clip, tmp_path)
    path.write_bytes(whole)
    assert served(clip, tmp_path)


def test_a_flipped_bit_of_a_proxy_costs_pictures_and_no_error(clip: Path, tmp_path: Path) -> None:
    path = _proxies(clip, tmp_path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in [*range(0, 32, 3), *rng.integers(0, len(whole), 15).tolist()]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        served(clip, tmp_path)
    path.write_bytes(whole)
    assert served(clip, tmp_path), "sound again, it has all of them"


def test_a_record_that_is_sound_and_no_jpeg_is_decoded_instead(clip: Path, tmp_path: Path) -> None:
    path = _proxies(clip, tmp_path)
    proxy = FrameProxy(tmp_path, path.stem)
    junk = b"no JPEG at all" * 9
    path.write_bytes(proxy._head(5, (64, 96), junk) + junk)
    assert zlib.crc32(junk) and len(FrameProxy(tmp_path, path.stem)) == 1
    assert not served(clip, tmp_path)


@pytest.mark.parametrize("kind", ODD)
def test_a_proxy_that_is_no_file_is_a_warning_and_stays(
    clip: Path, tmp_path: Path, kind: str
) -> None:
    folder, elsewhere = tmp_path / "proxies", tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = _proxies(clip, folder)
    target = put_odd(kind, path, elsewhere)
    with pytest.warns(RuntimeWarning, match="no longer be kept"):
        assert not served(clip, folder)
    assert not served(clip, folder)
    assert is_untouched(kind, path, target)
