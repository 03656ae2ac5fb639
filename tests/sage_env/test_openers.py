"""Laws of `sage_env.openers`: whose opener is used, and what it shares."""

from pathlib import Path

import pytest

from sage_env.openers import FileOpener, find_opener
from sage_env.testing import open_memory


@pytest.mark.parametrize(
    ("folder", "snap", "expected"),
    [
        (None, False, None),  # the usual way
        (None, True, FileOpener(None, True)),
        ("/dev/shm/a", False, FileOpener("/dev/shm/a", False)),
        (Path("/dev/shm/a"), True, FileOpener("/dev/shm/a", True)),
    ],
)
def test_files_are_opened_as_the_arguments_say(folder, snap, expected):
    assert find_opener(None, folder, snap=snap) == expected


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(0.1, None), (120.0, None), (500.0, 500.0), (None, "none")]
)
def test_files_get_120_seconds_at_least(timeout, seconds):
    opener = find_opener(None, None, timeout=timeout)
    limit = {None: FileOpener().timeout, "none": None}.get(seconds, seconds)
    assert (opener or FileOpener()).timeout == limit and FileOpener().timeout == 120.0


def test_a_relative_folder_is_the_same_wherever_a_worker_runs():
    assert find_opener(None, "shared").folder == str(Path.cwd() / "shared")


def test_an_opener_of_the_users_is_taken_as_it_is():
    assert find_opener(open_memory, None, snap=True) is open_memory
    with pytest.raises(ValueError, match="frame_store is for videos that the environment opens"):
        find_opener(open_memory, "/dev/shm/a")
