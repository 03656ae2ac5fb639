"""Laws of `sage_env.video.index.video_index` and the packet sources: a file that changes.

Never frames of one version under the name of another, never a mixture of two.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sage_env.errors import VideoError
from sage_env.storage import fingerprint
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.index import video_index
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import number_in, numbered, uncached, write_clip

OLD = 10**18  # nanoseconds since 1970
TIMES = (np.arange(0, 60, 7) / 25).tolist()
KINDS = {"mp4": "libx264", "mkv": "libx264", "ts": "libx264", "mpg": "mpeg2video", "avi": "mpeg4"}
TWO = 64  # what the numbers of the second video begin with


def write(path: Path, codec: str, first: int, size: int = 0) -> Path:
    """Write 60 frames that show the numbers from `first` on, padded with zeros to a size."""
    draw = lambda number, height, width: numbered(first + number, height, width)  # noqa: E731
    options = {"g": "12", "bf": "0", "crf": "20"}
    write_clip(path, range(60), codec=codec, options=options, size=(64, 96), draw=draw)
    with path.open("ab") as file:
        file.write(bytes(max(0, size - path.stat().st_size)))
    os.utime(path, ns=(OLD, OLD))
    return path


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Return two videos of equal size and time, of the numbers from 0 and from `TWO` on."""
    folder, kind = tmp_path_factory.mktemp("pair"), request.param
    paths = [write(folder / f"{n}.{kind}", KINDS[kind], n * TWO) for n in range(2)]
    size = max(path.stat().st_size for path in paths)
    for n, path in enumerate(paths):
        write(path, KINDS[kind], n * TWO, size)
    assert paths[0].stat().st_size == paths[1].stat().st_size
    return paths


@pytest.fixture
def path(pair, tmp_path: Path) -> Path:
    """Return a copy of the first video, to be changed."""
    return Path(shutil.copy2(pair[0], tmp_path / pair[0].name))


def over_name(path: Path, other: Path) -> None:
    """Give the name to another file."""
    copy = shutil.copy2(other, path.with_name("other"))
    os.replace(copy, path)


def in_place(path: Path, other: Path) -> None:
    """Write over the file, and set its time back."""
    with path.open("r+b") as file:
        file.write(other.read_bytes())
    os.utime(path, ns=(OLD, OLD))


def shown(video, times: list[float] = TIMES) -> list[int]:
    return [number_in(picture) for picture in video.frames_at(times).pixels]


def expected(first: int) -> list[int]:
    return [first + round(time * 25) for time in TIMES]


@pytest.mark.parametrize("change", [over_name, in_place])
@pytest.mark.parametrize("cache", ["memory", "folder", "small pictures", "indexes"])
def test_what_is_opened_again_is_the_new_file_whatever_was_cached(
    pair, path: Path, tmp_path: Path, monkeypatch, change: Callable, cache: str
) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    if cache == "indexes":
        monkeypatch.setattr(video_index, "_WORTH_KEEPING", -1.0)
    kept = FrameCache(2**24)
    if cache == "folder":
        kept = FrameCache(0, FrameStore(tmp_path / "store"))
    proxies = tmp_path / "proxies" if cache == "small pictures" else None
    for first, source in ((0, None), (TWO, pair[1]), (0, pair[0])):
        if source is not None:
            change(path, source)
        for _ in range(2):
            with open_video(path, cache=kept, proxy_folder=proxies) as video:
                assert shown(video) == expected(first)
                if proxies:
                    near = video.frames_at([0.0, 1.0], size=(64, 96), tolerance=0.1)
                    numbers = [number_in(picture) for picture in near.pixels]
                    assert numbers == (first + near.index).tolist()
            video_index._remembered.cache_clear()


@pytest.mark.parametrize("opened", ["untouched", "read", "closed"])
def test_who_has_it_open_sees_the_old_video_or_an_error(pair, path: Path, opened: str) -> None:
    for change in (over_name, in_place):
        shutil.copy2(pair[0], path)
        video = uncached(path)
        if opened != "untouched":
            assert shown(video, [0.0]) == [0]
        if opened == "closed":
            video.close()
        change(path, pair[1])
        try:
            seen = [shown(video, [time]) for time in (0.04, 2.2, 1.0)]
        except VideoError as error:
            assert "it has changed since it was opened: open it again" in str(error)
            assert opened != "read" or change is in_place
        else:
            assert seen == [[1], [55], [25]]
            assert opened == "read"
        with uncached(path) as again:
            assert shown(again) == expected(TWO)


def loses_a_name(path: Path) -> None:
    path.with_name("partial").unlink()


def gets_a_name(path: Path) -> None:
    os.link(path, path.with_name("third"))


def other_permissions(path: Path) -> None:
    path.chmod(0o444)


@pytest.mark.parametrize("change", [over_name, in_place])
def test_a_file_that_changes_while_it_is_indexed_is_an_error(
    pair, path: Path, tmp_path: Path, monkeypatch, change: Callable
) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))  # where no index is kept
    real, changes = video_index._index, iter([pair[1]])

    def slow(*arguments):
        for other in changes:
            change(path, other)
        return real(*arguments)

    monkeypatch.setattr(video_index, "_index", slow)
    with pytest.raises(VideoError, match="changed"):
        open_video(path)
    with uncached(path) as video:
        assert shown(video) == expected(TWO)


@pytest.mark.parametrize("change", [loses_a_name, gets_a_name, other_permissions])
def test_a_name_or_permissions_that_change_while_it_is_indexed_are_no_change(
    path: Path, tmp_path: Path, monkeypatch, change: Callable
) -> None:
    """So it is of a file that is made: it takes its name, and loses the one it was written by."""
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    real = video_index._index
    os.link(path, path.with_name("partial"))

    def slow(*arguments):
        change(path)
        return real(*arguments)

    monkeypatch.setattr(video_index, "_index", slow)
    with uncached(path) as video:
        assert shown(video) == expected(0)


def test_a_demuxer_reads_no_byte_that_was_written_over(tmp_path: Path) -> None:
    """The file is longer than what FFmpeg reads ahead: 4 Mbit a second, most of it padding."""
    one, two = (
        write_clip(
            tmp_path / f"{n}.ts",
            range(100),
            options={"g": "20", "bf": "0"},
            container_options={"muxrate": "4000000"},
            draw=lambda number, *size, n=n: numbered(number + n * 100, *size),
        )
        for n in range(2)
    )
    assert one.stat().st_size > 10**6
    os.utime(one, ns=(OLD, OLD))
    video = uncached(one)
    assert shown(video, [0.0, 0.4]) == [0, 10]
    in_place(one, two)
    for time in (0.44, 1.0, 3.9):
        with pytest.raises(VideoError, match="it has changed since it was opened"):
            shown(video, [time])
    video.close()


def test_large_files_that_differ_nowhere_near_a_piece_have_ids_of_their_own(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", 100)  # as if these files were large
    monkeypatch.setattr(fingerprint, "_PIECE", 16)
    one, two = (write(tmp_path / f"{n}.mkv", "libx264", 0, 9000) for n in range(2))
    data = bytearray(one.read_bytes())
    data[len(data) // 4 + 99] ^= 1
    for path, content in ((one, one.read_bytes()), (two, bytes(data))):
        path.write_bytes(content)
        os.utime(path, ns=(OLD, OLD))
    assert read_index(one).content_id != read_index(two).content_id


def test_permissions_and_second_names_change_nothing(path: Path) -> None:
    with uncached(path) as video:
        assert shown(video, [0.0]) == [0]
        path.chmod(0o400)
        os.link(path, path.with_name("second"))
        assert shown(video) == expected(0)
        path.unlink()
        assert shown(video) == expected(0)
    with uncached(path.with_name("second").rename(path)) as video:
        assert shown(video) == expected(0)
