"""Identifiers with a shape of their own: e-mail, URL, IP address, IBAN, letter-and-digit ids, wallets, secrets."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from models.privacy import checksums
from models.privacy.span import Span

_AT = r"(?:\s?@\s?|\s?[(\[{<]\s?(?:at|arroba|@)\s?[)\]}>]\s?|\s(?:at|arroba|chiocciola|एट|ऐट|at the rate)\s|_at_)"
_DOT = r"(?:\s?\.\s?|\s?[(\[{<]\s?(?:dot|punto|\.)\s?[)\]}>]\s?|\s(?:dot|punto|punkt|point|डॉट|डाट)\s|_dot_)"
_TLDS = (
    "com|org|net|edu|gov|info|biz|io|co|ai|app|dev|me|us|uk|in|es|mx|de|fr|it|cn|eu|hu|nl|be|ch|at|au|ca|br|ar|cl|pe|ru|pl|se|"
    "no|dk|fi|pt|ie|nz|jp|kr|tr|gr|cz|ro|tv|cc|xyz|online|site|club|example|test|invalid|local"
)
_STRICT_EMAIL = re.compile(
    r"[A-Za-z0-9\u00c0-\u024f][\w.+%'\-]{0,63}@(?:[\w\-]{1,63}\.){1,5}[A-Za-z\u00c0-\u024f]{2,24}|\w@(?:[\w\-]{1,63}\.){1,5}[A-Za-z]{2,24}"
)
_LOOSE_EMAIL = re.compile(
    rf"(?<![\w@])\w[\w.+%\-]{{0,63}}(?:\s(?:dot|punto|punkt|डॉट|underscore|gui[óo]n bajo)\s[\w\-]+){{0,3}}{_AT}"
    rf"(?:[\w\-]{{1,63}}{_DOT}){{1,4}}(?:{_TLDS})(?![\w@])",
    re.IGNORECASE,
)
_NOT_A_MAILBOX = frozenset(
    [
        "look",
        "looking",
        "be",
        "am",
        "is",
        "are",
        "was",
        "were",
        "meet",
        "met",
        "stay",
        "stayed",
        "arrive",
        "here",
        "there",
        "sign",
        "go",
        "went",
        "good",
        "bad",
        "not",
        "just",
        "me",
        "us",
        "it",
        "working",
        "work",
        "works",
        "live",
        "lives",
        "up",
        "in",
        "out",
    ]
)
_URL = re.compile(r"\b(?:(?:https?|ftp)://|www\.)[^\s<>\"'）)\]]+|\bhxxps?://[^\s<>\"']+", re.IGNORECASE)
_SPELLED_DOMAIN = re.compile(r"(?:\s?[(\[{]\s?dot\s?[)\]}]\s?|\sdot\s)[\w./\-]*[\w/]", re.IGNORECASE)
_BARE_DOMAIN = re.compile(
    r"(?<![\w@./\-])(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,4}"
    r"(?:com|org|net|edu|gov|info|io|co\.uk|biz|dev|app|de|es|fr|it|in|eu|hu|nl|ch|ai)(?:/[^\s<>\"')]*)?(?![\w@\-])"
)
_IPV4 = re.compile(
    r"(?<![\w.\-])(?:\d{1,3}(?:\.|\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s)){3}\d{1,3}(?![\w\-]|\.\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])"
)
_NOT_IP = re.compile(r"(?:version|ver|release|build|firmware|v|section|chapter|rev)\.?\s*$", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ \-]?\d[ \-]?\d(?:[ \-]?[A-Za-z0-9]){10,30}", re.IGNORECASE)
_IBAN_WORD = re.compile(r"[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]*\d[A-Za-z0-9]*){1,8}")
_SPANISH = re.compile(
    r"(?<![\w])(?:\d{2}[. ]?\d{3}[. ]?\d{3}|[XYZ][ -]?\d{7})[ \-]?[A-Z](?!\w)", re.IGNORECASE
)
_PAN = re.compile(r"(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\s?\d{4}\s?[A-Z](?!\w)", re.IGNORECASE)
_FISCAL = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)", re.IGNORECASE)
_NINO = re.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.IGNORECASE
)
_CHINESE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])")
_PLATE = re.compile(r"(?<!\w)[A-Z]{2}[ -]?\d{2}[ -]?[A-Z]{1,2}[ -]?\d{4}(?!\w)", re.IGNORECASE)
_PLATE_CUE = re.compile(r"vehicle|\bcar\b|plate|registration|gaa?di|गाड़ी|वाहन", re.IGNORECASE)
_LETTERED_ID = re.compile(r"(?<!\w)(?=[A-Z\-]*\d)[A-Z]{1,3}-?\d{6,14}[A-Z]?(?!\w)", re.IGNORECASE)
_ID_CUE = re.compile(
    r"(?P<IN_PASSPORT>passport|pasaporte|reisepass|passeport|passaporto|पासपोर्ट|护照)"
    r"|(?P<US_DRIVER_LICENSE>licen[cs]e|licencia|führerschein|\bpermis\b|patente)"
    r"|(?P<IN_VOTER>voter|epic\b)|(?P<NATIONAL_ID>\bid (?:card|number|no)\b|national id|identity)",
    re.IGNORECASE,
)
_WALLET_58 = re.compile(r"(?<![A-Za-z0-9])[13LDX9A][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])")
_WALLET_BECH32 = re.compile(r"(?<![A-Za-z0-9])(?:bc1|tb1|ltc1)[a-z0-9]{11,87}(?![A-Za-z0-9])", re.IGNORECASE)
_WALLET_ETH = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")
_MAC = re.compile(r"(?<![\w:\-])[0-9A-Fa-f]{2}(?:([:\-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:\-])")
_KNOWN_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:AKIA|ASIA|AROA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_\w{22,}\b|\bglpat-[\w\-]{20,}"
    r"|\bsk-(?:proj-|ant-|live-|or-)?[\w\-]{16,}|\b[spr]k_(?:live|test)_[A-Za-z0-9]{10,}\b|\bxox[abeoprs]-[\w\-]{10,}"
    r"|\bAIza[\w\-]{35}|\bya29\.[\w\-]{20,}|\bhf_[A-Za-z0-9]{20,}\b|\bSG\.[\w\-]{16,}\.[\w\-]{16,}"
    r"|\beyJ[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]{5,}|\bnpm_[A-Za-z0-9]{30,}\b|\bpypi-[\w\-]{30,}|\bdop_v1_[0-9a-f]{40,}\b"
)
_TOKEN = re.compile(r"(?<![\w/+\-])[A-Za-z0-9_/+\-]{20,256}={0,2}(?![\w/+\-])")
_SECRET_CUE = re.compile(
    r"(?:pass\s?(?:word|code|phrase)|passwd|\bpwd\b|\bpin(?: code| number)?\b|contraseña|clave|passwort|mot de passe|"
    r"पासवर्ड|密码|api[ _-]?key|secret(?: key)?|access[ _-]?token|auth(?:orization)?[ _-]?token|bearer|private key|\botp\b)"
    r"\s*(?:is|es|ist|est|è|hai|है|是|to|for \w+ is|=|:|->)+\s*[\"'`]?(?P<value>[^\s\"'`,;]{4,128})",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_PERSONAL_URL = re.compile(
    r"://[^/\s]*@|[?&](?:e?mail|user(?:name|id)?|uid|token|auth|session|sid|key|phone|name|sig|password|pwd)=|%40"
    r"|(?:facebook|instagram|twitter|linkedin|tiktok|github|t\.me|wa\.me|x)\.(?:com|me)/|/(?:in|u|user|users|profile|~)/?\w",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rule:
    """A pattern of one entity type; `needs` is a character without which the pattern cannot match."""

    name: str
    needs: Callable[[str], bool]
    find: Callable[[str], list[Span]]


def _compact(text: str) -> str:
    return re.sub(r"[ \-.]", "", text).upper()


def _emails(text: str) -> list[Span]:
    spans = [Span(*match.span(), "EMAIL_ADDRESS", 1.0) for match in _STRICT_EMAIL.finditer(text)]
    for match in _LOOSE_EMAIL.finditer(text):
        first = re.split(r"\W", match.group(), maxsplit=1)[0].lower()
        spoken_at = "@" not in match.group() and re.search(r"\sat\s", match.group(), re.IGNORECASE)
        if not (spoken_at and first in _NOT_A_MAILBOX):
            spans.append(Span(*match.span(), "EMAIL_ADDRESS", 0.85))
    return spans


def _urls(text: str) -> list[Span]:
    spans = []
    for match in _URL.finditer(text):
        end = match.start() + len(match.group().rstrip(".,;:!?…*"))
        spelled = _SPELLED_DOMAIN.match(text, end)
        end = spelled.end() if spelled else end
        spans.append(Span(match.start(), end, "URL", 0.95 if _PERSONAL_URL.search(match.group()) else 0.8))
    for match in _BARE_DOMAIN.finditer(text):
        if any(span.overlaps(*match.span()) for span in spans):
            continue
        spans.append(
            Span(
                *match.span(),
                "URL",
                0.9 if "/" in match.group() and _PERSONAL_URL.search(match.group()) else 0.55,
            )
        )
    return spans


def _addresses_of_machines(text: str) -> list[Span]:
    spans = []
    for match in (*_IPV4.finditer(text), *_IPV6.finditer(text)):
        written = re.sub(r"\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s", ".", match.group())
        try:
            address = ipaddress.ip_address(written)
        except ValueError:
            continue
        if address.is_loopback or address.is_unspecified or _NOT_IP.search(text[: match.start()][-12:]):
            continue
        if ":" in written and len(written) < 6:
            continue
        spans.append(Span(*match.span(), "IP_ADDRESS", 0.95))
    spans += [Span(*match.span(), "MAC_ADDRESS", 0.9) for match in _MAC.finditer(text)]
    return spans


def _ibans(text: str) -> list[Span]:
    spans = []
    for match in _IBAN.finditer(text):
        size = checksums.iban_length(match.group()[:2].upper())
        cued = re.search(r"iban", text[max(0, match.start() - 30) : match.start()], re.IGNORECASE)
        taken, compact = match.start(), ""
        while size and len(compact) < size and taken < match.end():
            if text[taken].isalnum():
                compact += text[taken].upper()
            taken += 1
        ends_here = not text[taken : taken + 1].isalnum()
        if size and len(compact) == size and ends_here and checksums.iban(compact):
            spans.append(Span(match.start(), taken, "IBAN_CODE", 1.0))
            continue
        long = _IBAN_WORD.match(text, match.start())
        if cued and long:
            # Called an IBAN, with a typing mistake or a length that its country does not have.
            spans.append(Span(*long.span(), "IBAN_CODE", 0.6))
    return spans


def _lettered_ids(text: str) -> list[Span]:
    spans = []
    for match in _SPANISH.finditer(text):
        compact = _compact(match.group())
        if checksums.spanish_id(compact):
            spans.append(Span(*match.span(), "ES_NIE" if compact[0] in "XYZ" else "ES_NIF", 0.95))
    for match in _CHINESE.finditer(text):
        if checksums.chinese_id(match.group().upper()):
            spans.append(Span(*match.span(), "CN_RESIDENT_ID", 0.95))
    for match in _FISCAL.finditer(text):
        if checksums.italian_fiscal_code(match.group().upper()):
            spans.append(Span(*match.span(), "IT_FISCAL_CODE", 0.95))
    for pattern, name, cue in (
        (_PAN, "IN_PAN", r"\bpan\b|पैन"),
        (_NINO, "UK_NINO", r"national insurance|\bni(?:no)?\b"),
    ):
        for match in pattern.finditer(text):
            cued = re.search(cue, text[max(0, match.start() - 40) : match.end() + 20], re.IGNORECASE)
            if match.group().isupper() or cued:
                spans.append(Span(*match.span(), name, 0.9 if cued else 0.75))
    for match in _PLATE.finditer(text):
        cued = _PLATE_CUE.search(text[max(0, match.start() - 40) : match.end() + 30])
        if cued or match.group().isupper():
            spans.append(Span(*match.span(), "IN_VEHICLE_REGISTRATION", 0.8 if cued else 0.55))
    for match in _LETTERED_ID.finditer(text):
        # The cue before, else the cue after: "my passport is K123", "K123 is my passport".
        before = _ID_CUE.search(text[max(0, match.start() - 40) : match.start()]) or _ID_CUE.search(
            text[match.end() : match.end() + 40]
        )
        if before and before.lastgroup:
            spans.append(Span(*match.span(), before.lastgroup, 0.75))
    return spans


def _wallets(text: str) -> list[Span]:
    spans = [Span(*match.span(), "CRYPTO", 0.95) for match in _WALLET_ETH.finditer(text)]
    spans += [
        Span(*match.span(), "CRYPTO", 1.0)
        for match in _WALLET_58.finditer(text)
        if checksums.base58check(match.group())
    ]
    spans += [
        Span(*match.span(), "CRYPTO", 1.0)
        for match in _WALLET_BECH32.finditer(text)
        if checksums.bech32(match.group())
    ]
    return spans


def entropy(token: str) -> float:
    """Shannon entropy of a token's characters, bits a character."""
    counts = Counter(token)
    return -sum(count / len(token) * math.log2(count / len(token)) for count in counts.values())


def _secrets(text: str) -> list[Span]:
    spans = [Span(*match.span(), "API_KEY", 1.0) for match in _KNOWN_KEYS.finditer(text)]
    for match in _SECRET_CUE.finditer(text):
        value = match.group("value").rstrip(".!?)")
        mixed = any(c.isdigit() for c in value) and (len(value) >= 6 or value.isdigit())
        odd = any(not c.isalnum() and c not in "'’-.…" for c in value) and len(value) >= 6
        if mixed or odd:
            spans.append(Span(match.start("value"), match.start("value") + len(value), "PASSWORD", 0.8))
    for match in _TOKEN.finditer(text):
        token = match.group()
        kinds = sum(
            (any(map(str.islower, token)), any(map(str.isupper, token)), any(map(str.isdigit, token)))
        )
        if _UUID.fullmatch(token) or kinds < 2 or not any(map(str.isdigit, token)):
            continue
        if token.count("/") > 2 or "--" in token or token.count("-") > 4:
            continue
        cued = re.search(
            r"key|token|secret|auth|bearer", text[max(0, match.start() - 30) : match.start()], re.IGNORECASE
        )
        bits = entropy(token)
        if (bits >= 3.5 and cued) or (kinds == 3 and bits >= 4.0 and len(token) >= 28):
            spans.append(Span(*match.span(), "API_KEY", 0.8 if cued else 0.55))
    return spans


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


_SECRET_WORD = re.compile(
    r"pass|pwd|\bpin|contraseña|clave|mot de|पासवर्ड|密码|key|secret|token|bearer|\botp", re.IGNORECASE
)


def pattern_spans(text: str) -> list[Span]:
    """Every identifier of these shapes in one view."""
    return [span for rule in RULES if rule.needs(text) for span in rule.find(text)]


_LONG_TOKEN = re.compile(r"[A-Za-z0-9_/+=\-]{16}")
_MAYBE_MAIL = re.compile(r"@|\bat\b|_at_|arroba|chiocciola|एट", re.IGNORECASE)
_MAYBE_IP = re.compile(r"\d\s?[.(\[]|:[0-9a-fA-F]*:|\ddot|\d\sdot", re.IGNORECASE)

RULES = (
    Rule("email", lambda text: _MAYBE_MAIL.search(text) is not None, _emails),
    Rule("url", lambda text: "." in text or "://" in text, _urls),
    Rule(
        "ip",
        lambda text: _MAYBE_IP.search(text) is not None or "-" in text or ":" in text,
        _addresses_of_machines,
    ),
    Rule("iban", _has_digit, _ibans),
    Rule("lettered_id", _has_digit, _lettered_ids),
    Rule("wallet", lambda text: _LONG_TOKEN.search(text) is not None, _wallets),
    Rule(
        "secret",
        lambda text: _LONG_TOKEN.search(text) is not None or _SECRET_WORD.search(text) is not None,
        _secrets,
    ),
)
