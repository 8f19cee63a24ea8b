"""Integration code as it is found in the wild: it fetches its own token and knows nothing of us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import requests
from requests_toolbelt import MultipartEncoder

CORP, SECRET = "ww0001", "app-secret"


def message(text: str) -> dict[str, Any]:
    return {"touser": "alice", "msgtype": "text", "agentid": 1, "text": {"content": text}}


@dataclass
class Legacy:
    """Fetches once, keeps the token for ever, and calls in one of the ways that people write."""

    url: str
    corpid: str = CORP
    secret: str = SECRET
    session: requests.Session = field(default_factory=requests.Session)
    token: str = ""

    def fetch(self) -> str:
        self.token = self.gettoken()["access_token"]
        return self.token

    def gettoken(self, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask(**options).json()
        assert answer["errmsg"] == "ok"
        return answer

    def ask(self, **options: Any) -> requests.Response:
        params = {"corpid": self.corpid, "corpsecret": self.secret}
        return requests.get(f"{self.url}/cgi-bin/gettoken", params=params, **options)

    def send(self, text: str, **options: Any) -> dict[str, Any]:
        url = f"{self.url}/cgi-bin/message/send?access_token={self.token}"
        answer: dict[str, Any] = requests.post(url, json=message(text), **options).json()
        return answer


# --- how gettoken is called ---

FETCHES: dict[str, Callable[[Legacy], requests.Response]] = {
    "f-string": lambda c: requests.get(
        f"{c.url}/cgi-bin/gettoken?corpid={c.corpid}&corpsecret={c.secret}"
    ),
    "format": lambda c: requests.get(
        "{}/cgi-bin/gettoken?corpid={}&corpsecret={}".format(c.url, c.corpid, c.secret)  # noqa: UP032
    ),
    "params": lambda c: c.ask(),
    "params of tuples": lambda c: requests.get(
        c.url + "/cgi-bin/gettoken", [("corpid", c.corpid), ("corpsecret", c.secret)]
    ),
    "POST": lambda c: requests.post(
        f"{c.url}/cgi-bin/gettoken", params={"corpid": c.corpid, "corpsecret": c.secret}
    ),
    "two slashes": lambda c: requests.get(
        f"{c.url}//cgi-bin/gettoken?corpid={c.corpid}&corpsecret={c.secret}"
    ),
    "secret first": lambda c: requests.request(
        "GET", f"{c.url}/cgi-bin/gettoken?corpsecret={c.secret}&debug=1&corpid={c.corpid}"
    ),
    "session": lambda c: c.session.get(
        f"{c.url}/cgi-bin/gettoken?corpid={c.corpid}&corpsecret={c.secret}"
    ),
    "stream": lambda c: c.ask(stream=True),
}


# --- how the token is put into a call ---

Call = Callable[..., requests.Response]


def _with_session_params(c: Legacy, path: str, **body: Any) -> requests.Response:
    session = requests.Session()
    session.params = {"access_token": c.token}
    return session.post(f"{c.url}/cgi-bin/{path}", **body)


def _request(*args: Any, **kwargs: Any) -> requests.Response:
    return requests.Session().request(*args, **kwargs)


CALLS: dict[str, Call] = {
    "f-string": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}?access_token={c.token}", **body
    ),
    "plus": lambda c, path, **body: requests.post(
        c.url + "/cgi-bin/" + path + "?access_token=" + c.token, **body
    ),
    "behind another": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}?debug=1&access_token={c.token}", **body
    ),
    "before another": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}?access_token={c.token}&debug=1", **body
    ),
    "params dict": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}", params={"access_token": c.token}, **body
    ),
    "params tuples": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}", params=[("debug", "1"), ("access_token", c.token)], **body
    ),
    "params str": lambda c, path, **body: requests.post(
        f"{c.url}/cgi-bin/{path}", params=f"access_token={c.token}", **body
    ),
    "Session.params": _with_session_params,
    "session.request": lambda c, path, **body: _request(
        "POST", f"{c.url}/cgi-bin/{path}?access_token={c.token}", **body
    ),
    "requests.request": lambda c, path, **body: requests.request(
        method="post", url=f"{c.url}/cgi-bin/{path}?access_token={c.token}", **body
    ),
    "old session": lambda c, path, **body: c.session.post(
        f"{c.url}/cgi-bin/{path}?access_token={c.token}", **body
    ),
    "two slashes": lambda c, path, **body: requests.post(
        f"{c.url}//cgi-bin/{path}?access_token={c.token}", **body
    ),
}


# --- how the body is given: the path, and what to hand to requests ---

CONTENT = b"report, line by line\n" * 5000

opened: list[IO[bytes]] = []


def close_files() -> None:
    """Such code leaves its files open."""
    while opened:
        opened.pop().close()


def _file(path: Path, content: bytes) -> IO[bytes]:
    path.write_bytes(content)
    opened.append(path.open("rb"))
    return opened[-1]


def _as_json(text: str, _: Path) -> tuple[str, dict[str, Any]]:
    return "message/send", {"json": message(text)}


def _as_str(text: str, _: Path) -> tuple[str, dict[str, Any]]:
    return "message/send", {"data": json.dumps(message(text))}


def _as_bytes(text: str, _: Path) -> tuple[str, dict[str, Any]]:
    return "message/send", {"data": json.dumps(message(text), ensure_ascii=False).encode()}


def _as_json_file(text: str, directory: Path) -> tuple[str, dict[str, Any]]:
    content = json.dumps(message(text)).encode()
    return "message/send", {"data": _file(directory / "message.json", content)}


def _as_open_file(_: str, directory: Path) -> tuple[str, dict[str, Any]]:
    return "media/upload", {"files": {"media": _file(directory / "report.txt", CONTENT)}}


def _as_named_bytes(_: str, __: Path) -> tuple[str, dict[str, Any]]:
    return "media/upload", {"files": {"media": ("report.txt", CONTENT)}}


BODIES = {
    "json": _as_json,
    "str": _as_str,
    "bytes": _as_bytes,
    "data=open()": _as_json_file,
    "files=open()": _as_open_file,
    "files=(name, bytes)": _as_named_bytes,
}


def _as_generator(text: str, _: Path) -> tuple[str, dict[str, Any]]:
    def pieces() -> Iterator[bytes]:
        whole = json.dumps(message(text)).encode()
        yield whole[:10]
        yield whole[10:]

    return "message/send", {"data": pieces()}


def _as_encoder(_: str, __: Path) -> tuple[str, dict[str, Any]]:
    encoder = MultipartEncoder({"media": ("report.txt", CONTENT, "text/plain")})
    return "media/upload", {"data": encoder, "headers": {"Content-Type": encoder.content_type}}


ONE_WAY_BODIES = {"generator": _as_generator, "MultipartEncoder": _as_encoder}
