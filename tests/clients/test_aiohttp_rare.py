"""What happens rarely with aiohttp: errors that show a URL, bodies that were sent half-way."""

from __future__ import annotations

import asyncio
import errno
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event
from typing import Any

import aiohttp
import pytest
from aiohttp import BasicAuth, ClientSession, ClientTimeout
from loopback import GET, with_token
from ways import CORP, SECRET, Taken, head, platform, raw_server

from wecom_auth import AppCredential, attach
from wecom_auth._clients.aiohttp import call as calls
from wecom_auth.errors import TokenUnavailable
from wecom_auth.testing import Request

PATIENT = ClientTimeout(total=20)
REJECTED = b'{"errcode": 40014, "errmsg": "invalid access_token"}'


def session(app: Any, **options: Any) -> ClientSession:
    return attach(ClientSession(timeout=PATIENT, **options), app)


def test_an_error_in_a_body_shows_no_token() -> None:
    """From Python 3.12 on it shows the URL of the moment."""

    async def breaks(request: Any, handler: Any) -> Any:
        token = request.send._token.value
        raise aiohttp.ClientOSError(errno.EPIPE, f"Can not write request body for ?t={token}")

    async def main(url: str) -> None:
        async with session(with_token(url)) as client:
            client._middlewares = (*client._middlewares, breaks)
            with pytest.raises(aiohttp.ClientOSError, match="Can not write") as caught:
                await client.get(f"{url}/{GET}")
            assert "T0KEN" not in f"{caught.value!r} {caught.value.strerror}"
            assert caught.value.errno == errno.EPIPE

    asyncio.run(main("http://127.0.0.1:9"))


async def pieces() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65_536


def long_file(path: Path) -> Any:
    file = (path / "long").open("w+b")
    file.truncate(2**30)
    return file


@pytest.mark.parametrize("body", [lambda _: pieces(), long_file], ids=["generator", "file"])
def test_a_body_that_was_rejected_half_way_is_not_sent_again(body: Any, tmp_path: Path) -> None:
    """The platform answers before it has read it."""
    hold = Event()

    async def main() -> None:
        with raw_server(head(len(REJECTED)) + REJECTED, hold=hold) as url:
            client = session(with_token(url))
            data = body(tmp_path)
            async with client, client.post(f"{url}/cgi-bin/take", data=data) as answer:
                assert (await answer.json())["errcode"] == 40014

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("named", [True, False])
def test_the_sessions_own_auth_goes_along_with_the_exchange(named: bool) -> None:
    auth = BasicAuth("user", "password") if named else None
    seen: list[str | None] = []

    def gettoken(request: Request) -> dict[str, Any]:
        seen.append(request.headers.get("Authorization"))
        return {"errcode": 0, "access_token": "T", "expires_in": 7200}

    async def main(app: AppCredential) -> None:
        async with session(app, auth=auth) as client:
            await client.get(f"{app.base_url}/{GET}")

    with platform() as (fake, app):
        fake.route("gettoken", gettoken, check_token=False)
        asyncio.run(main(app))
    assert set(seen) == {None if auth is None else auth.encode()}


def test_somebody_elses_patch_of_a_session_is_called_as_ever() -> None:
    async def main(app: AppCredential) -> int:
        async with ClientSession(timeout=PATIENT) as client:
            calls, plain = [], client._request

            async def patched(*args: Any, **options: Any) -> Any:
                calls.append(args)
                return await plain(*args, **options)

            vars(client)["_request"] = patched
            attach(client, app)
            async with client.get(f"{app.base_url}/{GET}") as answer:
                assert (await answer.json())["errcode"] == 0
            return len(calls)

    with platform() as (_, app):
        assert asyncio.run(main(app)) == 1


def test_a_url_with_escapes_and_no_token_stays_as_it_is() -> None:
    async def main(app: AppCredential) -> Any:
        async with (
            session(app) as client,
            client.get(f"{app.base_url}/{GET}?n=%E5%BC%A0") as answer,
        ):
            assert (await answer.json())["errcode"] == 0
            return answer.url

    with platform() as (fake, app):
        assert asyncio.run(main(app)).raw_query_string == "n=%E5%BC%A0"
        assert "%E5%BC%A0" in fake.journal[-1].query


def test_a_session_that_is_closed_meanwhile_is_an_error_at_once() -> None:
    async def closes(request: Any, handler: Any) -> Any:
        await request.session.close()
        return await handler(request)

    async def main(app: AppCredential) -> None:
        async with session(app, middlewares=(closes,)) as client:
            with pytest.raises(TokenUnavailable, match="Session is closed"):
                await client.get(f"{app.base_url}/{GET}")

    with platform() as (fake, app):
        asyncio.run(main(app))
    assert fake.gettoken_calls == 0


def test_the_library_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib
    import sys

    from wecom_auth._clients import aiohttp as driver

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "aiohttp", None)
        with pytest.raises(ImportError, match=r"pip install 'wecom-auth\[aiohttp\]'"):
            importlib.reload(driver)
    with monkeypatch.context() as patch:
        patch.delattr(aiohttp, "ClientMiddlewareType")
        with pytest.raises(ImportError, match=r"3\.12 or later"):
            importlib.reload(driver)
    importlib.reload(driver)


def test_a_file_that_is_closed_meanwhile_is_not_sent_again() -> None:
    """While the token is replaced, by whoever opened it."""
    file = io.BytesIO(b"text" * 99)

    def gettoken(request: Request) -> dict[str, Any]:
        file.close()
        return {"errcode": 0, "access_token": fake.issue(CORP, SECRET), "expires_in": 7200}

    async def main() -> int:
        async with session(app) as client:
            (await client.get(f"{app.base_url}/{GET}")).close()
            fake.revoke()
            fake.route("gettoken", gettoken, check_token=False)
            async with client.post(f"{app.base_url}/cgi-bin/take", data=file) as answer:
                code: int = (await answer.json())["errcode"]
                return code

    with platform() as (fake, app):
        taken = Taken(fake)
        assert asyncio.run(main()) == 40014
    assert not taken.bodies


def test_a_file_that_is_closed_cannot_be_sent_again() -> None:
    with io.BytesIO(b"text") as file:
        body = aiohttp.payload.BytesIOPayload(file)
        assert calls.is_whole(body)
    assert not calls.is_whole(body)


@pytest.mark.parametrize(("size", "code"), [(-1, 0), (3, 40014)])
def test_an_answer_that_a_middleware_has_read_is_healed_if_it_has_all_of_it(
    size: int, code: int
) -> None:
    async def reads(request: Any, handler: Any) -> Any:
        response = await handler(request)
        await (response.read() if size < 0 else response.content.read(size))
        return response

    async def main(app: AppCredential) -> None:
        async with session(app) as client:
            (await client.get(f"{app.base_url}/{GET}")).close()
            fake.revoke()
            client._middlewares = (*client._middlewares, reads)
            async with client.get(f"{app.base_url}/{GET}") as answer:
                text = (await answer.read()).decode()
                assert json.loads('{"e' * (size > 0) + text)["errcode"] == code

    with platform() as (fake, app):
        asyncio.run(main(app))
