"""Find identifiers that a speaker splits over several messages: cards, numbers, IBANs and e-mail addresses."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.screening.privacy import checksums
from models.screening.privacy.detect import RULES, deepest_views, gate
from models.screening.privacy.digits import cued
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import Span
from models.screening.privacy.view import View

_FRAGMENT = re.compile(r"(?<![A-Za-z0-9$€£/:])(?<![A-Za-z0-9][.,])\+?\d(?:[ \-.]?\d)*(?![A-Za-z0-9:/%])")
_SEPARATORS = re.compile(r"[\s.\-+]")
_MIN_DIGITS, _MAX_DIGITS, _MAX_PIECES = 2, 19, 6
_BARE_WORDS = 6
# Rules so specific that a match across two messages is no accident. `_ALONE` also requires that the piece is a message of its own.
_SURE = frozenset(
    "email es_nif es_nie iban cn_resident_id it_fiscal_code wallet_base58 wallet_bech32 wallet_eth".split()
)
_ALONE = frozenset("in_pan uk_nino known_key cloud_key token ipv4 ipv6".split())
# Rules that match a part of an identifier too: a further piece belongs to it if it looks like code.
_OPEN_ENDED = frozenset(("known_key", "cloud_key", "token"))
_SPOKEN = frozenset(("email_spoken", "email_spelled"))
_REACH_CHARS, _MAX_MESSAGES = 160, 4
_ONE_PIECE = re.compile(r"\s*\S+(?: \S{1,4}){0,8}\s*")
_CODE = re.compile(r"\s*(?=[^\s\d]*\d|[^\sa-z]*[a-z][^\sA-Z]*[A-Z])\S{4,}\s*")


@dataclass(frozen=True)
class _Piece:
    text: int
    start: int
    end: int
    digits: str
    plus: bool


def split_spans(texts: Sequence[str], reach: int) -> dict[int, list[Span]]:
    """Index of a text to the spans of its pieces, for identifiers whose pieces are in at most `reach` + 1 texts in a row.

    `texts` are one speaker's messages in order. Only identifiers that cross a boundary are reported.
    """
    spans_by_text: dict[int, list[Span]] = {}
    readable = deepest_views(texts)
    pieces = [piece for index, view in enumerate(readable) for piece in _pieces(index, view)]
    for first in range(len(pieces)):
        _digits_from(pieces[first : first + _MAX_PIECES], texts, readable, reach, spans_by_text)
    _letters(readable, spans_by_text)
    return spans_by_text


def _pieces(index: int, view: View) -> list[_Piece]:
    pieces: list[_Piece] = []
    without_signs = len(_SEPARATORS.sub("", view.text))
    for match in _FRAGMENT.finditer(view.text):
        digits = "".join(filter(str.isdigit, match.group()))
        alone = len(digits) == without_signs
        if (alone or len(digits) >= _MIN_DIGITS) and len(digits) < 18:
            start, end = view.original(*match.span())
            pieces.append(_Piece(index, start, end, digits, match.group().startswith("+")))
            if len(pieces) > _MAX_PIECES:
                return []
    return pieces


def _digits_from(
    pieces: Sequence[_Piece],
    texts: Sequence[str],
    readable: Sequence[View],
    reach: int,
    spans_by_text: dict[int, list[Span]],
) -> None:
    joined: list[_Piece] = []
    for piece in pieces:
        if piece.text - pieces[0].text > reach:
            return
        joined.append(piece)
        digits = "".join(part.digits for part in joined)
        if len(digits) > _MAX_DIGITS:
            return
        if joined[0].text == piece.text or len(digits) < 9:
            continue
        involved = sorted({part.text for part in joined})
        words = " ".join(readable[index].text for index in range(max(0, involved[0] - 1), involved[-1] + 1))
        bare = all(len(texts[index].split()) <= _BARE_WORDS + len(digits) // 4 for index in involved)
        kind = _kind(digits, [len(part.digits) for part in joined], joined[0].plus, words, bare)
        if kind:
            for part in joined:
                spans_by_text.setdefault(part.text, []).append(Span(part.start, part.end, kind, 0.9))


# Numbers with a checksum: type, digits, and whether they need a cue word too.
_CHECKED = (
    ("BR_CPF", 11, False),
    ("CN_RESIDENT_ID", 18, False),
    ("DE_TAX_ID", 11, True),
    ("UK_NHS", 10, True),
)


def _kind(digits: str, sizes: Sequence[int], plus: bool, words: str, bare: bool) -> str | None:
    """The identifier type of the joined digits, or None. Without a cue word, only whole groups in short texts count."""
    size = len(digits)
    if size in (15, 16) and checksums.card(digits):
        grouped = all(part % 4 == 0 for part in sizes) or list(sizes) == [4, 6, 5]
        if cued("CREDIT_CARD", words) or (bare and grouped):
            return "CREDIT_CARD"
    whole_groups = bare and set(sizes) == {4}
    if size == 12 and (cued("IN_AADHAAR", words) or whole_groups) and checksums.valid("IN_AADHAAR", digits):
        return "IN_AADHAAR"
    if size == 9 and cued("US_SSN", words) and checksums.us_ssn(digits):
        return "US_SSN"
    for kind, length, needs_cue in _CHECKED:
        announced = cued(kind, words) or (bare and not needs_cue)
        if size == length and announced and checksums.valid(kind, digits):
            return kind
    if 9 <= size <= 13 and bare and (plus or cued("PHONE_NUMBER", words)):
        return "PHONE_NUMBER"
    return None


@dataclass(frozen=True)
class _Run:
    """Messages `first` to `last` joined to one text by `between`, and the names of the rules to apply to it."""

    first: int
    last: int
    between: str
    names: frozenset[str]
    text: str


def _letters(readable: Sequence[View], spans_by_text: dict[int, list[Span]]) -> None:
    """Add identifiers with letters that begin at the end of a text and go on at the start of the next ones."""
    # Join the messages without a blank first; join them with a blank only if that finds nothing.
    runs = [pair for first, view in enumerate(readable[:-1]) if view.text for pair in _runs(first, readable)]
    masks = gate().masks([run.text for pair in runs for run in pair])
    for (glued, spaced), mask, spaced_mask in zip(runs, masks[::2], masks[1::2], strict=True):
        crossing = _crossing(readable, glued, mask) or _crossing(readable, spaced, spaced_mask)
        for place, span in crossing:
            spans_by_text.setdefault(place, []).append(span)


def _runs(first: int, readable: Sequence[View]) -> Iterator[tuple[_Run, _Run]]:
    for last in range(first + 1, min(first + _MAX_MESSAGES, len(readable))):
        alone = _ONE_PIECE.fullmatch(readable[last].text) is not None
        ends = [
            readable[place].text[slice(*_end(readable, first, place))] for place in range(first, last + 1)
        ]
        yield (
            _Run(first, last, "", _SURE | _ALONE if alone else _SURE, "".join(ends)),
            _Run(first, last, " ", _SPOKEN, " ".join(ends)),
        )
        if not alone:
            return


def _end(readable: Sequence[View], first: int, place: int) -> tuple[int, int]:
    """The range of a message that is joined with the others: the end of the first, the start of any other."""
    text = readable[place].text
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if place == first:
        return max(start, end - _REACH_CHARS), end
    return start, min(end, start + _REACH_CHARS)


def _origins(readable: Sequence[View], run: _Run) -> list[tuple[int, int]]:
    """Message and position of each character of a run; message -1 for the text between messages."""
    origins: list[tuple[int, int]] = []
    for place in range(run.first, run.last + 1):
        if place > run.first:
            origins.extend([(-1, 0)] * len(run.between))
        origins.extend((place, position) for position in range(*_end(readable, run.first, place)))
    return origins


def _crossing(readable: Sequence[View], run: _Run, mask: int) -> list[tuple[int, Span]]:
    """Message and span of each piece of an identifier that crosses all messages of a run."""
    for bit, rule in enumerate(RULES):
        if not mask >> bit & 1 or rule.name not in run.names:
            continue
        for span in rule.spans(run.text):
            pieces: dict[int, list[int]] = {}
            for place, position in _origins(readable, run)[span.start : span.end]:
                pieces.setdefault(place, []).append(position)
            parts = {
                place: readable[place].text[positions[0] : positions[-1] + 1]
                for place, positions in pieces.items()
                if place >= 0
            }
            if len(parts) <= run.last - run.first or _complete(rule, list(parts.values())):
                continue
            return [
                (
                    place,
                    Span(*readable[place].original(pieces[place][0], pieces[place][-1] + 1), span.type, 0.9),
                )
                for place in parts
            ]
    return []


def _complete(rule: Rule, parts: Sequence[str]) -> bool:
    """Whether one piece is a complete identifier, so that the other pieces are not part of it."""
    if rule.name in _OPEN_ENDED and all(map(_CODE.fullmatch, parts[1:])):
        return False
    whole = [span for part in parts for span in rule.spans(part)]
    # d@example.org alone is rather the end of somebody's address.
    return bool(whole) and not (rule.name == "email" and parts[-1].find("@") in (1, 2))
