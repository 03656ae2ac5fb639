"""Frames to visual features: each distinct frame goes through the frozen vision tower once.

A frame's features are the same to the last bit whatever it is encoded with: a product of matrices
rounds differently with another number of rows, so every pass of the tower has one number of frames,
which depends on their size alone, and is filled up with black ones. So a cache that lost a frame
costs time, and a resumed run stays the run that it was.

The features of a frame are its merged embeddings and the DeepStack maps of some of the tower's
layers (DeepStack, arXiv 2406.04334; Qwen3-VL, arXiv 2511.21631).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.errors import ModelError
from policies.sage_mm.tokens.mrope import Grid
from policies.sage_mm.vision.batched_tower import BatchedTower, Normal
from policies.sage_mm.vision.feature_cache import CacheSizes, Entry, FeatureCache
from policies.sage_mm.vision.picture_file import Picture, PictureFile
from sage_env.framing.picture_region import pictures

_log = logging.getLogger(__name__)
# Patches of one pass. On a CPU a frame of 224x224 pixels (196 patches) gains nothing from others
# beside it, one of 64x64 (16) is encoded 2.3 times faster among seven more. For a GPU it is
# reckoned, not measured: about what fills one with a tower of 300 M parameters.
CPU_PATCHES, GPU_PATCHES = 128, 4096


def patchify(
    frames: Tensor, patch: int = 16, merge: int = 2, normal: Normal | None = None
) -> Tensor:
    """Cut frames into the rows that the vision tower reads, each frame a video of its own.

    What transformers does in `models/qwen3_vl/video_processing_qwen3_vl.py` with a video of one
    frame. Values are scaled to [-1, 1], and a frame stands twice in its temporal patch. Rows are
    ordered by frame, then by visual token, then by the `merge * merge` patches of that token, each
    row by row:

        a frame of 4 by 4 patches, merge 2:      its 16 rows in order:
            a b  c d                             a b e f   c d g h   i j m n   k l o p
            e f  g h
            i j  k l
            m n  o p

    Args:
        frames: uint8 `(N, H, W, 3)`; H and W multiples of `patch * merge`.
        patch: side of a patch in pixels.
        merge: side of a visual token in patches.
        normal: mean and standard deviation of the colours, from 0 to 1; `None` for 0.5 and 0.5.

    Returns:
        float32 `(N * H/patch * W/patch, 3 * 2 * patch * patch)`: channel, time, y, x.
    """
    count, height, width, _ = frames.shape
    side = patch * merge
    rows, columns = height // side, width // side
    x = frames.permute(0, 3, 1, 2).float()
    if normal is None:
        x = x / 127.5 - 1.0
    else:
        mean, deviation = (x.new_tensor(values).view(3, 1, 1) for values in normal)
        x = (x / 255.0 - mean) / deviation
    x = x.reshape(count, 3, rows, merge, patch, columns, merge, patch)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6)
    x = x.expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)
    return x.reshape(count * rows * columns * merge * merge, 3 * 2 * patch * patch)


class FrameEncoder:
    """The frozen vision tower with a cache of what it has seen.

    A frame's features are one tensor `(1 + K, n, hidden)`: the merged embedding of its n visual
    tokens, then the K DeepStack maps. They are kept under a key made of the pixels and of the
    tower's weights. Rollout, re-scoring, training and evaluation all ask here. Features that the
    cache has dropped are made again from the frame's pixels, which `PictureFile` keeps.

    Args:
        visual: the vision tower of a Qwen3-VL or Qwen2.5-VL model.
        cache: how many bytes to keep where.
        chunk: most frames in one pass of the tower, see `frames_per_pass`.
        cut_bars: see `pictures`.

    Attributes:
        cut_bars: may be changed between episodes.
        encodes: frames that went through the tower, those that were dropped since once more.
        hits: frames requested whose features were held.
    """

    def __init__(
        self,
        visual: Any,
        cache: CacheSizes | None = None,
        chunk: int = 64,
        *,
        cut_bars: bool = True,
    ) -> None:
        """Hash the tower's weights.

        Raises:
            ModelError: if the tower joins another number of frames than two in a patch.
        """
        self._tower = BatchedTower(visual)
        if (pair := int(visual.config.temporal_patch_size)) != 2:
            raise ModelError(
                f"expected a vision tower with 2 frames per patch, got one with {pair}"
            )
        self._patch, self._merge = self._tower.patch, self._tower.merge
        self._weights = _weights_hash(visual)
        sizes = cache or CacheSizes()
        self._store = FeatureCache(sizes, visual.patch_embed.proj.weight.device)
        self._pictures = PictureFile(sizes.pictures)
        self._chunk = chunk
        self.cut_bars = cut_bars
        self._seen: set[bytes] = set()
        self._warned = False
        self.encodes = self.hits = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of features in the CPU's memory."""
        return self._store.held_bytes

    @property
    def distinct(self) -> int:
        """How many different frames were requested."""
        return len(self._seen)

    @property
    def visual(self) -> Any:
        """The vision tower."""
        return self._tower.visual

    def pictures(self, observation: Mapping[str, Any]) -> list[Picture]:
        """Return what is read of the frames that an observation of `VideoQAEnv` shows.

        With `cut_bars` that is the smallest part of each frame that holds its picture in whole
        visual tokens, so that none is spent on a black bar; without, it is the whole frame. In a
        frame of 224 by 224 a picture of 16:9 has 126 rows, and is read as 128 by 224: 4 rows of 7
        visual tokens instead of 7.

        Returns:
            One uint8 `(h, w, 3)` for each frame, views; sizes may differ.

        Raises:
            ModelError: if the frames cannot be cut into whole visual tokens.
        """
        self.grid_of(observation["frames"])
        if self.cut_bars:
            return pictures(observation, self._patch * self._merge)
        return list(observation["frames"][: int(observation["num_frames"])])

    def tokens_per_picture(self, observation: Mapping[str, Any]) -> list[int]:
        """Return how many visual tokens each of an observation's `pictures` takes.

        Raises:
            ModelError: as `pictures`.
        """
        grids = [self.grid_of(picture[None]) for picture in self.pictures(observation)]
        return [rows * columns for rows, columns in grids]

    def least_tokens(self, observation: Mapping[str, Any]) -> int:
        """Return the visual tokens of a frame like those shown: the fewest that one of them takes.

        Where none is shown and bars are cut it is 1, since nobody knows yet how much is picture.

        Raises:
            ModelError: as `pictures`.
        """
        rows, columns = self.grid_of(observation["frames"])
        if not self.cut_bars or "picture" not in observation:
            return rows * columns
        return min(self.tokens_per_picture(observation), default=1)

    def grid_of(self, frames: NDArray[np.uint8]) -> Grid:
        """Return the rows and columns of visual tokens of frames, uint8 `(N, H, W, 3)`.

        Raises:
            ModelError: if the frames cannot be cut into whole visual tokens.
        """
        height, width = frames.shape[1:3]
        side = self._patch * self._merge
        if height % side or width % side:
            near = tuple(max(1, round(x / side)) * side for x in (height, width))
            raise ModelError(
                f"frames must have a height and width that are multiples of {side} pixels, got "
                f"{height}x{width}: make the environment with frame_size={near}"
            )
        return height // side, width // side

    def frames_per_pass(self, grid: Grid) -> int:
        """Return how many frames, of a grid of visual tokens, every pass of the tower has."""
        on_cpu = self._tower.visual.patch_embed.proj.weight.device.type == "cpu"
        patches = grid[0] * grid[1] * self._merge**2
        fitting = (CPU_PATCHES if on_cpu else GPU_PATCHES) // patches
        return min(max(1, fitting), self._chunk)

    def encode(self, batches: Sequence[Collection[Picture]]) -> list[tuple[bytes, ...]]:
        """Return one key per frame, and have the features of all of them held.

        Args:
            batches: N frames each, uint8 `(H, W, 3)`; N may be 0, and sizes may differ.

        Returns:
            For each batch, 16 bytes per frame: a hash of its pixels and of the tower's weights.

        Raises:
            ModelError: if frames cannot be cut into whole visual tokens.
        """
        keys = [tuple(self._key(frame) for frame in frames) for frames in batches]
        fresh: dict[bytes, Picture] = {}
        known: set[bytes] = set()
        for frames, names in zip(batches, keys, strict=True):
            for name, frame in zip(names, frames, strict=True):
                self.grid_of(frame[None])
                if name in known or self._store.get(name) is not None:
                    self.hits += 1
                else:
                    fresh[name] = frame
                if name not in known:
                    self._pictures.put(name, frame)
                known.add(name)
        self._seen |= known
        self._encode(fresh)
        return keys

    def grids(self, keys: Sequence[bytes]) -> list[Grid]:
        """Return the grid of each frame: its rows and columns of visual tokens.

        Raises:
            KeyError: if a frame was never encoded here, or neither its features nor its pixels are
                kept any more.
        """
        return [self._grid(key) for key in keys]

    def features(self, keys: Sequence[bytes]) -> Tensor:
        """Return the features of frames, one after the other: `(1 + K, sum of n, hidden)`.

        Those that the cache has dropped are made again.

        Args:
            keys: of the frames, at least one; n is the number of visual tokens of each.

        Returns:
            A tensor of the tower's dtype, on the device where the first frame is kept: on the CPU
            or beside the model.

        Raises:
            KeyError: as `grids`.
        """
        entries = self.entries(keys)
        found = [entries[key][1] for key in keys]
        return torch.cat([features.to(found[0].device) for features in found], dim=1)

    def entries(self, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """Return the grids and features `(1 + K, n, hidden)` of frames, for another's `adopt`.

        Raises:
            KeyError: as `grids`.
        """
        found: dict[bytes, Entry] = {}
        lost: dict[bytes, Picture] = {}
        for key in dict.fromkeys(keys):
            entry = self._store.get(key)
            if entry is not None:
                found[key] = entry
            else:
                lost[key] = self._picture(key)
        if lost and not self._warned:
            self._warned = True
            _log.warning(
                "the cache of features (%s) is too small for what is asked of it: frames are "
                "encoded again; raise the sizes in CacheSizes",
                self._store,
            )
        return found | self._encode(lost)

    def adopt(self, entries: Mapping[bytes, Entry]) -> None:
        """Keep what `entries` of an encoder with the same weights returned in another process."""
        for key, entry in entries.items():
            self._store.put(key, entry)

    def _grid(self, key: bytes) -> Grid:
        entry = self._store.get(key)
        return self.grid_of(self._picture(key)[None]) if entry is None else entry[0]

    def _picture(self, key: bytes) -> Picture:
        """Return the pixels uint8 `(H, W, 3)` of a frame whose features were dropped."""
        picture = self._pictures.get(key)
        if picture is None or self._key(picture) != key:
            raise KeyError(
                f"the features of frame {key.hex()} are not in the cache ({self._store}), and its "
                "pixels are not kept: encode it first, raise the sizes in CacheSizes, or collect "
                "fewer episodes before training on them"
            )
        return picture

    def _key(self, frame: NDArray[np.uint8]) -> bytes:
        digest = hashlib.blake2b(self._weights, digest_size=16)
        digest.update(repr(frame.shape).encode())
        digest.update(np.ascontiguousarray(frame).data)
        return digest.digest()

    def _encode(self, pictures: Mapping[bytes, Picture]) -> dict[bytes, Entry]:
        """Encode frames, those of a size together; return their features, and keep what fits."""
        sizes: dict[tuple[int, ...], list[bytes]] = {}
        for name, picture in pictures.items():
            sizes.setdefault(picture.shape, []).append(name)
        found: dict[bytes, Entry] = {}
        for names in sizes.values():
            step = self.frames_per_pass(self.grid_of(pictures[names[0]][None]))
            for at in range(0, len(names), step):
                part = names[at : at + step]
                stacked = np.stack([pictures[name] for name in part])
                found |= zip(part, self._pass(stacked, step), strict=True)
        for name, entry in found.items():
            self._store.put(name, entry)
        self.encodes += len(found)
        return found

    @torch.no_grad()
    def _pass(self, frames: NDArray[np.uint8], count: int) -> list[Entry]:
        """Run the tower on at most `count` frames, uint8 `(N, H, W, 3)`, filled up with black."""
        grid = self.grid_of(frames)
        full = np.zeros((count, *frames.shape[1:]), np.uint8)
        full[: len(frames)] = frames
        weight = self._tower.visual.patch_embed.proj.weight
        patches = grid[0] * self._merge, grid[1] * self._merge
        normal = self._tower.normal
        rows = patchify(torch.from_numpy(full).to(weight.device), self._patch, self._merge, normal)
        maps = torch.stack(self._tower(rows.to(weight.dtype), patches))
        maps = maps.view(len(maps), count, -1, maps.shape[-1]).transpose(0, 1)
        return [(grid, features.clone()) for features in maps[: len(frames)]]


def _weights_hash(module: torch.nn.Module) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.digest()
