"""The fake against the facts that are known of the platform, each test named after one.

These do not use `wecom_auth`: the fake is to agree with the platform, not with us.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
import requests

from .conftest import CORP, SECRET, Wecom, text

# --- gettoken ---


def test_gettoken_is_a_get_that_answers_errcode_errmsg_access_token_expires_in(wecom: Wecom):
    answer = wecom.gettoken()
    assert {**answer, "access_token": ""} == {
        "errcode": 0,
        "errmsg": "ok",
        "access_token": "",
        "expires_in": 7200,
    }
    assert type(answer["errcode"]) is type(answer["expires_in"]) is int


def test_a_token_has_214_characters_of_the_url_safe_alphabet(wecom: Wecom):
    assert re.fullmatch(r"[A-Za-z0-9_-]{214}", wecom.token())


def test_each_app_has_its_own_token(wecom: Wecom):
    tokens = {wecom.token(CORP, "one"), wecom.token(CORP, "two"), wecom.token("other", "one")}
    assert len(tokens) == 3


def test_a_repeated_gettoken_gives_the_same_token_and_always_says_7200(wecom: Wecom):
    first = wecom.gettoken()
    wecom.fake.advance(3600)
    again = wecom.gettoken()
    assert (again["access_token"], again["expires_in"]) == (first["access_token"], 7200)


def test_a_new_token_may_end_the_old_one(wecom: Wecom):
    wecom.fake.mode = "rotate"
    first, second = wecom.token(), wecom.token()
    assert first != second
    assert wecom.send(first)["errcode"] == 40014
    assert wecom.send(second)["errcode"] == 0


def test_gettoken_may_be_a_post_with_its_parameters_in_the_query(wecom: Wecom):
    params = {"corpid": CORP, "corpsecret": SECRET}
    answer = wecom.call("POST", "gettoken", None, params=params).json()
    assert answer["access_token"] == wecom.token()


def test_gettoken_refuses_a_wrong_secret_with_40001_and_an_unknown_corp_with_40013(wecom: Wecom):
    wecom.fake.app(CORP, SECRET)
    assert wecom.gettoken(CORP, "wrong")["errcode"] == 40001
    assert wecom.gettoken("nobody", SECRET)["errcode"] == 40013
    assert wecom.gettoken()["errcode"] == 0


def test_gettoken_names_the_parameter_that_is_missing(wecom: Wecom):
    assert wecom.gettoken("", SECRET)["errcode"] == 41002
    assert wecom.gettoken(CORP, "")["errcode"] == 41004


def test_the_token_goes_into_the_query_never_the_body(wecom: Wecom):
    token = wecom.token()
    assert wecom.post("message/send", None, {**text("x"), "access_token": token}).json()[
        "errcode"
    ] == (41001)


# --- errcodes of tokens ---


@pytest.mark.parametrize("path", ["message/send", "user/get", "media/get", "some/other/call"])
def test_a_call_without_a_token_is_41001(wecom: Wecom, path: str):
    assert wecom.get(path).json()["errcode"] == 41001
    assert wecom.get(path, "").json()["errcode"] == 41001


def test_a_token_nobody_issued_is_40014(wecom: Wecom):
    assert wecom.send("x" * 214)["errcode"] == 40014


def test_an_expired_token_is_42001(wecom: Wecom):
    token = wecom.token()
    wecom.fake.advance(7199)
    assert wecom.send(token)["errcode"] == 0
    wecom.fake.advance(1)
    assert wecom.send(token)["errcode"] == 42001
    assert wecom.send(wecom.token())["errcode"] == 0


def test_the_platform_may_end_a_token_early(wecom: Wecom):
    expired = wecom.token()
    wecom.fake.expire()
    revoked = wecom.token()
    wecom.fake.revoke()
    assert len({expired, revoked, wecom.token()}) == 3
    assert wecom.send(expired)["errcode"] == 42001
    assert wecom.send(revoked)["errcode"] == 40014


# --- HTTP ---


def test_an_error_is_http_200_json_with_an_int_errcode(wecom: Wecom):
    answer = wecom.get("user/get", "dead")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert type(answer.json()["errcode"]) is int


def test_the_order_of_keys_is_free(wecom: Wecom):
    firsts = {next(iter(wecom.get("user/get", "dead").json())) for _ in range(4)}
    assert firsts == {"errcode", "errmsg"}


def test_an_error_may_carry_an_empty_list_before_its_errcode(wecom: Wecom):
    answer = wecom.get("get_api_domain_ip", "dead")
    assert answer.text.startswith('{"ip_list": [], "errcode": 40014')


def test_errmsg_changes_freely_and_leads_to_the_look_up_page(wecom: Wecom):
    first, second = (wecom.get("user/get", "dead").json()["errmsg"] for _ in range(2))
    assert first != second
    assert "https://open.work.weixin.qq.com/devtool/query?e=40014" in first


@pytest.mark.parametrize("token", ["dead", None])
def test_the_headers_error_code_and_error_msg_repeat_the_body(wecom: Wecom, token: str | None):
    answer = wecom.get("user/get", token)
    assert answer.headers["Error-Code"] == str(answer.json()["errcode"])
    assert answer.headers["Error-Msg"] == answer.json()["errmsg"]


def test_success_carries_error_code_0(wecom: Wecom):
    assert wecom.get("department/list", wecom.token()).headers["Error-Code"] == "0"


def test_proxies_and_private_deployments_may_drop_those_headers(wecom: Wecom):
    with wecom.fake.fail("no-error-code-header"):
        answer = wecom.get("user/get", "dead")
    assert answer.json()["errcode"] == 40014
    assert not [name for name in answer.headers if name.lower().startswith("error-")]


def test_a_rejected_answer_is_small(wecom: Wecom):
    assert len(wecom.get("user/get", "dead").content) < 300


def test_a_large_answer_may_be_gzipped(wecom: Wecom):
    big = {"errcode": 0, "errmsg": "ok", "userlist": ["alice"] * 10_000}
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    wecom.fake.route("user/list", (200, headers, json.dumps(big)))
    answer = wecom.get("user/list", wecom.token())
    assert answer.json() == big
    assert int(answer.headers["Content-Length"]) < 2_000


# --- media ---


def upload(wecom: Wecom, content: bytes, name: str = "a.txt", **params: str) -> Any:
    query = {"type": "file", **params}
    files = {"media": (name, content, "text/plain")}
    return wecom.call("POST", "media/upload", wecom.token(), params=query, files=files).json()


def test_media_upload_answers_type_media_id_and_created_at_as_a_string(wecom: Wecom):
    answer = upload(wecom, b"hello world")
    assert answer["type"] == "file"
    assert isinstance(answer["media_id"], str)
    assert answer["created_at"].isdigit()


@pytest.mark.parametrize("content", [b"a\r\n--b\r\n\r\nc--", bytes(range(256)) * 300, b"\r\n" * 9])
def test_media_upload_takes_the_file_whole(wecom: Wecom, content: bytes):
    upload(wecom, content, "报告 1.bin")
    kept = wecom.fake.uploads[0]
    assert (kept.name, kept.size) == ("报告 1.bin", len(content))
    assert kept.sha256 == hashlib.sha256(content).hexdigest()


def test_a_file_below_five_bytes_is_refused_and_so_is_a_lost_one(wecom: Wecom):
    assert upload(wecom, b"")["errcode"] == 40006
    assert upload(wecom, b"1234")["errcode"] == 40006
    assert upload(wecom, b"12345")["errcode"] == 0
    query = {"type": "file"}
    lost = wecom.call("POST", "media/upload", wecom.token(), params=query, data=b"")
    assert lost.json()["errcode"] == 44001
    assert upload(wecom, b"12345", type="carpet")["errcode"] == 40005
    assert len(wecom.fake.uploads) == 1


def test_media_get_answers_the_file_with_content_disposition_and_no_error_code(wecom: Wecom):
    media_id = upload(wecom, b"hello world")["media_id"]
    answer = wecom.get("media/get", wecom.token(), media_id=media_id)
    assert answer.content == b"hello world"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.txt"'
    assert answer.headers["Content-Type"] == "text/plain"
    assert "Error-Code" not in answer.headers


def test_a_file_may_itself_be_json_that_holds_42001(wecom: Wecom):
    content = b'{"errcode":42001,"errmsg":"not an error"}'
    media_id = wecom.fake.add_media(content, "log.json", "application/json")
    answer = wecom.get("media/get", wecom.token(), media_id=media_id)
    assert answer.content == content
    assert "Content-Disposition" in answer.headers
    assert wecom.fake.journal[-1].errcode is None


@pytest.mark.parametrize(
    ("wanted", "content", "place"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_answers_206(wecom: Wecom, wanted: str, content: bytes, place: str):
    media_id = wecom.fake.add_media(b"0123456789")
    query = {"media_id": media_id}
    answer = wecom.call("GET", "media/get", wecom.token(), params=query, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["Content-Range"] == place
    assert "Content-Disposition" in answer.headers


@pytest.mark.parametrize(("wanted", "status"), [("bytes=10-", 416), ("bytes=-", 200), ("x", 200)])
def test_a_range_that_makes_no_sense(wecom: Wecom, wanted: str, status: int):
    query = {"media_id": wecom.fake.add_media(b"0123456789")}
    answer = wecom.call("GET", "media/get", wecom.token(), params=query, headers={"Range": wanted})
    assert answer.status_code == status


@pytest.mark.parametrize("dead", [True, False])
def test_an_error_of_media_get_is_json_without_content_disposition(wecom: Wecom, dead: bool):
    answer = wecom.get("media/get", "dead" if dead else wecom.token(), media_id="unknown")
    assert answer.json()["errcode"] == (40014 if dead else 40007)
    assert "Content-Disposition" not in answer.headers


# --- calls without a token ---


@pytest.mark.parametrize(
    ("path", "errcode"),
    [
        ("service/get_suite_token", 41021),
        ("service/get_provider_token", 40001),
        ("openhw/get_model_token", 404),
    ],
)
def test_token_endpoints_carry_no_access_token(wecom: Wecom, path: str, errcode: int):
    assert wecom.post(path, None, {}).json()["errcode"] == errcode


def test_a_webhook_needs_its_key_and_no_token(wecom: Wecom):
    url = f"{wecom.url}/cgi-bin/webhook/send"
    assert wecom.session.post(url, json=text("x")).json()["errcode"] == 93000
    assert wecom.session.post(f"{url}?key=k", json=text("x")).json()["errcode"] == 0
    wecom.fake.assert_delivered("text", times=1, path="webhook/send")


def test_a_webhook_takes_files_by_its_key(wecom: Wecom):
    url = f"{wecom.url}/cgi-bin/webhook/upload_media?type=file"
    files = {"media": ("a.txt", b"hello")}
    assert wecom.session.post(url, files=files).json()["errcode"] == 93000
    assert wecom.session.post(f"{url}&key=k", files=files).json()["type"] == "file"
    wecom.fake.assert_uploaded("a.txt", times=1)


# --- hosts and paths ---


def test_two_slashes_before_cgi_bin_are_accepted(wecom: Wecom):
    answer = requests.get(f"{wecom.url}//cgi-bin/gettoken?corpid=c&corpsecret=s", timeout=20)
    assert answer.json()["errcode"] == 0


def test_a_proxy_may_put_a_prefix_before_cgi_bin(wecom: Wecom):
    answer = requests.get(f"{wecom.url}/wecom/a/cgi-bin/user/get?userid=x", timeout=20)
    assert answer.json()["errcode"] == 41001
    assert wecom.fake.journal[-1].path == "user/get"
    assert wecom.fake.journal[-1].url_path == "/wecom/a/cgi-bin/user/get"


def test_outside_of_cgi_bin_there_is_nothing(wecom: Wecom):
    assert requests.get(f"{wecom.url}/", timeout=20).status_code == 404


# --- the documented fields ---


def test_message_send(wecom: Wecom):
    answer = wecom.send(wecom.token())
    assert set(answer) == {
        *("errcode", "errmsg", "invaliduser", "invalidparty", "invalidtag", "unlicenseduser"),
        "msgid",
    }


def test_two_messages_have_two_ids(wecom: Wecom):
    token = wecom.token()
    assert wecom.send(token)["msgid"] != wecom.send(token)["msgid"]


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        (b'{"msgtype": "x"}', 40008),
        (b'{"msgtype": "voice", "voice": {}}', 40007),
        (b'{"msgtype": "news"}', 44003),
        (b"", 40058),
        (b"[]", 40058),
        (b"not json", 40058),
        (b'{"touser": "alice"}', 40008),
        (b'{"msgtype": 1}', 40008),
        (b'{"msgtype": "text"}', 44004),
        (b'{"msgtype": "text", "text": "x"}', 44004),
        (b'{"msgtype": "text", "text": {"content": ""}}', 44004),
    ],
)
@pytest.mark.parametrize("path", ["message/send", "appchat/send", "webhook/send?key=k"])
def test_a_message_that_is_none_is_refused(wecom: Wecom, path: str, body: bytes, errcode: int):
    answer = wecom.call("POST", path, wecom.token(), data=body).json()
    assert answer["errcode"] == errcode
    assert wecom.fake.messages == []


LACKING: list[tuple[dict[str, Any], int]] = [
    ({"agentid": None}, 41011),
    ({"agentid": ""}, 41011),
    ({"agentid": "mine"}, 40056),
    ({"touser": None}, 82001),
    ({"touser": ""}, 82001),
    ({"touser": None, "toparty": "1"}, 0),
    ({"touser": None, "totag": "1"}, 0),
    ({"agentid": "1000002"}, 0),
    ({"msgtype": "textcard", "textcard": {"title": "x", "description": "x"}}, 40058),
]


@pytest.mark.parametrize(("change", "errcode"), LACKING)
def test_message_send_wants_agentid_receiver_and_fields(
    wecom: Wecom, change: dict[str, Any], errcode: int
):
    body = {name: v for name, v in {**text("x"), **change}.items() if v is not None}
    assert wecom.post("message/send", wecom.token(), body).json()["errcode"] == errcode
    assert len(wecom.fake.messages) == (errcode == 0)


def test_a_group_chat_is_named(wecom: Wecom):
    body = {"msgtype": "text", "text": {"content": "x"}}
    assert wecom.post("appchat/send", wecom.token(), body).json()["errcode"] == 40058


def test_appchat_send(wecom: Wecom):
    body = {"chatid": "c", "msgtype": "markdown", "markdown": {"content": "x"}}
    assert wecom.post("appchat/send", wecom.token(), body).json() == {"errcode": 0, "errmsg": "ok"}
    wecom.fake.assert_delivered("markdown", times=1, path="appchat/send", chatid="c")


def test_user_get(wecom: Wecom):
    answer = wecom.get("user/get", wecom.token(), userid="alice").json()
    assert answer["userid"] == "alice"
    documented = {"name", "department", "main_department", "status", "is_leader_in_dept", "extattr"}
    assert documented <= set(answer)
    assert wecom.get("user/get", wecom.token()).json()["errcode"] == 40058


def test_user_simplelist(wecom: Wecom):
    answer = wecom.get("user/simplelist", wecom.token(), department_id=1).json()
    assert {"userid", "name", "department", "open_userid"} == set(answer["userlist"][0])
    assert wecom.get("user/simplelist", wecom.token()).json()["errcode"] == 40058


def test_department_list(wecom: Wecom):
    answer = wecom.get("department/list", wecom.token()).json()
    fields = {"id", "name", "name_en", "department_leader", "parentid", "order"}
    assert set(answer["department"][0]) == fields


def test_get_api_domain_ip(wecom: Wecom):
    assert wecom.get("get_api_domain_ip", wecom.token()).json()["ip_list"]


def test_any_other_path_is_checked_for_its_token_and_then_says_how_to_answer_it(wecom: Wecom):
    assert wecom.post("externalcontact/list", "dead").json()["errcode"] == 40014
    answer = wecom.post("externalcontact/list", wecom.token())
    assert answer.status_code == answer.json()["errcode"] == 404
    assert 'fake.route("externalcontact/list", {"errcode": 0' in answer.json()["errmsg"]
    wecom.fake.route("externalcontact/list", {"errcode": 0, "errmsg": "ok"})
    assert wecom.post("externalcontact/list", wecom.token()).json()["errcode"] == 0
