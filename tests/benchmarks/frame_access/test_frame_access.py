"""Laws of `benchmarks.frame_access`: `clips`, `cases`, `decode_floor`, `bars`, `worker`, `run`.

Clips are what their recipes say, the floor decodes no packet in vain, wrong frames are counted.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.frame_access import decode_floor
from benchmarks.frame_access.bars import BARS, Bar, CaseRounds, verdicts
from benchmarks.frame_access.cases import exactness_case, long_cases
from benchmarks.frame_access.clips import LONG, SHORT, ClipRecipe
from benchmarks.frame_access.ffmpeg_libraries import library_path
from benchmarks.frame_access.frame_code import read_code
from benchmarks.frame_access.ours import AUTO, CACHED, EXACT, HALF_STEP, OURS, PROXY
from benchmarks.frame_access.peers import (
    FLOOR,
    KEYS_FLOOR,
    PEERS,
    PYAV_NAIVE,
    PYAV_SORTED,
    FloorReader,
)
from benchmarks.frame_access.run import Settings, main
from benchmarks.frame_access.worker import Contestant, Failed, Measured, ReadJob, measure

TINY = [replace(recipe, height=90, width=160, frames=70) for recipe in SHORT]
REPEATED = replace(LONG[0], name="repeated", height=90, width=160, frames=150, repeats=4)


@pytest.mark.parametrize("recipe", [*TINY, REPEATED], ids=lambda recipe: recipe.name)
def test_a_clip_shows_its_numbers_at_its_times(made, recipe):
    clip = made(recipe)
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        frames = [
            (f.pts, read_code(f.to_ndarray(format="rgb24"))) for f in container.decode(stream)
        ]
        seconds = [float((pts - frames[0][0]) * stream.time_base) for pts, _ in frames]
        assert bool(container.streams.audio) == recipe.sound
    assert [number for _, number in frames] == clip.numbers.tolist()
    np.testing.assert_allclose(seconds, clip.seconds, rtol=0, atol=1e-6)
    assert len(frames) == recipe.frames * recipe.repeats - recipe.hidden


def test_hours_have_what_makes_access_hard(made):
    file = decode_floor.read_h264(made(REPEATED).path)
    assert REPEATED.options == LONG[0].options
    assert (file.pts[1:] < file.pts[:-1]).any()  # B-frames
    assert 0.2 < (~file.reference).mean() < 0.6
    reordered_references = file.reference[1:] & (file.pts[1:] < file.pts[:-1])
    assert reordered_references.any()  # B-frames that others refer to: a pyramid
    for recipe in LONG:
        assert recipe.frames * recipe.repeats / 30 == pytest.approx(3600, rel=0.005)
        assert "keyint=250" in recipe.options["x264-params"]


def test_the_floor_decodes_right_frames_and_no_packet_that_is_not_needed(made):
    clip = made(REPEATED)
    file = decode_floor.read_h264(clip.path)
    wanted = [3, 77, 78, 149, 150, 421]
    times = clip.middles(np.array(wanted)).tolist()
    pictures = list(FloorReader(clip.path, None).read(times).pictures)
    assert [read_code(picture) for picture in pictures] == clip.numbers[wanted].tolist()
    jobs, _ = decode_floor._plan(file, tuple(times))
    for job in jobs:
        *before, last = job.packets
        assert last.pts in job.wanted  # nothing after the last one
        reference = dict(zip(file.pts.tolist(), file.reference.tolist(), strict=True))
        assert all(reference[packet.pts] or packet.pts in job.wanted for packet in before)
    starts = [job.packets[0].pts for job in jobs]
    assert len(set(starts)) == len(starts)


@pytest.mark.parametrize(
    "contestant", [EXACT, HALF_STEP, CACHED, PROXY, FLOOR, KEYS_FLOOR, PYAV_NAIVE]
)
def test_contestants_return_what_was_asked_for(made, contestant):
    opener = OURS[contestant] if contestant in OURS else PEERS[contestant].opener
    for case in long_cases(made(REPEATED_LONG), (5,), 3):
        if contestant in case.contestants and not (contestant == PROXY and case.size is None):
            measured = measure(opener, case.job(contestant))
            assert case.wrong(contestant, measured) == 0
            assert measured.cpu_ms > 0 and measured.wall_ms > 0


REPEATED_LONG = replace(REPEATED, name="long enough", repeats=9)  # 45 s: a zoom fits in


def test_a_wrong_frame_is_counted(made):
    case = exactness_case(made(TINY[0]), 6)
    measured = measure(OURS[EXACT], case.job(EXACT))
    assert case.wrong(EXACT, measured) == 0
    first, *rest = measured.numbers
    for wrong in (first + 1, None):
        assert case.wrong(EXACT, replace(measured, numbers=(wrong, *rest))) == 1
    assert case.wrong(EXACT, replace(measured, numbers=tuple(rest))) == 6
    late = tuple(s + 0.04 for s in measured.seconds)
    assert case.wrong(EXACT, replace(measured, seconds=late)) == 6
    assert case.wrong(EXACT, replace(measured, seconds=None)) == 0


def test_tolerance_allows_another_frame_at_its_own_time_but_no_other_and_not_far(made):
    clip = made(REPEATED_LONG)
    case = long_cases(clip, (4,), 1)[0]
    times = np.array(case.calls[0])
    for contestant, limit in ((AUTO, 5.0), (HALF_STEP, 5.6)):
        for off, wrong in ((limit - 0.1, 0), (limit + 0.2, 4)):
            frames = clip.on_screen(times - off)
            numbers, seconds = tuple(clip.numbers[frames]), tuple(clip.seconds[frames])
            there = Measured(1.0, 1.0, numbers, seconds)
            assert case.wrong(contestant, there) == wrong
            assert case.wrong(EXACT, there) == 4
            lying = replace(there, numbers=tuple(clip.numbers[clip.on_screen(times)]))
            assert case.wrong(contestant, lying) == 4


def test_requests_are_the_same_in_every_run_and_inside_the_clip(made):
    clip = made(REPEATED_LONG)
    for case, same in zip(long_cases(clip, (5,), 3), long_cases(clip, (5,), 3), strict=True):
        assert case.calls == same.calls
        for call in case.calls:
            assert 0 <= call[0] and call[-1] < clip.duration
            assert all(a < b for a, b in pairwise(call))
            np.testing.assert_allclose(call, clip.middles(clip.on_screen(np.array(call))))


def test_verdicts_say_what_is_met_and_what_was_not_measured(made):
    case = long_cases(made(REPEATED_LONG), (16,), 1)[0]
    rounds = {
        EXACT: [Measured(cpu, 0.0, (), None) for cpu in (100.0, 999.0, 110.0)],
        FLOOR: [Measured(100.0, 0.0, (), None)] * 3,
        "torchcodec exact": [Measured(180.0, 0.0, (), None)] * 3,
        "decord": [Failed("not there")],
    }
    rows = {
        bar: (shown, verdict) for _, bar, shown, verdict in verdicts([CaseRounds(case, rounds)], 2)
    }
    assert rows[str(BARS[0])] == ("1.1", "met")
    assert rows[str(Bar("16 uniform", "torchcodec exact", EXACT, 1.7))] == (
        "1.64",
        "NOT MET (bare decoding of what must be: 1.8 x)",
    )
    assert rows[str(Bar("16 uniform", "decord", EXACT, 3.3))] == ("-", "not measured")
    assert rows["no wrong frame of ours, no failure"][1] == "NOT MET"  # no picture came back


def test_times_are_compared_within_a_round(made):
    """The machine is half as fast in the second round, and one turn of ours was disturbed."""
    case = long_cases(made(REPEATED_LONG), (16,), 1)[0]
    ours = [100.0, 110.0, 300.0, 200.0, 220.0, 240.0]
    floor = [100.0, 100.0, 100.0, 200.0, 200.0, 200.0]
    rounds = {
        EXACT: [Measured(cpu, 2 * cpu, (), None) for cpu in ours],
        FLOOR: [Measured(cpu, cpu, (), None) for cpu in floor],
        "decord": [Measured(cpu, cpu, (), None) for cpu in (330.0, 660.0)],
    }
    outcome = CaseRounds(case, rounds)
    assert outcome.ratio(EXACT, FLOOR) == pytest.approx((1.1 + 1.1) / 2)
    assert outcome.ratio("decord", EXACT) == pytest.approx(3.0)
    assert outcome.ratio(EXACT, FLOOR, wall=True) == pytest.approx(2.2)
    assert outcome.best_ratio(EXACT, FLOOR) == pytest.approx(1.0)
    assert outcome.ratio(EXACT, "OpenCV") is None and outcome.best_ratio("OpenCV", FLOOR) is None


def test_a_contestant_in_its_own_process_measures_fails_and_hangs_alone(made, tmp_path):
    clip = made(TINY[0])
    contestant = Contestant(PYAV_SORTED)
    try:
        assert contestant.absent is None and contestant.about.startswith("av ")
        job = ReadJob(clip.path, ((0.5,),), None, cold=True)
        assert isinstance(contestant.run(job, 60.0), Measured)
        assert isinstance(contestant.run(replace(job, path=tmp_path / "no.mp4"), 60.0), Failed)
        assert isinstance(contestant.run(job, 60.0), Measured)
        assert contestant.run(job, 0.0) == Failed("not done after 0 s")
        assert contestant.run(job, 60.0) == Failed("not done after 0 s")
    finally:
        contestant.close()


def test_a_run_reads_only_what_matches_and_names_who_is_absent(tmp_path, capsys):
    settings = Settings(
        match="VFR - exactness", only=(EXACT, "decord"), folder=tmp_path, out=tmp_path / "out"
    )
    main(settings)
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".mp4"]
    written = (tmp_path / "out" / "frame_access.md").read_text(encoding="utf-8")
    assert "0 wrong, 0 failures" in written and "H.264, VFR - exactness" in written
    assert ("absent: decord" in written) == (find_spec("decord") is None)
    assert written.splitlines()[0] in capsys.readouterr().out


def test_processes_find_the_libraries_of_pyav_inside_the_block_only():
    before = os.environ.get("LD_LIBRARY_PATH")
    with library_path():
        links = Path(os.environ["LD_LIBRARY_PATH"].split(":")[0])
        names = sorted(path.name.split(".so.")[0] for path in links.iterdir())
        if (Path(av.__file__).parent.parent / "av.libs").exists():
            assert {"libavcodec", "libavformat", "libavutil", "libswscale"} <= set(names)
    assert not links.exists() and os.environ.get("LD_LIBRARY_PATH") == before


def test_the_recipes_have_distinct_names():
    names = [recipe.name for recipe in (*LONG, *SHORT)]
    assert len(set(names)) == len(names) and isinstance(SHORT[0], ClipRecipe)
