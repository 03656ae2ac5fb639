"""Memory is handed out again only when nothing refers to it, and little of it is held."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.video.cache.buffer_pool import BufferPool

SHAPE = (2, 300, 400, 3)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "keep",
    [
        lambda a: a,
        lambda a: a[1],
        lambda a: a[0][::2, 5:9].transpose(2, 0, 1),
        lambda a: a.reshape(-1)[-1:],
        memoryview,
        lambda a: {"deep": [a.view(np.int8)]},
    ],
)
def test_memory_is_not_used_again_while_any_part_of_it_is_held(keep):
    pool = BufferPool()
    first = pool.empty(SHAPE)
    first[:] = 7
    where, kept = address(first), keep(first)
    del first
    second = pool.empty(SHAPE)
    second[:] = 9
    assert address(second) != where
    del kept
    assert address(pool.empty(SHAPE)) == where


def test_memory_that_was_let_go_is_found_behind_some_that_was_not():
    pool = BufferPool()
    arrays = [pool.empty(SHAPE) for _ in range(6)]
    where = address(arrays.pop(4))
    assert address(pool.empty(SHAPE)) == where


def test_a_request_that_is_a_little_smaller_uses_the_same_memory():
    pool = BufferPool()
    where = address(pool.empty((16, 300, 400, 3)))
    assert address(pool.empty((15, 300, 400, 3))) == where


def test_a_tensor_holds_its_memory():
    torch = pytest.importorskip("torch")
    pool = BufferPool()
    tensor = torch.from_numpy(pool.empty(SHAPE))
    assert address(pool.empty(SHAPE)) != tensor.data_ptr()


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30))
def test_what_is_held_is_bounded_and_nothing_is_shared(requests):
    pool, kept = BufferPool(2**22), []
    for number, (rows, keep) in enumerate(requests):
        array = pool.empty((rows, 100, 700))
        assert array.flags.c_contiguous and array.flags.writeable
        array[:] = number
        if keep:
            kept.append((number, array))
        held = [each.nbytes for arrays in pool._held.values() for each in arrays]
        assert sum(held) == pool.nbytes <= 2**22
    assert all((array == number).all() for number, array in kept)
