"""Laws of `policies.sb3.network`: the matching network for Stable-Baselines3."""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.wrappers import DiscreteActions, NumericObservations
from tests.helpers.painted import make

sb3 = pytest.importorskip("stable_baselines3")

import torch  # noqa: E402

from policies.sb3.network import MatchNet, answer_with_scores  # noqa: E402

TILE = (20, 24)


@pytest.fixture(scope="module")
def env():
    return NumericObservations(DiscreteActions(make()), tile=TILE, hash_size=32)


@pytest.fixture(scope="module")
def net(env) -> MatchNet:
    torch.manual_seed(0)
    return MatchNet(env.observation_space, TILE)


@pytest.fixture
def batch(env) -> dict[str, torch.Tensor]:
    """Return two observations as the model would see them, of random pictures and words."""
    env.observation_space.seed(0)
    drawn = [env.observation_space.sample() for _ in range(2)]
    seen = {key: torch.as_tensor(np.stack([x[key] for x in drawn])).float() for key in drawn[0]}
    seen["frames"] = seen["frames"].permute(0, 3, 1, 2) / 255
    seen["shown"] = torch.tensor([[1.0, 1, 1, 1, 0], [1, 0, 0, 0, 0]])
    return seen


def test_choices_in_another_order_get_their_scores_in_that_order(net, batch) -> None:
    order = [2, 0, 3, 1]
    choices = batch["choices"].view(2, 4, -1)[:, order].reshape(2, -1)
    scores, moved = net(batch), net({**batch, "choices": choices})
    assert scores.shape == (2, 5)
    torch.testing.assert_close(moved[:, :4], scores[:, order])
    torch.testing.assert_close(scores[:, 4], scores[:, :4].max(1).values)


def test_scores_are_log_probabilities_above_chance(net, batch) -> None:
    torch.testing.assert_close(net(batch)[:, :4].exp().sum(1), torch.full((2,), 4.0))


def test_frames_on_the_sheet_are_cut_where_the_wrapper_puts_them(env, net) -> None:
    frames = np.zeros((5, 6, 8, 3), np.uint8)
    frames += np.arange(1, 6, dtype=np.uint8)[:, None, None, None] * 40
    observation = make().reset(seed=0)[0] | {"frames": frames, "num_frames": 5}
    sheet = torch.as_tensor(env.features.encode(observation)["frames"]).permute(2, 0, 1)[None]
    tiles = net._tiles(sheet)
    assert tiles.shape == (5, 3, *TILE)
    for k in range(5):
        assert (tiles[k] == 40 * (k + 1)).all()


def test_what_is_not_shown_does_not_matter(net, batch) -> None:
    changed = {**batch, "frames": batch["frames"].clone()}
    changed["frames"][0, :, 20:40, 24:48] = 0.5  # the fifth tile
    torch.testing.assert_close(net(changed), net(batch))
    changed["frames"][0, :, :20, :24] = 0.5  # the first one
    assert not torch.allclose(net(changed)[0], net(batch)[0])


def test_answers_begin_at_their_scores(env, net) -> None:
    model = sb3.PPO(
        "MultiInputPolicy",
        env,
        n_steps=8,
        batch_size=8,
        device="cpu",
        policy_kwargs={
            "features_extractor_class": MatchNet,
            "features_extractor_kwargs": {"tile": TILE},
            "net_arch": [],
        },
    )
    answer_with_scores(model)
    observation, _ = model.policy.obs_to_tensor(env.reset(seed=0)[0])
    logits = model.policy.get_distribution(observation).distribution.logits
    scores = model.policy.extract_features(observation)[:, :4]
    torch.testing.assert_close(logits[:, :4] - logits[:, 4:5], scores)
    assert (logits[:, 4:] == logits[:, 4:5]).all()


def test_a_tile_too_small_is_named(env) -> None:
    with pytest.raises(ValueError, match="at least"):
        MatchNet(env.observation_space, (4, 9))
