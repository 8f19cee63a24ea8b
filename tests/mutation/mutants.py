"""All mutants of a source text: each the text with one place changed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

FLIPPED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.GtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.LtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
SWAPPED: dict[type[ast.boolop], ast.boolop] = {ast.And: ast.Or(), ast.Or: ast.And()}


@dataclass(frozen=True)
class Mutant:
    """One change: the whole new text, the line, and the place before and after."""

    text: str
    line: int
    before: str
    after: str


def mutants(text: str) -> Iterator[Mutant]:
    """Yield every mutant of this module, in the order of the text."""
    lines = text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    data = text.encode()
    for node, after in _changes(ast.parse(text)):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        changed = (data[:begin] + after.encode() + data[end:]).decode()
        yield Mutant(changed, node.lineno, data[begin:end].decode(), after)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    if isinstance(node, ast.stmt | ast.expr):
        yield from ((node, after) for after in _changed(node))
    for child in _within(node):
        yield from _changes(child)


def _within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts that run: no docstring, annotation, or piece of an f-string."""
    if isinstance(node, ast.JoinedStr) or _is_text(node) or _is_for_checkers(node):
        return
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "type_params"):
            parts = value if isinstance(value, list) else [value]
            yield from (part for part in parts if isinstance(part, ast.AST))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _changed(node: ast.stmt | ast.expr) -> Iterator[str]:
    match node:
        case ast.Compare(left, [operator], rights):
            yield _text(ast.Compare(left, [FLIPPED[type(operator)]], rights))
        case ast.BoolOp(operator, values):
            yield _text(ast.BoolOp(SWAPPED[type(operator)], values))
        case ast.UnaryOp(ast.Not(), operand):
            yield _text(operand)
        case ast.Constant(bool(value)):
            yield str(not value)
        case ast.Constant(int(value) | float(value)):
            yield str(value + 1)
        case ast.Constant(str(value)) if value:
            yield repr(f"{value}~")
        case ast.Return(value) if value and ast.unparse(value) != "None":
            yield "return None"
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete() if not _is_text(node):
            yield "pass"
        case ast.Break() | ast.Continue():
            yield "pass"


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"
