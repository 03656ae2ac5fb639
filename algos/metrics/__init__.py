"""Measures beyond accuracy: all from rows of questions, none from trajectories. No torch.

May not: read a run's files, or lay out a table; `evaluation/` and `report/` do.

Read in this order: `spans` (stretches of time compared, frames against evidence),
`answer_spans` (the stretch that an answer claims); `prices` (of models behind an API, by the day),
`costs` (what a question cost: frames, tokens, seconds, dollars).
"""
