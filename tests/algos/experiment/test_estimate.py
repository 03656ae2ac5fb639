"""Laws of `algos.experiment.estimate`, `policies.sage_mm.model.operations`: before it is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.cli.entry import main  # noqa: E402
from algos.experiment import estimate as module  # noqa: E402
from algos.experiment.estimate import CPU_SLOTS, UnknownShape, estimate, side_by_side  # noqa: E402
from algos.experiment.settings import Training, default_training  # noqa: E402
from algos.rollout.environment_options import OptionError  # noqa: E402
from benchmarks.published_shapes import published_config  # noqa: E402
from policies.sage_mm.model.pretrained import SHIPPED  # noqa: E402

GIB = 1 << 30


@pytest.fixture(scope="module")
def four_b(tmp_path_factory) -> Path:
    """A folder with the configuration of Qwen3-VL-4B, and no weights.

    Its vocabulary is a small one: counting the tiles of a large one takes most of the time.
    """
    folder, config = tmp_path_factory.mktemp("4B"), published_config("4B")
    config.text_config.vocab_size = 20_000
    config.save_pretrained(folder)
    return folder


@pytest.fixture
def config(four_b) -> Training:
    start = default_training(checkpoint=str(four_b))
    return replace(
        start,
        device="cpu",
        dtype="bfloat16",
        max_turns=3,
        max_frames=20,
        overview_frames=8,
        frame_size=(64, 96),
        max_new_tokens=50,
        checkpointing=True,
    )


def test_the_tokens_of_the_largest_episode_are_counted_by_hand(config) -> None:
    found = estimate(config)
    # 64x96 pixels are 2 x 3 tokens; each frame has 12 more for its time and two markers.
    opening, later = 1024 + 8 * 18, 12 * 18 + 2 * 64
    assert found.episode.visual == 20 * 6 and found.episode.sampled == 3 * 50
    assert found.episode.shared == opening
    assert found.episode.tokens == opening + later + 150
    assert found.episodes == 16 * 8 and found.slots == 128
    assert found.seconds is None, "nobody knows how fast this CPU is"
    assert "seconds of an update: not known" in str(found)


def test_a_frame_size_of_the_dataset_counts_where_nothing_else_is_said(config) -> None:
    plain = replace(config, frame_size=None)
    assert estimate(plain).episode.visual == 20 * 49
    assert estimate(plain, (64, 64)).episode.visual == 20 * 4
    assert estimate(config, (64, 64)).episode.visual == 20 * 6
    assert estimate(replace(plain, frame_pixels=96 * 96)).episode.visual == 20 * 9


def test_what_cannot_fit_is_one_sentence_and_what_fits_is_none(config) -> None:
    found = estimate(config)
    assert found.needed == max(found.rollout.total, found.update.total)
    replace(found, memory=found.needed).require_room()
    with pytest.raises(OptionError, match=r"needs \d.* GiB, and .* has .* GiB: take --checkpoint"):
        replace(found, memory=found.needed - 1).require_room()


def test_more_of_anything_takes_more(config) -> None:
    base = estimate(config)
    more = replace(config.ppo, advantage="critic", micro_batch=8)
    assert estimate(replace(config, checkpointing=False)).update.kept > base.update.kept
    critic = estimate(replace(config, ppo=more)).update
    assert critic.critic_features > 0 and critic.kept > base.update.kept
    assert estimate(replace(config, four_bit=True)).update.weights < base.update.weights / 2
    assert estimate(replace(config, lora_rank=32)).update.trained == 2 * base.update.trained
    tokens = replace(config.ppo, micro_batch_tokens=base.episode.tokens)
    assert estimate(replace(config, ppo=tokens)).update.kept < base.update.kept


def test_seconds_are_reckoned_for_a_device_that_is_known(config) -> None:
    found = estimate(config)
    known = published_config("4B")
    shape = replace(module._shape(config, {}, None), slots=64)
    reckoned = module._seconds("NVIDIA H100 80GB HBM3", known, shape, found.episode, 128)
    assert reckoned is not None
    # Two batches of 64, three turns, fifty tokens, each reading the weights at half the bandwidth.
    text = known.get_text_config()
    read = 2 * 3 * 50 * 2 * module.forward(text, 1, 0) / 2 / (0.5 * 3.35e12)
    assert reckoned["decoding"] == pytest.approx(read)
    # Sixteen questions of eight episodes: each prompt is read once, and learned from once.
    own = found.episode.tokens - found.episode.shared
    done = module.forward(text, 16 * found.episode.shared + 128 * own, found.episode.tokens)
    assert reckoned["prefill"] == pytest.approx(done / (0.3 * 989e12))
    assert reckoned["learning"] == pytest.approx(2 * reckoned["prefill"])
    parts = [value for name, value in reckoned.items() if name != "in all"]
    assert reckoned["in all"] == pytest.approx(sum(parts))
    assert module._seconds("an abacus", known, shape, found.episode, 128) is None


def test_a_gpu_has_as_many_slots_as_fit_and_a_cpu_all(config, monkeypatch) -> None:
    class On:
        def __init__(self, kind: str) -> None:
            self.model = type("Model", (), {"device": torch.device(kind)})()

    assert side_by_side(config, On("cpu"), None) == CPU_SLOTS
    assert side_by_side(config, object(), None) == CPU_SLOTS
    monkeypatch.setattr(module, "find_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(module.torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    found = []
    for memory in (16 * GIB, 140 * GIB):
        monkeypatch.setattr(module, "_memory", lambda _, memory=memory: memory)
        found.append(side_by_side(config, On("cuda"), None))
    assert 0 < found[0] < found[1] == 128, "no more than an update has episodes"
    assert side_by_side(replace(config, slots=7), On("cuda"), None) == 7
    monkeypatch.setattr(module, "_memory", lambda _: 12 * GIB)
    big = replace(config, checkpointing=False, slots=4)
    with pytest.raises(OptionError, match="an update needs .* and NVIDIA H200 has 12.0 GiB"):
        module.require_room(replace(big, ppo=replace(big.ppo, micro_batch=64)), None)


def test_what_nobody_can_reckon_is_said_and_stops_no_training(config, tmp_path) -> None:
    with pytest.raises(UnknownShape, match="each takes 16 bytes"):
        estimate(replace(config, train="full"))
    module.require_room(replace(config, train="full"), None)


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
def test_the_command_says_it_and_leaves_nothing_behind(tmp_path, capsys) -> None:
    folder = tmp_path / "run"
    assert main(["train", "--estimate", "--run", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "episodes of an update: 256" in said and "learning" in said and not folder.exists()
