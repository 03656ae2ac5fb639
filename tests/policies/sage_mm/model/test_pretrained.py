"""Laws of `policies.sage_mm.model.pretrained`, `adapters`: what loads, and what is said else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import Qwen3VLForConditionalGeneration  # noqa: E402

from policies.errors import ModelError  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.model import adapters  # noqa: E402
from policies.sage_mm.model.pretrained import find_dtype, four_bit_settings  # noqa: E402
from sage_env import Invalid, Skip  # noqa: E402
from sage_env.errors import MissingExtra  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402
from tests.helpers.tiny_model import QWEN_LAYOUT, write_tiny_model  # noqa: E402

THINKING = QWEN_LAYOUT.replace(
    "{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\n<think>\n' }}"
)


@pytest.fixture(scope="module")
def moe_folder(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("moe") / "model", experts=4)


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy of the tiny model whose small files may be changed."""
    for path in tiny_folder.iterdir():
        copy = tmp_path / path.name
        copy.symlink_to(path) if path.suffix == ".safetensors" else copy.write_bytes(
            path.read_bytes()
        )
    return tmp_path


def rewrite(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def sampled_and_rescored(policy, turns=3):
    stir(policy)
    policy.max_new_tokens = 8
    policy.reset(seed=1)
    batch = as_batch([play(policy, episode(i, turns), i) for i in range(2)])
    return batch, policy.evaluate(batch).logprobs


def test_the_base_has_the_type_that_was_asked_for(tiny_folder):
    policy = SageMM.load(tiny_folder, dtype="bfloat16", device="cpu", lora=LoraSettings(r=4))
    trained = {id(p) for p in (*policy.actor_parameters(), *policy.critic_parameters())}
    types = {p.dtype for p in policy.model.base.parameters() if id(p) not in trained}
    assert types == {torch.bfloat16}
    assert {p.dtype for p in policy.actor_parameters()} == {torch.float32}
    batch, again = sampled_and_rescored(policy, turns=2)
    assert again.dtype == torch.float32
    # bfloat16 has 8 bits: batches and keys and values that were kept round differently
    assert (again - batch.old_logprobs).abs().max() < 0.2
    policy.evaluate(batch).logprobs.sum().backward()
    assert all(p.grad is not None for p in policy.actor_parameters())


def test_auto_is_float32_on_a_cpu(folder):
    rewrite(folder / "config.json", dtype="bfloat16")
    device = "cpu" if torch.cuda.is_available() else "auto"
    base = SageMM.load(folder, dtype="auto", device=device).model.base
    assert base.dtype == torch.float32 and base.device.type == "cpu"


def test_a_mixture_of_experts(moe_folder):
    policy = SageMM.load(moe_folder, lora=LoraSettings(r=4))
    assert type(policy.model.base).__name__ == "Qwen3VLMoeForConditionalGeneration"
    batch, again = sampled_and_rescored(policy)
    torch.testing.assert_close(again, batch.old_logprobs, atol=2e-5, rtol=0)
    names = {
        name.split(".lora_")[0].rpartition(".")[2] for name in policy.state() if "lora" in name
    }
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_lora_of_peft_is_taken_as_it_is(tiny_folder):
    config = LoraConfig(r=2, target_modules=r".*language_model.*q_proj", lora_dropout=0.5)
    policy = SageMM.load(tiny_folder, lora=config)
    lora = [name for name in policy.state() if "lora" in name]
    assert len(lora) == 6 and all("q_proj" in name for name in lora)
    batch, again = sampled_and_rescored(policy)  # dropout must not act, or these would differ
    torch.testing.assert_close(again, batch.old_logprobs, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(target_modules=r".*(qkv|q_proj)"), "vision tower is frozen"),
        (dict(target_modules=["q_proj"], modules_to_save=["lm_head"]), "modules_to_save"),
        (dict(target_modules=["no_such_layer"]), "does not suit the checkpoint"),
        (dict(target_modules=["q_proj"], r=10**8), "rank of an adapter must be at most"),
    ],
)
def test_lora_beyond_the_language_model_is_refused(tiny_folder, settings, message):
    with pytest.raises(ModelError, match=message):
        SageMM.load(tiny_folder, lora=LoraConfig(**settings))


def test_an_adapter_of_plain_peft_starts_the_actor(tiny_folder, tmp_path):
    base = Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder)
    model = get_peft_model(base, LoraConfig(r=2, target_modules=r".*language_model.*v_proj"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.3)
    model.save_pretrained(tmp_path / "adapter")
    policy = SageMM.load(tiny_folder, adapter=tmp_path / "adapter")
    text = torch.arange(20, 50)[None]
    with torch.no_grad():
        hidden = policy.model.hidden(text, torch.arange(30).expand(3, 1, 30), ())
        found = policy.model.base.lm_head(hidden)
        torch.testing.assert_close(found, model(input_ids=text).logits, atol=1e-5, rtol=0)


def test_an_adapter_without_a_fingerprint_is_taken_at_its_word(tiny_folder, tmp_path):
    """One that is no safetensors file has none; float16 rounds the base's differently."""
    SageMM.load(tiny_folder, lora=LoraSettings(r=2)).save_adapter(tmp_path / "adapter")
    SageMM.load(tiny_folder, adapter=tmp_path / "adapter", dtype="float16")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    from safetensors.torch import load_file

    torch.save(load_file(weights), tmp_path / "adapter" / "adapter_model.bin")
    weights.unlink()
    (tmp_path / "adapter" / "SHA256SUMS").unlink(missing_ok=True)  # peft writes none
    assert SageMM.load(tiny_folder, adapter=tmp_path / "adapter").model.adapter == "actor"


def test_an_adapter_for_another_base_is_refused(tiny_folder, tmp_path):
    SageMM.load(tiny_folder, lora=LoraSettings(r=2)).save_adapter(tmp_path / "adapter")
    SageMM.load(tiny_folder, adapter=tmp_path / "adapter", dtype="bfloat16")  # the same weights
    wide = write_tiny_model(tmp_path / "wide", layers=4)
    twin = write_tiny_model(tmp_path / "twin", seed=1)
    for other, message in ((wide, "with other weights"), (twin, "with other weights")):
        with pytest.raises(ModelError, match=message):
            SageMM.load(other, adapter=tmp_path / "adapter")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file(load_file(weights), weights)  # as peft writes it: without a fingerprint
    with pytest.raises(ModelError, match="adapter_model.safetensors is damaged"):
        SageMM.load(wide, adapter=tmp_path / "adapter")
    (tmp_path / "adapter" / "SHA256SUMS").unlink()  # nor digests
    with pytest.raises(ModelError, match=r"for another base: .* is absent there"):
        SageMM.load(wide, adapter=tmp_path / "adapter")
    with pytest.raises(ModelError, match="not the folder or hub id of a peft adapter"):
        SageMM.load(tiny_folder, adapter=tmp_path / "twin")


def test_a_checkpoint_that_does_not_suit_is_named(folder, monkeypatch):
    with pytest.raises(ModelError, match="a device such as 'cpu'"):
        SageMM.load(folder, device="the fast one")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ModelError, match="sees 0 CUDA devices"):
        SageMM.load(folder, device="cuda")
    for dtype in ("int8", torch.int32, "float99"):
        with pytest.raises(ModelError, match="a dtype such as"):
            SageMM.load(folder, dtype=dtype)
    rewrite(folder / "config.json", video_token_id=5)
    with pytest.raises(ModelError, match="video_token_id = 5, but in its tokenizer"):
        SageMM.load(folder)
    rewrite(folder / "config.json", model_type="qwen2_vl")
    with pytest.raises(ModelError, match="of type qwen3_vl or qwen3_vl_moe or .*, but .* qwen2_vl"):
        SageMM.load(folder)


def test_four_bits_need_bitsandbytes(tiny_folder, monkeypatch):
    monkeypatch.setattr("policies.sage_mm.model.pretrained.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'sage-video-qa\[quant\]'"):
        SageMM.load(tiny_folder, four_bit=True)
    assert four_bit_settings(torch.bfloat16).bnb_4bit_compute_dtype == torch.bfloat16


def test_a_base_in_four_bits(tiny_folder):
    pytest.importorskip("bitsandbytes")
    policy = SageMM.load(tiny_folder, four_bit=True, lora=LoraSettings(r=4))
    kinds = {name: type(m).__name__ for name, m in policy.model.base.named_modules()}
    four = {name for name, kind in kinds.items() if kind == "Linear4bit" and "visual" not in name}
    assert any("q_proj" in name for name in four) and any("down_proj" in name for name in four)
    assert not any(kind == "Linear4bit" for name, kind in kinds.items() if "visual" in name)
    batch, again = sampled_and_rescored(policy)
    torch.testing.assert_close(again, batch.old_logprobs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("style", ["brief", "full"])
def test_the_chat_template_of_qwen_is_ours(folder, style):
    (folder / "chat_template.jinja").write_text(QWEN_LAYOUT)
    rewrite(folder / "sage_mm.json", prompt=style)
    assert SageMM.load(folder).model.tokens.assistant_prefill == ""


def test_a_model_that_thinks_first_is_opened_as_its_template_does(folder):
    (folder / "chat_template.jinja").write_text(THINKING)
    policy = SageMM.load(folder, max_new_tokens=4)
    chat = policy.model.tokens
    assert chat.assistant_prefill == "<think>\n"
    (turn,) = play(policy, episode(1, 1), "x")
    assert chat.text(turn.prompt).endswith("<|im_start|>assistant\n<think>\n")
    skip, answer = '{"action": "skip", "to": 5}', '{"action": "answer", "text": "A"}'
    for said, action in ((f"so {answer}", Invalid), (f"{answer}</think>\n{skip}", Skip)):
        ids = chat.completion(said)
        scores = {"logprobs": np.zeros(len(ids), np.float32), "entropies": None}
        reply = replace(turn, completion=ids, **scores)
        assert isinstance(policy._decision(reply).action, action)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("{% for m", "{{ '<|im_start|>system\\nHi<|im_end|>\\n' }}{% for m", "differs .*at token"),
        ("<|im_end|>\n", "<|im_end|>", "differs from Qwen3-VL's at token"),
        ("<|vision_start|><|video_pad|>", "<|video_pad|>", "differs from Qwen3-VL's at token"),
        ("{% for m in messages %}", "{% for m in missing.parts %}", "cannot write a conversation"),
    ],
)
def test_another_chat_template_is_refused(folder, old, new, message):
    template = QWEN_LAYOUT.replace(old, new)
    assert template != QWEN_LAYOUT
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match=message):
        SageMM.load(folder)


class Config:
    """A checkpoint's configuration, which names the dtype itself or in its text part."""

    def __init__(self, dtype, of_text=None):
        self.dtype, self._text = dtype, of_text

    def get_text_config(self):
        return Config(self._text)


@pytest.mark.parametrize(
    ("asked", "config", "place", "expected"),
    [
        ("auto", Config(torch.bfloat16), "cpu", torch.float32),
        ("auto", Config(torch.bfloat16), "cuda", torch.bfloat16),
        ("auto", Config(None, torch.float16), "cuda", torch.float16),
        ("auto", Config(None), "cuda", torch.float32),
        ("float16", Config(torch.bfloat16), "cpu", torch.float16),
        (torch.bfloat16, Config(None), "cpu", torch.bfloat16),
    ],
)
def test_the_dtype_is_the_checkpoints_own_where_it_is_fast(asked, config, place, expected):
    assert find_dtype(asked, config, torch.device(place)) == expected


@pytest.mark.parametrize("wrong", ["int8", "float8_e4m3fn", "no dtype", torch.int32])
def test_a_dtype_that_no_weight_can_have_is_refused(wrong):
    with pytest.raises(ModelError, match="expected a dtype such as"):
        find_dtype(wrong, Config(None), torch.device("cpu"))


def test_adapters_are_by_default_those_of_a_training():
    from algos.experiment.settings import Training

    rank = Training().lora_rank
    assert LoraSettings() == LoraSettings(r=rank, alpha=2 * rank, seed=0)


@pytest.mark.parametrize("rows", [1, 60, 1000, 100_000])
def test_a_fingerprint_reads_a_small_embedding_whole_and_some_rows_of_a_large_one(rows):
    embedding = torch.zeros(rows, 1)
    read = len(embedding[:: adapters._step(embedding)])
    assert read == rows if rows < 64 else 64 <= read < 128


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": {"frame_store": "/tmp/elsewhere"}}, "sets 'frame_store' of the environment"),
        ({"env": {"root": "/", "max_turns": 3}}, "sets 'root' of the environment"),
        ({"env": {"dataset": "evil:items"}}, "may set max_turns"),
        ({"env": {"tools": ["evil:tool"]}}, "remove the others"),
        ({"env": {"max_turns": "/tmp"}}, "sets max_turns to '/tmp'"),
        ({"env": {"frame_size": ["/", "tmp"]}}, "sets frame_size"),
        ({"env": {"frame_pixels": 2048.5}}, "sets frame_pixels to 2048.5"),
        ({"env": ["root"]}, "expected the environment's arguments"),
        ([1], "expected an object"),
        ("{", "cannot be used"),
    ],
)
def test_a_checkpoint_cannot_choose_folders_or_code(folder, settings, words):
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (folder / "sage_mm.json").write_text(text)
    with pytest.raises(ModelError, match=words):
        SageMM.load(folder)


def test_code_of_a_checkpoint_is_never_run(folder, tmp_path):
    rewrite(folder / "config.json", auto_map={"AutoConfig": "evil.Config", "AutoModel": "evil.M"})
    rewrite(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]})
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n1 / 0\n")
    SageMM.load(folder)
    assert not (tmp_path / "ran").exists()
