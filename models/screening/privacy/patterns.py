"""Find identifiers by their format: e-mail, URL, IP address, IBAN, letter-and-digit ids, wallets, secrets."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter

from models.screening.privacy import checksums
from models.screening.privacy.rule import Judge, Rule, after, always, before
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
        rf"(?<![\w@])\w[\w.+%\-]{{0,63}}(?:\s(?:dot|punto|punkt|डॉट|underscore|gui[óo]n bajo)\s[\w\-]+){{0,3}}{at}"
        rf"(?:{_LABEL}(?:{_POINT}|{_DOT_WORD})){{0,3}}{_LABEL}{domain}(?![\w@])",
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
_URL = re.compile(r"\b(?:(?:https?|ftp)://|www\.)[^\s<>\"'）)\]]+|\bhxxps?://[^\s<>\"']+", re.IGNORECASE)
_SPELLED_DOMAIN = re.compile(r"(?:\s?[(\[{]\s?dot\s?[)\]}]\s?|\sdot\s)[\w./\-]*[\w/]", re.IGNORECASE)
_BARE_DOMAIN = re.compile(
    r"(?<![\w@./\-])(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){0,3}"
    r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.(?:com|org|net|edu|gov|info|io|co\.uk|biz|dev|app|de|es|fr|it|in|eu|hu|nl|ch|ai)(?:/[^\s<>\"')]*)?(?![\w@\-])"
)
_IPV4 = re.compile(
    r"(?<![\w.\-])(?:\d{1,3}(?:\.|\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s)){3}\d{1,3}(?![\w\-]|\.\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])"
)
_NOT_IP = re.compile(r"(?:version|ver|release|build|firmware|v|section|chapter|rev)\.?\s*$", re.IGNORECASE)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[ \-]?\d[ \-]?\d(?:[ \-]?[A-Za-z0-9]){10,30}")
_IBAN_WORD = re.compile(r"[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]*\d[A-Za-z0-9]*){1,8}")
_NIF = re.compile(r"(?<!\w)\d{2}[. ]?\d{3}[. ]?\d{3}[ \-]?[A-Z](?!\w)", re.IGNORECASE)
_NIE = re.compile(r"(?<!\w)[XYZ][ -]?\d{7}[ \-]?[A-Z](?!\w)", re.IGNORECASE)
_PAN = re.compile(r"(?<!\w)[A-Z]{3}[ABCFGHJLPT][A-Z]\s?\d{4}\s?[A-Z](?!\w)", re.IGNORECASE)
_FISCAL = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)", re.IGNORECASE)
_NINO = re.compile(
    r"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.IGNORECASE
)
_CHINESE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])")
_PLATE = re.compile(r"(?<!\w)[A-Z]{2}[ -]?\d{2}[ -]?[A-Z]{1,2}[ -]?\d{4}(?!\w)", re.IGNORECASE)
_PAN_CUE = re.compile(r"\bpan\b|पैन", re.IGNORECASE)
_NINO_CUE = re.compile(r"national insurance|\bni(?:no)?\b", re.IGNORECASE)
_PLATE_CUE = re.compile(r"vehicle|\bcar\b|plate|registration|gaa?di|गाड़ी|वाहन", re.IGNORECASE)
_LETTERED_ID = re.compile(r"(?<!\w)[A-Z]{1,3}-?\d{6,14}[A-Z]?(?!\w)", re.IGNORECASE)
_ID_CUE = re.compile(
    r"(?P<IN_PASSPORT>passport|pasaporte|reisepass|passeport|passaporto|पासपोर्ट|护照)"
    r"|(?P<US_DRIVER_LICENSE>licen[cs]e|licencia|führerschein|\bpermis\b|patente)"
    r"|(?P<IN_VOTER>voter|epic\b)|(?P<NATIONAL_ID>\bid (?:card|number|no)\b|national id|identity)",
    re.IGNORECASE,
)
_WALLET_58 = re.compile(r"(?<![A-Za-z0-9])[13LDX9A][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])")
_WALLET_BECH32 = re.compile(r"(?<![A-Za-z0-9])(?:bc1|tb1|ltc1)[a-z0-9]{11,87}(?![A-Za-z0-9])", re.IGNORECASE)
_WALLET_ETH = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")
_MACS = {
    name: re.compile(rf"(?<![\w:\-])(?:[0-9A-Fa-f]{{2}}{sign}){{5}}[0-9A-Fa-f]{{2}}(?![\w:\-])")
    for name, sign in {"mac": ":", "mac_dashed": "-"}.items()
}
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


def _loose_email(match: re.Match[str]) -> Span | None:
    written = match.group()
    first = re.split(r"\W", written, maxsplit=1)[0].lower()
    spoken_at = "@" not in written and re.search(r"\sat\s", written, re.IGNORECASE)
    return None if spoken_at and first in _NOT_A_MAILBOX else Span(*match.span(), "EMAIL_ADDRESS", 0.85)


def _url(match: re.Match[str]) -> Span:
    end = match.start() + len(match.group().rstrip(".,;:!?…*"))
    spelled = _SPELLED_DOMAIN.match(match.string, end)
    end = spelled.end() if spelled else end
    return Span(match.start(), end, "URL", 0.95 if _PERSONAL_URL.search(match.group()) else 0.8)


def _domain(match: re.Match[str]) -> Span:
    personal = "/" in match.group() and _PERSONAL_URL.search(match.group())
    return Span(*match.span(), "URL", 0.9 if personal else 0.55)


def _machine(match: re.Match[str]) -> Span | None:
    written = re.sub(r"\s?[(\[]\s?(?:dot|\.)\s?[)\]]\s?|\sdot\s", ".", match.group())
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or _NOT_IP.search(before(match, 12)):
        return None
    if ":" in written and len(written) < 6:
        return None
    return Span(*match.span(), "IP_ADDRESS", 0.95)


def _iban(match: re.Match[str]) -> Span | None:
    text = match.string
    for end in range(match.end(), match.start() + 14, -1):
        if (
            text[end - 1].isalnum()
            and not text[end : end + 1].isalnum()
            and checksums.valid("IBAN_CODE", _compact(text[match.start() : end]))
        ):
            return Span(match.start(), end, "IBAN_CODE", 1.0)
    long = _IBAN_WORD.match(text, match.start())
    if long and re.search(r"iban", before(match, 30), re.IGNORECASE):
        # Called an IBAN, with a typing mistake or a length that its country does not have.
        return Span(*long.span(), "IBAN_CODE", 0.6)
    return None


def _compact(text: str) -> str:
    return re.sub(r"[ \-.]", "", text).upper()


def _checked(kind: str) -> Judge:
    """A judge that accepts matches with a valid checksum."""

    def judge(match: re.Match[str]) -> Span | None:
        valid = checksums.valid(kind, _compact(match.group()))
        return Span(*match.span(), kind, 0.95) if valid else None

    return judge


def _capitals_or_cued(kind: str, cue: re.Pattern[str], cued_score: float, score: float) -> Judge:
    """A judge that accepts matches in capitals or near a cue word."""

    def judge(match: re.Match[str]) -> Span | None:
        if cue.search(before(match, 40)) or cue.search(after(match, 30)):
            return Span(*match.span(), kind, cued_score)
        return Span(*match.span(), kind, score) if match.group().isupper() else None

    return judge


def _lettered_id(match: re.Match[str]) -> Span | None:
    # The cue before, else the cue after: "my passport is K123", "K123 is my passport".
    cue = _ID_CUE.search(before(match, 40)) or _ID_CUE.search(after(match, 40))
    return Span(*match.span(), cue.lastgroup, 0.75) if cue and cue.lastgroup else None


def _wallet(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "CRYPTO", 1.0) if checksums.base58check(match.group()) else None


def _segwit(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "CRYPTO", 1.0) if checksums.bech32(match.group()) else None


def entropy(token: str) -> float:
    """Shannon entropy of a token's characters, bits a character."""
    counts = Counter(token)
    return -sum(count / len(token) * math.log2(count / len(token)) for count in counts.values())


def _cued_secret(match: re.Match[str]) -> Span | None:
    value = match.group("value").rstrip(".!?)")
    mixed = any(c.isdigit() for c in value) and (len(value) >= 6 or value.isdigit())
    odd = any(not c.isalnum() and c not in "'’-.…" for c in value) and len(value) >= 6
    if mixed or odd:
        return Span(match.start("value"), match.start("value") + len(value), "PASSWORD", 0.8)
    return None


def _token(match: re.Match[str]) -> Span | None:
    token = match.group()
    digits = any(map(str.isdigit, token))
    kinds = sum((any(map(str.islower, token)), any(map(str.isupper, token)), digits))
    if kinds < 2 or not digits or _UUID.fullmatch(token) or token.count("/") > 2 or "--" in token:
        return None
    if token.count("-") > 4 or (_WALLET_58.fullmatch(token) and checksums.base58check(token)):
        return None
    cued = re.search(r"key|token|secret|auth|bearer", before(match, 30), re.IGNORECASE)
    bits = entropy(token)
    if (bits >= 3.5 and cued) or (kinds == 3 and bits >= 4.0 and len(token) >= 28):
        return Span(*match.span(), "API_KEY", 0.8 if cued else 0.55)
    return None


RULES = (
    Rule("email", _STRICT_EMAIL, always("EMAIL_ADDRESS", 1.0)),
    *(Rule(name, pattern, _loose_email) for name, pattern in _LOOSE_EMAILS.items()),
    Rule("url", _URL, _url),
    Rule("domain", _BARE_DOMAIN, _domain),
    Rule("ipv4", _IPV4, _machine),
    Rule("ipv6", _IPV6, _machine),
    *(Rule(name, pattern, always("MAC_ADDRESS", 0.9)) for name, pattern in _MACS.items()),
    Rule("iban", _IBAN, _iban),
    Rule("es_nif", _NIF, _checked("ES_NIF")),
    Rule("es_nie", _NIE, _checked("ES_NIE")),
    Rule("cn_resident_id", _CHINESE, _checked("CN_RESIDENT_ID")),
    Rule("it_fiscal_code", _FISCAL, _checked("IT_FISCAL_CODE")),
    Rule("in_pan", _PAN, _capitals_or_cued("IN_PAN", _PAN_CUE, 0.9, 0.75)),
    Rule("uk_nino", _NINO, _capitals_or_cued("UK_NINO", _NINO_CUE, 0.9, 0.75)),
    Rule("in_plate", _PLATE, _capitals_or_cued("IN_VEHICLE_REGISTRATION", _PLATE_CUE, 0.8, 0.55)),
    Rule("lettered_id", _LETTERED_ID, _lettered_id),
    Rule("wallet_eth", _WALLET_ETH, always("CRYPTO", 0.95)),
    Rule("wallet_base58", _WALLET_58, _wallet),
    Rule("wallet_bech32", _WALLET_BECH32, _segwit),
    Rule("known_key", _KNOWN_KEYS, always("API_KEY", 1.0)),
    Rule("told_secret", _SECRET_CUE, _cued_secret),
    Rule("token", _TOKEN, _token),
)
