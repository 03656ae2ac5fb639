"""Wrappers for other users' habits: text, chat messages, numbers, action indices, films.

May not: change what an action does, or what an episode costs.

Read in this order: `raw_space` (what they wrap); `text_actions`; `chat_space` and
`chat_observations`; `action_grid` and `discrete_actions`; `numeric_features` and
`numeric_observations`; `record_rendering` (films). `describe_tools`, tools in words for prompts of
one's own, is that of `sage_env.tools.tool_prompt`.

Gymnasium's own wrappers, and `gym.make_vec` with `vectorization_mode="sync"` or `"async"` (with and
without shared memory), take the environment as it is, with these exceptions:

| wrappers of `gymnasium.wrappers` and `.vector` | why not |
|---|---|
| `ClipAction`, `DiscretizeAction`, `RescaleAction` | actions are dataclasses, not a `Box` |
| `DiscretizeObservation`, `DtypeObservation`, `GrayscaleObservation`, `MaxAndSkipObservation`, \
`NormalizeObservation`, `RescaleObservation`, `ReshapeObservation`, `ResizeObservation` | \
observations are a `Dict`, not a `Box`: pick `frames` with `TransformObservation` first |
| `ArrayConversion`, `JaxToNumpy`, `JaxToTorch`, `NumpyToTorch` | they turn a text into the `repr` \
of a generator, and take no dataclasses |
| `RecordVideo` | needs MoviePy, which no extra of ours installs; see `RecordRendering` |
| `TimeAwareObservation` | needs `TimeLimit` inside; `turns_left` says the same |

All but those that convert arrays raise an error when they are made.
"""

from sage_env.tools.tool_prompt import describe_tools
from sage_env.wrappers.action_grid import ActionGrid
from sage_env.wrappers.chat_observations import ChatObservations
from sage_env.wrappers.chat_space import ChatSpace
from sage_env.wrappers.discrete_actions import DiscreteActions
from sage_env.wrappers.numeric_features import NumericFeatures
from sage_env.wrappers.numeric_observations import NumericObservations
from sage_env.wrappers.record_rendering import RecordRendering
from sage_env.wrappers.text_actions import TextActions

__all__ = [
    "ActionGrid",
    "ChatObservations",
    "ChatSpace",
    "DiscreteActions",
    "NumericFeatures",
    "NumericObservations",
    "RecordRendering",
    "TextActions",
    "describe_tools",
]
