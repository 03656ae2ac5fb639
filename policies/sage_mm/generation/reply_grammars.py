"""Which grammar constrains a policy's replies: none, that of all actions, or that of answers."""

from __future__ import annotations

from collections.abc import Iterable

from policies.sage_mm.generation.answer_grammar import AnswerGrammar
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from sage_env.tools.tool import Tool


class ReplyGrammars:
    """The grammars of one checkpoint.

    Args:
        tokens: its chat layout.
        vocabulary: rows of its output layer.
        tools: of the environment, for the grammar of actions.
        constrained: whether replies are actions of that grammar; needs llguidance.
    """

    def __init__(
        self, tokens: ChatTokens, vocabulary: int, tools: Iterable[Tool], *, constrained: bool
    ) -> None:
        """Compile the grammar of actions, where it is wanted."""
        self._tokens, self._vocabulary = tokens, vocabulary
        self._actions = ActionGrammar(tokens, vocabulary, tools) if constrained else None
        self._answers: AnswerGrammar | None = None  # made when it is first needed

    def in_use(self, *, answers_only: bool) -> ActionGrammar | None:
        """Return what constrains replies; `None` for nothing."""
        if not answers_only:
            return self._actions
        if self._answers is None:
            self._answers = AnswerGrammar(self._tokens, self._vocabulary)
        return self._answers
