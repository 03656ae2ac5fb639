"""Laws of `benchmarks.learning.remembered_video`: the frames of a rendered video, drawn once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import remembered_video
from benchmarks.learning.remembered_video import (
    FRAMES,
    SIZE,
    RememberedVideo,
    draw_overview,
    remember,
)
from sage_env.synth import sage_synth
from sage_env.synth.rendered import open_rendered
from sage_env.timeline import midpoints


@pytest.fixture
def path() -> Path:
    found: Path = sage_synth(None, "test", seed=0, count=1).videos[0]
    return found


def test_an_overview_is_not_drawn_again_and_other_looks_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overview = draw_overview(path)
    remember([overview])
    drawn: list[Path] = []

    def counted(path: Path) -> object:
        drawn.append(path)
        return open_rendered(path)

    monkeypatch.setattr(remembered_video, "open_rendered", counted)
    video = RememberedVideo(path)
    times = midpoints(0.0, video.duration, FRAMES).tolist()
    assert video.frames_at(times, size=SIZE) is overview.frames and not drawn
    look = video.frames_at([1.0, 2.0], size=SIZE)
    assert RememberedVideo(path).frames_at([1.0, 2.0], size=SIZE) is look and drawn == [path]
    np.testing.assert_array_equal(
        look.pixels, open_rendered(path).frames_at([1.0, 2.0], size=SIZE).pixels
    )
    assert video.frames_at([1.0, 2.0], size=(8, 8)).pixels.shape == (2, 8, 8, 3)


def test_a_video_that_was_not_remembered_is_refused() -> None:
    with pytest.raises(KeyError):
        RememberedVideo(Path("nobody-drew-this.mp4"))
