"""Clean the headers in which a proxy echoes the URL that it was asked for."""

from collections.abc import Iterable

from wecom_auth._credential.token import Token
from wecom_auth._http import query
from wecom_auth._http.redaction import without

_URLS = {"location", "content-location", "uri"}


def without_token(
    headers: Iterable[tuple[str, str]], parameter: str, token: Token
) -> list[tuple[str, str]] | None:
    """Return the headers without this token; None where they hold none.

    Args:
        headers: of the answer.
        parameter: that carries the token; a URL is left without it.
        token: masked wherever else it stands.
    """
    before = list(headers)
    after = [(name, clean(name, value, parameter, (token.value,))) for name, value in before]
    return None if after == before else after


def clean(name: str, value: str, parameter: str, secrets: Iterable[str]) -> str:
    """Return the value of this header without the parameter and without these secrets."""
    if name.lower() in _URLS:
        value = query.drop(value, parameter)
    return without(value, secrets)
