"""Laws of `algos.scoring.scored_folder`, `stored_answers`: gone on with, the play untouched."""

from __future__ import annotations

import pytest

from algos.runs.append_log import read_log
from algos.runs.joint_folder import join_entries
from algos.runs.json_files import RunFolderError, read_json
from algos.runs.run_folder import RunFolder
from algos.scoring.row_scoring import NamedJudge
from algos.scoring.score_tables import score_text
from algos.scoring.scored_folder import score_into
from algos.scoring.stored_answers import answers_of_run
from tests.helpers.wiring.row_folders import question, row, write_folder

ITEMS = [question(n) for n in range(6)]
ROWS = [
    row(ITEMS[0], True, rule="text"),
    row(ITEMS[1], False, text="a sphere"),
    row(ITEMS[2], None, text="a cube", rule=None),
    row(ITEMS[3], None, rule=None, error="VideoError: gone"),
    row(ITEMS[4], False, text=None),
    row(ITEMS[5], False, text="a cone", rule="judge"),
]


class Judge:
    """Says right of what it is told to, and nothing of what it is told to."""

    def __init__(self, right=(), down=(), dies_after=None):
        self.right, self.down, self.dies_after, self.asked = set(right), set(down), dies_after, []

    def __call__(self, item, text):
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            raise KeyboardInterrupt
        self.asked.append(text)
        return None if text in self.down else text in self.right


@pytest.fixture
def run(tmp_path):
    return write_folder(tmp_path / "run", ROWS, ITEMS)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_nothing_decided_is_scored_and_the_play_is_untouched(run, tmp_path) -> None:
    before = contents(run)
    judge = Judge(right=["a sphere", "a cube"])
    found = score_into(tmp_path / "s", answers_of_run(run), [NamedJudge("j", judge)])
    assert contents(run) == before
    assert sorted(judge.asked) == ["a cube", "a sphere"]
    assert sorted(found.scored) == ["q1", "q2"] == sorted(found.changed) and found.unjudged == ()
    assert "2 verdicts differ from those of the play" in score_text(found)
    rows = {one["id"]: one for one in read_log(tmp_path / "s" / "samples.jsonl")}
    assert list(rows) == [f"q{n}" for n in range(6)]
    assert [rows[f"q{n}"]["verdict"] for n in range(6)] == [True, True, True, None, False, False]
    assert rows["q0"] == ROWS[0] and rows["q1"]["played_verdict"] is False
    total = found.measures[0].measures
    assert (total.questions, total.failed, total.unjudged, total.missing) == (5, 1, 0, 1)
    assert total.accuracy == 3 / 5
    manifest = read_json(tmp_path / "s" / "manifest.json")
    assert manifest["kind"] == "scores" and manifest["settings"]["policy"] == "toy"
    assert manifest["scored"] == {"from": str(run), "judges": ["j"], "everything": False}


def test_a_score_is_scored_again_and_keeps_the_verdicts_of_the_play(run, tmp_path) -> None:
    score_into(tmp_path / "s", answers_of_run(run), [NamedJudge("j", Judge(down=["a cube"]))])
    again = score_into(
        tmp_path / "t", answers_of_run(tmp_path / "s"), [NamedJudge("k", Judge(["a cube"]))]
    )
    rows = {one["id"]: one for one in again.rows}
    assert again.scored == ("q2",) and rows["q2"]["verdict"] is True
    assert rows["q2"]["played_verdict"] is None and rows["q1"]["played_rule"] == "undecided"
    assert again.unjudged == ()


def test_all_is_every_answer_by_todays_rules(run, tmp_path) -> None:
    judge = Judge(right=["a cone"])
    found = score_into(
        tmp_path / "s", answers_of_run(run), [NamedJudge("j", judge)], everything=True
    )
    assert sorted(found.scored) == ["q0", "q1", "q2", "q5"]
    assert {"q0", "q5", "q2"} == set(found.changed)  # "an answer" is not thing 0


def test_an_outage_is_not_judged_and_the_same_call_asks_for_that_alone(run, tmp_path) -> None:
    answers, out = answers_of_run(run), tmp_path / "s"
    first = score_into(out, answers, [NamedJudge("j", Judge(["a sphere"], down=["a cube"]))])
    assert first.unjudged == ("q2",) and first.measures[0].measures.accuracy == 2 / 4
    again = Judge(["a sphere", "a cube"])
    second = score_into(out, answers, [NamedJudge("j", again)])
    assert again.asked == ["a cube"] and second.unjudged == ()
    whole = score_into(tmp_path / "w", answers, [NamedJudge("j", Judge(["a sphere", "a cube"]))])
    assert second.rows == whole.rows
    assert (out / "results.json").read_bytes() == (tmp_path / "w" / "results.json").read_bytes()


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_interrupted_and_gone_on_with_is_uninterrupted(tmp_path, after) -> None:
    items = [question(n) for n in range(8)]
    rows = [row(one, None, text=f"a {one.id}", rule=None) for one in items]
    answers = answers_of_run(write_folder(tmp_path / "run", rows, items))
    right = ["a q1", "a q5"]
    dying = NamedJudge("j", Judge(right, dies_after=after))
    with pytest.raises(KeyboardInterrupt):
        score_into(tmp_path / "s", answers, [dying], workers=1)
    kept = read_log(tmp_path / "s" / "verdicts.jsonl")
    assert len(kept) <= after
    judge = Judge(right)
    found = score_into(tmp_path / "s", answers, [NamedJudge("j", judge)], workers=3)
    assert len(judge.asked) == 8 - len(kept)
    whole = score_into(tmp_path / "w", answers, [NamedJudge("j", Judge(right))])
    assert found.rows == whole.rows
    assert (tmp_path / "s" / "samples.jsonl").read_bytes() == (
        tmp_path / "w" / "samples.jsonl"
    ).read_bytes()


def test_another_answer_is_judged_anew(run, tmp_path) -> None:
    score_into(tmp_path / "s", answers_of_run(run), [NamedJudge("j", Judge())])
    changed = [one | {"prediction": "a cup"} if one["id"] == "q2" else one for one in ROWS]
    judge = Judge(["a cup"])
    found = score_into(
        tmp_path / "s", answers_of_run(write_folder(run, changed)), [NamedJudge("j", judge)]
    )
    assert judge.asked == ["a cup"] and found.measures[0].measures.accuracy == 2 / 5


def test_a_folder_of_something_else_is_refused(run, tmp_path) -> None:
    answers, judge = answers_of_run(run), NamedJudge("j", Judge())
    score_into(tmp_path / "s", answers, [judge])
    with pytest.raises(RunFolderError, match="holds something else.*--out"):
        score_into(tmp_path / "s", answers, [NamedJudge("k", Judge())])
    with pytest.raises(RunFolderError, match="holds something else.*--out"):
        score_into(run, answers, [judge])
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="of another command"):
        score_into(tmp_path / "old", answers, [judge])
    (tmp_path / "s" / "verdicts.jsonl").write_text('{"id": "q1"}\n')
    with pytest.raises(RunFolderError, match="no verdict"):
        score_into(tmp_path / "s", answers, [judge])


def test_two_judges_are_both_on_record_and_their_disputes_are_listed(run, tmp_path) -> None:
    judges = [NamedJudge("a", Judge(["a sphere", "a cube"])), NamedJudge("b", Judge(["a cube"]))]
    found = score_into(tmp_path / "s", answers_of_run(run), judges)
    assert found.agreement.disputed == ("q1",) and found.unjudged == ("q1",)
    assert found.agreement.pairs[0].same == 0.5
    line = next(one for one in found.rows if one["id"] == "q1")
    assert (line["verdict"], line["rule"]) == (None, "judges_differ")
    assert [(one["judge"], one["verdict"]) for one in line["judges"]] == [("a", True), ("b", False)]
    assert read_json(tmp_path / "s" / "results.json")["agreement"]["disputed"] == ["q1"]


def test_questions_that_are_not_known_are_asked_for(tmp_path) -> None:
    run = write_folder(tmp_path / "run", ROWS, ITEMS[:3])
    with pytest.raises(RunFolderError, match=r"3 questions that are not known, the first is 'q3'"):
        answers_of_run(run)
    assert len(answers_of_run(run, ITEMS).rows) == 6
    joint = tmp_path / "joint"
    write_folder(joint / "one", ROWS, ITEMS)
    write_folder(joint / "two", ROWS, ITEMS)
    join_entries(RunFolder(joint), [{"name": "one"}, {"name": "two"}])
    with pytest.raises(RunFolderError, match="holds the entries one, two: name one"):
        answers_of_run(joint)
    assert answers_of_run(joint, entry="two").source == joint / "two"


@pytest.mark.parametrize("everything", [False, True])
def test_the_rules_alone_make_no_wrong_answer_of_one_that_waits_for_its_judge(
    run, tmp_path, everything
) -> None:
    found = score_into(tmp_path / "s", answers_of_run(run), [], everything=everything)
    rows = {one["id"]: one for one in found.rows}
    assert rows["q2"]["verdict"] is None and found.unjudged == ("q2",)
    total = found.measures[0].measures
    assert (total.unjudged, total.failed) == (1, 1)
    again = score_into(tmp_path / "t", answers_of_run(tmp_path / "s", ITEMS), [], everything=True)
    assert again.unjudged == ("q2",)
    later = score_into(tmp_path / "u", answers_of_run(tmp_path / "s", ITEMS),
                       [NamedJudge("j", Judge(right=["a cube"]))])  # fmt: skip
    assert later.unjudged == () and later.measures[0].measures.unjudged == 0
