"""How an answer names a choice: a label alone, a label with its text, a sentence that claims it."""

from __future__ import annotations

import re

from sage_env.datasets.choice_options import UNDECIDED, Named, Options

_LABEL = r"(?:[A-Za-z]|[0-9]{1,2})"
_KIND = r"(?:(?:the\s+)?(?:option|choice|answer|letter|alternative)\s*(?:is\s*)?:?\s*)"
_NAMING = re.compile(
    rf"(?<!\w)(?P<kind>{_KIND})?"
    rf"(?:[(\[{{<]{{1,2}}\s*(?P<inside>{_LABEL})\s*[)\]}}>]{{1,2}}|(?P<bare>{_LABEL})(?!\w))",
    re.IGNORECASE,
)
_ENDS = " .):,;!"
# Bounds on what is read, so that no text takes longer than milliseconds: characters of an answer
# with reasons, of the end of a longer one, beside a choice's text; claims in one answer. Choices.
_LONGEST, _END, _BESIDE, _MANY = 1_000, 300, 80, 12
_JOINED = re.compile(r"\s*(?:,\s*(?:and|or)|,|/|&|\+|\||and|or|as well as|and/or|plus)\s*", re.I)
_SEPARATED = re.compile(r"\s*(?:[.):,;=|]|->|[-–—→⇒])+\s*")
_REASON = re.compile(
    r"[\s,.;:(–—-]*(?:because|since|as|given|due to|i\.e\.|"
    r"explanation|reason(?:ing)?|rationale|justification)\b",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    r"\s+(?:is|would be|must be|seems|looks)\s+(?:the\s+|most\s+)*"
    r"(?:correct|right|true|best|accurate|correct one|right one)"
    r"(?:\s+(?:answer|option|choice|one|response|description|match))?(?!\w)",
    re.IGNORECASE,
)
_IS_THE_ANSWER = re.compile(
    r"\s+(?:is|would be|must be)\s+(?:the|my)\s+(?:final\s+)?(?:answer|choice)\b", re.I
)
_SAYS = re.compile(
    r"(?:(?<!\w)(?:(?:and|so|thus|therefore|hence|then|the|my|this|our|final|correct|right|best|"
    r"most|likely|appropriate|accurate|true|overall)[\s,]+)*"
    r"(?:answer|choice|option|selection|response|prediction|conclusion)"
    r"(?:\s+(?:to|for|of)\s+(?:the|this|that|your)\s+question)?"
    r"\s*(?:is\s*:|is|are|:|=|would be|should be|must be|->|[-–—→])\s*(?:that\s+)?"
    r"|(?<!\w)(?:(?:and|so|thus|therefore|hence)[\s,]+)*i(?:\s+would|'d|\s+will|'ll)?\s+"
    r"(?:choose|pick|select|go\s+with|say|think|believe|answer|conclude)"
    r"(?:\s+that)?(?:\s+(?:it|the\s+(?:\w+\s+){0,2}(?:answer|option|choice))\s*(?:is|'s|:))?\s+"
    r"|(?<!\w)(?:so|thus|therefore|hence)\b[\s,:]+(?:it(?:'s|\s+is)\s+)?"
    r"|^\s*(?:it|this|that)(?:'s|\s+(?:is|was|must be|would be))\s+(?!right\b|correct\b|true\b)"
    r"|^\s*(?:clearly|definitely|certainly|obviously|surely|evidently|choose|pick|select|ok|okay)"
    r"[\s,:]+"
    r"|(?<!\w)(?:ans|correct|result|conclusion|to\s+conclude|in\s+conclusion)\s*[.:]\s+"
    r"|(?:正确答案|最终答案|答案)\s*(?:应该)?(?:是|为)?\s*[::]?\s*|故?(?:选择|选)\s*[::]?\s*"
    r"|(?<!\w)(?:ответ|respuesta|réponse|antwort|risposta|resposta)\s*"
    r"(?::|is|ist|es|est|è|é|[-–—])\s*)",
    re.IGNORECASE | re.MULTILINE,
)
_STOP = re.compile(r"\s*[.,:;!(–—\n-]")
_FINALLY = re.compile(r"(?<!\w)final\s+(?:answer|choice)", re.IGNORECASE)
_RETRACTS = re.compile(
    r"(?<!\w)(?:but|however|actually|wait|although|though|instead|alternatively|unless|correction|"
    r"scratch|sorry|oops|hmm+|also|too|both|either|or|maybe|perhaps|possibly|probably|might|could|"
    r"may|unsure|uncertain|guess(?:ing)?|reconsider\w*|mistaken?|rather|second thoughts?|as well|"
    r"on the other hand|nevertheless|yet|except|change|likely|equally|nor|neither|doubt\w*|if|"
    r"not (?:sure|certain|confident|clear)|cannot|can't|unclear|no wait|nope|no)(?!\w)|\?|"
    r"[吗或]|还是|可能|也许|大概|但是?|不过|不确定|其实|等等",
    re.IGNORECASE,
)
_NEGATES = re.compile(
    r"(?<!\w)(?:not|no|never|none|nothing|without|wrong|incorrect|false|false(?:ly)?|unlikely|"
    r"deny|denies|hardly|than|rule[sd]? out|exclud\w+|eliminat\w+|reject\w*)(?!\w)|n['’]t(?!\w)|"
    r"[不没非别勿否]|排除|错|除了",
    re.IGNORECASE,
)
_DENIES = re.compile(  # what stands behind the choice `No`, and says it again
    r"\s*[,.;–—-]\s*(?:he|she|it|they|there|the\s+\w+)\s+(?:do|does|did|is|are|was|were|has|have|"
    r"had|can|will)(?:\s+not|n['’]t)(?P<what>(?:\s+\w+){0,6})\s*[.!]?\s*",
    re.IGNORECASE,
)
_REPORTS = re.compile(
    r"(?<!\w)(?:say|says|said|think|thinks|thought|claims?|claimed|believe[sd]?|argue[sd]?|told|"
    r"suggest(?:s|ed)?|would|pretend\w*|suppose[sd]?|imagine|assum\w+)(?!\w)",
    re.IGNORECASE,
)


def label_alone(options: Options, text: str) -> Named | None:
    """Return the choice of a text that is a label: `B`, `(b)`, `Option B.`; else `None`."""
    naming = _NAMING.match(text)
    if naming is None or text[naming.end() :].strip(_ENDS):
        return None
    named = _by_label(options, naming, bare=True)
    spelled = options.by_text(naming["inside"] or naming["bare"])
    if spelled is None or named is None or spelled.choice == named.choice:
        return named
    kind = (naming["kind"] or "").casefold()  # the letter of one choice is another's text
    return spelled if naming["bare"] and (not kind or "answer" in kind) else UNDECIDED


def several(options: Options, text: str) -> Named | None:
    """Return that a text lists more than one choice (`A or B`, `both A and C`); else `None`."""
    rest = re.sub(r"^(?:both|either)\s+", "", text, flags=re.IGNORECASE)
    parts = [part.strip(_ENDS + "(") for part in _JOINED.split(rest)]
    if len(parts) < 2:
        return None
    named = [label_alone(options, part) or options.by_text(part) for part in parts]
    if any(one is None for one in named):
        return None
    indices = {one.choice for one in named if one is not None}
    if len(indices) > 1:
        return Named(None, "several_choices")
    (index,) = indices
    return Named(index, "letter") if index is not None else None


def label_with_text(options: Options, text: str) -> Named | None:
    """Return the choice of a label beside a text: `B. blue`, `B - blue`, `blue (B)`; else `None`.

    The two must be of one choice: `B. red` is a contradiction.
    """
    naming = _NAMING.match(text)
    if naming is not None:
        rest = text[naming.end() :]
        separated = _SEPARATED.match(rest)
        marked = naming["inside"] or separated or naming["bare"].isupper()
        marked = marked or (naming["kind"] and naming["bare"] != "a")  # the answer is a red car
        beside = options.by_text(rest[separated.end() if separated else 0 :]) if marked else None
        if beside is not None:
            return _agreeing(_by_label(options, naming, bare=True), beside)
    ending = re.search(rf"[\s([,;:=|–—-]+\(?{_LABEL}[)\]]?[.!]?$", text)
    if ending is None:
        return None
    naming = _NAMING.match(text[ending.start() :].lstrip(" ,;:=|–—-"))
    beside = options.by_text(text[: ending.start()])
    if naming is None or beside is None:
        return None
    return _agreeing(_by_label(options, naming, bare=True), beside)


def claimed(options: Options, text: str) -> Named:
    """Return the choice that the sentences of a text claim, if they claim one and stay with it.

    What says `the answer is …` counts; else how the text begins (`B, because …`, `blue is
    correct`), or its last line. Around it no other choice may be named, and nothing hedged or
    taken back.
    """
    if len(text) > _LONGEST:  # of a long text, only what it calls final itself
        text = text[-_END:]
        if not _FINALLY.search(text):
            return UNDECIDED
    says = list(_SAYS.finditer(text))
    finals = [m for m in says if _FINALLY.search(m[0])]
    if len(says) > _MANY:
        return UNDECIDED
    if finals:
        before = _sentence_before(text, finals[-1])
        return _from(options, text[finals[-1].end() :], before, declared=True)
    places = [(m.start(), m.end()) for m in says]
    places += [(m.start(), m.start()) for m in _NAMING.finditer(text) if _is_called_right(text, m)]
    found = {_from(options, text[end:], text[:start], declared=True) for start, end in places}
    found.discard(UNDECIDED)
    if len(found) == 1:
        return next(iter(found))
    if says:
        return UNDECIDED
    first = _from(options, text, "")
    if first != UNDECIDED:
        return first
    before, _, last = text.rpartition("\n")
    return _from(options, last, before) if before else UNDECIDED


def said_answer(text: str) -> str | None:
    """Return what a text says the answer is, if it says nothing else behind it; else `None`.

    >>> said_answer("So the answer is 5.")
    '5.'
    """
    says = list(_SAYS.finditer(text[-_LONGEST:]))
    text = text[-_LONGEST:]
    if not says or len(says) > _MANY:
        return None
    finals = [m for m in says if _FINALLY.search(m[0])]
    first = finals[-1] if finals else says[0]
    alone = finals or not text[: first.start()].strip()
    rest = text[first.end() :].strip()
    return rest if alone and "\n" not in rest else None


def _is_called_right(text: str, naming: re.Match[str]) -> bool:
    """Return whether a text goes on behind a label to call it right: `B is the correct choice`."""
    marked = naming["inside"] or naming["kind"] or naming["bare"].isupper()
    rest = text[naming.end() :]
    return bool(marked and (_IS_RIGHT.match(rest) or _IS_THE_ANSWER.match(rest)))


def _sentence_before(text: str, match: re.Match[str]) -> str:
    """Return what stands in the sentence of a match before it."""
    return re.split(r"[.!?\n]", text[: match.start()])[-1]


def _from(options: Options, text: str, before: str, *, declared: bool = False) -> Named:
    """Return the choice that a text begins by claiming, if nothing around that says other.

    Args:
        options: the choices.
        text: begins with the claim.
        before: stands before it.
        declared: whether the text before it says that here comes the answer.
    """
    head = _head(options, text)
    if head is None:
        return UNDECIDED
    named, rest = head
    if named.choice is None:
        return named if not rest.strip(_ENDS) else UNDECIDED
    if named.rule == "letter" and _is_other_text(options, named.choice, rest, declared=declared):
        return UNDECIDED
    quiet = _quiet(options, named.choice, before, rest)
    return named._replace(rule="claim") if quiet else UNDECIDED


def _head(options: Options, text: str) -> tuple[Named, str] | None:
    """Return the choice that a text begins with, and the rest of the text; `None` if with none."""
    line = text.lstrip().partition("\n")[0]
    line = line[: _BESIDE + max(len(choice) for choice in options.choices)]
    others = text.lstrip()[len(line) :]
    whole = label_alone(options, line) or several(options, line)
    whole = whole or label_with_text(options, line) or options.by_text(line)
    if whole is not None:
        return whole, others
    for stop in re.finditer(r"[.,:!](?=\s|$)|[;(–—]|\s-|(?<=[\w)\]}>])(?=\s)", line):
        head = line[: stop.start()]
        rest = line[stop.start() :] + others
        if not _may_follow(rest):
            continue
        named = label_with_text(options, head) or options.by_text(head)
        named = named or (label_alone(options, head) if _is_marked(head, rest) else None)
        if named is not None:
            return named, rest
    return None


def _is_marked(head: str, rest: str) -> bool:
    """Return whether a head that is a label means the label, not the article or pronoun."""
    return bool(rest) and (head.strip(_ENDS)[-1:].isupper() or head.strip()[-1:] in ")]}>")


def _may_follow(rest: str) -> bool:
    """Return whether a rest can stand behind a choice without changing what was said."""
    ways = (_REASON, _IS_RIGHT, _IS_THE_ANSWER, _STOP)
    return any(way.match(rest) for way in ways)


def _is_other_text(options: Options, index: int, rest: str, *, declared: bool) -> bool:
    """Return whether a rest behind a label is another text than its choice's: `B. cyan`.

    A reason or a line break begins something new, and so does a sentence behind a declared answer.
    """
    if any(way.match(rest) for way in (_REASON, _IS_RIGHT, _IS_THE_ANSWER)):
        return False
    beside = rest.strip(_ENDS + "(-–—")
    if not beside or rest.lstrip(" .)").startswith("\n"):
        return False
    if declared and beside[0].isupper() and len(beside.split()) > 2:
        return False
    own = re.escape(options.labelled[index].text.casefold())
    return not re.search(rf"(?<!\w){own}(?!\w)", beside.casefold())


def _quiet(options: Options, index: int, before: str, rest: str) -> bool:
    """Return whether the text around a claim neither takes it back nor names another choice."""
    right = _IS_RIGHT.match(rest) or _IS_THE_ANSWER.match(rest)
    rest = rest[right.end() :] if right else rest
    if _RETRACTS.search(rest) or _other_claim(options, index, rest):
        return False
    reason = _REASON.match(rest)
    denial = _DENIES.fullmatch(rest)
    if denial is not None and options.labelled[index].text.casefold().strip(" .") == "no":
        rest = denial["what"]
    if reason is None and (_NEGATES.search(rest) or _mentions_other(options, index, rest)):
        return False
    if any(word.search(before) for word in (_RETRACTS, _NEGATES, _REPORTS)):
        return False
    return not _mentions_other(options, index, before)


def _other_claim(options: Options, index: int, rest: str) -> bool:
    """Return whether a text goes on to claim another choice."""
    starts = [m.end() for m in _SAYS.finditer(rest)]
    starts += [m.end() for m in re.finditer(r"[.!;\n]\s+", rest)]
    if len(starts) > _MANY:
        return True
    heads = [_head_only(options, rest[start:]) for start in starts]
    called = [m for m in _NAMING.finditer(rest) if _is_called_right(rest, m)]
    rights = [_by_label(options, m, bare=False) for m in called]
    return any(one is not None and one.choice != index for one in [*heads, *rights])


def _head_only(options: Options, text: str) -> Named | None:
    head = _head(options, text)
    return None if head is None else head[0]


def _mentions_other(options: Options, index: int, text: str) -> bool:
    """Return whether a text names another choice, by a capital or marked label or by its text."""
    folded = f" {text.casefold()} "
    own = options.labelled[index].text.casefold()
    folded = folded.replace(own, " ")
    for k, one in enumerate(options.labelled):
        other = one.text.casefold().strip(" .")
        if k != index and re.search(rf"(?<!\w){re.escape(other)}(?!\w)", folded):
            return True
    for naming in _NAMING.finditer(text):
        marked = naming["inside"] or naming["kind"] or (naming["bare"] or "").isupper()
        named = _by_label(options, naming, bare=False) if marked else None
        if named is not None and named.choice not in (index, None):
            return True
    return False


def _by_label(options: Options, naming: re.Match[str], *, bare: bool) -> Named | None:
    """Return the choice with the label of a naming.

    Digits are labels only where the choices have such ones of their own; a letter that no choice
    has is wrong where it stands for the whole answer (`bare`).
    """
    label = naming["inside"] or naming["bare"]
    index = options.index_of(label)
    if index is not None:
        return Named(index, "letter")
    if label.isdigit() or not bare:
        return None
    return Named(None, "no_such_letter")


def _agreeing(labelled: Named | None, beside: Named) -> Named | None:
    if labelled is None or beside.choice is None:
        return None
    if labelled.choice == beside.choice:
        return Named(beside.choice, "letter_and_text")
    return Named(None, "contradiction")
