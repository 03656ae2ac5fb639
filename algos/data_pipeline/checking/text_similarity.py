"""What texts of questions are compared by, by name: an embedding where there is one, or letters."""

from __future__ import annotations

from functools import partial

from algos.data_pipeline.checking.near_duplicates import LETTERS
from algos.data_pipeline.checking.written_checks import Similarity
from sage_env.errors import MissingExtra

AUTO = "auto"
"""Name of the default embedding, or of letters where its weights are not here."""
_NEAR = 0.8  # of sentence embeddings, see `Similarity.near`


def find_similarity(name: str = AUTO) -> Similarity:
    """Return what texts are compared by.

    Args:
        name: `letters`; `auto`; or a folder or hub id of a text encoder.

    Raises:
        MissingExtra: if an encoder is named and cannot be loaded for want of a package.
        ToolError: if what is named is none.
    """
    if name == LETTERS:
        return Similarity()
    from sage_env.tools.grounding.text_embedding import HUB_NAME, embed

    source = None if name == AUTO else name
    try:
        embed([""], source)
    except MissingExtra:
        if name != AUTO:
            raise
        return Similarity(name=f"{LETTERS} (the weights of {HUB_NAME} are not here)")
    return Similarity(partial(embed, source=source), source or HUB_NAME, _NEAR)
