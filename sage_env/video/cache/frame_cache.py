"""A bytes-bounded cache of decoded pictures that all videos of a process share."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event, Lock
from weakref import WeakSet

from sage_env.video.cache.frame_key import Decode, FrameKey, Picture, PictureStore


@dataclass(frozen=True)
class CacheStats:
    """What a cache has done since it was made. Every picture asked for counts in one of the first.

    Attributes:
        hits: pictures that were held.
        coalesced: pictures that another thread was decoding, and that were waited for.
        store_hits: pictures that came from the store, where another process has put them.
        misses: pictures that had to be decoded by the one who asked.
        evicted: pictures dropped to make room.
        nbytes: bytes of pixels held now.
    """

    hits: int = 0
    coalesced: int = 0
    store_hits: int = 0
    misses: int = 0
    evicted: int = 0
    nbytes: int = 0


class _InFlight:
    """A picture that someone is decoding."""

    __slots__ = ("done", "picture")

    def __init__(self) -> None:
        self.done = Event()
        self.picture: Picture | None = None  # stays so if the decoding failed


class FrameCache:
    """Keeps the most recently used pictures, at most `max_bytes` of pixels. Thread-safe.

    Attributes:
        max_bytes: upper bound of `nbytes`; 0 keeps nothing.
        store: where `fetch` also looks and writes, to share with other processes.
        nbytes: bytes of the pixels now held.
        hits: pictures asked for that were held.
        misses: pictures asked for that were nowhere and that nobody was decoding.
    """

    def __init__(self, max_bytes: int, store: PictureStore | None = None) -> None:
        """Make an empty cache; without a `store` its pictures stay in this process.

        Raises:
            ValueError: if `max_bytes` is negative.
        """
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be 0 or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self.store = store
        self.nbytes = 0
        self.hits = 0
        self.misses = 0
        self._coalesced = 0
        self._store_hits = 0
        self._evicted = 0
        self._pictures: OrderedDict[FrameKey, Picture] = OrderedDict()
        self._in_flight: dict[FrameKey, _InFlight] = {}
        self._lock = Lock()
        _caches.add(self)

    def __reduce__(self) -> tuple[type[FrameCache], tuple[int, PictureStore | None]]:
        """Copy and pickle as an empty cache of the same size: pictures can be read again."""
        return FrameCache, (self.max_bytes, self.store)

    def __len__(self) -> int:
        """Return the number of pictures held."""
        return len(self._pictures)

    @property
    def stats(self) -> CacheStats:
        """Return what the cache has done so far."""
        with self._lock:
            counts = self.hits, self._coalesced, self._store_hits, self.misses
            return CacheStats(*counts, self._evicted, self.nbytes)

    def get(self, key: FrameKey) -> Picture | None:
        """Return the picture, uint8 `(H, W, 3)` and read-only, or `None` if it is not held."""
        with self._lock:
            picture = self._held(key)
            self.misses += picture is None
            return picture

    def absent(self, keys: Sequence[FrameKey]) -> list[FrameKey]:
        """Return those of the keys whose pictures are not held, nor being decoded by anyone."""
        with self._lock:
            return [k for k in keys if k not in self._pictures and k not in self._in_flight]

    def put(self, key: FrameKey, picture: Picture) -> None:
        """Keep a picture, which becomes read-only; drop the least recently used to make room.

        A picture larger than the whole cache is not kept.
        """
        self._keep(key, _frozen(picture))

    def fetch(
        self, keys: Sequence[FrameKey], decode: Decode, *, timeout: float | None = None
    ) -> dict[FrameKey, Picture]:
        """Return pictures: those held at once, the others decoded here or by whoever began first.

        No picture is decoded twice at the same time, nor in two processes that share a store. If
        the one who decodes a picture fails, or ends without it, one of those who wait decodes it
        instead; what `decode` raises reaches its own caller only. Everyone decodes before waiting,
        so that no two wait for each other.

        Args:
            keys: in any order, also several times.
            decode: is called with the keys that nobody holds or decodes, in the order of `keys`,
                each at most once; seldom a second time, with those that another did not bring.
                A picture that it yields is there for others at once, whatever comes after. Keys
                that it was not asked for are kept, but not returned.
            timeout: seconds to wait for others; `None` for no limit. `decode` has its own.

        Returns:
            The pictures by key, uint8 `(H, W, 3)` each and read-only. Without those that `decode`
            ended without: whether that is an error, it knows best.

        Raises:
            TimeoutError: if others take longer than `timeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pictures: dict[FrameKey, Picture] = {}
        absent = list(dict.fromkeys(keys))
        while absent:
            mine, theirs = self._claim(absent, pictures)
            if mine:
                self._decode(mine, decode, pictures, deadline)
            if not theirs:
                break
            arrived = _arrivals(theirs, deadline)
            pictures |= arrived
            absent = [key for key in theirs if key not in arrived]
            with self._lock:
                self._coalesced += len(arrived)
        return pictures

    def _claim(
        self, keys: Iterable[FrameKey], pictures: dict[FrameKey, Picture]
    ) -> tuple[dict[FrameKey, _InFlight], dict[FrameKey, _InFlight]]:
        """Add what is held to `pictures`; return what is now ours to decode, and what others do."""
        mine: dict[FrameKey, _InFlight] = {}
        theirs: dict[FrameKey, _InFlight] = {}
        with self._lock:
            for key in keys:
                if (picture := self._held(key)) is not None:
                    pictures[key] = picture
                elif key in self._in_flight:
                    theirs[key] = self._in_flight[key]
                else:
                    mine[key] = self._in_flight[key] = _InFlight()
        return mine, theirs

    def _decode(
        self,
        mine: dict[FrameKey, _InFlight],
        decode: Decode,
        pictures: dict[FrameKey, Picture],
        deadline: float | None,
    ) -> None:
        """Decode what was claimed, add it to `pictures`, and wake up those who wait for it."""
        missed: set[FrameKey] = set()

        def counted(keys: list[FrameKey]) -> Iterable[tuple[FrameKey, Picture]]:
            missed.update(keys)
            with self._lock:
                self.misses += len(keys)
            return decode(keys)

        keys, store = list(mine), self.store
        try:
            came = counted(keys) if store is None else store.fetch(keys, counted, deadline)
            for key, picture in came:
                frozen = _frozen(picture)
                flight = mine.get(key)
                if flight is not None:
                    pictures[key] = flight.picture = frozen
                self._keep(key, frozen, from_store=flight is not None and key not in missed)
                if flight is not None:
                    flight.done.set()
        finally:  # whatever happened, nobody waits for what does not come
            with self._lock:
                for key, flight in mine.items():
                    if self._in_flight.get(key) is flight:
                        del self._in_flight[key]
            for flight in mine.values():
                flight.done.set()

    def _held(self, key: FrameKey) -> Picture | None:
        """Return a picture and count that it was there. The lock is held."""
        picture = self._pictures.get(key)
        if picture is not None:
            self.hits += 1
            self._pictures.move_to_end(key)
        return picture

    def _keep(self, key: FrameKey, picture: Picture, from_store: bool = False) -> None:
        """Keep a picture and end its decoding in one, so that it is always in one of both."""
        with self._lock:
            self._store_hits += from_store
            flight = self._in_flight.get(key)
            if flight is not None and flight.picture is picture:
                del self._in_flight[key]
            replaced = self._pictures.pop(key, None)
            if replaced is not None:
                self.nbytes -= replaced.nbytes
            if picture.nbytes > self.max_bytes:
                return
            self._pictures[key] = picture
            self.nbytes += picture.nbytes
            while self.nbytes > self.max_bytes:
                _, dropped = self._pictures.popitem(last=False)
                self.nbytes -= dropped.nbytes
                self._evicted += 1

    def _forget_threads(self) -> None:
        """Go on in a forked process, which has none of the threads that held locks or decoded."""
        self._lock = Lock()
        self._in_flight = {}


def _frozen(picture: Picture) -> Picture:
    """Return the picture read-only, in memory of its own."""
    if picture.base is not None:  # a view would keep its whole base alive, uncounted
        picture = picture.copy()
    picture.setflags(write=False)
    return picture


def _arrivals(
    flights: dict[FrameKey, _InFlight], deadline: float | None
) -> dict[FrameKey, Picture]:
    """Wait for pictures that others decode; return those that came.

    Raises:
        TimeoutError: if the deadline, of the monotonic clock, passes first.
    """
    arrived = {}
    for key, flight in flights.items():
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not flight.done.wait(left):
            raise TimeoutError(
                f"frame {key.frame} of {key.content} was being decoded by another thread and did "
                "not come in time: allow more time, or see whether the file is on a slow disk"
            )
        if flight.picture is not None:
            arrived[key] = flight.picture
    return arrived


_caches: WeakSet[FrameCache] = WeakSet()


def _forget_threads() -> None:
    for cache in _caches:
        cache._forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
