"""The program that the story is about: how it calls the platform."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, BinaryIO

import requests

from ..._clients.attach import attach
from ..._clients.decorator import with_access_token
from ..._clients.requests.auth import WeComAuth
from ..._credential.app import AppCredential
from ...errors import CredentialError
from .stage import Stage, message

_HEAD = b'--demo\r\nContent-Disposition: form-data; name="media"; filename="stream.bin"\r\n\r\n'
_TAIL = b"\r\n--demo--\r\n"


def ways(stage: Stage, app: AppCredential) -> Iterator[Callable[[], int]]:
    """Each way to attach, as a function that sends one message."""

    @with_access_token(app)
    def send(content: str, access_token: str = "") -> dict[str, Any]:
        query = {"access_token": access_token}
        return stage.post("message/send", params=query, json=message(content))

    def decorated() -> int:
        stage.count_call()
        return int(send("decorator")["errcode"])

    yield lambda: stage.send("auth class", auth=WeComAuth(app))
    with attach(requests.Session(), app) as session:
        yield lambda: stage.send("adapter", session)
    yield decorated


def send_alone(stage: Stage, app: AppCredential, number: int) -> int:
    """What a thread does that knows of no other: a session and a credential of its own."""
    own = AppCredential(app.corpid, app.corpsecret, base_url=app.base_url)
    with attach(requests.Session(), own) as session:
        return stage.send(f"thread {number}", session)


def read_alone(stage: Stage, app: AppCredential) -> int:
    """The same for a call that reads."""
    answer = stage.call("GET", "user/get?userid=zhangsan", auth=WeComAuth(app))
    return int(answer.json()["errcode"])


def refusal(stage: Stage, session: requests.Session) -> str:
    """How a message fails."""
    try:
        return f"errcode {stage.send('never', session)}"
    except CredentialError as error:
        return f"CredentialError {error.errcode}"


def upload_stream(stage: Stage, app: AppCredential, content: bytes) -> int:
    """Upload from an open file that does not stand at its start; the session sends it again."""
    headers = {"Content-Type": "multipart/form-data; boundary=demo"}
    before = b"what was read before"
    with _open(before, _HEAD, content, _TAIL) as file, attach(requests.Session(), app) as session:
        file.seek(len(before))
        url = "media/upload?type=file"
        answer = stage.call("POST", url, session, data=file, headers=headers)
    return int(answer.json()["errcode"])


def upload_form(stage: Stage, app: AppCredential, content: bytes) -> int:
    """Upload an open file by a function that gets it as an argument and is called again."""

    @with_access_token(app)
    def upload(file: BinaryIO, access_token: str = "") -> dict[str, Any]:
        query = {"type": "file", "access_token": access_token}
        return stage.post("media/upload", params=query, files={"media": ("form.bin", file)})

    stage.count_call()
    with _open(content) as file:
        return int(upload(file)["errcode"])


def download(stage: Stage, session: requests.Session, media_id: str) -> str:
    """Stream a file from the platform; the digest of what arrives."""
    digest = sha256()
    with stage.call("GET", f"media/get?media_id={media_id}", session, stream=True) as response:
        for chunk in response.iter_content(65_536):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def _open(*parts: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.writelines(parts)
        file.seek(0)
        yield file
