"""Episodes as conversations with pictures: `messages` and `images`, for Hugging Face's trainers.

One row a question. The messages are those of `sage_env.wrappers.ChatObservations`: the system
message says what an agent may do, a user message shows frames behind their times and what remains
of the budget, an assistant message is what the agent wrote to act. They end with the answer. The
k-th block `{"type": "image"}` of a row stands for the k-th of its `images`:

| images | an element of `images` |
|---|---|
| as references | `{"video", "seconds", "box"}`: which frame of which file, and what part of it |
| as files | the path of a PNG or JPEG, relative to the file of rows |
| in Parquet, as files | bytes and path, as the feature `Image` of `datasets` has them |

Every block has the same two keys, and every row the same columns, so that readers which infer a
schema take the file. Beside the conversation stand `id`, `gold`, `prediction`, `verdict` (`null`:
not judged), `invalid_turns` (numbers of assistant messages, from 0, that no one should learn) and
`reward` (`null` where the judge failed). Failed episodes are left out: they are no conversations.
So are those with a tool that was late: nobody should learn what came of our fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from algos.exchange.picture_files import PictureFolder, encoded
from algos.exchange.played_entry import PlayedEntry, PlayedQuestion
from algos.exchange.playing_again import actions_of, decisions_of, environment_of, play_again
from algos.rollout.trajectory import Trajectory
from algos.sft.action_words import words_of
from sage_env.actions.action import Invalid
from sage_env.env import VideoQAEnv
from sage_env.lazy_exports import needs_extra
from sage_env.storage.atomic_file import atomic_path
from sage_env.tools.calling import LATE
from sage_env.wrappers.chat_observations import ChatObservations

ROWS = "train.jsonl"
PARQUET = "train.parquet"
PICTURES = "images"
Row = dict[str, Any]


def write_chat_examples(
    entry: PlayedEntry,
    folder: Path,
    *,
    pictures_as: PictureFolder | None = None,
    parquet: bool = False,
    root: Path | None = None,
    call_tools: bool = False,
) -> int:
    """Write `train.jsonl` or `train.parquet`.

    Args:
        entry: whose episodes.
        folder: where to; made if it is missing.
        pictures_as: where pictures go; by default rows refer to frames of the videos. In Parquet
            nothing is written there, and its encoding holds.
        parquet: whether to write Parquet, with the pictures inside.
        root: folder of the videos, where they are not where the run had them.
        call_tools: whether tools may be called again, whose replies are part of the messages.

    Returns:
        The number of rows.

    Raises:
        ExchangeError: if something else is shown than when the episodes were played.
        MissingExtra: for Parquet without pyarrow.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = chat_rows(entry, pictures_as, inside=parquet, root=root, call_tools=call_tools)
    if parquet:
        return _write_parquet(rows, folder / PARQUET, pictures=pictures_as is not None)
    count = 0
    with atomic_path(folder / ROWS) as partial, partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
            count += 1
    return count


def chat_rows(
    entry: PlayedEntry,
    pictures_as: PictureFolder | None = None,
    *,
    inside: bool = False,
    root: Path | None = None,
    call_tools: bool = False,
) -> Iterator[Row]:
    """Yield a row for each question whose episode did not fail, and had no tool that was late.

    Args:
        entry: whose episodes.
        pictures_as: where pictures go; by default rows refer to frames of the videos.
        inside: whether pictures stand in the row, as `{"bytes", "path"}`, instead of in files.
        root: folder of the videos, where they are not where the run had them.
        call_tools: whether tools may be called again, whose replies are part of the messages.

    Raises:
        ExchangeError: if something else is shown than when the episodes were played.
    """
    with environment_of(entry, root=root, call_tools=call_tools) as env:
        for question, trajectory in entry.episodes(not_judged=True):
            if LATE in trajectory.tool_calls:
                continue
            yield _row(env, question, trajectory, pictures_as, inside)


def _row(
    env: VideoQAEnv,
    question: PlayedQuestion,
    trajectory: Trajectory,
    pictures_as: PictureFolder | None,
    inside: bool,
) -> Row:
    decisions, actions = decisions_of(trajectory), actions_of(trajectory)
    *_, conversation = play_again(ChatObservations(env), question, trajectory, actions)
    spoken = conversation[:-1]  # nobody replies to the last
    pictures = [picture for message in spoken for picture in _images(message)]
    messages = [_message(message) for message in spoken]
    replies = [message for message in messages if message["role"] == "assistant"]
    for reply, decision in zip(replies, decisions, strict=True):
        reply["content"] = [{"type": "text", "text": _unicode(words_of(decision))}]
    references = _references(question, trajectory)[: len(pictures)]
    images: Sequence[Any] = references
    if pictures_as is not None and inside:
        names = [f"{question.item.id}-{k}" for k in range(len(pictures))]
        data = [encoded(picture, pictures_as.encoding) for picture in pictures]
        images = [{"bytes": d, "path": n} for d, n in zip(data, names, strict=True)]
    elif pictures_as is not None:
        images = [pictures_as.add(picture) for picture in pictures]
    said = question.row.get("prediction")
    return {
        "id": question.item.id,
        "messages": messages,
        "images": list(images),
        "gold": question.item.answer,
        "prediction": None if said is None else _unicode(said),
        "verdict": question.row.get("verdict"),
        "reward": None if trajectory.error else trajectory.ret,
        "invalid_turns": [k for k, a in enumerate(actions) if isinstance(a, Invalid)],
    }


def _message(message: Any) -> dict[str, Any]:
    content = [{"type": b["type"], "text": b.get("text")} for b in message["content"]]
    return {"role": message["role"], "content": content}


def _unicode(text: str) -> str:
    """Return a text that can be written as UTF-8."""
    return text.encode(errors="replace").decode()


def _images(message: Any) -> list[Any]:
    return [block["image"] for block in message["content"] if block["type"] == "image"]


def _references(question: PlayedQuestion, trajectory: Trajectory) -> list[dict[str, Any]]:
    """Return which frames were shown, in order: those that the last turn brought too."""
    found = []
    for info in (trajectory.start_info, *(turn.info for turn in trajectory.turns)):
        for second in info.get("frame_seconds") or ():
            box = info.get("box")
            found.append(
                {
                    "video": str(question.item.video),
                    "seconds": float(second),
                    "box": None if box is None else [float(edge) for edge in box],
                }
            )
    return found


def _write_parquet(rows: Iterator[Row], path: Path, *, pictures: bool) -> int:
    with needs_extra("Parquet", "data"):
        import pyarrow
        from pyarrow import parquet
    text, number = pyarrow.string(), pyarrow.float64()
    block = pyarrow.struct([("type", text), ("text", text)])
    message = pyarrow.struct([("role", text), ("content", pyarrow.list_(block))])
    reference = [("video", text), ("seconds", number), ("box", pyarrow.list_(number))]
    image = [("bytes", pyarrow.binary()), ("path", text)] if pictures else reference
    schema = pyarrow.schema(
        [
            ("id", text),
            ("messages", pyarrow.list_(message)),
            ("images", pyarrow.list_(pyarrow.struct(image))),
            ("gold", text),
            ("prediction", text),
            ("verdict", pyarrow.bool_()),
            ("reward", number),
            ("invalid_turns", pyarrow.list_(pyarrow.int64())),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": _features(pictures)}})},
    )
    count = 0
    with atomic_path(path) as partial, parquet.ParquetWriter(partial, schema) as writer:
        for row in rows:  # a group a row: pictures of one episode are in memory at a time
            writer.write_table(pyarrow.Table.from_pylist([row], schema=schema))
            count += 1
    return count


def _features(pictures: bool) -> dict[str, Any]:
    """Return the columns as `datasets` describes them, so that it reads pictures as pictures."""

    def value(kind: str) -> dict[str, Any]:
        return {"dtype": kind, "_type": "Value"}

    def several(feature: Any) -> dict[str, Any]:
        return {"feature": feature, "_type": "List"}

    block = {"type": value("string"), "text": value("string")}
    reference = {
        "video": value("string"),
        "seconds": value("float64"),
        "box": several(value("float64")),
    }
    return {
        "id": value("string"),
        "messages": several({"role": value("string"), "content": several(block)}),
        "images": several({"_type": "Image"} if pictures else reference),
        "gold": value("string"),
        "prediction": value("string"),
        "verdict": value("bool"),
        "reward": value("float64"),
        "invalid_turns": several(value("int64")),
    }
