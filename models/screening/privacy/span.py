"""Character spans of identifiers: the type, how overlapping ones are merged, and span-based redaction."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

# The type of a merged span: the most harmful first.
PRIORITY = tuple(
    "API_KEY PASSWORD SEED_PHRASE CREDIT_CARD IBAN_CODE US_SSN US_ITIN IN_AADHAAR IN_PAN ES_NIF ES_NIE IT_FISCAL_CODE "
    "FR_NIR DE_TAX_ID UK_NINO UK_NHS BR_CPF CN_RESIDENT_ID MX_CURP MX_RFC MX_CLABE US_PASSPORT IN_PASSPORT PASSPORT "
    "US_DRIVER_LICENSE US_BANK_NUMBER IN_VOTER NATIONAL_ID PERSONAL_ID CUSTOM_ID VIN LICENSE_PLATE "
    "IN_VEHICLE_REGISTRATION CRYPTO UPI_ID EMAIL_ADDRESS USERNAME IP_ADDRESS MAC_ADDRESS URL DATE_TIME "
    "LOCATION PHONE_NUMBER PERSON".split()
)
# Only what redaction writes: an own word in angle brackets would hide what it holds from the detectors. A person has a
# number in its conversation (`cast`); rows of older versions have none.
PLACEHOLDER = re.compile(rf"<(?:{'|'.join(PRIORITY)}|PERSON_[1-9][0-9]{{0,5}})>")


@dataclass(frozen=True, order=True)
class Span:
    """An identifier in `text[start:end]`, typed as Presidio names it, with a score in [0, 1]."""

    start: int
    end: int
    type: str
    score: float

    def moved(self, offset: int) -> Span:
        """The same span in a text where it begins `offset` characters later."""
        return replace(self, start=self.start + offset, end=self.end + offset)

    def overlaps(self, start: int, end: int) -> bool:
        """Whether the span shares a character with `[start, end)`."""
        return self.start < end and start < self.end


def merge(spans: Iterable[Span], priority: Sequence[str] = ()) -> tuple[Span, ...]:
    """Merge overlapping spans; the result is disjoint and in text order.

    A merged span covers all of its spans, so no part of an identifier is left over. It has the type that is first in
    `priority`; unlisted types come last, and ties go to the higher score, the longer span, then the name.
    """
    rank = {name: position for position, name in enumerate(priority)}
    groups: list[list[Span]] = []
    reach = -1
    for span in sorted(spans):
        if groups and span.start < reach:
            groups[-1].append(span)
        else:
            groups.append([span])
        reach = max(reach, span.end) if len(groups[-1]) > 1 else span.end
    merged = []
    for group in groups:
        best = min(group, key=lambda s: (rank.get(s.type, len(rank)), -s.score, s.start - s.end, s.type))
        merged.append(replace(best, start=min(s.start for s in group), end=max(s.end for s in group)))
    return tuple(merged)


def placeholders(text: str) -> list[tuple[int, int]]:
    """The ranges of earlier redactions in the text."""
    return [match.span() for match in PLACEHOLDER.finditer(text)] if "<" in text else []


def redact(text: str, spans: Iterable[Span], replacement: Callable[[Span], str] | None = None) -> str:
    """The text with each span replaced by `<TYPE>`; overlapping spans are merged first.

    Existing placeholders stay as they are, so redacting twice changes nothing.
    Raises ValueError when a span lies outside the text.

    Args:
        replacement: what to write instead of `<TYPE>`; asked in text order.
    """
    redacted = placeholders(text)
    opened = [start for start, _ in redacted]
    parts: list[str] = []
    position = 0
    for span in merge(spans):
        if not 0 <= span.start < span.end <= len(text):
            raise ValueError(f"span {span.start}..{span.end} outside a text of {len(text)} characters")
        earlier = bisect_right(opened, span.start)
        if earlier and span.end <= redacted[earlier - 1][1]:
            continue
        parts += [text[position : span.start], replacement(span) if replacement else f"<{span.type}>"]
        position = span.end
    return "".join([*parts, text[position:]])
