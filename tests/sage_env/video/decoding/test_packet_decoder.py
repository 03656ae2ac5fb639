"""Laws of `sage_env.video.decoding.packet_decoder`, on a codec that knows what comes out whole.

Exact pixels of real files are in `test_exact_frames`, damaged files in `index/test_damage`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.errors import CorruptFrame, DecodeTimeout, VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.decoding.decode_plan import DecodeJob, plan_jobs
from tests.helpers.video.scripted_codec import KINDS, PTS, scripted_decoder, scripted_index

FOREVER = Deadline.after(None)
FRAMES = st.integers(0, len(PTS) - 1)


def jobs_of(*frames):
    return plan_jobs(scripted_index(), np.array(sorted(frames)))


def read(decoder, *frames):
    """Return the numbers of the frames that come out for some frames, in the order they come."""
    return [number for job in jobs_of(*frames) for number, _ in decoder.read(job, FOREVER)]


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.sets(FRAMES, min_size=1), st.sets(FRAMES)), min_size=1, max_size=5),
    st.integers(2, 4),
    st.booleans(),
)
def test_every_job_gives_its_frames_whole_and_in_order_whatever_came_before(asked, depth, cheap):
    decoder, _, codec = scripted_decoder(depth, restarts_cheaply=cheap)
    for wanted, extra in asked:
        for job in plan_jobs(scripted_index(depth), np.array(sorted(wanted))):
            prefetch = tuple(sorted(extra - set(job.frames)))
            came = list(decoder.read(replace(job, prefetch=prefetch), FOREVER))
            numbers = [number for number, _ in came]
            assert set(job.frames) <= set(numbers) <= {*job.frames, *prefetch}
            assert numbers == sorted(set(numbers))
            assert all(frame.whole and frame.pts == number for number, frame in came)
            spare = [n for n in codec.fed if KINDS[n] == "b"]
            assert {PTS[n] for n in spare} <= {f for w, e in asked for f in w | e}


def test_damaged_leading_pictures_of_the_first_keyframe_are_expected():
    decoder, _, codec = scripted_decoder()
    codec.bad = {5}
    assert read(decoder, 10) == [10]
    with pytest.raises(CorruptFrame) as raised:
        read(decoder, 6)
    assert (raised.value.packet, raised.value.frames) == (5, (6,))


def test_a_damaged_keyframe_is_a_fault_and_nothing_after_it_is_fed():
    decoder, _, codec = scripted_decoder()
    codec.bad = {0}
    with pytest.raises(CorruptFrame) as raised:
        read(decoder, 3)
    assert (raised.value.packet, raised.value.frames) == (0, (3,))
    assert codec.fed == [0]


def test_the_next_packet_resumes_and_one_behind_does_not():
    decoder, source, codec = scripted_decoder(restarts_cheaply=False)
    assert read(decoder, 0) == [0] and codec.fed == [0, 1, 4]
    assert read(decoder, 5) == [5] and codec.fed == [0, 1, 4, 5, 8]  # packet 5 was next
    assert source.seeks == [0]
    decoder, source, codec = scripted_decoder(restarts_cheaply=False)
    assert read(decoder, 0) == [0] and codec.fed == [0, 1, 4]
    assert read(decoder, 7) == [7] and source.seeks == [0, 4]  # packet 4 was fed before


def test_the_mark_is_sent_until_a_job_could_have_resumed():
    decoder, source, codec = scripted_decoder()
    assert read(decoder, 0) == [0] and codec.fed == [0]  # nothing was fed to bring it out
    assert read(decoder, 3) == [3] and codec.fed == [0, 1, 4, 5]  # packet 1: could have resumed
    assert read(decoder, 10) == [10] and codec.fed == [0, 1, 4, 5, 8, 11, 14]
    assert source.seeks == [0, 0]
    assert read(decoder, 9) == [9] and codec.fed == [4, 5, 8, 10]  # packet 10 is behind


def test_a_source_that_restarts_at_a_cost_is_never_drained_early():
    decoder, source, _ = scripted_decoder(restarts_cheaply=False)
    for frame in (0, 5, 13):
        assert read(decoder, frame) == [frame]
    assert source.seeks == [0]


def test_a_decoder_that_was_drained_at_the_end_starts_anew():
    decoder, source, _ = scripted_decoder(restarts_cheaply=False)
    for frame in (15, 16, 16):
        assert read(decoder, frame) == [frame]
    assert source.seeks == [4, 4, 4]


def test_the_codec_is_told_its_depth_again_after_every_flush():
    decoder, source, codec = scripted_decoder(2)
    assert codec.reorder_depth == 2
    read(decoder, 7)
    read(decoder, 0)
    assert len(source.seeks) == 2 and codec.reorder_depth == 2


@pytest.mark.parametrize("retimed", [{4: 3}, {4: 0}, {7: 2}])
def test_times_that_do_not_increase_are_refused_and_the_decoder_starts_anew(retimed):
    decoder, source, codec = scripted_decoder()
    codec.retimed = retimed
    with pytest.raises(VideoError, match="presentation times that do not increase"):
        read(decoder, 3, 6)  # packets 1 and 7
    assert not decoder.can_resume(DecodeJob(0, 0, 17, (16,)))
    codec.retimed = {}
    assert read(decoder, 10) == [10] and source.seeks == [0, 4]


def test_a_frame_that_is_flagged_as_corrupt_is_not_served():
    decoder, _, codec = scripted_decoder()
    codec.corrupt = {2}
    with pytest.raises(CorruptFrame, match="does not come out of the decoder") as raised:
        read(decoder, 1, 2)
    assert (raised.value.packet, raised.value.frames) == (None, (1,))
    assert read(decoder, 2, 3) == [2, 3]


def test_frames_from_the_next_keyframe_on_are_read_beyond_damage():
    decoder, _, codec = scripted_decoder()
    (job,) = jobs_of(2, 6, 7, 9)  # one, because 6 lies behind the keyframe of 7
    codec.bad = {1}
    came = []
    with pytest.raises(CorruptFrame) as raised:
        for number, frame in decoder.read(job, FOREVER):
            came.append((number, frame.whole))
    assert came == [(7, True), (9, True)]
    assert (raised.value.packet, raised.value.frames) == (1, (2, 6))


def test_damage_that_the_source_tells_is_a_fault_too():
    decoder, _, _ = scripted_decoder()
    decoder._source.damaged = {8}
    with pytest.raises(CorruptFrame, match=r"packet 8, for 0\.400 s, is damaged") as raised:
        read(decoder, 7, 9)
    assert (raised.value.packet, raised.value.frames) == (8, (9,))


def test_the_first_damage_that_was_met_is_named():
    decoder, source, codec = scripted_decoder()
    codec.bad = {4, 1}
    with pytest.raises(CorruptFrame) as raised:
        read(decoder, 10)
    assert source.seeks == [4, 0] and raised.value.packet == 4


def test_before_a_keyframe_that_does_not_come_out_the_one_before_is_tried():
    decoder, source, codec = scripted_decoder()
    codec.recovery = {4}
    (job,) = jobs_of(10)
    ((number, frame),) = decoder.read(job, FOREVER)
    assert number == 10 and source.seeks == [4, 0] and frame.whole


class Thrice(Deadline):
    """Is over at the third look."""

    def check(self, doing):
        object.__setattr__(self, "at", self.at + 1)
        if self.at >= 3:
            super(Thrice, replace(self, at=-1.0)).check(doing)


@pytest.mark.parametrize("cheap", [True, False])
def test_a_deadline_is_looked_at_between_packets_and_no_packet_is_lost_by_it(cheap):
    decoder, _, codec = scripted_decoder(restarts_cheaply=cheap)
    (job,) = jobs_of(10)
    with pytest.raises(DecodeTimeout, match=r"scripted\.mp4: decoding took longer"):
        list(decoder.read(job, Thrice(1.0, 0.0)))
    assert codec.fed == [4, 5]
    assert read(decoder, 10) == [10]


def test_every_sound_frame_is_shown_on_the_way():
    seen = []
    decoder, _, codec = scripted_decoder(on_frame=lambda pts, frame, form: seen.append(pts))
    codec.corrupt = {1}
    assert read(decoder, 9) == [9]
    assert seen == [7, 9, 10] and decoder.decoded == 4  # 5 came out too, before the keyframe
    assert read(decoder, 0) == [0] and seen[3:] == [0]
    with pytest.raises(CorruptFrame):  # 3 is corrupt, and the leading 6 refers to it
        read(decoder, 6)
    assert seen[4:6] == [0, 7] and not {3, 5, 6} & set(seen[4:])


def test_what_refers_to_a_corrupt_frame_is_not_served_and_the_next_keyframe_is():
    decoder, _, codec = scripted_decoder()
    codec.corrupt = {1}
    (job,) = jobs_of(0, 3, 6, 7, 9)
    came = []
    with pytest.raises(CorruptFrame) as raised:
        for number, _ in decoder.read(job, FOREVER):
            came.append(number)
    assert (came, raised.value.frames) == ([0, 7, 9], (3, 6))


def test_what_comes_out_for_a_packet_that_did_not_decode_is_no_frame():
    decoder, _, codec = scripted_decoder()
    codec.bad, codec.half_decoded = {11}, {11}
    with pytest.raises(CorruptFrame) as raised:
        read(decoder, 10, 13)
    assert (raised.value.packet, raised.value.frames) == (11, (13,))


def test_a_disposable_packet_is_taken_along_for_prefetch_and_may_fail():
    decoder, _, codec = scripted_decoder()
    (job,) = jobs_of(3)
    job = replace(job, stop=4, prefetch=(1, 2))  # packets 2 and 3
    assert [number for number, _ in decoder.read(job, FOREVER)] == [1, 2, 3]
    codec.bad = {2}
    assert [number for number, _ in decoder.read(job, FOREVER)] == [2, 3]
    with pytest.raises(CorruptFrame):
        read(decoder, 1)


def test_a_form_holds_from_its_keyframe_to_the_next_and_not_beyond_a_new_start():
    wide = scripted_index().form._replace(aspect=Fraction(2))
    decoder, _, codec = scripted_decoder()
    codec.sample_aspect_ratio = Fraction(2)
    assert read(decoder, 9) == [9] and decoder.form == wide
    codec.sample_aspect_ratio, codec.bad = None, {0}  # the first keyframe does not come out
    with pytest.raises(CorruptFrame):
        read(decoder, 1)
    assert decoder.form == scripted_index().form
