"""Kinds of credential, as data: the exchange, the parameter, the errcodes, the paths.

Source of the paths and errcodes: WeCom developer documentation of each call.
"""

import re
from dataclasses import dataclass

_PROVIDER_SERVICES = (
    "get_register_code|get_register_info|get_customized_auth_url|corpid_to_opencorpid"
    "|contact/search|contact/id_translate|contact/sort|media/upload|batch/getresult"
)
_NOT_OF_SUITES = "get_suite_token|get_provider_token|get_login_info"
_NO_TOKEN = "(?:gettoken|openhw/get_(?:model|device)_token)(?:/|$)|webhook/|aibot/cli/"


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of credential.

    Args:
        name: how messages and keys call it.
        exchange: the path of its exchange, below `/cgi-bin/`.
        parameter: the query parameter that carries its token.
        paths: matches the paths below `/cgi-bin/` whose calls carry it.
        named: paths where the parameter has another name, with that name.
        field: the field of the exchange's answer that holds the token.
        rejections: the errcodes that say its token is dead.
        refusals: the errcodes of its exchange that refuse the credential itself.
        stale: the errcodes of its exchange that ask for a newer ticket.
        parent: the errcodes of its exchange that say the parent's token is dead.
        also_given: the paths of other calls whose answers hold a token of this kind.

    Example:
        >>> APP.parameter_at("message/send"), APP.parameter_at("gettoken")
        ('access_token', None)
    """

    name: str
    exchange: str
    parameter: str = "access_token"
    paths: re.Pattern[str] = re.compile("")
    named: tuple[tuple[str, str], ...] = ()
    field: str = "access_token"
    rejections: frozenset[int] = frozenset({40014, 42001})
    refusals: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()
    parent: frozenset[int] = frozenset()
    also_given: tuple[str, ...] = ()

    def parameter_at(self, path: str) -> str | None:
        """Return the parameter that carries the token on this path below `/cgi-bin/`, or None."""
        for named, parameter in self.named:
            if path == named:
                return parameter
        return self.parameter if self.paths.match(path) else None

    @property
    def parameters(self) -> frozenset[str]:
        """Return every name under which the token goes."""
        return frozenset({self.parameter, *(parameter for _, parameter in self.named)})


APP = Kind(
    name="app",
    exchange="gettoken",
    paths=re.compile(rf"(?!(?:{_NO_TOKEN}|service/|license/))"),
    refusals=frozenset({40001, 40013, 40091, 41002, 41004, 48002, 48004, 50003, 60011, 301002}),
)

SUITE = Kind(
    name="suite",
    exchange="service/get_suite_token",
    parameter="suite_access_token",
    # An unknown path below service/ is a suite's.
    paths=re.compile(rf"service/(?!(?:{_NOT_OF_SUITES}|{_PROVIDER_SERVICES})$)"),
    field="suite_access_token",
    rejections=frozenset({42009, 40082}),
    refusals=frozenset({40080, 40083, 41021, 41023, 41024}),
    stale=frozenset({40085}),
)

CORP = Kind(
    name="corp",
    exchange="service/get_corp_token",
    paths=APP.paths,
    refusals=frozenset({40084, 41025, 48003, 48004}),
    parent=SUITE.rejections,
    also_given=("service/get_permanent_code",),
)

PROVIDER = Kind(
    name="provider",
    exchange="service/get_provider_token",
    parameter="provider_access_token",
    paths=re.compile(rf"service/(?:{_PROVIDER_SERVICES})$|license/"),
    named=(("service/get_login_info", "access_token"),),
    field="provider_access_token",
    rejections=frozenset({42001, 40082, 40014}),
    refusals=frozenset({40001, 40013, 40091}),
)

DOWNSTREAM = Kind(
    name="downstream",
    exchange="corpgroup/corp/gettoken",
    paths=APP.paths,
    refusals=frozenset({670001}),
    parent=APP.rejections,
)

_NOWHERE = re.compile("(?!)")

CORP_TICKET = Kind(
    name="ticket",
    exchange="get_jsapi_ticket",
    parameter="ticket",
    paths=_NOWHERE,  # it is signed with, and never sent
    field="ticket",
    rejections=frozenset(),
    refusals=frozenset({91040, 42012}),
    parent=APP.rejections,
)

APP_TICKET = Kind(
    name="app_ticket",
    exchange="ticket/get",
    parameter="ticket",
    paths=_NOWHERE,
    field="ticket",
    rejections=frozenset(),
    refusals=frozenset({91040, 42012}),
    parent=APP.rejections,
)
