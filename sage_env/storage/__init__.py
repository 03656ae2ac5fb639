"""What processes share, and what must survive one of them: files, bounds in bytes, forks.

May not: know what the files hold; no video, no question, no numpy.

Read in this order: `cache_folder` (where files go), `atomic_file` (whole or not there),
`regular_file` (no link, no pipe), `sealed_file` (a checksum, and whose it is), `digests` (a flipped
bit in a folder's files is seen), `warn_once` (of a folder that does not work), `byte_size`
(bytes in words), `byte_lru` (a mapping bounded in bytes), `forking` (what a forked process must set
right), `fork_lock` (a lock that it finds free), `folder_ledger` (a count of bytes and claims on
names that several processes agree on), `bounded_folder` (a folder bounded in bytes that they
share), `fingerprint` (what tells one version of a file from others), `content_id` (what every copy
of a file has in common), `steady_file` (reads of one version alone).
"""
