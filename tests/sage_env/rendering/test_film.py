"""Laws of `sage_env.rendering.film`: every picture comes back, in order, at its time."""

from __future__ import annotations

import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.rendering.film import Film
from sage_env.video import open_video


def decoded(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    """Return the pictures of a film and when each is shown."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert frames[0].format.name == "yuv420p"
        assert container.streams.video[0].codec_context.name == "h264"
    return [f.to_ndarray(format="rgb24") for f in frames], [f.pts * f.time_base for f in frames]


def drawn(number: int, size: tuple[int, int]) -> np.ndarray:
    """Return a picture of two flat colours that depend on its number."""
    colours = np.random.default_rng(number).integers(0, 256, (2, 3), np.uint8)
    picture = np.empty((*size, 3), np.uint8)
    picture[: size[0] // 2], picture[size[0] // 2 :] = colours
    return picture


def gap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@settings(max_examples=12)
@given(
    size=st.tuples(st.integers(33, 70), st.integers(33, 70)),
    count=st.integers(1, 6),
    fps=st.sampled_from([0.5, 1, 2.5, 24, 30000 / 1001]),
)
def test_pictures_come_back_in_order_and_at_their_times(tmp_path_factory, size, count, fps) -> None:
    path = tmp_path_factory.mktemp("film") / "a.mp4"
    film = Film(path, size, fps)
    pictures = [drawn(k, size) for k in range(count)]
    for picture in pictures:
        film.write(picture)
    film.close()
    film.close()
    found, times = decoded(path)
    assert len(found) == count == film.num_pictures
    assert found[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    for k, (picture, other) in enumerate(zip(pictures, found, strict=True)):
        assert gap(picture, other[: size[0], : size[1]]) < 8
        assert gap(drawn(k + 1, size), other[: size[0], : size[1]]) > 8
    # A file counts time in whole ticks, and a rate such as 12.3 in fractions: a millisecond.
    assert np.allclose([float(t) for t in times], [k / fps for k in range(count)], atol=1e-3)


def test_our_own_reader_sees_the_same_film_and_its_whole_length(tmp_path) -> None:
    film = Film(tmp_path / "a.mp4", (48, 64), 2.0)
    for k in range(5):
        film.write(drawn(k, (48, 64)))
    film.close()
    with open_video(film.path) as video:
        assert video.duration == pytest.approx(2.5)
        batch = video.frames_at([0.1, 0.6, 1.1, 1.6, 2.1])
    assert batch.seconds.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    for k, picture in enumerate(batch.pixels):
        assert gap(picture, drawn(k, (48, 64))) < 8


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 250, 250)])
def test_colours_are_those_that_were_drawn(tmp_path, colour) -> None:
    film = Film(tmp_path / "a.mp4", (64, 64), 1.0)
    film.write(np.full((64, 64, 3), colour, np.uint8))
    film.close()
    (found,), _ = decoded(film.path)
    assert np.abs(found.astype(int) - colour).max() <= 4


def test_a_file_that_is_there_is_not_written_over(tmp_path) -> None:
    (tmp_path / "a.mp4").write_text("mine")
    with pytest.raises(FileExistsError):
        Film(tmp_path / "a.mp4", (64, 64), 1.0)
    assert (tmp_path / "a.mp4").read_text() == "mine"


@pytest.mark.parametrize("picture", [np.zeros((64, 62, 3), np.uint8), np.zeros((64, 64, 3))])
def test_a_picture_of_another_kind_is_refused_and_the_film_goes_on(tmp_path, picture) -> None:
    film = Film(tmp_path / "a.mp4", (64, 64), 1.0)
    film.write(drawn(0, (64, 64)))
    with pytest.raises(ValueError, match="film of uint8 pictures"):
        film.write(picture)
    film.write(drawn(1, (64, 64)))
    film.close()
    assert len(decoded(film.path)[0]) == 2


@pytest.mark.parametrize("limit", [0, 30, 48, 500, 900])
def test_of_a_film_that_the_disk_has_no_room_for_nothing_is_left(tmp_path, limit) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3), np.uint8)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match="too large"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
            film = Film(tmp_path / "film.mp4", (32, 48), 5.0)
            for picture in noise:
                film.write(picture)
            film.close()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
    if limit:  # else there was no film yet
        film.close()
    assert not (tmp_path / "film.mp4").exists()
