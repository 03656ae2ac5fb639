"""Scoring what was answered, without playing: another rule or judge, others' answers. No torch.

May not: play a question, or change what a play has written.

Read in this order: `judge_agreement` (how far judges agree), `row_scoring` (a new verdict on an
answer), `predictions` (others' answers), `stored_answers` (what is scored), `scored_folder`
(written as it is scored), `calibration` (how good a judge is), `score_tables` (plain text).
"""

from algos.scoring.calibration import calibration_pairs, calibrations, check_judge
from algos.scoring.judge_agreement import (
    Agreement,
    agreement,
    cohen_kappa,
    krippendorff_alpha,
    majority,
)
from algos.scoring.row_scoring import NamedJudge, score_answer
from algos.scoring.scored_folder import ScoredRun, score_into
from algos.scoring.stored_answers import answers_of_file, answers_of_run

__all__ = [
    "Agreement",
    "NamedJudge",
    "ScoredRun",
    "agreement",
    "answers_of_file",
    "answers_of_run",
    "calibration_pairs",
    "calibrations",
    "check_judge",
    "cohen_kappa",
    "krippendorff_alpha",
    "majority",
    "score_answer",
    "score_into",
]
