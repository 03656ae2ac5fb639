"""Laws of `policies.sage_mm.tokens.mrope`: where tokens stand, and that cuts change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sage_mm.tokens.mrope import mrope_positions

PAD = 9
PIECES = st.lists(st.one_of(st.none(), st.tuples(st.integers(1, 4), st.integers(1, 4))), max_size=6)


def laid_out(pieces):
    """`None` is a text token, a grid is a frame."""
    ids = [i for p in pieces for i in ([1] if p is None else [PAD] * (p[0] * p[1]))]
    return np.array(ids, np.int64), [p for p in pieces if p is not None]


def test_text_a_frame_and_text_by_hand():
    ids, grids = laid_out([None, None, (2, 3), None])
    positions, after = mrope_positions(ids, PAD, grids)
    assert positions.tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5],
        [0, 1, 2, 2, 2, 3, 3, 3, 5],
        [0, 1, 2, 3, 4, 2, 3, 4, 5],
    ]
    assert after == 6


def test_positions_are_those_of_transformers(tiny_folder):
    """Frame by frame, as a video of one-frame stretches; an independent implementation."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder)
    config = model.config
    grids = [(2, 3), (1, 1), (4, 2)]
    ids = [1, 2]
    for rows, columns in grids:
        ids += [3, config.vision_start_token_id, *[config.video_token_id] * (rows * columns)]
        ids += [config.vision_end_token_id]
    ids += [4, 5]
    merge = config.vision_config.spatial_merge_size
    thw = torch.tensor([[1, merge * rows, merge * columns] for rows, columns in grids])
    row = torch.tensor([ids])
    kinds = (row == config.video_token_id).int() * 2
    expected, _ = model.model.get_rope_index(row, video_grid_thw=thw, mm_token_type_ids=kinds)
    found, _ = mrope_positions(np.array(ids), config.video_token_id, grids)
    assert found.tolist() == expected[:, 0].tolist()


@given(PIECES, st.integers(0, 6), st.integers(0, 99))
def test_a_stretch_goes_on_where_the_one_before_it_ended(pieces, cut, start):
    whole, after = mrope_positions(*of(pieces), start)
    head, between = mrope_positions(*of(pieces[:cut]), start)
    tail, end = mrope_positions(*of(pieces[cut:]), between)
    assert np.array_equal(np.concatenate([head, tail], 1), whole) and end == after


def of(pieces):
    ids, grids = laid_out(pieces)
    return ids, PAD, grids
