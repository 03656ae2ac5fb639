"""A recorded question played again: from any turn, with another policy or budget, a look dropped.

May not: choose what to change (the command line does), or check that nothing did (`verify/` does).

Read in this order: `recorded` (an episode out of a run folder), `given_turns` (a policy that is led
through the turns before), `dropped_look` (an environment that keeps one observation back),
`playing_on` (the episode from a turn on), `side_by_side` (both timelines as text), `replay_record`
(both as JSON and as a page).
"""

from algos.replaying.playing_on import Replayed, play_on
from algos.replaying.recorded import RecordedEpisode, ReplayError, recorded_episode

__all__ = ["RecordedEpisode", "ReplayError", "Replayed", "play_on", "recorded_episode"]
