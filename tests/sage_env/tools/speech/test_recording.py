"""Laws of `sage_env.tools.speech.recording`: sound is where it belongs, by the video's clock."""

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.stream import Disposition

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.tools.speech.recording import (
    RATE,
    _Canvas,
    _decoded,
    is_language,
    read_sound,
    sound_stream,
)
from sage_env.video.deadline import NO_LIMIT, Deadline
from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.real_clips import REAL_CLIPS
from tests.helpers.speech.sounding import clicking, many_tracks, subtitled

CLICKS = [1.5, 3.25]
FILES = {
    "plain.mp4": {},
    "plain.mkv": {},
    "plain.ts": {},
    "late-sound.mp4": {"sound_from": 1.0},
    "late-sound.mkv": {"sound_from": 1.0},
    "late-sound.ts": {"sound_from": 1.0},
    "late-picture.mp4": {"picture_from": 0.5},
    "late-picture.mkv": {"picture_from": 0.5},
    "late-picture.ts": {"picture_from": 0.5},
    "flac.mkv": {"codec": "flac", "rate": 44_100},
    "long-sound.mp4": {"seconds": 8.0, "layout": "mono", "rate": 16_000},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return {name: clicking(folder / name, CLICKS, **kind) for name, kind in FILES.items()}


def test_samples_that_are_no_sound_are_silent_and_none_is_too_loud(tmp_path):
    """Files of floats may hold anything; one such sample made all of a piece unheard."""
    spoilt = {8000: np.nan, 8001: np.inf, 8002: -np.inf, 16_000: 1e30}
    flat = {"codec": "pcm_f32le", "rate": 16_000, "layout": "mono", "spoilt": spoilt}
    path = clicking(tmp_path / "a.mkv", [1.5], **flat)
    sound = read_sound(path, 0.0, 4.0, NO_LIMIT)
    assert np.isfinite(sound).all() and np.abs(sound).max() <= 1.0
    assert sound[8000] == 0 and clicks_in(sound, 0.0)[-1] == pytest.approx(1.5, abs=0.002)


def clicks_in(samples, start):
    """Return when the clicks of some sound begin."""
    loud = np.flatnonzero(np.abs(samples) > 0.2) / RATE + start
    return [second for k, second in enumerate(loud) if k == 0 or second - loud[k - 1] > 0.1]


@pytest.mark.parametrize("name", FILES)
def test_a_click_is_heard_when_its_picture_is_shown(files, name):
    """Whatever begins first, and whichever frames of a codec nobody hears."""
    index, video = read_index(files[name]), open_video(files[name])
    first = float(video.frames_at([0.0]).seconds[0])
    expected = [first + click - FILES[name].get("picture_from", 0.0) for click in CLICKS]
    found = clicks_in(read_sound(files[name], 0.0, 4.0, NO_LIMIT), 0.0)
    assert found == pytest.approx(expected, abs=0.002)
    assert first == pytest.approx(index.lead)


@pytest.mark.parametrize("name", FILES)
def test_a_stretch_is_that_part_of_the_whole(files, name):
    whole = read_sound(files[name], 0.0, 4.0, NO_LIMIT)
    for start, end in ((1.0, 2.0), (1.25, 3.75), (2.75, 4.0)):
        part = read_sound(files[name], start, end, NO_LIMIT)
        same = whole[round(start * RATE) : round(end * RATE)]
        assert len(part) == len(same)
        assert np.abs(part - same)[20:-20].max() < 0.05  # the resampler's edges


def test_where_nothing_sounds_is_silence_of_the_length_asked_for(files):
    assert not read_sound(files["late-sound.mkv"], 0.0, 0.9, NO_LIMIT).any()
    behind = read_sound(files["plain.mp4"], 3.5, 10.0, NO_LIMIT)
    assert len(behind) == 6.5 * RATE and not behind[RATE:].any()
    assert read_sound(files["plain.mp4"], 100.0, 101.0, NO_LIMIT).shape == (RATE,)


def test_sound_goes_on_behind_the_last_picture(tmp_path):
    path = clicking(tmp_path / "a.mp4", [6.5], seconds=8.0)
    assert clicks_in(read_sound(path, 5.0, 8.0, NO_LIMIT), 5.0) == pytest.approx([6.5], abs=0.002)


def test_a_video_without_sound_has_none(tmp_path):
    silent = subtitled(tmp_path / "a.mkv", [(0, 1000, "hello")], "subrip")
    assert read_sound(silent, 0.0, 1.0, NO_LIMIT) is None
    with pytest.raises(VideoError):
        read_sound(tmp_path / "missing.mp4", 0.0, 1.0, NO_LIMIT)


def test_the_track_is_the_wanted_language_then_no_commentary_then_the_default(tmp_path):
    none, default, aside = Disposition(0), Disposition.default, Disposition.comment
    path = many_tracks(
        tmp_path / "tracks.mkv",
        [("eng", aside | default, 0.5), ("eng", none, 1.5), ("fra", default, 2.5)],
    )

    def heard(language):
        return clicks_in(read_sound(path, 0.0, 4.0, NO_LIMIT, language), 0.0)

    assert heard(None) == heard("fr") == heard("de") == pytest.approx([2.5], abs=0.002)
    assert heard("en") == pytest.approx([1.5], abs=0.002)


@pytest.mark.parametrize("kind", ["visual_impaired", "hearing_impaired"])
def test_a_track_beside_the_main_one_is_not_listened_to(tmp_path, kind):
    aside = Disposition[kind] | Disposition.default
    path = many_tracks(tmp_path / "a.mkv", [("eng", aside, 0.5), ("eng", Disposition(0), 1.5)])
    assert clicks_in(read_sound(path, 0.0, 4.0, NO_LIMIT), 0.0) == pytest.approx([1.5], abs=0.002)


def sound_frame(samples, rate, pts=None):
    frame = av.AudioFrame.from_ndarray(np.float32(samples)[None], "flt", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, pts, Fraction(1, rate)
    return frame


def test_a_frame_that_begins_before_the_stretch_gives_its_own_end():
    ramp = np.arange(320) / 320
    canvas = _Canvas(0.01, 0.03)
    canvas.put(0.0, sound_frame(ramp, RATE))
    assert canvas.samples() == pytest.approx(np.r_[ramp[160:], np.zeros(160)], abs=1e-4)


def test_sound_of_two_rates_in_one_track_is_all_there():
    canvas = _Canvas(0.0, 1.0)
    canvas.put(0.0, sound_frame(np.full(RATE // 4, 0.5), RATE))
    canvas.put(0.5, sound_frame(np.full(2000, 0.25), 8_000))
    found = canvas.samples()
    assert found[2000] == pytest.approx(0.5, abs=0.01)
    assert found[10_000] == pytest.approx(0.25, abs=0.01) and found[6000] == 0


def test_frames_without_a_time_follow_the_one_before():
    packets = [[sound_frame(np.zeros(800), 8_000, 4_000)], [sound_frame(np.zeros(800), 8_000)] * 2]
    container = SimpleNamespace(
        demux=lambda stream: [SimpleNamespace(decode=lambda found=one: found) for one in packets]
    )
    times = [second for second, _ in _decoded(container, None, Fraction(1, 4))]
    assert times == pytest.approx([0.25, 0.35, 0.45])


@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="no filmed clips here")
def test_of_two_tracks_of_a_filmed_clip_the_better_one_is_taken():
    with av.open(str(REAL_CLIPS / "nasa_13013_speech.mp4")) as container:
        chosen = sound_stream(container, 3)
        assert (chosen.index, chosen.rate) == (4, 16_000)


def test_it_ends_in_time(files):
    with pytest.raises(DecodeTimeout):
        read_sound(files["plain.mp4"], 0.0, 4.0, Deadline(1e-9, 0.0))


def test_damage_is_silence_and_the_rest_stays_in_place(files, tmp_path):
    data = bytearray(files["plain.mp4"].read_bytes())
    with av.open(str(files["plain.mp4"])) as container:
        packets = [p for p in container.demux(container.streams.audio[0]) if p.size]
        for packet in packets[90:100]:  # about 2 seconds
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    found = clicks_in(read_sound(broken, 1.0, 4.0, NO_LIMIT), 1.0)
    assert found[0] == pytest.approx(1.5, abs=0.002) and found[-1] == pytest.approx(3.25, abs=0.002)


def test_tags_of_languages():
    assert is_language("eng", "en") and is_language("en-US", "en") and is_language("en", "eng")
    assert is_language(None, "en") and is_language("und", "en") and is_language("fra", None)
    assert not is_language("fra", "en")
