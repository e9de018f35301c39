"""Find identifiers split over several messages: cards, numbers, IBANs and e-mail addresses.

`split_told.py` has what stands in words: accounts, addresses and names.
"""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.screening.privacy import checksums
from models.screening.privacy.detect import RULES, deepest_views, gate
from models.screening.privacy.digits import cued
from models.screening.privacy.number_words import NUMBER_WORDS
from models.screening.privacy.phones import dialable
from models.screening.privacy.rule import Rule
from models.screening.privacy.span import Span
from models.screening.privacy.split_told import told_spans
from models.screening.privacy.spoken import digits_of
from models.screening.privacy.view import View

_FRAGMENT = re.compile(r"(?<![A-Za-z0-9$€£/:])(?<![A-Za-z0-9][.,])\+?\d(?:[ \-.]?\d)*(?![A-Za-z0-9:/%])")
_SEPARATORS = re.compile(r"[\s.\-+]")
_MIN_DIGITS, _MAX_DIGITS, _MAX_PIECES = 2, 19, 6
_BARE_WORDS, _AROUND_CHARS = 6, 400
_FEW_CHARS, _BESIDE = 40, 24
_NUMBER_WORD = re.compile(r"[^\s,.\-!?]+")
_REVIEWED = 0.45  # a score that sends the turn to review
# Rules so specific that a match across two messages is no accident. `_ALONE` also requires that the piece is a message of its own.
_SURE = frozenset(
    "email es_nif es_nie iban cn_resident_id it_fiscal_code wallet_base58 wallet_bech32 wallet_eth".split()
)
_ALONE = frozenset("in_pan uk_nino known_key cloud_key token ipv4 ipv6".split())
# Rules that match a part of an identifier too: a further piece belongs to it if it looks like code.
_OPEN_ENDED = frozenset(("known_key", "cloud_key", "token"))
_SPOKEN = frozenset(("email_spoken", "email_spelled", "email_in_words"))
_FEW_WORDS = re.compile(r"\s*\S{1,40}(?: \S{1,20}){0,3}\s*")
_MAIL = re.compile(
    r"mail|correo|yahoo|outlook|gmx|adresse|address|मेल|\bid\b|reach|contact|write|邮", re.IGNORECASE
)
_REACH_CHARS, _MAX_MESSAGES = 160, 4
# What a text has that holds a part of a code or of an address.
_CODE_SIGN = re.compile(r"[\d@_]|--|sk-")
_AT_WORD = re.compile(r"(?<!\w)(?:at|arroba|arobase|chiocciola|klammeraffe|ät)(?!\w)|एट|ऐट", re.IGNORECASE)
_CROSSING = tuple((1 << bit, rule) for bit, rule in enumerate(RULES) if rule.name in _SURE | _ALONE | _SPOKEN)
_CROSSING_BITS = sum(bit for bit, _ in _CROSSING)
_ONE_PIECE = re.compile(r"\s*\S+(?: \S{1,4}){0,8}\s*")
_CODE = re.compile(r"\s*(?=[^\s\d]*\d|[^\sa-z]*[a-z][^\sA-Z]*[A-Z])\S{4,}\s*")


# Words beside a part of a number: it is not all of it.
_PART = re.compile(
    r"\b(?:starts?|begins?|first|half|ends?|finish(?:es)?|last|rest|remaining|then|next|second|third|part|followed|goes|comes|digits?|empieza|comienza|termina|acaba|"
    r"primer[oa]?s?|[úu]ltim[oa]s?|luego|resto|mitad|beginnt|fängt|endet|letzten?|ersten?|dann|hälfte|commence|finit|termine|premi(?:er|ère)s?|derni(?:er|ère)s?|"
    r"puis|moitié|inizia|finisce|prim[aeio]|ultim[aeio]|poi|shuru|khatam|aakhri|akhri|pehle|pehla|baaki|baki|phir)\b|शुरू|खत्म|आखिरी|पहले|बाकी|फिर|开头|结尾|前面|后面|最后|然后",
    re.IGNORECASE,
)
_OWN_NUMBER = re.compile(
    r"\b(?:my|your|mein\w*|deine?\w*|mi|tu|mon|ton|il mio|mera|meri|tera)\s+(?:\w+\s)?(?:number|nummer|n[uú]mero|numéro|nambar|no)\b|नंबर|号码|号是",
    re.IGNORECASE,
)
_SOCIAL = re.compile(
    r"\b(?:my|your|the|his|her) social\b(?! (?:media|life|network|account|anxiety|skill|circle))",
    re.IGNORECASE,
)
_SINGLES, _SURE_SINGLES = 5, 9
_FEWEST_PHONE, _MOST_PHONE = 9, 13


@dataclass(frozen=True)
class _Piece:
    """Digits of a message; `is_alone` where it has nothing else, `is_part` where words beside them call them a part."""

    text: int
    start: int
    end: int
    digits: str
    plus: bool
    is_alone: bool
    is_part: bool = False


@dataclass(frozen=True)
class _Messages:
    """Messages in order, as they were written and as rules read them."""

    texts: Sequence[str]
    readable: Sequence[View]

    def around(self, indices: Sequence[int]) -> str:
        """The words of these messages, and of the one before each."""
        places = sorted({place for index in indices for place in (index - 1, index) if place >= 0})
        return " ".join(self.readable[place].text[:_AROUND_CHARS] for place in places)

    def is_bare(self, index: int, digits: int) -> bool:
        """Whether a message says little more than its digits."""
        return len(self.texts[index].split()) <= _BARE_WORDS + digits // 4


def split_spans(texts: Sequence[str], reach: int) -> dict[int, list[Span]]:
    """Index of a text to the spans of its pieces, for identifiers whose pieces are in at most `reach` + 1 texts in a row.

    `texts` are one speaker's messages in order. Only identifiers that cross a boundary are reported.
    """
    return _split(_Messages(texts, deepest_views(texts)), reach)


def conversation_spans(
    users: Sequence[str], responses: Sequence[str], reach: int
) -> tuple[dict[int, list[Span]], dict[int, list[Span]]]:
    """Index of a turn to the spans of the pieces in its user message, and the same for its response.

    Pieces are looked for in what each speaker says, in what both say in turn, and in answers to the other's question.
    """
    readable = deepest_views([*users, *responses])
    found: tuple[dict[int, list[Span]], dict[int, list[Span]]] = ({}, {})
    for side, texts in enumerate((users, responses)):
        views = readable[side * len(users) :][: len(users)]
        for turn, spans in _split(_Messages(texts, views), reach).items():
            found[side].setdefault(turn, []).extend(spans)
    both = _Messages(
        [text for pair in zip(users, responses, strict=True) for text in pair],
        [view for pair in zip(readable[: len(users)], readable[len(users) :], strict=True) for view in pair],
    )
    for spans_by_text in (_split(both, 2 * reach + 1), told_spans(both.readable)):
        for place, spans in spans_by_text.items():
            found[place % 2].setdefault(place // 2, []).extend(spans)
    return found


def _split(messages: _Messages, reach: int) -> dict[int, list[Span]]:
    spans_by_text: dict[int, list[Span]] = {}
    pieces = [piece for index, view in enumerate(messages.readable) for piece in _pieces(index, view)]
    if len(pieces) > 1:
        # Parts that are called parts belong together whatever numbers stand between them.
        called = [piece for piece in pieces if piece.is_part]
        for some in (pieces, called) if 1 < len(called) < len(pieces) else (pieces,):
            for first in range(len(some) - 1):
                _digits_from(some[first : first + _MAX_DIGITS], messages, reach, spans_by_text)
        _dictated(pieces, messages, spans_by_text)
        _echoes(pieces, spans_by_text)
    _letters(messages.readable, spans_by_text)
    return spans_by_text


def _pieces(index: int, view: View) -> list[_Piece]:
    pieces: list[_Piece] = []
    without_signs = -1
    for match in _FRAGMENT.finditer(view.text):
        digits = "".join(filter(str.isdigit, match.group()))
        if without_signs < 0:
            without_signs = len(_SEPARATORS.sub("", view.text))
        alone = len(digits) == without_signs
        if (alone or len(digits) >= _MIN_DIGITS) and len(digits) < 18:
            beside = view.text[max(0, match.start() - _BESIDE) : match.end() + _BESIDE]
            is_part = not alone and _PART.search(beside) is not None
            start, end = view.original(*match.span())
            pieces.append(_Piece(index, start, end, digits, match.group().startswith("+"), alone, is_part))
            if len(pieces) > _MAX_PIECES:
                return []
    if not pieces and (digits := _spoken_alone(view.text)):
        pieces.append(_Piece(index, *view.original(0, len(view.text)), digits, False, True))
    return pieces


def _spoken_alone(text: str) -> str:
    """The digits of a message that is nothing but a few number words, else ''."""
    words = _NUMBER_WORD.findall(text.lower()) if 0 < len(text) <= _FEW_CHARS else []
    is_number = words and all(word in NUMBER_WORDS and NUMBER_WORDS[word].role != "sound" for word in words)
    return digits_of(text) if is_number else ""


def _add(pieces: Sequence[_Piece], kind: str, score: float, spans_by_text: dict[int, list[Span]]) -> None:
    for piece in pieces:
        spans_by_text.setdefault(piece.text, []).append(Span(piece.start, piece.end, kind, score))


def _digits_from(
    pieces: Sequence[_Piece], messages: _Messages, reach: int, spans_by_text: dict[int, list[Span]]
) -> None:
    """Add the identifiers that begin with the first piece and go on in the next ones."""
    joined: list[_Piece] = []
    for piece in pieces:
        if piece.text - pieces[0].text > reach:
            return
        joined.append(piece)
        digits = "".join(part.digits for part in joined)
        if len(digits) > _MAX_DIGITS:
            return
        if joined[0].text == piece.text or len(digits) < _FEWEST_PHONE:
            continue
        involved = sorted({part.text for part in joined})
        is_bare = all(messages.is_bare(index, len(digits)) for index in involved)
        is_told = all(part.is_part or messages.is_bare(part.text, len(digits)) for part in joined)
        kind = _kind(digits, [len(part.digits) for part in joined], joined[0].plus, messages.around(involved), is_bare, is_told)  # fmt: skip
        if kind:
            _add(joined, kind, 0.9, spans_by_text)
        elif _is_likely_number(joined, digits):
            _add(joined, "PHONE_NUMBER", _REVIEWED, spans_by_text)


def _is_likely_number(pieces: Sequence[_Piece], digits: str) -> bool:
    """Whether messages of nothing but digits, one after the other, look like a telephone number or an SSN without a cue."""
    sizes = [len(piece.digits) for piece in pieces]
    steps = {later.text - piece.text for piece, later in itertools.pairwise(pieces)}
    if not all(piece.is_alone for piece in pieces) or len(steps) != 1 or max(steps) > 2 or min(sizes) < 2:
        return False
    if sizes == [3, 2, 4]:
        return checksums.us_ssn(digits)
    # Groups as India and North America write them, or a trunk prefix.
    is_grouped = (sizes == [5, 5] and digits[0] in "6789") or sizes in ([3, 3, 4], [3, 7], [6, 4])
    return (is_grouped or (digits[0] == "0" and len(digits) in (10, 11))) and dialable(digits)


def _dictated(pieces: Sequence[_Piece], messages: _Messages, spans_by_text: dict[int, list[Span]]) -> None:
    """Add runs of messages that are one digit each, such as no game of counting has them."""
    run: list[_Piece] = []
    for piece in [*pieces, None]:
        if (
            piece is not None
            and piece.is_alone
            and len(piece.digits) == 1
            and (not run or piece.text - run[-1].text <= 2)
        ):
            run.append(piece)
            continue
        steps = {int(later.digits) - int(one.digits) for one, later in itertools.pairwise(run)}
        if len(run) >= _SINGLES and len(steps) > 1:
            words = messages.around([part.text for part in run])
            is_sure = len(run) >= _SURE_SINGLES or (len(run) >= 7 and _is_phone_cued(words))
            _add(run, "PHONE_NUMBER", 0.7 if is_sure else _REVIEWED, spans_by_text)
        run = [piece] if piece is not None and piece.is_alone and len(piece.digits) == 1 else []


def _echoes(pieces: Sequence[_Piece], spans_by_text: dict[int, list[Span]]) -> None:
    """Add what repeats a piece that was found."""
    found = {
        (piece.digits, span.type, span.score)
        for piece in pieces
        for span in spans_by_text.get(piece.text, ())
        if (span.start, span.end) == (piece.start, piece.end) and len(piece.digits) >= 3
    }
    for digits, kind, score in found:
        repeats = [piece for piece in pieces if piece.digits == digits]
        _add([p for p in repeats if not any(s.start == p.start for s in spans_by_text.get(p.text, ()))], kind, score, spans_by_text)  # fmt: skip


def _is_phone_cued(words: str) -> bool:
    return cued("PHONE_NUMBER", words) or _OWN_NUMBER.search(words) is not None


# Numbers with a checksum: type, digits, and whether they need a cue word too.
_CHECKED = (
    ("BR_CPF", 11, False),
    ("CN_RESIDENT_ID", 18, False),
    ("DE_TAX_ID", 11, True),
    ("UK_NHS", 10, True),
)


def _kind(
    digits: str, sizes: Sequence[int], plus: bool, words: str, is_bare: bool, is_told: bool
) -> str | None:
    """The identifier type of the joined digits, or None. Without a cue word, only whole groups in short texts count.

    `is_told`: every message is bare or calls its digits a part.
    """
    size = len(digits)
    if size in (15, 16) and checksums.card(digits):
        grouped = all(part % 4 == 0 for part in sizes) or list(sizes) == [4, 6, 5]
        if cued("CREDIT_CARD", words) or (is_bare and grouped):
            return "CREDIT_CARD"
    whole_groups = is_bare and set(sizes) == {4}
    if size == 12 and (cued("IN_AADHAAR", words) or whole_groups) and checksums.valid("IN_AADHAAR", digits):
        return "IN_AADHAAR"
    if size == 9 and (cued("US_SSN", words) or _SOCIAL.search(words)) and checksums.us_ssn(digits):
        return "US_SSN"
    for kind, length, needs_cue in _CHECKED:
        announced = cued(kind, words) or (is_bare and not needs_cue)
        if size == length and announced and checksums.valid(kind, digits):
            return kind
    if _FEWEST_PHONE <= size <= _MOST_PHONE and is_told and (plus or _is_phone_cued(words)):
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
    has_code = [_CODE_SIGN.search(view.text) is not None for view in readable]
    is_mail = any(_MAIL.search(view.text) for view in readable)
    has_at = [is_mail and _AT_WORD.search(view.text) is not None for view in readable]
    runs = [
        run
        for first, view in enumerate(readable[:-1])
        if view.text
        for run in _runs(first, readable, has_code, has_at)
    ]
    if not runs:
        return
    found: set[tuple[int, int]] = set()
    for run, mask in zip(runs, gate().masks([run.text for run in runs]), strict=True):
        # Messages are joined without a blank first, and with one only if that finds nothing.
        if mask & _CROSSING_BITS and (run.first, run.last) not in found:
            crossing = _crossing(readable, run, mask)
            found |= {(run.first, run.last)} if crossing else set()
            for place, span in crossing:
                spans_by_text.setdefault(place, []).append(span)


def _runs(
    first: int, readable: Sequence[View], has_code: Sequence[bool], has_at: Sequence[bool]
) -> Iterator[_Run]:
    """Joined messages in which a rule may find something: those with a sign of code, or with "at" in a word."""
    for last in range(first + 1, min(first + _MAX_MESSAGES, len(readable))):
        alone = _ONE_PIECE.fullmatch(readable[last].text) is not None
        messages = range(first, last + 1)
        may_be_code, may_be_spoken = any(has_code[first : last + 1]), any(has_at[first : last + 1])
        if may_be_code or may_be_spoken:
            texts = [readable[place].text[slice(*_end(readable, first, place))] for place in messages]
            if may_be_code:
                yield _Run(first, last, "", _SURE | _ALONE if alone else _SURE, "".join(texts))
            if may_be_spoken:
                yield _Run(first, last, " ", _SPOKEN, " ".join(texts))
        if not alone and not _FEW_WORDS.fullmatch(readable[last].text):
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
    for bit, rule in _CROSSING:
        if not mask & bit or rule.name not in run.names:
            continue
        if rule.name in _SPOKEN and not _MAIL.search(run.text):
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
