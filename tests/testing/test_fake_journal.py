from __future__ import annotations

import hashlib

import pytest

from wecom_auth.testing import FakeWeCom, Request
from wecom_auth.testing._platform.wire import DroppedError

from .conftest import CORP, SECRET, Wecom, text


def test_the_journal_tells_every_request(wecom: Wecom):
    token = wecom.token()
    wecom.send(token)
    wecom.send("dead")
    told = [(c.method, c.path, c.errcode, c.status, c.corpid) for c in wecom.fake.journal]
    assert told == [
        ("GET", "gettoken", 0, 200, None),
        ("POST", "message/send", 0, 200, CORP),
        ("POST", "message/send", 40014, 200, None),
    ]
    assert b"hello" in wecom.fake.journal[1].body
    assert "python-requests" in wecom.fake.journal[1].headers["User-Agent"]


def test_counts(wecom: Wecom):
    token = wecom.token()
    wecom.fake.expire()
    for bad in (token, "dead", ""):
        wecom.send(bad)
    wecom.send(wecom.token())
    assert (wecom.fake.gettoken_calls, wecom.fake.rejections) == (2, 3)


def test_neither_token_nor_secret_is_in_the_journal(wecom: Wecom):
    token = wecom.token()
    headers = {"Authorization": f"Bearer {token}", "Cookie": token}
    wecom.call("GET", "user/get", token, params={"userid": "a"}, headers=headers)
    wecom.session.post(f"{wecom.url}/cgi-bin/webhook/send?key={SECRET}", json=text("x"))
    wecom.get("x", suite_access_token=SECRET, suite_ticket=SECRET, permanent_code=SECRET)
    shown = repr(wecom.fake.journal)
    assert token not in shown
    assert SECRET not in shown
    assert shown.count("***") == 8


def test_the_rest_of_the_query_is_kept_byte_for_byte(fake: FakeWeCom):
    fake.handle(Request("GET", "/cgi-bin/x?a=%20b&&c&access_token=t&my_key=k&d=%E4"))
    assert fake.journal[0].query == "a=%20b&&c&access_token=***&my_key=k&d=%E4"


def test_messages_are_what_was_delivered_and_nothing_else(wecom: Wecom):
    token = wecom.token()
    wecom.send(token, "one")
    with wecom.fake.fail("busy"):
        wecom.send(token, "two")
    wecom.send("dead", "three")
    assert wecom.fake.messages == [text("one")]


def test_assert_delivered(wecom: Wecom):
    token = wecom.token()
    wecom.send(token, "one")
    wecom.send(token, "two")
    fake = wecom.fake
    fake.assert_delivered()
    fake.assert_delivered("text")
    fake.assert_delivered("text", times=2, touser="alice")
    fake.assert_delivered(times=1, text={"content": "one"})
    fake.assert_delivered("markdown", times=0)
    fake.assert_delivered(path="appchat/send", times=0)
    with pytest.raises(AssertionError):
        fake.assert_delivered("text", times=1)
    with pytest.raises(AssertionError):
        fake.assert_delivered("text", touser="bob")


def test_a_failing_assertion_shows_what_there_was_instead(wecom: Wecom):
    wecom.send(wecom.token(), "x" * 500)
    wecom.send("dead")
    wecom.fake.fail("outage")
    wecom.get("user/get")
    with pytest.raises(AssertionError) as raised:
        wecom.fake.assert_delivered("markdown", times=2, path="message/send")
    said = str(raised.value)
    assert 'expected a message {"msgtype": "markdown"} by message/send to be delivered' in said
    assert "2 time(s), found 0" in said
    assert 'message/send {"touser": "alice", "msgtype": "text"' in said
    assert "POST message/send?access_token=*** -> errcode 40014" in said
    assert "GET user/get -> HTTP 502" in said
    assert all(len(line) < 200 for line in said.splitlines())


def test_a_failing_assertion_on_an_idle_platform(fake: FakeWeCom):
    with pytest.raises(AssertionError, match=r"at least once, found 0\n.*\n  none\n.*\n  nothing"):
        fake.assert_delivered("text")


def test_a_dropped_call_is_told_as_such(fake: FakeWeCom):
    fake.fail("drop")
    with pytest.raises(DroppedError):
        fake.handle(Request("GET", "/cgi-bin/x"))
    with pytest.raises(AssertionError, match="GET x -> no answer"):
        fake.assert_delivered()


def test_assert_uploaded(wecom: Wecom):
    content = b"hello world"
    digest = hashlib.sha256(content).hexdigest()
    files = {"media": ("a.txt", content)}
    wecom.call("POST", "media/upload", wecom.token(), params={"type": "file"}, files=files)
    fake = wecom.fake
    fake.assert_uploaded()
    fake.assert_uploaded("a.txt", times=1, sha256=digest)
    fake.assert_uploaded("b.txt", times=0)
    with pytest.raises(AssertionError, match=f"'a.txt' 11 bytes, sha256 {digest}"):
        fake.assert_uploaded("a.txt", sha256="0" * 64)
    with pytest.raises(AssertionError, match=r"a file b\.txt to be uploaded at least once"):
        fake.assert_uploaded("b.txt")
    assert content.decode() not in repr(fake.uploads)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"hello"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nhello"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nhello\r\n--b"),
        ("multipart/form-data; boundary=b", b'--b\r\nX: name="media"\r\n\r\nhello\r\n--b--\r\n'),
    ],
)
def test_an_upload_that_was_cut_off_or_is_none_is_refused(
    fake: FakeWeCom, content_type: str, body: bytes
):
    target = f"/cgi-bin/media/upload?type=file&access_token={fake.issue('c', 's')}"
    headers = {"content-type": content_type}
    assert fake.handle(Request("POST", target, headers, body)).errcode == 44001


def test_a_file_without_a_name_gets_one(fake: FakeWeCom):
    target = f"/cgi-bin/media/upload?type=file&access_token={fake.issue('c', 's')}"
    body = b'--b\r\nContent-Disposition: form-data; name="media"\r\n\r\nhello\r\n--b--'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert fake.handle(Request("POST", target, headers, body)).errcode == 0
    assert fake.uploads[0].name == fake.uploads[0].media_id


def test_reset_journal_forgets_what_arrived_and_nothing_else(wecom: Wecom):
    token = wecom.token()
    wecom.send(token)
    wecom.fake.reset_journal()
    fake = wecom.fake
    assert (fake.journal, fake.messages, fake.uploads) == ([], [], [])
    assert (fake.gettoken_calls, fake.rejections) == (0, 0)
    assert wecom.send(token)["errcode"] == 0


def test_a_bounded_journal_forgets_the_oldest_and_counts_on(fake: FakeWeCom):
    bounded = FakeWeCom(remember=2)
    for name in "abc":
        bounded.handle(Request("GET", f"/cgi-bin/gettoken?corpid={name}&corpsecret=s"))
    assert [call.query[:8] for call in bounded.journal] == ["corpid=b", "corpid=c"]
    assert bounded.gettoken_calls == 3
