"""The field's benchmarks, read from the files that their authors publish.

May not: download anything, open a video, hold a row of a benchmark.

Read in this order: `rows` (one row, its values under any spelling), `annotations` (files found
below a root, and read as rows), `video_files` (videos and subtitles by their stems), `option_text`
(options and gold answers), `spans` (time references), `benchmark` (what is known of a benchmark,
and what all adapters share); then an adapter each:
`sage_bench`, `video_mme`, `video_mme_v2`, `lvbench`, `cg_bench`, `longvideobench`, `mlvu`,
`minerva`, `next_gqa`, `egoschema`, `charades_sta`, `video_mmmu`; `frame_licences` (whose frames
may be shown to others).

**An adapter** is a module with one `Benchmark`, and a line in `loading.DATASETS`:

    def _item(row: Row, source: Source) -> QAItem:
        options = split_options(row.needed("options", "candidates"))
        return QAItem(
            row.text("question_id"),
            source.video(row, "video_id", "url"),           # found, or where it is expected
            row.text("question"),
            options,
            by_letter(options, row.text("answer")),         # by_index, by_text, gold_option
            "mcq",
            parse_spans(row.text("time_reference")),        # read_spans for pairs of numbers
            row.duration("duration"),
            row.group("domain", kind="task_type"),          # column task_type as the key kind
            subtitles=source.subtitle(row, "video_id"),     # subtitles_start= where it is not 0
        )

    MY_BENCH = Benchmark(name="my-bench", files={"test": ("my_bench*.json",)}, item=_item, …)

Options inside the question are taken out by `split_question`; `numbered_options` reads columns
`option0`, `option1`, … with `N/A` in some. What is not one row a question gives `rows=` a function
that yields a `Row(place, values)` for each (`lvbench` does). A row that raises `DatasetError` is
left out and listed in `dataset.unusable`; a file in which no row is left is an error. A gold answer
that is not published is no item: raise. A video that is missing is still an item; `missing_videos`
and `with_videos` tell which are there, and `dataset.official_questions` how many there should be.
"""

from sage_env.datasets.native.benchmark import Benchmark, NativeDataset
from sage_env.datasets.native.video_files import missing_videos, with_videos

__all__ = ["Benchmark", "NativeDataset", "missing_videos", "with_videos"]
