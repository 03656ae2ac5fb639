"""Laws of `sage_env.tools.grounding.text_reading`: what stands in a picture."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from sage_env.errors import MissingExtra
from sage_env.tools.grounding import text_reading
from sage_env.tools.grounding.text_reading import _decode, read_text

CHARACTERS = ("", "a", "b", " ")
needs_networks = pytest.mark.skipif(
    find_spec("rapidocr") is None or find_spec("onnxruntime") is None, reason="no networks"
)


def path(*steps: int) -> np.ndarray:
    """Return likelihoods whose best path is `steps`, the k-th with 0.9 - k / 100."""
    likely = np.full((len(steps), len(CHARACTERS)), 0.01, np.float32)
    likely[np.arange(len(steps)), steps] = 0.9 - np.arange(len(steps)) / 100
    return likely


def test_repetitions_are_one_character_and_a_blank_parts_two() -> None:
    text, score = _decode(path(0, 1, 1, 0, 1, 2, 3, 2), CHARACTERS)
    assert text == "aab b"
    assert score == pytest.approx(np.mean([0.89, 0.86, 0.85, 0.84, 0.83]), abs=1e-6)


def test_nothing_but_blanks_is_no_text() -> None:
    assert _decode(path(0, 0, 0), CHARACTERS) == ("", 0.0)


def test_without_the_networks_the_message_says_how_to_get_them(monkeypatch) -> None:
    text_reading._networks.cache_clear()
    monkeypatch.setattr(text_reading, "PACKAGE", "no_such_package_here")
    with pytest.raises(MissingExtra, match=r"sage-video-qa\[tools\]"):
        read_text(np.zeros((40, 40, 3), np.uint8))
    text_reading._networks.cache_clear()


@needs_networks
def test_lines_of_a_picture_are_read_where_they_stand() -> None:
    picture = Image.new("RGB", (640, 360), (40, 90, 70))
    draw = ImageDraw.Draw(picture)
    for x, y, text in ((40, 50, "Lift out of order"), (330, 250, "PLATFORM 12")):
        draw.text((x, y), text, font=ImageFont.load_default(30), fill=(255, 255, 255))
    first, second = read_text(np.asarray(picture))
    assert (first.text, second.text) == ("Lift out of order", "PLATFORM 12")
    assert first.box == pytest.approx((40 / 640, 50 / 360, 275 / 640, 90 / 360), abs=0.05)
    assert min(first.score, second.score) > 0.9


@needs_networks
@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (2000, 3), (33, 31)])
def test_any_size_of_picture_can_be_read(shape: tuple[int, int]) -> None:
    assert read_text(np.zeros((*shape, 3), np.uint8)) == []
