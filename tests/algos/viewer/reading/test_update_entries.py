"""Laws of `algos.viewer.reading.update_entries`, `stored_runs`: which update is shown first."""

from __future__ import annotations

from pathlib import Path

from algos.runs.json_files import write_json
from algos.runs.run_folder import RunFolder
from algos.runs.update_episodes import UpdateEpisodeLog
from algos.viewer.reading import read_run
from tests.helpers.handmade import item, result, trajectory


def test_a_training_that_goes_on_shows_its_newest_validation_first(
    tmp_path: Path,
) -> None:
    folder = RunFolder(tmp_path)
    folder.save_result("base", result((item("seen"), trajectory("seen", False))))
    write_json(folder.config, {"ppo": {}, "dataset": "own.jsonl", "checkpoint": None})
    for file, updates in ((folder.tokens, (1, 2, 3)), (folder.validation_episodes, (0, 2))):
        if file == folder.validation_episodes:  # none has been played yet
            assert read_run(tmp_path).shown == "learned-3"
        log = UpdateEpisodeLog(file, keep_through=9, items={"seen": item("seen")})
        for update in updates:
            log.write(update, trajectory("seen", True))
        log.close()
    run = read_run(tmp_path)
    assert (run.shown, run.before) == ("validated-2", "validated-0")  # of the same questions


def test_before_the_first_update_nothing_is_compared_with_itself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name in ("demonstrator", "base"):
        folder.save_result(name, result((item("seen"), trajectory("seen", False))))
    write_json(folder.config, {"ppo": {}, "checkpoint": None})
    run = read_run(tmp_path)
    assert run.before is None and "data" not in run.about
    log = UpdateEpisodeLog(folder.validation_episodes, keep_through=9, items={"seen": item("seen")})
    log.write(0, trajectory("seen", True))
    log.close()
    run = read_run(tmp_path)
    assert (run.shown, run.before) == ("validated-0", None)
