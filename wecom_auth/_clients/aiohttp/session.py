"""Attach to a session of aiohttp."""

from typing import Any
from weakref import ref

from wecom_auth._call.retry import Retry
from wecom_auth._call.route import Route
from wecom_auth._clients.aiohttp.middleware import Middleware


def attach(session: Any, route: Route, retry: Retry) -> Any:
    """Add a middleware that carries this route's tokens; see `wecom_auth.attach`.

    Ours goes innermost. A call with `middlewares=` of its own replaces the session's, so it is
    added there, too.
    """
    ours = _ours(session)
    if ours is None:
        ours = Middleware(route, retry=retry)
        vars(session)["_middlewares"] = (*session._middlewares, ours)
    if not isinstance(vars(session).get("_request"), _Requests):
        vars(session)["_request"] = _Requests(session, ours)
    return session


def route_of(session: Any) -> Route:
    """Return the route that this session carries already, or a new one."""
    ours = _ours(session)
    return Route() if ours is None else ours.route


def _ours(session: Any) -> Middleware | None:
    return next((each for each in session._middlewares if isinstance(each, Middleware)), None)


class _Requests:
    """Replace the session's `_request`; hold no session, which would keep itself alive."""

    def __init__(self, session: Any, ours: Middleware) -> None:
        self._session, self._ours = ref(session), ours
        self._replaced = vars(session).get("_request")

    def __call__(self, *args: Any, **options: Any) -> Any:
        theirs = options.get("middlewares")
        if theirs is not None and not any(isinstance(each, Middleware) for each in theirs):
            options["middlewares"] = (*theirs, self._ours)
        if self._replaced is not None:
            return self._replaced(*args, **options)
        session: Any = self._session()
        return type(session)._request(session, *args, **options)
