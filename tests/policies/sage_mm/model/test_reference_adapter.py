"""Laws of `policies.sage_mm.model.reference_adapter`: a KL is from where training began."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.ppo.train_state import TrainState  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM  # noqa: E402
from tests.helpers.episodes import as_batch, episode, play, stir  # noqa: E402

torch.set_num_threads(1)
KL = PPOConfig(kl_coef=0.1)


def fresh(folder, like=None, **settings):
    policy = SageMM.load(folder, max_new_tokens=6, lora=LoraSettings(r=4), **settings)
    if like is not None:
        policy.model.encoder = like.model.encoder
    return policy


@pytest.fixture(scope="module")
def adapter(tiny_folder, tmp_path_factory):
    """Return the folder of an adapter that somebody trained."""
    policy = fresh(tiny_folder)
    stir(policy)
    policy.save_adapter(tmp_path_factory.mktemp("adapter"))
    return tmp_path_factory.getbasetemp() / "adapter0"


def scores(policy, batch):
    with torch.no_grad():
        return policy.evaluate(batch).logprobs, policy.reference_logprobs(batch)


def some_episodes(policy):
    return as_batch([play(policy, episode(i, 2), i) for i in range(3)])


def apart(one, other):
    return float((one - other).abs().max())


@pytest.mark.parametrize("critic", ["head", "adapter"])
def test_the_kl_from_the_start_is_0_at_the_start(tiny_folder, adapter, critic) -> None:
    policy = fresh(tiny_folder, adapter=adapter, critic=critic)
    batch = some_episodes(policy)
    policy.values(batch)  # fills the cache of the base's hidden states
    now, reference = scores(policy, batch)
    assert torch.equal(now, reference)
    assert apart(now, scores(fresh(tiny_folder, policy), batch)[0]) > 1e-2, (
        "the adapter must matter"
    )
    with torch.no_grad():
        for parameter in (*policy.actor_parameters(), *policy.critic_parameters()):
            parameter.add_(0.3 * torch.randn_like(parameter))
    moved, same = scores(policy, batch)
    assert torch.equal(same, reference) and apart(moved, same) > 1e-2


def test_training_does_not_move_the_reference_nor_list_it(tiny_folder, adapter) -> None:
    policy = fresh(tiny_folder, adapter=adapter)
    plain = fresh(tiny_folder)
    assert len(policy.actor_parameters()) == len(plain.actor_parameters())
    batch = some_episodes(policy)
    policy.reference_logprobs(batch)
    policy.evaluate(batch).logprobs.sum().backward()
    held = policy.model.base.named_parameters()
    reference = [p for name, p in held if ".reference." in name]
    assert reference and all(p.grad is None and not p.requires_grad for p in reference)
    assert all(p.grad is not None and p.requires_grad for p in policy.actor_parameters())


def test_a_start_without_an_adapter_needs_no_copy(tiny_folder) -> None:
    policy = fresh(tiny_folder)
    policy.freeze_reference()
    assert policy.model.reference is None
    assert not [name for name in policy.state() if "reference" in name]


def test_a_run_begins_from_the_actor_as_it_is(tiny_folder) -> None:
    policy = fresh(tiny_folder)
    stir(policy)  # as supervised training in the same process would
    batch = some_episodes(policy)
    start = scores(policy, batch)[0]
    assert apart(scores(policy, batch)[1], start) > 1e-2
    TrainState(PPOConfig(), policy)
    assert policy.model.reference is None, "nothing is kept that no KL asks for"
    TrainState(KL, policy)
    assert torch.equal(scores(policy, batch)[1], start)


def test_a_resumed_run_has_the_reference_of_its_first_start(tiny_folder, adapter) -> None:
    policy = fresh(tiny_folder, adapter=adapter)
    state = TrainState(KL, policy)
    batch = some_episodes(policy)
    reference = scores(policy, batch)[1]
    stir(policy, seed=5)
    saved, actor = state.tensors(), scores(policy, batch)[0]
    others = fresh(tiny_folder, policy, adapter=adapter), fresh(tiny_folder, policy)
    for again in (policy, *others):
        TrainState(KL, again).load_tensors(saved)
        batch.cache.clear()
        assert torch.equal(scores(again, batch)[1], reference)
        assert torch.equal(scores(again, batch)[0], actor)


def test_a_run_that_began_from_the_base_forgets_the_actor_of_the_moment(tiny_folder) -> None:
    policy = fresh(tiny_folder)
    saved = TrainState(KL, policy).tensors()
    stir(policy)
    TrainState(KL, policy).load_tensors(saved)
    assert policy.model.reference is None


def test_a_reference_of_another_shape_is_refused(tiny_folder, adapter) -> None:
    policy = fresh(tiny_folder, adapter=adapter)
    state = policy.state()
    name = next(name for name in state if name.startswith("reference."))
    with pytest.raises(ValueError, match="another adapter than the actor's"):
        policy.load_state(state | {name: torch.zeros(1)})
