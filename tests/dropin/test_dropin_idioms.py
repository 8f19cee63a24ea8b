"""Every way in which people write a WeCom call, before and after the platform drops the token."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from legacy import BODIES, CALLS, CONTENT, FETCHES, ONE_WAY_BODIES, Legacy, message

from wecom_auth import install
from wecom_auth.testing import FakeWeCom


def delivered(fake: FakeWeCom) -> int:
    """How many messages and files have arrived, none of them cut short."""
    for upload in fake.uploads:
        assert upload.content == CONTENT
    for sent in fake.messages:
        assert sent["text"]["content"].startswith("part")
    return len(fake.messages) + len(fake.uploads)


def call(client: Legacy, how: str, body: str, text: str, directory: Path) -> requests.Response:
    path, given = BODIES[body](text, directory)
    if path == "media/upload":
        path, given["params"] = "media/upload", {"type": "file"}
        if how.startswith("params"):
            path, given = "media/upload?type=file", {"files": given["files"]}
    return CALLS[how](client, path, **given)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("how", CALLS)
def test_a_revocation_goes_unnoticed(
    how: str, body: str, fake: FakeWeCom, client: Legacy, tmp_path: Path
) -> None:
    with install():
        client.fetch()
        before = call(client, how, body, "part 1", tmp_path)
        fake.revoke()
        healed = call(client, how, body, "part 2", tmp_path)
        translated = call(client, how, body, "part 3", tmp_path)
    for answer in (before, healed, translated):
        assert answer.json()["errcode"] == 0
        assert f"access_token={client.token}" in answer.url
        assert answer.request.url == answer.url
    assert delivered(fake) == 3
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)


@pytest.mark.parametrize("body", BODIES)
def test_control_without_it_every_call_is_lost(
    body: str, fake: FakeWeCom, client: Legacy, tmp_path: Path
) -> None:
    client.fetch()
    fake.revoke()
    for _ in range(2):
        assert call(client, "f-string", body, "part", tmp_path).json()["errcode"] == 40014
    assert delivered(fake) == 0


@pytest.mark.parametrize("body", ONE_WAY_BODIES)
def test_what_cannot_be_sent_again_is_not(
    body: str, fake: FakeWeCom, client: Legacy, tmp_path: Path
) -> None:
    def send() -> int:
        path, given = ONE_WAY_BODIES[body]("part", tmp_path)
        if path == "media/upload":
            given["params"] = {"type": "file"}
        code: int = CALLS["f-string"](client, path, **given).json()["errcode"]
        return code

    with install():
        client.fetch()
        assert send() == 0
        fake.revoke()
        assert send() == 40014  # the platform's own answer; its sender decides
        assert send() == 0
        assert send() == 0
    assert delivered(fake) == 3
    assert (fake.gettoken_calls, fake.rejections) == (2, 1)


@pytest.mark.parametrize("how", FETCHES)
def test_gettoken_is_learned_however_it_is_called(
    how: str, fake: FakeWeCom, client: Legacy
) -> None:
    with install() as installed:
        answers = [FETCHES[how](client).json() for _ in range(3)]
        client.token = answers[0]["access_token"]
        fake.revoke()
        assert client.send("part 1")["errcode"] == 0
    assert fake.gettoken_calls == 2
    assert installed.statistics.saved >= 2
    for answer in answers:
        assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
        assert answer["access_token"] == client.token


@pytest.mark.parametrize("prefix", ["", "/wecom", "/a/b%20c"])
def test_a_base_url_may_have_any_path_in_front(prefix: str, fake: FakeWeCom) -> None:
    with fake.serve() as url, install():
        client = Legacy(url + prefix)
        client.fetch()
        fake.revoke()
        assert client.send("part 1")["errcode"] == 0
        assert fake.journal[-1].url_path == f"{prefix}/cgi-bin/message/send"


def test_a_streamed_download_across_a_revocation(fake: FakeWeCom, client: Legacy) -> None:
    content = bytes(range(256)) * 4096
    media = fake.add_media(content)
    with install():
        client.fetch()
        fake.revoke()
        for _ in range(2):
            with requests.get(
                f"{client.url}/cgi-bin/media/get?media_id={media}&access_token={client.token}",
                stream=True,
            ) as response:
                assert b"".join(response.iter_content(1000)) == content
    assert fake.rejections == 1


def test_get_with_the_base_that_ends_in_the_parameter(fake: FakeWeCom, client: Legacy) -> None:
    base = f"{client.url}/cgi-bin/user/get?userid=zhangsan&access_token="
    with install():
        client.fetch()
        fake.revoke()
        assert requests.get(base + client.token).json()["errcode"] == 0
    asked = [call for call in fake.journal if call.path == "user/get"]
    assert [call.query for call in asked] == ["userid=zhangsan&access_token=***"] * 2


def test_messages_keep_their_bytes(fake: FakeWeCom, client: Legacy) -> None:
    with install():
        client.fetch()
        fake.revoke()
        client.send("part 企业微信 \U0001f600")
    assert fake.messages == [message("part 企业微信 \U0001f600")]
