"""What `sage-vqa train` does, from the dataset to the report; the same for Python: `run`.

May not: know how PPO learns or how a page is drawn; it puts the rooms together for one experiment.

Read in this order: `settings` (every option of the command), `rows` (who is measured), `building`
(the policy, questions and environments that the settings describe, or objects in their place),
`questions` (which videos can be read), `estimate` (what it takes, before anything is loaded),
`reward_probe` (can anything be learned from it?), `stages` (data, training, evaluations), `results`
(tables and report data).
"""

from typing import TYPE_CHECKING

from algos.experiment.settings import Training, default_training
from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from algos.experiment.building import Parts
    from algos.experiment.stages import run

__all__ = ["Parts", "Training", "default_training", "run"]

# Importing these loads torch.
__getattr__, __dir__ = lazy_exports(
    __name__, {"Parts": "algos.experiment.building", "run": "algos.experiment.stages"}
)
