"""Measures beyond accuracy: all from rows of questions, none from trajectories. No torch.

May not: read a run's files, draw, or write HTML; `runs/` and `report/` do.

Read in this order: `spans` (stretches of time compared, frames against evidence), `answer_spans`
(the stretch that an answer claims); `prices` (of models behind an API, by the day), `costs` (what a
question cost: frames, tokens, seconds, dollars); `estimates` (a figure with its interval over
videos); `rule_score` (a score by a rule, and its lines), `group_scores` (Video-MME-v2),
`grounding_rules` (CG-Bench, NExT-GQA, Charades-STA), `benchmark_rules` (the rule of a dataset);
`any_horizon` (does it look as often as it should?), `evidence` (does a right answer rest on what
was seen?), `spending` and `latency` (what many questions cost, and how long they took);
`entry_lines` (lines of a table that belong together), `floors` (what a policy is above them),
`budget_curves` (accuracy against frames); `measure_tables` (all as cells of tables),
`measure_texts` (as plain text).
"""
