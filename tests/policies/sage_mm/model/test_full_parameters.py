"""Laws of `policies.sage_mm.model.full_parameters`: the language model itself is the actor."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from transformers import AutoModelForImageTextToText, AutoTokenizer  # noqa: E402

from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.targets import Targets  # noqa: E402
from algos.ppo.train_state import TrainState  # noqa: E402
from algos.ppo.update import actor_objective, backward, critic_objective  # noqa: E402
from policies.base import TokenBatch, TrainablePolicy  # noqa: E402
from policies.errors import ModelError  # noqa: E402
from policies.introspection import fingerprint  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play  # noqa: E402

torch.set_num_threads(1)
TURNS = [3, 1, 2]


def full(folder, like=None, **settings):
    policy = SageMM.load(folder, train="full", max_new_tokens=6, **settings)
    if like is not None:
        policy.model.encoder = like.model.encoder  # the features of the frames that it has seen
    return policy


def played(policy):
    policy.reset(seed=3)
    return as_batch([play(policy, episode(i, turns), i) for i, turns in enumerate(TURNS)])


def moved(policy, by=0.02):
    """Move the actor's weights in place, as an optimiser does, each in its own direction."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policy.actor_parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return policy


def unread(batch):
    """The same episodes, of which nothing has been computed yet."""
    tensors = (batch.ids, batch.attention, batch.sampled, batch.turn, batch.old_logprobs)
    return TokenBatch(*tensors, batch.rewards, batch.frames, batch.temperature)


def scores(policy, batch):
    with torch.no_grad():
        return policy.evaluate(unread(batch)).logprobs


def test_it_starts_as_the_checkpoint_is(tiny_folder) -> None:
    policy = full(tiny_folder)
    assert isinstance(policy, TrainablePolicy)
    batch = played(policy)
    adapted = SageMM.load(tiny_folder, max_new_tokens=6, lora=LoraSettings(r=4))
    other = played(adapted)
    assert torch.equal(batch.ids, other.ids), "an adapter that has learned nothing changes nothing"
    torch.testing.assert_close(scores(policy, batch), scores(adapted, other), atol=1e-5, rtol=0)
    assert not policy.values(batch).any(), "a new critic predicts 0"


def test_the_language_model_is_trained_and_the_vision_tower_is_not(tiny_folder) -> None:
    policy = full(tiny_folder)
    base = policy.model.base
    trained = {id(p) for p in policy.actor_parameters()}
    for name, parameter in base.named_parameters():
        of_the_tower = ".visual." in name
        assert (id(parameter) in trained) == parameter.requires_grad == (not of_the_tower), name
    assert id(base.lm_head.weight) in trained
    assert not trained & {id(p) for p in policy.critic_parameters()}


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_actors_gradient_reaches_every_weight_and_the_critics_ends_at_the_head(
    tiny_folder, checkpointing
) -> None:
    policy = full(tiny_folder, checkpointing=checkpointing)
    batch = played(policy)
    advantages = (1.0 + torch.arange(len(batch))[:, None]) * batch.sampled
    targets = Targets(advantages, advantages + 1, torch.zeros_like(advantages))
    config = PPOConfig(micro_batch=2)
    rows = range(len(batch))
    backward(config, critic_objective(config, policy, batch, targets), rows,
             policy.critic_parameters())  # fmt: skip
    assert all(p.grad is None for p in policy.actor_parameters())
    assert policy.values(batch).grad_fn is not None
    value = policy.values(batch).sum()
    assert torch.autograd.grad(value, policy.actor_parameters()[:1], allow_unused=True) == (None,)
    backward(config, actor_objective(config, policy, batch, targets), rows,
             policy.actor_parameters())  # fmt: skip
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in policy.actor_parameters())


def test_what_is_sampled_after_a_step_is_scored_as_it_was_sampled(tiny_folder) -> None:
    policy = full(tiny_folder)
    before = played(policy)
    moved(policy)
    after = played(policy)
    assert not torch.equal(before.ids, after.ids), "the step must matter"
    torch.testing.assert_close(scores(policy, after), after.old_logprobs, atol=1e-5, rtol=0)
    assert policy.fingerprint() == fingerprint(policy.actor_parameters())


def test_an_episode_that_runs_while_weights_move_is_read_anew(tiny_folder) -> None:
    policy = full(tiny_folder)
    policy.reset(seed=3)
    observations = episode(0, 2)
    first = policy.act_batch(observations[:1], ["a"])[0].tokens
    moved(policy)
    second = policy.act_batch(observations[1:], ["a"])[0].tokens
    batch = as_batch([[first, second]])
    late = batch.turn == 1
    found = scores(policy, batch)
    torch.testing.assert_close(found[late], batch.old_logprobs[late], atol=1e-5, rtol=0)


def test_the_reference_is_what_was_frozen_and_costs_nothing_before(tiny_folder) -> None:
    policy = full(tiny_folder)
    batch = played(policy)
    with pytest.raises(ValueError, match="there is no reference: call freeze_reference"):
        policy.reference_logprobs(batch)
    assert not [name for name in policy.state() if name.startswith("reference.")]
    start = scores(policy, batch)
    policy.values(batch)  # what the critic reads is not what the reference says
    TrainState(PPOConfig(kl_coef=0.1), policy)
    moved(policy)
    now = scores(policy, batch)
    pointers = [(p.data_ptr(), p._version) for p in policy.actor_parameters()]
    assert torch.equal(policy.reference_logprobs(batch), start)
    assert [(p.data_ptr(), p._version) for p in policy.actor_parameters()] == pointers
    assert torch.equal(scores(policy, batch), now) and not torch.equal(now, start)


def test_the_critic_reads_the_actor_that_sampled(tiny_folder) -> None:
    policy = full(tiny_folder)
    with torch.no_grad():
        for parameter in policy.critic_parameters():
            parameter.copy_(torch.randn(parameter.shape))
    batch = played(policy)
    before = policy.values(batch)
    moved(policy)
    assert torch.equal(policy.values(batch), before), "within an update it reads what it has read"
    other = policy.values(unread(batch))
    assert not torch.allclose(other, before, atol=1e-3)


def test_a_state_is_the_whole_of_it(tiny_folder) -> None:
    config = PPOConfig(kl_coef=0.1)
    policy = full(tiny_folder)
    state = TrainState(config, policy)
    batch = played(policy)
    moved(policy)
    fresh = moved(full(tiny_folder, policy), by=0.1)
    other = TrainState(config, fresh)
    other.load_tensors({name: tensor.clone() for name, tensor in state.tensors().items()})
    assert torch.equal(scores(fresh, batch), scores(policy, batch))
    again = unread(batch)
    assert torch.equal(fresh.reference_logprobs(again), policy.reference_logprobs(batch))
    for name, tensor in policy.state().items():
        assert torch.equal(tensor, fresh.state()[name]), name
    with pytest.raises(ValueError, match="the state is of another model"):
        SageMM.load(tiny_folder).load_state(policy.state())
    short = {n: x[:1] if n.startswith("reference.") else x for n, x in policy.state().items()}
    with pytest.raises(ValueError, match="the reference of the state is of another model"):
        fresh.load_state(short)


def test_what_is_saved_is_a_checkpoint(tiny_folder, tmp_path) -> None:
    policy = moved(full(tiny_folder))
    batch = played(policy)
    policy.save_checkpoint(tmp_path)
    read = SageMM.load(tmp_path, max_new_tokens=6)
    assert torch.equal(played(read).ids, batch.ids)
    torch.testing.assert_close(scores(read, batch), scores(policy, batch), atol=1e-6, rtol=0)
    assert read.env_options == policy.env_options
    assert read.model.tokens.style == policy.model.tokens.style
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path)
    theirs, ours = plain.lm_head.weight, policy.model.base.lm_head.weight
    assert torch.equal(theirs, ours)
    theirs_tokens = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs_tokens.chat_template == AutoTokenizer.from_pretrained(tiny_folder).chat_template


def test_the_shipped_model_and_its_prompt_are_saved_with_it(tmp_path) -> None:
    policy = full(None)
    policy.save_checkpoint(tmp_path)
    read = SageMM.load(tmp_path)
    assert read.env_options == policy.env_options != {}
    assert read.model.tokens.style == policy.model.tokens.style == "brief"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"lora": LoraSettings(r=4)}, "leave lora out"),
        ({"adapter": "somewhere"}, "leave adapter out"),
        ({"critic": "adapter"}, "leave critic out"),
        ({"four_bit": True}, "leave four_bit out"),
        ({"dtype": "bfloat16"}, "needs them in float32, got torch.bfloat16"),
        ({"train": "half"}, "train must be 'lora' or 'full', got 'half'"),
    ],
)
def test_what_needs_an_adapter_or_a_frozen_base_is_refused(tiny_folder, settings, told) -> None:
    with pytest.raises((ValueError, ModelError), match=told):
        SageMM.load(tiny_folder, **{"train": "full", **settings})


def test_each_way_saves_what_it_trains(tiny_folder, tmp_path) -> None:
    with pytest.raises(ModelError, match="use save_checkpoint"):
        full(tiny_folder).save_adapter(tmp_path / "adapter")
    with pytest.raises(ModelError, match="use save_adapter"):
        SageMM.load(tiny_folder).save_checkpoint(tmp_path / "checkpoint")
    assert not list(tmp_path.iterdir())
