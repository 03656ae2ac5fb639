"""The whole line in one command: from videos to a report of what a student learned.

May not: do what its stages cannot do by themselves; it joins them, and tells what came out.

Read in this order: `settings` (every number, and who takes part), `stages` (run once, resumed),
`making_questions` (videos, the service, the checks), `learning` (episodes, SFT, PPO), `measuring`
(on held-out videos, and with tools), `line_report` (the page), `whole_line` (all of it).
"""
