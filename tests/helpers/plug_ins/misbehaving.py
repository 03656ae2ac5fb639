"""Plug-ins that hang, crash or fail, for processes of their own: imported there by name."""

import os
import re
import subprocess
import sys
import time

from sage_env.errors import ToolInputError

SLEEPER = ["sleep", "86401"]  # what a test looks for among the processes


class Moody:
    """Does what its argument `how` says, and counts its calls."""

    name = "moody"
    description = "Does as it is told."
    parameters = {"type": "object", "properties": {"how": {"type": "string"}}}

    def __init__(self):
        self.calls = 0

    def __call__(self, arguments, context):
        self.calls += 1
        match arguments.get("how", ""):
            case "hold the interpreter":  # no other thread runs meanwhile, and no signal handler
                re.match("(a+)+$", "a" * 60 + "b")
            case "start another":
                subprocess.run(SLEEPER)
            case "crash":
                os.kill(os.getpid(), 11)
            case "leave":
                sys.exit(0)
            case "refuse":
                raise ToolInputError("not that")
            case "look":
                return str(context.video.frames_at([1.0, 2.0]).seconds.tolist())
        return f"call {self.calls}"


def sleepy_judge(item, text):
    time.sleep(3600)


def last_step(item, action, history):
    return {"last": float(history.ended)} | ({str(item): 0.0} if item else {})
