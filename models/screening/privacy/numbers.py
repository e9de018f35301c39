"""Find identifiers made of digits (cards, national numbers, phone numbers) by checksum, shape and cue words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from models.screening.privacy import checksums
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import Span

# Digits with the separators that people put between them; (), + and dots as phone numbers have them.
_RUN = re.compile(
    r"(?<![A-Za-z0-9_.,%/])[+(]{0,3}(?:(?<=\+)[ .\-])?\d(?:[\s\-.()/+_]{0,3}\d){5,}(?![A-Za-z0-9_]*@)"
)
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension|#)\s?\d{1,6}\b", re.IGNORECASE)
_PHONE_CUE = re.compile(
    r"phone|mobile|cell|call|whats\s?app|telegram|\btel\b|\btel[ée]fono|m[óo]vil|celular|ll[áa]ma|\btext me|\bsms\b"
    r"|contact|\bfax\b|reach (?:me|him|her|us|them)|\bdial\b|ring me|\bdigits\b|hotline|landline|voicemail"
    r"|\bnumber(?:'s| is|:)|\bnumero\b|n[úu]mero|handy|\banruf|telefon|rufnummer|portable|t[ée]l[ée]phone|cellulare"
    r"|answering at|\boffice\b|फ़?ोन|फोन|फ़ोन|नंबर|नम्बर|मोबाइल|कॉल|电话|手机|號碼|号码|微信|\bnambar\b|\bph\b|\bmob\b"
    r"|\bmy no\b|\bnum\b|\bnombor",
    re.IGNORECASE,
)
_SHORT_CUE = re.compile(r"phone|call|reach|mobile|\btel\b|tel[ée]f", re.IGNORECASE)
_NOT_PHONE = re.compile(
    r"order|invoice|ticket|version|\bv\d|isbn|issn|score|\bcase\b|\bref(?:erence)?\b|tracking|\broom\b|\bpage|\bserial"
    r"|\bsku\b|\bmodel\b|\bbuild\b|release|pedido|factura|versi[óo]n|bestell|rechnung|commande|ordine|\bpi\b|\bresult"
    r"|patent|\bparcel|\bbatch|\blot\b|\bseats?\b|\bchapter|\bverse|\bflight|\bbooking|\bsolve|equation|\bequals?\b"
    r"|\bsum\b|\btotal\b|\bmodel|आर्डर|ऑर्डर|订单|\border\b|\bproduct\b|\bitem\b|\brecord\b|\bmarcador|\bresultado"
    r"|\$|€|£|₹|\busd\b|\beur\b|\bdollars|\bmillion|\bpopulation|\bcoordinates|\blatitude|\blongitude|\bfirmware",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:order|invoice|ticket|tracking|ref|case|pedido|factura|version|isbn)\W{0,4}(?:no\.?|number|id|code)?"
    r"(?:\s(?:is|was|es|hai))?\W{0,3}$",
    re.IGNORECASE,
)
_CUES = {
    "PHONE_NUMBER": _PHONE_CUE,
    "US_SSN": re.compile(r"\bssn\b|social[\s-]?security|\bsoc\b|\bitin\b|\btax ?payer", re.IGNORECASE),
    "IN_AADHAAR": re.compile(r"aadh?aa?r|adhaar|\buidai?\b|आधार", re.IGNORECASE),
    "UK_NHS": re.compile(r"\bnhs\b", re.IGNORECASE),
    "DE_TAX_ID": re.compile(r"steuer", re.IGNORECASE),
    "CREDIT_CARD": re.compile(
        r"\bcards?\b|\bcc\b|credit|debit|tarjeta|visa|master\s?card|amex|kreditkarte|carte|carta|कार्ड|卡|karte",
        re.IGNORECASE,
    ),
    "US_BANK_NUMBER": re.compile(
        r"account|acct|\ba/c\b|bank|routing|cuenta|konto|khata|खाता|账号|账户", re.IGNORECASE
    ),
    "IN_PASSPORT": re.compile(
        r"passport|pasaporte|reisepass|passeport|passaporto|पासपोर्ट|护照", re.IGNORECASE
    ),
    "US_DRIVER_LICENSE": re.compile(
        r"driver'?s?\W{1,3}licen[cs]e|driving licen[cs]e|\bdl (?:no|number|#)", re.IGNORECASE
    ),
    "CN_RESIDENT_ID": re.compile(r"身份证|身份證|resident id|identity", re.IGNORECASE),
    "BR_CPF": re.compile(r"\bcpf\b", re.IGNORECASE),
}
_CUE_REACH = 40
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))(?:[ T]\d{1,2}(?:[:.]?\d{2}.*)?)?"
)
_YEARS = re.compile(
    r"(?:1[5-9]|20)\d\d(?:\s?[-/.,]\s?|\s)(?:(?:1[5-9]|20)\d\d|\d\d)(?:(?:\s?[-/.,]\s?|\s)(?:1[5-9]|20)\d\d)*"
)
_SSN_SHAPE = re.compile(r"\d{3}([- ])\d{2}\1\d{4}")
_NANP_SHAPE = re.compile(r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\)\s?[-. ]?|[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}")
_GROUPED_SHAPE = re.compile(r"\(?0?\d{1,4}\)?(?:[-. ]{1,2}\(?\d{2,5}\)?){1,4}")
_AADHAAR_SHAPE = re.compile(r"\d{4}([- ])\d{4}\1\d{4}")
_CPF_SHAPE = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}")
_SINGLE_DIGITS = re.compile(r"\d(?:[ \-.]\d)*")
_NIR_SHAPE = re.compile(r"[12] ?\d\d ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d")


def cued(kind: str, words: str) -> bool:
    """Whether `words` contain a cue word for this kind of number."""
    return _CUES[kind].search(words) is not None


@dataclass(frozen=True)
class _Run:
    """A digit run of a text: its range, its text as written, its digits and the words around it."""

    start: int
    end: int
    written: str
    digits: str
    before: str
    around: str

    def cued(self, kind: str) -> bool:
        return cued(kind, self.around)


def _run(match: re.Match[str]) -> _Run:
    start, end = match.span()
    written = match.group()
    if written.startswith("(") and ")" not in written:
        start, written = start + 1, written[1:]
    before = match.string[max(0, start - _CUE_REACH) : start]
    around = before + "\0" + match.string[end : end + _CUE_REACH]
    return _Run(start, end, written, "".join(filter(str.isdigit, written)), before, around)


def _card(run: _Run) -> Span | None:
    if checksums.card(run.digits):
        groups = [part for part in re.split(r"\D+", run.written) if part]
        tidy = (
            len(groups) == 1
            or all(len(group) in (3, 4, 5, 6, 7) for group in groups)
            or run.cued("CREDIT_CARD")
        )
        spoken = all(len(group) <= 2 for group in groups)
        return Span(run.start, run.end, "CREDIT_CARD", 1.0 if tidy or spoken else 0.7)
    if len(run.digits) in (15, 16) and re.search(r"\bcard\b|\bcc\b|tarjeta|कार्ड", run.before, re.IGNORECASE):
        # A possibly mistyped card number after a cue word: the low score sends it to human review.
        return Span(run.start, run.end, "CREDIT_CARD", 0.45)
    # A card inside a longer run (card and expiry, two cards): look for a grouped card at its start or end.
    return None


def _national(run: _Run) -> Span | None:
    digits, written = run.digits, run.written
    identifier: str | None = None
    if len(digits) == 9:
        if checksums.us_ssn(digits) and (_SSN_SHAPE.fullmatch(written) or run.cued("US_SSN")):
            identifier = "US_SSN"
        elif digits[0] == "9" and run.cued("US_SSN"):
            identifier = "US_ITIN"
    elif (
        len(digits) == 12
        and checksums.valid("IN_AADHAAR", digits)
        and (_AADHAAR_SHAPE.fullmatch(written) or run.cued("IN_AADHAAR"))
    ):
        identifier = "IN_AADHAAR"
    elif (
        len(digits) == 11
        and checksums.valid("BR_CPF", digits)
        and (_CPF_SHAPE.fullmatch(written) or run.cued("BR_CPF"))
    ):
        identifier = "BR_CPF"
    elif len(digits) == 11 and run.cued("DE_TAX_ID") and checksums.valid("DE_TAX_ID", digits):
        identifier = "DE_TAX_ID"
    elif len(digits) == 10 and run.cued("UK_NHS") and checksums.valid("UK_NHS", digits):
        identifier = "UK_NHS"
    elif len(digits) == 15 and _NIR_SHAPE.fullmatch(written) and checksums.valid("FR_NIR", digits):
        identifier = "FR_NIR"
    elif (
        len(digits) == 18
        and (written.isdigit() or _SINGLE_DIGITS.fullmatch(written))
        and checksums.valid("CN_RESIDENT_ID", digits)
    ):
        identifier = "CN_RESIDENT_ID"
    if identifier is None and 7 <= len(digits) <= 17:
        for kind in ("IN_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER"):
            if (
                run.cued(kind)
                and not run.cued("CREDIT_CARD")
                and written.replace(" ", "").replace("-", "").isdigit()
            ):
                if kind == "US_BANK_NUMBER" and _PHONE_CUE.search(run.before):
                    continue
                return Span(run.start, run.end, kind.replace("IN_PASSPORT", "US_PASSPORT"), 0.7)
    return Span(run.start, run.end, identifier, 0.95) if identifier else None


@lru_cache(maxsize=65536)
def _dialable(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether phonenumbers accepts the digits as a number of one of the regions (ZZ: international)."""
    import phonenumbers

    for region in regions:
        try:
            number = phonenumbers.parse(digits, None if region == "ZZ" else region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


# Regions of numbers without a country code, from the supported languages.
_REGIONS = tuple("US IN GB ES MX DE FR IT CN AU BR AR CO NL CH AT BE CA".split())


def _looks_like_date_or_years(run: _Run) -> bool:
    return bool(_DATE.fullmatch(run.written) or _YEARS.fullmatch(run.written))


def _phone_score(run: _Run) -> float:
    written, digits = run.written.strip(), run.digits
    size = len(digits)
    if size > 17 or len(set(digits)) < 2:
        return 0.0
    has_cue = run.cued("PHONE_NUMBER")
    excluded = _NOT_PHONE.search(run.before[-24:]) is not None
    if _looks_like_date_or_years(run):
        return 0.0
    if _NUMBERED.search(run.before):
        return 0.0
    if written.startswith(("+", "(+")) and 8 <= size <= 15:
        return 0.95 if _dialable("+" + digits, ("ZZ",)) or has_cue else 0.6
    if excluded and not has_cue:
        return 0.0
    if digits.startswith("00") and 10 <= size <= 17:
        return 0.9 if has_cue or _dialable("+" + digits[2:], ("ZZ",)) or size <= 15 else 0.3
    if (
        has_cue
        and size <= 15
        and (size >= 7 or (len(re.findall(r"\d+", written)) >= 3 and _SHORT_CUE.search(run.before)))
    ):
        return 0.85
    if size < 7:
        return 0.0
    return _uncued_phone_score(run, written, digits)


def _uncued_phone_score(run: _Run, written: str, digits: str) -> float:
    size = len(digits)
    groups = re.findall(r"\d+", written)
    if _NANP_SHAPE.fullmatch(written):
        return 0.85
    if written.startswith("(") and 7 <= size <= 13:
        return 0.75
    if len(groups) == 2 and "\n" in written:
        return 0.0
    if len(groups) == 1:
        if (size == 10 and digits[0] in "6789") or 10 <= size <= 13:
            return 0.6 if _dialable(digits, _REGIONS) else 0.0
        return 0.0
    if len(groups) == size and set(written) <= set("0123456789 "):
        # Single digits, as in a spelled-out number. Require a valid number, because lists of digits look the same.
        return 0.6 if 10 <= size <= 13 and _dialable(digits, _REGIONS) else 0.0
    if "/" in written or "_" in written or size > 13 or min(map(len, groups)) < 2:
        return 0.0
    if groups[0].startswith("0") and size >= 8:
        return 0.75
    dotted = "." in written
    if _GROUPED_SHAPE.fullmatch(written) and len(groups) >= 3 - (size == 7 or size >= 9) and not dotted:
        stands_alone = not re.search(r"\d\s*$", run.before) and size >= 7
        even = max(map(len, groups)) <= 5
        return 0.6 if stands_alone and even and (size >= 8 or "-" in written or " " in written) else 0.0
    return 0.7 if dotted and size >= 9 and len(groups) == 3 and _dialable(digits, _REGIONS) else 0.0


def _phone(run: _Run, text: str) -> Span | None:
    extension = _EXTENSION.match(text, run.end)
    end = extension.end() if extension else run.end
    score = _phone_score(run)
    if extension and score < 0.6 and not _looks_like_date_or_years(run) and 9 <= len(run.digits) <= 14:
        score = 0.75
    start = run.start
    if not score or (text[end : end + 1].isalpha() and not run.cued("PHONE_NUMBER")):
        return None  # no phone number, or the beginning of a longer code
    while text[start] in "(" and text[start:end].count("(") > text[start:end].count(")"):
        start += 1
    return Span(start, end, "PHONE_NUMBER", score)


_INNER_CARD = re.compile(r"(?<!\d)(?:\d{4}[- ]?){3}\d{4}(?!\d)|(?<!\d)3\d{3}[- ]?\d{6}[- ]?\d{5}(?!\d)")


def _inner(run: _Run) -> Span | None:
    """A card number inside a longer run with other digits (an expiry date, a security code, a line number)."""
    for match in _INNER_CARD.finditer(run.written):
        if checksums.card("".join(filter(str.isdigit, match.group()))):
            return Span(run.start, run.end, "CREDIT_CARD", 0.95)
    return None


def _number(match: re.Match[str]) -> Span | None:
    """A card, a national number or a phone number: at most one span a digit run."""
    run = _run(match)
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", run.written):
        return None  # an IPv4 address: another rule's
    return _card(run) or _national(run) or _phone(run, match.string) or _inner(run)


RULES = (Rule("number", _RUN, _number),)
