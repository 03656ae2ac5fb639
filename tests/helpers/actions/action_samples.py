"""Random actions and texts by the ten thousand, from a seed: less varied than the strategies of
`action_strategies`, and a hundred times as fast."""

import json
import math

from sage_env.actions.action import Answer, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import format_action

_LETTERS = 'abc xyz019 "\\/{}[]:,\n\t\x00\x7f\u2028éß汉😀</think>```'
_PIECES = ['"', "{", "}", "[", "]", ",", ":", "\\", "\n", "9", "-", ".", "e", "null", "true", "NaN"]
_PIECES += ["\ud800", "\\ud800", "</think>", "<think>", "```", '{"a": ', '"action": ', "'", ""]
_KEYS = ["action", "start", "end", "num_frames", "box", "to", "text", "evidence", "name"]
_KEYS += ["arguments", "thought", "why", "\ud800", ""]
_VALUES = ["zoom", "skip", "answer", "sample", "use_tool", "Zoom", 0, 1, 5, 8, 8.0, 8.5, -1, -0.5]
_VALUES += [math.nan, math.inf, -math.inf, 1e308, 10**400, True, False, None, "8", "8.5", "1:05"]
_VALUES += ["1:75", "-0:05", "1e400", "١٢", "\ud800", "", [], {}, [[1, 2]], [[2, 1]], [0, 0, 1, 1]]
_VALUES += [["0", "0", "1", "1"], {"to": 1}, '{"to": 1}', '{"to": 1, "to": 2}', "{", "9" * 400]


def random_action(rng):
    """Return any action."""
    start, end = sorted((_seconds(rng), _seconds(rng)))
    end, count = max(end, math.nextafter(start, math.inf)), rng.randint(1, 1_000_000)
    match rng.randrange(5):
        case 0:
            return Skip(start)
        case 1:
            return Sample(start, end, count)
        case 2:
            x, y = rng.random() * 0.9, rng.random() * 0.9
            box = (x, y, x + 0.1 * (1 - rng.random()), y + 0.1 * (1 - rng.random()))
            return Zoom(start, end, count, rng.choice([None, box]))
        case 3:
            return Answer(random_words(rng), ((start, end),) * rng.randrange(4))
    arguments = {random_words(rng): _json(rng, 4) for _ in range(rng.randrange(3))}
    return UseTool("t" + random_words(rng), arguments)


def random_words(rng):
    """Return a string of Unicode characters."""
    return "".join(rng.choices(_LETTERS, k=rng.randrange(20)))


def random_text(rng):
    """Return what a model may write: an action, one nearly, several, or anything."""
    match rng.randrange(8):
        case 0:
            return "".join(chr(rng.randrange(0x11000)) for _ in range(rng.randrange(100)))
        case 1:
            return rng.randbytes(rng.randrange(200)).decode("latin-1")
        case 2:
            return "".join(rng.choices(_PIECES, k=rng.randrange(60)))
        case 3:
            return "".join(random_text(rng) for _ in range(rng.randrange(4)))
        case 4:
            keys = ["action", *rng.sample(_KEYS, rng.randrange(6))]
            return json.dumps({key: rng.choice(_VALUES) for key in keys})
    text = format_action(random_action(rng), rng.choice([None, random_words(rng)]))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(_PIECES) + text[at + rng.randrange(4) :]
    return text


def _seconds(rng):
    return rng.choice([rng.random(), 7200 * rng.random(), 10 ** rng.uniform(-9, 300)])


def _json(rng, depth):
    if depth and rng.random() < 0.3:
        return [_json(rng, depth - 1) for _ in range(rng.randrange(3))]
    if depth and rng.random() < 0.3:
        return {random_words(rng): _json(rng, depth - 1) for _ in range(rng.randrange(3))}
    return rng.choice([None, True, rng.randrange(-9, 10**20), rng.random(), random_words(rng)])
