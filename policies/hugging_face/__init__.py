"""Any image-text-to-text model of Hugging Face, as it comes: it plays, and is not trained.

The checkpoint's own processor and chat template write the conversation, and its own `generate`
reads it, so that a family needs no code of ours.

May not: run code that comes with a checkpoint; be trained, since each turn is read anew; give what
a model does not write for its action.

Read in this order: `chat_layout` (what a chat template can write, found by trying it),
`conversation` (one episode: what was shown and said) — both without torch — then `draws` (one token
per episode and step), `chat_model` (conversations in, replies out), `checkpoint` (loading one) and
`policy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from policies.hugging_face.policy import HuggingFacePolicy

__all__ = ["HuggingFacePolicy"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"HuggingFacePolicy": "policies.hugging_face.policy"}, extra="sage"
)
