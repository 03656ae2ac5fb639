"""Finding when something happens in a video: what its text and its speech say, matched by meaning.

May not: ask a server (a vision-language model that looks lives in `policies.tools`), know an
episode.

Read in this order: `text_embedding` (sentences as vectors).
"""
