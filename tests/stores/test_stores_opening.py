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
    ],
)
def test_another_text_is_refused_with_the_fix(url: str, fix: str) -> None:
    with pytest.raises(ValueError, match=fix.replace(".", r"\.")):
        open_store(url)


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
