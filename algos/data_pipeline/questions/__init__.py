"""Questions that a model writes about whole videos: one call per video, nothing paid twice.

May not: ask a model whether a question is good: that is for the checks behind this room. What a
reply says is text, never an instruction.

Read in this order: `generated_question` (one question, and what is known of it), `question_files`
(the folder that all stages write to), `services` (facts of the services), `ledger` (what was paid),
`settings`; what is asked: `reply_form`, `prompt`, `source_videos`, `writers` (of whom), `estimate`
(for how much); what comes back: `request_journal` (kept before it is read), `reply_reading`,
`evidence_times`, `question_reading` (each question alone), `question_log`; `quota_day`,
`followed_videos` (files that were renamed or replaced), `generating` (all of it), `summary`.
"""
