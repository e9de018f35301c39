"""Further views of a text, one for each way to disguise an identifier: escapes, parted digits, look-alikes, codes.

Each view has a trigger, an expression that every text with such a disguise matches. The prefilter asks for the views
that a text may have, as it asks for the rules.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from models.screening.privacy.addresses import HOUSE_NUMBER_NEEDS, house_numbers
from models.screening.privacy.expression import Need, fold, need
from models.screening.privacy.spoken import spoken_digits
from models.screening.privacy.view import UNSURE, View, joined_letters, normalised

# The unusual signs that part digits, beside those that rules read anyway.
_WORD_BETWEEN = (
    r"dash|hyphen|minus|space|blank|slash|then|and|guion|guión|espacio|luego|tiret|espace|puis|strich|bindestrich|"
    r"dann|trattino|spazio|poi|phir|aur|फिर|और|finally|lastly|after that|at the end|number|followed by"
)
_PARTING = rf"(?:_|[^\w@$€£₹%:]|(?<=[\s,(\[])(?:{_WORD_BETWEEN})(?=[\s,)\]]))"
_PARTED = re.compile(rf"\d(?:{_PARTING}{{0,12}}+\d){{6,}}", re.IGNORECASE)
_PLAIN_SIGNS = frozenset(" \t\r\n-.()/+_")
_WEAK_SIGNS = frozenset(",; \n")
_GROUPED_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
_DATED = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:19|20)\d\d)(?!\d)"
)
_GROUP = re.compile(r"\d+")

_LOOKALIKES = str.maketrans("OoQlIiSsBZzb", "000111558226")
_LOOKALIKE_CHARS = frozenset("OoQlIiSsBZzb")
_LOOKALIKE = re.compile(
    r"(?<![A-Za-z0-9])\+?[\dOoQlISsBZzb](?:[ .\-/()]{0,2}[\dOoQlISsBZzb]){6,24}(?![A-Za-z0-9])"
)

# Letters and signs written as digits, where an address is written so.
_LEET_SIGN = (
    r"(?:4t|@t|d0t|p[0o]int|punt0|c0m|0rg|n3t|[gq]m[4a@][1il!]l|h0tm[4a]il|y4h[0o]{2}|[0o]utl[0o]{2}k"
    r"|z[3e]r0|z3ro|0ne|tw0|thr33|f0ur|f1ve|s1x|s3v[3e]n|e1ght|n1ne)"
)
_LEET = re.compile(rf"(?<![^\W_]){_LEET_SIGN}(?![^\W_])", re.IGNORECASE)
_LEET_LETTERS = str.maketrans("0134578@$!", "oieastbasi")
_LEET_WORD = re.compile(r"(?=[\w@$!.\-]{0,40}?[^\W\d_])(?=[\w@$!.\-]{0,40}?[\d@$!])[\w@$!.\-]{1,60}")

_ESCAPE = re.compile(
    r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[a-zA-Z]{2,8});|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\(?=[!-/:-@\[-`{-~])"
    r"|%(?=[2-7][0-9A-Fa-f])[0-9A-Fa-f]{2}|</?(?:b|i|u|em|strong|span|code|br|wbr|a|font)/?>"
    r"|(?<=\w)(?:\*{1,3}|_{2,3}|`{1,3}|~~)(?=[\w.@])|(?<=[\w.@])(?:\*{1,3}|_{2,3}|`{1,3}|~~)(?=[.@])|(?<=[.@])(?:\*{1,3}|_{2,3}|`{1,3}|~~)(?=\w)"
)
# Pictures for "@" or "." in an address.
_PICTURES = "📧✉📨📩💌🌀🐌🙈🔴🔵⚫•·●∙⏺"
_DOMAIN_ENDS = r"(?:com|org|net|edu|de|es|fr|it|in|io|co|me|uk)\b"
_PICTURE = re.compile("|".join(rf"(?<=[A-Za-z0-9]){picture}(?=[A-Za-z0-9])" for picture in _PICTURES))
_PICTURE_AT = re.compile(rf"[A-Za-z0-9\-]{{2,40}}(?:\.|[{_PICTURES}]){_DOMAIN_ENDS}", re.IGNORECASE)
_PICTURE_DOT = re.compile(_DOMAIN_ENDS, re.IGNORECASE)

_REVERSED = re.compile(
    r"\bbackwards?\b|\brevers|\bmirror|\bal rev[ée]s|hacia atr[áa]s|\binvertid|\binverti|l'envers|rückwärts|umgekehrt|"
    r"al contrario|\bulta\b|उल्टा|倒着|反过来|right to left",
    re.IGNORECASE,
)
_ROT13 = re.compile(r"\brot[ \-]?13\b", re.IGNORECASE)
_CODED = re.compile(
    r"(?<![A-Za-z0-9+/_\-=])(?:[A-Za-z0-9+/_\-]{16,400}={0,2}|[A-Za-z0-9+/_\-]{15}=|[A-Za-z0-9+/_\-]{14}==)(?![A-Za-z0-9+/_\-=])"
)
_HEX_WORD = re.compile(r"\bhex|\bascii\b", re.IGNORECASE)
_HEX_PAIRS = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[ :,]?(?:0x)?[0-9A-Fa-f]{2}){6,200}(?![0-9A-Za-z])"
)
_BITS = re.compile(r"(?<!\d)[01]{8}(?: ?[01]{8}){6,100}(?!\d)")
_CODE_POINTS = re.compile(r"(?<!\d)\d{2,3}(?:[ ,]{1,2}\d{2,3}){6,200}(?!\d)")
_HEX_SIGNS = re.compile(r"0x|[ :,]")
_TELLING = re.compile(r"@[\w\-]+\.\w|\d(?:[^\w]?\d){6}")


def escapes_read(view: View) -> View | None:
    """HTML entities and tags, backslashes, percent codes and marks of emphasis inside words, read as what they show."""
    edits = []
    for match in _ESCAPE.finditer(view.text):
        start, end = match.span()
        shown = _shown(match.group())
        digits_beside = view.text[start - 1 : start].isdigit() and view.text[end : end + 1].isdigit()
        if not (shown == "" and digits_beside):  # 2**31
            edits.append((start, end, shown))
    return view.edited(edits) if edits else None


def _shown(escape: str) -> str:
    if escape.startswith("&"):
        shown = html.unescape(escape)
        return shown if len(shown) == 1 else escape
    if escape.startswith(("\\u", "\\x")):
        return chr(int(escape[2:], 16))
    return chr(int(escape[1:], 16)) if escape.startswith("%") else ""


def pictures_read(view: View) -> View | None:
    """Pictures in the place of the signs of an address, read as '@' and '.': 'ann📧example🔴org'."""
    edits = []
    for match in _PICTURE.finditer(view.text):
        if _PICTURE_DOT.match(view.text, match.end()):
            edits.append((*match.span(), "."))
        elif _PICTURE_AT.match(view.text, match.end()):
            edits.append((*match.span(), "@"))
    return view.edited(edits) if edits else None


def parted_digits(view: View) -> View | None:
    """Seven digits or more that unusual signs or words part: '2*0*2', '415|867', '202 dash 555'; UNSURE parts them."""
    edits: list[tuple[int, int, str]] = []
    for match in _PARTED.finditer(view.text):
        groups = list(_GROUP.finditer(view.text, *match.span()))
        gaps = [(left.end(), right.start()) for left, right in itertools.pairwise(groups)]
        unusual = [gap for gap in gaps if not _PLAIN_SIGNS.issuperset(view.text[slice(*gap)])]
        is_weak = all(_WEAK_SIGNS.issuperset(view.text[slice(*gap)]) for gap in unusual)
        sizes = [len(group.group()) for group in groups]
        if unusual and not (is_weak and _is_list(match.group(), sizes)):
            edits += [(*gap, UNSURE) for gap in unusual]
    return view.edited(edits) if edits else None


def _is_list(written: str, sizes: list[int]) -> bool:
    """Whether numbers with commas between them are rather a list, an amount or a date."""
    if _GROUPED_THOUSANDS.fullmatch(written) or _DATED.search(written):
        return True
    # A number that is read out has single digits, or groups of which the first are the longest.
    return not (set(sizes) in ({1}, {4}) or (sizes[0] >= 3 and min(sizes) >= 2 and max(sizes) <= 5))


def lookalike_digits(view: View) -> View | None:
    """Letters that look like digits read as such in runs that are mostly digits: '2O2 555 Ol43'."""
    edits: list[tuple[int, int, str]] = []
    for match in _LOOKALIKE.finditer(view.text):
        written = match.group()
        digits = sum(map(str.isdigit, written))
        letters = [
            place
            for place, char in enumerate(written)
            if char in _LOOKALIKE_CHARS and _in_number(written, place)
        ]
        if letters and digits >= 4 and digits >= len(letters):
            edits += [
                (match.start() + place, match.start() + place + 1, written[place].translate(_LOOKALIKES))
                for place in letters
            ]
            edits += [
                (match.start() + place, match.start() + place + 1, UNSURE) for place in _blanks(written)
            ]
    return view.edited(sorted(edits)) if edits else None


def _in_number(written: str, place: int) -> bool:
    """Whether a letter touches digits, other such letters between them: not the "I" in "call 202 555 I am"."""
    for step in (-1, 1):
        beside = place
        while 0 <= beside < len(written) and written[beside] in _LOOKALIKE_CHARS:
            beside += step
        if 0 <= beside < len(written) and written[beside].isdigit():
            return True
    return False


def _blanks(written: str) -> Iterator[int]:
    return (place for place, char in enumerate(written) if char in " ./")


def leet_letters(view: View) -> View | None:
    """Words with digits for letters, read as letters where an address is written so: 'm4r1s0l 4t gm41l d0t c0m'."""
    if not _LEET.search(view.text):
        return None
    edits = []
    for match in _LEET_WORD.finditer(view.text):
        read = match.group().translate(_LEET_LETTERS)
        if read != match.group():
            edits += [
                (match.start() + place, match.start() + place + 1, char)
                for place, (char, written) in enumerate(zip(read, match.group(), strict=True))
                if char != written
            ]
    return view.edited(edits) if edits else None


def reversed_text(view: View) -> View | None:
    """The text from its end, where the text says that something is written backwards."""
    if not _REVERSED.search(view.text):
        return None
    last = len(view.text) - 1
    ranges = [view.original(last - place, last - place + 1) for place in range(last + 1)]
    return View(view.text[::-1], [start for start, _ in ranges], [end for _, end in ranges])


def rotated_letters(view: View) -> View | None:
    """The text with every letter thirteen places on, where it speaks of that."""
    if not _ROT13.search(view.text):
        return None
    ranges = [view.original(place, place + 1) for place in range(len(view.text))]
    return View(codecs.encode(view.text, "rot13"), [start for start, _ in ranges], [end for _, end in ranges])


def codes_read(view: View) -> View | None:
    """Base64 and hexadecimal codes of a text with an address or a number in it, read as that text."""
    return _read_codes(view, _CODED, (_hexadecimal, _base64))


def hexadecimal_read(view: View) -> View | None:
    """Pairs of hexadecimal digits or numbers of ASCII characters, where the text speaks of that."""
    if not _HEX_WORD.search(view.text):
        return None
    return _read_codes(view, _HEX_PAIRS, (_hexadecimal,)) or _read_codes(view, _CODE_POINTS, (_code_points,))


def bits_read(view: View) -> View | None:
    """Groups of eight zeros and ones, read as text."""
    return _read_codes(view, _BITS, (_binary,))


def _read_codes(
    view: View, pattern: re.Pattern[str], readings: Sequence[Callable[[str], str | None]]
) -> View | None:
    edits = []
    for match in pattern.finditer(view.text):
        for read in readings:
            shown = read(match.group())
            if shown is not None and shown.isprintable() and _TELLING.search(shown):
                edits.append((*match.span(), f" {shown} "))
                break
    return view.edited(edits) if edits else None


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        return None


def _base64(code: str) -> str | None:
    written = code.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _decoded(base64.b64decode(written + "=" * (-len(written) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _hexadecimal(code: str) -> str | None:
    try:
        return _decoded(bytes.fromhex(_HEX_SIGNS.sub("", code)))
    except ValueError:
        return None


def _code_points(code: str) -> str | None:
    values = [int(value) for value in _GROUP.findall(code)]
    return "".join(map(chr, values)) if all(32 <= value < 127 for value in values) else None


def _binary(code: str) -> str | None:
    bits = code.replace(" ", "")
    return _decoded(bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)))


@dataclass(frozen=True)
class Disguise:
    """A further view. A text that does not meet `needs` has none: the prefilter depends on it."""

    name: str
    needs: Need
    read: Callable[[View], View | None]


_LOOKALIKE_PAIRS = frozenset(
    pair
    for digit in "0123456789"
    for letter in set(map(fold, _LOOKALIKE_CHARS))
    for pair in (digit + letter, letter + digit)
)
# In the order in which one may lie under another: digits are parted, then written as words, then in a code.
DISGUISES = (
    Disguise("escapes", need(_ESCAPE), escapes_read),
    Disguise("pictures", need(_PICTURE), pictures_read),
    Disguise("reversed", need(_REVERSED), reversed_text),
    Disguise("rot13", need(_ROT13), rotated_letters),
    Disguise("coded", need(_CODED), codes_read),
    Disguise("hexadecimal", need(_HEX_WORD), hexadecimal_read),
    Disguise("binary", need(_BITS), bits_read),
    Disguise("leet", need(_LEET), leet_letters),
    Disguise("lookalike", Need((_LOOKALIKE_PAIRS,), 4, 0), lookalike_digits),
    Disguise("parted", need(_PARTED), parted_digits),
    Disguise("house number", HOUSE_NUMBER_NEEDS, house_numbers),
)


def views(text: str) -> tuple[View, ...]:
    """Every view of a text that rules read: normalised, and each further view of it and of one such view."""
    base = normalised(text)
    found = [base]
    readings = [*(disguise.read for disguise in DISGUISES), joined_letters, spoken_digits]
    for place, read in enumerate(readings):
        if (view := read(base)) is not None:
            found.append(view)
            found += [deeper for later in readings[place + 1 :] if (deeper := later(view)) is not None]
    return tuple(found)
