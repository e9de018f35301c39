"""Find addresses of machines: IPv4, IPv6 with zones and ports, MAC."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import ipaddress
import re

from models.screening.privacy.bounds import END, LATIN, cue
from models.screening.privacy.rule import Rule, after, always, before
from models.screening.privacy.span import Span

_IPV4 = re.compile(
    rf"(?<![{LATIN}.\-])(?:\d{{1,3}}(?:\.|\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s)){{3}}\d{{1,3}}(?![{LATIN}\-]|\.\d)"
)
_IPV6 = re.compile(
    rf"(?<![{LATIN}:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,8}}(?:(?:\d{{1,3}}\.){{3}}\d{{1,3}}|[0-9A-Fa-f]{{1,4}}(?![0-9A-Fa-f])|\d{{5}}(?!\d))?(?P<zone>%[A-Za-z0-9]{{1,15}})?{END}(?!:)"
)
_NOT_IP = cue(
    r"(?:version|\bver|release|build|firmware|\bv|section|chapter|\brev|kernel|driver|upgraded? to|update[d]? to|\bpatch|\bclause|paragraph|article|version(?:en)?|\bsemver|\bsdk|\bapi|runtime|python|java|node|chrome|firefox|safari|android|\bios|windows|linux|ubuntu|debian|mac ?os|mysql|mongodb|postgres(?:ql)?|redis|nginx|apache|docker|kubernetes|torch|numpy)[ \-_.:]{0,2}$"
)
_IP_CUE = cue(
    r"\bips?\b|ipv4|\bhost|server|address|\bping|\bssh\b|connect|gateway|\bdns\b|\bport\b|subnet|proxy|router|network|\blogin|\blog(?:ged)? in|https?:|firewall|dirección|servidor|adresse|सर्वर|服务器|地址|@\[?$|://$"
)
_MACS = {
    name: re.compile(rf"(?<![{LATIN}:\-])(?:[0-9A-Fa-f]{{2}}{sign}){{5}}[0-9A-Fa-f]{{2}}(?![{LATIN}:\-])")
    for name, sign in {"mac": ":", "mac_dashed": "-"}.items()
}
_ODD_MACS = {
    "mac_underscored": re.compile(
        rf"(?<![{LATIN}:\-])(?:[0-9A-Fa-f]{{2}}_){{5}}[0-9A-Fa-f]{{2}}(?![{LATIN}:\-])"
    ),
    "mac_dotted": re.compile(
        rf"(?<![{LATIN}.\-])[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}}\.[0-9A-Fa-f]{{4}}(?![{LATIN}\-]|\.\w)"
    ),
}


def _is_version(octets: list[int]) -> bool:
    """Whether four numbers look like a version: a small first number, and a zero or two small ones behind it."""
    return (
        octets[0] < 32
        and octets[0] != 10
        and (0 in octets[1:] or sum(octet < 20 for octet in octets[1:]) >= 2)
    )


def _ipv4(match: re.Match[str]) -> Span | None:
    written = re.sub(r"\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s", ".", match.group())
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or _NOT_IP.search(before(match, 16)):
        return None
    told = (
        _IP_CUE.search(before(match, 40))
        or _IP_CUE.search(after(match, 25))
        or re.match(r"[:/]\d", after(match, 2))
    )
    if not told and _is_version([int(octet) for octet in written.split(".")]):
        return None
    return Span(*match.span(), "IP_ADDRESS", 0.95)


def _ipv6(match: re.Match[str]) -> Span | None:
    written = match.group().partition("%")[0]
    address, _, port = written.rpartition(":")
    # An address with a port has one group too many, or a port of five digits. Times and names of code have no digit
    # beside two colons, or too few groups.
    for candidate in (written, address):
        groups = [group for group in candidate.split(":") if group]
        if len(groups) < (3 if "::" in candidate else 8) or not any(map(str.isdigit, candidate)):
            continue
        try:
            found = ipaddress.ip_address(candidate)
        except ValueError:
            continue
        if candidate == address and not (port.isdigit() and int(port) < 65536):
            continue
        return None if found.is_loopback or found.is_unspecified else Span(*match.span(), "IP_ADDRESS", 0.95)
    return None


def _odd_mac(match: re.Match[str]) -> Span | None:
    # Groups of digits alone are a number, or names of variables.
    return Span(*match.span(), "MAC_ADDRESS", 0.85) if any(map(str.isalpha, match.group())) else None


RULES = (
    Rule("ipv4", _IPV4, _ipv4),
    Rule("ipv6", _IPV6, _ipv6),
    *(Rule(name, pattern, always("MAC_ADDRESS", 0.9)) for name, pattern in _MACS.items()),
    *(Rule(name, pattern, _odd_mac, digits=2) for name, pattern in _ODD_MACS.items()),
)
