"""From videos to data to learn from: questions that a model writes, checked; and how they go on.

May not: train or measure, but for `line/`, which calls who does; `sft/`, `ppo/` and `suite/` take
what is made here by its path.

Rooms, to read in this order: `questions/` (a model writes questions about videos, and each is
checked for its form), `stand_in/` (a server in Gemini's place that errs where it is told to),
`checking/` (which questions can be trusted, and how far), `auditing/` (were the checks right?),
`distilling/` (policies play the questions, and what they did right becomes sets to learn from),
`line/` (all of it in one command, with what was learned).
"""
