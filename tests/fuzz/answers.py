"""Generated answers: rejections in every dress, what only looks like one, and plain attacks."""

import gzip
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

CODES = frozenset({40014, 42001})
JSON = "application/json; charset=UTF-8"
_REQUEST = requests.Request("POST", "https://h/cgi-bin/message/send?access_token=T").prepare()
_ADAPTER = HTTPAdapter()


@dataclass(frozen=True)
class Answer:
    """One answer as a platform, a proxy or an attacker might send it.

    Attributes:
        kind: which generator made it.
        wire: the bytes that are sent, encoded as the headers say, or not.
        said: what they say; None where nobody can tell.
    """

    kind: str
    said: bytes | None
    wire: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    stream: bool = False

    def response(self) -> requests.Response:
        """As requests builds it, from urllib3's own class over the bytes."""
        raw = urllib3.HTTPResponse(
            BytesIO(self.wire),
            self.headers,
            self.status,
            preload_content=False,
            request_method="POST",
        )
        response = _ADAPTER.build_response(_REQUEST, raw)
        if not self.stream:
            response.content  # noqa: B018
        return response

    @property
    def lower(self) -> dict[str, str]:
        """The headers with names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}


class Generator:
    """Makes one answer after the other, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self) -> Answer:
        """The next answer: about half of them true rejections."""
        if self.random.random() < 0.55:
            return self._encoded(self._dressed(self._rejection(), "rejection"))
        return self.random.choice(_MAKERS)(self)

    # --- parts ---

    def code(self) -> int:
        return self.random.choice((40014, 42001))

    def filler(self) -> dict[str, Any]:
        """Other fields: some hold the codes where they mean nothing."""
        fields: list[tuple[str, Any]] = [
            ("errmsg", f"access_token expired, hint: [{self.random.random()}], 企业微信 42001"),
            ("ip_list", []),
            ("msgid", "42001"),
            ("result", [{"errcode": self.code()}, {"errcode": 0}]),
            ("nested", {"errcode": self.random.choice((0, 42001, 40014))}),
            ("ERRCODE", 42001),
            ("number", self.random.choice((1e300, -0.0, 42001, True, None))),
            ("text", "x" * self.random.randrange(300)),
            ('"errcode":42001', '\\"\u2028\ud83d\ude00'),
        ]
        return dict(self.random.sample(fields, self.random.randrange(len(fields))))

    def body(self, code: Any) -> bytes:
        """A JSON object with this errcode, its keys in any order, in any layout."""
        fields = [*self.filler().items(), ("errcode", code)]
        self.random.shuffle(fields)
        text = json.dumps(
            dict(fields),
            ensure_ascii=self.random.random() < 0.5,
            indent=self.random.choice((None, None, 2)),
            separators=self.random.choice(((",", ":"), (", ", ": "))),
        )
        if self.random.random() < 0.05:
            text = text.replace('"errcode"', '"\\u0065rrcode"')
        if self.random.random() < 0.1:
            text = " \r\n" + text + "\t\n"
        return text.encode("utf-8-sig" if self.random.random() < 0.05 else "utf-8", "replace")

    def _rejection(self) -> bytes:
        return self.body(self.code())

    def _dressed(self, body: bytes, kind: str, **more: Any) -> Answer:
        """Headers as the platform or a proxy puts them: Error-Code or not, any spelling."""
        stream = self.random.random() < 0.4
        types = [JSON, "application/json", "Application/JSON;charset=gbk"]
        headers = {"Content-Type": self.random.choice(types if stream else [*types, "text/html"])}
        if self.random.random() < 0.1 and not stream:
            del headers["Content-Type"]
        if kind == "rejection" and self.random.random() < 0.5:
            told = json.loads(body.decode("utf-8-sig"))["errcode"]
            name = self.random.choice(("Error-Code", "error-code", "ERROR-CODE"))
            headers[name] = self.random.choice((f"{told}", f" {told} ", f"0{told}", "soon", ""))
        if self.random.random() < 0.5:
            headers["Content-Length"] = str(len(body))
        return Answer(kind, body, body, headers=headers, stream=stream, **more)

    def _encoded(self, answer: Answer) -> Answer:
        """In a quarter of the cases compressed, as the headers then say."""
        encoding = self.random.choice((*[""] * 9, "gzip", "deflate", "gzip, gzip"))
        if not encoding or answer.said is None:
            return answer
        wire = answer.said
        for each in encoding.split(", "):
            wire = gzip.compress(wire, 1, mtime=0) if each == "gzip" else zlib.compress(wire, 1)
        headers = {**answer.headers, "Content-Encoding": encoding}
        if "Content-Length" in headers:
            headers["Content-Length"] = str(len(wire))
        return replace(answer, wire=wire, headers=headers)


def _other_errcode(make: Generator) -> Answer:
    codes: list[Any] = [0, -1, 40001, 41001, 42007, 42012, 45009, 4200, 420010, 10**30, -42001]
    codes += ["42001", 42001.0, 42001.5, True, None, [42001], {"errcode": 42001}, "", 1e400]
    return make._encoded(make._dressed(make.body(make.random.choice(codes)), "other errcode"))


def _no_object(make: Generator) -> Answer:
    values: list[Any] = [[{"errcode": 42001}], "42001", 42001, None, True, [[42001]], {}]
    body = json.dumps(make.random.choice(values)).encode()
    return make._dressed(body, "no object")


def _file(make: Generator) -> Answer:
    answer = make._encoded(make._dressed(make._rejection(), "file"))
    name = make.random.choice(("Content-Disposition", "content-disposition"))
    headers = {**answer.headers, name: 'attachment; filename="a.json"'}
    return replace(answer, headers=headers, status=make.random.choice((200, 200, 206)))


def _other_status(make: Generator) -> Answer:
    answer = make._encoded(make._dressed(make._rejection(), "other status"))
    return replace(answer, status=make.random.choice((201, 206, 302, 400, 401, 404, 429, 500, 502)))


def _large(make: Generator) -> Answer:
    field = f'"data":"{"x" * make.random.choice((8192, 9000, 40_000))}"'.encode()
    return make._encoded(make._dressed(b'{"errcode":42001,' + field + b"}", "large"))


def _noise(make: Generator) -> Answer:
    body = make.random.randbytes(make.random.randrange(400))
    return make._dressed(body, "noise")


def _mutated(make: Generator) -> Answer:
    body = bytearray(make._rejection())
    for _ in range(make.random.randrange(1, 4)):
        at = make.random.randrange(len(body))
        piece = make.random.choice((b"", b"\0", b"{", b"]", b'"', b"\\", b"\xff", b"0", b",", b"1"))
        body[at : at + make.random.choice((0, 1, 1, 5))] = piece
        body = body or bytearray(b" ")
    return make._dressed(bytes(body), "mutated")


def _truncated(make: Generator) -> Answer:
    body = make._rejection()
    return make._dressed(body[: make.random.randrange(len(body))], "truncated")


def _page(make: Generator) -> Answer:
    body = b"<!doctype html><html><h1>42001 {errcode:42001}</h1></html>"
    return replace(make._dressed(body, "page"), headers={"Content-Type": "text/html"})


def _nested(make: Generator) -> Answer:
    n = make.random.choice((500, 2000, 10_000))
    inner = make.random.choice(("[" * n + "]" * n, "[" * n, '{"a":' * n + "1" + "}" * n))
    return make._dressed(b'{"errcode":42001,"a":' + inner.encode() + b"}", "nested")


def _huge_number(make: Generator) -> Answer:
    digits = "9" * make.random.choice((400, 5000))
    text = make.random.choice(('{"errcode":42001,"a":%s}', '{"errcode":42001%s}', "42001%s"))
    return make._dressed((text % digits).encode(), "huge number")


def _odd_json(make: Generator) -> Answer:
    texts = [
        '{"errcode":42001,"errcode":0}',
        '{"errcode":0,"errcode":42001}',
        '{"errcode":42001,"errcode":40014}',
        '{"errcode":42001,"a":NaN}',
        '{"errcode":42001,"a":-Infinity}',
        '{"errcode":42001,}',
        "{'errcode':42001}",
        '{"errcode":042001}',
        '{"errcode":+42001}',
        '{"errcode":42001} {"errcode":42001}',
        '{"errcode":42_001}',
        '{"errcode":\uff14\uff12\uff10\uff10\uff11}',
        '{"errcode":42001e0}',
        'callback({"errcode":42001})',
        '{"errcode":42001,"a":"\\ud800"}',
    ]
    return make._dressed(make.random.choice(texts).encode(), "odd JSON")


def _wrong_charset(make: Generator) -> Answer:
    text = '{"errmsg":"凭证过期","errcode":42001}'
    charset = make.random.choice(("gbk", "gb18030", "big5", "utf-16", "utf-16-le", "utf-32"))
    return make._dressed(text.encode(charset, "replace"), "wrong charset")


def _lying_header(make: Generator) -> Answer:
    told = make.random.choice(("0", "42001", "40058", "9" * 5000, "42001, 0", "\uff14", "-1"))
    body = make.body(make.random.choice((0, 42001, 40058)))
    answer = make._dressed(body, "lying header")
    return replace(answer, headers={**answer.headers, "Error-Code": told})


def _lying_length(make: Generator) -> Answer:
    answer = make._dressed(make._rejection(), "lying length")
    length = make.random.choice(("1073741824", "9" * 5000, "-1", "abc", "0", "1, 1", "\u00b2"))
    return replace(answer, headers={**answer.headers, "Content-Length": length}, said=None)


def _lying_encoding(make: Generator) -> Answer:
    answer = make._dressed(make._rejection(), "lying encoding")
    encoding = make.random.choice(
        ("gzip", "deflate", "br", "zstd", "x-own", "identity", "gzip," * 9)
    )
    headers = {**answer.headers, "Content-Encoding": encoding}
    return replace(answer, headers=headers, said=None)


def _broken_gzip(make: Generator) -> Answer:
    wire = bytearray(gzip.compress(make._rejection(), mtime=0))
    wire[make.random.randrange(10, len(wire))] ^= 0xFF
    cut = make.random.choice((len(wire), make.random.randrange(len(wire))))
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    stream = make.random.random() < 0.5
    return Answer("broken gzip", None, bytes(wire[:cut]), headers=headers, stream=stream)


def bomb(layers: int) -> Answer:
    """A small answer that is 10 MB when unpacked."""
    wire = b'{"errcode":42001,"a":"' + b"\0" * 10_000_000 + b'"}'
    for _ in range(layers):
        wire = gzip.compress(wire, mtime=0)
    headers = {"Content-Type": JSON, "Content-Encoding": ", ".join(["gzip"] * layers)}
    return Answer("bomb", None, wire, headers=headers, stream=True)


_MAKERS: list[Callable[[Generator], Answer]] = [
    *[_other_errcode] * 4,
    *[_mutated] * 4,
    *[_file, _other_status, _noise, _truncated, _odd_json, _lying_header] * 2,
    *[_no_object, _large, _page, _nested, _huge_number, _wrong_charset],
    *[_lying_length, _lying_encoding, _broken_gzip],
]
