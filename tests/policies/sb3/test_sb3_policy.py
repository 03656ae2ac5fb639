"""Laws of `policies.sb3.sb3_policy`, `normalisation`, `saved_files`: what was saved plays."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from policies.check.policy_check import check_policy
from policies.registry import UnknownPolicy, load_policy
from policies.sb3.normalisation import normalisation_of
from policies.sb3.sb3_policy import SB3Policy, save_sb3
from sage_env.wrappers import ActionGrid, DiscreteActions, NumericFeatures, NumericObservations
from tests.helpers.painted import ITEMS, make

sb3 = pytest.importorskip("stable_baselines3")
VecNormalize, DummyVecEnv, VecEnvWrapper, VecFrameStack = (
    getattr(sb3.common.vec_env, name)
    for name in ("VecNormalize", "DummyVecEnv", "VecEnvWrapper", "VecFrameStack")
)
GRID = {"num_frames": 4, "zooms": [0.25]}


def wrapped(**settings):
    return NumericObservations(DiscreteActions(make(**settings), **GRID), hash_size=32)


def trained(env, algorithm="PPO", **settings):
    network = {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 8}}
    small = {"policy_kwargs": network, "device": "cpu", "seed": 0}
    return getattr(sb3, algorithm)("MultiInputPolicy", env, **{**small, **settings})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a PPO model after a few hundred steps."""
    model = trained(wrapped(), n_steps=64, batch_size=32, n_epochs=1)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    model.learn(192)
    after = model.policy.state_dict()
    assert model.num_timesteps == 192
    assert any((after[key] != before[key]).any() for key in before)
    return save_sb3(model, tmp_path_factory.mktemp("models") / "new" / "ppo")


def test_their_checker_is_satisfied_without_a_warning() -> None:
    from stable_baselines3.common.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(wrapped())


def test_it_acts_as_the_model_does_through_the_wrappers(saved) -> None:
    policy, model = SB3Policy.load(saved), sb3.PPO.load(saved)
    raw, env = make(), wrapped()
    policy.reset(seed=0)
    for item in ITEMS:
        observation, _ = raw.reset(options={"item_id": item.id})
        numbers, _ = env.reset(options={"item_id": item.id})
        terminated = False
        while not terminated:
            index, _ = model.predict(numbers, deterministic=True)
            action = policy.act(observation)
            assert action == env.get_wrapper_attr("to_action")(int(index), observation)
            observation, *_ = raw.step(action)
            numbers, _, terminated, *_ = env.step(index)


def test_each_index_of_the_model_is_that_action_of_its_own_grid(saved) -> None:
    policy, env = SB3Policy.load(saved), wrapped()
    observation, _ = make().reset(options={"index": 0})
    for index in range(env.action_space.n):
        policy.model.policy.action_net.bias.data.zero_()[index] = 1e3
        assert policy.act(observation) == env.get_wrapper_attr("to_action")(index, observation)


def test_it_keeps_the_contract_at_any_temperature(saved) -> None:
    policy = load_policy(f"sb3:{saved.with_suffix('')}", temperature=1.0)
    assert isinstance(policy, SB3Policy) and policy.temperature == 1.0
    check_policy(policy, make())
    policy.temperature = 0.0
    check_policy(policy, make())


def test_draws_follow_the_model_and_the_seed(saved) -> None:
    policy = SB3Policy.load(saved)
    observation, _ = make().reset(options={"index": 0})
    policy.temperature = 1e-9
    cold = {policy.act(observation) for _ in range(5)}
    policy.temperature = 0.0
    assert cold == {policy.act(observation)}
    policy.temperature = 1e4
    policy.reset(seed=1)
    hot = [policy.act(observation) for _ in range(60)]
    assert len(set(hot)) > 10
    policy.reset(seed=1)
    assert hot == [policy.act(observation) for _ in range(60)]


def test_settings_travel_with_the_model(saved) -> None:
    policy = SB3Policy.load(saved)
    env = wrapped()
    assert policy.features == env.features and policy.grid == env.get_wrapper_attr("grid")
    assert policy.env_options == {
        "max_turns": 6,
        "max_frames": 20,
        "frames_per_turn": 5,
        "overview_frames": 4,
        "frame_size": (6, 8),
    }
    make(**policy.env_options).reset(seed=0)


def test_another_algorithm_works_too(tmp_path) -> None:
    model = trained(wrapped(), "DQN", learning_starts=8, buffer_size=64, batch_size=8)
    model.learn(24)
    policy = SB3Policy.load(save_sb3(model, tmp_path / "dqn.zip"))
    check_policy(policy, make())
    policy.temperature = 1.0
    with pytest.raises(ValueError, match="set temperature to 0"):
        policy.act(make().reset(seed=0)[0])


def test_other_frames_than_the_trained_ones_are_refused(saved) -> None:
    policy = SB3Policy.load(saved)
    for settings in ({"frame_size": (9, 9)}, {"frames_per_turn": 7}):
        observation, _ = make(**settings).reset(seed=0)
        with pytest.raises(ValueError, match=r"expected frames of shape \(5, 6, 8, 3\), got"):
            policy.act(observation)


def test_what_cannot_be_loaded_is_named(saved, tmp_path) -> None:
    model, settings = tmp_path / "m.zip", tmp_path / "m.json"
    with pytest.raises(FileNotFoundError, match=r"m.zip, the model, is missing"):
        SB3Policy.load(tmp_path / "m")
    model.write_bytes(saved.read_bytes())
    with pytest.raises(UnknownPolicy, match=r"m.json, its settings, is missing"):
        load_policy(f"sb3:{model}")
    good = json.loads(saved.with_suffix(".json").read_text())
    for change, words in (
        ("not JSON", "is not JSON"),
        ([], "not a file of save_sb3"),
        ({**good, "grid": {"colour": 1}}, "lacks a setting"),
        ({**good, "algorithm": "NoSuch"}, "class 'NoSuch' is not found"),
        ({**good, "features": {**good["features"], "hash_size": 33}}, "trained with"),
        ({**good, "grid": {}}, "the grid 22 actions"),
        ({**good, "env_options": {"root": "/"}}, "sets 'root' of the environment"),
    ):
        settings.write_text(change if isinstance(change, str) else json.dumps(change))
        with pytest.raises(UnknownPolicy, match=words):
            load_policy(f"sb3:{model}")


def test_only_wrapped_models_are_saved(tmp_path) -> None:
    model = trained(wrapped(), n_steps=8, batch_size=8)
    model.env = None
    with pytest.raises(ValueError, match="set_env"):
        save_sb3(model, tmp_path / "m")
    cart = sb3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu")
    with pytest.raises(ValueError, match="must be wrapped in NumericObservations"):
        save_sb3(cart, tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_model_of_other_spaces_is_refused() -> None:
    env = wrapped()
    model = trained(env, n_steps=8, batch_size=8)
    with pytest.raises(ValueError, match="the grid 22 actions"):
        SB3Policy(model, env.features, ActionGrid())
    other = NumericFeatures.of(make(overview_frames=9).observation_space, hash_size=32)
    with pytest.raises(ValueError, match="no stacked frames"):
        SB3Policy(model, other, env.get_wrapper_attr("grid"))


def vectorised(*, norm_obs=True, wrap=None, **options):
    """Return a model trained behind `VecNormalize`, and its environment."""
    envs = VecNormalize(DummyVecEnv([wrapped, wrapped]), norm_obs=norm_obs, **options)
    envs = envs if wrap is None else wrap(envs)
    model = trained(envs, n_steps=32, batch_size=32, n_epochs=1, learning_rate=3e-3)
    return model.learn(64), envs


def chances(model, numbers):
    batch, _ = model.policy.obs_to_tensor(numbers)
    return model.policy.get_distribution(batch).distribution.probs[0].detach().numpy()


@pytest.mark.parametrize("options", [{}, {"norm_obs_keys": ["frames", "clock"]}, {"clip_obs": 0.5}])
def test_a_model_of_normalised_observations_plays_on_them(tmp_path, options) -> None:
    if "norm_obs_keys" in options:
        keys = [key for key in wrapped().observation_space.spaces if key != "frames"]
        options = {"norm_obs_keys": ["frames", keys[0]]}
    model, envs = vectorised(**options)
    policy = SB3Policy.load(save_sb3(model, tmp_path / "m"))
    envs.training = False
    env = wrapped()
    for index in range(3):
        observation, _ = make().reset(options={"index": index})
        numbers, _ = env.reset(options={"index": index})
        shown = policy.normalisation.apply(policy.features.encode(observation))
        theirs = envs.normalize_obs({key: x[None] for key, x in numbers.items()})
        assert all((shown[key] == theirs[key][0]).all() for key in numbers)
        assert all(shown[key].dtype == theirs[key].dtype for key in numbers)
        assert (chances(policy.model, shown) == chances(model, theirs)).all()
        best = model.predict({k: x[0] for k, x in theirs.items()}, deterministic=True)[0]
        assert policy.act(observation) == policy.grid.action(int(best), observation)
    assert SB3Policy(model, env.features, policy.grid).normalisation is not None


def test_statistics_are_those_of_the_moment_of_saving(tmp_path) -> None:
    model, envs = vectorised()
    policy = SB3Policy.load(save_sb3(model, tmp_path / "m"))
    before = {key: x.copy() for key, x in policy.normalisation.mean.items()}
    kept = normalisation_of(envs)
    envs.reset()
    assert any((kept.mean[k] != envs.obs_rms[k].mean).any() for k in before)
    assert all((kept.mean[k] == before[k]).all() for k in before)


def test_rewards_alone_need_no_statistics(tmp_path) -> None:
    model, _ = vectorised(norm_obs=False)
    file = save_sb3(model, tmp_path / "m")
    assert SB3Policy.load(file).normalisation is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "m.zip"]


class Doubled(VecEnvWrapper):
    """Changes what the model sees, and not its space."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()


class Mine(sb3.PPO):
    """A subclass, as those of other packages are."""


def test_other_wrappers_between_are_refused(tmp_path) -> None:
    for wrap in (Doubled, lambda envs: VecFrameStack(envs, 2), VecNormalize):
        with pytest.raises(ValueError, match="between the model and|normalised twice"):
            save_sb3(vectorised(wrap=wrap)[0], tmp_path / "m")
    assert not list(tmp_path.iterdir())
    model, envs = vectorised()
    model.env = envs.venv
    with pytest.raises(ValueError, match="saw 'frames' as float32, and is shown uint8"):
        save_sb3(model, tmp_path / "m")


def test_files_of_different_models_are_not_mixed(tmp_path) -> None:
    file = save_sb3(vectorised()[0], tmp_path / "m")
    other = save_sb3(vectorised(clip_obs=1.0)[0], tmp_path / "other")
    statistics = file.with_suffix(".npz")
    whole = statistics.read_bytes()
    statistics.write_bytes(other.with_suffix(".npz").read_bytes())
    with pytest.raises(ValueError, match="damaged, or was saved with another model"):
        SB3Policy.load(file)
    statistics.unlink()
    with pytest.raises(FileNotFoundError, match=r"m.npz, saved with the model, is missing"):
        SB3Policy.load(file)
    statistics.write_bytes(whole)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        SB3Policy.load(file)


def test_a_subclass_is_loaded_as_itself_or_not_saved(tmp_path) -> None:
    network = {"net_arch": [8], "features_extractor_kwargs": {"cnn_output_dim": 8}}
    settings = {"n_steps": 8, "batch_size": 8, "device": "cpu", "policy_kwargs": network}
    policy = SB3Policy.load(
        save_sb3(Mine("MultiInputPolicy", wrapped(), **settings), tmp_path / "m")
    )
    assert type(policy.model) is Mine
    check_policy(policy, make())

    class Hidden(Mine):
        """Nobody else can import it."""

    class Own(Hidden):
        """Predicts in its own way."""

        def predict(self, *args, **more):
            return super().predict(*args, **more)

    hidden = SB3Policy.load(
        save_sb3(Hidden("MultiInputPolicy", wrapped(), **settings), tmp_path / "base")
    )
    assert type(hidden.model) is Mine
    with pytest.raises(ValueError, match="cannot be imported by name"):
        save_sb3(Own("MultiInputPolicy", wrapped(), **settings), tmp_path / "own")
    assert not (tmp_path / "own.zip").exists()


def test_a_recurrent_model_is_refused() -> None:
    env = wrapped()
    model = trained(env, n_steps=8, batch_size=8)
    model.policy.lstm_actor = None
    with pytest.raises(ValueError, match="not recurrent"):
        SB3Policy(model, env.features, env.get_wrapper_attr("grid"))


def test_models_saved_by_earlier_versions_play_on(saved, tmp_path) -> None:
    settings = json.loads(saved.with_suffix(".json").read_text())
    old = {key: x for key, x in settings.items() if key != "sha256"} | {"format": 1}
    (tmp_path / "m.zip").write_bytes(saved.read_bytes())
    (tmp_path / "m.json").write_text(json.dumps(old))
    check_policy(SB3Policy.load(tmp_path / "m"), make())
