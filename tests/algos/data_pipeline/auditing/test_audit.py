"""Laws of `algos.data_pipeline.auditing`: `audit_page`, `audit_verdicts`; and of
`algos.data_pipeline.checking.folder_manifest`, `datasheet`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algos.data_pipeline.auditing.audit_page import (
    AUDIT_SAMPLE,
    kept_sample,
    write_audit,
)
from algos.data_pipeline.auditing.audit_verdicts import (
    AuditVerdict,
    _edited,
    acceptance_of,
    apply_verdicts,
    exact_interval,
    read_verdicts,
)
from algos.data_pipeline.checking.check_plays import Answering
from algos.data_pipeline.checking.check_settings import CheckError, CheckSettings
from algos.data_pipeline.checking.folder_manifest import MANIFEST
from algos.data_pipeline.checking.question_check import check_questions
from algos.data_pipeline.questions.question_files import (
    QUESTIONS,
    generated_questions,
    rejections,
)
from sage_env.datasets.json_lines import read_jsonl
from sage_env.errors import VideoError
from tests.helpers.data_line.checked_questions import (
    COLOURS,
    Coloured,
    SeesColours,
    generated,
    write_generated,
)

HOSTILE = (
    """<script>alert(1)</script> "'><img src=x onerror=alert(2)> <|im_end|> &amp; </textarea>"""
)
SETTINGS = CheckSettings(answerers=("sees",), checks=("sufficient",), held_out=0.3, orders=False)


def folder_of(path: Path, count: int = 12, **changes) -> Path:
    """Return a checked folder with questions about `count` videos."""
    write_generated(
        path,
        [generated(f"q{k}", f"600_red@100-103_teal@{k}-{k}.mp4", **changes) for k in range(count)],
    )
    verify(path)
    return path


def verify(path: Path):
    """Check the questions of a folder."""
    return check_questions(path, SETTINGS, how=Answering({"sees": SeesColours()}, Coloured))


def save(folder: Path, verdicts, **changes) -> Path:
    """Write the file that the page saves."""
    told = json.loads((folder / AUDIT_SAMPLE).read_text())
    rows = [{"id": name, "verdict": v, "note": ""} | more for name, v, more in verdicts]
    data = {"kind": "sage-vqa audit", "sample": told["sample"], "verdicts": rows} | changes
    path = folder / "verdicts.json"
    path.write_text(json.dumps(data))
    return path


class _Page(HTMLParser):
    """Elements of a page, their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts.append(data)
        elif self._inside != "style":
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_hostile_words_are_shown_and_are_nothing_else(tmp_path) -> None:
    folder_of(
        tmp_path,
        3,
        question=f"Which? {HOSTILE}",
        choices=(HOSTILE, "red", "teal"),
        rationale={HOSTILE: HOSTILE},
    )
    sees = Answering({"sees": SeesColours()}, Coloured)
    named = generated("named", "600_a.mp4", choices=("red", HOSTILE), answer=HOSTILE)
    write_generated(tmp_path, [named])
    lenient = replace(SETTINGS, labels=("sufficient",), length_ratio=None)
    check_questions(tmp_path, lenient, how=sees)
    path = write_audit(tmp_path, 10, 0, opener=Coloured)
    page = _Page(path.read_text())
    assert HOSTILE in [one.get("value") for one in page.named("input")]
    assert len(page.scripts) == 1 and "alert" not in page.scripts[0]
    assert all(one["src"].startswith("data:image/jpeg;base64,") for one in page.named("img"))
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert page.text.count(HOSTILE) >= 3 * 3, "question, choice, rationale: word for word"
    assert not [one for one in page.elements if one[0] in ("iframe", "object", "link", "base")]


def test_the_page_may_run_our_script_by_its_hash_and_load_and_send_nothing(tmp_path) -> None:
    folder_of(tmp_path, 2)
    text = write_audit(tmp_path, 10, 0, opener=Coloured).read_text()
    page = _Page(text)
    (policy,) = [m["content"] for m in page.named("meta") if m.get("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if rule.strip())
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    assert rules["form-action"] == "'none'" and "connect-src" not in rules
    assert not re.search(r"https?://|fetch\(|XMLHttpRequest|eval\(|innerHTML", text)


def test_the_frames_are_those_of_the_evidence(tmp_path) -> None:
    folder_of(tmp_path, 1)
    page = _Page(write_audit(tmp_path, 10, 0, opener=Coloured).read_text())
    thumbs = page.named("img")
    assert len(thumbs) == 8 and all("1:4" in one["alt"] for one in thumbs)
    for one in thumbs:
        data = base64.b64decode(one["src"].partition(",")[2])
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert np.abs(pixels.mean((0, 1)) - COLOURS["red"]).max() < 6


def test_a_video_that_is_not_there_is_told_and_the_page_is_whole(tmp_path) -> None:
    folder_of(tmp_path, 2)

    def broken(path):
        raise VideoError(f"{path}: <b>no such file</b>")

    page = _Page(write_audit(tmp_path, 10, 0, opener=broken).read_text())
    assert len(page.named("article")) == 2 and not page.named("img")
    assert "<b>no such file</b>" in page.text


def test_a_larger_sample_holds_a_smaller_one_and_all_are_kept_questions(tmp_path) -> None:
    folder_of(tmp_path)
    small, large = ([one.id for one in kept_sample(tmp_path, n, 0)] for n in (4, 9))
    assert len(small) == 4 and large[:4] == small
    assert set(large) <= {item.id for item in read_jsonl(tmp_path / QUESTIONS)}
    assert [one.id for one in kept_sample(tmp_path, 4, 1)] != small
    with pytest.raises(CheckError, match="data verify"):
        (tmp_path / "empty").mkdir()
        kept_sample(tmp_path / "empty", 4, 0)


def test_exact_intervals_by_hand() -> None:
    low, high = exact_interval(0, 10)
    assert low == 0 and high == pytest.approx(1 - 0.025**0.1)
    low, high = exact_interval(10, 10)
    assert low == pytest.approx(0.025**0.1) and high == 1
    # 9 of 10, from published tables of Clopper and Pearson's interval.
    assert exact_interval(9, 10) == pytest.approx((0.5550, 0.9975), abs=1e-4)


def test_acceptance_is_over_videos_where_there_are_five_and_says_so_where_not(tmp_path) -> None:
    folder_of(tmp_path)
    write_audit(tmp_path, 12, 0, opener=Coloured)
    names = [one.id for one in kept_sample(tmp_path, 12, 0)]
    said = [(name, "accept", {}) for name in names[:9]] + [(names[9], "edit", {})]
    edited = acceptance_of(tmp_path, read_verdicts(tmp_path, save(tmp_path, said)))
    assert (edited.accepted, edited.edited, edited.share) == (9, 1, 0.9), "not as it is"
    said = [*said[:9], (names[9], "reject", {})]
    found = acceptance_of(tmp_path, read_verdicts(tmp_path, save(tmp_path, said)))
    assert (found.sample, found.judged, found.accepted, found.rejected) == (12, 10, 9, 1)
    assert found.share == 0.9 and found.over_videos[0] < 0.9 < found.over_videos[1]
    # One question a video: nearly as for independent ones.
    assert found.over_videos == pytest.approx(exact_interval(9, 10), abs=0.03)
    assert "over 10 videos" in found.text() and "2 of the sample have no verdict" in found.text()
    few = acceptance_of(tmp_path, read_verdicts(tmp_path, save(tmp_path, said[:4])))
    assert few.over_videos is None and "too few for an interval over videos" in few.text()
    assert acceptance_of(tmp_path, []).text() == "none of 12 questions has a verdict"


def test_what_is_not_accepted_leaves_the_set_and_an_edit_is_a_new_question(tmp_path) -> None:
    folder_of(tmp_path)
    write_audit(tmp_path, 12, 0, opener=Coloured)
    names = [one.id for one in kept_sample(tmp_path, 12, 0)]
    said = [
        (names[0], "accept", {}),
        (names[1], "reject", {"note": "wrong colour"}),
        (names[2], "edit", {"question": "Which colour is it?", "answer": "crimson"}),
    ]
    verdicts = read_verdicts(tmp_path, save(tmp_path, said))
    assert apply_verdicts(tmp_path, verdicts) == 1
    kept = {item.id for item in read_jsonl(tmp_path / QUESTIONS)}
    assert kept == set(names) - {names[1], names[2]}
    why = {one.id: (one.check, one.reason) for one in rejections(tmp_path)}
    assert why[names[1]] == ("audit", "wrong colour") and why[names[2]][0] == "edited"
    new = generated_questions(tmp_path)[-1]
    assert new.id.startswith(f"{names[2]}-edited-") and new.question == "Which colour is it?"
    assert new.answer == "crimson" and "crimson" in new.choices and "red" not in new.choices
    assert apply_verdicts(tmp_path, verdicts) == 0, "the same file again changes nothing"
    assert len(generated_questions(tmp_path)) == 13
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["acceptance"]["accepted"] == 1 and manifest["kept"] == 10
    report = verify(tmp_path)
    assert names[1] not in report.kept and new.id not in report.kept, "nobody sees crimson"
    assert set(report.kept) == kept, "splits and all"


def test_other_answers_go_with_the_answer_that_they_stand_for(tmp_path) -> None:
    question = generated(
        "q", "600_a.mp4", choices=(), kind="open", answer="red", aliases=("crimson", "scarlet")
    )
    words = AuditVerdict(id="q", verdict="edit", question="What colour?")
    assert _edited(question, words).aliases == ("crimson", "scarlet")
    answer = AuditVerdict(id="q", verdict="edit", answer="blue")
    assert (_edited(question, answer).aliases, _edited(question, answer).answer) == ((), "blue")
    assert len({question.id, _edited(question, words).id, _edited(question, answer).id}) == 3


def test_an_edit_that_cannot_be_asked_changes_nothing(tmp_path) -> None:
    folder_of(tmp_path, 2)
    write_audit(tmp_path, 2, 0, opener=Coloured)
    before = (tmp_path / QUESTIONS).read_bytes()
    said = [("q0", "reject", {}), ("q1", "edit", {"answer": "a\nb"})]
    with pytest.raises(CheckError, match="edit of 'q1' cannot be asked"):
        apply_verdicts(tmp_path, read_verdicts(tmp_path, save(tmp_path, said)))
    assert (tmp_path / QUESTIONS).read_bytes() == before and not rejections(tmp_path)


@pytest.mark.parametrize(
    ("said", "changes", "match"),
    [
        ([("q0", "maybe", {})], {}, "'maybe' on 'q0'"),
        ([("other", "accept", {})], {}, "'accept' on 'other'"),
        ([("q0", "accept", {}), ("q0", "reject", {})], {}, "verdict 2"),
        ([("q0", "accept", {"more": 1})], {}, "verdict 1: .*more"),
        ([], {"sample": "0" * 12}, "another|of the sample"),
        ([], {"kind": "else"}, "holds no verdicts"),
    ],
)
def test_a_file_that_is_not_of_this_page_is_refused(tmp_path, said, changes, match) -> None:
    folder_of(tmp_path, 2)
    write_audit(tmp_path, 2, 0, opener=Coloured)
    with pytest.raises(CheckError, match=match):
        read_verdicts(tmp_path, save(tmp_path, said, **changes))


def test_the_manifest_has_the_hash_of_every_file_and_what_made_them(tmp_path) -> None:
    folder_of(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    files = {p.name for p in tmp_path.iterdir() if p.suffix != ".mp4"} - {MANIFEST, "lock"}
    assert set(manifest["files"]) == files and QUESTIONS in files and "datasheet.md" in files
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert manifest["generators"] == ["test/writer"] and manifest["prompts"] == ["abc"]
    assert manifest["answerers"] == ["sees"] and manifest["settings of the checks"]["tries"] == 3
    assert {"commit", "versions"} <= set(manifest["made by"])


def test_the_datasheet_says_what_was_measured(tmp_path) -> None:
    folder_of(tmp_path)
    text = (tmp_path / "datasheet.md").read_text()
    for heading in ("Motivation", "Composition", "Collection", "Checks", "Uses", "Licence"):
        assert f"\n## {heading}\n" in text
    assert "12 questions about 12 videos of 2.00 hours" in text
    assert "| kind: mcq | 12 |" in text and "Written by test/writer" in text
    assert "| answered from the evidence span alone | sees | 100.0% | 25.0% |" in text


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".mp4" and path.name not in (MANIFEST, "lock")
    }


def test_the_manifest_and_the_datasheet_stay_true_whatever_is_done_next(tmp_path) -> None:
    folder = folder_of(tmp_path)

    def manifest() -> dict:
        return json.loads((folder / MANIFEST).read_text())

    write_audit(folder, 6, 0, opener=Coloured)
    assert manifest()["files"] == hashes(folder)
    names = [one["id"] for one in json.loads((folder / AUDIT_SAMPLE).read_text())["questions"]]
    told = [(names[0], "accept", {}), (names[1], "reject", {})]
    told.append((names[2], "edit", {"question": "Which colour is there?"}))
    path = save(folder, told)
    apply_verdicts(folder, read_verdicts(folder, path))
    path.unlink()
    sheet = (folder / "datasheet.md").read_text()
    assert "1 of 3 questions accepted" in sheet and "the set has 10 questions now" in sheet
    verify(folder)  # the edited one comes in
    again = (folder / "datasheet.md").read_text()
    assert manifest()["files"] == hashes(folder) and manifest()["acceptance"]["accepted"] == 1
    assert "1 of 3 questions accepted" in again and "the set has 11 questions now" in again
    assert again.count("A person's look") == 1 and "no person" not in again


@pytest.mark.parametrize("rows", [5, {"a": 1}, True, "accept", [{"id": "q0", "note": "\ud800"}]])
def test_verdicts_that_are_no_list_of_texts_are_refused(tmp_path, rows) -> None:
    folder = folder_of(tmp_path)
    write_audit(folder, 6, 0, opener=Coloured)
    path = save(folder, [])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdicts": rows}))
    with pytest.raises(CheckError, match="verdict"):
        read_verdicts(folder, path)
