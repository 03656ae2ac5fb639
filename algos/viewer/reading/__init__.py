"""What a run's folder holds, as the page shows it: rows as a stream, details when asked for.

May not: hold all episodes in memory, decode a video, or write HTML.

Read in this order: `replay_commands` (what-if), `pair_differences` (A minus B, with its interval),
`joined` (two runs as one).
"""
