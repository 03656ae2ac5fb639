"""Laws of `policies.sage_mm.model.prefix_packing`, `packed_attention` and `sage_mm.scoring`.

Every token has its slot, shared ones are there once, and scores stay the same.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm import (  # noqa: E402
    LoraSettings,
    SageMM,
    scoring,  # noqa: E402
)
from policies.sage_mm.model.packed_attention import attend  # noqa: E402
from policies.sage_mm.model.prefix_packing import PackedSpan, Packing, pack  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402
from tests.helpers.tiny_model import write_tiny_model  # noqa: E402

torch.set_num_threads(1)
PAD = 9
PIECES = st.sampled_from(["", "1", "2", "12", "a", "b", "ab", "1a2", "12ab"])
# Letters are frames, of two tokens each; digits are text.
EPISODES = st.lists(st.lists(PIECES, min_size=1, max_size=4), min_size=1, max_size=7)


def laid_out(texts: list[str]) -> tuple[np.ndarray, list[int], list[tuple[bytes, ...]]]:
    rows = [[i for c in text for i in ([PAD, PAD, 8] if c in "ab" else [int(c)])] for text in texts]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = row
    frames = [tuple(c.encode() for c in text if c in "ab") for text in texts]
    return ids, [len(row) for row in rows], frames


def tokens_of(packing: Packing, row: int, length: int) -> list[tuple[int, int]]:
    """What stands where an episode's tokens are said to be: (an episode, its token)."""
    places = packing.slot_of[row, :length]
    return list(zip(packing.rows[places].tolist(), packing.columns[places].tolist(), strict=True))


@given(EPISODES, st.sampled_from([None, 1, 3]))
@settings(max_examples=150, deadline=None)
def test_every_episode_reads_as_it_was(pieces: list[list[str]], share: int | None) -> None:
    texts = ["0" + "".join(row) for row in pieces]
    ids, lengths, frames = laid_out(texts)
    packing = pack(ids, lengths, frames, PAD, share=share)
    seen: list[tuple[int, ...]] = []
    begins = np.cumsum([0, *(len(span) for span in packing.spans)])
    for number, span in enumerate(packing.spans):
        assert all(n < number for n in span.before), "what a span looks at stands before it"
        before = [
            k for n in span.before for k in range(packing.spans[n].start, packing.spans[n].stop)
        ]
        assert before == list(range(span.start)), "a span sees all before it, in order"
        seen.append((*span.before, number))
    shown = iter(packing.frames)
    for span in packing.spans:
        visual = ids[span.row] == PAD
        first, after = (int(visual[:end].sum()) // 2 for end in (span.start, span.stop))
        for frame in frames[span.row][first:after]:
            assert next(shown) == frame
    assert next(shown, None) is None
    for row, length in enumerate(lengths):
        others = tokens_of(packing, row, length)
        assert [int(ids[r, c]) for r, c in others] == ids[row, :length].tolist()
        assert [c for _, c in others] == list(range(length))
        for r, _ in others:  # the same frames, not only as many
            count = sum(int(ids[r, c] == PAD) for q, c in others if q == r) // 2
            assert frames[r][:count] == frames[row][:count]
        # Its tokens are one chain of spans, so that it looks at nothing else.
        numbers = np.searchsorted(begins, packing.slot_of[row, :length], side="right") - 1
        assert tuple(dict.fromkeys(numbers.tolist())) in seen
    if share is None:
        assert len(packing.rows) == sum(lengths) and len(packing.spans) == len(texts)
    if share == 1:
        assert len(packing.rows) == distinct_beginnings(texts)


def distinct_beginnings(texts: list[str]) -> int:
    """Count the nodes of the tree of tokens, frames told apart."""
    steps = [[(c, k) for c in text for k in range(3 if c in "ab" else 1)] for text in texts]
    return len({tuple(row[: k + 1]) for row in steps for k in range(len(row))})


def test_four_episodes_by_hand() -> None:
    """The example of `pack`."""
    packing = pack(*laid_out(["12345", "123678", "123679", "15"]), PAD + 1, share=2)
    assert packing.spans == (
        PackedSpan(0, 0, 3, ()),
        PackedSpan(0, 3, 5, (0,)),
        PackedSpan(1, 3, 5, (0,)),
        PackedSpan(1, 5, 6, (0, 2)),
        PackedSpan(2, 5, 6, (0, 2)),
        PackedSpan(3, 0, 2, ()),
    )
    assert packing.slot_of.tolist() == [
        [0, 1, 2, 3, 4, 0],
        [0, 1, 2, 5, 6, 7],
        [0, 1, 2, 5, 6, 8],
        [9, 10, 0, 0, 0, 0],
    ]
    assert packing.rows.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3]
    assert packing.columns.tolist() == [0, 1, 2, 3, 4, 3, 4, 5, 5, 0, 1]


def test_frames_are_compared_not_only_their_tokens() -> None:
    ids, lengths, frames = laid_out(["1a2", "1b2"])
    assert ids[0].tolist() == ids[1].tolist()
    packing = pack(ids, lengths, frames, PAD, share=1)
    assert [len(span) for span in packing.spans] == [1, 4, 4]
    assert sorted(packing.frames) == [b"a", b"b"]


def test_a_part_looks_at_all_the_parts_before_it_and_at_no_other() -> None:
    """A tree three spans deep, against one dense mask written token by token."""
    spans = [
        PackedSpan(0, 0, 3, ()),
        PackedSpan(0, 3, 6, (0,)),
        PackedSpan(0, 6, 8, (0, 1)),
        PackedSpan(1, 6, 7, (0, 1)),
        PackedSpan(2, 3, 5, (0,)),
    ]
    owner = [number for number, span in enumerate(spans) for _ in range(len(span))]
    seen = torch.tensor(
        [
            [key in spans[query].before or (key == query and k <= q) for k, key in enumerate(owner)]
            for q, query in enumerate(owner)
        ]
    )
    torch.manual_seed(0)
    query = torch.randn(1, 4, len(owner), 8)
    key, value = torch.randn(2, 1, 2, len(owner), 8)
    found, _ = attend(torch.nn.Identity(), query, key, value, None, scaling=0.3, spans=spans)
    wide_key, wide_value = (x.repeat_interleave(2, 1) for x in (key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, wide_key, wide_value, attn_mask=seen, scale=0.3
    )
    torch.testing.assert_close(found, expected.transpose(1, 2), atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def policy(tmp_path_factory) -> SageMM:
    folder = write_tiny_model(tmp_path_factory.mktemp("tiny"))
    policy = SageMM.load(folder, max_new_tokens=6, lora=LoraSettings(r=4), critic="adapter")
    stir(policy)
    return policy


@pytest.fixture(scope="module")
def batch(policy):
    """Three questions of several rollouts each, one of them played twice."""
    policy.reset(seed=3)
    played = [
        play(policy, episode(question, turns), (question, number))
        for question, plays in enumerate(([3, 3, 2, 4], [1, 2], [3]))
        for number, turns in enumerate(plays)
    ]
    return as_batch([*played, played[0]])


def padded_states(model, batch):
    """What a plain padded pass makes of the tokens before the sampled ones."""
    lengths = batch.attention.sum(1).tolist()
    positions = model.positions(batch.ids, lengths, batch.frames)
    hidden = model.hidden(batch.ids, positions, [key for row in batch.frames for key in row])
    rows, columns = batch.sampled.nonzero(as_tuple=True)
    return hidden[rows, columns - 1]


def test_packed_and_padded_rows_give_the_same_states_and_gradients(policy, batch) -> None:
    parameters = policy.actor_parameters()
    weights = torch.randn(int(batch.sampled.sum()), policy.model.config.hidden_size)
    packed = scoring.states_before_sampled(policy.model, batch)
    padded = padded_states(policy.model, batch)
    torch.testing.assert_close(packed, padded, atol=1e-5, rtol=0)
    found, expected = (
        torch.autograd.grad((x * weights).sum(), parameters) for x in (packed, padded)
    )
    for one, other in zip(found, expected, strict=True):
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(one / scale, other / scale, atol=1e-5, rtol=0)


def test_what_episodes_begin_with_is_computed_once(policy, batch, monkeypatch) -> None:
    lengths: list[int] = []
    hidden = policy.model.hidden
    monkeypatch.setattr(
        policy.model,
        "hidden",
        lambda ids, *a, **k: lengths.append(ids.shape[1]) or hidden(ids, *a, **k),
    )
    scoring.states_before_sampled(policy.model, batch)
    first = batch.sampled.int().argmax(1).tolist()
    total = int(batch.attention.sum())
    again = 3 * first[0] + first[4] + int(batch.attention[-1].sum())  # the last row is the first
    assert len(lengths) == 1 and lengths[0] <= total - again


@pytest.mark.parametrize("common, spans", [(2, 2), (3, 3)])
def test_short_beginnings_are_not_worth_a_part(common: int, spans: int) -> None:
    texts = ["0" * common + "11", "0" * common + "22"]
    packing = pack(*laid_out(texts), PAD, share=3)
    assert len(packing.spans) == spans
    assert len(packing.rows) == sum(map(len, texts)) - (common if spans == 3 else 0)


@pytest.mark.parametrize(("common", "spans"), [(15, 2), (16, 3), (17, 3)])
def test_a_beginning_of_16_tokens_is_shared_unless_told_otherwise(common: int, spans: int) -> None:
    packing = pack(*laid_out(["0" * common + "1", "0" * common + "2"]), PAD)
    assert len(packing.spans) == spans


@pytest.mark.parametrize("lengths", [(1, 1), (2, 1), (1, 2), (2, 2), (2, 3)])
@pytest.mark.parametrize("heads", [2, 4])
def test_short_spans_look_back_as_far_as_they_may(lengths: tuple[int, int], heads: int) -> None:
    """A root of one or two tokens, and what follows it; with groups of heads and without."""
    first, second = lengths
    spans = [PackedSpan(0, 0, first, ()), PackedSpan(0, first, first + second, (0,))]
    length = first + second
    torch.manual_seed(0)
    query = torch.randn(1, heads, length, 8)
    key, value = torch.randn(2, 1, 2, length, 8)
    found, _ = attend(torch.nn.Identity(), query, key, value, None, spans=spans)
    wide = (x.repeat_interleave(heads // 2, 1) for x in (key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(query, *wide, is_causal=True)
    torch.testing.assert_close(found, expected.transpose(1, 2), atol=1e-5, rtol=0)


def test_frames_must_be_as_many_as_their_stretches() -> None:
    ids, lengths, frames = laid_out(["1a2b", "12"])
    for wrong in (frames[0][:1], (*frames[0], b"c")):
        with pytest.raises(ValueError, match=f"each of {len(wrong)} frames, got 2"):
            pack(ids, lengths, [wrong, frames[1]], PAD)
    with pytest.raises(ValueError, match="each of 1 frames, got 0"):
        pack(ids, lengths, [frames[0], (b"c",)], PAD)


def test_one_episode_of_one_token_is_packed() -> None:
    packing = pack(np.array([[5]]), [1], [()], PAD)
    assert packing.spans == (PackedSpan(0, 0, 1, ()),) and packing.slot_of.tolist() == [[0]]


def test_positions_are_0_on_padding(policy) -> None:
    ids = torch.tensor([[20, 21, 22], [20, 0, 0]])
    found = policy.model.positions(ids, [3, 1], [(), ()])
    assert found.tolist() == [[[0, 1, 2], [0, 0, 0]]] * 3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_scores_do_not_depend_on_where_a_chunk_ends(policy, batch, monkeypatch, count) -> None:
    """Two rows in a chunk: one less, just two, one more, two chunks; one pass under autograd."""
    monkeypatch.setattr(scoring, "CHUNK", 2)
    part, passes = batch.select(range(count)), []
    states = scoring.states_before_sampled

    def counted(model, rows):
        passes.append(len(rows))
        return states(model, rows)

    monkeypatch.setattr(scoring, "states_before_sampled", counted)
    with torch.no_grad():
        values, reference = policy.values(part), policy.reference_logprobs(part)
    chunks = [2] * (count // 2) + [1] * (count % 2)
    assert passes == chunks * 2
    passes.clear()
    with_gradient = policy.values(part)
    assert passes == [count], "an update has cut its rows already"
    torch.testing.assert_close(with_gradient.detach(), values, atol=1e-5, rtol=0)
    monkeypatch.setattr(scoring, "CHUNK", 99)
    torch.testing.assert_close(policy.reference_logprobs(part), reference, atol=1e-5, rtol=0)
    assert values.shape == reference.shape == part.ids.shape


@given(EPISODES, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_what_others_look_at_was_worth_a_span(pieces: list[list[str]], share: int) -> None:
    """However deep in the tree: each shared stretch has as many tokens as it must."""
    texts = ["0" + "".join(row) for row in pieces]
    packing = pack(*laid_out(texts), PAD, share=share)
    looked_at = {number for span in packing.spans for number in span.before}
    assert all(len(packing.spans[number]) >= share for number in looked_at)


def test_an_episode_may_begin_with_a_frame_and_be_nothing_else() -> None:
    for texts in (["a1", "b1"], ["a", "b"], ["ab", "ba"]):
        ids, lengths, frames = laid_out(texts)
        packing = pack(ids, lengths, frames, PAD, share=1)
        assert sorted(packing.frames) == sorted(key for row in frames for key in row)
        for row, length in enumerate(lengths):
            found = [int(ids[r, c]) for r, c in tokens_of(packing, row, length)]
            assert found == ids[row, :length].tolist()
    same = pack(*laid_out(["a1", "a2"]), PAD, share=1)
    assert same.frames == (b"a",) and len(same.rows) == 5
