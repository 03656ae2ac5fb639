"""Laws of `sage_env.datasets.video_paths`: a file's videos lie under its root, links followed."""

from __future__ import annotations

import json
import os

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.env import VideoQAEnv
from sage_env.errors import DatasetError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")


@pytest.fixture
def place(tmp_path):
    """Make a root with videos and links, and what lies outside."""
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root2").mkdir()  # begins like the root
    for name in ("root/a.mp4", "root/deep/b.mp4", "outside/secret.mp4", "root2/c.mp4"):
        (tmp_path / name).touch()
    os.symlink(tmp_path / "outside", root / "folder_out")
    os.symlink(tmp_path / "outside" / "secret.mp4", root / "out.mp4")
    os.symlink(tmp_path / "outside" / "absent.mp4", root / "dangling.mp4")
    os.symlink(root / "deep", root / "inner")
    os.symlink(root / "a.mp4", root / "in.mp4")
    os.symlink(root / "loop.mp4", root / "loop.mp4")
    os.symlink(root, tmp_path / "link_to_root")
    return root


def load(folder, video, **options):
    row = {"id": "q", "video": str(video), "question": "Q?", "answer": "x"}
    path = folder / "set.jsonl"
    path.write_text(json.dumps(row))
    return load_dataset(path, **options)


INSIDE = [
    "a.mp4",
    "deep/b.mp4",
    "./deep/../a.mp4",
    "in.mp4",
    "inner/b.mp4",
    "absent.mp4",
    "no/x.mp4",
]
OUTSIDE = [
    "../outside/secret.mp4", "deep/../../outside/secret.mp4", "../root2/c.mp4", "out.mp4",
    "folder_out/secret.mp4", "dangling.mp4", "inner/../../outside/secret.mp4", "..", "deep/../..",
    "no/../../outside/secret.mp4", "folder_out/../root2/c.mp4",
]  # fmt: skip


@pytest.mark.parametrize("video", INSIDE)
def test_videos_under_the_root_are_taken(place, video) -> None:
    assert load(place, video)[0].video == place / video
    assert load(place, place / video)[0].video == place / video  # an absolute path too
    linked = place.parent / "link_to_root"
    assert load(place, video, root=linked)[0].video == linked / video


@pytest.mark.parametrize("video", OUTSIDE)
def test_videos_elsewhere_are_refused_and_the_option_is_named(place, video) -> None:
    with pytest.raises(DatasetError, match=r"set\.jsonl, line 1: .*allow_outside=True"):
        load(place, video)
    assert load(place, video, allow_outside=True)[0].video == place / video


def test_absolute_paths_elsewhere_too(place) -> None:
    secret = place.parent / "outside" / "secret.mp4"
    with pytest.raises(DatasetError, match="lies outside"):
        load(place, secret)
    assert load(place, secret, root=place.parent)[0].video == secret
    (place / "set.jsonl").write_text((place / "set.jsonl").read_text())
    with pytest.raises(DatasetError, match="lies outside"):
        VideoQAEnv(dataset=place / "set.jsonl")
    VideoQAEnv(dataset=place / "set.jsonl", allow_outside=True).close()


@pytest.mark.parametrize("video", ["loop.mp4", "nul\0l.mp4", "x" * 300 + ".mp4"])
def test_what_is_no_path_is_told_by_its_row(place, video) -> None:
    try:
        load(place, video)  # too long a name may also be found out when it is opened
    except DatasetError as error:
        assert "line 1" in str(error)
