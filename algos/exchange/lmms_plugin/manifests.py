"""The entry point of the group `lmms_eval.models`: lmms-eval calls it to learn of our model."""

from __future__ import annotations

from typing import Any


def model_manifest() -> Any:
    """Return the `ModelManifest` of the model `sage-vqa`; only lmms-eval has that class."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(
        model_id="sage-vqa",
        chat_class_path="algos.exchange.lmms_plugin.agent_model.SageVqa",
        aliases=("sage_vqa",),
    )
