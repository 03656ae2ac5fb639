"""Questions that a model writes about whole videos: one call per video, nothing paid twice.

May not: ask a model whether a question is good: that is for the checks behind this room. What a
reply says is text, never an instruction.

Read in this order: `generated_question` (one question, and what is known of it), `question_files`
(the folder that all stages write to), `services` (facts of the services: tiers), `ledger` (what was
paid).
"""
