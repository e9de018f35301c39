"""Identifiers that one speaker spreads over several messages: cards, numbers, IBANs and e-mail addresses in pieces."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.privacy import checksums
from models.privacy.span import Span
from models.privacy.view import View, views

_FRAGMENT = re.compile(r"(?<![A-Za-z0-9.,$€£/:])\+?\d(?:[ \-.]?\d)*(?![A-Za-z0-9:/%])")
_MIN_DIGITS, _MAX_DIGITS, _MAX_PIECES = 2, 19, 6
_CARD_CUE = re.compile(
    r"\bcards?\b|\bcc\b|credit|debit|tarjeta|visa|master\s?card|karte|carte|carta|कार्ड|卡", re.IGNORECASE
)
_PHONE_CUE = re.compile(
    r"phone|mobile|\bcell|call me|whats\s?app|tel[ée]fono|m[óo]vil|\bnumber\b|n[úu]mero|numero|handy|telefon|cellulare|फ़?ोन|नंबर|电话|手机",
    re.IGNORECASE,
)
_SSN_CUE = re.compile(r"\bssn\b|social security", re.IGNORECASE)
_AADHAAR_CUE = re.compile(r"aadh?aa?r|आधार", re.IGNORECASE)
_IBAN_TAIL = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2} ?\d{2}(?: ?[A-Za-z0-9]){0,30}$")
_IBAN_HEAD = re.compile(r"^\s*[A-Za-z0-9]{1,30}(?: [A-Za-z0-9]{1,4}){0,7}")
_EMAIL = re.compile(r"[\w.+%\-]{1,64}@(?:[\w\-]{1,63}\.){1,5}[A-Za-z]{2,24}")
_LAST_TOKEN = re.compile(r"[^\s<>]+(?:\s+(?:at|@))?\s*$", re.IGNORECASE)
_FIRST_TOKEN = re.compile(r"^\s*(?:at\s+)?[^\s<>]+", re.IGNORECASE)
_BARE_WORDS = 6


@dataclass(frozen=True)
class _Piece:
    text: int
    start: int
    end: int
    digits: str
    plus: bool


def split_spans(texts: Sequence[str], reach: int) -> dict[int, list[Span]]:
    """Spans of pieces by index of text, for identifiers whose pieces lie in at most `reach` + 1 texts in a row.

    `texts` are one speaker's messages in order. Only identifiers that cross a boundary are reported.
    """
    found: dict[int, list[Span]] = {}
    readable = [views(text)[-1] if text else View("") for text in texts]
    pieces = [piece for index, view in enumerate(readable) for piece in _pieces(index, view)]
    for first in range(len(pieces)):
        _digits_from(pieces[first:], texts, readable, reach, found)
    for index, view in enumerate(readable[:-1]):
        if view.text:
            _letters_from(index, readable, found)
    return found


def _pieces(index: int, view: View) -> list[_Piece]:
    made = []
    for match in _FRAGMENT.finditer(view.text):
        digits = "".join(filter(str.isdigit, match.group()))
        if _MIN_DIGITS <= len(digits) < 16:
            start, end = view.original(*match.span())
            made.append(_Piece(index, start, end, digits, match.group().startswith("+")))
    return made if len(made) <= _MAX_PIECES else []


def _digits_from(
    pieces: Sequence[_Piece],
    texts: Sequence[str],
    readable: Sequence[View],
    reach: int,
    found: dict[int, list[Span]],
) -> None:
    taken: list[_Piece] = []
    for piece in pieces[:_MAX_PIECES]:
        if piece.text - pieces[0].text > reach:
            return
        taken.append(piece)
        digits = "".join(part.digits for part in taken)
        if len(digits) > _MAX_DIGITS:
            return
        if taken[0].text == piece.text or len(digits) < 9:
            continue
        involved = sorted({part.text for part in taken})
        words = " ".join(readable[index].text for index in range(max(0, involved[0] - 1), involved[-1] + 1))
        bare = all(len(texts[index].split()) <= _BARE_WORDS + len(digits) // 4 for index in involved)
        kind = _kind(digits, [len(part.digits) for part in taken], taken[0].plus, words, bare)
        if kind:
            for part in taken:
                found.setdefault(part.text, []).append(Span(part.start, part.end, kind, 0.9))


def _kind(digits: str, sizes: Sequence[int], plus: bool, words: str, bare: bool) -> str | None:
    """What the joined digits are, None for nothing; without a cue word only whole groups alone in their texts count."""
    size = len(digits)
    if size in (15, 16) and checksums.card(digits):
        grouped = all(part % 4 == 0 for part in sizes) or list(sizes) == [4, 6, 5]
        if _CARD_CUE.search(words) or (bare and grouped):
            return "CREDIT_CARD"
    if (
        size == 12
        and checksums.valid("IN_AADHAAR", digits)
        and (_AADHAAR_CUE.search(words) or (bare and set(sizes) == {4}))
    ):
        return "IN_AADHAAR"
    if size == 9 and _SSN_CUE.search(words) and checksums.us_ssn(digits):
        return "US_SSN"
    if 9 <= size <= 13 and min(sizes) >= 2 and bare and (plus or _PHONE_CUE.search(words)):
        return "PHONE_NUMBER"
    return None


def _letters_from(first: int, readable: Sequence[View], found: dict[int, list[Span]]) -> None:
    """IBANs and e-mail addresses that begin at the end of text `first` and go on at the head of the next ones."""
    for kind, tail, head in (
        ("IBAN_CODE", _IBAN_TAIL, _IBAN_HEAD),
        ("EMAIL_ADDRESS", _LAST_TOKEN, _FIRST_TOKEN),
    ):
        begin = tail.search(readable[first].text.rstrip())
        if not begin:
            continue
        joined = _compact(kind, begin.group())
        places = [(first, begin.span())]
        for index in range(first + 1, min(first + 4, len(readable))):
            following = head.match(readable[index].text)
            if not following:
                break
            joined += _compact(kind, following.group())
            places.append((index, following.span()))
            if _complete(kind, joined):
                for place, span in places:
                    start, end = readable[place].original(*span)
                    found.setdefault(place, []).append(Span(start, end, kind, 0.9))
                break
            if following.end() < len(readable[index].text.rstrip(" .,!")):
                break


def _compact(kind: str, piece: str) -> str:
    if kind == "IBAN_CODE":
        return piece.replace(" ", "").upper()
    return re.sub(r"\s*\bat\b\s*", "@", piece.strip(), flags=re.IGNORECASE).replace(" ", "")


def _complete(kind: str, joined: str) -> bool:
    if kind == "IBAN_CODE":
        return checksums.valid("IBAN_CODE", joined)
    return _EMAIL.fullmatch(joined.rstrip(".,!")) is not None
