"""Laws of `sage_env.synth.bench`: the published questions stay what they are, and can be read."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sage_env.datasets.loading import has_splits, load_dataset
from sage_env.datasets.matching import match_answer
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError
from sage_env.synth import BENCH_DIGEST, FAMILIES, bench_digest, sage_synth, sage_synth_bench
from sage_env.synth.bench import ALIASES, BENCH_SEED, BENCH_SIDE
from sage_env.synth.plan import STREAMS, plan_video
from sage_env.synth.render import ScenePainter
from sage_env.synth.rendered import RenderedVideo, open_rendered
from sage_env.synth.symbols import SYMBOLS, draw_symbol
from sage_env.video.video_file import open_video

USED = (0, 1, 7, 11, 12, 13, 31, 47)
"""Seeds that something was trained or chosen on."""


@pytest.fixture(scope="module")
def bench():
    return sage_synth_bench("nowhere")


def test_the_published_videos_and_questions_are_the_same_on_every_machine(bench):
    assert bench_digest(bench) == BENCH_DIGEST == "bcd67a8a03a92bc4fdda7f5086da5439"
    assert len(bench) == 556 and len(bench.videos) == 70


def test_the_digest_sees_every_video_and_every_question(bench):
    for changed in (
        sage_synth_bench("nowhere", count=69),
        sage_synth_bench("nowhere", seed=BENCH_SEED + 1),
    ):
        assert bench_digest(changed) != BENCH_DIGEST
    other = sage_synth_bench("elsewhere")
    assert bench_digest(other) == BENCH_DIGEST
    items = list(other)
    items[-1] = replace(items[-1], answer="moon")
    other.__dict__["_items"] = items
    assert bench_digest(other) != BENCH_DIGEST


def test_nothing_of_it_is_in_any_split_of_sage_synth_whatever_the_seed():
    assert BENCH_SEED not in USED and len(set(STREAMS.values())) == len(STREAMS)
    ours = {plan_video("bench", index, BENCH_SEED).scenes for index in range(7)}
    for seed in (*USED, BENCH_SEED):
        for split in ("train", "validation", "test"):
            assert not ours & {plan_video(split, index, seed).scenes for index in range(7)}


def test_it_has_every_length_and_every_family_and_can_be_asked(bench):
    validate(bench)
    buckets = [item.group["bucket"] for item in bench]
    assert len(set(buckets)) == 7 and min(map(buckets.count, buckets)) >= 70
    assert {item.group["family"] for item in bench} == set(FAMILIES)
    assert bench.headline == {} and bench.frame_size == (448, 448)


def test_a_model_that_has_another_word_for_a_symbol_is_right():
    assert set(ALIASES) < set(SYMBOLS)
    assert not set(SYMBOLS) & {word for words in ALIASES.values() for word in words}
    words = [word for several in ALIASES.values() for word in several]
    assert len(words) == len(set(words))
    item = next(i for i in sage_synth_bench("nowhere") if i.answer == "bolt" and not i.choices)
    assert match_answer(item, "a lightning bolt") and not match_answer(item, "crescent")


@pytest.mark.parametrize("name", ["sage-synth-bench", f"sage-synth-bench:{BENCH_SEED}"])
def test_it_is_had_by_name(name, tmp_path, bench):
    items = load_dataset(name, root=tmp_path, split="test")
    assert [item.id for item in items] == [item.id for item in bench]
    assert items[0].video.is_relative_to(tmp_path)
    assert has_splits(name)


def test_fresh_seeds_give_fresh_videos(tmp_path):
    one, other = (load_dataset(f"sage-synth-bench:{seed}", root=tmp_path, split="test")
                  for seed in (5, 6))  # fmt: skip
    assert {i.video for i in one}.isdisjoint(i.video for i in other)
    assert [i.question for i in one] != [i.question for i in other]
    trained = load_dataset("sage-synth:5", root=tmp_path, split="test")
    assert list(trained) == list(sage_synth(tmp_path, "test", seed=5))
    for name in ("sage-synth-bench:x", "sage-synth-bench:", "video-mme:5"):
        with pytest.raises(DatasetError):
            load_dataset(name, root=tmp_path, split="test")


def test_there_is_nothing_to_train_on(tmp_path):
    with pytest.raises(DatasetError, match="the split test alone"):
        load_dataset("sage-synth-bench", root=tmp_path, split="train")


def mark_height(side: int, shown: int) -> int:
    """Return the least height of a mark in pixels, of all in seven videos, at a size of frames."""
    heights = []
    for index in range(7):
        plan = plan_video("bench", index, BENCH_SEED)
        for scene in plan.scenes:
            if scene.kind != "mark":
                continue
            number = int(np.searchsorted(plan.times, scene.start))
            video = RenderedVideo(plan, side)
            second = float(plan.times[number])
            bare = ScenePainter(replace(scene, events=()), side).paint(number, second)
            whole = RenderedVideo(plan, side).frames_at([second], size=(shown, shown)).pixels[0]
            step = side / shown
            grid = (np.arange(shown) * step + step / 2).astype(int).clip(0, side - 1)
            gap = np.abs(whole.astype(int) - bare[grid][:, grid]).max(2) > 60
            rows = np.flatnonzero(gap.any(1))
            heights.append(int(rows[-1] - rows[0] + 1))
            video.close()
    return min(heights)


def test_the_smallest_marks_are_legible_at_448_pixels_and_hardly_at_224_or_64():
    """A glyph of 12 pixels is what readers of small print ask for; ours have thrice that."""
    assert mark_height(BENCH_SIDE, 448) >= 34
    assert 14 <= mark_height(BENCH_SIDE, 224) <= 26
    assert mark_height(BENCH_SIDE, 64) <= 9


def test_all_symbols_look_different_at_the_size_of_a_mark():
    drawn = {name: draw_symbol(name, 42, 0.0, (0, 0, 0), (255, 255, 255)) for name in SYMBOLS}
    bodies = {name: (rgba[..., 3] > 0.5) & (rgba[..., 0] < 128) for name, rgba in drawn.items()}
    for one, other in combinations(bodies, 2):
        both = (bodies[one] & bodies[other]).sum() / (bodies[one] | bodies[other]).sum()
        assert both < 0.88, (one, other)


def test_pictures_of_128_pixels_are_those_of_448_in_small():
    """One plan, two sizes: the same scene stands there, and marks in the same corner."""
    plan = plan_video("bench", 0, BENCH_SEED)
    times = plan.times[:: len(plan.times) // 5].tolist()
    large, small = (
        RenderedVideo(plan, side).frames_at(times, size=(32, 32)).pixels.astype(int)
        for side in (448, 128)
    )
    assert np.abs(large - small).mean() < 12 < np.abs(large - small[::-1]).mean()


def test_its_files_are_448_pixels_and_show_what_is_drawn(tmp_path):
    items = sage_synth_bench(tmp_path, count=1)
    times = plan_video("bench", 0, BENCH_SEED).times[:40:13].tolist()
    short = items[0]
    items.prepare(short)
    video = open_video(short.video)
    assert video.size == (448, 448)
    drawn = open_rendered(short.video).frames_at(times, size=(448, 448))
    shown = video.frames_at(times, size=(448, 448))
    assert shown.seconds.tolist() == drawn.seconds.tolist()
    assert np.abs(shown.pixels.astype(int) - drawn.pixels).mean() < 8
    video.close()
