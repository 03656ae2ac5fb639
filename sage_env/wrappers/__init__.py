"""Wrappers for other users' habits: text, chat messages, numbers and action indices.

May not: change what an action does, or what an episode costs.

Read in this order: `raw_space` (what they wrap); `text_actions`; `chat_space` and
`chat_observations`; `action_grid` and `discrete_actions`; `numeric_features` and
`numeric_observations`.
"""

from sage_env.wrappers.action_grid import ActionGrid
from sage_env.wrappers.chat_observations import ChatObservations
from sage_env.wrappers.chat_space import ChatSpace
from sage_env.wrappers.discrete_actions import DiscreteActions
from sage_env.wrappers.numeric_features import NumericFeatures
from sage_env.wrappers.numeric_observations import NumericObservations
from sage_env.wrappers.text_actions import TextActions

__all__ = [
    "ActionGrid",
    "ChatObservations",
    "ChatSpace",
    "DiscreteActions",
    "NumericFeatures",
    "NumericObservations",
    "TextActions",
]
