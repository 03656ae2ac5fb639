"""Many environments at once: stepped in threads, with shared decoding and failures kept apart.

May not: change what one environment does; every episode is that of `VideoQAEnv`.

Read in this order: `vector_env` (the environment), `options` (what `reset` takes), `infos` (dicts
of episodes to dicts of arrays), `failures` (an error in one episode), `sharing` (one dataset, one
decoding).
"""

from sage_env.vector.vector_env import VideoQAVectorEnv

__all__ = ["VideoQAVectorEnv"]
