"""URLs, errors and bodies of httpx by themselves, and libraries that are not there."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import httpx
import pytest
from httpx_ways import LIBRARIES

from wecom_auth._clients import dressed
from wecom_auth._clients.httpx import library as libraries
from wecom_auth._clients.httpx.wire import hidden, shown_token
from wecom_auth.errors import TokenUnavailable

every_library = pytest.mark.parametrize("library", LIBRARIES)


@every_library
def test_a_url_with_a_hidden_token_is_pickled_without_it(library: Any) -> None:
    kit = libraries.kit_of(library.URL("https://a.example/"))
    url = hidden(kit.wire_url, library.URL("https://a.example/p"), b"/p?access_token=T")
    assert url.raw_path.endswith(b"=T")
    again = pickle.loads(pickle.dumps(url))
    assert type(again) is library.URL
    assert str(again) == "https://a.example/p"


def test_a_url_whose_parts_are_kept_elsewhere_is_parsed() -> None:
    class Text(str):
        __slots__ = ()

    assert shown_token(Text("https://a.example/p?a=b"), "access_token", "T") == (
        "https://a.example/p?a=b&access_token=T"
    )


def test_an_error_is_unpickled_where_the_library_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    error = dressed.dress(TokenUnavailable("no token"), httpx.RequestError, _request=None)
    text = pickle.dumps(error)

    def fails(*_: Any) -> Any:
        raise ImportError("httpx")

    monkeypatch.setattr(dressed, "_pair", fails)
    again = pickle.loads(text)
    assert type(again) is TokenUnavailable
    assert (str(again), isinstance(error, httpx.RequestError)) == ("no token", True)


def test_what_is_of_neither_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="neither httpx nor httpx2"):
        libraries.kit_of(object())
    monkeypatch.setattr(libraries, "NAMES", ("no_such_library",))
    with pytest.raises(ImportError, match="pip install"):
        libraries.installed()


@every_library
def test_a_class_of_ones_own_is_of_the_library_of_its_base(library: Any) -> None:
    class Mine(library.Client):  # type: ignore[misc]
        pass

    assert libraries._kit_of(Mine).library is library


# --- looking ---


class Stopped:
    """A body during which the call is stopped."""

    closed = False

    def __init__(self, how: BaseException) -> None:
        self.how = how

    def __iter__(self) -> Any:
        yield b"{"
        raise self.how

    async def __aiter__(self) -> Any:
        yield b"{"
        raise self.how

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def test_a_call_that_is_stopped_while_its_answer_comes_leaves_no_connection() -> None:
    peeked = libraries.kit_of(httpx.URL("")).peeked
    stopped = Stopped(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        peeked(stopped).peek()
    cancelled = Stopped(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(peeked(cancelled).apeek())
    assert (stopped.closed, cancelled.closed) == (True, True)
