"""Tools for tests: one that needs nothing, one that looks at the video."""


class Echo:
    """Says what it is told; `faults` maps a text to what is raised or returned instead."""

    name = "echo"
    description = "Repeats a text."
    parameters = {
        "type": "object",
        "properties": {"text": {"type": "string"}, "times": {"type": "integer", "minimum": 0,
                                                             "maximum": 5}},
        "required": ["text"],
    }  # fmt: skip

    def __init__(self, faults=None):
        self.faults = faults or {}
        self.calls = []

    def __call__(self, arguments, context):
        self.calls.append((arguments, context))
        fault = self.faults.get(arguments["text"])
        if isinstance(fault, Exception):
            raise fault
        return arguments["text"] * arguments.get("times", 1) if fault is None else fault


class Blueness:
    """Says how blue the picture is."""

    name = "blueness"
    description = "Says how blue the picture is at a time."
    parameters = {
        "type": "object",
        "properties": {"at": {"type": "number", "minimum": 0}},
        "required": ["at"],
    }

    def __call__(self, arguments, context):
        batch = context.video.frames_at([arguments["at"]])
        blue = batch.pixels[0, :, :, 2].mean()
        return f"{blue:.1f} at {batch.seconds[0]:.1f} s of {context.duration:.0f} s"
