"""The hooks and the watch, where an import or an installation ends early."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import httpx
import pytest

from wecom_auth._dropin import hooks
from wecom_auth._dropin.watch import Watch


def test_a_library_whose_import_ends_after_the_installation_is_left_alone() -> None:
    original = httpx.HTTPTransport.handle_request
    hooks._set(httpx)
    assert httpx.HTTPTransport.handle_request is original


@pytest.mark.parametrize("found", [True, False])
def test_a_watch_that_was_stopped_or_never_started_stops(found: bool) -> None:
    watch = Watch(["some_module"], lambda module: None)
    if found:
        watch.start()
    watch.stop()
    watch.stop()
    assert watch not in sys.meta_path


def test_what_else_a_loader_can_do_it_still_can(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "some_module.py").write_text("text = __loader__.get_source(__name__)\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[types.ModuleType] = []
    watch = Watch(["some_module", "no_such_module"], seen.append)
    watch.start()
    try:
        found = watch.find_spec("some_module")
        assert found is not None
        assert found.loader.get_source("some_module").startswith("text")  # type: ignore[union-attr]
        import some_module  # type: ignore[import-not-found]

        with pytest.raises(ModuleNotFoundError):
            import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    finally:
        watch.stop()
        sys.modules.pop("some_module", None)
    assert seen == [some_module]
