"""Laws of `policies.served.openai_compatible`, `request_fields` against a real vLLM.

`SAGE_VLLM_PYTHON` names the Python of an environment with vLLM for this machine; without it nothing
runs here. `pytest -m engines tests/policies/served` takes about a minute on two cores.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import policies
from algos.rollout.playing import play
from policies.errors import ServiceError, ServiceRefused
from policies.registry import UnknownPolicy, load_policy
from sage_env import QAItem, VideoQAEnv
from tests.helpers.clips import write_clip
from tests.helpers.loopback import shown

pytestmark = pytest.mark.engines
PYTHON = os.environ.get("SAGE_VLLM_PYTHON", "")
CONTEXT = 2048
QUIET = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}
PICTURES = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 4}
PICTURES |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}  # type: ignore[dict-item]


def checkpoint(folder: Path) -> Path:
    """Return the shipped model as vLLM reads it: without the reading head, with processors."""
    shipped = Path(policies.__file__).parent / "sage_mm_tiny"
    folder.mkdir()
    for path in shipped.iterdir():
        if path.name not in ("README.md", "reading_head.safetensors", "sage_mm.json"):
            shutil.copy(path, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|video_pad|>", "<|image_pad|>"))
    for name, kind in {
        "preprocessor_config": {"image_processor_type": "Qwen2VLImageProcessor"},
        "video_preprocessor_config": {"video_processor_type": "Qwen3VLVideoProcessor"},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(PICTURES | kind))
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """Start vLLM as usual: no flag for function calls, a context shorter than our replies."""
    if not PYTHON:
        pytest.skip("SAGE_VLLM_PYTHON names no environment")
    folder = tmp_path_factory.mktemp("vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--served-model-name", "tiny"]
    command += ["--model", str(checkpoint(folder / "tiny")), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--dtype", "float32", "--max-model-len", str(CONTEXT)]
    command += ["--enforce-eager", "--max-num-seqs", "4", "--limit-mm-per-prompt"]
    command += ['{"image": 20, "video": 0}', "--logprobs-mode", "processed_logprobs"]
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        command, cwd=folder, env=os.environ | QUIET, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()[-3000:]
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(60)
        log.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_the_default_policy_plays_an_episode(url, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.warns(UserWarning, match="--enable-auto-tool-choice --tool-call-parser"):
        policy = load_policy("openai:tiny", temperature=0.0)
        clip = write_clip(tmp_path / "a.mp4", [25 * i for i in range(20)])
        items = [QAItem("q", clip, "which?", ("a", "b"), "b", "mcq", duration=20.0)]
        env = VideoQAEnv(dataset=items, frame_size=(64, 64), overview_frames=2, max_turns=1)
        trajectory = play(env, policy, seed=0)
    assert trajectory.error is None and len(trajectory.turns) == 1
    assert policy.usage.replies == 1 and policy.usage.prompt_tokens > 100


def test_settings_by_name_give_a_record_of_tokens(url) -> None:
    options = {"base_url": url, "replies": "json", "token_ids": True, "max_tokens": 24}
    with pytest.raises(UnknownPolicy, match="token_ids needs"):
        load_policy("openai:tiny", options=options)
    policy = load_policy("openai:tiny", temperature=1.0, options=options)
    policy.reset(seed=1)
    tokens = policy.act(shown()).tokens
    assert tokens is not None and 1 <= len(tokens.completion) <= 24
    assert (tokens.logprobs <= 0).all() and len(tokens.prompt) > 100


def test_what_does_not_fit_names_the_flag(url) -> None:
    policy = load_policy("openai:tiny", options={"base_url": url, "replies": "json"})
    with pytest.raises(ServiceError, match=f"context is {CONTEXT} tokens.*--max-model-len"):
        policy.act(shown(question="why " * 3000))
    with pytest.raises(ServiceRefused, match="no model 'other', it has tiny"):
        load_policy("openai:other", options={"base_url": url})
