"""Laws of `sage_env.storage.byte_lru`: bounded to the byte, and the least recently used goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sage_env.storage.byte_lru import ByteLRU


class Slow:
    """The same from the definition: a list of `(key, value, bytes)`, the latest used last."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.rows: list[tuple[int, int, int]] = []

    def get(self, key: int) -> int | None:
        for row in self.rows:
            if row[0] == key:
                self.rows.remove(row)
                self.rows.append(row)
                return row[1]
        return None

    def put(self, key: int, value: int, nbytes: int) -> int:
        self.rows = [row for row in self.rows if row[0] != key]
        if nbytes > self.max_bytes:
            return 0
        before = len(self.rows)
        while sum(row[2] for row in self.rows) + nbytes > self.max_bytes:
            self.rows.pop(0)
        self.rows.append((key, value, nbytes))
        return before + 1 - len(self.rows)


@given(
    max_bytes=st.integers(0, 20),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("get"), st.integers(0, 5)),
            st.tuples(st.just("put"), st.integers(0, 5), st.integers(0, 9), st.integers(0, 25)),
            st.tuples(st.just("in"), st.integers(0, 5)),
        ),
        max_size=40,
    ),
)
def test_it_agrees_with_its_definition(max_bytes, steps):
    fast: ByteLRU[int, int] = ByteLRU(max_bytes)
    slow = Slow(max_bytes)
    for name, *arguments in steps:
        if name == "in":  # a look is not a use
            assert (arguments[0] in fast) == (arguments[0] in [row[0] for row in slow.rows])
        else:
            assert getattr(fast, name)(*arguments) == getattr(slow, name)(*arguments)
        assert list(fast) == [row[0] for row in slow.rows] and len(fast) == len(slow.rows)
        assert fast.nbytes == sum(row[2] for row in slow.rows) <= max_bytes


def test_by_hand():
    lru: ByteLRU[str, int] = ByteLRU(10)
    assert [lru.put(key, number, 5) for number, key in enumerate("ab")] == [0, 0]  # just full
    assert lru.get("a") == 0  # "b" is now the least recently used
    assert lru.put("c", 2, 1) == 1 and list(lru) == ["a", "c"]
    assert lru.put("d", 3, 10) == 2 and list(lru) == ["d"]
    assert lru.put("e", 4, 11) == 0 and list(lru) == ["d"]  # too large drops nothing
    assert lru.put("d", 5, 11) == 0 and list(lru) == []  # but what it would replace
    assert lru.nbytes == 0


def test_what_was_added_for_a_value_is_taken_off_for_it():
    lru: ByteLRU[str, bytearray] = ByteLRU(10)
    grows = bytearray(4)
    lru.put("a", grows, len(grows))
    grows.extend(bytes(100))
    lru.put("b", bytearray(8), 8)
    assert list(lru) == ["b"] and lru.nbytes == 8


def test_clear_and_recount():
    lru: ByteLRU[str, int] = ByteLRU(10)
    lru.put("a", 1, 4)
    lru.put("b", 1, 4)
    lru.nbytes = 4  # as if the thread of the second `put` had been cut off
    lru.recount()
    assert lru.nbytes == 8
    lru.clear()
    assert (list(lru), lru.nbytes, lru.get("a")) == ([], 0, None)
