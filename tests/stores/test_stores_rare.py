"""A directory below a file, and a redis-py that names itself in another way."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.connection import AbstractConnection

from wecom_auth.stores import FileStore, StoreError, redisclient


def test_a_directory_below_a_file_is_refused_with_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"Not a directory: .* name another"):
        FileStore(tmp_path / "file" / "store").load("key")


def test_a_connection_names_itself_to_no_version_of_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def before(self: object, lib_name: str = "", lib_version: str = "") -> None: ...
    def after(self: object, driver_info: object = None) -> None: ...

    monkeypatch.setattr(AbstractConnection, "__init__", before)
    assert redisclient._nameless() == {"lib_name": None, "lib_version": None}
    monkeypatch.setattr(AbstractConnection, "__init__", after)
    assert redisclient._nameless() == {"driver_info": None}
