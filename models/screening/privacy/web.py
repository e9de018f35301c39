"""Find what the web knows people by: e-mail addresses, links and domains."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy.bounds import LATIN, START, UNSPACED, cue
from models.screening.privacy.rule import Rule, after, always, before
from models.screening.privacy.span import Span

# The blanks that views contain, listed so that the prefilter can derive " at " from the pattern.
_S = r"[ \n\t]"
_AT_SIGN = rf"(?:\s?@\s?|{_S}?[(\[{{<]{_S}?(?:at|arroba|@){_S}?[)\]}}>]\s?|_at_)"
_AT_WORD = rf"{_S}(?:at|arroba|chiocciola|एट|ऐट|at the rate){_S}"
_POINT = r"\s?\.\s?"
_DOT_WORD = r"(?:\s?[(\[{<]\s?(?:dot|punto|\.)\s?[)\]}>]\s?|\s(?:dot|punto|punkt|point|डॉट|डाट)\s|_dot_)"
_TLDS = (
    "com|org|net|edu|gov|info|biz|io|co|ai|app|dev|me|us|uk|in|es|mx|de|fr|it|cn|eu|hu|nl|be|ch|at|au|ca|br|ar|cl|pe|ru|pl|se|"
    "no|dk|fi|pt|ie|nz|jp|kr|tr|gr|cz|ro|tv|cc|xyz|online|site|club|example|test|invalid|local"
)
_STRICT_EMAIL = re.compile(
    r"[A-Za-z0-9\u00c0-\u024f][\w.+%'\-]{0,63}@(?:[\w\-]{1,63}\.){1,5}[A-Za-z\u00c0-\u024f]{2,24}|\w@(?:[\w\-]{1,63}\.){1,5}[A-Za-z]{2,24}"
)
_SURE_TLDS = "com|org|net|edu|gov|info|biz"
# A part of a domain ends at the first "_dot_", so that a row of them can be read in one way only.
_LABEL = r"(?:(?!_dot_)[\w\-]){1,63}+"
# "dinner at home. It was" is no address: with the word "at", require a dot without blanks or a common domain.
_LOOSE_EMAILS = {
    name: re.compile(
        rf"(?<![{LATIN}@])\w[\w.+%\-]{{0,63}}(?:\s(?:dot|punto|punkt|डॉट|underscore|gui[óo]n bajo)\s[\w\-]+){{0,3}}{at}"
        rf"(?:{_LABEL}(?:{_POINT}|{_DOT_WORD})){{0,3}}{_LABEL}{domain}(?![{LATIN}@])",
        re.IGNORECASE,
    )
    for name, at, domain in (
        ("email_loose", _AT_SIGN, rf"(?:{_POINT}|{_DOT_WORD})(?:{_TLDS})"),
        ("email_spoken", _AT_WORD, rf"(?:\.(?:{_TLDS})|{_S}?\.{_S}?(?:{_SURE_TLDS}))"),
        ("email_spelled", _AT_WORD, rf"{_DOT_WORD}(?:{_TLDS})"),
    )
}
_NOT_A_MAILBOX = frozenset(
    "look looking be am is are was were meet met stay stayed arrive here there sign go went good bad not just me us it "
    "working work works live lives up in out".split()
)
# A link ends at a blank, a quote or a bracket, and where a script without blanks goes on behind it.
_IN_URL = rf"[^\s<>\"'）)\]{UNSPACED}]"
_URL = re.compile(
    rf"{START}(?:(?:https?|ftp)://|www\.){_IN_URL}{{1,2000}}|{START}hxxps?://[^\s<>\"']{{1,2000}}|{START}[a-z2-7]{{56}}\.onion(?:/{_IN_URL}{{0,500}})?",
    re.IGNORECASE,
)
_SPELLED_DOMAIN = re.compile(r"(?:\s?[(\[{]\s?dot\s?[)\]}]\s?|\sdot\s)[\w./\-]*[\w/]", re.IGNORECASE)
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)"
# Endings that are words or files of code too: "got home.it was late", "System.io".
_WORD_TLDS = "io|dev|app|de|es|fr|it|in|eu|hu|nl|ch|ai|info|gl|me"
# Of those, the ones that long names of sites have.
_SITE_TLDS = frozenset("dev app ai eu nl ch hu fr".split())
_BARE_DOMAIN = re.compile(
    rf"(?<![{LATIN}@./\-]){_HOST}{{0,3}}{_HOST}(?:(?P<sure>com|org|net|edu|gov|co\.uk|biz|onion)|(?P<word>{_WORD_TLDS}))(?P<path>/{_IN_URL}{{0,500}})?(?![{LATIN}@\-(]|\.[A-Za-z])"
)
_DOMAIN_CUE = cue(
    r"\bsite|website|web ?page|homepage|\blink|\burl\b|\bdomain|\bvisit|\bblog\b|portfolio|\bshop\b|\bstore\b|\bonline\b|go to\b|check(?: out)?\b|sitio|página|enlace|webseite|sito\b|वेबसाइट|लिंक|网站|主页"
)
_DOMAIN_NEXT = cue(
    r"(?:visit|website|\bsite|\blink|\burl|\bdomain|\bblog|\bshop|\bweb|\bpage)(?: (?:is|at|on))?[: ]{1,2}$"
)
_PERSONAL_URL = re.compile(
    r"://[^/\s]*@|[?&](?:e?mail|user(?:name|id)?|uid|token|auth|session|sid|key|phone|name|sig|password|pwd)=|%40"
    r"|(?:facebook|instagram|twitter|linkedin|tiktok|github|t\.me|wa\.me|x)\.(?:com|me)/|/(?:in|u|user|users|profile|~)/?\w",
    re.IGNORECASE,
)


_POINT_IN_TIME = re.compile(r"\b(?:one|some|this|that|which|any|what|every|no|the|a) point\b", re.IGNORECASE)


def _loose_email(match: re.Match[str]) -> Span | None:
    written = match.group()
    first = re.split(r"\W", written, maxsplit=1)[0].lower()
    spoken_at = "@" not in written and re.search(r"\sat\s", written, re.IGNORECASE)
    if spoken_at and (first in _NOT_A_MAILBOX or _POINT_IN_TIME.search(written)):
        return None
    return Span(*match.span(), "EMAIL_ADDRESS", 0.85)


def _url(match: re.Match[str]) -> Span:
    end = match.start() + len(match.group().rstrip(".,;:!?…*"))
    spelled = _SPELLED_DOMAIN.match(match.string, end)
    end = spelled.end() if spelled else end
    return Span(match.start(), end, "URL", 0.95 if _PERSONAL_URL.search(match.group()) else 0.8)


def _domain(match: re.Match[str]) -> Span | None:
    path = match.group("path")
    if path and _PERSONAL_URL.search(match.group()):
        return Span(*match.span(), "URL", 0.9)
    if match.group("word") and not path and not _is_domain(match):
        return None
    return Span(*match.span(), "URL", 0.55)


def _is_domain(match: re.Match[str]) -> bool:
    """Whether a name with an ending that is a word too is one: by its labels, or by what stands before it."""
    labels = match.group().split(".")
    if _DOMAIN_NEXT.search(before(match, 20)):
        return True
    if re.match(r"\s[a-z]", after(match, 2)) and labels[-1] in ("in", "it", "me", "de", "es"):
        return False  # "i was tired.in the end": prose goes on behind a full stop without a blank
    if labels[-1] in _SITE_TLDS and len(labels[-2]) >= 6 and not re.match(r"[.=:]?\w", after(match, 2)):
        return True
    told = _DOMAIN_CUE.search(before(match, 30)) is not None
    return told or len(labels) > 3 or any(char.isdigit() or char == "-" for char in labels[0])


RULES = (
    Rule("email", _STRICT_EMAIL, always("EMAIL_ADDRESS", 1.0)),
    *(Rule(name, pattern, _loose_email) for name, pattern in _LOOSE_EMAILS.items()),
    Rule("url", _URL, _url),
    Rule("domain", _BARE_DOMAIN, _domain),
)
