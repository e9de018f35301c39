"""Identifiers that one speaker spreads over several messages: cards, numbers, IBANs and e-mail addresses in pieces."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.screening.privacy import checksums
from models.screening.privacy.detect import RULES, deepest_views, gate
from models.screening.privacy.numbers import cued
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import Span
from models.screening.privacy.view import View

_FRAGMENT = re.compile(r"(?<![A-Za-z0-9$€£/:])(?<![A-Za-z0-9][.,])\+?\d(?:[ \-.]?\d)*(?![A-Za-z0-9:/%])")
_MIN_DIGITS, _MAX_DIGITS, _MAX_PIECES = 2, 19, 6
_BARE_WORDS = 6
# Rules so particular that a match across two messages is no accident; the second need the piece to be a message of its own.
_SURE = frozenset(
    "email es_nif es_nie iban cn_resident_id it_fiscal_code wallet_base58 wallet_bech32 wallet_eth".split()
)
_ALONE = frozenset("in_pan uk_nino known_key token ipv4 ipv6".split())
# Rules that are content with part of an identifier: a further piece belongs to it if it reads like code.
_OPEN_ENDED = frozenset(("known_key", "token"))
_SPOKEN = frozenset(("email_spoken", "email_spelled"))
_REACH_CHARS, _MAX_MESSAGES = 160, 4
_ONE_PIECE = re.compile(r"\s*\S+(?: \S{1,4}){0,8}\s*")
_CODE = re.compile(r"\s*(?=\S*\d|\S*[a-z]\S*[A-Z])\S{4,}\s*")


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
    readable = deepest_views(texts)
    pieces = [piece for index, view in enumerate(readable) for piece in _pieces(index, view)]
    for first in range(len(pieces)):
        _digits_from(pieces[first:], texts, readable, reach, found)
    _letters(readable, found)
    return found


def _pieces(index: int, view: View) -> list[_Piece]:
    made = []
    for match in _FRAGMENT.finditer(view.text):
        digits = "".join(filter(str.isdigit, match.group()))
        alone = len(digits) == len(re.sub(r"[\s.\-+]", "", view.text))
        if (alone or len(digits) >= _MIN_DIGITS) and len(digits) < 18:
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


# Numbers that a checksum tells: type, digits, and whether it takes a cue word beside the checksum.
_CHECKED = (
    ("BR_CPF", 11, False),
    ("CN_RESIDENT_ID", 18, False),
    ("DE_TAX_ID", 11, True),
    ("UK_NHS", 10, True),
)


def _kind(digits: str, sizes: Sequence[int], plus: bool, words: str, bare: bool) -> str | None:
    """What the joined digits are, None for nothing; without a cue word only whole groups alone in their texts count."""
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
        told = cued(kind, words) or (bare and not needs_cue)
        if size == length and told and checksums.valid(kind, digits):
            return kind
    if 9 <= size <= 13 and bare and (plus or cued("PHONE_NUMBER", words)):
        return "PHONE_NUMBER"
    return None


@dataclass(frozen=True)
class _Run:
    """Messages `first` to `last` written on as one text with `between` between them, and the rules to read it with."""

    first: int
    last: int
    between: str
    names: frozenset[str]
    text: str


def _letters(readable: Sequence[View], found: dict[int, list[Span]]) -> None:
    """Identifiers with letters that begin at the end of one text and go on at the head of the next ones."""
    # Without a blank between the messages first; what is found so is not looked for with one.
    runs = [pair for first, view in enumerate(readable[:-1]) if view.text for pair in _runs(first, readable)]
    masks = gate().masks([run.text for pair in runs for run in pair]).tolist()
    for (glued, spaced), mask, spaced_mask in zip(runs, masks[::2], masks[1::2], strict=True):
        crossing = _crossing(readable, glued, mask) or _crossing(readable, spaced, spaced_mask)
        for place, span in crossing:
            found.setdefault(place, []).append(span)


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
    """Which part of a message is read with the others: the end of the first, the head of any other."""
    text = readable[place].text
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if place == first:
        return max(start, end - _REACH_CHARS), end
    return start, min(end, start + _REACH_CHARS)


def _origins(readable: Sequence[View], run: _Run) -> list[tuple[int, int]]:
    """The message and the place in it of each character of a run; message -1 for what stands between."""
    origins: list[tuple[int, int]] = []
    for place in range(run.first, run.last + 1):
        if place > run.first:
            origins.extend([(-1, 0)] * len(run.between))
        origins.extend((place, position) for position in range(*_end(readable, run.first, place)))
    return origins


def _crossing(readable: Sequence[View], run: _Run, mask: int) -> list[tuple[int, Span]]:
    """By message: the pieces of identifiers that all messages of a run make together."""
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
    """Whether one piece is the identifier already, so that the others only happen to stand beside it."""
    if rule.name in _OPEN_ENDED and all(map(_CODE.fullmatch, parts[1:])):
        return False
    whole = [span for part in parts for span in rule.spans(part)]
    # d@example.org alone is rather the end of somebody's address.
    return bool(whole) and not (rule.name == "email" and parts[-1].find("@") in (1, 2))
