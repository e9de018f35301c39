"""Find what payments are made with: IBANs, wallets, UPI addresses, and the data printed around a card number."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy import checksums
from models.screening.privacy.bounds import END, START, cue, is_latin
from models.screening.privacy.rule import Rule, after, always, before
from models.screening.privacy.span import Span

_JOINT = r"[ \-./,*|_\u00b7]?"
_IBAN = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z]{{2}}{_JOINT}\d{_JOINT}\d(?:{_JOINT}[A-Za-z0-9]){{10,30}}")
_IBAN_WORD = re.compile(
    rf"[A-Za-z]{{2}}{_JOINT}\d{_JOINT}\d(?:{_JOINT}[A-Za-z]{{4}}(?={_JOINT}\d))?(?:{_JOINT}[A-Za-z0-9]*\d[A-Za-z0-9]*){{1,31}}"
)
_IBAN_CUE = cue(r"iban|आईबैन|国际银行账")
_COMPACT = re.compile(r"[ \-./,*|_\u00b7]")
_WALLET_58 = re.compile(r"(?<![A-Za-z0-9])[13LDX9A][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])")
_WALLET_BECH32 = re.compile(r"(?<![A-Za-z0-9])(?:bc1|tb1|ltc1)[a-z0-9]{11,87}(?![A-Za-z0-9])", re.IGNORECASE)
_WALLET_ETH = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")

# Handles of the payment providers that NPCI lists for UPI.
_UPI_HANDLES = (
    "okaxis|okhdfcbank|okicici|oksbi|ybl|ibl|axl|paytm|ptyes|ptsbi|pthdfc|ptaxis|upi|apl|yapl|rapl|waaxis|wahdfcbank|waicici|wasbi|axisbank|axisb|icici|hdfcbank|hdfcbankjd"
    "|sbi|kotak|kmbl|barodampay|pnb|idfcbank|idfcfirst|indus|federal|fbl|rbl|yesbank|yesbankltd|cnrb|boi|mahb|uboi|unionbank|airtel|postbank|jupiteraxis|naviaxis|fam|freecharge|ikwik|slice|timecosmos|dbs|citi|citigold|hsbc|sc|superyes|tapicici|abfspay|myicici|pingpay|allbank|aubank|equitas|jio"
)
_UPI = re.compile(
    rf"(?<![A-Za-z0-9._\-])[A-Za-z0-9][A-Za-z0-9.\-_]{{1,63}}@(?:{_UPI_HANDLES})(?![A-Za-z0-9@\-]|\.[A-Za-z0-9])",
    re.IGNORECASE,
)
_UPI_ANY = re.compile(
    r"(?<![A-Za-z0-9._\-])[A-Za-z0-9][A-Za-z0-9.\-_]{1,63}@[A-Za-z]{2,20}(?![A-Za-z0-9@\-]|\.[A-Za-z0-9])"
)
_UPI_CUE = cue(r"\bupi\b|\bvpa\b|\bg-?pay\b|google pay|phone ?pe|paytm|\bbhim\b|यूपीआई|पेटीएम")
_LIKELY_UPI = frozenset("sc fam jio upi".split())

_CVV = re.compile(
    rf"(?:{START}(?:cvv2?|cvc2?|cv2){END}|card (?:verification|security) (?:code|number|value)|security code|c[óo]digo de seguridad|prüfziffer|kartenprüfnummer|cryptogramme|सीवीवी|安全码)"
    rf"(?: ?(?:code|number|no\.?|on the back))?[^\w\n]{{0,3}}(?:(?:is|es|ist|est|hai|=|:|है|是)[^\w\n]{{0,3}})?(?P<value>\d{{3,4}})(?![\d.,%]?\d)",
    re.IGNORECASE,
)
_EXPIRY = re.compile(
    rf"{START}(?:exp(?:ir(?:y|es|ation|ing))?(?: date)?|valid (?:thru|through|until|till)|good thru|caduca|vence|vencimiento|gültig bis|läuft ab|expire|scadenza|वैधता|有效期)"
    rf"[^\d\n]{{0,12}}?(?P<value>(?:0[1-9]|1[0-2])\s?[/\-.]\s?(?:20)?[2-4]\d)(?![\d/\-.]?\d)",
    re.IGNORECASE,
)
_CARD_CUE = cue(
    r"\bcards?\b|\bcvv|\bcvc|credit|debit|tarjeta|visa\b|master\s?card|amex|kreditkarte|\bkarte|\bcarte\b|\bcarta\b|कार्ड|信用卡|银行卡|last four|\d{4}[ \-]\d{4}"
)
_NOT_A_CARD = cue(
    r"business card|gift card|sim card|id card|library card|visa (?:application|stamp|expires|status)|green card|passport|licen[cs]e"
)


def compact(text: str) -> str:
    """The text without the signs that people put between groups, in capitals."""
    return _COMPACT.sub("", text).upper()


def _iban(match: re.Match[str]) -> Span | None:
    text = match.string
    for end in range(match.end(), match.start() + 14, -1):
        if (
            is_latin(text[end - 1])
            and not is_latin(text[end : end + 1] or " ")
            and checksums.valid("IBAN_CODE", compact(text[match.start() : end]))
        ):
            return Span(match.start(), end, "IBAN_CODE", 1.0)
    # Called an IBAN, with a typing mistake or a length that its country does not have.
    word = _IBAN_WORD.match(text, match.start())
    if (
        word
        and len(compact(word.group())) >= 10
        and (_IBAN_CUE.search(before(match, 40)) or _IBAN_CUE.search(text[word.end() : word.end() + 30]))
    ):
        return Span(*word.span(), "IBAN_CODE", 0.7)
    return None


def _wallet(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "CRYPTO", 1.0) if checksums.base58check(match.group()) else None


def _segwit(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "CRYPTO", 1.0) if checksums.bech32(match.group()) else None


def _upi(match: re.Match[str]) -> Span | None:
    # Some handles are words too: those need a word that tells of payments.
    ambiguous = match.group().rpartition("@")[2].lower() in _LIKELY_UPI
    return None if ambiguous and not _about_upi(match) else Span(*match.span(), "UPI_ID", 0.85)


def _about_upi(match: re.Match[str]) -> bool:
    return bool(_UPI_CUE.search(before(match, 40)) or _UPI_CUE.search(after(match, 30)))


def _announced_upi(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "UPI_ID", 0.7) if _about_upi(match) else None


def _expiry(match: re.Match[str]) -> Span | None:
    near = before(match, 60) + match.group() + after(match, 40)
    if not _CARD_CUE.search(near) or _NOT_A_CARD.search(near):
        return None
    return Span(*match.span("value"), "CREDIT_CARD", 0.7)


RULES = (
    Rule("iban", _IBAN, _iban, digits=8),
    Rule("wallet_eth", _WALLET_ETH, always("CRYPTO", 0.95)),
    Rule("wallet_base58", _WALLET_58, _wallet),
    Rule("wallet_bech32", _WALLET_BECH32, _segwit),
    Rule("upi", _UPI, _upi),
    Rule("upi_announced", _UPI_ANY, _announced_upi),
    Rule("card_code", _CVV, always("CREDIT_CARD", 0.8, "value")),
    Rule("card_expiry", _EXPIRY, _expiry),
)
