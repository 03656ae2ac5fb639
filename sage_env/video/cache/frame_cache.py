"""A cache of decoded pictures that is bounded in bytes and shared by all videos of a process.

Equal requests are coalesced ("request coalescing", or "single-flight" after Go's `singleflight`):
of the threads that ask for a picture at the same time, one decodes it, and the others wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Lock
from weakref import WeakSet

from sage_env.storage.byte_lru import ByteLRU
from sage_env.storage.forking import on_fork
from sage_env.video.cache.frame_key import (
    Decode,
    FetchedPicture,
    FrameKey,
    Picture,
    PictureStore,
)


@dataclass(frozen=True)
class CacheStats:
    """Counts of a cache's work since it was made.

    `hits + coalesced + store_hits + misses` is the number of pictures requested, once the requests
    have ended and if none of them failed.

    Attributes:
        hits: pictures that were held.
        coalesced: pictures that another thread was decoding, and that were waited for.
        store_hits: pictures that came from the store, where another process has put them.
        misses: pictures that nobody had: the one who asked decoded them, or failed to.
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
    """A picture that some thread is decoding.

    Attributes:
        done: is set when the decoding has ended, in whatever way.
        picture: stays `None` if the decoding failed, or ended without this picture.
    """

    __slots__ = ("done", "picture")

    def __init__(self) -> None:
        self.done = Event()
        self.picture: Picture | None = None


class FrameCache:
    """Keeps the most recently used pictures, at most `max_bytes` of pixels. Thread-safe.

    Attributes:
        max_bytes: upper bound of `nbytes`; 0 keeps nothing.
        store: where `fetch` also looks and writes, to share with other processes.
        hits: pictures requested that were held.
        misses: pictures requested that were nowhere and that nobody was decoding.
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
        self.hits = 0
        self.misses = 0
        self._coalesced = 0
        self._store_hits = 0
        self._evicted = 0
        self._pictures: ByteLRU[FrameKey, Picture] = ByteLRU(max_bytes)
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
    def nbytes(self) -> int:
        """Return the bytes of the pixels now held."""
        return self._pictures.nbytes

    @property
    def stats(self) -> CacheStats:
        """Return what the cache has done so far."""
        with self._lock:
            counts = self.hits, self._coalesced, self._store_hits, self.misses
            return CacheStats(*counts, self._evicted, self.nbytes)

    def get(self, key: FrameKey) -> Picture | None:
        """Return the picture, uint8 `(H, W, 3)` and read-only, or `None` if it is not held."""
        with self._lock:
            picture = self._pictures.get(key)
            if picture is None:
                self.misses += 1
            else:
                self.hits += 1
            return picture

    def absent(self, keys: Sequence[FrameKey]) -> list[FrameKey]:
        """Return those keys whose pictures are neither held nor being decoded by any thread."""
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

        No picture is decoded twice at the same time, nor in two processes that share a store. In
        rounds, until every picture is there:

        1. Take what is held; claim what nobody is decoding; note what others are decoding.
        2. Obtain what was claimed, from the store or by decoding.
        3. Wait for what others are decoding. If one of them fails, or ends without a picture, that
           picture is absent still, and one of those who wait claims it in the next round.

        What `decode` raises reaches its own caller only. Everyone decodes (2) before waiting (3),
        so that no two threads wait for each other.

        Args:
            keys: in any order, also several times.
            decode: is called with the keys that it has to decode, in the order of `keys`, each at
                most once: in the first round, and once more if the thread that owned a key failed.
                A picture that it yields is there for others at once, whatever comes after. Keys
                that it was not asked for are kept, but not returned.
            timeout: seconds to wait for others; `None` for no limit. `decode` has its own.

        Returns:
            The pictures by key, uint8 `(H, W, 3)` each and read-only. Those that `decode` ended
            without are left out: whether that is an error, the caller knows best.

        Raises:
            TimeoutError: if others take longer than `timeout`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pictures: dict[FrameKey, Picture] = {}
        absent = list(dict.fromkeys(keys))
        while absent:
            mine, theirs = self._claim(absent, pictures)
            if mine:
                self._obtain(mine, decode, pictures, deadline)
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
                picture = self._pictures.get(key)
                if picture is not None:
                    self.hits += 1
                    pictures[key] = picture
                elif key in self._in_flight:
                    theirs[key] = self._in_flight[key]
                else:
                    mine[key] = self._in_flight[key] = _InFlight()
        return mine, theirs

    def _obtain(
        self,
        mine: dict[FrameKey, _InFlight],
        decode: Decode,
        pictures: dict[FrameKey, Picture],
        deadline: float | None,
    ) -> None:
        """Obtain the pictures that were claimed, and wake up those who wait for them.

        1. Each picture that comes, from the store or from `decode`, is made read-only.
        2. One that was claimed goes to `pictures` and to its flight; others are only kept.
        3. It is kept and its flight ended under one lock, and then its waiters are woken: they go
           on before the rest of the request is decoded.
        4. At the end, in whatever way it came, the flights that are left end without a picture, and
           the request is counted.

        Args:
            mine: the flights of the keys that this thread has claimed.
            decode: see `fetch`.
            pictures: is added to.
            deadline: seconds on the clock of `time.monotonic`; `None` for no limit.
        """
        store_hits = 0
        try:
            # Closed at once if this loop fails: what the store has claimed must not wait until the
            # error, which refers to this frame, has been forgotten.
            with closing(self._source(list(mine), decode, deadline)) as coming:
                for key, picture, decoded in coming:
                    frozen = _frozen(picture)
                    flight = mine.get(key)
                    if flight is None:  # prefetched: nobody has asked for it
                        self._keep(key, frozen)
                        continue
                    pictures[key] = flight.picture = frozen
                    store_hits += not decoded
                    self._keep(key, frozen)
                    flight.done.set()
        finally:
            self._end(mine, store_hits)

    def _source(
        self, keys: list[FrameKey], decode: Decode, deadline: float | None
    ) -> Generator[FetchedPicture, None, None]:
        """Yield the pictures of claimed keys: through the store where there is one."""
        if self.store is not None:
            yield from self.store.fetch(keys, decode, deadline)
            return
        for key, picture in decode(keys):
            yield FetchedPicture(key, picture, decoded=True)

    def _end(self, mine: dict[FrameKey, _InFlight], store_hits: int) -> None:
        """End the flights of a request, those without a picture too, and count it."""
        with self._lock:
            self._store_hits += store_hits
            self.misses += len(mine) - store_hits
            for key, flight in mine.items():
                if self._in_flight.get(key) is flight:
                    del self._in_flight[key]
        for flight in mine.values():
            flight.done.set()

    def _keep(self, key: FrameKey, picture: Picture) -> None:
        """Keep a picture and end its flight in one step, so that it is always in one of both."""
        with self._lock:
            flight = self._in_flight.get(key)
            if flight is not None and flight.picture is picture:
                del self._in_flight[key]
            self._evicted += self._pictures.put(key, picture, picture.nbytes)

    def _forget_threads(self) -> None:
        """Go on in a forked process, which has none of the threads that held locks or decoded."""
        self._lock = Lock()
        self._in_flight = {}
        self._pictures.recount()


def _frozen(picture: Picture) -> Picture:
    """Return the picture, uint8 `(H, W, 3)`, read-only and in memory of its own."""
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


on_fork(_forget_threads)
