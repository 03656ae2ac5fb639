"""Frames to visual features: each distinct frame goes through the frozen vision tower once.

The features of a frame are its merged embeddings and the DeepStack maps of some of the tower's
layers (DeepStack, arXiv 2406.04334; Qwen3-VL, arXiv 2511.21631).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.errors import ModelError
from policies.sage_mm.tokens.mrope import Grid
from policies.sage_mm.vision.batched_tower import BatchedTower
from policies.sage_mm.vision.feature_cache import CacheSizes, Entry, FeatureCache


def patchify(frames: Tensor, patch: int = 16, merge: int = 2) -> Tensor:
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

    Returns:
        float32 `(N * H/patch * W/patch, 3 * 2 * patch * patch)`: channel, time, y, x.
    """
    count, height, width, _ = frames.shape
    side = patch * merge
    rows, columns = height // side, width // side
    x = frames.permute(0, 3, 1, 2).float() / 127.5 - 1.0
    x = x.reshape(count, 3, rows, merge, patch, columns, merge, patch)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7).unsqueeze(6)
    x = x.expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)
    return x.reshape(count * rows * columns * merge * merge, 3 * 2 * patch * patch)


class FrameEncoder:
    """The frozen vision tower with a cache of what it has seen.

    A frame's features are one tensor `(1 + K, n, hidden)`: the merged embedding of its n visual
    tokens, then the K DeepStack maps. They are kept under a key made of the pixels and of the
    tower's weights. Rollout, re-scoring, training and evaluation all ask here.

    Args:
        visual: the vision tower of a Qwen3-VL model.
        cache: how many bytes to keep where.
        chunk: most frames in one pass of the tower. More take more memory at once, and fill a GPU
            better; 64 is not measured.

    Attributes:
        encodes: frames that went through the tower.
        hits: frames requested whose features were held.
    """

    def __init__(self, visual: Any, cache: CacheSizes | None = None, chunk: int = 64) -> None:
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
        self._store = FeatureCache(cache or CacheSizes(), visual.patch_embed.proj.weight.device)
        self._chunk = chunk
        self._seen: set[bytes] = set()
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

    def encode(self, batches: Sequence[NDArray[np.uint8]]) -> list[tuple[bytes, ...]]:
        """Return one key per frame, and have the features of all of them held.

        Args:
            batches: uint8 `(N, H, W, 3)` each; N may be 0, and sizes may differ between batches.

        Returns:
            For each batch, 16 bytes per frame: a hash of its pixels and of the tower's weights.

        Raises:
            ModelError: if frames cannot be cut into whole visual tokens.
        """
        keys = [tuple(self._key(frame) for frame in frames) for frames in batches]
        todo: dict[tuple[int, ...], dict[bytes, NDArray[np.uint8]]] = {}
        known: set[bytes] = set()
        for frames, names in zip(batches, keys, strict=True):
            self.grid_of(frames)
            for name, frame in zip(names, frames, strict=True):
                if name in known or self._store.get(name) is not None:
                    self.hits += 1
                else:
                    todo.setdefault(frame.shape, {})[name] = frame
                known.add(name)
        self._seen |= known
        for fresh in todo.values():
            names = tuple(fresh)
            for at in range(0, len(names), self._chunk):
                self._encode_chunk(names[at : at + self._chunk], fresh)
        return keys

    def grids(self, keys: Sequence[bytes]) -> list[Grid]:
        """Return the grid of each frame: its rows and columns of visual tokens.

        Raises:
            KeyError: if a frame has been dropped from the cache or was never encoded here.
        """
        return [self._entry(key)[0] for key in keys]

    def features(self, keys: Sequence[bytes]) -> Tensor:
        """Return the features of frames, one after the other: `(1 + K, sum of n, hidden)`.

        Args:
            keys: of the frames, at least one; n is the number of visual tokens of each.

        Returns:
            A tensor of the tower's dtype, on the device where the first frame is kept: on the CPU
            or beside the model.

        Raises:
            KeyError: if a frame has been dropped from the cache or was never encoded here.
        """
        found = [self._entry(key)[1] for key in keys]
        return torch.cat([features.to(found[0].device) for features in found], dim=1)

    def entries(self, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """Return the grids and features `(1 + K, n, hidden)` of frames, for another's `adopt`."""
        return {key: self._entry(key) for key in keys}

    def adopt(self, entries: Mapping[bytes, Entry]) -> None:
        """Keep what `entries` of an encoder with the same weights returned in another process."""
        for key, entry in entries.items():
            self._store.put(key, entry)

    def _entry(self, key: bytes) -> Entry:
        entry = self._store.get(key)
        if entry is None:
            raise KeyError(
                f"the features of frame {key.hex()} are not in the cache ({self._store}): raise "
                "the sizes in CacheSizes, or collect fewer episodes before training on them"
            )
        return entry

    def _key(self, frame: NDArray[np.uint8]) -> bytes:
        digest = hashlib.blake2b(self._weights, digest_size=16)
        digest.update(repr(frame.shape).encode())
        digest.update(np.ascontiguousarray(frame).data)
        return digest.digest()

    @torch.no_grad()
    def _encode_chunk(self, names: Sequence[bytes], pixels: dict[bytes, NDArray[np.uint8]]) -> None:
        frames = np.stack([pixels[name] for name in names])
        grid = self.grid_of(frames)
        weight = self._tower.visual.patch_embed.proj.weight
        rows = patchify(torch.from_numpy(frames).to(weight.device), self._patch, self._merge)
        patches = grid[0] * self._merge, grid[1] * self._merge
        maps = torch.stack(self._tower(rows.to(weight.dtype), patches))
        maps = maps.view(len(maps), len(names), -1, maps.shape[-1]).transpose(0, 1)
        for name, features in zip(names, maps, strict=True):
            self._store.put(name, (grid, features.clone()))
        self.encodes += len(names)


def _weights_hash(module: torch.nn.Module) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.digest()
