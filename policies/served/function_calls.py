"""Function calls as replies hold them: odd ones made regular, and nothing guessed.

| a reply has | it is read as |
|---|---|
| `functions.zoom` and the like | `zoom`, see `sage_env.actions.function_name` |
| arguments as an object | its JSON text |
| arguments `""` or `null`, or none | `{}` |
| no id, or one that two calls share | an id of ours |
| anything else | what the model wrote, which is then no valid action |
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policies.served.reply_json import Json, can_be_sent, part_of
from sage_env.actions.function_name import bare_name
from sage_env.actions.json_objects import read_object


@dataclass(frozen=True)
class FunctionCall:
    """One call of a reply.

    Attributes:
        name: of the function, without what a server puts before it.
        arguments: JSON text; of an object, unless the model wrote something else.
        number: its id.
    """

    name: str
    arguments: str
    number: str

    @property
    def text(self) -> str:
        """Return the call as the text of an action."""
        return json.dumps({"name": self.name, "arguments": self.arguments})

    @property
    def can_go_back(self) -> bool:
        """Return whether the arguments are an object that JSON can hold.

        Servers refuse a chat with others.
        """
        try:
            return bool(self.name) and can_be_sent(read_object(self.arguments))
        except ValueError:
            return False


def calls_of(listed: Sequence[Json], known: Collection[str], turn: int) -> list[FunctionCall]:
    """Return the calls of a message's `tool_calls`, in order; entries that are none are left out.

    Args:
        listed: the entries.
        known: the names of all functions.
        turn: number of the reply in its chat, for ids of our own.
    """
    made: list[FunctionCall] = []
    for entry in listed:
        function = part_of(entry, "function")
        if not isinstance(function, dict):
            continue
        name, number = function.get("name"), part_of(entry, "id")
        if not isinstance(number, str) or not number or number in {one.number for one in made}:
            number = f"call_{turn}_{len(made)}"
        made.append(
            FunctionCall(
                bare_name(name if isinstance(name, str) else "", known),
                arguments_text(function.get("arguments")),
                number,
            )
        )
    return made


def arguments_text(arguments: Json) -> str:
    """Return arguments as JSON text, whatever they came as."""
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return "{}"
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
