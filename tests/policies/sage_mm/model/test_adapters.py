"""Laws of `policies.sage_mm.model.adapters`: what is plain LoRA, and what a fingerprint tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from peft import LoraConfig  # noqa: E402

from policies.errors import ModelError  # noqa: E402
from policies.sage_mm.model.adapters import (  # noqa: E402
    LANGUAGE_LINEARS,
    LoraSettings,
    fingerprint,
    lora_config,
)


def test_settings_become_the_configuration_of_every_linear_layer() -> None:
    found = lora_config(LoraSettings(r=3, alpha=7, seed=5))
    assert (found.r, found.lora_alpha, found.target_modules) == (3, 7, LANGUAGE_LINEARS)
    assert found.task_type == "CAUSAL_LM" and found.lora_dropout == 0.0 and found.bias == "none"


@pytest.mark.parametrize(
    "more", [{"modules_to_save": ["lm_head"]}, {"bias": "all"}, {"use_dora": True}]
)
def test_each_thing_beside_low_rank_matrices_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="^the given LoraConfig asks for modules_to_save, bias or"):
        lora_config(LoraConfig(target_modules=["q_proj"], **more))


def test_a_given_configuration_is_trained_and_left_as_it_is() -> None:
    given = LoraConfig(
        r=5, target_modules=["q_proj"], inference_mode=True, base_model_name_or_path="/home/me"
    )
    found = lora_config(given)
    assert (found.r, found.inference_mode, found.base_model_name_or_path) == (5, False, None)
    assert given.inference_mode and given.base_model_name_or_path == "/home/me"


def base(rows: int = 4, dtype=torch.float32, **norms: float) -> Any:
    """A network of an embedding and some norms, as far as a fingerprint looks at it."""
    embedding = torch.arange(rows * 2, dtype=torch.float32).view(rows, 2).to(dtype)
    named = {name: torch.full((3,), value).to(dtype) for name, value in norms.items()}
    language = SimpleNamespace(
        named_parameters=lambda: named.items(), embed_tokens=SimpleNamespace(weight=embedding)
    )
    return SimpleNamespace(model=SimpleNamespace(language_model=language))


def test_a_fingerprint_tells_norms_their_names_and_the_embedding_apart() -> None:
    one = fingerprint(base(norm_a=1.0, norm_b=2.0))
    assert len(one) == 32 and one == fingerprint(base(norm_b=2.0, norm_a=1.0)), "in any order"
    others = [
        base(norm_a=2.0, norm_b=1.0), base(norm_a=1.0, norm_c=2.0), base(norm_a=1.0),
        base(5, norm_a=1.0, norm_b=2.0),
    ]  # fmt: skip
    assert len({one, *map(fingerprint, others)}) == 5


def test_a_fingerprint_looks_at_nothing_else_and_at_no_more_than_16_bits() -> None:
    one = fingerprint(base(norm=1.0))
    assert one == fingerprint(base(norm=1.0, q_proj=3.0)), "quantised weights have no such bits"
    assert one == fingerprint(base(norm=1.0, norm_lora_A=3.0)), "nor has an adapter a say"
    assert one == fingerprint(base(norm=1.0, dtype=torch.bfloat16))
    assert one == fingerprint(base(norm=1.0 + 1e-4)) != fingerprint(base(norm=1.01))
