"""The questions that a script raises: what is said, what is written, which number is larger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.item import QAItem
from sage_env.synth.plan import STREAMS, VERSION, VideoPlan
from sage_env.synth.questions import ask
from sage_env.synth.spoken.script import WORDS, Script, write_script
from sage_env.timeline import Span

TIERS = {"spoken": "speech", "text": "hard", "compare": "hard"}
"""The families of questions beyond those of sage-synth, and the tier of each."""
_WORDING = {
    "spoken word": (
        "Which word is spoken while the backdrop is {colour}?",
        "What word does the voice say on the {colour} backdrop?",
    ),
    "spoken code": ("Which code word does the voice say?", "What is the spoken code word?"),
    "text": (
        "Which word is written on the {colour} backdrop?",
        "What word can be read on the {colour} backdrop?",
    ),
    "compare": (
        "On which backdrop is the larger number written, the {first} or the {second} one?",
        "Which backdrop shows the larger number, the {first} or the {second} one?",
    ),
}


def ask_spoken(plan: VideoPlan, video: Path, seed: int, heard: bool = True) -> list[QAItem]:
    """Return all questions about a video: those of sage-synth as they are there, then the others.

    Args:
        plan: of the video.
        video: where its file is, or will be.
        seed: of the whole set.
        heard: whether the video has its voice; without, the questions about it are left out. All
            other questions are the same then.
    """
    old = ask(plan, video, seed)
    script = write_script(plan, seed)
    writer = _Writer(plan, video, seed, script, len(old))
    writer.ask_spoken()
    writer.ask_text()
    writer.ask_compare()
    new = [item for item in writer.items if heard or item.group["family"] != "spoken"]
    return [*old, *new]


class _Writer:
    """Words the questions; draws wording and choices from a generator of their own."""

    def __init__(
        self, plan: VideoPlan, video: Path, seed: int, script: Script, number: int
    ) -> None:
        split, index = plan.name.split("/")
        self.plan, self.video, self.script, self.number = plan, video, script, number
        self.prefix = f"{split}-{index}"
        self.rng = np.random.Generator(
            np.random.Philox([VERSION, seed, STREAMS[split], int(index), 3])
        )
        self.items: list[QAItem] = []

    def ask_spoken(self) -> None:
        said = [utterance.word for utterance in self.script.utterances]
        for utterance in self.script.utterances:
            choices = self._choices(utterance.word, said)
            colour = self._colour(utterance.start)
            span = (utterance.start, utterance.end)
            wording = f"spoken {utterance.kind}"
            self._add("spoken", wording, utterance.word, [span], choices, colour=colour)

    def ask_text(self) -> None:
        captions = [caption for caption in self.script.captions if not caption.text.isdigit()]
        for caption in captions:
            choices = self._choices(caption.text, [other.text for other in captions])
            colour = self._colour(caption.start)
            span = (caption.start, caption.end)
            self._add("text", "text", caption.text, [span], choices, colour=colour)

    def ask_compare(self) -> None:
        captions = [caption for caption in self.script.captions if caption.text.isdigit()]
        if len(captions) < 2:
            return
        colours = [self._colour(caption.start) for caption in captions]
        larger = colours[int(np.argmax([int(caption.text) for caption in captions]))]
        first, second = (colours[int(place)] for place in self.rng.permutation(2))
        spans = [(caption.start, caption.end) for caption in captions]
        named = {"first": first, "second": second}
        self._add("compare", "compare", larger, spans, (first, second), **named)

    def _colour(self, second: float) -> str:
        return str(self.plan.scene_at(second).colour)

    def _choices(self, answer: str, near: Sequence[str]) -> tuple[str, ...]:
        """Return four words in random order, the others of the same video among them; or none.

        Half of the time there are none. Words of the same video make it useless to know some word
        that is said or written, without knowing where.
        """
        if self.rng.random() < 0.5:
            return ()
        others = [word for word in near if word != answer]
        rest = [word for word in WORDS if word != answer and word not in others]
        others = [*others, *(str(word) for word in self.rng.permutation(rest))][:3]
        return tuple(str(word) for word in self.rng.permutation([answer, *others]))

    def _add(
        self,
        family: str,
        wording: str,
        answer: str,
        spans: Sequence[Span],
        choices: tuple[str, ...],
        **words: str,
    ) -> None:
        ways = _WORDING[wording]
        self.items.append(
            QAItem(
                id=f"{self.prefix}-{family}-{self.number + len(self.items)}",
                video=self.video,
                question=ways[int(self.rng.integers(len(ways)))].format(**words),
                choices=choices,
                answer=answer,
                kind="mcq" if choices else "open",
                evidence=tuple(spans),
                duration=self.plan.duration,
                group={
                    "family": family,
                    "tier": TIERS[family],
                    "bucket": bucket_of(self.plan.duration),
                },
            )
        )
