"""Laws of `sage_env.video.decoding.decode_pool`: who takes which job.

Its threads, errors and deadlines are in `index/test_damage` and `test_exact_frames`.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import DecodeJob
from sage_env.video.decoding.decode_pool import DecodePool, _Request
from sage_env.video.index.video_index import read_index

FIRST, SECOND = DecodeJob(0, 0, 1, (0,)), DecodeJob(1, 4, 5, (7,))


def slot(*jobs):
    """Return a decoder that can resume with certain jobs."""
    return SimpleNamespace(decoder=SimpleNamespace(can_resume=lambda job: job in jobs))


@pytest.mark.parametrize(
    ("slots", "order"),
    [
        ([slot(), slot(FIRST), slot()], [1, 0]),  # the one that can resume
        ([slot(SECOND), slot()], [1, 0]),  # not the one that the next job can resume with
        ([slot(SECOND), slot(FIRST)], [1, 0]),
        ([slot(FIRST, SECOND), slot()], [0, 1]),
    ],
)
def test_a_job_goes_to_a_decoder_that_can_resume_with_it_and_spares_those_of_later_jobs(
    slots, order
):
    forever = Deadline.after(None)
    request = _Request(Path("a.mp4"), [FIRST, SECOND], slots, None, None, forever)
    taken = [request._take(), request._take()]
    assert [job for job, _ in taken] == [FIRST, SECOND]
    assert [slots.index(took) for _, took in taken] == order
    assert request._take() is None


def test_good_frames_are_asked_of_a_decoder_that_stays_open(clip):
    index = read_index(clip("short-gops"))
    pool = DecodePool(index, threads=2)
    forever = Deadline.after(None)
    assert sorted(pool.good_frames([30, 3, 4], forever)) == [3, 4, 30]
    assert pool.good_frames([5], forever) == [5] and len(pool._slots) == 1
    decoded = pool.decoded
    pool.close()
    assert pool.decoded == decoded > 0 and not pool._slots
    with pytest.raises(ValueError, match="threads must be 1 or more"):
        DecodePool(index, threads=0)
    assert not pool.good_frames(np.array([], dtype=np.int64), forever)
