"""Hypothesis strategies: actions, and texts that models could have written."""

import json

from hypothesis import strategies as st

from sage_env.actions.action import Answer, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import format_action

seconds = st.floats(0, 1e6) | st.floats(0, allow_nan=False, allow_infinity=False)
spans = st.tuples(seconds, seconds).filter(lambda s: s[0] != s[1]).map(lambda s: tuple(sorted(s)))
edges = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda s: s[0] != s[1]).map(sorted)
boxes = st.tuples(edges, edges).map(lambda e: (e[0][0], e[1][0], e[0][1], e[1][1]))
counts = st.integers(1, 1_000_000)
texts = st.text(max_size=60)  # hypothesis draws surrogates only where asked to
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(texts, x, max_size=3),
    max_leaves=8,
)  # fmt: skip
actions = st.one_of(
    st.builds(Skip, seconds),
    st.builds(lambda s, n: Sample(*s, n), spans, counts),
    st.builds(lambda s, n, b: Zoom(*s, n, b), spans, counts, st.none() | boxes),
    st.builds(Answer, texts, st.lists(spans, max_size=3).map(tuple)),
    st.builds(UseTool, texts.filter(bool), st.dictionaries(texts, json_values, max_size=3)),
)

odd_values = json_values | st.sampled_from(
    [True, float("nan"), float("inf"), -1, -0.5, 8.0, 8.5, 1e3, 10**400, "8", "8.0", "8.5", "-3"]
    + ["1:05", "1:75", "-0:05", "0:00:01.5", "1e400", "١٢", "\ud800", "", [], {}, [[]], [[1, 2]]]
    + [["0", "0", "1", "1"], [0, 0, 1, 1], "zoom", "skip", '{"to": 1}', '{"to": 1, "to": 2}', "{"]
)
odd_objects = st.dictionaries(
    st.sampled_from(
        ["action", "start", "end", "num_frames", "box", "to", "text", "evidence", "thought"]
        + ["name", "arguments", "why", "\ud800"]
    ),
    st.sampled_from(["zoom", "skip", "answer", "sample", "use_tool", "Zoom"]) | odd_values,
)


def _spoilt(text, cut, length, put):
    """Replace a piece of a text."""
    where = cut % (len(text) + 1)
    return text[:where] + put + text[where + length :]


written = st.builds(format_action, actions, st.none() | texts) | odd_objects.map(json.dumps)
spoilt = st.builds(
    _spoilt,
    written,
    st.integers(0, 400),
    st.integers(0, 6),
    st.sampled_from(["", '"', "{", "}", "[", "]", ",", ":", "\\", "\n", "9", "\ud800", "</think>"])
    | texts,
)
wrappings = st.sampled_from(
    ["", "I think {so}: ", "```json\n", "\n```", "<think>", "</think>", "<tool_call>", "</action>"]
)
any_text = st.one_of(
    st.text(st.characters(), max_size=200),
    st.binary(max_size=200).map(lambda x: x.decode("latin-1")),
    st.text('{}[]",:0123456789.eE+- \n\\"aceinostuz', max_size=80),
    spoilt,
    st.lists(wrappings | spoilt | written, max_size=4).map("".join),
)
