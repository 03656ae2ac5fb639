"""The commands of `sage-vqa data`: each is one dataclass, which is its whole configuration.

May not: hold logic that a Python user would want too; a command only reads, calls and prints.

Read in this order: `dataset_check` (which videos of a dataset are here), `data_commands` (videos
and questions as files), `generate_command` (questions that a model writes), `verify_data_command`
(checks of these), `audit_command` (a person's look at them), `distill_command` (episodes to learn
from), `pipeline_command` (the whole line).
"""
