"""The pytest plugin: two fixtures and an opt-in guard.

| name | is |
|---|---|
| `fake_wecom` | a `FakeWeCom` in this process: it answers HTTP clients in the real host's place |
| `wecom_server` | a running `Server`: its `url` (also `str(wecom_server)`) and its `fake` |
| `@pytest.mark.wecom_guard` | the test fails if its code tries to reach the real host |
| `--wecom-guard`, ini `wecom_guard = true` | the same for every test |

Each fixture is usable alone. No token and no remembered failure survives from test to test, and
none reaches the store of the environment: `WECOM_STORE` and the credential in `WECOM_…` are set
aside while a fixture is in use. A test that wants one sets it after asking for the fixture.
Everything is imported when it is first used: to a project that does not use the plugin it costs
next to nothing, and `responses` is needed by `fake_wecom` only.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._fake import FakeWeCom, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """The guard's switches."""
    text = "fail every test whose code tries to reach qyapi.weixin.qq.com"
    parser.getgroup("wecom").addoption("--wecom-guard", action="store_true", help=text)
    parser.addini("wecom_guard", text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """The guard's marker."""
    config.addinivalue_line(
        "markers", "wecom_guard: fail if the test's code tries to reach qyapi.weixin.qq.com"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """The guard around the set-up of fixtures."""
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """The guard around the test itself."""
    return (yield from _guarded(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """The guard around the tear-down."""
    return (yield from _guarded(item))


@pytest.fixture
def _wecom_apart(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment without a credential and a store, put back by pytest's own fixture.

    So what a test sets by `monkeypatch` is undone before, and nothing is lost.
    """
    from ._apart import ALL_NAMES, empty_store

    with empty_store():
        for name in ALL_NAMES:
            monkeypatch.delenv(name, raising=False)
        yield


@pytest.fixture
def fake_wecom(_wecom_apart: None) -> Iterator[FakeWeCom]:
    """A fake platform that answers HTTP clients in this process.

    Example:
        >>> def test_heals(fake_wecom):
        ...     notify("hello")
        ...     fake_wecom.expire()
        ...     notify("again")
        ...     fake_wecom.assert_delivered("text", times=2)
    """
    from ._fake import FakeWeCom

    with FakeWeCom().mocked() as fake:
        yield fake


@pytest.fixture
def wecom_server(_wecom_apart: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A fake platform on a loopback port, reached without a proxy: `.url` and `.fake`.

    Example:
        >>> def test_uploads(wecom_server, monkeypatch):
        ...     monkeypatch.setenv("WECOM_BASE_URL", wecom_server.url)
        ...     upload("report.pdf")
        ...     wecom_server.fake.assert_uploaded("report.pdf", times=1)
    """
    from ._apart import reset
    from ._fake import FakeWeCom

    reset()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1", prepend=",")
    server = FakeWeCom().serve()
    server.start()
    yield server
    server.fake.let_go()
    reset()
    server.stop()


def _guarded(item: pytest.Item) -> Generator[None]:
    if not _wants_guard(item):
        return (yield)
    from ._guard import REAL_HOST, guard

    with guard() as attempts:
        outcome = yield
    if attempts:
        pytest.fail(
            f"the code under test tried to reach {REAL_HOST} ({len(attempts)} time(s)); "
            "use the fixture fake_wecom, or wecom_server and its URL",
            pytrace=False,
        )
    return outcome


def _wants_guard(item: pytest.Item) -> bool:
    config = item.config
    everywhere = config.getoption("--wecom-guard") or config.getini("wecom_guard")
    return bool(everywhere or item.get_closest_marker("wecom_guard"))
