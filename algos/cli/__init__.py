"""The `sage-vqa` command; each subcommand is one dataclass, which is its whole configuration.

May not: hold logic that a Python user would want too; a command only reads, calls and prints.

Read in this order: `terminal` (what is printed), `usage` (errors of the command line), `options`
(what several commands share), `commands`, `data/` (videos and questions as files),
`eval_command`, `merge_command`, `replay_command`, `score_command`, `judge_command`,
`compare_command`, `sft_command`, `train_command`, `verify_command`, `view_command` (the page of a
run), `exchange_commands` (others' formats), `entry`.
"""

from algos.cli.entry import main

__all__ = ["main"]
