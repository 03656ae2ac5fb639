"""Laws of `policies.sage_mm.generation.answer_grammar`: all that it lets through is an answer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.errors import ModelError  # noqa: E402
from policies.prompt import ONLY_TURN  # noqa: E402
from policies.sage_mm import LoraSettings, SageMM, scoring  # noqa: E402
from policies.sage_mm.generation.answer_grammar import (  # noqa: E402
    DEAD,
    AnswerGrammar,
    ByteAutomaton,
)
from policies.sage_mm.tokens.chat_tokens import ChatTokens  # noqa: E402
from sage_env import Answer, Zoom, format_action, parse_action  # noqa: E402
from tests.helpers.episodes import as_batch, observe, play, stir  # noqa: E402


@pytest.fixture(scope="module")
def policy(tiny_folder) -> SageMM:
    policy = SageMM.load(tiny_folder, max_new_tokens=150, lora=LoraSettings(r=4))
    stir(policy, scale=0.05)
    return policy


@pytest.fixture(scope="module")
def grammar(policy) -> AnswerGrammar:
    return made(policy.model.tokens, policy)


def made(tokens: ChatTokens, policy: SageMM) -> AnswerGrammar:
    return AnswerGrammar(tokens, int(policy.model.base.lm_head.out_features))


def takes(grammar: AnswerGrammar, tokens: ChatTokens, text: str) -> bool:
    """Return whether the grammar lets a text through, stop token included."""
    reply = grammar.start()
    for token in tokens.completion(text).tolist():
        if not grammar.allowed([reply])[0, token]:
            return False
        grammar.consume(reply, token)
    return True


WORDS = st.text("az 9'\"\\/{}[]:,<>\u00e9\u65e5\U0001f3ac", min_size=1, max_size=12)


@given(text=WORDS, thought=st.none() | WORDS | st.just(""))
@settings(max_examples=60, deadline=None)
def test_it_takes_every_answer_as_it_is_written(policy, grammar, text: str, thought) -> None:
    written = format_action(Answer(text), thought)
    assert takes(grammar, policy.model.tokens, written)


@pytest.mark.parametrize(
    "text",
    [
        format_action(Zoom(0.0, 1.0, 4), "why"),
        '{"thought": "a", "thought": "b", "action": "answer", "text": "c"}',
        '{"action": "answer", "text": ""}',
        '{"action": "answer", "text": "a"',
        '{"action": "answer", "text": "a"}}',
        '{"action": "answer", "text": "a\\x"}',
        '{"action": "answer", "text": "a\nb"}',
        '{"action": "answers", "text": "a"}',
        ' {"action": "answer", "text": "a"}',
        "red",
        "",
    ],
)
def test_nothing_else_gets_through(policy, grammar, text: str) -> None:
    assert not takes(grammar, policy.model.tokens, text)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_whatever_is_drawn_from_it_is_read_as_an_answer(policy, grammar, seed: int) -> None:
    """Tokens are drawn at random among those that it allows, without any model."""
    random, tokens = np.random.default_rng(seed), policy.model.tokens
    banned = tokens.banned(grammar.vocabulary)
    closing = {k for k in range(len(banned)) if tokens.text(np.array([k]))[:1] in ('"', "}")}
    reply, ids = grammar.start(), []
    while not ids or ids[-1] != tokens.stop:
        allowed = grammar.allowed([reply])[0]
        assert allowed.any() and not (allowed & banned).any()
        open_to = np.flatnonzero(allowed).tolist()
        if len(ids) > 60:  # then whatever leads to the end
            open_to = [k for k in open_to if k in closing] or open_to
        ids.append(int(random.choice(open_to)))
        grammar.consume(reply, ids[-1])
    action = parse_action(tokens.text(np.array(ids)))
    assert isinstance(action, Answer) and action.text


def test_a_token_counts_by_all_of_its_bytes(policy, monkeypatch) -> None:
    """A token whose end would do does not count where its beginning does not."""
    tokens, reads = policy.model.tokens, ChatTokens.text
    banned = tokens.banned(int(policy.model.base.lm_head.out_features))
    odd, even = np.flatnonzero(~banned)[-2:].tolist()
    spelled = {odd: 'x{"', even: '{"thought": "x'}
    monkeypatch.setattr(
        ChatTokens, "text", lambda self, ids: spelled.get(int(ids[0])) or reads(self, ids)
    )
    grammar = made(tokens, policy)
    allowed = grammar.allowed([grammar.start()])[0]
    assert allowed[even] and not allowed[odd]


def test_a_checkpoint_that_thinks_first_thinks_then_answers(policy) -> None:
    tokens = policy.model.tokens.with_prefill("<think>\n")
    grammar, answer = made(tokens, policy), format_action(Answer("red"))
    assert tokens.thinks_first
    assert takes(grammar, tokens, f'is it {{"action": "zoom"}}? </thin</think>\n\n{answer}')
    assert not takes(grammar, tokens, answer)
    assert not takes(grammar, tokens, "so</think>red")


def test_a_string_holds_every_byte_but_quotes_and_control_characters() -> None:
    """RFC 8259, section 7: from U+0020 on; a quote ends it, and a backslash begins an escape."""
    automaton = ByteAutomaton()
    start = automaton.state()
    inside = automaton.string(start)
    refused = [byte for byte in range(256) if automaton.rows[start][byte] == DEAD]
    assert refused == [*range(0x20), ord('"')] and inside == start
    escape = int(automaton.rows[start][ord("\\")])
    allowed = [byte for byte in range(256) if automaton.rows[escape][byte] != DEAD]
    assert bytes(allowed) == b'"/\\bfnrt'


def test_a_tokenizer_without_a_brace_is_refused(policy, monkeypatch) -> None:
    tokens = policy.model.tokens
    without = tokens.banned(int(policy.model.base.lm_head.out_features))
    without |= ["}" in tokens.text(np.array([k])) for k in range(len(without))]
    monkeypatch.setattr(ChatTokens, "banned", lambda self, vocabulary: without.copy())
    with pytest.raises(ModelError, match="no tokens that spell an answer in JSON"):
        made(tokens, policy)


def test_sage_mm_answers_and_is_scored_as_it_sampled(policy, monkeypatch) -> None:
    """Forced tokens have the log-prob 0; what is left open is sampled, and re-scores to 1e-4."""
    monkeypatch.setattr(policy, "answers_only", True)
    policy.reset(seed=3)
    seen = [observe(i, turns_left=1, frames_left=0) for i in range(8)]
    decisions = policy.act_batch(seen, range(8))
    ended = [d for d in decisions if d.tokens.completion[-1] == policy.stop_token]
    assert ended and all(isinstance(d.action, Answer) for d in ended)
    assert all(json.loads(d.text)["action"] == "answer" for d in ended)
    batch = as_batch([[d.tokens] for d in decisions])
    found = policy.evaluate(batch)
    torch.testing.assert_close(found.logprobs, batch.old_logprobs, atol=1e-4, rtol=0)
    monkeypatch.setattr(scoring, "CHUNK", 3)  # passes of three episodes have the grammar too
    with torch.no_grad():
        cut = policy.evaluate(batch)
    for name in ("logprobs", "entropy"):
        torch.testing.assert_close(getattr(cut, name), getattr(found, name), atol=1e-5, rtol=0)
    assert all('{"thought'.startswith(d.text[:2]) for d in decisions)
    same = policy.reference_logprobs(batch)[batch.ids == policy.stop_token]
    assert same[same != 0].abs().sum() < 1e-5, "the stop token has no choice after the brace"
    monkeypatch.setattr(policy, "answers_only", False)
    assert (batch.old_logprobs - policy.evaluate(batch).logprobs)[batch.sampled].max() > 0.1


def test_batches_that_were_sampled_freely_are_not_scored_as_answers(policy, monkeypatch) -> None:
    policy.reset(seed=3)
    free = play(policy, [observe(9)], "x")
    monkeypatch.setattr(policy, "answers_only", True)
    with pytest.raises(ModelError, match="cannot stand here in an answer"):
        policy.evaluate(as_batch([free]))


def test_a_model_that_reads_instructions_is_told_and_the_small_one_is_not(policy, monkeypatch):
    shown = observe(5, turns_left=1, frames_left=0)
    for style, told in (("full", True), ("brief", False)):
        tokens = ChatTokens(policy.model.tokens._tokenizer, style)
        monkeypatch.setattr(policy.model, "tokens", tokens)
        for only in (True, False):
            monkeypatch.setattr(policy, "answers_only", only)
            ids, _ = policy.prompt(shown, np.zeros(0, np.int64))
            assert (ONLY_TURN in policy.read_text(ids)) is (told and only)
