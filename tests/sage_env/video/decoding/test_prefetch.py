"""Laws of `sage_env.video.decoding.prefetch`: cached for closer looks; results stay the same."""

from __future__ import annotations

import math
import tracemalloc

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sage_env  # noqa: F401
from sage_env.actions.action import Zoom
from sage_env.datasets.item import QAItem
from sage_env.errors import CorruptFrame
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.cache.process_cache import shared_cache
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import plan_jobs
from sage_env.video.decoding.disposable_packets import disposable_test
from sage_env.video.decoding.packet_decoder import PacketDecoder
from sage_env.video.decoding.prefetch import add_prefetch, prefetch_step
from sage_env.video.decoding.sliced_packets import SlicedPackets
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import CLIPS, ONE_GOP, copy_clip, number_in, uncached, write_clip

ROOM = 2**22
FOREVER = Deadline.after(None)


def keeping(path, room=ROOM):
    cache = FrameCache(room)
    return open_video(path, cache=cache, threads=1, prefetch=True), cache


@pytest.mark.parametrize(
    ("seconds", "step"),
    [
        ([0, 4, 8], 2.0),
        ([12, 0.5, 5.5], 2.0),  # smallest distance 5, so a grid of 4
        ([1.0, 2.0, 2.0], 0.5),
        ([0.0, 0.3], 0.5),  # never finer
        ([7.0], None),
        ([7.0, 7.0], None),
        ([], None),
    ],
)
def test_a_look_half_as_long_would_use_half_the_grid(seconds, step):
    assert prefetch_step(seconds) == step


def test_a_job_takes_along_what_is_on_the_finer_grid_before_its_last_frame(clip):
    index = read_index(clip("one-gop"))  # 25 frames a second, one keyframe
    jobs = plan_jobs(index, np.array([50, 100]))
    (job,) = add_prefetch(index, jobs, 1.0, lambda frames: frames)
    assert job.prefetch == (0, 25, 75) and job.frames == (50, 100)
    (job,) = add_prefetch(index, jobs, 1.0, lambda frames: [f for f in frames if f != 25])
    assert job.prefetch == (0, 75)


def test_a_closer_look_decodes_nothing(clip):
    video, cache = keeping(clip("one-gop"))
    video.frames_at([0, 2, 4], size=(32, 48))
    assert sorted(key.frame for key in cache._pictures) == [0, 25, 50, 75, 100]
    before = video.stats.decoded
    batch = video.frames_at([1, 2, 3], size=(32, 48))
    assert [number_in(picture) for picture in batch.pixels] == [25, 50, 75]
    assert (video.stats.decoded, video.stats.hits) == (before, 3)


def test_what_is_cached_is_not_converted_again(clip):
    video, cache = keeping(clip("one-gop"))
    video.frames_at([0, 2], size=(32, 48))
    held = {key.frame: cache.get(key) for key in list(cache._pictures)}
    assert sorted(held) == [0, 25, 50]
    video.frames_at([3, 4.6], size=(32, 48))  # passes them all again
    now = {key.frame: cache.get(key) for key in list(cache._pictures)}
    assert set(now) > {*held, 12, 62} and all(now[frame] is held[frame] for frame in held)


def test_another_process_finds_what_was_passed_here(clip, tmp_path):
    caches = [FrameCache(ROOM, FrameStore(tmp_path)) for _ in range(2)]
    here, there = [
        open_video(clip("one-gop"), cache=cache, threads=1, prefetch=True) for cache in caches
    ]
    here.frames_at([0, 2, 4], size=(32, 48))
    batch = there.frames_at([1, 3], size=(32, 48))
    assert [number_in(picture) for picture in batch.pixels] == [25, 75]
    assert there.stats.decoded == 0 and caches[1].stats.store_hits == 2


def test_without_being_asked_or_without_room_nothing_is_kept_on_the_way(clip):
    cache = FrameCache(ROOM)
    with open_video(clip("one-gop"), cache=cache, threads=1) as video:
        video.frames_at([0, 2, 4], size=(32, 48))
    assert sorted(key.frame for key in cache._pictures) == [0, 50, 100]
    video, cache = keeping(clip("one-gop"), room=63 * 32 * 48 * 3)
    video.frames_at([0, 2, 4], size=(32, 48))
    assert sorted(key.frame for key in cache._pictures) == [0, 50, 100]


@pytest.mark.parametrize("name", CLIPS)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_kept_and_what_is_returned_is_what_is_there(clip, name, data):
    video, cache = keeping(clip(name))
    starts, counts = st.floats(0, video.duration), st.integers(1, 6)
    with uncached(clip(name)) as plain:
        for _ in range(3):
            ends = sorted((data.draw(starts), data.draw(starts)))
            times = np.linspace(*ends, data.draw(counts)).tolist()
            here, there = (each.frames_at(times, size=(16, 24)) for each in (video, plain))
            np.testing.assert_array_equal(here.pixels, there.pixels)
            assert here.index.tolist() == there.index.tolist() and here.exact.all()
        for key in list(cache._pictures):
            assert number_in(cache.get(key)) == key.frame
    video.close()


def test_a_damaged_picture_that_nobody_asked_for_spoils_nothing(clip, tmp_path):
    source = clip("one-gop")
    index, whole = read_index(source), source.read_bytes()
    is_disposable = disposable_test(index.config.codec, index.config.extradata)
    tried = 0
    for frame in range(1, 100, 3):
        packet = int(index.packet_of_frame[frame])
        at, size = int(index.packet_offset[packet]), int(index.packet_size[packet])
        if not is_disposable(memoryview(whole[at : at + size])):
            continue
        bad = tmp_path / f"{frame}.mp4"
        bad.write_bytes(whole[: at + 5] + b"\xff" * (size - 5) + whole[at + size :])
        later = [frame + 1, 110]
        jobs = plan_jobs(index, np.array(later))
        (job,) = add_prefetch(index, jobs, 0.04, lambda frames: frames)
        assert frame in job.prefetch
        decoder = PacketDecoder(index, SlicedPackets(read_index(bad)))
        came = {f: number_in(p.to_ndarray(format="rgb24")) for f, p in decoder.read(job, FOREVER)}
        decoder.close()
        assert came == {f: f for f in (*job.prefetch, *later) if f != frame}
        with uncached(bad) as video, pytest.raises(CorruptFrame):
            video.frames_at([frame / 25])
        tried += 1
    assert tried > 5


@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize("vector", [False, True])
def test_environments_on_a_shared_grid_keep_what_they_pass(clip, tmp_path, snap, vector):
    path = copy_clip(clip("one-gop"), tmp_path / "clip.mp4")
    arguments = {
        "dataset": [QAItem("clip", path, "Which?", ("a", "b"), "a", "mcq")],
        "frame_size": (16, 24),
        "overview_frames": 0,
        "snap": snap,
    }
    look = Zoom(0, 4.8, 2)  # middles 1.2 and 3.6; on the grid of 2 s: 2 and 4
    if vector:
        envs = gym.make_vec("sage_env:SageVideoQA-v0", num_envs=1, **arguments)
        envs.reset(seed=0)
        envs.step([look])
    else:
        envs = gym.make("sage_env:SageVideoQA-v0", **arguments)
        envs.reset(seed=0)
        envs.step(look)
    envs.close()
    content = read_index(path).content_id
    held = sorted(key.frame for key in shared_cache()._pictures if key.content == content)
    assert held == ([0, 25, 50, 75, 100] if snap else [30, 90])


def on_the_way_by_all_multiples(index, job, step):
    """Return the frames to prefetch by looking at every multiple of the step."""
    pts = index.packet_pts[job.start : job.stop]
    first, last = np.searchsorted(index.pts, (index.key_pts[job.gop], pts.max()))
    ends = index.seconds(np.minimum((first, last), len(index.pts) - 1))
    times = np.arange(math.ceil(ends[0] / step), math.floor(ends[1] / step) + 1) * step
    frames = np.unique(index.frames_on_screen(times))
    inside = (index.packet_of_frame[frames] >= job.start) & (
        index.packet_of_frame[frames] < job.stop
    )
    return [frame for frame in frames[inside].tolist() if frame not in job.frames]


@pytest.mark.parametrize("name", ["one-gop", "open-gops", "irregular-mkv", "two-a-second"])
@given(frame=st.integers(0, 119), step=st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0]))
def test_every_multiple_of_the_step_counts(clip, name, frame, step):
    index = read_index(clip(name))
    for job in plan_jobs(index, np.array([frame])):
        (with_prefetch,) = add_prefetch(index, [job], step, lambda frames: frames)
        assert list(with_prefetch.prefetch) == on_the_way_by_all_multiples(index, job, step)


def test_years_between_two_frames_cost_no_memory(tmp_path):
    path = write_clip(tmp_path / "gap.mkv", [0, 1, 2, 2**32, 2**32 + 1], options=ONE_GOP)
    index = read_index(path)
    assert index.duration > 1e8  # seconds, of which there would be an entry for every half
    job = plan_jobs(index, np.array([3]))
    tracemalloc.start()
    assert add_prefetch(index, job, 0.5, lambda frames: frames)[0].prefetch == (0, 2)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
