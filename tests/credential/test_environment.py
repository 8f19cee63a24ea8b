"""Settings from the environment, and from the files that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from wecom_auth._credential.environment import Environment, read_secret_file


def test_the_first_that_is_set_and_not_blank():
    found = Environment("X_", {"X_A": " ", "X_B": " b ", "X_C": "c", "B": "no"})
    assert found.read("A", "B", "C") == ("b", "X_B", None)
    assert found.read("D") is None


def test_a_value_comes_before_its_file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("from the file")
    found = Environment("X_", {"X_A": "plain", "X_A_FILE": str(path), "X_B_FILE": f" {path} "})
    assert found.read("A") == ("plain", "X_A", None)
    assert found.read("B") == ("from the file", "X_B", path)


def test_what_is_missing_is_named_with_every_spelling():
    with pytest.raises(
        ValueError, match=r"^X_A is not set or empty \(also read: X_B, X_C, X_A_FILE\)$"
    ):
        Environment("X_", {}).require("A", "B", "C")


@pytest.mark.parametrize(
    ("flag", "values"),
    [(False, ["", "0", "No", "OFF", "false"]), (True, ["1", "true", " Yes ", "on"])],
)
def test_a_flag(flag: bool, values: list[str]):
    assert {Environment("X_", {"X_F": value}).flag("F") for value in values} == {flag}


@pytest.mark.parametrize("value", ["2", "ja", "1.0", "none"])
def test_a_flag_that_is_none(value: str):
    with pytest.raises(ValueError, match="X_F must be 1 or 0"):
        Environment("X_", {"X_F": value}).flag("F")


@pytest.mark.parametrize("content", [b"s\n", b"\xef\xbb\xbfs\r\n", b"  s  ", b"s"])
def test_what_editors_add_is_dropped(content: bytes, tmp_path: Path):
    (tmp_path / "secret").write_bytes(content)
    assert read_secret_file(tmp_path / "secret") == "s"
