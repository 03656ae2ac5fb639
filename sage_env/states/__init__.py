"""The state of an environment as JSON data, within an episode: `get_state` and `set_state`.

No pixel is in it. What was shown is recorded by its times, and the next look decodes what it needs.
May not: know the environment, or change what an episode does.

Read in this order: `random_record` (a random generator), `episode_record` (what has happened),
`state_header` (whose state it is), `saved_states` (all of it, read and written), `shown_again`
(what a renderer must have seen).
"""
