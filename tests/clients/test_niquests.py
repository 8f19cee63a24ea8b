"""niquests, whose classes are not those of requests; in an environment of its own.

It brings urllib3-future, which takes urllib3's place, so the suite's own environment lacks it:
`pip install niquests` into another one, and run this file there.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from wecom_auth import APIError, AppCredential, WeComAuth, attach, install, raise_for_errcode
from wecom_auth.testing import FakeWeCom

niquests = pytest.importorskip(
    "niquests", reason="niquests replaces urllib3: it has an environment of its own"
)

# A socket that niquests leaves to the garbage collector is warned of in whichever test comes next.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def platform() -> Iterator[tuple[FakeWeCom, AppCredential]]:
    fake = FakeWeCom(mode="rotate")
    with fake.serve() as url:
        yield fake, AppCredential("ww0001", "app-secret", base_url=url)


def session_of(way: str, app: AppCredential) -> Any:
    session = niquests.Session()
    if way == "attach":
        return attach(session, app)
    session.auth = WeComAuth(app)
    return session


@pytest.mark.parametrize("way", ["attach", "auth"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_rejected_call_is_made_again(way: str, stream: bool, platform: Any) -> None:
    fake, app = platform
    session, url = session_of(way, app), f"{app.base_url}/cgi-bin/user/get?userid=a"
    for _ in range(3):
        response = session.get(url, stream=stream)
        assert response.json()["errcode"] == 0
        assert response.url == response.request.url == url
        fake.revoke()
    assert fake.gettoken_calls == 3


@pytest.mark.parametrize("way", ["attach", "auth"])
def test_an_upload_arrives_whole(way: str, platform: Any) -> None:
    fake, app = platform
    session, url = session_of(way, app), f"{app.base_url}/cgi-bin/media/upload?type=file"
    assert session.get(f"{app.base_url}/cgi-bin/get_api_domain_ip").json()["errcode"] == 0
    fake.revoke()
    file = io.BytesIO(b"the whole file")
    assert session.post(url, files={"media": ("a.txt", file)}).json()["errcode"] == 0
    assert [upload.content for upload in fake.uploads] == [b"the whole file"]


def test_a_broken_connection_shows_no_token(platform: Any) -> None:
    fake, app = platform
    session, url = session_of("attach", app), f"{app.base_url}/cgi-bin/user/get?userid=a"
    session.get(url)
    with (
        fake.fail("drop", path="user/get"),
        pytest.raises(niquests.exceptions.ConnectionError) as caught,
    ):
        session.get(url)
    error = caught.value
    assert error.request.url == url
    assert "access_token" not in repr((error, error.args, error.__context__, error.__cause__))


def test_an_exchange_sends_what_the_session_sends(platform: Any) -> None:
    fake, app = platform
    session = session_of("attach", app)
    session.headers["X-Api-Key"] = "k1"
    session.get(f"{app.base_url}/cgi-bin/user/get?userid=a")
    assert [call.headers["X-Api-Key"] for call in fake.journal] == ["k1", "k1"]


def test_an_async_session_is_refused_with_a_word(platform: Any) -> None:
    with pytest.raises(TypeError, match="cannot attach to AsyncSession"):
        attach(niquests.AsyncSession(), platform[1])


@pytest.mark.parametrize("hook", [False, True])
def test_an_errcode_is_raised(hook: bool, platform: Any) -> None:
    session = niquests.Session()
    url = f"{platform[1].base_url}/cgi-bin/user/get?access_token=m-12345"
    if hook:
        session.hooks["response"].append(raise_for_errcode)
    with session, pytest.raises(APIError) as caught:
        raise_for_errcode(session.get(url))
    assert caught.value.errcode == 40014
    assert "m-12345" not in f"{caught.value} {caught.value.request.url}"


def test_a_stream_that_nobody_has_read_passes(platform: Any) -> None:
    url = f"{platform[1].base_url}/cgi-bin/user/get?access_token=mine-1234"
    with niquests.Session() as session:
        response = session.get(url, stream=True)
        assert raise_for_errcode(response) is response
        assert response._content is False, "nobody has read it"
        assert response.json()["errcode"] == 40014


def test_unchanged_code_is_cached_and_healed(platform: Any) -> None:
    fake, app = platform
    query = {"corpid": app.corpid, "corpsecret": "app-secret"}

    def gettoken(library: Any) -> str:
        answer = library.get(f"{app.base_url}/cgi-bin/gettoken", params=query)
        assert isinstance(answer, library.Response)
        token: str = answer.json()["access_token"]
        return token

    with install():
        token = gettoken(niquests)
        assert gettoken(niquests) == gettoken(requests) == token
        for stream in (False, True):
            fake.revoke()
            url = f"{app.base_url}/cgi-bin/user/get?userid=a&access_token={token}"
            answer = niquests.get(url, stream=stream)
            assert answer.json()["errcode"] == 0
            assert answer.url == url
        fake.revoke()
        url = f"{app.base_url}/cgi-bin/media/upload?type=file&access_token={token}"
        files = {"media": ("a.txt", io.BytesIO(b"the whole file"))}
        assert niquests.post(url, files=files).json()["errcode"] == 0
    assert [upload.content for upload in fake.uploads] == [b"the whole file"]
    assert fake.gettoken_calls == 4
    assert niquests.get(url.replace("media/upload", "user/get")).json()["errcode"] == 40014


def test_a_session_of_coroutines_goes_on_as_without_us(platform: Any) -> None:
    fake, app = platform

    async def program() -> list[int]:
        async with niquests.AsyncSession() as session:
            query = {"corpid": app.corpid, "corpsecret": "app-secret"}
            answer = await session.get(f"{app.base_url}/cgi-bin/gettoken", params=query)
            call = f"{app.base_url}/cgi-bin/user/get?userid=a&access_token="
            call += answer.json()["access_token"]
            before = (await session.get(call)).json()["errcode"]
            fake.revoke()
            return [before, (await session.get(call)).json()["errcode"]]

    with install():
        assert asyncio.run(program()) == [0, 40014]


def test_a_session_class_of_ones_own(platform: Any) -> None:
    app = platform[1]

    class Session(niquests.Session):  # type: ignore[misc]
        pass

    session, url = attach(Session(), app), f"{app.base_url}/cgi-bin/user/get?userid=a"
    assert session.get(url).json()["errcode"] == 0
