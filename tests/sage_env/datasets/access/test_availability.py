"""Laws of `sage_env.datasets.access.availability`: every video, and why it is not there."""

import hashlib

from sage_env.datasets.access.availability import FORMAT, check_videos, manifest_of
from sage_env.datasets.loading import load_dataset
from sage_env.video.health import VideoHealth
from tests.helpers.clips import write_clip

LINES = "".join(f"{name} 1.0 2.0##somebody runs\n" for name in ("A", "A", "B", "C", "D", "E"))


def laid_out(folder):
    """Return questions about a sound video, a missing one, one that is no video, and two more."""
    (folder / "charades_sta_test.txt").write_text(LINES + "noise\n")
    write_clip(folder / "A.mp4", range(5))
    (folder / "C.mp4").write_text("this is not a video")
    (folder / "D.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "E.mp4").write_bytes((folder / "A.mp4").read_bytes())
    return load_dataset("charades-sta", root=folder, split="test")


def cut(path):
    """Return that a video is cut short where it is E, else what is true."""
    if path.stem == "E":
        return VideoHealth(path, codec="h264", size=(4, 4), duration=5.0, absent=3)
    if path.stem == "C":
        return VideoHealth(path, error=f"{path}: not a video")
    return VideoHealth(path, codec="h264", size=(4, 4), duration=4.96)


def test_each_video_once_with_its_reason(tmp_path):
    items = laid_out(tmp_path)
    passed = []

    def following(paths):
        passed.extend(paths)
        return paths

    videos = list(check_videos(items, check=cut, following=following))
    assert [(v.path.stem, v.status, v.questions) for v in videos] == [
        ("A", "found", 2), ("B", "missing", 1), ("C", "undecodable", 1), ("D", "missing", 1),
        ("E", "undecodable", 1),
    ]  # fmt: skip
    assert passed == [video.path for video in videos]
    reasons = [video.reason for video in videos]
    assert reasons[0] == "" and reasons[2] == "not a video"
    assert reasons[3] == "it is a link to a file that is not there"
    assert "CUT SHORT by 3 frames" in reasons[4] and str(tmp_path) not in reasons[4]


def test_the_manifest_counts_what_it_lists(tmp_path):
    items = laid_out(tmp_path)
    told = manifest_of("charades-sta", "test", items, list(check_videos(items, check=cut)))
    assert (told["format"], told["dataset"], told["split"]) == (FORMAT, "charades-sta", "test")
    assert told["counts"] == {
        "official_questions": 3720, "official_videos": 1334, "questions": 6,
        "questions_present": 2, "videos": 5, "found": 1, "missing": 2, "undecodable": 2,
    }  # fmt: skip
    assert told["coverage"] == "2 of 3720 official questions, 1 of 1334 videos"
    text = (LINES + "noise\n").encode()
    assert told["annotations"] == {
        "charades_sta_test.txt": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}
    }
    assert len(told["unusable"]) == 1
    assert str(tmp_path) not in str(told), "it is for others to read"
    assert {video["path"] for video in told["videos"]} >= {"A.mp4", "C.mp4"}
    statuses = [video["status"] for video in told["videos"]]
    assert {s: statuses.count(s) for s in set(statuses)} == {
        key: told["counts"][key] for key in ("found", "missing", "undecodable")
    }


def test_real_files_are_decoded(tmp_path):
    items = laid_out(tmp_path)
    found = {video.path.stem: video for video in check_videos(items)}
    assert found["A"].status == found["E"].status == "found" and found["A"].seconds > 0
    assert found["C"].status == "undecodable" and found["C"].reason
