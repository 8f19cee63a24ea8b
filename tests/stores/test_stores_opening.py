import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import wecom_auth.stores
from wecom_auth.stores import (
    FileStore,
    RedisStore,
    TokenStore,
    open_store,
    store_of_environment,
)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_nothing_is_no_store(nothing: str | None) -> None:
    assert open_store(nothing) is None


def test_a_store_is_itself(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert open_store(store) is store
    assert isinstance(store, TokenStore)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///var/cache/wecom", "/var/cache/wecom"),
        ("FILE:///var/cache/wecom", "/var/cache/wecom"),
        ("file:/var/cache/wecom", "/var/cache/wecom"),
        ("file://localhost/var/%E5%BE%AE%20x", "/var/微 x"),
        (" file:///x ", "/x"),
    ],
)
def test_a_directory(url: str, path: str) -> None:
    assert open_store(url) == FileStore(path)


def test_the_usual_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for url in ("file:", "file://"):
        store = open_store(url)
        assert isinstance(store, FileStore)
        assert store == FileStore()


@pytest.mark.parametrize(
    "url", ["redis://cache:6379/0", "rediss://u:p@cache", "unix:///run/redis.sock?db=1"]
)
def test_redis(url: str) -> None:
    assert open_store(url) == RedisStore(url)


def test_on_windows_a_drive_has_no_slash_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wecom_auth.stores.file.FileStore", lambda path: f"a store over {path}")
    monkeypatch.setattr("wecom_auth.stores.opening.WINDOWS", True)
    assert open_store("file:///C:/cache/wecom") == "a store over C:/cache/wecom"


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("/var/cache/wecom", "file:///var/cache/wecom"),
        ("./cache", f"file://{os.getcwd()}/cache"),
        ("file:cache", "file:///var/cache/cache"),
        ("file://cache/wecom", "three slashes"),
        ("memcached://cache", "redis://"),
        ("cache", "file:///directory"),
        ('"file:"', "quotation marks"),
        ("'redis://:s3cret@cache'", "quotation marks"),
        ("~/tokens", f"file://{Path.home()}/tokens"),
        ("file:~/tokens", f"~ means nothing in a URL.*file://{Path.home()}/tokens"),
        ("file://~/tokens", f"~ means nothing in a URL.*file://{Path.home()}/tokens"),
        ("file:///~/tokens", f"~ means nothing in a URL.*file://{Path.home()}/tokens"),
        ("redis+sentinel://:s3cret@cache:26379/wecom", "master_for"),
        ("rediss+cluster://:s3cret@cache", "RedisCluster"),
        ("valkeys://:s3cret@cache", "write redis://"),
    ],
)
def test_another_text_is_refused_with_the_fix(url: str, fix: str) -> None:
    with pytest.raises(ValueError, match=fix) as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis//user:s3cret@cache",
        "memcached://user:s3cret@cache",
        "redis://:p@ss/s3cret@cache:6379/0",
        "redis://:p?s3cret@cache:6379/0",
        "redis://:s3cret@cache:port/0",
        "redis://:s3cret@[cache/0",
        "redis://:s3cret℀@cache/0",
        "redis://:s3cret@cache/0?socket_timeout=soon",
    ],
)
def test_no_password_in_errors(url: str) -> None:
    with pytest.raises(ValueError, match="redis://") as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["redis://cache/7", "file:///var/cache/once", "file:"])
def test_a_url_gives_one_store(url: str) -> None:
    assert open_store(url) is open_store(f" {url} ")
    assert store_of_environment({"WECOM_STORE": url}) is open_store(url)


def test_the_usual_directory_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = open_store("file:")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert open_store("file:") != before


# --- the environment ---


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_the_environment_names_a_store(secret: Path) -> None:
    secret.write_text("\ufeffredis://:s3cret@cache/0\r\n", "utf-8")
    by_file = store_of_environment({"WECOM_STORE_FILE": str(secret), "WECOM_STORE": " "})
    assert by_file == store_of_environment({"WECOM_STORE": "redis://:s3cret@cache/0"})
    assert "s3cret" not in repr(by_file)
    assert store_of_environment({"WECOM_STORE": "", "WECOM_STORE_FILE": ""}) is None
    assert store_of_environment({}) is None


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (None, "WECOM_STORE_FILE: cannot read .*: No such file"),
        (b"", "WECOM_STORE_FILE: .* is empty"),
        (b" \n", "WECOM_STORE_FILE: .* is empty"),
        (b"\xff", "WECOM_STORE_FILE: cannot read .*: UnicodeDecodeError"),
        (b"redis://:s3cret@cache\nredis://other\n", "WECOM_STORE_FILE: .* has 2 lines"),
        (b"WECOM_STORE=redis://:s3cret@cache", "WECOM_STORE_FILE: not the URL of a store"),
        (b'"redis://:s3cret@cache"', "WECOM_STORE_FILE: .*quotation marks"),
    ],
)
def test_a_file_that_does_not_name_a_store(secret: Path, content: bytes | None, fix: str) -> None:
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ValueError, match=fix) as caught:
        store_of_environment({"WECOM_STORE_FILE": str(secret)})
    assert "s3cret" not in str(caught.value)


def test_two_variables_for_one_store(secret: Path) -> None:
    with pytest.raises(ValueError, match="both set: unset one"):
        store_of_environment({"WECOM_STORE_FILE": str(secret), "WECOM_STORE": "file:"})


@pytest.mark.parametrize("name", ["WECOM_STORE", "WECOM_STORE_FILE"])
def test_a_missing_library_is_told_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, secret: Path, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    secret.write_text("file:///x")
    value = {"WECOM_STORE": "file:///x", "WECOM_STORE_FILE": str(secret)}[name]
    with pytest.raises(ModuleNotFoundError, match=f"{name}: .*the module filelock is missing"):
        store_of_environment({name: value})


class NoLock:
    def load(self, key: str) -> None: ...


class Unhashable(FileStore):
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("spec", "fix"),
    [
        (NoLock(), "NoLock is no store, it lacks compare_and_set, lock"),
        (42, "int is no store, it lacks load"),
        (FileStore, r"not its class: FileStore\("),
        (Path("/x"), r"FileStore\(path\)"),
    ],
)
def test_an_object_that_is_no_store(spec: Any, fix: str) -> None:
    with pytest.raises(TypeError, match=fix):
        open_store(spec)


def test_a_store_that_cannot_be_hashed(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="__hash__"):
        open_store(Unhashable(tmp_path))


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="MemcachedStore"):
        wecom_auth.stores.MemcachedStore  # noqa: B018


def test_importing_costs_none_of_the_libraries() -> None:
    code = (
        "import sys, wecom_auth.stores, wecom_auth.testing._conformance\n"
        "heavy = {'redis', 'filelock', 'platformdirs', 'pytest'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
