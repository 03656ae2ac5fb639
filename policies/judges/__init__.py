"""Judges by name: models behind an API that say whether a free answer means the gold one.

    env = gym.make("SageVideoQA-v0", judge="openai:MODEL")

A judge is asked only what no rule can decide, and is shown the question, the gold answer and the
answer: no video, no trajectory. `judge(item, text)` is `True`, `False`, or `None` where no verdict
could be had (*not judged*); `judge.judged(item, text)` also has its words and what pins them.

May not: turn an outage into a verdict, keep anything but verdicts, see more than is said above, or
show an answer otherwise than quoted as data.

Read in this order: `grading_prompt` (what is asked), `grades` (what is answered), `verdict_cache`,
`served_judge` (asking until there is a verdict), `openai_judge`, `gemini_judge`, `named_judge` (by
name, with options).
"""

from policies.judges.gemini_judge import judge_by_gemini
from policies.judges.openai_judge import judge_by_openai
from policies.judges.served_judge import ServedJudge

__all__ = ["ServedJudge", "judge_by_gemini", "judge_by_openai"]
