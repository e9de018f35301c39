"""Find identifiers made of digits (cards, national numbers, accounts, phones) by checksum, shape and cue words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.screening.privacy import checksums
from models.screening.privacy.bounds import cue
from models.screening.privacy.digits import RUN, Run
from models.screening.privacy.phones import announces_phone, is_amount, is_date, phone
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import Span

_SSN_SHAPE = re.compile(r"\d{3}([-. ])\d{2}[-. ]\d{4}")
_AADHAAR_SHAPE = re.compile(r"\d{4}([- ])\d{4}\1\d{4}")
_CPF_SHAPE = re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}")
_SINGLE_DIGITS = re.compile(r"\d(?:[ \-.]\d)*")
_NIR_SHAPE = re.compile(r"[12] ?\d\d ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d")
_CARD_TOLD = cue(
    r"(?<!gift )(?<!library )(?<!business )(?<!sim )(?<!\bid )\bcard\b|\bcc\b|tarjeta|कार्ड"
    r"|kreditkarte|carte (?:bancaire|bleue|de cr)"
)
_FORM_CUE = cue(r"\bforms?\b|\bkyc\b|verif|\bsubmit|\bration\b|\blink(?:ed)?\b|government|sarkari|फॉर्म")
_IP_SHAPE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_INNER_CARD = re.compile(r"(?<!\d)(?:\d{4}[- ]?){3}\d{4}(?!\d)|(?<!\d)3\d{3}[- ]?\d{6}[- ]?\d{5}(?!\d)")
_INNER_SSN = re.compile(r"(?<![\d\-])\d{3}([- ])\d{2}\1\d{4}(?![\d\-])")
_GAP = re.compile(r"[ \t]*\n\s*|\s{2,}|\s-\s")
# Numbers that are found by their size and a word that announces them, whether or not the checksum holds.
_ANNOUNCED = {
    "US_SSN": (9,), "IN_AADHAAR": (12,), "BR_CPF": (11,), "DE_TAX_ID": (11,), "UK_NHS": (10,), "FR_NIR": (13, 15),
    "CN_RESIDENT_ID": (18,), "MX_CLABE": (18,),
}  # fmt: skip
# Also without a word, where the checksum holds and the groups are those of the number.
_SHAPES = {"IN_AADHAAR": _AADHAAR_SHAPE, "BR_CPF": _CPF_SHAPE, "FR_NIR": _NIR_SHAPE}
_JOINTS = str.maketrans("", "", " -.")
_OTHERS = ("IN_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER")


def _card(run: Run) -> Span | None:
    # Cards of 13 digits are hardly issued any more; a tenth of the numbers of that size that begin with 4 pass.
    doubtful = len(run.digits) == 13 or run.is_part_of_code
    if (run.cued("CREDIT_CARD") or not doubtful) and checksums.card(run.digits):
        tidy = (
            len(run.groups) == 1
            or all(len(group) in (3, 4, 5, 6, 7) for group in run.groups)
            or run.cued("CREDIT_CARD")
        )
        spoken = all(len(group) <= 2 for group in run.groups)
        return Span(run.start, run.end, "CREDIT_CARD", 1.0 if tidy or spoken else 0.7)
    if len(run.digits) in (15, 16) and _CARD_TOLD.search(run.before):
        # Called a card, with a typing mistake.
        return Span(run.start, run.end, "CREDIT_CARD", 0.6)
    return None


def _national(run: Run) -> Span | None:
    digits, written = run.digits, run.written
    kind = _valid_kind(run)
    if kind is not None:
        return Span(run.start, run.end, kind, 0.95)
    for kind, sizes in _ANNOUNCED.items():
        # A phone number may stand beside the word too: it has a word of its own.
        if len(digits) in sizes and run.cued(kind) and kind != "MX_CLABE" and not announces_phone(run.before):
            return Span(run.start, run.end, "US_ITIN" if kind == "US_SSN" and digits[0] == "9" else kind, 0.7)
    # Numbers of countries whose checksums nothing here asks for: a word announces them.
    if (
        8 <= len(digits) <= 15
        and run.cued("NATIONAL_ID")
        and not announces_phone(run.before)
        and not is_date(run)
    ):
        return Span(run.start, run.end, "NATIONAL_ID", 0.75)
    if 7 <= len(digits) <= 17 and written.translate(_JOINTS).isdigit() and not is_date(run):
        for kind in _OTHERS:
            if run.cued(kind) and not run.cued("CREDIT_CARD"):
                if kind == "US_BANK_NUMBER" and (announces_phone(run.before) or is_amount(run)):
                    continue
                return Span(run.start, run.end, kind.replace("IN_PASSPORT", "US_PASSPORT"), 0.7)
    return None


def _valid_kind(run: Run) -> str | None:
    """The national number that the digits are by checksum or issued range, and by shape or a word."""
    digits, written, size = run.digits, run.written, len(run.digits)
    shaped = _SSN_SHAPE.fullmatch(written) and not run.is_part_of_code
    if size == 9 and checksums.us_ssn(digits) and (shaped or run.cued("US_SSN")):
        return "US_SSN"
    for kind, sizes in _ANNOUNCED.items():
        if kind == "US_SSN" or size not in sizes:
            continue
        shape = _SHAPES.get(kind)
        shaped = shape is not None and not run.is_part_of_code and shape.fullmatch(written) is not None
        likely = run.cued(kind) or shaped
        if kind == "CN_RESIDENT_ID":
            likely = written.isdigit() or _SINGLE_DIGITS.fullmatch(written) is not None
        if kind == "IN_AADHAAR" and written.isdigit():
            likely = likely or _FORM_CUE.search(run.around) is not None
        if likely and checksums.valid(kind, digits):
            return kind
    return None


def _pieces(run: Run, text: str) -> Iterator[Run]:
    """The parts of a run between line ends and wide gaps: two numbers may stand one below the other."""
    start = run.start
    for gap in [*_GAP.finditer(text, run.start, run.end), None]:
        end = gap.start() if gap else run.end
        if end - start < run.end - run.start and sum(map(str.isdigit, text[start:end])) >= 6:
            yield Run.of(text, start, end)
        start = gap.end() if gap else run.end


def _inner(run: Run, text: str) -> Span | None:
    """An identifier inside a longer run: a card with its expiry date, a number below a post code."""
    for match in _INNER_CARD.finditer(run.written):
        if checksums.card("".join(filter(str.isdigit, match.group()))):
            return Span(run.start, run.end, "CREDIT_CARD", 0.95)
    found = [span for piece in _pieces(run, text) if (span := _whole(piece, text)) is not None]
    if found:
        return Span(found[0].start, found[-1].end, found[0].type, max(span.score for span in found))
    ssn = _INNER_SSN.search(run.written)
    if ssn and checksums.us_ssn("".join(filter(str.isdigit, ssn.group()))) and run.cued("US_SSN"):
        return Span(run.start + ssn.start(), run.start + ssn.end(), "US_SSN", 0.8)
    return None


def _whole(run: Run, text: str) -> Span | None:
    return _card(run) or _national(run) or phone(run, text)


def _decimal_address(run: Run) -> Span | None:
    """An IPv4 address written as one number."""
    told = run.cued("IP_ADDRESS") and run.written.isdigit() and 1 << 24 <= int(run.digits) < 1 << 32
    return Span(run.start, run.end, "IP_ADDRESS", 0.7) if told else None


def _number(match: re.Match[str]) -> Span | None:
    """A card, a national number or a phone number: at most one span a run of digits."""
    run = Run.of(match.string, *match.span())
    if run.is_arithmetic and not announces_phone(run.before):
        return None
    if _IP_SHAPE.fullmatch(run.written):
        return None  # an IPv4 address: another rule's
    return _whole(run, match.string) or _inner(run, match.string) or _decimal_address(run)


RULES = (Rule("number", RUN, _number),)
