"""What processes share, and what must survive one of them: files, bounds in bytes, forks.

May not: know what the files hold; no video, no question, no numpy.

Read in this order: `cache_folder` (where files go), `atomic_file` (whole or not there),
`digests` (a flipped bit is seen), `byte_lru` (a mapping bounded in bytes), `forking` (what a forked
process must set right), `folder_ledger` (a count of bytes and claims on names that several
processes agree on), `bounded_folder` (a folder bounded in bytes that they share).
"""
