"""CPU per call, over a transport without a network and over loopback HTTP."""

from collections.abc import Mapping
from statistics import median
from types import MappingProxyType

from wecom_auth import install, with_access_token
from wecom_auth.testing import FakeWeCom

from .floors import floors
from .measure import Effort, Row, Timing, Way, Within, figures, microseconds, race, races
from .null import TOKEN, USER, NullTransport, json_answer
from .ways import Transport, all_ways, session_over, source_over

PLATFORM = "https://qyapi.weixin.qq.com"
ELSEWHERE = "https://api.example.com/v1/users"

_BY_HAND = "by hand, params="
_OTHER = "another host, by hand"
_OTHER_INSTALLED = "another host, install()"
_GOALS = {"auth": 1.00, "adapter": 1.03, "install()": 1.05}


def null(effort: Effort) -> list[Row]:
    """Everything but the network: what a call costs in the client."""
    rows = _rows(races(_ways_and_floors, effort), _BY_HAND, _GOALS)
    rows += _rows(races(_other_host, effort), _OTHER, {_OTHER_INSTALLED: 1.01})
    return rows


def loopback(effort: Effort) -> list[Row]:
    """The same over HTTP; the platform's work is in other threads and not counted as CPU."""
    fake = FakeWeCom(remember=0)
    fake.route("user/get", USER, check_token=False)  # google-auth cannot put it into the query
    with fake.serve() as url:
        token = fake.issue("corp", "secret")
        fewer = Effort(max(2, effort.rounds // 4), effort.calls, effort.brief)
        timings = races(lambda: dict(all_ways(url, lambda: None, token)), fewer)
    return _rows(timings, _BY_HAND)


def decorator(effort: Effort) -> list[Row]:
    """What the decorator adds to a function that costs nothing itself."""
    response = session_over(NullTransport).get(PLATFORM)
    more = Effort(effort.rounds, effort.calls * 10, effort.brief)
    return [_decorated("a dict", USER, more), _decorated("a response", response, more)]


def _decorated(what: str, answer: object, effort: Effort) -> Row:
    def plain(userid: str, access_token: str = "") -> object:
        return answer

    ours = with_access_token(source_over(PLATFORM, NullTransport))(plain)
    ways = {"in hand": lambda: plain("zhangsan", TOKEN), "ours": lambda: ours("zhangsan")}
    timings = race(ways, effort)
    added = _added(timings["ours"], timings["in hand"])
    return Row(f"a function that returns {what}", {"added us": added}, {"added us": 10})


def _ways_and_floors() -> dict[str, Way]:
    return {
        **dict(all_ways(PLATFORM, NullTransport, TOKEN)),
        **dict(floors(PLATFORM, TOKEN)),
    }


def _other_host() -> dict[str, Way]:
    transport: Transport = lambda: NullTransport([json_answer(USER, codes=False)])  # noqa: E731
    plain, again, watched = (session_over(transport) for _ in range(3))
    return {
        _OTHER: lambda: plain.get(ELSEWHERE).json(),
        "another host, again: the noise": lambda: again.get(ELSEWHERE).json(),
        _OTHER_INSTALLED: Within(install, lambda: watched.get(ELSEWHERE).json()),
    }


def _rows(
    timings: Mapping[str, Timing], base: str, goals: Mapping[str, float] = MappingProxyType({})
) -> list[Row]:
    return [
        Row(
            name,
            figures(timing, timings[base]),
            {"cpu ratio": goals[name]} if name in goals else {},
        )
        for name, timing in timings.items()
    ]


def _added(ours: Timing, base: Timing) -> float:
    return microseconds(median(a - b for a, b in zip(ours.cpu, base.cpu, strict=True)))
