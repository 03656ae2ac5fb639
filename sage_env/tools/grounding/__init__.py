"""Finding when something happens in a video: what its text and its speech say, matched by meaning.

May not: ask a server (a vision-language model that looks lives in `policies.tools`), know an
episode.

Read in this order: `ground` (the tool), `found_spans` (what it tells), `text_search` (the search
that needs no server), `passages` (texts with their times), `glances` (small pictures of a stretch,
its shots, what changes), `screen_text` (which frames are read, how long a line stands),
`text_reading` (a frame's text) with `text_regions` (where its lines are), `matching` (how well
texts fit an event), `text_embedding` (sentences as vectors).
"""
