"""Laws of `policies.hugging_face.checkpoint`: what cannot be loaded is told in a sentence."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec

import pytest
from transformers import LlamaConfig, Qwen2_5_VLConfig

from policies.errors import ModelError
from policies.hugging_face import HuggingFacePolicy
from policies.registry import UnknownPolicy, load_policy
from sage_env.errors import MissingExtra
from tests.helpers.foreign.tiny_chat_models import write_idefics3, write_llava
from tests.helpers.loopback import shown
from tests.helpers.tiny_model import build_tokenizer

MARKER = "ran.txt"


def copied(checkpoint, folder):
    return shutil.copytree(checkpoint, folder)


def refused(folder, **options) -> str:
    with pytest.raises(UnknownPolicy) as told:
        load_policy(f"hf:{folder}", options=options)
    said = str(told.value)
    assert said.startswith(f"'hf:{folder}' cannot be loaded: ") and "\n" not in said
    return said


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path) -> None:
    assert "there is no folder" in refused(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "is not the folder or hub id of" in refused(tmp_path / "empty")


def test_a_model_of_text_alone_is_refused_by_its_type(tmp_path) -> None:
    LlamaConfig().save_pretrained(tmp_path / "llama")
    assert "is of type llama, and transformers has no chat model" in refused(tmp_path / "llama")


def test_a_checkpoint_without_a_chat_template_or_a_processor_is_refused(
    tmp_path, checkpoints
) -> None:
    bare = write_llava(tmp_path / "bare", template=None)
    assert "has no chat template" in refused(bare)
    blind = copied(checkpoints["llava"], tmp_path / "blind")
    for name in ("processor_config.json", "preprocessor_config.json"):
        (blind / name).unlink(missing_ok=True)
    refused(blind)


def test_weights_that_are_damaged_are_refused(tmp_path, checkpoints) -> None:
    torn = copied(checkpoints["llava"], tmp_path / "torn")
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "is not the folder or hub id of" in refused(torn)


def test_code_of_a_checkpoint_is_never_run(tmp_path, checkpoints) -> None:
    theirs = copied(checkpoints["llava"], tmp_path / "theirs")
    settings = json.loads((theirs / "config.json").read_text())
    settings |= {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Theirs"}}
    (theirs / "config.json").write_text(json.dumps(settings))
    (theirs / "theirs.py").write_text(
        f"open({str(tmp_path / MARKER)!r}, 'w')\nclass Theirs: pass\n"
    )
    assert "none of its code is run" in refused(theirs)
    assert not (tmp_path / MARKER).exists()
    assert "has no option 'trust_remote_code'" in str(
        pytest.raises(
            UnknownPolicy, load_policy, f"hf:{theirs}", options={"trust_remote_code": True}
        ).value
    )


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is there")
def test_a_processor_that_needs_torchvision_says_so(tmp_path) -> None:
    folder = tmp_path / "qwen"
    Qwen2_5_VLConfig().save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    kinds = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(kinds))
    with pytest.raises(MissingExtra, match="the package 'torchvision', in the build"):
        load_policy(f"hf:{folder}")


def test_options_that_do_not_suit_are_told(checkpoints) -> None:
    folder = checkpoints["llava"]
    for options in ({"max_batch": 0}, {"when_full": "ask"}, {"top_p": 2.0}, {"dtype": "int8"},
                    {"device": "elsewhere"}, {"max_new_tokens": "x"}, {"images": 3}):  # fmt: skip
        refused(folder, **options)
    with pytest.raises(UnknownPolicy, match="has no option 'replies': it takes device, dtype"):
        load_policy(f"hf:{folder}", options={"replies": "json"})
    with pytest.raises(UnknownPolicy, match="only the sage-mm policies take an adapter"):
        load_policy(f"hf:{folder}", adapter=folder)


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_four_bits_need_their_package(checkpoints) -> None:
    with pytest.raises(MissingExtra, match="bitsandbytes"):
        HuggingFacePolicy.load(checkpoints["llava"], four_bit=True)


def test_pictures_are_shown_whole_unless_that_is_asked_for(checkpoints, tmp_path) -> None:
    assert HuggingFacePolicy.load(checkpoints["gemma3"]).model.images == {"do_pan_and_scan": False}
    assert HuggingFacePolicy.load(checkpoints["llava"]).model.images == {}
    try:
        tiles = write_idefics3(tmp_path / "tiles")
    except ImportError:  # in older releases of transformers its processor needs torchvision
        pytest.skip("Idefics 3 has no processor here")
    whole = HuggingFacePolicy.load(tiles, max_new_tokens=1)
    assert whole.model.images == {"do_image_splitting": False}
    images = {"do_image_splitting": True}
    cut = HuggingFacePolicy.load(tiles, images=images, max_new_tokens=1)
    assert cut.model.images == images
    lengths = [len(policy.act(shown(0)).tokens.prompt) for policy in (whole, cut)]
    assert lengths[1] > 2 * 4 + lengths[0]


def test_unreadable_pictures_are_an_error_and_no_answer(checkpoints) -> None:
    policy = HuggingFacePolicy.load(checkpoints["llava"], images={"do_resize": False})
    policy.model.images["size"] = {"nonsense": 3}
    policy.model.images["do_resize"] = True
    with pytest.raises(ModelError, match="LlavaProcessor cannot read the frames"):
        policy.act(shown(0))
