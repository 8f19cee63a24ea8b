# ruff: noqa: E501 (a table: one row a line)
"""The table of causes: what to change, in English and in Chinese, for `check` and for errors.

Facts stand in braces. `{base:text}` shows `text` only where the fact `base` is true.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_CAUSES = """
no_corpid | 2 | {name} is not set: it is the company's ID (admin console, My Company, at the bottom) | 没有设置 {name}：填企业ID（管理后台「我的企业」页面最下方）
no_secret | 2 | {name} is not set: it is the Secret on the app's page in the admin console | 没有设置 {name}：填应用详情页里的 Secret
not_set | 2 | {name} is not set | 没有设置 {name}
disagree | 2 | {name} and {other} are both set and differ: remove one of them | {name} 和 {other} 都设置了，但值不同：删掉一个
file_missing | 2 | {name} names {path}, and there is no such file: is the secret mounted? | {name} 指向的文件不存在：{path}（密钥挂载了吗？）
file_denied | 2 | {name} names {path}, which this user may not read | {name} 指向的文件没有读权限：{path}
file_empty | 2 | {name} names {path}, and that file is empty | {name} 指向的文件是空的：{path}
file_unreadable | 2 | {name} names {path}, which is no text file: put the bare value into it, as UTF-8 | {name} 指向的不是文本文件：{path}（里面只放值本身，UTF-8）
file_lines | 2 | {name} names {path}, which has {n} lines: leave only the value in it | {name} 指向的文件有 {n} 行：{path}（只保留值本身）
tilde | 2 | {name} begins with ~, which only a shell expands: write the whole path | {name} 里的 ~ 不会展开：写完整路径
flag | 2 | {name} is neither 1 nor 0: write one of them | {name} 只能是 1 或 0
not_text | 2 | {name} holds bytes that are not UTF-8: set it again, as text | {name} 不是 UTF-8 文本：重新设置
base_scheme | 2 | {name}={value}: write https:// before it | {name}={value} 前面缺少 https://
base_path | 2 | {name}={value}: end it before /cgi-bin | {name}={value} 写多了：写到 /cgi-bin 前面为止
base_http | 2 | {name}={value} is plain http and would show the secret: use https, or set {allow}=1 | {name}={value} 是明文 http，会泄露 Secret：改用 https，非用不可就设 {allow}=1
base_bad | 2 | {name}={value}: {why} | {name}={value} 用不了：{why}
store_bad | 2 | {name}={value} cannot be used: {why} | {name}={value} 用不了：{why}
ca_missing | 2 | {name} names the CA file {path}, and there is none: correct the path | {name} 指向的 CA 证书文件不存在：{path}
secret | 1 | the platform refuses the secret ({code}): copy the Secret from this app's page again; after a reset the old one is dead | Secret 不对（{code}）：到应用详情页重新复制；重置过的话旧 Secret 已失效
quotes | 1 | {name} has quotation marks around it: remove them (docker --env-file keeps them) | {name} 的值带着引号：去掉引号（docker --env-file 不会去引号）
invisible | 1 | {name} holds an invisible or full-width character at position {n}: type or copy it again | {name} 第 {n} 位有不可见字符或全角字符：重新复制一遍
placeholder | 1 | {name} still holds the placeholder {value}: was the variable filled in? | {name} 还是占位符 {value}：变量没有替换成真实值
swapped | 1 | {name} and {other} are the wrong way round: swap them | {name} 和 {other} 填反了：对调一下
token_as_secret | 1 | {name} holds a token ({n} characters): the Secret from the app's page belongs there | {name} 里填的像是 access_token（{n} 个字符）：应填应用详情页的 Secret
agentid_as_secret | 1 | {name} holds an AgentId: the Secret stands below it on the app's page | {name} 里填的像是 AgentId：Secret 在它下面一行
permanent_code | 1 | a third-party app's permanent_code is no secret: use CorpCredential; only a 代开发 app's is | 第三方应用的 permanent_code 不能当 Secret 用：请用 CorpCredential；只有代开发应用的才可以
corpid | 1 | the platform does not know the corpid {corpid} (40013): copy it from My Company, at the bottom | 企业ID {corpid} 不存在（40013）：到「我的企业」页面最下方重新复制
corpid_of_mp | 1 | {corpid} is unknown to WeCom (40013): it may be an Official Account's or mini program's AppID | 企业微信不认识 {corpid}（40013）：这像是公众号或小程序的 AppID
disabled | 1 | the app is disabled (50003): enable it in the admin console | 应用已停用（50003）：到管理后台启用
query_lost | 1 | {host} loses the query on the way ({code}): let the proxy pass the URL on unchanged | 请求参数在 {host} 丢了（{code}）：让反向代理原样转发 URL 参数
dns | 3 | the host name {host} cannot be resolved: check DNS{base:, or WECOM_BASE_URL} | 域名 {host} 解析失败：检查 DNS{base:，或 WECOM_BASE_URL 是否写错}
refused | 3 | {host} refuses the connection: nothing listens on that port | {host} 拒绝连接：该端口没有服务在监听
no_route | 3 | there is no network route to {host}: check network, VPN or IPv6 | 到 {host} 网络不通：检查网络、VPN 或 IPv6
timeout_connect | 3 | {host} did not answer within {n} s: a firewall blocks it, or a proxy must be set (HTTPS_PROXY) | 连接 {host} 超时（{n} 秒）：被防火墙拦了，或需要设置 HTTPS_PROXY
timeout_read | 3 | {host} took the connection and gave no answer within {n} s | {host} 连上了但 {n} 秒没有返回
reset | 3 | {host} closed the connection without an answer: a firewall, or http on an https port | {host} 没返回就断开了连接：可能是防火墙，或 http/https 用错了端口
tls_ca | 3 | this machine does not trust the certificate of {host}: name your company's CA file in REQUESTS_CA_BUNDLE | 本机不信任 {host} 的证书：把公司 CA 证书的路径写到 REQUESTS_CA_BUNDLE
tls_name | 3 | the certificate of {host} is made out to another name: correct WECOM_BASE_URL or the proxy's certificate | {host} 的证书域名对不上：改 WECOM_BASE_URL，或换代理上的证书
tls_clock | 3 | the clock of this machine says {now}: set it (certificates are refused by it) | 本机时间是 {now}，不对：先校时，否则证书校验通不过
tls_expired | 3 | the certificate of {host} has expired: renew it | {host} 的证书过期了：更换证书
tls_plain | 3 | {host} speaks http, not https, on this port: correct WECOM_BASE_URL | {host} 这个端口是 http 不是 https：改 WECOM_BASE_URL
proxy_down | 3 | the proxy in {name} ({value}) cannot be reached: correct it, or unset {name} | {name} 里的代理（{value}）连不上：改正，或取消这个环境变量
proxy_auth | 3 | the proxy in {name} wants a user and password (407) | {name} 里的代理需要用户名密码（407）
portal | 3 | {host} answers with a web page (HTML), not WeCom: a sign-in page, or a proxy that leads elsewhere | {host} 返回的是网页（HTML）：可能是上网认证页，或代理指错了地方
not_found | 1 | {host} has no {path} (HTTP 404): correct the path in WECOM_BASE_URL | {host} 上没有 {path}（HTTP 404）：检查 WECOM_BASE_URL 的路径
forbidden | 1 | {host} lets nobody in (HTTP {code}): its own access rules refuse this machine | {host} 拒绝访问（HTTP {code}）：是它自己的访问控制拦下的
bad_gateway | 3 | {host} answers HTTP {code}: the proxy does not reach WeCom | {host} 返回 HTTP {code}：反向代理连不到企业微信
redirect | 1 | {host} sends us on to {there}: write that into WECOM_BASE_URL | {host} 跳转到了 {there}：把 WECOM_BASE_URL 改成它
not_wecom | 1 | {host} answers, but not as WeCom does: does WECOM_BASE_URL lead to qyapi.weixin.qq.com? | {host} 有返回，但不是企业微信的格式：确认 WECOM_BASE_URL 转发到 qyapi.weixin.qq.com
unreached | 3 | {host} cannot be reached: see the line below | 连不上 {host}：详见下一行
busy | 3 | WeCom is busy ({code}): try again in a minute | 企业微信系统繁忙（{code}）：过一分钟再试
rate | 3 | called too often (45009): wait, and let all processes share one token (WECOM_STORE); wrong secrets block the IP for an hour | 调用太频繁（45009）：先停一会儿，多个进程共享一个 token（WECOM_STORE）；Secret 错太多次会封 IP 一小时
ip | 1 | {ip} is not a trusted IP of this app (60020): add it on the app's page under trusted IPs (it takes about a minute) | 出口 IP {ip} 不在可信IP里（60020）：到应用详情页「企业可信IP」里添加，约一分钟生效
ip_of_proxy | 1 | {ip}, the address of the proxy at {host}, is not a trusted IP (60020): add it on the app's page | 反向代理 {host} 的出口 IP {ip} 不在可信IP里（60020）：到应用详情页「企业可信IP」里添加
ip_v6 | 1 | this machine goes out by IPv6 ({ip}), which is not trusted (60020): add it, or send by IPv4 | 本机走的是 IPv6 出口（{ip}），不在可信IP里（60020）：添加它，或改走 IPv4
ip_provider | 1 | {ip} is not on the provider's IP list (60020): add it in the provider console | 出口 IP {ip} 不在服务商的 IP 白名单里（60020）：到服务商后台添加
agent | 1 | agentid {agent} is not this Secret's app (301002): this Secret belongs to {own} | AgentId {agent} 和 Secret 不是同一个应用（301002）：这个 Secret 属于 {own}
agent_unknown | 1 | agentid {agent} and the Secret are not of one app (301002): copy both from the same page | AgentId {agent} 和 Secret 不是同一个应用（301002）：两者从同一个应用详情页复制
agent_contacts | 1 | this Secret belongs to no app (contacts sync, customers or archive?): take the Secret of app {agent} | 这个 Secret 不是应用的（可能是通讯录同步、客户联系或会话存档的）：换成应用 {agent} 的 Secret
agent_form | 2 | agentid {agent} must be a number, as on the app's page, without blanks | AgentId 应为纯数字，不要带空格：{agent}
agent_none | 1 | there is no app {agent} in this company (40056): see the AgentId on the app's page | 这个企业里没有应用 {agent}（40056）：核对应用详情页的 AgentId
closed | 1 | the app {own} is disabled: enable it in the admin console | 应用 {own} 已停用：到管理后台启用
scope_empty | 1 | nobody is in the visible range of app {own}: add members on the app's page, or messages reach no one | 应用 {own} 的可见范围是空的：到应用详情页添加成员，否则消息发不到人
no_right | 1 | this Secret may not call {path} (48002): use the Secret that this API asks for | 这个 Secret 不能调用 {path}（48002）：换成该接口要求的 Secret
withdrawn | 1 | the right was withdrawn after long disuse (48006): the administrator must enable it again | 接口权限长期未使用被收回（48006）：请管理员重新启用
stale_proxy | 1 | a token fetched just now is refused ({code}): does {host} cache gettoken, or lead to two places? | 刚取的 token 就被拒（{code}）：检查 {host} 是否缓存了 gettoken，或转发到了不同地方
token_lost | 1 | {host} loses the access_token on the way (41001): let the proxy pass the URL on unchanged | access_token 在 {host} 丢了（41001）：让反向代理原样转发 URL 参数
other | 1 | {path}: errcode {code}: {advice} | {path} 返回错误码 {code}：{advice}
ok | 0 | ok: {corpid}, app {own}: the token works from this machine | 正常：{corpid} 应用 {own}，本机可以调用
ok_partly | 0 | ok so far: the token of {corpid} works; agentid not checked (--agent N) | 目前正常：{corpid} 的 token 可用；没有检查 AgentId（加 --agent N）
clock_ahead | 0 | the clock is {n} s ahead of WeCom's: signatures and shared tokens suffer | 本机时间快了 {n} 秒：会影响 JS-SDK 签名和共享 token，请校时
clock_behind | 0 | the clock is {n} s behind WeCom's: signatures and shared tokens suffer | 本机时间慢了 {n} 秒：会影响 JS-SDK 签名和共享 token，请校时
by_proxy | 0 | by the proxy of {name} | 经由 {name} 的代理
token_ends | 0 | the token lives for another {n} s | token 还剩 {n} 秒
see_below | 0 | see the line below | 详见下一行
no_token | 1 | the call went out without a token because gettoken for {corpid} was refused {n} s ago: {advice} | 请求没带 token：{n} 秒前 {corpid} 的 gettoken 被拒了：{advice}
token_of_other | 1 | the token of this call was fetched for {own} (40014): use the token of the app that this call belongs to | 这个 token 是给 {own} 取的（40014）：换成这个接口对应的应用的 token
agent_downstream | 1 | the agentid of a shared app is another one there: ask list_app_share_info | 共享应用在下级企业的 AgentId 不同：用 list_app_share_info 查
ticket_rate | 3 | tickets are limited (400 an hour a company, 100 an app): share one by a store | jsapi_ticket 有次数限制（每企业 400 次/小时，每应用 100 次）：多进程共享
"""

_CALLS = """
40001 40091 | =secret
40013 | =corpid
50003 | =disabled
-1 | =busy
45009 | =rate
60020 | =ip
301002 | =agent_unknown
40056 | =agent_none
48006 | =withdrawn
41002 | corpid is missing, or a proxy lost it on the way (41002): let the proxy pass the URL on unchanged | 缺少 corpid，或在反向代理丢了（41002）：让反向代理原样转发 URL 参数
41004 | corpsecret is missing, or a proxy lost it on the way (41004): let the proxy pass the URL on unchanged | 缺少 corpsecret，或在反向代理丢了（41004）：让反向代理原样转发 URL 参数
41001 | the call went out without a token: look at the gettoken before it, which was refused or never made | 请求没带 token：先看前面的 gettoken，多半是它失败了
42001 | the token has expired and could not be replaced here | token 已过期，这里没能自动换新
40014 | not a token for this call: of another app, of another kind, or under another parameter name | token 不适用于这个接口：不是这个应用的、种类不对，或参数名不对
48002 | this Secret may not call {path} (48002): use the Secret that this API asks for; contacts are written by the contacts-sync secret, customers by an app that is allowed there | 这个 Secret 不能调用 {path}（48002）：换成该接口要求的 Secret；写通讯录用「通讯录同步」的 Secret，客户联系要用「可调用接口的应用」
48009 | the contacts-sync secret may no longer read from this IP: read with an app of your own | 「通讯录同步」不能从新 IP 读通讯录了：改用自建应用读取
60011 | the member, department or tag is outside the app's visible range, or not the app's to change | 成员、部门或标签不在应用可见范围内，或不是该应用创建的
60111 46004 | no such userid: check its spelling and whether the app sees it | 没有这个 userid：核对拼写和应用可见范围
81013 | none of the receivers exists or is in the visible range; a number in toparty is a department's id | 接收人都不存在或不在可见范围：核对 touser/toparty/totag，toparty 填的是部门 ID
84061 | not a customer of this member | 不是该成员的客户
40096 | this external_userid belongs to another app or company: take it from the app that calls | external_userid 不是这个应用（企业）的：用同一应用取到的
40058 | a parameter has the wrong form: method, JSON, length; errmsg names it | 参数格式不对：检查请求方法、JSON、长度，errmsg 里有字段名
45033 | too many calls at once: make fewer in parallel | 并发太高：减少同时调用的数量
6000 | another program changed the same data: do it again | 数据被同时修改：重试一次
42012 | wrong kind of JS ticket: wx.config wants the company's, wx.agentConfig the app's | JS 票据用错：wx.config 用企业的，wx.agentConfig 用应用的
42009 40082 | the suite's (or provider's) token is dead, or the company has not authorised this suite | suite（或服务商）token 失效，或该企业没有授权这个应用
41022 | the call lacks suite_access_token: it goes under its own parameter name | 缺少 suite_access_token：参数名不是 access_token
40080 | the platform refuses suite_secret: copy it from the app's page in the provider console | suite_secret 不对：到服务商后台应用详情页重新复制
40083 | the platform does not know this suite_id | suite_id 不存在：核对服务商后台的应用
41023 | the call lacks suite_ticket: none has been pushed yet | 缺少 suite_ticket：还没有收到推送
40085 | suite_ticket is out of date or another suite's{pushed: (pushed {n} min ago)}: does the callback URL answer? It can be pushed again by hand in the provider console | suite_ticket 失效或不是这个应用的{pushed:（{n} 分钟前收到）}：检查回调 URL；可在服务商后台手动推送一次
40084 | permanent_code is refused: the company has cancelled the authorisation, or it was issued anew | permanent_code 失效：企业取消了授权，或已换新
48004 | the company has cancelled the authorisation: it must authorise the app again | 企业已取消授权：需要重新授权
48003 | this suite token is of another suite than the one that was authorised | suite_id 和授权的应用对不上
670001 | app {agent} is not shared with {corpid}: check the sharing scope, and business_type (0 linked, 1 upstream and downstream) | 应用没有共享给 {corpid}：核对共享范围和 business_type（0 互联企业，1 上下游）
40093 | the signature does not fit: the URL without #, exactly as the browser shows it, and a live ticket | 签名不对：url 不含 #，与浏览器地址完全一致，且 ticket 未过期
50001 | the page's domain is not a trusted domain of the app | 页面域名不在应用的可信域名里
"""

_UNKNOWN = {
    "en": {
        "ip": "this machine's IP",
        "host": "the server",
        "path": "this API",
        "own": "another app",
    }
    | {"name": "HTTPS_PROXY", "n": "some", "corpid": "", "agent": "", "advice": "see below"},
    "zh": {"ip": "", "host": "对方", "path": "这个接口", "own": "别的应用"}
    | {"name": "HTTPS_PROXY", "n": "若干", "corpid": "", "agent": "", "advice": "详见下一行"},
}
"""What stands for a fact that the error does not know; nothing for the rest."""


class Row(NamedTuple):
    """One cause: the exit code of `check`, and what to change."""

    exit: int
    en: str
    zh: str


def _rows(table: str) -> Iterator[list[str]]:
    return ([cell.strip() for cell in line.split(" | ")] for line in table.strip().splitlines())


CAUSES = {name: Row(int(code), en, zh) for name, code, en, zh in _rows(_CAUSES)}
"""What can be wrong, by the id that `check --json` gives as `cause`; ids do not change."""

CALLS = {
    int(code): CAUSES[words[0][1:]] if words[0][0] == "=" else Row(1, *words)
    for codes, *words in _rows(_CALLS)
    for code in codes.split()
}
"""What to do about an errcode of any call."""


class _Clause:
    """A fact that shows the text after its colon if it is true."""

    def __init__(self, shown: object) -> None:
        self._shown = shown

    def __format__(self, text: str) -> str:
        return text if self._shown else ""


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return _Clause(False)


def advise(cause: str | int, facts: Mapping[str, object], lang: str = "en") -> str:
    """Return what to change, with the facts filled in; empty where nobody knows.

    Args:
        cause: an id of `CAUSES`, or the errcode of a call.
        facts: what is known, by the names in braces.
        lang: `"en"` or `"zh"`.

    Example:
        >>> advise("refused", {"host": "gateway.example:8443"})
        'gateway.example:8443 refuses the connection: nothing listens on that port'
    """
    row = CALLS.get(cause) if isinstance(cause, int) else CAUSES.get(cause)
    if row is None:
        return ""
    known = {k: _Clause(v) if isinstance(v, bool) else v for k, v in facts.items()}
    text = row.zh if lang == "zh" else row.en
    return " ".join(text.format_map(_Facts(_UNKNOWN[lang] | known)).split())
