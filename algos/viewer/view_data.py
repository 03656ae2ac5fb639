"""What the page shows, as plain data: the seam between whoever read a run and what draws it.

`reading/` makes these from a run's folder, `foreign/` from others' traces; `writing/` puts them
into a file, and the scripts of `page/` read them there under the same names. Times are seconds from
the start of the video, spans half-open `[start, end)`, boxes fractions `(x0, y0, x1, y1)` of the
picture. `None` is "not known" or "not measured", never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Span = tuple[float, float]
Box = tuple[float, float, float, float]
ColumnKind = Literal["text", "number", "verdict", "category", "seconds"]


@dataclass(frozen=True)
class TokenView:
    """The tokens that a policy sampled in one turn. Letters: C tokens.

    Every list has C entries; a measure that was not taken is `None` as a whole.

    Attributes:
        text: what each token adds to the reply.
        logprob: log-probability under which it was sampled, in nats.
        entropy: of the distribution that it was drawn from, in nats.
        ratio: probability after the update by that before it.
        advantage: as the loss had it.
        value: the critic's value of the state before the token.
        in_loss: whether it was trained on.
        stop: how the stop token is spelled, where it is the last, whose text is then empty; an
            empty text elsewhere is a token that ends within a character.
    """

    text: Sequence[str]
    logprob: Sequence[float] | None = None
    entropy: Sequence[float] | None = None
    ratio: Sequence[float] | None = None
    advantage: Sequence[float] | None = None
    value: Sequence[float] | None = None
    in_loss: Sequence[bool] | None = None
    stop: str | None = None


@dataclass(frozen=True)
class FrameView:
    """One frame that the policy was shown.

    Attributes:
        second: its presentation time.
        picture: where its picture is in the file (a JPEG, PNG or WebP as bytes), where the trace
            itself carries it; `None` where it is decoded from the video.
    """

    second: float
    picture: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class StepView:
    """One turn of an episode; turn 0 is what was shown before the first.

    Attributes:
        turn: from 1; 0 for the overview.
        action: `overview`, `skip`, `sample`, `zoom`, `answer`, `use_tool`, `invalid`, or the name
            that a foreign trace has for it.
        span: stretch that the action was about, as it was served.
        box: part of the picture that was shown.
        frame_size: `(H, W)` of the frames as the policy saw them.
        frames: what was shown in return.
        call: the action as text.
        thought: what the policy wrote for itself before it.
        raw: all that it wrote, where it is more than thought and call.
        reason: why it was no action, or was cut: the environment's words.
        told: a tool's reply, or other text that came back.
        prompt: the text that the policy read in this turn, without frames and without what it had
            read before; `None` where it is not known.
        tokens: how many were sampled; `prompt_tokens`: read.
        seconds: how long the turn took; `cost`: US dollars.
        reward: sum of `reward_terms`.
        credit: nats that the answer would lose without the frames of this turn.
        beliefs: probability of each choice before the action of this turn.
        value, advantage: of the turn: those of its first sampled token.
        pieces: the sampled tokens.
        claimed: spans that an answer says it relies on.
        extra: what else a trace says of the turn, by label.
    """

    turn: int
    action: str
    span: Span | None = None
    box: Box | None = None
    frame_size: tuple[int, int] | None = None
    frames: Sequence[FrameView] = ()
    call: str = ""
    thought: str | None = None
    raw: str | None = None
    reason: str = ""
    told: str = ""
    prompt: str | None = None
    tokens: int | None = None
    prompt_tokens: int | None = None
    seconds: float | None = None
    cost: float | None = None
    reward: float | None = None
    reward_terms: Mapping[str, float] = field(default_factory=dict)
    credit: float | None = None
    beliefs: Sequence[float] | None = None
    value: float | None = None
    advantage: float | None = None
    pieces: TokenView | None = None
    claimed: Sequence[Span] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EpisodeView:
    """How one entry played one question.

    Attributes:
        entry: key of the entry.
        steps: the overview (turn 0), where there is one, and the turns in order.
        verdict: right, wrong, or not judged.
        rule, judge, judge_words: what decided, as `samples.jsonl` has them.
        prediction: text of the answer; `None` without one.
        stop_reason: `answered`, `out_of_turns`, or `None`.
        error: why it failed on our side.
        other_video: name of the video that it was played on, where that is not the question's, as
            in a control that shows a wrong one: its times are of that video, and its frames have
            no picture and lie in no evidence; `None` where it is the question's.
        row: the flat row of it (`algos.evaluation.sample_rows`), or those keys that are known.
        commands: what-if commands, ready to copy: label and the command, with `{turn}` where the
            turn's number goes, and other places that the page fills in
            (`reading.replay_commands`); `{{` and `}}` are braces.
    """

    entry: str
    steps: Sequence[StepView]
    verdict: bool | None = None
    rule: str | None = None
    judge: str | None = None
    judge_words: str | None = None
    prediction: str | None = None
    stop_reason: str | None = None
    error: str | None = None
    other_video: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class QuestionView:
    """One question, and the episodes that are known of it.

    Attributes:
        id, question, choices, gold, kind, group, evidence: of the item.
        gold_choice: number of the right choice from 0; `None` for an open question.
        duration: seconds of the video; `None` if not known.
        video: the file, for pictures and playback; `None` if there is none.
        subtitles: the file of its subtitles; `None` if there is none.
        subtitles_start: seconds at which the video begins on the clock of its subtitles.
        frame_size: `(H, W)` at which the frames were shown where a step does not say.
        pictures: whether the licence of the dataset lets frames be put into a page.
        episodes: one for each entry that has one.
    """

    id: str
    question: str
    choices: Sequence[str] = ()
    gold: str | None = None
    gold_choice: int | None = None
    kind: str = "open"
    group: Mapping[str, str] = field(default_factory=dict)
    evidence: Sequence[Span] = ()
    duration: float | None = None
    video: Path | None = None
    subtitles: Path | None = None
    subtitles_start: float = 0.0
    frame_size: tuple[int, int] | None = None
    pictures: bool = True
    episodes: Sequence[EpisodeView] = ()


@dataclass(frozen=True, kw_only=True)
class EntryView:
    """One line of the run's table: a policy under a control or a budget, or an update.

    Attributes:
        key: unique in the run.
        title: for people.
        update: of a training, after which it was validated; `None` otherwise.
        told: `policy`, `control`, `budget`, `repeat`, `decoding`, where known.
    """

    key: str
    title: str
    update: int | None = None
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DifferenceView:
    """By how much one entry is more accurate than another, paired by question.

    Attributes:
        a, b: keys of the entries.
        questions: that both are judged on.
        difference: accuracy of A minus that of B on these.
        interval: 95 % of it, over videos; `None` where it is not known.
    """

    a: str
    b: str
    questions: int
    difference: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of all questions.

    Attributes:
        key: of the rows; `group.NAME` and `reward.NAME` for entries of those mappings.
        title: for people.
        kind: how it is shown, sorted and filtered.
        about: one sentence for its heading.
        shown: whether it is shown before the user chooses.
    """

    key: str
    title: str
    kind: ColumnKind
    about: str = ""
    shown: bool = True


@dataclass(frozen=True, kw_only=True)
class RunView:
    """A run, ready to be shown.

    Attributes:
        title: of the page.
        about: what was run: labels and texts.
        entries: in the order of the tables.
        shown: key of the entry whose episodes are shown first; `before`: that before learning.
        columns: of the table of all questions.
        rows: one flat row for each entry and question, in any order: `id` and `entry`, and the keys
            of the columns that are known of it. Read once, as a stream: there may be 100,000.
        count: how many rows there are.
        order: ids of the questions, the most telling first: the first get details and pictures
            where not all can.
        question: details of a question by its id; read from its files when asked.
        frame_size: `(H, W)` at which the policy saw frames, where nothing closer says.
        live: whether the run is still going.
        notes: what the page does not show, and why, in sentences.
        sections: parts of the run view that are drawn in advance: `(id, heading, HTML)` of ours.
        curves: rows of `metrics.jsonl`, for the learning curves.
        differences: of pairs of entries, with their intervals.
    """

    title: str
    about: Mapping[str, str]
    entries: Sequence[EntryView]
    shown: str
    before: str | None = None
    columns: Sequence[Column] = ()
    rows: Callable[[], Iterator[Mapping[str, Any]]]
    count: int
    order: Sequence[str]
    question: Callable[[str], QuestionView]
    frame_size: tuple[int, int] = (224, 224)
    live: bool = False
    notes: Sequence[str] = ()
    sections: Sequence[tuple[str, str, str]] = ()
    curves: Sequence[Mapping[str, Any]] = ()
    differences: Sequence[DifferenceView] = ()
