"""Files that processes share or that outlive one: where they lie, and how bytes are counted.

May not: know what the files hold; no video, no question, no numpy.

Read in this order: `cache_folder` (where files go), `folder_ledger` (a count of bytes and claims on
names that several processes agree on).
"""
