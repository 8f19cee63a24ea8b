"""Settings from the environment, and from the files that it names."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from wecom_auth import AppCredential
from wecom_auth._credential.environment import (
    Environment,
    SettingError,
    read_secret_file,
)


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


ID, SECRET = "ww0123456789abcdef", "s3cret-of-the-app"
WHOLE = {"WECOM_CORPID": ID, "WECOM_CORPSECRET": SECRET}

WRONG: dict[str, tuple[dict[str, str], str]] = {
    "no_corpid": ({}, "WECOM_CORPID is not set: it is the company's ID"),
    "no_secret": ({"WECOM_CORPID": ID}, "WECOM_CORPSECRET is not set: it is the Secret"),
    "disagree": (
        {**WHOLE, "WECOM_CORP_ID": "ww9"},
        "WECOM_CORPID and WECOM_CORP_ID are both set and differ",
    ),
    "disagree, secrets": (
        {**WHOLE, "WECOM_SECRET": "another"},
        "WECOM_CORPSECRET and WECOM_SECRET are both set and differ",
    ),
    "quotes": ({**WHOLE, "WECOM_CORPID": f'"{ID}"'}, "WECOM_CORPID has quotation marks"),
    "quotes, a secret": (
        {**WHOLE, "WECOM_CORPSECRET": f"'{SECRET}'"},
        "WECOM_CORPSECRET has quotation marks around it: remove them (docker",
    ),
    "quotes, a URL": (
        {**WHOLE, "WECOM_BASE_URL": '"https://gateway.example"'},
        "WECOM_BASE_URL has quotation marks",
    ),
    "not_text": ({**WHOLE, "WECOM_CORPID": "ww\udcff"}, "WECOM_CORPID holds bytes that are not"),
    "tilde": (
        {"WECOM_CORPID": ID, "WECOM_SECRET_FILE": "~/secret"},
        "WECOM_SECRET_FILE begins with ~, which only a shell expands",
    ),
    "base_scheme": ({**WHOLE, "WECOM_BASE_URL": "gateway:8443/x"}, "WECOM_BASE_URL=gateway:8443/x"),
    "base_path": (
        {**WHOLE, "WECOM_BASE_URL": "https://h/cgi-bin/gettoken"},
        "WECOM_BASE_URL=https://h/cgi-bin/gettoken: end it before /cgi-bin",
    ),
    "base_http": (
        {**WHOLE, "WECOM_BASE_URL": "http://gateway.example"},
        "WECOM_BASE_URL=http://gateway.example is plain http",
    ),
    "base_bad": (
        {**WHOLE, "WECOM_BASE_URL": "https://user:pass-word@h?key=secret-key"},
        "WECOM_BASE_URL=https://***@h: base_url must be without user",
    ),
    "flag": ({**WHOLE, "WECOM_ALLOW_HTTP": "maybe"}, "WECOM_ALLOW_HTTP is neither 1 nor 0"),
}


@pytest.mark.parametrize(("case", "told"), WRONG.items(), ids=WRONG)
def test_a_setting_that_cannot_serve_has_a_sentence_of_its_own(
    case: str, told: tuple[dict[str, str], str]
):
    environ, sentence = told
    with pytest.raises(SettingError) as caught:
        AppCredential.from_env(environ=environ)
    assert str(caught.value).startswith(sentence)
    assert caught.value.cause == case.partition(",")[0]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    for secret in (SECRET, "pass-word", "secret-key", "another"):
        assert secret not in repr((caught.value, caught.value.facts))


@pytest.mark.parametrize(
    ("cause", "content"),
    [
        ("file_empty", b" \n"),
        ("file_unreadable", b"\xff\xfe\x00"),
        ("file_lines", b"WECOM_CORPSECRET=s3cret\ns3cret\n"),
        ("quotes", b'"s3cret"\n'),
    ],
)
def test_a_file_that_cannot_serve(cause: str, content: bytes, tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(content)
    environ = {"WECOM_CORPID": ID, "WECOM_CORPSECRET_FILE": str(path)}
    with pytest.raises(SettingError, match=r"^WECOM_CORPSECRET_FILE ") as caught:
        AppCredential.from_env(environ=environ)
    assert caught.value.cause == cause
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError, IsADirectoryError])
def test_a_file_that_cannot_be_read(error: type[OSError], monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> str:
        raise error

    monkeypatch.setattr(Path, "read_text", refuse)
    causes = {FileNotFoundError: "file_missing", PermissionError: "file_denied"}
    with pytest.raises(SettingError, match="X_A_FILE names /run/secret") as caught:
        Environment("X_", {"X_A_FILE": "/run/secret"}).read("A")
    assert caught.value.cause == causes.get(error, "file_unreadable")


@pytest.mark.parametrize(
    "more",
    [
        {"WECOM_CORP_ID": ID, "WECOM_SECRET": f" {SECRET} "},
        {"WECOM_CORPSECRET": SECRET[:-1] + "'"},
        {"WECOM_SECRET": " "},
        {"WECOM_CORPSECRET_FILE": "~/the plain value comes first"},
    ],
)
def test_what_only_looks_wrong_is_taken(more: dict[str, str]):
    assert AppCredential.from_env(environ={**WHOLE, **more}).corpid == ID


@pytest.mark.parametrize(
    ("flag", "values"),
    [(False, ["", "0", "No", "OFF", "false"]), (True, ["1", "true", " Yes ", "on"])],
)
def test_a_flag(flag: bool, values: list[str]):
    assert {Environment("X_", {"X_F": value}).flag("F") for value in values} == {flag}


@pytest.mark.parametrize("value", ["2", "ja", "1.0", "none"])
def test_a_flag_that_is_none(value: str):
    with pytest.raises(ValueError, match="X_F is neither 1 nor 0"):
        Environment("X_", {"X_F": value}).flag("F")


@pytest.mark.parametrize("content", [b"s\n", b"\xef\xbb\xbfs\r\n", b"  s  ", b"s"])
def test_what_editors_add_is_dropped(content: bytes, tmp_path: Path):
    (tmp_path / "secret").write_bytes(content)
    assert read_secret_file(tmp_path / "secret") == "s"
