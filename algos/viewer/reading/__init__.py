"""What a run's folder holds, as the page shows it: rows as a stream, details when asked for.

May not: hold all episodes in memory, decode a video, or write HTML.

Read in this order: `stored_entries` (one line of the table: its rows and episodes in their files),
`unfinished_entries` (those that are still written, and those of rows alone), `update_entries`
(validations of a training), `turn_lanes` (an episode on the time axis), `turn_prompts` (what was
read in a turn), `episode_steps` (a trajectory, turn by turn), `replay_commands` (what-if),
`question_views` (a question and its episodes), `table_rows` (the table and its columns),
`telling_order` (which questions first), `run_facts` (what was run, in a line), `pair_differences`
(A minus B, with its interval), `run_views` (all of a run), `joined` (two runs as one),
`report_files` (`report.html` of a run: written, and its contents read back), `stored_runs` (runs
without one), `run_folders` (any folder or file).
"""

from algos.viewer.reading.report_files import load_report, save_report, write_report
from algos.viewer.reading.run_folders import read_run

__all__ = ["load_report", "read_run", "save_report", "write_report"]
