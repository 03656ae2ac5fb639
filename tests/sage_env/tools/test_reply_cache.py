"""Laws of `sage_env.tools.reply_cache`: one content, one call, in whatever process and folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sage_env.actions.action import UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.testing import open_memory
from sage_env.tools import reply_cache
from sage_env.tools.reply_cache import (
    call_or_recall,
    content_digest,
    find_kept,
    keep,
    reply_key,
)
from tests.helpers.plug_ins.hanging import Pickled

KEPT = "tests.helpers.plug_ins.hanging:Pickled"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tool-replies"


def call(tool, video: Path, **arguments) -> str:
    """Return what a tool says of a video, in an environment of its own."""
    item = QAItem("q", video, "Q?", ("a", "b"), "a", "mcq")
    env = VideoQAEnv(dataset=[item], opener=OneMinute(), frame_size=(8, 8), tools=[tool])
    env.reset()
    text = env.step(UseTool("kept", arguments))[0]["text"]
    env.close()
    return str(text)


class OneMinute:
    """An opener that can be pickled: a minute of memory, whatever the path."""

    def __call__(self, path):
        return open_memory(Path("60.memory"))


def times(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_reply_is_asked_for_once_and_by_content_not_by_path(tmp_path) -> None:
    video, twin, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    video.write_bytes(bytes(range(256)) * 2000)
    other.write_bytes(video.read_bytes()[:-1] + b"!")
    shutil.copyfile(video, twin)
    log = tmp_path / "log"
    tool = Pickled(log)
    assert call(tool, video, about="x") == call(tool, twin, about="x") == "reply to x"
    assert times(log) == 1, "a copy under another name is the same video"
    call(tool, video, about="y")
    assert times(log) == 2, "other arguments"
    call(tool, other, about="x")
    assert times(log) == 3, "one byte differs, in the middle of nowhere"
    call(Pickled(log, kept=False), video, about="x")
    assert times(log) == 4, "a reply that must not be kept"
    assert call(f"{KEPT}?log={log}", twin, about="x") == "reply to x"
    assert times(log) == 4, "another process"


class Keyed:
    """A tool whose reply depends on nothing but the tool; it counts its calls."""

    description, parameters = "Says who it is.", {"type": "object", "properties": {}}

    def __init__(self, name: str, reply: str) -> None:
        self.name, self.reply, self.calls = name, reply, 0

    def cache_key(self, arguments, context) -> str:
        return ""

    def __call__(self, arguments, context) -> str:
        self.calls += 1
        return self.reply


def test_two_tools_with_one_key_have_their_own_replies_and_an_empty_key_is_one(tmp_path) -> None:
    one, other = Keyed("one", "from one"), Keyed("other", "from the other")
    for _ in range(2):
        assert call_or_recall(one, {}, None) == "from one"
        assert call_or_recall(other, {}, None) == "from the other"
    assert (one.calls, other.calls) == (1, 1)


def test_what_is_no_text_is_handed_on_and_not_kept(folder) -> None:
    for reply in ("\ud800", None, b"x"):
        assert call_or_recall(tool := Keyed("odd", reply), {}, None) is reply
        assert call_or_recall(tool, {}, None) is reply and tool.calls == 2
    assert not list(folder.glob("*.reply"))


def test_a_file_that_changes_while_it_is_read_is_not_known_by_its_first_version(
    tmp_path, folder, monkeypatch
) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"first")
    looked = []

    def fingerprint(descriptor):
        if looked:
            video.write_bytes(b"second, longer")
        looked.append(real(descriptor))
        return looked[-1]

    real = reply_cache.fingerprint
    monkeypatch.setattr(reply_cache, "fingerprint", fingerprint)
    content_digest(video)
    assert len(looked) == 2 and not list(folder.glob("*.reply"))


def test_each_process_opens_the_folder_for_itself(monkeypatch) -> None:
    first = reply_cache._folder()
    assert reply_cache._folder() is first
    monkeypatch.setattr(reply_cache.os, "getpid", lambda: -1)
    assert reply_cache._folder() is not first


def test_a_video_that_is_written_over_is_another(tmp_path) -> None:
    video = tmp_path / "a.mp4"
    digests = []
    for last in (b"a", b"b", b"a"):
        video.write_bytes(b"x" * 300_000 + last)
        digests.append(content_digest(video))
    assert digests[0] != digests[1] and digests[0] == digests[2]


def test_a_damaged_file_is_asked_for_again(folder, tmp_path) -> None:
    log, video = tmp_path / "log", tmp_path / "a.mp4"
    video.write_bytes(b"video")
    for _ in range(2):
        call(Pickled(log), video, about="x")
    assert times(log) == 1
    for file in folder.glob("*.reply"):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    assert call(Pickled(log), video, about="x") == "reply to x" and times(log) == 2


def test_a_folder_that_cannot_be_written_costs_time_and_no_reply(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "file"))
    video, log = tmp_path / "a.mp4", tmp_path / "log"
    video.write_bytes(b"video")
    with pytest.warns(RuntimeWarning, match="replies of tools cannot be shared"):
        assert [call(Pickled(log), video, about="x") for _ in range(2)] == ["reply to x"] * 2
    assert times(log) == 2


def test_keys_say_all_that_a_reply_depends_on() -> None:
    keys = [reply_key("a", 1), reply_key("a", "1"), reply_key("a", [1]), reply_key(["a", 1])]
    assert len(set(keys)) == 4 and reply_key({"a": 1, "b": 2}) == reply_key({"b": 2, "a": 1})
    keep(keys[0], "Grüße 时间\n")
    assert find_kept(keys[0]) == "Grüße 时间\n" and find_kept(keys[1]) is None


def test_the_folder_is_bounded(folder, monkeypatch) -> None:
    monkeypatch.setattr(reply_cache, "MAX_BYTES", 20_000)
    reply_cache._opened.cache_clear()
    for k in range(40):
        keep(reply_key(k), "x" * 1000)
    assert sum(file.stat().st_size for file in folder.glob("*.reply")) <= 20_000
    assert find_kept(reply_key(39)) == "x" * 1000, "the newest is there"
    reply_cache._opened.cache_clear()


def test_many_processes_write_and_read_at_once(folder) -> None:
    code = (
        "from sage_env.tools.reply_cache import find_kept, keep, reply_key\n"
        "for k in range(60):\n"
        "    key = reply_key(k % 7)\n"
        "    keep(key, str(k % 7) * 5000)\n"
        "    assert find_kept(key) == str(k % 7) * 5000\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(60) for one in started] == [0, 0]
    assert len(list(folder.glob("*.reply"))) == 7
