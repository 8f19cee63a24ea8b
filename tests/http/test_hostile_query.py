"""The query editor against a model that works on the pieces a URL was made of, not on its text."""

from dataclasses import dataclass
from urllib.parse import quote, unquote

import pytest
from covering import generated
from hypothesis import example
from hypothesis import strategies as st

from wecom_auth._http import query

NAME = "access_token"
TOKEN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@dataclass(frozen=True)
class Parts:
    """A URL in its parts; `pieces` is None where there is no question mark."""

    path: str
    pieces: tuple[str, ...] | None
    fragment: str | None

    @property
    def url(self) -> str:
        query = "" if self.pieces is None else "?" + "&".join(self.pieces)
        return self.path + query + ("" if self.fragment is None else f"#{self.fragment}")

    def ours(self, piece: str) -> bool:
        return unquote(piece.split("=", 1)[0]) == NAME

    def put(self, value: str) -> str:
        others = [piece for piece in self.pieces or () if not self.ours(piece)]
        if self.pieces == ("",):
            others = []
        return Parts(self.path, (*others, f"{NAME}={quote(value, safe='')}"), self.fragment).url

    def drop(self) -> str:
        if not any(map(self.ours, self.pieces or ())):
            return self.url
        others = tuple(piece for piece in self.pieces or () if not self.ours(piece))
        return Parts(self.path, others or None, self.fragment).url

    def find(self) -> list[str]:
        pairs = [piece.partition("=") for piece in self.pieces or () if self.ours(piece)]
        return [unquote(value) for _, _, value in pairs]


def _text(but: str) -> st.SearchStrategy[str]:
    marks = "=&?#%+/;: a0\u4f01\u00e9"
    loose = st.text(st.sampled_from([c for c in marks if c not in but]), max_size=6)
    words = st.sampled_from([NAME, f"{NAME}=x", f"x{NAME}", "%20", "%", "%5", "%E4%BC", "%zz"])
    return st.one_of(loose, words.filter(lambda word: not set(word) & set(but)))


NAMES = st.sampled_from(
    [NAME, NAME, "access%5Ftoken", "access%5ftoken", "%61ccess_token", "access_token%00", "a", "",
     f"my_{NAME}", f"{NAME}s", NAME.upper(), "access%255Ftoken", "access+token", f" {NAME}",
     f"suite_{NAME}"]
)  # fmt: skip
PIECES = st.one_of(
    st.builds("{}={}".format, NAMES, _text("&#")), NAMES, _text("&#"), st.just(""), st.just(NAME)
)
URLS = st.builds(
    Parts,
    st.builds("https://h/{}".format, _text("?#")),
    st.none() | st.lists(PIECES, min_size=1, max_size=5).map(tuple),
    st.none() | _text(""),
)


@generated(URLS, TOKEN, full=400)
@example(Parts("https://h/p", (NAME, ""), None), "T")
@example(Parts("https://h/p", ("a=1", f"{NAME}=x?y", "b"), f"?{NAME}=z"), "T")
def test_it_does_what_the_model_does(parts: Parts, token: str) -> None:
    agree(parts, token)


def agree(parts: Parts, token: str) -> None:
    assert query.put(parts.url, NAME, token) == parts.put(token)
    assert query.drop(parts.url, NAME) == parts.drop()
    assert query.find(parts.url, NAME) == parts.find()
    assert query.take(parts.url, NAME) == (parts.drop(), parts.find())


@generated(st.text(max_size=60) | URLS.map(lambda parts: parts.url), TOKEN, full=300)
def test_whatever_the_url_one_token_is_in_and_out_again(url: str, token: str) -> None:
    with_token = query.put(url, NAME, token)
    assert query.find(with_token, NAME) == [token]
    assert query.put(with_token, NAME, token) == with_token
    bare = query.drop(with_token, NAME)
    assert query.find(bare, NAME) == []
    assert query.drop(bare, NAME) == bare


@pytest.mark.parametrize("wrong", ["no unquote", "first only", "drops blanks"])
def test_control_a_wrong_editor_is_caught(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts("https://h/p", ("", f"{NAME}=x", "", "", "access%5Ftoken=y"), None)
    agree(parts, "T")
    bare, values = query.take(parts.url, NAME)
    faults = {
        "no unquote": (f"https://h/p?&&&{parts.pieces[-1]}", values[:1]),  # type: ignore[index]
        "first only": (bare, values[:1]),
        "drops blanks": ("https://h/p", values),
    }
    monkeypatch.setattr(query, "take", lambda url, name: faults[wrong])
    with pytest.raises(AssertionError):
        agree(parts, "T")
