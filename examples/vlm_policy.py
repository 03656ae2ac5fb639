"""A policy of one's own around any image-text-to-text model of Hugging Face.

    pip install torchvision          # image processors of most models want it
    python examples/vlm_policy.py --model Qwen/Qwen2.5-VL-3B-Instruct --device cuda
    python examples/vlm_policy.py --model FOLDER --limit 1

A policy is any object with `reset` and `act`; there is no base class. This one keeps the messages
of its episode: each turn it appends what the environment shows, lets the model write, and reads an
action from the text. The first call downloads the weights. Read what the model writes before you
read its accuracy: one that never saw several images in one prompt cannot tell their times apart.
"""

from __future__ import annotations

from typing import Any, cast

import gymnasium as gym
import torch
import tyro
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import sage_env
from algos.rollout import Trajectory, play
from policies.base import Decision, Observation
from sage_env import Answer, Sample, Skip, Zoom, format_action, parse_action, pictures
from sage_env.datasets import lettered

HUB_ID = "Qwen/Qwen2.5-VL-3B-Instruct"
# The examples are written by the function whose texts `parse_action` reads back, so the prompt
# cannot drift from the grammar.
RULES = f"""\
You answer a question about a video of which you see single frames, each after its time. Every \
reply is one turn. Reply with one JSON object and nothing else, times in seconds:
{format_action(Skip(95.0), thought="…")} moves the cursor and shows nothing.
{format_action(Sample(0.0, 60.0, 8), thought="…")} shows even frames of a stretch.
{format_action(Zoom(31.0, 34.0, 4, (0.5, 0.0, 1.0, 0.5)), thought="…")} shows frames of a short \
window; the optional box enlarges a part of the picture.
{format_action(Answer("B"), thought="…")} ends the episode: the letter or text of a choice, or a \
few words. Answer at the latest in your last turn."""


class VLMPolicy:
    """Plays with a chat model, a hub id or a folder, by greedy decoding."""

    def __init__(self, model: str = HUB_ID, device: str = "cpu", max_new_tokens: int = 200) -> None:
        """Load the model and its processor."""
        self.processor: Any = AutoProcessor.from_pretrained(model)  # type: ignore[no-untyped-call]
        network = AutoModelForImageTextToText.from_pretrained(model, dtype="auto")
        self.model = cast(Any, network).to(device)
        self.max_new_tokens = max_new_tokens
        self.messages: list[dict[str, Any]] = []

    def reset(self, *, seed: int | None = None) -> None:
        """Begin a new episode; greedy decoding has nothing to seed."""
        self.messages = []

    def act(self, observation: Observation) -> Decision:
        """Show the observation to the model and read its reply.

        Text that is no action becomes `Invalid`: it costs a turn, and the next observation's
        `message` tells the model why.
        """
        self.messages.append(user_message(observation, first=not self.messages))
        text = self.reply(self.messages)
        content = [{"type": "text", "text": text}]
        self.messages.append({"role": "assistant", "content": content})
        return Decision(parse_action(text), text)  # the text is kept in the trajectory

    @torch.inference_mode()
    def reply(self, messages: list[dict[str, Any]]) -> str:
        """Return what the model writes after these messages."""
        inputs = self.processor.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        inputs = inputs.to(self.model.device, self.model.dtype)  # casts pixels, not token ids
        output = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
        new = output[:, inputs["input_ids"].shape[1] :]
        return str(self.processor.batch_decode(new, skip_special_tokens=True)[0])


def user_message(observation: Observation, *, first: bool) -> dict[str, Any]:
    """Return an observation as a chat message; the first one of an episode has the rules too.

    They stand in the user's message because some chat templates know no system message.
    """
    content: list[dict[str, Any]] = [{"type": "text", "text": RULES}] if first else []
    for k, picture in enumerate(pictures(observation)):  # without padding and black bars
        content.append({"type": "text", "text": f"<{observation['seconds'][k]:.1f} seconds>"})
        content.append({"type": "image", "image": Image.fromarray(picture)})
    lines = [observation["message"], observation["text"]]  # a request was cut; a tool's reply
    if first:
        lines += [f"The video has {observation['duration']:.1f} seconds.", observation["question"]]
        choices = observation["choices"].split("\n") if observation["choices"] else []
        lines += lettered(choices)  # A. red, B. blue
    turns, frames = observation["turns_left"], observation["frames_left"]
    lines.append(f"Turns left: {turns}. Frames left: {frames}.")
    content.append({"type": "text", "text": "\n".join(line for line in lines if line)})
    return {"role": "user", "content": content}


def main(model: str = HUB_ID, device: str = "cpu", limit: int = 4) -> list[Trajectory]:
    """Play the first questions of SageSynth's test split, and print every turn."""
    policy = VLMPolicy(model, device)
    env = gym.make("SageVideoQA-v0", split="test", max_turns=5, overview_frames=8, max_frames=32)
    played = []
    for item in sage_env.load_dataset("sage-synth", split="test")[:limit]:
        played.append(play(env, policy, seed=0, item_id=item.id))
        print(item.question, "->", item.answer)
        for turn in played[-1].turns:
            print(f"    {turn.decision.text[:300]!r} -> {turn.info['action']}")
        print("    return:", played[-1].ret)
    env.close()
    return played


if __name__ == "__main__":
    tyro.cli(main)
