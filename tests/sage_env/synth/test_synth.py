"""Laws of `sage_env.synth`: plans, pictures, questions, files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest.mock import Mock

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError
from sage_env.synth import DEFAULT_COUNTS, FAMILIES, encode, sage_synth
from sage_env.synth.build import build
from sage_env.synth.encode import encode_video
from sage_env.synth.plan import DURATION_RANGES, OVERVIEW, SPLITS, plan_video
from sage_env.synth.questions import ask
from sage_env.synth.render import ScenePainter
from sage_env.synth.rendered import RenderedVideo, open_rendered
from sage_env.timeline import midpoints
from sage_env.video.video_file import open_video

PLANS = [plan_video(split, index) for split in SPLITS for index in range(21)]


def test_the_same_seed_gives_the_same_video_and_another_seed_another() -> None:
    first, again, other = plan_video("test", 3), plan_video("test", 3), plan_video("test", 3, 1)
    assert first.scenes == again.scenes and np.array_equal(first.times, again.times)
    assert first.scenes != other.scenes


def test_splits_share_no_video() -> None:
    seen = {(plan.duration, plan.scenes) for plan in PLANS}
    assert len(seen) == len(PLANS)


@pytest.mark.parametrize("plan", PLANS[:28], ids=lambda plan: plan.name)
def test_scenes_cover_the_video_and_spans_lie_on_frame_times(plan) -> None:
    assert plan.scenes[0].start == 0 and plan.scenes[-1].end == plan.duration
    for before, after in zip(plan.scenes, plan.scenes[1:], strict=False):
        assert before.end == after.start
    times = {*plan.times.tolist(), plan.duration}
    for scene in plan.scenes:
        for event in scene.events:
            assert scene.start <= event.start < event.end <= scene.end
            assert event.start in times and event.end in times
    colours = [scene.colour for scene in plan.scenes if scene.colour]
    assert len(colours) == len(set(colours))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_the_overview_shows_every_coloured_scene(plan) -> None:
    seconds = midpoints(0.0, plan.duration, OVERVIEW)
    shown = plan.times[np.searchsorted(plan.times, np.asarray(seconds), side="right") - 1]
    for scene in plan.scenes:
        if scene.colour:
            assert any(scene.start <= t < scene.end for t in shown), scene


def test_a_flash_shrinks_relative_to_the_video() -> None:
    shares = []
    for bucket in range(len(DURATION_RANGES)):
        plans = [plan for plan in PLANS if int(plan.name[-4:]) % len(DURATION_RANGES) == bucket]
        flashes = [
            (e.end - e.start) / plan.duration
            for plan in plans
            for scene in plan.scenes
            if scene.kind == "flash"
            for e in scene.events
        ]
        shares.append(float(np.mean(flashes)))
    assert all(a > b for a, b in zip(shares, shares[1:], strict=False)), shares


def test_every_bucket_has_its_durations() -> None:
    for plan in PLANS:
        low, high = DURATION_RANGES[int(plan.name[-4:]) % len(DURATION_RANGES)]
        assert low <= plan.duration <= high
        assert bucket_of(plan.duration).startswith("0" if low == 10 else str(low))


def test_pictures_do_not_depend_on_what_was_drawn_before() -> None:
    scene = next(s for s in PLANS[2].scenes if s.events)
    second = (scene.events[0].start + scene.events[0].end) / 2
    fresh, used = ScenePainter(scene), ScenePainter(scene)
    used.paint(0, scene.start)
    assert np.array_equal(fresh.paint(7, second), used.paint(7, second))


def test_a_symbol_is_on_screen_during_its_event_only() -> None:
    scene = next(s for plan in PLANS for s in plan.scenes if s.kind == "flash")
    painter, (event,) = ScenePainter(scene), scene.events
    inside, outside = painter.paint(5, event.start), painter.paint(5, event.end)
    assert (inside != outside).any(axis=-1).mean() > 0.02


def test_the_default_questions_are_valid_and_of_every_family() -> None:
    items = [item for split in DEFAULT_COUNTS for item in sage_synth("videos", split)]
    validate(items)
    assert 900 < len(items) < 1200
    assert {item.group["family"] for item in items} == set(FAMILIES)
    assert {item.kind for item in items} == {"mcq", "open"}
    assert all(item.evidence for item in items)


def test_gold_answers_of_when_lie_in_the_evidence() -> None:
    for plan in PLANS:
        for item in ask(plan, Path("x.mp4")):
            if item.group["family"] == "when":
                ((start, end),) = item.evidence
                assert start <= float(item.answer) < end
                assert item.tolerance == pytest.approx((end - start) / 2, abs=0.11)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """One encoded video of each rate: (plan, path)."""
    folder = tmp_path_factory.mktemp("synth")
    chosen = {plan.variable_rate: plan for plan in PLANS if plan.duration < 60}
    assert set(chosen) == {False, True}
    paths = {}
    for variable, plan in chosen.items():
        paths[variable] = folder / f"{variable}.mp4"
        encode_video(plan, paths[variable])
    return [(chosen[variable], paths[variable]) for variable in chosen]


def test_the_file_has_exactly_the_planned_times(short) -> None:
    for plan, path in short:
        video = open_video(path)
        assert video.duration == pytest.approx(plan.duration, abs=1e-6)
        assert np.array_equal(video.frames_at(plan.times, size=(32, 32)).seconds, plan.times)


def test_the_file_shows_what_was_drawn(short) -> None:
    for plan, path in short:
        wanted = RenderedVideo(plan).frames_at(plan.times[::9])
        found = open_video(path).frames_at(plan.times[::9])
        error = np.abs(found.pixels.astype(int) - wanted.pixels).mean(axis=(1, 2, 3))
        assert error.max() < 12  # compression, not another frame


def test_the_file_is_h264_with_b_frames_and_long_gops(short) -> None:
    plan, path = short[0]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        kinds = {frame.pict_type for frame in container.decode(stream)}
    assert {PictureType.I, PictureType.P, PictureType.B} <= kinds
    assert 12 <= plan.keyframe_interval <= 250


def test_the_same_plan_gives_the_same_file(short, tmp_path) -> None:
    plan, path = short[0]
    encode_video(plan, tmp_path / "again.mp4")
    digests = [hashlib.sha256(p.read_bytes()).digest() for p in (path, tmp_path / "again.mp4")]
    assert digests[0] == digests[1]


def test_a_build_makes_what_is_missing_and_leaves_no_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", {"validation": 1})
    assert build(tmp_path, ["validation"], workers=1, progress=False) == 1
    (path,) = sage_synth(tmp_path, "validation", count=1).videos
    before = path.stat().st_mtime_ns
    assert build(tmp_path, ["validation"], workers=1, progress=False) == 0
    assert path.stat().st_mtime_ns == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_prepare_writes_the_video_of_an_item(tmp_path) -> None:
    dataset = sage_synth(tmp_path, "train", count=1)
    dataset.prepare(dataset[0])
    assert open_video(dataset[0].video).duration == pytest.approx(dataset[0].duration)


def test_a_rendered_video_is_found_by_the_path_of_its_file() -> None:
    dataset = sage_synth("anywhere", "test", seed=5, count=3)
    video = open_rendered(dataset.videos[2])
    assert video.duration == plan_video("test", 2, 5).duration
    batch = video.frames_at([1.0, 0.0, 1.0], size=(64, 64), box=(0.0, 0.0, 0.5, 0.5))
    assert batch.pixels.shape == (3, 64, 64, 3)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(DatasetError, match="train, validation, test"):
        sage_synth(split="dev")


def test_of_two_that_make_a_video_at_a_time_the_first_ones_stays(tmp_path, monkeypatch) -> None:
    """The second would replace a file that the first may be reading: another version of it."""
    path, plan = tmp_path / "0000.mp4", plan_video("test", 0, 0)
    real, inside = encode.write_film, []

    def write(plan, partial, images, side):
        real(plan, partial, images, side)
        if not inside:
            inside.append(partial)
            encode_video(plan, path)  # the other one is quicker
            inside.append(path.stat())

    monkeypatch.setattr(encode, "write_film", write)
    encode_video(plan, path)
    now = path.stat()
    assert (now.st_ino, now.st_mtime_ns) == (inside[1].st_ino, inside[1].st_mtime_ns)
    assert [p.name for p in tmp_path.iterdir()] == ["0000.mp4"]
    monkeypatch.setattr("os.link", Mock(side_effect=PermissionError("no links here")))
    path.unlink()
    encode_video(plan, path)
    assert path.is_file() and len(list(tmp_path.iterdir())) == 1
