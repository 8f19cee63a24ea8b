from __future__ import annotations

import http.client
import socket
import sys
from pathlib import Path

import pytest

from wecom_auth.testing._guard import guard

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _whether_or_not_installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(code)
    return pytester.runpytest_inprocess("-p", "wecom_auth.testing.plugin", *options)


def run_apart(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    """In a process of its own, where nothing has been imported yet."""
    pytester.makepyfile(code)
    plugin = ("-p", "wecom_auth.testing.plugin")
    return pytester.runpytest_subprocess(*plugin, *options, timeout=60)


def test_fake_wecom_answers_in_process_and_is_new_for_each_test(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import pytest, requests

        @pytest.mark.parametrize("again", [1, 2])
        def test_one(fake_wecom, again):
            url = "https://qyapi.weixin.qq.com/cgi-bin/gettoken?corpid=c&corpsecret=s"
            assert requests.get(url, timeout=20).json()["expires_in"] == 7200
            assert fake_wecom.gettoken_calls == 1
        """,
    )
    result.assert_outcomes(passed=2)


def test_wecom_server_is_a_url_and_its_fake(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import requests, threading

        before = set(threading.enumerate())

        def test_one(wecom_server):
            assert str(wecom_server) == wecom_server.url
            requests.get(f"{wecom_server.url}/cgi-bin/gettoken?corpid=c&corpsecret=s", timeout=20)
            assert wecom_server.fake.gettoken_calls == 1
            wecom_server.fake.hold(None)

        def test_two(wecom_server, fake_wecom):
            assert wecom_server.fake is not fake_wecom

        def test_nothing_is_left():
            assert set(threading.enumerate()) <= before
        """,
    )
    result.assert_outcomes(passed=3)


def test_wecom_server_is_reached_without_a_proxy(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    result = run(
        pytester,
        """
        import os, requests

        def test_one(wecom_server):
            requests.get(f"{wecom_server.url}/cgi-bin/gettoken?corpid=c&corpsecret=s", timeout=20)
            assert wecom_server.fake.gettoken_calls == 1
            assert os.environ["NO_PROXY"].endswith(",intranet.example")
        """,
    )
    result.assert_outcomes(passed=1)


def test_what_a_test_held_does_not_hold_up_its_end(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import requests, threading

        failed = []

        def ask(url):
            try:
                requests.get(url)
            except requests.ConnectionError as error:
                failed.append(error)

        def test_server(wecom_server):
            hold = wecom_server.fake.hold("x")
            threading.Thread(target=ask, args=(f"{wecom_server.url}/cgi-bin/x",)).start()
            hold.wait_for(1)

        def test_in_process(fake_wecom):
            hold = fake_wecom.hold("x")
            url = "https://qyapi.weixin.qq.com/cgi-bin/x"
            threading.Thread(target=ask, args=(url,)).start()
            hold.wait_for(1)
        """,
    )
    result.assert_outcomes(passed=2)


STRAY = """
    import socket
    import pytest
    import requests

    def stray():
        try:
            requests.get("https://qyapi.weixin.qq.com/cgi-bin/gettoken", timeout=0.001)
        except requests.RequestException:
            pass

    MARK
    def test_stray():
        stray()
"""


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("@pytest.mark.wecom_guard", []),
        ("", ["--wecom-guard"]),
        ("", ["-o", "wecom_guard=true"]),
    ],
)
def test_the_guard_fails_a_test_that_reaches_out_though_it_hides_the_error(
    pytester: pytest.Pytester, mark: str, options: list[str]
):
    result = run(pytester, STRAY.replace("MARK", mark), *options, "--strict-markers")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*tried to reach qyapi.weixin.qq.com (1 time(s))*"])


def test_the_guard_is_gone_afterwards():
    before = socket.getaddrinfo, http.client.HTTPConnection.set_tunnel
    with guard() as attempts:
        assert (socket.getaddrinfo, http.client.HTTPConnection.set_tunnel) != before
    assert (socket.getaddrinfo, http.client.HTTPConnection.set_tunnel) == before
    assert attempts == []


def test_the_guard_is_opt_in(pytester: pytest.Pytester):
    code = STRAY.replace("MARK", "").replace("https://qyapi.weixin.qq.com", "http://127.0.0.1:9")
    result = run(pytester, code)
    result.assert_outcomes(passed=1)


def test_the_guard_leaves_a_failing_test_its_own_reason(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import socket

        def test_one():
            try:
                socket.create_connection((b"QYAPI.weixin.qq.com.", 443))
            except OSError as error:
                assert "use the fixture fake_wecom" in str(error)
            raise ZeroDivisionError
        """,
        "--wecom-guard",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])


def test_the_guard_lets_the_fake_and_other_hosts_pass(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import asyncio, http.client, requests, socket
        import pytest

        def test_in_process(fake_wecom):
            requests.get("https://qyapi.weixin.qq.com/cgi-bin/x", timeout=20)

        def test_http(wecom_server):
            requests.get(f"{wecom_server.url}/cgi-bin/x", timeout=20)
            http.client.HTTPConnection("127.0.0.1").set_tunnel("example.org")
            assert socket.getaddrinfo(None, 80)
        """,
        "--wecom-guard",
    )
    result.assert_outcomes(passed=2)


def test_the_guard_sees_fixtures_asyncio_and_proxies(pytester: pytest.Pytester):
    result = run(
        pytester,
        """
        import asyncio, http.client
        import pytest

        HOST = "qyapi.weixin.qq.com"

        async def resolve():
            await asyncio.get_running_loop().getaddrinfo(HOST, 443)

        @pytest.fixture
        def before():
            with pytest.raises(OSError):
                asyncio.run(resolve())

        @pytest.fixture
        def after():
            yield
            with pytest.raises(OSError):
                http.client.HTTPConnection("127.0.0.1").set_tunnel(HOST)

        def test_setup(before): pass
        def test_teardown(after): pass
        """,
        "--wecom-guard",
    )
    result.assert_outcomes(errors=2, passed=1)


def test_without_responses_the_plugin_loads_and_only_fake_wecom_fails(pytester: pytest.Pytester):
    pytester.makepyfile(responses="raise ImportError('not installed')")
    result = run_apart(
        pytester,
        """
        def test_server(wecom_server):
            assert wecom_server.url

        def test_in_process(fake_wecom): pass
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(['*pip install "wecom-auth[[]testing]"*'])


def test_a_project_that_does_not_use_it_imports_neither_fake_nor_responses(
    pytester: pytest.Pytester,
):
    result = run_apart(
        pytester,
        """
        import sys

        def test_one():
            ours = {name for name in sys.modules if name.startswith("wecom_auth.testing")}
            assert ours == {"wecom_auth.testing", "wecom_auth.testing.plugin"}
            assert "responses" not in sys.modules
        """,
    )
    result.assert_outcomes(passed=1)


@pytest.mark.skipif(sys.platform == "win32", reason="xdist's workers start slowly there")
def test_parallel_workers_do_not_see_each_other(pytester: pytest.Pytester):
    pytest.importorskip("xdist")
    result = run_apart(
        pytester,
        """
        import pytest, requests

        @pytest.mark.parametrize("number", range(6))
        def test_one(wecom_server, fake_wecom, number):
            query = "/cgi-bin/gettoken?corpid=c&corpsecret=s"
            for base in (wecom_server.url, "https://qyapi.weixin.qq.com"):
                requests.get(base + query, timeout=20)
            assert wecom_server.fake.gettoken_calls == fake_wecom.gettoken_calls == 1
        """,
        "-p",
        "xdist",
        "-n",
        "2",
    )
    result.assert_outcomes(passed=6)
