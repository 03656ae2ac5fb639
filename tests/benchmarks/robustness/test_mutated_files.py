"""Laws of `mutated_mp4`, `other_files`, `graded_clips`, `mp4_surgery` and `sequential_check`.

Planted faults are found, and no others.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.robustness import mutated_mp4, other_files
from benchmarks.robustness.clips import sequential_check
from benchmarks.robustness.clips.graded_clips import B_FRAMES, FRAMES, number_of, write_graded
from benchmarks.robustness.clips.mp4_surgery import MUTATIONS, boxes
from sage_env.errors import VideoError


def test_a_few_mutated_files_are_served_as_they_are_or_refused(tmp_path):
    outcome = mutated_mp4.run(40, 5, tmp_path)
    assert outcome.tries == 40 and outcome.faults == []
    assert outcome.ends["all that was asked for"] > 5 and outcome.ends["refused: VideoError"] > 5
    assert not list(tmp_path.glob("case-*"))


def test_a_few_other_files_are_read_or_refused(tmp_path):
    outcome = other_files.run(24, 5, tmp_path)
    assert outcome.tries == 24 and outcome.faults == []
    assert outcome.ends["no video: VideoError"] == 8


def test_mutations_are_many_and_the_same_for_the_same_seed(tmp_path):
    sound = write_graded(tmp_path / "a.mp4", options=B_FRAMES)
    kinds = {box.kind for box in boxes(sound)}
    assert {b"moov", b"stbl", b"stts", b"ctts", b"stsz", b"mdat", b"elst"} <= kinds
    made = [mutated_mp4.mutated(sound, 3, case) for case in range(200)]
    assert made == [mutated_mp4.mutated(sound, 3, case) for case in range(200)]
    assert len({name for name, _ in made}) == len(MUTATIONS)
    assert sum(content != sound for _, content in made) > 190


class Reader:
    """A video that serves what it is told to."""

    def __init__(self, video, change):
        self._video, self._change, self._index = video, change, video._index
        self.duration, self.absent = video.duration, video.absent

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._video.close()

    def frames_at(self, seconds):
        return self._change(self._video, seconds[0])


def nameless(video, second):
    raise VideoError("something is wrong")


def broken(video, second):
    raise KeyError(second)


def hungry(video, second):
    np.ones(120 << 20, dtype=np.uint8)
    return video.frames_at([second])


def wrong_time(video, second):
    batch = video.frames_at([second])
    object.__setattr__(batch, "seconds", batch.seconds + 0.04)
    return batch


def wrong_picture(video, second):
    batch = video.frames_at([second])
    batch.pixels[:] = video.frames_at([1.0 - second / 2]).pixels
    return batch


@pytest.mark.parametrize(
    ("change", "end", "says"),
    [
        (wrong_time, "all that was asked for", "is said to be shown at"),
        (wrong_picture, "all that was asked for", "is served, FFmpeg shows"),
        (nameless, "an error without the file", "!something is wrong"),
        (hungry, "memory", "MB"),
    ],
)
def test_planted_faults_are_found(tmp_path, monkeypatch, change, end, says):
    path = tmp_path / "a.mp4"
    write_graded(path, options=B_FRAMES)
    assert sequential_check.check_reading(path) == ("all that was asked for", "")
    opened = sequential_check.open_video
    monkeypatch.setattr(
        sequential_check, "open_video", lambda *a, **k: Reader(opened(*a, **k), change)
    )
    found, fault = sequential_check.check_reading(path)
    assert found == end and says in fault


def test_other_errors_are_left_to_the_worker(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    write_graded(path, options=B_FRAMES)
    opened = sequential_check.open_video
    monkeypatch.setattr(
        sequential_check, "open_video", lambda *a, **k: Reader(opened(*a, **k), broken)
    )
    with pytest.raises(KeyError):
        sequential_check.check_reading(path)


def test_the_brightness_of_a_clip_is_its_number(tmp_path):
    path = tmp_path / "a.mkv"
    write_graded(path, options=B_FRAMES)
    numbers = [number_of(each.picture) for each in sequential_check._sequential(path)]
    assert numbers == list(range(FRAMES))
