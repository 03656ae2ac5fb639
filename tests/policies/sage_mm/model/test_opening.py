"""Laws of `policies.sage_mm.model.pretrained`: devices, what a library is asked for, its bars."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from transformers.utils import logging  # noqa: E402

from policies.errors import ModelError  # noqa: E402
from policies.sage_mm.model import pretrained  # noqa: E402
from policies.sage_mm.model.pretrained import (  # noqa: E402
    find_device,
    four_bit_settings,
    open_checkpoint,
)


@pytest.mark.parametrize(
    ("device", "there", "expected"),
    [
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda"),
        ("cpu", 0, "cpu"),
        ("cpu", 2, "cpu"),
        ("cuda", 0, None),
        ("cuda", 1, "cuda"),
        ("cuda:0", 0, None),
        ("cuda:0", 1, "cuda:0"),
        ("cuda:1", 1, None),
        ("cuda:1", 2, "cuda:1"),
        ("meta", 0, "meta"),
    ],
)
def test_a_device_is_one_that_is_there(monkeypatch, device, there, expected) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    if expected is None:
        with pytest.raises(ModelError, match=f"torch sees {there} CUDA devices"):
            find_device(device)
    else:
        assert find_device(device) == torch.device(expected)
        assert find_device(torch.device(expected)) == torch.device(expected)


def test_four_bits_are_those_of_qlora_and_of_the_language_model() -> None:
    found = four_bit_settings(torch.float16)
    assert found.load_in_4bit and found.bnb_4bit_use_double_quant
    assert found.bnb_4bit_quant_type == "nf4" and found.bnb_4bit_compute_dtype == torch.float16
    assert found.llm_int8_skip_modules == ["model.visual", "lm_head"]


@pytest.mark.parametrize("four_bit", [False, True])
def test_the_library_is_asked_for_what_was_asked_for(tiny_folder, monkeypatch, four_bit) -> None:
    asked = []

    class Loader:
        @staticmethod
        def from_pretrained(source, **options):
            asked.append((source, options))
            return "the network"

    monkeypatch.setitem(pretrained.ARCHITECTURES, "qwen3_vl", Loader)
    monkeypatch.setattr(pretrained, "find_spec", lambda name: "there")
    opened = open_checkpoint(tiny_folder, dtype="bfloat16", four_bit=four_bit)
    ((source, options),) = asked
    assert opened.base == "the network" and source == str(tiny_folder)
    quantised = options.pop("quantization_config", None)
    assert options.pop("device_map", None) == ({"": torch.device("cpu")} if four_bit else None)
    assert options == {
        "dtype": torch.bfloat16, "attn_implementation": "sdpa", "trust_remote_code": False
    }  # fmt: skip
    assert (quantised is not None) == four_bit
    assert quantised is None or quantised.bnb_4bit_compute_dtype == torch.bfloat16


def test_a_base_for_another_device_is_never_whole_in_memory(tiny_folder, monkeypatch) -> None:
    asked = []
    loader = type("Loader", (), {"from_pretrained": staticmethod(lambda s, **o: asked.append(o))})
    monkeypatch.setitem(pretrained.ARCHITECTURES, "qwen3_vl", loader)
    open_checkpoint(tiny_folder, device="meta")
    assert asked[0]["device_map"] == {"": torch.device("meta")}
    assert asked[0]["dtype"] == torch.float32 and "quantization_config" not in asked[0]


def test_a_checkpoint_that_says_nothing_is_prompted_in_full(tiny_folder, tmp_path, monkeypatch):
    loader = type("Loader", (), {"from_pretrained": staticmethod(lambda s, **o: None)})
    monkeypatch.setitem(pretrained.ARCHITECTURES, "qwen3_vl", loader)
    for path in tiny_folder.iterdir():
        if path.name != "sage_mm.json" and path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    opened = open_checkpoint(tmp_path)
    assert opened.tokens.style == "full" and opened.env_options == {}
    (tmp_path / "sage_mm.json").write_text("{}")
    opened = open_checkpoint(tmp_path)
    assert opened.tokens.style == "full" and opened.env_options == {}
    (tmp_path / "sage_mm.json").write_text('{"prompt": "brief", "env": {"max_turns": 3}}')
    opened = open_checkpoint(tmp_path)
    assert opened.tokens.style == "brief" and opened.env_options == {"max_turns": 3}


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("local", [True, False])
def test_a_bar_of_the_library_is_hidden_for_a_folder_and_comes_back(tmp_path, shown, local) -> None:
    source = str(tmp_path) if local else "owner/name"
    before = logging.is_progress_bar_enabled()
    (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
    try:
        with pretrained.quiet_loading(source):
            assert logging.is_progress_bar_enabled() == (shown and not local)
        assert logging.is_progress_bar_enabled() == shown
        with pytest.raises(ZeroDivisionError), pretrained.quiet_loading(source):
            raise ZeroDivisionError
        assert logging.is_progress_bar_enabled() == shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()
