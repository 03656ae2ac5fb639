"""A tool that never ends by itself, in every way that a process can hang."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from sage_env.actions.action import Answer, UseTool

WAYS = ["loop", "sleep", "hold the interpreter", "ignore signals", "children", "daemons", "threads"]
LONG = "86402"  # seconds that its children sleep


class Hanging:
    """Hangs as its argument `how` says, with a temporary file open; other words are repeated."""

    name = "hanging"
    description = "Hangs."
    parameters = {"type": "object", "properties": {"how": {"type": "string"}}}

    def __init__(self, timeout: float | None = None, most: int | None = None, word: str = ""):
        self.timeout, self.max_calls, self.word = timeout, most, word

    def __call__(self, arguments, context):
        how = arguments.get("how", "")
        if how not in WAYS:
            return f"{self.word}{how} in {tempfile.gettempdir()}"
        with tempfile.NamedTemporaryFile(delete=False) as kept, open(os.devnull) as _:
            kept.write(b"half a file")
            kept.flush()
            _hang(how)
        return "it ended"


def _hang(how):
    match how:
        case "loop":
            while True:
                pass
        case "hold the interpreter":
            re.match("(a+)+$", "a" * 60 + "b")
        case "ignore signals":
            for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_IGN)
        case "children":
            subprocess.run(["sleep", LONG])
        case "daemons":  # leave the session, and are nobody's children
            code = "import os; os.fork() and os._exit(0); os.setsid(); os.execlp('sleep', '', '%s')"
            subprocess.run([sys.executable, "-S", "-c", code % LONG])
        case "threads":
            for _ in range(4):
                threading.Thread(target=time.sleep, args=(3600,)).start()
    time.sleep(3600)


class Pickled:
    """Needs nothing, and takes part in the cache."""

    name, description = "kept", "Says how often it was called, by a file."
    parameters = {"type": "object", "properties": {"about": {"type": "string"}}}

    def __init__(self, log: Path = Path("log"), kept: bool = True):
        self.log, self.kept = log, kept

    def __call__(self, arguments, context):
        with self.log.open("a") as file:
            file.write("called\n")
        return f"reply to {arguments.get('about')}"

    def cache_key(self, arguments, context):
        from sage_env.tools.reply_cache import content_digest, reply_key

        return reply_key(1, content_digest(context.path), arguments) if self.kept else None


class CallsOnce:
    """A policy that calls the tool, and then answers."""

    def reset(self, *, seed=None):
        self.called = False

    def act(self, observation):
        self.called, called = True, self.called
        return Answer("A") if called else UseTool("hanging", {"how": "sleep"})
