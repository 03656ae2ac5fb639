"""Laws of `sage_env.video.index.index_cache`: whatever is wrong with it, the video opens.

A kept index that is damaged, another file's or no file is deleted, and the video indexed anew.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sage_env.storage.sealed_file import seal
from sage_env.video.index import index_cache, video_index
from sage_env.video.index.index_cache import load_cached, save_cached
from tests.helpers.clips import number_in, uncached, write_clip
from tests.helpers.storage.odd_entries import ODD, is_untouched, put_odd

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of indexes, to which everything goes."""
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(video_index, "_WORTH_KEEPING", -1.0)
    return tmp_path / "cache" / "index"


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two videos with frames at other times."""
    made = tmp_path_factory.mktemp("videos")
    return [
        write_clip(made / "a.mkv", range(60), options={"g": "12"}),
        write_clip(made / "b.mkv", range(0, 180, 3), options={"g": "12"}),
    ]


def opens_rightly(path: Path, step: int = 1) -> None:
    """Open a video as a new process does, and look at its frames."""
    video_index._remembered.cache_clear()
    seen: list[list[int]] = []

    def look() -> None:
        with uncached(path) as video:
            batch = video.frames_at([step * n / 25 for n in (0, 13, 59)])
            seen.append([number_in(picture) for picture in batch.pixels])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(20.0)  # who opens a pipe may wait for ever
    assert seen == [[0, 13, 59]]


def kept_of(path: Path, folder: Path, step: int = 1) -> Path:
    before = set(folder.glob("*")) if folder.exists() else set()
    opens_rightly(path, step)
    (kept,) = set(folder.glob("*")) - before
    return kept


def sealed(path: Path, content: bytes) -> None:
    path.write_bytes(b"".join(seal(path.stem, (content,))))


def archive(**values: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **values)
    return file.getvalue()


def claims(path: Path) -> None:
    """Seal an array whose header claims 80 terabytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": (10**13,)}
    )
    plain = archive(pts=np.zeros(3), facts=np.array("{}"))
    old = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        old, {"descr": "<f8", "fortran_order": False, "shape": (3,)}
    )
    sealed(path, plain.replace(old.getvalue(), header.getvalue()[: len(old.getvalue())]))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("PK nonsense"),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "of the version before": lambda path: path.write_bytes(path.read_bytes()[36:]),
    "sealed nonsense": lambda path: sealed(path, b"PK nonsense"),
    "sealed without facts": lambda path: sealed(path, archive(pts=np.arange(3))),
    "sealed with other facts": lambda path: sealed(path, archive(facts=np.array("[1, 2]"))),
    "sealed with half of it": lambda path: sealed(path, archive(facts=np.array('{"config": 3}'))),
    "sealed claims": claims,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_sound_video_opens_whatever_its_kept_index_is(
    paths: list[Path], folder: Path, damage: str
) -> None:
    kept = kept_of(paths[0], folder)
    whole = kept.read_bytes()
    DAMAGE[damage](kept)
    opens_rightly(paths[0])
    assert len(kept.read_bytes()) == len(whole)  # it was made anew, and reads again
    assert load_cached(kept.stem.rpartition("-")[0]) is not None


def test_what_is_no_index_is_deleted_though_a_new_one_is_not_worth_keeping(
    paths: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_of(paths[0], folder)
    DAMAGE["sealed with half of it"](kept)
    monkeypatch.setattr(video_index, "_WORTH_KEEPING", 1e9)
    opens_rightly(paths[0])
    assert not kept.exists()


def test_no_flipped_bit_is_believed(paths: list[Path], folder: Path) -> None:
    kept = kept_of(paths[0], folder)
    whole, rng = kept.read_bytes(), np.random.default_rng(0)
    content_id = kept.stem.rpartition("-")[0]
    for place in [*range(40), *rng.integers(0, len(whole), 300).tolist()]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        kept.write_bytes(flipped)
        assert load_cached(content_id) is None and not kept.exists()


def test_the_index_of_another_file_is_not_taken(paths: list[Path], folder: Path) -> None:
    one, two = kept_of(paths[0], folder), kept_of(paths[1], folder, 3)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    opens_rightly(paths[0])
    opens_rightly(paths[1], 3)
    assert one.read_bytes() != second and two.read_bytes() != first


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_file_is_no_index(
    paths: list[Path], folder: Path, tmp_path: Path, kind: str
) -> None:
    kept = kept_of(paths[0], folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = put_odd(kind, kept, elsewhere)
    for _ in range(2):
        opens_rightly(paths[0])
        assert is_untouched(kind, kept, target)
    assert kind == "folder" or load_cached(kept.stem.rpartition("-")[0]) is not None


def test_a_folder_that_takes_nothing_is_one_warning(
    paths: list[Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        opens_rightly(paths[0])
        opens_rightly(paths[1], 3)
    assert [w.category for w in caught] == [RuntimeWarning] and list(folder.iterdir()) == []
    assert "set SAGE_ENV_CACHE to another folder" in str(caught[0].message)


def test_folders_among_the_indexes_are_let_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_cache, "MAX_FILES", 2)
    (folder / "notes").mkdir(parents=True)
    (folder / "lost").symlink_to("nowhere")
    for number in range(4):
        save_cached(f"{number:032x}", {"number": number})
    assert load_cached(f"{3:032x}") == {"number": 3} and (folder / "notes").is_dir()
    assert len([path for path in folder.iterdir() if not path.is_dir()]) == 2
