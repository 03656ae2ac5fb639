"""A run as one HTML file: what the scripts of the page read, packed, bounded, and safe to embed.

May not: read a run's folder, decode a video, or know what a script does with it.

Read in this order: `plain_values` (numbers and texts that JSON and HTML can carry),
`question_json` (one question as the page has it), `row_columns` (the table of all questions),
`packing` (compressed blocks), `no_script` (what is read without a script), `page_values` (what the
template is given), `question_parts` (details and pictures within their bounds), `view_file` (the
file).
"""

from algos.viewer.writing.view_file import WriteSettings, Written, write_view

__all__ = ["WriteSettings", "Written", "write_view"]
