"""A random sample of the kept questions as one page, for a person to accept, reject or edit.

One static HTML file that needs nothing beside it and sends nothing: verdicts stay in the browser
until they are saved as a file, which `sage-vqa data audit FOLDER --verdicts FILE` reads. What
others wrote is escaped; the only script that may run is ours, by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from algos.data_pipeline.checking.check_settings import CheckError
from algos.data_pipeline.checking.folder_manifest import MANIFEST, update_manifest
from algos.data_pipeline.checking.hold_out import draw
from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.data_pipeline.questions.question_files import QUESTIONS, generated_questions
from algos.report.page import facts, page
from algos.report.picture_uri import jpeg_uri
from algos.runs.append_log import read_log
from algos.runs.json_files import read_json, write_json
from sage_env.datasets.item import QAItem, item_digest
from sage_env.errors import VideoError
from sage_env.openers import Opener, open_file
from sage_env.rendering.thumbnails import thumbnail
from sage_env.storage.atomic_file import atomic_write
from sage_env.timeline import clock, midpoints

AUDIT_PAGE, AUDIT_SAMPLE = "audit.html", "audit.json"
"""Names of the page, and of the record of what is on it, in the folder of the questions."""
VERDICTS = ("accept", "reject", "edit")
_FRAMES = 8  # of each span
_THUMB = (150, 200)  # most (H, W) of a frame
_SCRIPT = Path(__file__).with_name("audit_page.js")


def kept_sample(folder: Path, size: int, seed: int) -> list[GeneratedQuestion]:
    """Return a random sample of the kept questions; a larger one holds a smaller one.

    Args:
        folder: of the questions.
        size: how many, if there are so many.
        seed: of the draw.

    Raises:
        CheckError: if none is kept.
    """
    kept = {row["id"] for row in read_log(folder / QUESTIONS)}
    if not kept:
        raise CheckError(f"{folder / QUESTIONS} has no question: run `sage-vqa data verify` first")
    some = [one for one in generated_questions(folder) if one.id in kept]
    return sorted(some, key=lambda one: draw(seed, "audit", one.id))[:size]


def write_audit(
    folder: Path, size: int, seed: int, *, root: Path | None = None, opener: Opener = open_file
) -> Path:
    """Write the page of a sample, and a record of what is on it; return the page's path.

    Args:
        folder: of the questions.
        size: of the sample.
        seed: of the sample.
        root: folder of the videos; by default `folder`.
        opener: of videos; of one that cannot be opened, the page says so.

    Raises:
        CheckError: if no question is kept.
    """
    sample = kept_sample(folder, size, seed)
    items = [one.item(root or folder) for one in sample]
    name = sample_name(items)
    told: dict[str, Any] = {
        "sample": name,
        "seed": seed,
        "questions": [{"id": one.id, "video": one.video} for one in sample],
    }
    write_json(folder / AUDIT_SAMPLE, told)
    path = folder / AUDIT_PAGE
    text = audit_html(sample, items, name, opener)
    atomic_write(path, text.encode("utf-8", "backslashreplace"))
    if (folder / MANIFEST).exists():
        update_manifest(folder, {})
    return path


def read_sample(folder: Path) -> dict[str, Any]:
    """Return what is on the page of a folder: `sample`, and the `questions` with their videos."""
    found: dict[str, Any] = read_json(folder / AUDIT_SAMPLE)
    return found


def sample_name(items: Sequence[QAItem]) -> str:
    """Return a name for a sample: a digest of its questions, by which verdicts are matched."""
    return hashlib.blake2b(item_digest(items).encode(), digest_size=6).hexdigest()


def audit_html(
    sample: Sequence[GeneratedQuestion], items: Sequence[QAItem], name: str, opener: Opener
) -> str:
    """Return the page.

    Args:
        sample: the questions.
        items: the same, with the paths of their videos.
        name: of the sample.
        opener: of videos.
    """
    cards = "".join(
        _card(number, question, item, opener)
        for number, (question, item) in enumerate(zip(sample, items, strict=True), 1)
    )
    header = facts({"sample": name, "questions": str(len(sample))}) + (
        "<p>Is the question clear, the answer right, and the evidence where the frames show it? "
        "<b>Edit</b> where a change of words makes it right.</p>"
    )
    tools = (
        '<p><button type="button" id="save">Save the verdicts as a file</button> '
        '<output id="count"></output></p>'
    )
    body = f'<div id="audit" data-sample="{escape(name)}">{tools}{cards}</div>'
    return page("Audit of questions", header, [("questions", "Questions", body)], _script())


def _script() -> str:
    return _SCRIPT.read_text(encoding="utf-8")


def _card(number: int, question: GeneratedQuestion, item: QAItem, opener: Opener) -> str:
    spans = ", ".join(f"{clock(start)} to {clock(end)}" for start, end in question.evidence)
    told = {
        "video": f"{question.video} ({clock(question.duration)})",
        "evidence": spans or "none",
        "modality": question.modality,
        "difficulty": question.difficulty,
        **{f"why: {key}": text for key, text in question.rationale.items() if text},
    }
    choices = "".join(
        f'<li dir="auto"{_GOLD if choice == question.answer else ""}>{escape(choice)}</li>'
        for choice in question.choices
    )
    answer = f'<ol class="choices">{choices}</ol>' if choices else ""
    return (
        f'<article data-id="{escape(question.id)}"><h3>{number}. <code>{escape(question.id)}</code>'
        f'</h3><p class="question" dir="auto">{escape(question.question)}</p>{answer}'
        f'<p>Answer: <b dir="auto">{escape(question.answer)}</b></p>{facts(told)}'
        f"{_frames(item, opener)}{_form(question)}</article>"
    )


_GOLD = ' class="gold"'


def _form(question: GeneratedQuestion) -> str:
    buttons = " ".join(
        f'<label><input type="radio" name="verdict" value="{name}"> {name.capitalize()}</label>'
        for name in VERDICTS
    )
    return (
        f"<form><fieldset><legend>Verdict</legend>{buttons}</fieldset>"
        "<details><summary>Edit, or say why</summary>"
        '<p><label>Question<br><textarea name="question" dir="auto" rows="2" cols="80">'
        f"\n{escape(question.question)}</textarea></label></p>"
        '<p><label>Answer<br><input name="answer" dir="auto" size="60" '
        f'value="{escape(question.answer)}"></label></p>'
        '<p><label>Note<br><input name="note" dir="auto" size="80"></label></p></details></form>'
    )


def _frames(item: QAItem, opener: Opener) -> str:
    """Return the frames of the evidence as a contact sheet, or why there are none."""
    try:
        video = opener(item.video)
    except VideoError as error:
        return f'<p class="none">no frames: {escape(str(error))}</p>'
    try:
        strips = [
            video.frames_at(midpoints(start, end, _FRAMES).tolist()) for start, end in item.evidence
        ]
    except VideoError as error:
        return f'<p class="none">no frames: {escape(str(error))}</p>'
    finally:
        video.close()
    shown: dict[float, str] = {}
    for batch in strips:
        for pixels, second in zip(batch.pixels, batch.seconds.tolist(), strict=True):
            if second not in shown:
                shown[second] = jpeg_uri(thumbnail(pixels, _THUMB))
    thumbs = "".join(
        f'<figure class="thumb"><img src="{uri}" alt="frame at {clock(second)}" loading="lazy">'
        f"<figcaption>{clock(second)}</figcaption></figure>"
        for second, uri in shown.items()
    )
    return f'<div class="frames">{thumbs}</div>'
