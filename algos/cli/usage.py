"""What is wrong with a command line, in one sentence where the parser takes a page."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from algos.cli.terminal import say
from policies.terminal_text import visible

_FORMS = {
    "INT": "a whole number",
    "FLOAT": "a number",
    "INT INT": "two whole numbers",
    "FLOAT FLOAT": "two numbers",
}
_FRAME = re.compile(r"[╭╮╰╯│─]+")


@contextmanager
def told_in_one_sentence(arguments: list[str]) -> Iterator[None]:
    """Inside the block, let the parser's errors be short, and nothing in them carried out.

    A value of the wrong form is told in one sentence. Everything else is what the parser says.

    Args:
        arguments: of the command line; what the parser prints on the standard output passes as it
            is, unless they hold controls.
    """
    out, err = io.StringIO(), io.StringIO()
    plain = all(visible(argument) == argument for argument in arguments)
    try:
        with redirect_stderr(err), redirect_stdout(sys.stdout if plain else out):
            yield
    finally:
        say(out.getvalue(), end="")
        say(value_sentence(err.getvalue()) or err.getvalue(), end="", error=True)


def value_sentence(page: str) -> str:
    """Return one sentence for a value that has the wrong form, "" for any other error.

    E.g. `--seed takes a whole number (seeds the policy and the environment), got 'abc'`.
    """
    first, *rest = _FRAME.sub(" ", page).split("Argument helptext:")
    words = " ".join([*first.split(), "Argument helptext:", *" ".join(rest).split()])
    words = words.replace("{None}|", "")
    refused = re.search(
        r"Error parsing [a-z][\w.]*: (.*?)(?: -{5,}| For full| Argument help)", words
    )
    if refused is not None:  # by the settings themselves, which say what they take
        return f"sage-vqa: {refused[1]}\n"
    found = re.search(r"Error parsing (--[\w.-]+): (.*?) Argument helptext: --\S+ (.*)", words)
    if found is None:
        return ""
    option, problem, explained = found.groups()
    form, about = _form_and_help(explained)
    listed = re.search(r"from \[(.*?)\]\.", problem)
    quoted = re.findall(r"'[^']*'", problem)
    got = listed[1] if listed else (quoted[-1] if quoted else "something else")
    return f"sage-vqa: {option} takes {form}{about}, got {got}\n"


def _form_and_help(explained: str) -> tuple[str, str]:
    """Return what an option takes, and its help in brackets, from what the parser says of it."""
    found = re.match(
        r"(\{[A-Z ]+\}|[A-Z]+(?: [A-Z]+)*|\S+) (.*?)(?: \(default| For full|$)", explained
    )
    if found is None:
        return "another value", ""
    form = found[1].strip("{}")
    about = found[2].rstrip(".")
    about = f" ({about[0].lower()}{about[1:]})" if about else ""
    return _FORMS.get(form, form), about
