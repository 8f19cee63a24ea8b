"""Read code that people will copy, and find the calls in it that they would regret.

A call is checked where `raise_for_errcode`, or a look at `errcode`, meets its answer before the
answer's name is bound again. A function that returns an answer hands the duty to its callers.
"""

import ast
import re
from collections.abc import Iterable, Iterator

METHODS = {"get", "post", "put", "delete", "request", "open", "urlopen", "stream"}
CLIENTS = re.compile(r"(requests|niquests|httpx2?|aiohttp|urllib|.*session|.*client|.*opener)$")
URLS = re.compile(r"(.*_)?(url|URL|API)$")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def complaints(text: str, flags: int = 0) -> list[str]:
    """Return one line for each fault of this Python text."""
    tree = compile(text, "copied", "exec", flags | ast.PyCF_ONLY_AST)
    assert isinstance(tree, ast.Module)
    return [*_unchecked(tree), *_without_timeout(tree), *_without_agentid(tree)]


def changed(diff: str) -> str:
    """Return the code after a change."""
    return "".join(line[1:] for line in diff.splitlines(True) if not line.startswith("-"))


def calls_in(node: ast.AST) -> list[ast.Call]:
    """Return the HTTP calls anywhere in this code."""
    return [each for each in ast.walk(node) if isinstance(each, ast.Call) and _is_http(each)]


def _is_http(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in METHODS:
        return False
    first = call.args[0] if call.args else None
    return bool(CLIENTS.match(_last_name(function.value))) or _is_url(first)


def _is_url(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return "://" in ast.unparse(node) or "cgi-bin" in ast.unparse(node)
    return node is not None and bool(URLS.match(_last_name(node)))


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.id if isinstance(node, ast.Name) else ""


# --- answers that nobody looks at ---


def _unchecked(tree: ast.Module) -> Iterator[str]:
    hooked = re.findall(r"(\w+)\.hooks\['response'\]\.append\(raise_for", ast.unparse(tree))
    passed_on: set[str] = set()
    while True:
        found, returning = [], set[str]()
        for scope in [tree, *(each for each in ast.walk(tree) if isinstance(each, Function))]:
            for call in _sources(scope, passed_on):
                if isinstance(call.func, ast.Attribute) and _last_name(call.func.value) in hooked:
                    continue
                fate = _fate(scope, call)
                if fate == "returned" and isinstance(scope, Function):
                    returning.add(scope.name)
                elif fate != "checked":
                    found.append(f"line {call.lineno}: nobody looks at {ast.unparse(call)[:60]}")
        if returning <= passed_on:
            break
        passed_on |= returning
    called = {_last_name(each) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    yield from found
    yield from (f"{name}() returns an unchecked answer" for name in passed_on - called)


def _sources(scope: ast.AST, passed_on: set[str]) -> list[ast.Call]:
    calls = [each for each in _own(scope) if isinstance(each, ast.Call)]
    return [each for each in calls if _is_http(each) or _last_name(each.func) in passed_on]


def _fate(scope: ast.AST, call: ast.Call) -> str:
    names = _bound_from(scope, call)
    end = _next_binding(scope, call, names)
    for node in _own(scope):
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
        between = call.lineno <= last and first <= end
        if between and _is_check(node) and _mentions(node, call, names):
            return "checked"
    returns = [node for node in _own(scope) if isinstance(node, ast.Return)]
    return "returned" if any(_mentions(each, call, names) for each in returns) else "lost"


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        text = [ast.unparse(each) for each in node.args[:1]]
        looks = _last_name(node.func) == "get" and text == ["'errcode'"]
        return looks or _last_name(node.func) == "raise_for_errcode"
    return isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "'errcode'"


def _bound_from(scope: ast.AST, call: ast.Call) -> set[str]:
    """Return the names that hold the answer, or something made of it."""
    names: set[str] = set()
    for _ in range(3):
        for value, target in _bindings(scope):
            if _mentions(value, call, names):
                names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def _next_binding(scope: ast.AST, call: ast.Call, names: set[str]) -> int:
    """Return the line where another call's answer takes one of the names."""
    others = [
        value.lineno
        for value, target in _bindings(scope)
        if value.lineno > (call.end_lineno or 0)
        and {each.id for each in ast.walk(target) if isinstance(each, ast.Name)} & names
        and any(each is not call for each in calls_in(value))
    ]
    return min(others, default=1_000_000) - 1


def _bindings(scope: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            yield from ((node.value, target) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            yield node.value, node.target
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.context_expr, node.optional_vars
        elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield node.iter, node.target


def _mentions(node: ast.AST, call: ast.Call, names: Iterable[str]) -> bool:
    inside = list(ast.walk(node))
    return any(each is call for each in inside) or any(
        isinstance(each, ast.Name) and each.id in names for each in inside
    )


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of the functions in it."""
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, Function):
            pending += ast.iter_child_nodes(node)


# --- calls without a limit, messages without a sender ---


def _without_timeout(tree: ast.Module) -> Iterator[str]:
    for call in calls_in(tree):
        if not any(each.arg == "timeout" for each in call.keywords):
            yield f"line {call.lineno}: no timeout in {ast.unparse(call)[:60]}"


def _without_agentid(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = {ast.unparse(key).strip("'") for key in node.keys if key is not None}
            if "msgtype" in keys and not keys & {"agentid", "chatid"}:
                yield f"line {node.lineno}: a message without agentid"
