"""A run in the formats of others' viewers.

May not: play anything, score anything, or fetch an address.

Read in this order: `inspect_messages` (an episode as a conversation), `inspect_log` (the log).
"""
