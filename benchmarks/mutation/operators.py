"""Operators: the small changes that are made to a syntax tree, one at a time.

Each is a mistake that someone could make and overlook: a sign, a bound, an argument that is not
passed on. What cannot change a number is left alone: docstrings, annotations, decorators, messages
of errors, assertions, logging, `strict=True` of `zip`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SWAPPED: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.Lt: (ast.LtE,),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE,),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
"""What stands for an operator in its mutants."""
RENAMED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "argmax": "argmin",
    "argmin": "argmax",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "zeros": "ones",
    "ones": "zeros",
    "sum": "mean",
    "mean": "sum",
    "floor": "ceil",
    "ceil": "floor",
}
"""Functions and methods that are taken for one another."""
DROPPED = {"detach", "abs", "clamp", "sort", "reversed", "sorted", "cumsum"}
"""Methods and functions whose call is left out: `x.detach()` becomes `x`, `sorted(x)` too."""
COMMUTATIVE = {"min", "max", "minimum", "maximum", "transpose"}
"""Functions whose arguments may stand in any order."""
SILENT = {"_log", "warnings", "logging", "bar", "print", "tqdm"}
"""Names whose call, or a call on which, says something and changes nothing."""


@dataclass(frozen=True)
class Change:
    """One small change of a source text.

    Attributes:
        kind: the operator, in words.
        line: of the changed node, from 1.
        start: first character of what is replaced.
        end: behind the last one.
        text: what replaces it.
    """

    kind: str
    line: int
    start: int
    end: int
    text: str


def changes(source: str) -> list[Change]:
    """Return every change of a module's text, in the order of the text."""
    tree = ast.parse(source)
    found = _Finder(source).of(tree)
    unique = {(c.start, c.end, c.text): c for c in found if source[c.start : c.end] != c.text}
    return sorted(unique.values(), key=lambda c: (c.start, c.end, c.kind, c.text))


def changed(source: str, change: Change) -> str:
    """Return the mutant's text."""
    return source[: change.start] + change.text + source[change.end :]


class _Finder:
    """Walks a tree and writes down the changes of every node.

    Args:
        source: the text that the tree was read from.
    """

    def __init__(self, source: str) -> None:
        lines = source.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        self._source, self._lines, self._starts = source, lines, starts
        self._attributes: dict[str, set[str]] = {}

    def of(self, node: ast.AST) -> Iterator[Change]:
        """Yield the changes of a node and of what is in it."""
        if _is_silent(node):
            return
        if isinstance(node, ast.FunctionDef):
            self._attributes = _read_attributes(node)
        for kind, old, text in self._own(node):
            yield self._change(kind, old, text)
        for child in _children(node):
            yield from self.of(child)

    def _change(self, kind: str, old: ast.AST, text: str) -> Change:
        start = self._offset(old.lineno, old.col_offset)  # type: ignore[attr-defined]
        end = self._offset(old.end_lineno, old.end_col_offset)  # type: ignore[attr-defined]
        return Change(kind, old.lineno, start, end, text)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        """Return the character at which a line's byte column is."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)

    def _own(self, node: ast.AST) -> Iterator[tuple[str, ast.AST, str]]:
        """Yield (operator, what is replaced, by what) of one node."""
        match node:
            case ast.BinOp(left, op, right):
                for other in SWAPPED.get(type(op), ()):
                    yield "operator", node, _text(ast.BinOp(left, other(), right))  # type: ignore[arg-type]
                if isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.BitOr):
                    yield "term dropped", node, _text(left)
            case ast.AugAssign(target, op, value):
                for other in SWAPPED.get(type(op), ()):
                    yield "operator", node, _text(ast.AugAssign(target, other(), value))  # type: ignore[arg-type]
                yield "statement dropped", node, "pass"
            case ast.Compare(left, [op], [right]):
                for other in SWAPPED.get(type(op), ()):
                    yield "comparison", node, _text(ast.Compare(left, [other()], [right]))  # type: ignore[list-item]
            case ast.BoolOp(op, values):
                other = SWAPPED[type(op)][0]
                yield "and, or", node, _text(ast.BoolOp(other(), values))  # type: ignore[arg-type]
                for k in range(len(values)):
                    rest = values[:k] + values[k + 1 :]
                    yield "condition dropped", node, _text(_joined(op, rest))
            case ast.UnaryOp(_, operand):
                yield "sign or not dropped", node, _text(operand)
            case ast.IfExp(_, body, orelse):
                yield "branch", node, _text(body)
                yield "branch", node, _text(orelse)
            case ast.If(test):
                yield "condition", test, "False"
                yield "condition", test, "True"
            case ast.Constant():
                yield from self._constant(node)
            case ast.Call():
                yield from _call(node)
            case ast.Slice(lower, upper, step):
                yield from _slice(node, lower, upper, step)
            case ast.comprehension(_, _, [first, *_]):
                yield "filter dropped", first, "True"
            case ast.Attribute(ast.Name(name), attr):
                for other_attr in sorted(self._attributes.get(name, set()) - {attr}):
                    if _alike(attr, other_attr):
                        yield "attribute", node, f"{name}.{other_attr}"
            case ast.Expr(ast.Call()):
                yield "statement dropped", node, "pass"
            case ast.Assign([ast.Attribute() | ast.Subscript()]):
                yield "statement dropped", node, "pass"

    def _constant(self, node: ast.Constant) -> Iterator[tuple[str, ast.AST, str]]:
        match node.value:
            case bool(value):
                yield "constant", node, str(not value)
            case int(value):
                yield "constant", node, str(value + 1)
                yield "constant", node, f"({value - 1})" if value < 1 else str(value - 1)
            case float(value):
                yield "constant", node, repr(value * 1.1 if value else 1.0)


def _call(node: ast.Call) -> Iterator[tuple[str, ast.AST, str]]:
    """Yield the changes of a call: arguments left out or taken for one another, other functions."""
    func, args, keywords = node.func, node.args, node.keywords
    for k, keyword in enumerate(keywords):
        if keyword.arg not in (None, "strict"):
            rest = keywords[:k] + keywords[k + 1 :]
            yield "keyword dropped", node, _text(ast.Call(func, args, rest))
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    for k in range(0 if name in COMMUTATIVE else len(args) - 1):
        swapped = [*args[:k], args[k + 1], args[k], *args[k + 2 :]]
        yield "arguments swapped", node, _text(ast.Call(func, swapped, keywords))
    if name in RENAMED:
        other: ast.expr = ast.Name(RENAMED[name])
        if isinstance(func, ast.Attribute):
            other = ast.Attribute(func.value, RENAMED[name])
        yield "function", node, _text(ast.Call(other, args, keywords))
    if name in DROPPED:
        for inner in [func.value] if isinstance(func, ast.Attribute) else args[:1]:
            yield "call dropped", node, f"({_text(inner)})"


def _slice(
    node: ast.Slice, lower: ast.expr | None, upper: ast.expr | None, step: ast.expr | None
) -> Iterator[tuple[str, ast.AST, str]]:
    """Yield the slice without one of its ends."""
    if lower is not None:
        yield "slice", node, _text(ast.Slice(None, upper, step))
    if upper is not None:
        yield "slice", node, _text(ast.Slice(lower, None, step))


def _joined(op: ast.boolop, values: Sequence[ast.expr]) -> ast.expr:
    return values[0] if len(values) == 1 else ast.BoolOp(op, list(values))


def _text(node: ast.AST) -> str:
    """Return code in which the node cannot be torn apart by what stands beside it."""
    text = ast.unparse(ast.fix_missing_locations(node))
    whole = ast.AugAssign | ast.Slice | ast.Name | ast.Call | ast.Attribute | ast.Constant
    return text if isinstance(node, whole) else f"({text})"


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is looked into: no annotations, no decorators, no docstrings."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment", "ctx"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _is_silent(node: ast.AST) -> bool:
    """Return whether nothing in a node changes what is computed."""
    match node:
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(ast.Constant()) | ast.keyword("strict"):
            return True
        case ast.If(ast.Name("TYPE_CHECKING")):
            return True
        case ast.Assign([ast.Name("__all__")]):
            return True
        case ast.Call(ast.Attribute(ast.Name(name))) | ast.Expr(
            ast.Call(ast.Attribute(ast.Name(name)))
        ):
            return name in SILENT
        case ast.Call(ast.Name(name)):
            return name in SILENT
    return False


def _read_attributes(function: ast.FunctionDef) -> dict[str, set[str]]:
    """Return the attributes that a function reads of each name, for mix-ups of two of them."""
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    found: dict[str, set[str]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if id(node) not in called and isinstance(node.ctx, ast.Load):
                found.setdefault(node.value.id, set()).add(node.attr)
    return found


def _alike(one: str, other: str) -> bool:
    """Return whether two names share a word, as `clip_low` and `clip_high` do."""
    return bool(set(one.split("_")) & set(other.split("_")))
