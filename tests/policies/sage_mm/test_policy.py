"""Laws of `policies.sage_mm.policy` and `scoring`.

Sampling is token-exact and independent of the batch, and is re-scored as it was sampled.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from safetensors.torch import load_file  # noqa: E402

from policies.base import TrainablePolicy  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from policies.sage_mm.generation.kv_cache import KeyValueCache  # noqa: E402
from policies.sage_mm.generation.sampling import inverse_cdf  # noqa: E402
from tests.helpers.episodes import as_batch, episode, observe, play, stir  # noqa: E402

TURNS = {"a": 3, "b": 1, "c": 4, "d": 2, "e": 3}
EPISODES = {name: episode(i, turns) for i, (name, turns) in enumerate(TURNS.items())}
EPISODES["f"] = EPISODES["a"]  # another try at the same question


@pytest.fixture(scope="module")
def policy(tiny_folder):
    policy = SageMM.load(tiny_folder, max_new_tokens=12, lora=LoraSettings(r=4))
    stir(policy)
    return policy


@pytest.fixture(scope="module")
def alone(policy):
    """Every episode played by itself."""
    policy.temperature = 1.0
    policy.reset(seed=7)
    return {name: play(policy, observations, name) for name, observations in EPISODES.items()}


def assert_same_turns(turns, others, tolerance=1e-4):
    assert len(turns) == len(others)
    for a, b in zip(turns, others, strict=True):
        assert np.array_equal(a.prompt, b.prompt) and a.frames == b.frames
        assert a.completion.tolist() == b.completion.tolist()
        np.testing.assert_allclose(a.logprobs, b.logprobs, atol=tolerance)


def test_it_is_a_trainable_policy(policy):
    assert isinstance(policy, TrainablePolicy)


def test_tokens_spell_the_text_and_hold_the_stop_token(policy, alone):
    chat, ends = policy.model.tokens, set()
    for turns in alone.values():
        for turn, after in zip(turns, [*turns[1:], None], strict=True):
            stopped = turn.completion[-1] == chat.stop
            ends.add(bool(stopped))
            assert (turn.completion[:-1] != chat.stop).all()
            assert stopped or len(turn.completion) == policy.max_new_tokens
            if after is not None:  # a reply cut by length is closed by the next prompt
                assert (after.prompt[0] == chat.stop) == (not stopped)
    assert ends == {True, False}  # the model does both, or this test shows nothing
    policy.reset(seed=1)
    decision = policy.act(observe(1))
    ids = decision.tokens.completion
    body = ids[:-1] if ids[-1] == chat.stop else ids
    assert chat.text(ids) == decision.text == chat.text(body)


def test_batches_of_mixed_turns_equal_one_by_one(policy, alone):
    for max_batch in (2, 64):
        policy.max_batch = max_batch
        policy.reset(seed=7)
        left = {name: list(observations) for name, observations in EPISODES.items()}
        played = {name: [] for name in EPISODES}
        for step, names in enumerate(["fab", "cda", "ecaf", "dcfe", "ec"]):
            names = [name for name in names if left[name]]
            observations = [left[name].pop(0) for name in names]
            for name, decision in zip(names, policy.act_batch(observations, names), strict=True):
                played[name].append(decision.tokens)
            if step == 1:
                policy.end(["b", "never started"])
        assert not any(left.values())
        for name in EPISODES:
            assert_same_turns(played[name], alone[name])
    policy.max_batch = 128


def test_the_same_words_with_other_frames_are_not_the_same_opening(policy):
    look = observe(1)
    looks = {"x": look, "y": look | {"frames": 255 - look["frames"]}}
    policy.reset(seed=7)
    singles = [play(policy, [looks[name]], name)[0] for name in looks]
    assert np.array_equal(singles[0].prompt, singles[1].prompt)
    policy.reset(seed=7)
    assert_same_turns(
        [d.tokens for d in policy.act_batch(list(looks.values()), list(looks))], singles
    )


def test_kept_keys_and_values_equal_reading_anew(policy, alone):
    policy.reset(seed=7)
    turns = []
    for observation in EPISODES["c"]:
        turns += play(policy, [observation], "c")
        policy.load_state(policy.state())  # forgets keys and values, not tokens
    assert_same_turns(turns, alone["c"])


def test_new_weights_read_the_running_episode_anew(policy):
    old = policy.state()
    policy.reset(seed=7)
    turns = play(policy, EPISODES["c"][:2], "c")
    stir(policy, seed=1)
    turns += play(policy, EPISODES["c"][2:], "c")
    batch = as_batch([turns])
    again = policy.evaluate(batch).logprobs
    policy.load_state(old)
    gap, late = (again - batch.old_logprobs).abs(), batch.turn >= 2
    assert gap[late].max() < 2e-5 and gap[~late].max() > 1e-2


def test_inverse_cdf_by_hand():
    p = torch.tensor([[0.0, 0.25, 0.75, 0.0]]).expand(5, -1)
    uniforms = torch.tensor([0.0, 0.2499, 0.2501, 0.75, 1 - 2**-53], dtype=torch.float64)
    assert inverse_cdf(p.log().clamp(min=-1e9), uniforms).tolist() == [1, 1, 2, 2, 2]


def test_the_seed_decides(policy, alone):
    policy.reset(seed=7)
    assert_same_turns(play(policy, EPISODES["a"], "a"), alone["a"], 0)
    for seed, name in ((8, "a"), (7, "z")):
        policy.reset(seed=seed)
        other = play(policy, EPISODES["a"], name)
        assert [t.completion.tolist() for t in other] != [t.completion.tolist() for t in alone["a"]]
    completions = []
    for _ in range(2):
        policy.reset(seed=3)
        completions.append(policy.act(observe(1)).tokens.completion.tolist())
    assert completions[0] == completions[1]


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_sampled_logprobs_equal_rescored(policy, temperature):
    policy.temperature = temperature
    policy.reset(seed=7)
    batch = as_batch([play(policy, o, name) for name, o in EPISODES.items()], temperature)
    policy.temperature = 1.0
    found = policy.evaluate(batch)
    torch.testing.assert_close(found.logprobs, batch.old_logprobs, atol=2e-5, rtol=0)
    assert not found.logprobs[~batch.sampled].any() and not found.entropy[~batch.sampled].any()
    assert (found.entropy[batch.sampled] > 0).all()


def test_greedy_takes_the_likeliest_token(policy):
    policy.temperature = 0.0
    policy.reset(seed=1)
    first = play(policy, EPISODES["a"], "a")
    policy.reset(seed=2)
    assert_same_turns(play(policy, EPISODES["a"], "a"), first, 0)
    policy.temperature = 1.0
    batch = as_batch([first], temperature=0.0)
    with torch.no_grad():
        positions = policy.model.positions(batch.ids, [batch.ids.shape[1]], batch.frames)
        hidden = policy.model.hidden(batch.ids, positions, batch.frames[0])
        best = policy.model.log_probs(hidden[0], 0.0).argmax(-1)
    assert torch.equal(best[:-1][batch.sampled[0, 1:]], batch.ids[0][batch.sampled[0]])


def test_entropy_and_temperature_by_definition(policy):
    """Against the distribution written out; T and the ban act before the softmax."""
    policy.reset(seed=7)
    batch = as_batch([play(policy, EPISODES["b"], "b")], temperature=0.5)
    with torch.no_grad():
        positions = policy.model.positions(batch.ids, [batch.ids.shape[1]], batch.frames)
        hidden = policy.model.hidden(batch.ids, positions, batch.frames[0])[0, :-1]
        logits = policy.model.base.lm_head(hidden)[batch.sampled[0, 1:]].double() / 0.5
        logits[:, policy.model.tokens.banned(logits.shape[1])] = -torch.inf
        p = logits.softmax(-1)
        found = policy.evaluate(batch)
    ids = batch.ids[batch.sampled]
    expected = p[torch.arange(len(ids)), ids].log().float()
    torch.testing.assert_close(found.logprobs[batch.sampled], expected, atol=1e-5, rtol=0)
    entropy = -torch.xlogy(p, p).sum(-1).float()
    torch.testing.assert_close(found.entropy[batch.sampled], entropy, atol=1e-4, rtol=0)


def test_what_comes_later_changes_nothing_before(policy, alone):
    whole, head = as_batch([alone["c"]]), as_batch([alone["c"][:2]])
    length = head.ids.shape[1]
    later, now = policy.evaluate(whole), policy.evaluate(head)
    torch.testing.assert_close(later.logprobs[:, :length], now.logprobs, atol=1e-5, rtol=0)


def test_padding_and_order_change_nothing(policy, alone):
    names = list(EPISODES)
    batch = as_batch([alone[name] for name in names])
    together = policy.evaluate(batch)
    for i, name in enumerate(names):
        single = policy.evaluate(as_batch([alone[name]])).logprobs[0]
        torch.testing.assert_close(together.logprobs[i, : len(single)], single, atol=1e-5, rtol=0)


def test_special_tokens_are_never_sampled(policy):
    policy.temperature, policy.max_new_tokens = 1e4, 300  # as good as uniform
    policy.reset(seed=1)
    turns = policy.act_batch([observe(i, 1) for i in range(8)], range(8))
    policy.temperature, policy.max_new_tokens = 1.0, 12
    ids = np.concatenate([d.tokens.completion for d in turns])
    vocabulary = policy.model.base.lm_head.out_features
    banned = policy.model.tokens.banned(vocabulary)
    assert len(ids) > 500 and not banned[ids].any()
    assert len(set(ids.tolist())) > 0.5 * (~banned).sum()
    hidden = torch.randn(3, policy.model.config.hidden_size)
    probabilities = policy.model.log_probs(hidden, 1.0).exp()
    assert (probabilities[:, banned] == 0).all()
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(3))


def test_reference_is_the_base_with_adapters_off(policy, alone, tiny_folder):
    batch = as_batch(list(alone.values()))
    base = SageMM.load(tiny_folder, lora=LoraSettings(r=4))  # new adapters do nothing yet
    base.model.encoder = policy.model.encoder
    torch.testing.assert_close(
        policy.reference_logprobs(batch), base.evaluate(batch).logprobs, atol=1e-5, rtol=0
    )
    assert (policy.evaluate(batch).logprobs - base.evaluate(batch).logprobs).abs().max() > 1e-2


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_values(tiny_folder, policy, alone, critic):
    learner = SageMM.load(tiny_folder, critic=critic, lora=LoraSettings(r=4))
    learner.model.encoder = policy.model.encoder
    batch = as_batch(list(alone.values()))
    assert (learner.values(batch) == 0).all()  # a new critic predicts 0
    stir(learner)
    batch = as_batch(list(alone.values()))
    values = learner.values(batch)
    assert (values[~batch.sampled] == 0).all() and values[batch.sampled].std() > 1e-3
    half = as_batch([alone["a"][:1]])  # the value before a token does not know what follows
    torch.testing.assert_close(
        learner.values(half)[0], values[0, : half.ids.shape[1]], atol=1e-5, rtol=0
    )
    with torch.no_grad():
        torch.testing.assert_close(learner.values(batch), values.detach(), atol=1e-5, rtol=0)
    values.sum().backward()
    critics, actors = learner.critic_parameters(), learner.actor_parameters()
    assert not {id(p) for p in critics} & {id(p) for p in actors}
    assert all(p.grad is not None for p in critics) and all(p.grad is None for p in actors)
    learner.evaluate(batch).logprobs.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in actors)
    trained = {id(p) for p in (*critics, *actors)}
    assert all(p.grad is None for p in learner.model.base.parameters() if id(p) not in trained)


def test_critic_features_are_computed_once_and_sliced(policy, alone):
    batch = as_batch(list(alone.values()))
    values = policy.values(batch)
    features = batch.cache["sampled/critic_features"]
    assert features.shape == (int(batch.sampled.sum()), policy.model.config.hidden_size)
    part = batch.select([3, 1])
    policy.model.encoder, encoder = None, policy.model.encoder  # no forward pass is possible now
    again = policy.values(part)
    policy.model.encoder = encoder
    torch.testing.assert_close(again, values[[3, 1], : again.shape[1]])


def test_state_round_trip(policy, tiny_folder, alone):
    other = SageMM.load(tiny_folder, max_new_tokens=12, lora=LoraSettings(r=4, seed=5))
    before = other.state()
    other.load_state(policy.state())
    for name, tensor in policy.state().items():
        assert torch.equal(tensor, other.state()[name]) and not tensor.requires_grad
    assert any(not torch.equal(before[name], tensor) for name, tensor in other.state().items())
    other.reset(seed=7)
    assert_same_turns(play(other, EPISODES["a"], "a"), alone["a"], 0)
    smaller = SageMM.load(tiny_folder, lora=LoraSettings(r=2))
    with pytest.raises(ValueError, match="the same checkpoint, lora and critic"):
        smaller.load_state(policy.state())


def test_new_policies_are_the_same_policy(tiny_folder):
    torch.manual_seed(1)
    a = SageMM.load(tiny_folder).state()
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    b = SageMM.load(tiny_folder).state()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert torch.equal(torch.rand(1), expected)  # loading leaves the global generator alone


def test_adapter_loads_in_plain_peft(policy, alone, tiny_folder, tmp_path):
    from peft import PeftModel
    from transformers import Qwen3VLForConditionalGeneration

    policy.save_adapter(tmp_path / "adapter")
    batch = as_batch([alone["a"]])
    reloaded = SageMM.load(tiny_folder, adapter=tmp_path / "adapter")
    reloaded.model.encoder = policy.model.encoder
    expected = policy.evaluate(batch).logprobs
    torch.testing.assert_close(reloaded.evaluate(batch).logprobs, expected, atol=1e-6, rtol=0)
    base = Qwen3VLForConditionalGeneration.from_pretrained(tiny_folder)
    plain = PeftModel.from_pretrained(base, tmp_path / "adapter")
    text = torch.randint(20, 200, (1, 30), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(30).expand(3, 1, 30)
    ours = policy.model.base.lm_head(policy.model.hidden(text, positions, ()))
    torch.testing.assert_close(plain(input_ids=text).logits, ours, atol=1e-5, rtol=0)


def test_adapter_files_are_those_that_vllm_loads(policy, tmp_path):
    """Follow vLLM's LoRA loader: file names, required settings, key format, module names."""
    policy.save_adapter(tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["peft_type"] == "LORA" and settings["r"] == 4
    assert {"lora_alpha", "target_modules"} <= settings.keys()
    assert not settings["modules_to_save"] and not settings["use_dora"]
    assert not settings["rank_pattern"] and not settings["alpha_pattern"]
    assert settings["bias"] == "none"
    known = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    sides: dict[str, set[str]] = {}
    for key, tensor in load_file(tmp_path / "adapter_model.safetensors").items():
        # vLLM maps the prefix of a Qwen3-VL checkpoint, model.language_model., to its own name
        assert key.startswith("base_model.model.model.language_model.layers."), key
        module, side, weight = key.removeprefix("base_model.model.").rsplit(".", 2)
        assert weight == "weight" and module.rsplit(".", 1)[1] in known
        assert tensor.shape[0 if side == "lora_A" else 1] == settings["r"]
        sides.setdefault(module, set()).add(side)
    layers = policy.model.config.num_hidden_layers
    assert len(sides) == layers * len(known)
    assert all(found == {"lora_A", "lora_B"} for found in sides.values())


def test_rows_leave_the_cache_in_place(policy):
    cache = KeyValueCache(
        policy.model.config, [()] * 5, 4, dtype=torch.float32, device=torch.device("cpu")
    )
    cache.data[:] = torch.arange(5.0).view(5, 1, 1, 1)
    order = cache.compact(np.array([1, 3, 4]))
    assert sorted(order.tolist()) == [1, 3, 4] and order[1] == 1
    assert cache.data[0, 0, :, 0, 0, 0].tolist() == order.tolist()
    assert cache.compact(np.array([], np.int64)).tolist() == []


def test_bad_input_is_named(policy, tiny_folder, tmp_path, monkeypatch):
    policy.reset(seed=0)
    with pytest.raises(ValueError, match="no episode twice"):
        policy.act_batch([observe(1), observe(2)], ["x", "x"])
    with pytest.raises(ValueError, match="frame_size="):
        policy.act(observe(1, 1, frames=np.zeros((4, 50, 64, 3), np.uint8)))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(ValueError, match="of type qwen3_vl"):
        SageMM.load(tmp_path)
    monkeypatch.setattr("policies.sage_mm.model.pretrained.SHIPPED", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="make tiny"):
        SageMM.load()
    with pytest.raises(ValueError, match="critic must be"):
        SageMM.load(tiny_folder, critic="none")
    with pytest.raises(ValueError, match="temperature >= 0"):
        SageMM(policy.model, temperature=-1)


def test_importing_the_package_imports_no_torch():
    code = "import sys, policies.sage_mm.tokens.chat_tokens; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = """
import sys
sys.modules["peft"] = None
try:
    from policies.sage_mm import SageMM
except ImportError as error:
    sys.exit(0 if "sage-video-qa[sage]" in str(error) else 1)
sys.exit(2)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_played_before_a_reset_leaves_no_trace(policy):
    """A prompt's last bits depend on the batch that it was prefilled in."""
    first = [EPISODES[name][0] for name in EPISODES]

    def replies() -> list[bytes]:
        decisions = policy.act_batch(first, range(len(first)))
        return [d.tokens.logprobs.tobytes() for d in decisions]

    policy.temperature = 1.0
    policy.reset(seed=3)
    fresh, read = replies(), policy.measures()["policy/prefill_tokens"]
    policy.reset(seed=4)
    for number, observation in enumerate(first):  # each prompt in a batch of its own
        policy.act_batch([observation], [number])
    policy.reset(seed=3)
    assert replies() == fresh
    assert policy.measures()["policy/prefill_tokens"] == read > 0
