"""The `sage-vqa` command; each subcommand is one dataclass, which is its whole configuration.

Read in this order: `options` (what several commands share), `commands`, `verify_command`, `entry`.
"""

from algos.cli.entry import main

__all__ = ["main"]
