"""The context of one running episode: its tokens only grow, or lose whole turns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from policies.base import Observation, TurnTokens
from policies.errors import ContextFull, ModelError
from policies.prompt import render_user
from policies.sage_mm.generation.sequence import Completion, PrefillState, SequenceInput
from policies.sage_mm.tokens.chat_tokens import ChatTokens

_NONE = np.zeros(0, np.int64)


@dataclass(eq=False)
class _ContextTurn:
    """One turn in the context.

    Attributes:
        prompt: int64 `(P,)`, what was shown.
        frames: keys of the frames in it.
        completion: int64 `(C,)`, the reply; empty until it comes.
    """

    prompt: NDArray[np.int64]
    frames: tuple[bytes, ...]
    completion: NDArray[np.int64] = field(default_factory=lambda: _NONE)


@dataclass(eq=False)
class Context:
    """One running episode: the turns that the model sees, and the KV state of their first tokens.

    Attributes:
        random: its numbers decide what the episode samples.
        dropped: turns that are no longer in it; see `TurnTokens.dropped`.
        kv_state: of its first tokens; `None` where they have to be prefilled again.
        last_used: number of the call in which it acted last.
    """

    random: np.random.Generator
    dropped: int = 0
    kv_state: PrefillState | None = None
    last_used: int = 0
    _uniforms: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    _question: str | None = None
    _turns: list[_ContextTurn] = field(default_factory=list)

    @property
    def ids(self) -> NDArray[np.int64]:
        """All tokens that the model sees: int64 `(L,)`."""
        return np.concatenate([_NONE, *(x for t in self._turns for x in (t.prompt, t.completion))])

    @property
    def length(self) -> int:
        """Number of tokens that the model sees."""
        return sum(len(turn.prompt) + len(turn.completion) for turn in self._turns)

    @property
    def last(self) -> int | None:
        """The last token of the last reply; `None` before the first turn."""
        return int(self._turns[-1].completion[-1]) if self._turns else None

    def same_question(self, question: str) -> None:
        """Refuse an observation of another question: an episode's tokens cannot become others.

        Raises:
            ModelError: if the question is not that of the episode's first turn.
        """
        if self._question is None:
            self._question = question
        elif question != self._question:
            raise ModelError(
                f"a running episode asks {self._question!r}, but the observation now asks "
                f"{question!r}: end the episode, or give the new one a name of its own"
            )

    def fit(
        self, prompt: NDArray[np.int64], reply: int, limit: int, stop: int, *, drop: bool
    ) -> NDArray[np.int64]:
        """Make room for a prompt and its reply, by dropping the oldest turns where that is allowed.

        Args:
            prompt: int64 `(P,)`, as it follows the last turn.
            reply: tokens that must be left for the reply.
            limit: tokens of the model's context.
            stop: the id that ends a reply.
            drop: whether turns may be dropped.

        Returns:
            the prompt as it follows what is left: int64, one token longer or shorter at most.

        Raises:
            ContextFull: if it does not fit, and nothing may or can be dropped.
        """
        while (length := self.length + len(prompt) + reply) > limit:
            if not drop or not self.drop_turn(stop):
                raise ContextFull(
                    f"an episode would need {length} tokens, but the model's context has {limit}: "
                    "make the environment with fewer turns, fewer or smaller frames"
                )
            prompt = fix_seam(prompt, stop, stopped=self.last == stop)
        return prompt

    def show(self, prompt: NDArray[np.int64], frames: tuple[bytes, ...]) -> None:
        """Add a prompt int64 `(P,)` with its frames; the reply comes with `extend`."""
        self._turns.append(_ContextTurn(prompt, frames))

    def draw_uniforms(self, tokens: int) -> None:
        """Draw the random numbers of a turn, for so many tokens.

        All of them are drawn at its start, however many it will use: the length of one reply then
        moves no draw of the next, and a turn that has to be sampled again samples the same.
        """
        self._uniforms = self.random.random(tokens)

    @property
    def opening(self) -> SequenceInput:
        """The prompt of the first turn, which rollouts of a question share."""
        first = self._turns[0]
        return SequenceInput(first.prompt, first.frames, None, np.zeros(0))

    @property
    def sequence_input(self) -> SequenceInput:
        """What has to be prefilled before the next reply, with the random numbers of the turn.

        Raises:
            ModelError: if the tokens of the KV state are not the first ones any more.
        """
        ids, cached = self.ids, 0
        if self.kv_state is not None:
            cached = len(self.kv_state.ids)
            require_prefix(self.kv_state.ids, ids)
        frames: list[bytes] = []
        at = 0
        for turn in self._turns:  # a state never ends within a prompt
            if at >= cached:
                frames += turn.frames
            at += len(turn.prompt) + len(turn.completion)
        return SequenceInput(ids[cached:], tuple(frames), self.kv_state, self._uniforms)

    def extend(self, completion: Completion) -> None:
        """Add the sampled tokens, as they were sampled, and take over the KV state."""
        self._turns[-1].completion = completion.ids
        self.kv_state = completion.kv_state

    def recall(self, completion: NDArray[np.int64]) -> None:
        """Add a reply int64 `(C,)` that was not sampled here; it is read with the next prompt."""
        self._turns[-1].completion = completion

    def turn(self, completion: Completion) -> TurnTokens:
        """Return the record of the turn that was just completed."""
        last = self._turns[-1]
        return TurnTokens(
            last.prompt,
            completion.ids,
            completion.logprobs,
            last.frames,
            dropped=self.dropped,
            entropies=completion.entropies,
        )

    def drop_kv_state(self) -> None:
        """Drop keys and values: all tokens are prefilled again at the next turn."""
        self.kv_state = None

    def shrink_kv_state(self) -> None:
        """Keep the keys and values of the first prompt alone; what came after is prefilled again.

        The first prompt may cost nothing: other rollouts of the question hold it too.
        """
        if self.kv_state is not None:
            root = self.kv_state.root
            self.kv_state = root if len(root.ids) <= len(self._turns[0].prompt) else None

    def drop_turn(self, stop: int) -> bool:
        """Drop the oldest turn after the first, with its frames and its reply.

        The first turn stays, because it has the question. Later tokens move to other positions, so
        that their keys and values are dropped as well.

        Args:
            stop: the id that ends a reply.

        Returns:
            whether there was a turn to drop.
        """
        if len(self._turns) < 2:
            return False
        del self._turns[1]
        self.dropped += 1
        self.drop_kv_state()
        if len(self._turns) > 1:
            stopped = self._turns[0].completion[-1] == stop
            self._turns[1].prompt = fix_seam(self._turns[1].prompt, stop, stopped=bool(stopped))
        return True


def fix_seam(prompt: NDArray[np.int64], stop: int, *, stopped: bool) -> NDArray[np.int64]:
    """Return a later turn's prompt as it follows another reply: fix the stop token at the seam.

    A reply that was cut by length has no stop token, and the prompt after it begins with one to
    close it. Where a turn between them is dropped, the prompt gets another reply before it:

    | the prompt had | the reply now before it | so that the prompt |
    |---|---|---|
    | no stop token | stopped | stays |
    | no stop token | was cut | begins with a stop token |
    | a stop token | stopped | loses it |
    | a stop token | was cut | stays |

    Args:
        prompt: int64 `(P,)`.
        stop: the id that ends a reply.
        stopped: whether the reply before it ended with the stop token.

    Returns:
        int64 `(P,)`, `(P - 1,)` or `(P + 1,)`.
    """
    closed = prompt[1:] if prompt[0] == stop else prompt
    return closed if stopped else np.concatenate([np.array([stop], np.int64), closed])


def require_prefix(before: NDArray[np.int64], now: NDArray[np.int64]) -> None:
    """Refuse tokens that do not begin with those that came before: nothing is ever re-rendered.

    Args:
        before: int64 `(T,)`, the tokens of the KV state.
        now: int64 `(L,)`, those of the episode.

    Raises:
        ModelError: names the first token that differs.
    """
    kept = now[: len(before)]
    if np.array_equal(kept, before):
        return
    length = len(kept)
    differs = kept != before[:length]
    at = int(differs.argmax()) if differs.any() else length
    raise ModelError(
        f"the context no longer begins with the {len(before)} tokens that were read: token {at} of "
        f"{len(now)} differs; what was sampled or shown must not be written anew"
    )


def require_room(
    tokens: ChatTokens,
    observation: Observation,
    prompt: int,
    frame: int,
    reply: int,
    limit: int,
) -> None:
    """Refuse an episode at its start if the frames of its budget cannot fit into the context.

    Needed are the first prompt, a prompt and a reply of one token for every turn in which frames
    may still be shown, every frame with its time and vision markers, and room for a last reply. It
    is a lower bound: an episode that passes may still outgrow the context by its replies.

    Args:
        tokens: the chat layout.
        observation: the first one, which says how many turns and frames are left.
        prompt: tokens of the first turn.
        frame: visual tokens of one frame, the fewest where frames differ.
        reply: tokens that must be left for a reply.
        limit: tokens of the model's context.

    Raises:
        ContextFull: if more tokens are needed than the context has.
    """
    duration, left = float(observation["duration"]), int(observation["frames_left"])
    plain = dict(observation) | {"num_frames": 0, "message": "", "text": ""}
    turn = len(tokens.prompt(render_user(plain, first=False, style=tokens.style), 0, first=False))
    stamp = len(tokens.completion(f"<{duration:.1f} seconds>")) - 1 + 2  # and the vision markers
    turns = min(max(0, int(observation["turns_left"]) - 1), left)
    needed = prompt + turns * (turn + 1) + left * (frame + stamp) + reply
    if needed > limit:
        shown = int(observation["num_frames"]) + left
        raise ContextFull(
            f"an episode of {shown} frames of {frame} tokens would need {needed} tokens, but the "
            f"model's context has {limit}: make the environment with fewer turns, fewer or smaller "
            "frames, or load the policy with when_full='drop', which forgets the oldest turns"
        )
