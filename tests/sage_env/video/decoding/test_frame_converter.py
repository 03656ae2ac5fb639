"""Laws of `sage_env.video.decoding.frame_converter`: upright, cropped, fitted into a size."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from sage_env.video.decoding.frame_converter import FrameConverter
from sage_env.video.index.picture_form import PictureForm
from tests.helpers.clips import (
    number_in,
    numbered,
    uncached,
    write_clip,
)


def test_letterbox_keeps_the_aspect_between_equal_black_bars(colours):
    with uncached(colours) as video:
        (picture,) = video.frames_at([0.0], size=(48, 48)).pixels
        tall = video.frames_at([0.0], size=(100, 40)).pixels[0]
    assert not picture[:12].any()
    assert not picture[36:].any()
    assert (picture[12:36].max(axis=2) > 150).all()  # 24 rows of 48: the aspect of 64 by 128
    np.testing.assert_allclose(picture[18, 12], (255, 0, 0), atol=12)
    np.testing.assert_allclose(picture[30, 12], (0, 0, 255), atol=12)
    assert np.flatnonzero(tall.any(axis=(1, 2))).tolist() == list(range(40, 60))


@pytest.mark.parametrize(
    ("box", "colour"),
    [
        ((0.0, 0.0, 0.5, 0.5), (255, 0, 0)),
        ((0.5, 0.0, 1.0, 0.5), (0, 255, 0)),
        ((0.0, 0.5, 0.5, 1.0), (0, 0, 255)),
        ((0.6, 0.6, 0.9, 0.9), (255, 255, 255)),
        ((0.1, 0.1, 0.1001, 0.1001), (255, 0, 0)),
        ((0.9999, 0.0, 1.0, 0.0001), (0, 255, 0)),
    ],
)
def test_a_box_shows_its_part_enlarged(colours, box, colour):
    with uncached(colours) as video:
        (picture,) = video.frames_at([0.0], size=(32, 64), box=box).pixels
        inner = picture[:, 16:48][3:-3, 3:-3]
        np.testing.assert_allclose(inner.reshape(-1, 3), [colour] * inner[..., 0].size, atol=20)


def test_a_box_without_size_is_the_native_pixels_of_the_crop(colours):
    with uncached(colours) as video:
        whole = video.frames_at([0.0]).pixels[0]
        part = video.frames_at([0.0], box=(0.25, 0.5, 0.75, 0.75)).pixels[0]
        one = video.frames_at([0.0], box=(0.5, 0.5, 0.5001, 0.5001)).pixels
    np.testing.assert_array_equal(part, whole[32:48, 32:96])
    assert one.shape == (1, 1, 1, 3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path, rotation):
    path = write_clip(tmp_path / "turned.mp4", range(30), size=(64, 96), rotation=rotation)
    expected = np.rot90(numbered(21, 64, 96), rotation // 90)
    with uncached(path) as video:
        assert video.size == expected.shape[:2]
        (picture,) = video.frames_at([21 / 25]).pixels
        assert number_in(picture) == number_in(expected)
        (small,) = video.frames_at([21 / 25], size=(32, 32)).pixels
        assert small.any(axis=2).any(axis=0).sum() <= expected.shape[1] * 32 // 64


def _smooth(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", [Colorspace.ITU709, Colorspace.ITU601])
@pytest.mark.parametrize("size", [(224, 398), (225, 400), (162, 288)])
def test_shrinking_before_rgb_gives_the_colours_of_doing_both_at_once(pixel_format, matrix, size):
    scene = av.VideoFrame.from_ndarray(_smooth(360, 640), format="rgb24")
    spread = ColorRange.JPEG if "j" in pixel_format else ColorRange.MPEG
    frame = VideoReformatter().reformat(
        scene, format=pixel_format, dst_colorspace=matrix, dst_color_range=spread
    )
    frame.colorspace, frame.color_range = matrix, spread
    made = FrameConverter((360, 640)).convert(frame, PictureForm(), size, None).astype(int)
    at_once = VideoReformatter().reformat(frame, size[1], size[0], "rgb24", interpolation="AREA")
    off = made - at_once.to_ndarray().astype(int)
    assert np.abs(off).mean() < 3
    assert np.abs(off.mean((0, 1))).max() < 2
