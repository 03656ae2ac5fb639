"""Laws of `algos.cli.compare_command` and `algos.comparison.comparison_tables`: as printed."""

from __future__ import annotations

import json

import pytest

from algos.cli import main
from algos.runs.joint_folder import join_entries
from algos.runs.run_folder import RunFolder
from tests.helpers.wiring.row_folders import question, row, write_folder

PRINTED = """\
A: joint/one
B: joint/two

run  questions           accuracy  frames  turns  missing  not judged  failed
---  ---------  -----------------  ------  -----  -------  ----------  ------
A            6  83.3 [31.1, 99.8]     2.0   1.00        0           0       0
B            6   33.3 [3.1, 81.3]     2.0   1.00        0           0       0

Paired: 6 questions about 6 videos, all of both

group            questions  videos     A     B                  A - B  only A  only B       p  p (Holm)
------  -------  ---------  ------  ----  ----  ---------------------  ------  ------  ------  --------
all     all              6       6  83.3  33.3  +50.0 [-53.2, +100.0]       3       0  0.2681         -
length  <=600 s          6       6  83.3  33.3  +50.0 [-53.2, +100.0]       3       0  0.2681         -
bucket  60-180           6       6  83.3  33.3  +50.0 [-53.2, +100.0]       3       0  0.2681         -
side    left             6       6  83.3  33.3  +50.0 [-53.2, +100.0]       3       0  0.2681         -

Intervals (95 %) and p are clustered by video, with at least five. Holm corrects for the 0 groups.
McNemar's exact test takes questions as independent, which those about one video are not: p = 0.2500 for all.

by frames                  questions  share  A  B  A cheaper  same
-------------------------  ---------  -----  -  -  ---------  ----
both right, A cheaper              0    0.0  -  -          0     0
both right, A not cheaper          2   33.3  2  2          0     2
only A right                       3   50.0  2  2          0     3
only B right                       0    0.0  -  -          0     0
both wrong, A cheaper              0    0.0  -  -          0     0
both wrong, A not cheaper          1   16.7  2  2          0     1
all                                6  100.0  2  2          0     6

3 questions only A has right:
  q4: what is 4? gold: thing 4; A: 'a2'; B: 'a2'
  and 2 more

0 questions only B has right

What differs between the manifests:
field   A    B
------  ---  ---
policy  one  two

saved in c.json
"""  # noqa: E501
ITEMS = [question(2 * n) for n in range(6)]


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, right in (("one", {0, 1, 2, 3, 4}), ("two", {0, 1})):
        rows = [row(item, n in right, text=f"a{n}", rule="text") for n, item in enumerate(ITEMS)]
        write_folder(tmp_path / "joint" / name, rows, settings={"policy": name, "seed": 0})
    join_entries(RunFolder(tmp_path / "joint"), [{"name": "one"}, {"name": "two"}])


def test_two_runs_as_printed(capsys) -> None:
    assert main(["compare", "joint/one", "joint/two", "--flips", "1", "--out", "c.json"]) == 0
    assert capsys.readouterr().out == PRINTED


def test_entries_of_one_folder(capsys, tmp_path) -> None:
    assert main(["compare", "joint"]) == 0
    first = capsys.readouterr().out
    assert main(["compare", "joint", "--entry", "one", "--entry", "two"]) == 0
    assert capsys.readouterr().out == first
    assert main(["compare", "joint", "--entry", "two", "--entry", "one"]) == 0
    assert "A: joint/two" in capsys.readouterr().out


def test_a_page_of_two_runs_holds_both(capsys, tmp_path) -> None:
    assert main(["compare", "joint/one", "joint/two", "--html", "both.html"]) == 0
    assert "page: both.html" in capsys.readouterr().out
    page = (tmp_path / "both.html").read_text()
    told = json.loads(page.split('id="run">', 1)[1].split("</script>", 1)[0])
    assert len(told["entries"]) == 2 and told["count"] == 12 and told["questions"] == 6
    (pair,) = told["differences"]
    assert pair["questions"] == 6 and pair["difference"] == 0.5
    assert "one against two" in page and "+50.0 [-53.2, +100.0]" in page


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["compare", "joint/one", "nowhere"], "nowhere/manifest.json cannot be read"),
        (["compare", "joint/one"], "two runs are compared"),
        (["compare", "joint", "--entry", "one"], "it has one, two"),
        (["compare", "joint/one", "joint/two", "--entry", "one"], "leave B out"),
        (["compare", "joint", "joint/two"], "holds the entries one, two"),
        (["compare", "joint/one", "joint/two", "--cost", "x"], "--cost takes frames"),
        (["compare", "joint/one", "joint/two", "--flips", "-1"], "--flips must be 0 or more"),
        (["compare", "joint", "--html", "c.html"], "sage-vqa view joint"),
    ],
)
def test_bad_input_is_told_in_a_sentence(capsys, command, says) -> None:
    assert main(command) == 2
    assert says in capsys.readouterr().err


def test_a_terminal_code_in_an_answer_is_not_carried_out(tmp_path, capsys) -> None:
    for name, right in (("x", True), ("y", False)):
        rows = [row(ITEMS[0], right, text="\x1b[2Jboo\nnext")]
        write_folder(tmp_path / name, rows)
    assert main(["compare", "x", "y", "--out", "c.json"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "boo next" in said
    assert json.loads((tmp_path / "c.json").read_text())["won"][0]["answer_a"] == "\x1b[2Jboo\nnext"
