"""The layout that a chat template can write: found by trying it, as templates say nothing of it.

Templates differ in what they take. Some have no system role, some want a message's content as a
text and others as a list of parts, and some put a message's pictures before all of its texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

from policies.errors import ModelError
from policies.hugging_face.conversation import ChatTurn
from policies.served.reply_json import whole_text
from sage_env.actions.thoughts import after_thoughts

Message: TypeAlias = dict[str, Any]
Render: TypeAlias = Callable[[list[Message], bool], str]
"""Writes a conversation as text; True opens the model's next reply."""
_MARKS = ("alpha7", "bravo7", "charlie7", "delta7")
"""Words for the system message, a question, a reply and a further turn of a trial."""


@dataclass(frozen=True)
class ChatLayout:
    """How a conversation is given to one checkpoint's chat template.

    Attributes:
        own_system: whether the template has a system role; else the first turn begins with the
            system's text.
        in_parts: whether the content of system and assistant messages is a list of parts, as the
            user's always is, or a text.
        in_place: whether a picture stays among the texts where it stands; else a message's
            pictures come first, and each is named by its number where it would stand.
        thinks_first: whether the template opens the thoughts of a reply.
        controls: finds what the tokenizer would read as a control token.
    """

    own_system: bool = True
    in_parts: bool = True
    in_place: bool = True
    thinks_first: bool = False
    controls: re.Pattern[str] | None = None

    def messages(self, system: str, turns: Sequence[ChatTurn]) -> list[Message]:
        """Return a conversation as the template takes it; the last turn may lack its reply."""
        messages = []
        if self.own_system:
            messages.append({"role": "system", "content": self._said(system)})
        for number, turn in enumerate(turns):
            content = self._shown(turn)
            if number == 0 and not self.own_system:
                content = [_text(self.plain(f"{system}\n\n")), *content]
            messages.append({"role": "user", "content": _joined(content)})
            if turn.reply is not None:
                messages.append({"role": "assistant", "content": self._said(turn.reply)})
        return messages

    def plain(self, text: str) -> str:
        """Return a text that is nothing but text: control tokens in it are broken by a space.

        A question or a tool's reply that holds `<image>` would else count as a picture.
        """
        text = whole_text(text)
        if self.controls is None:
            return text
        return self.controls.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _said(self, text: str) -> Any:
        return [_text(self.plain(text))] if self.in_parts else self.plain(text)

    def _shown(self, turn: ChatTurn) -> list[Message]:
        if self.in_place:
            return [
                _text(self.plain(one)) if isinstance(one, str) else {"type": "image"}
                for one in turn.segments
            ]
        words, pictures = "", 0
        for one in turn.segments:
            pictures += not isinstance(one, str)
            words += self.plain(one) if isinstance(one, str) else f" picture {pictures}\n"
        return [{"type": "image"}] * pictures + [_text(words)]


def find_layout(render: Render, controls: Iterable[str], source: str) -> ChatLayout:
    """Return the layout in which a chat template writes everything that it is given.

    Args:
        render: writes with the template.
        controls: the control tokens of the tokenizer and the processor.
        source: whose template it is, for the message.

    Raises:
        ModelError: if there is none, or the template has no place for a picture.
    """
    for own_system, in_parts in product((True, False), (True, False)):
        layout = ChatLayout(own_system, in_parts)
        if _writes_all(layout, render):
            break
    else:
        raise ModelError(
            f"the chat template of {source} cannot write a conversation of instructions, turns "
            "with pictures and replies: name a checkpoint that was taught to chat about pictures"
        )
    apart, between = (_between(layout, render, shown) for shown in ((), (0,)))
    layout = replace(layout, in_place=apart != between)
    if _drawn(layout, render, (0,)) == _drawn(layout, render, ()):
        raise ModelError(
            f"the chat template of {source} has no place for a picture: name a checkpoint whose "
            "template writes parts of the type 'image'"
        )
    found = sorted({one for one in controls if len(one) > 1}, key=len, reverse=True)
    return replace(
        layout,
        thinks_first=_thinks_first(layout, render),
        controls=re.compile("|".join(map(re.escape, found))) if found else None,
    )


def _turn(*segments: str | int, reply: str | None = None) -> ChatTurn:
    return ChatTurn(segments, (), reply)


def _writes_all(layout: ChatLayout, render: Render) -> bool:
    """Return whether each word of a trial is written once and in order, as itself."""
    system, question, reply, more = _MARKS
    turns = [_turn(question, 0, reply=reply), _turn(more)]
    try:
        text = render(layout.messages(system, turns), True)
    except Exception:  # a template is somebody's program, and may raise anything
        return False
    places = [text.find(mark) for mark in _MARKS]
    once = all(text.count(mark) == 1 for mark in _MARKS)
    # a list that was written as one shows how Python writes it
    return once and places == sorted(places) and "'type'" not in text and '"type"' not in text


def _drawn(layout: ChatLayout, render: Render, shown: tuple[int, ...]) -> str:
    """Return a trial with pictures between two words, the numbers of pictures left out."""
    _, before, _, after = _MARKS
    parts: list[Message] = [_text(before), *({"type": "image"} for _ in shown), _text(after)]
    messages = layout.messages("", [_turn(before)])
    messages[-1] = {"role": "user", "content": parts}
    return render(messages, True)


def _between(layout: ChatLayout, render: Render, shown: tuple[int, ...]) -> str:
    """Return what is written between the two words of a trial."""
    text = _drawn(layout, render, shown)
    return text[text.find(_MARKS[1]) : text.find(_MARKS[3])]


def _thinks_first(layout: ChatLayout, render: Render) -> bool:
    """Return whether what opens a reply ends inside thoughts."""
    messages = layout.messages(_MARKS[0], [_turn(_MARKS[1])])
    return after_thoughts(render(messages, True).rpartition(_MARKS[1])[2]) is None


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _joined(parts: Sequence[Message]) -> list[Message]:
    """Return the parts with neighbouring texts joined: some templates break the line at each."""
    joined: list[Message] = []
    for part in parts:
        if joined and part["type"] == joined[-1]["type"] == "text":
            joined[-1] = _text(joined[-1]["text"] + part["text"])
        elif part.get("text") != "":
            joined.append(part)
    return joined
