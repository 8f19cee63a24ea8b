"""The mutator changes one place, leaves valid code, and touches nothing that does not run."""

import ast
from pathlib import Path

import pytest

import wecom_auth

from .__main__ import ROOMS, of_room
from .mutants import mutants

CODE = '''"""A module."""
if TYPE_CHECKING:
    import never

def f(x: "int" = 3) -> "bool":
    """A docstring."""
    log(f"{x} == {'é'}")
    if x < 4 and not x:
        raise ValueError
    return x in "é" == True
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x < 4", "(x >= 4)"),
        ("x < 4 and not x", "(x < 4 or not x)"),
        ("not x", "(x)"),
        ("raise ValueError", "pass"),
        ("3", "4"),
        ("4", "5"),
        ("True", "False"),
        ("'é'", None),
        ('"int"', None),
        ('"""A docstring."""', None),
        ("import never", None),
    ],
)
def test_what_is_changed_and_what_is_not(before: str, after: str | None) -> None:
    found = {mutant.before: mutant.after for mutant in mutants(CODE)}
    assert found.get(before) == after


def test_a_place_beyond_ascii_is_found() -> None:
    (mutant,) = [m for m in mutants('x = "é"; y = 1\n') if m.before == "1"]
    assert (mutant.text, mutant.line) == ('x = "é"; y = 2\n', 1)


@pytest.mark.parametrize("every", [150, pytest.param(25, marks=pytest.mark.storm)])
@pytest.mark.parametrize("room", ROOMS)
def test_a_mutant_of_a_room_is_other_code_that_compiles(room: str, every: int) -> None:
    for file, mutant in of_room(room)[::every]:
        code = (Path(wecom_auth.__file__).parents[1] / file).read_text("utf-8")
        assert ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(code))
