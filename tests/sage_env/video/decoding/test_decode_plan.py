"""Laws of `decode_plan` and `nearest_frame`: each packet once, a tolerance is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.video.decoding.decode_plan import plan_frames, select_frames
from sage_env.video.decoding.nearest_frame import frames_of_gop, nearest_good_frame
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import CLIPS, number_in, uncached

TIMES = st.lists(st.floats(-2.0, 70.0), max_size=9)
NAMES = st.sampled_from(sorted(CLIPS))


@settings(max_examples=150)
@given(NAMES, TIMES)
def test_jobs_lead_from_keyframes_to_targets_and_never_overlap(clip, name, times):
    index = read_index(clip(name))
    plan = plan_frames(index, times)
    assert plan.exact.all()
    np.testing.assert_array_equal(plan.frames, index.frames_on_screen(np.sort(np.array(times))))
    assert sorted(f for job in plan.jobs for f in job.frames) == sorted(set(plan.frames.tolist()))
    spans = sorted((job.start, job.stop) for job in plan.jobs)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))
    for job in plan.jobs:
        assert index.packet_key[job.start]
        numbers = index.packet_of_frame[list(job.frames)]
        assert job.start <= numbers.min() and numbers.max() == job.stop - 1
        for frame in job.frames:  # decoding starts at a keyframe shown at or before each
            keys = index.key_pts[index.key_pts <= index.pts[frame]]
            assert index.packet_pts[job.start] <= keys[-1]
    assert [job.packets for job in plan.jobs] == sorted(
        (j.packets for j in plan.jobs), reverse=True
    )
    assert plan.packets_needed == sum(job.packets for job in plan.jobs)
    assert (plan.seconds > 0) == bool(times)


def test_no_fewer_packets_would_do(clip):
    index = read_index(clip("short-gops"))
    assert plan_frames(index, [0.0]).packets_needed == 1
    starts = index.seconds(np.flatnonzero(np.isin(index.pts, index.key_pts)))
    assert plan_frames(index, starts).packets_needed == len(starts)
    everything = plan_frames(index, index.seconds(np.arange(len(index.pts))))
    assert everything.packets_needed == len(index.packet_pts)
    assert len(everything.jobs) == len(index.key_pts)  # one GOP each, for threads to share


def test_a_leading_picture_starts_at_the_keyframe_before(clip):
    index = read_index(clip("open-gops"))
    assert index.open_gops and not read_index(clip("short-gops")).open_gops
    second = int(index.key_packets[1])
    leading = int(np.flatnonzero(index.packet_of_frame > second)[0])
    assert index.pts[leading] < index.key_pts[1]
    (job,) = plan_frames(index, index.seconds(np.array([leading]))).jobs
    assert job.start == index.key_packets[0] and job.stop > second
    both = plan_frames(index, index.seconds(np.array([leading, leading + 6]))).jobs
    assert len(both) == 1  # the second keyframe lies on the way


@settings(max_examples=200)
@given(NAMES, TIMES, st.one_of(st.just("auto"), st.floats(0.0, 20.0)))
def test_a_tolerance_is_kept_and_a_choice_is_its_own_times(clip, name, times, tolerance):
    index = read_index(clip(name))
    asked = np.clip(np.sort(np.array(times, dtype=float)), 0.0, index.duration)
    frames, exact, _ = select_frames(index, times, tolerance)
    on_screen = index.frames_on_screen(asked)
    np.testing.assert_array_equal(exact, frames == on_screen)
    assert (np.diff(frames) >= 0).all()
    within = tolerance
    if tolerance == "auto":
        steps = np.diff(np.unique(asked))
        within = min(steps.min() / 2, 5.0) if len(steps) else 0.0
    off = np.abs(index.seconds(frames) - asked)
    assert (exact | (off <= within + 2e-6)).all()
    for time, frame in zip(asked, frames, strict=True):
        assert select_frames(index, [time], within)[0].tolist() == [frame]
    cost, exact_cost = plan_frames(index, times, tolerance), plan_frames(index, times)
    if tolerance == 0:
        assert cost.packets_needed == exact_cost.packets_needed


def test_keyframes_are_taken_where_they_are_near(clip):
    index = read_index(clip("two-a-second"))  # one keyframe, at 0
    assert select_frames(index, [0.4, 1.0, 10.0], 1.0)[0].tolist() == [0, 0, 18]
    short = read_index(clip("short-gops"))
    keys = np.flatnonzero(np.isin(short.pts, short.key_pts))
    frames, exact, _ = select_frames(short, short.seconds(keys) + 0.05, 0.1)
    np.testing.assert_array_equal(frames, keys)
    assert not exact.any()
    assert plan_frames(short, short.seconds(keys) + 0.05, 0.1).packets_needed == len(keys)


def test_a_keyframe_on_screen_is_taken_even_if_the_next_one_is_nearer(clip):
    index = read_index(clip("all-keys"))  # 25 frames a second
    assert select_frames(index, [0.03, 0.53], 0.1).frames.tolist() == [0, 13]
    assert select_frames(index, [0.03, 0.53], 0.1).exact.all()


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_must_be_seconds(clip, wrong):
    with pytest.raises(ValueError, match='tolerance must be seconds, 0 or more, or "auto"'):
        select_frames(read_index(clip("one-gop")), [0.0], wrong)


def test_frames_within_a_tolerance_carry_their_own_time_number_and_flag(clip):
    with uncached(clip("short-gops")) as video:
        batch = video.frames_at([1.0, 2.5, 4.0], size=(32, 48), tolerance=0.3)
        assert [number_in(picture) for picture in batch.pixels] == batch.index.tolist()
        np.testing.assert_allclose(batch.seconds, batch.index / 25)
        assert (np.abs(batch.seconds - [1.0, 2.5, 4.0]) <= 0.3).all()
        assert batch.exact.tolist() == (batch.index == [25, 62, 100]).tolist()
        assert video.frames_at([1.0, 2.5, 4.0]).exact.all()
        assert video.plan([1.0, 2.5, 4.0], tolerance=0.3).frames.tolist() == batch.index.tolist()


def test_times_that_contradict_the_order_in_the_file_still_plan(clip):
    index = read_index(clip("short-gops"))
    turned = replace(index, key_packets=index.key_packets[::-1].copy())
    every = index.seconds(np.arange(len(index.pts)))
    for times in (every, *every.reshape(-1, 1)):  # together, and each alone
        for job in plan_frames(turned, times).jobs:
            assert 0 <= job.start < job.stop <= len(index.packet_pts)
            assert index.packet_key[job.start]


@settings(max_examples=100)
@given(st.data())
def test_the_nearest_good_frame_is_the_nearest_and_looks_no_further(clip, data):
    index = read_index(clip("irregular-mp4"))
    bad = data.draw(st.integers(0, len(index.pts) - 1))
    good = data.draw(st.sets(st.integers(0, len(index.pts) - 1))) - {bad}
    looked = []

    def good_frames(gop):
        looked.append(gop)
        return [frame for frame in frames_of_gop(index, gop) if frame in good]

    found = nearest_good_frame(index, bad, good_frames)
    expected = min(good, key=lambda f: (abs(int(index.pts[f] - index.pts[bad])), f), default=None)
    assert found == expected
    assert len(looked) == len(set(looked))
    if good >= set(range(len(index.pts))) - {bad}:
        assert len(looked) <= 3
