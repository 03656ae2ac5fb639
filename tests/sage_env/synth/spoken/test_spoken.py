"""Laws of `sage_env.synth.spoken`: scripts, questions, pictures with text, sound in sync."""

import importlib.util
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.datasets.preparing import prepare_videos
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import read_subtitles
from sage_env.synth import bench_digest, sage_synth
from sage_env.synth.plan import plan_video
from sage_env.synth.render import render_frames
from sage_env.synth.spoken import synthesiser as speakers
from sage_env.synth.spoken.asking import ask_spoken
from sage_env.synth.spoken.captioned_frames import captioned_frames
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.film import BLOCK, sound_blocks
from sage_env.synth.spoken.script import WORDS, Voice, write_script
from sage_env.synth.spoken.synthesiser import RATE, find_synthesiser, spoken
from sage_env.tools.speech.hearing import Hearing, hear
from sage_env.tools.speech.recogniser import weights_place
from sage_env.video.video_file import open_video
from tests.helpers.speech.tones import EAR, SPEAKER, speak

PLANS = [plan_video(split, index) for split in ("train", "test") for index in range(21)]
SCRIPTS = [write_script(plan) for plan in PLANS]
NEW = {"spoken", "text", "compare"}


def test_sage_synth_stays_what_it_is():
    """Times, scenes and questions of the default set, as published before any video spoke."""
    assert bench_digest(sage_synth("nowhere", "train")) == "bf3137b725ea2b3eecb54a2438f3705a"
    assert bench_digest(sage_synth("nowhere", "validation")) == "590aa503e950f03ca4b00b3746521ea2"
    assert bench_digest(sage_synth("nowhere", "test")) == "251579e5112f4cd0f0508586117e842f"


def test_a_script_is_the_same_for_the_same_seed_and_another_for_another():
    assert write_script(PLANS[3]) == SCRIPTS[3] != write_script(PLANS[3], 1)


def test_a_sentence_is_said_inside_of_its_scene_and_away_from_the_next():
    for plan, script in zip(PLANS, SCRIPTS, strict=True):
        reached = 0.0
        for one in script.utterances:
            scene = plan.scene_at(one.start)
            assert scene.start + 0.29 < one.start < one.end < scene.end - 0.29
            assert one.start > reached
            reached = one.end + 0.5
            assert scene.colour is not None or one.kind == "code"
            assert (round(one.start * 1000), round(one.end * 1000)) == pytest.approx(
                (one.start * 1000, one.end * 1000), abs=1e-6
            )


def test_texts_are_shown_on_frame_times_inside_of_their_scenes():
    for plan, script in zip(PLANS, SCRIPTS, strict=True):
        times = {*plan.times.tolist(), plan.duration}
        scenes = [plan.scene_at(caption.start) for caption in script.captions]
        assert len({scene.start for scene in scenes}) == len(scenes)
        for caption, scene in zip(script.captions, scenes, strict=True):
            assert scene.start <= caption.start < caption.end <= scene.end
            assert {caption.start, caption.end} <= times
            assert scene.colour is not None and scene.kind != "mark"


def test_no_word_is_said_or_written_twice_in_a_video():
    for script in SCRIPTS:
        words = [one.word for one in script.utterances]
        words += [one.text for one in script.captions]
        assert len(words) == len(set(words))
    used = {one.word for script in SCRIPTS for one in script.utterances}
    assert used <= set(WORDS) and len(used) > 20 and len(WORDS) == len(set(WORDS)) == 30


def spoken_set(root="nowhere", split="test", **options):
    return sage_synth_spoken(root, split, **{"synthesiser": SPEAKER} | options)


def test_the_questions_are_those_of_sage_synth_and_three_families_more():
    items = list(spoken_set())
    validate(items)
    olds = [item for item in items if item.group["family"] not in NEW]
    plain = list(sage_synth("nowhere", "test"))
    assert [i.id for i in olds] == [i.id for i in plain]
    assert bench_digest(_Fixed(olds)) == bench_digest(_Fixed(plain))
    assert {item.group["family"] for item in items} >= NEW
    assert len({item.id for item in items}) == len(items)
    assert all(item.subtitles is None and item.evidence for item in items)


class _Fixed(list):
    """Questions without videos, for a digest."""

    videos, split, seed = (), "test", 0


def test_answers_are_what_the_script_says():
    for plan, script in zip(PLANS, SCRIPTS, strict=True):
        for item in ask_spoken(plan, Path("x.mp4"), 0):
            spans = set(item.evidence)
            match item.group["family"]:
                case "spoken":
                    (one,) = [u for u in script.utterances if (u.start, u.end) in spans]
                    assert item.answer == one.word
                    assert ("code word" in item.question) == (one.kind == "code")
                    colour = str(plan.scene_at(one.start).colour)
                    assert one.kind == "code" or f" {colour}" in item.question
                case "text":
                    (one,) = [c for c in script.captions if (c.start, c.end) in spans]
                    assert item.answer == one.text
                    assert f" {plan.scene_at(one.start).colour} " in item.question
                case "compare":
                    both = [c for c in script.captions if (c.start, c.end) in spans]
                    first, second = sorted(both, key=lambda c: int(c.text))
                    assert item.answer == plan.scene_at(second.start).colour
                    assert set(item.choices) == {
                        plan.scene_at(c.start).colour for c in (first, second)
                    }


def test_other_words_of_the_video_are_among_the_choices():
    for plan, script in zip(PLANS, SCRIPTS, strict=True):
        said = {one.word for one in script.utterances}
        for item in ask_spoken(plan, Path("x.mp4"), 0):
            if item.group["family"] == "spoken" and item.choices:
                assert len(item.choices) == 4 and item.answer in item.choices
                assert len(said & set(item.choices)) == min(4, len(said))


def test_without_a_synthesiser_the_spoken_questions_are_left_out_and_it_is_said(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(speakers, "PROGRAMS", ())
    monkeypatch.setattr(speakers, "LIBRARY", "no_such_package")
    with pytest.warns(RuntimeWarning, match="apt install espeak-ng"):
        silent = load_dataset("sage-synth-spoken", root=tmp_path, split="test")
    heard = [item for item in spoken_set(tmp_path) if item.group["family"] != "spoken"]
    assert [(i.id, i.question, i.choices) for i in silent] == [
        (i.id, i.question, i.choices) for i in heard
    ]
    assert silent[0].video.parts[-3] == "sage-synth-spoken-v1-mute-seed0"
    with pytest.raises(DatasetError, match="espeak"):
        sage_synth_spoken(tmp_path, synthesiser="espeak-ng")


def test_an_unknown_split_is_named():
    with pytest.raises(DatasetError, match="sage-synth-spoken has the splits train, validation"):
        spoken_set(split="dev")


def test_a_sentence_is_said_in_just_its_time():
    voice = Voice("en-us", 50, 150)
    for seconds in (1.2, 2.0, 2.9):
        sound = spoken("Please remember the word tiger.", voice, seconds, SPEAKER)
        assert len(sound) == round(seconds * RATE)
        loud = np.flatnonzero(np.abs(sound) > 0.05)
        assert loud[0] < 0.01 * RATE and loud[-1] > len(sound) - 0.01 * RATE
        assert np.abs(sound).max() == pytest.approx(0.6, abs=0.01)


def mumble(text, voice):
    return np.zeros(1000, np.float32), 16_000


def cough(text, voice):
    raise OSError("no voice")


@pytest.mark.parametrize("name", ["mumble", "cough"])
def test_a_synthesiser_that_fails_is_told(name):
    with pytest.raises(DatasetError, match=name):
        spoken("Hello.", Voice("en-us", 50, 150), 1.0, f"{__name__}:{name}")


def test_the_sound_track_is_the_sentences_in_their_places_and_silence_between():
    plan = next(plan for plan in PLANS if plan.duration < 30)
    script = write_script(plan)
    blocks = list(sound_blocks(plan, script, SPEAKER))
    assert {len(block) for block in blocks[:-1]} == {BLOCK}
    track = np.concatenate(blocks)
    assert len(track) == round(plan.duration * RATE)
    for one in script.utterances:
        first, last = round(one.start * RATE), round(one.end * RATE)
        wanted = spoken(one.sentence, script.voice, one.end - one.start, SPEAKER)
        assert np.array_equal(track[first:last], wanted)
        track[first:last] = 0.0
    assert not track.any()


@pytest.mark.parametrize("number", [1, 3])
def test_captions_are_on_the_pictures_while_they_are_shown_and_change_nothing_else(number):
    plan, side = PLANS[number * 7], 224
    script = write_script(plan)
    assert plan.duration < 60 and script.captions
    drawn = zip(captioned_frames(plan, script, side), render_frames(plan, side), strict=True)
    for (image, plain), second in zip(drawn, plan.times.tolist(), strict=True):
        shown = [c for c in script.captions if c.start <= second < c.end]
        differs = (image != plain).any(axis=-1)
        rows = np.flatnonzero(differs.any(axis=1))
        assert bool(shown) == bool(len(rows))
        if shown:
            assert (rows < 45).all() if shown[0].at_top else (rows > 224 - 45).all()
            plate = image[rows[0] : rows[-1] + 1][:, differs.any(axis=0)]
            assert (plate > 230).mean() > 0.4 and (plate < 60).mean() > 0.02  # ink on a plate


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Two short videos with voices, made as `data build` makes them."""
    items = spoken_set(tmp_path_factory.mktemp("spoken"), "train", count=22, subtitles=True)
    some = {item.video: item for item in items if item.duration < 20}
    for item in some.values():
        items.prepare(item)
    return [(plan_video("train", int(path.stem)), path) for path in some]


def test_what_is_heard_in_the_file_is_what_was_planned_when_it_was_planned(short):
    for plan, path in short:
        script = write_script(plan)
        lines = hear(path, 0.0, plan.duration, Hearing(model=EAR, written=False))
        assert [line.text for line in lines] == [one.sentence.lower() for one in script.utterances]
        for line, one in zip(lines, script.utterances, strict=True):
            assert (line.start, line.end) == pytest.approx((one.start, one.end), abs=0.02)


def test_the_file_has_the_planned_times_and_one_sound_track(short):
    for plan, path in short:
        video = open_video(path)
        assert video.duration == pytest.approx(plan.duration, abs=1e-6) and video.size == (224, 224)
        assert np.array_equal(video.frames_at(plan.times, size=(32, 32)).seconds, plan.times)
        with av.open(str(path)) as container:
            (sound,) = container.streams.audio
            assert (sound.codec_context.name, sound.rate, sound.layout.name) == (
                "aac",
                16_000,
                "mono",
            )


def test_sound_and_pictures_of_a_time_lie_near_each_other_in_the_file(short):
    for _, path in short:
        with av.open(str(path)) as container:
            packets = [
                (packet.pos, packet.stream.type, float(packet.dts * packet.time_base))
                for packet in container.demux()
                if packet.size
            ]
        reached = {"audio": 0.0, "video": 0.0}
        for _, kind, second in sorted(packets):
            reached[kind] = second
            assert abs(reached["audio"] - reached["video"]) < 3.0


def test_subtitles_are_written_beside_the_file_where_they_are_wanted_alone(short, tmp_path):
    plan, path = short[0]
    script = write_script(plan)
    assert read_subtitles(path.with_suffix(".srt")) == tuple(
        Line(pytest.approx(one.start), pytest.approx(one.end), one.sentence)
        for one in script.utterances
    )
    items = spoken_set(tmp_path, "train", count=1)
    assert prepare_videos([items], workers=1, progress=False) == 1
    assert [file.name for file in items.videos[0].parent.iterdir()] == ["0000.mp4"]
    assert prepare_videos([items], workers=1, progress=False) == 0


INSTALLED = [name for name in speakers.PROGRAMS if shutil.which(name)]
INSTALLED += [speakers.LIBRARY] if importlib.util.find_spec(speakers.LIBRARY) else []
WHISPER = importlib.util.find_spec("faster_whisper") and Path(weights_place("")).is_dir()


@pytest.mark.skipif(not INSTALLED, reason="no synthesiser here")
@pytest.mark.parametrize("name", INSTALLED)
def test_an_installed_synthesiser_speaks_in_time(name):
    assert find_synthesiser(name) == name and find_synthesiser() == INSTALLED[0]
    sound = spoken("The secret code word is garden.", Voice("en-us", 50, 150), 2.0, name)
    assert len(sound) == 2 * RATE and np.sqrt((sound**2).mean()) > 0.02
    slower, rate = speakers._loaded(name)("garden", Voice("en-us", 50, 100))
    faster, _ = speakers._loaded(name)("garden", Voice("en-us", 50, 200))
    assert rate == 22_050 and len(slower) > 1.2 * len(faster)


@pytest.mark.skipif(not (INSTALLED and WHISPER), reason="no synthesiser or no Whisper here")
def test_whisper_hears_the_words_where_they_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    items = sage_synth_spoken(tmp_path, "train", count=1)
    items.prepare(items[0])
    plan = plan_video("train", 0)
    lines = hear(items.videos[0], 0.0, plan.duration, Hearing(language="en"))
    for one in write_script(plan).utterances:
        there = [line.text for line in lines if line.start < one.end and one.start < line.end]
        assert one.word in " ".join(there).lower()


def test_the_tones_of_two_words_are_told_apart():
    """Of the stand-in: without it the laws above would hold for any sound."""
    one, two = (speak(word, Voice("en-us", 50, 150))[0] for word in ("tiger", "garden"))
    assert np.abs(one - two).max() > 0.1
