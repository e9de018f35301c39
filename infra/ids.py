"""How the lake holds ids and names that come from outside: as a keyed hash, or as they are if they can name nobody.

Whoever writes an id can write anything into it: an e-mail, a name, a phone number; plain, encoded or hashed without a
key. No grammar finds them all. So an id is kept only if it is of one of a few forms too short, or too random, to hold
one. Any other becomes a keyed hash: the same in every file and on every day, another for each kind of id.

A name (a model's version, a surface, an arm) is one of few, and is read by people: it is kept if it looks like one.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

IdKind = Literal["conversation", "turn", "event", "character", "pair"]
NameKind = Literal["surface", "model_version", "experiment", "arm", "state", "source", "guideline"]
_PREFIXES: dict[str, str] = {
    "conversation": "c_", "turn": "t_", "event": "e_", "character": "ch_", "pair": "p_", "surface": "s_",
    "model_version": "m_", "experiment": "x_", "arm": "arm_", "state": "st_", "source": "so_", "guideline": "g_",
}  # fmt: skip

# Up to two letters and five digits: `42`, `e7`, `ch0001`, `t-e7`. Six digits only if they begin with 00, as no date of
# birth does. A phone number has seven or more.
_SHORT = re.compile(r"(?:[a-z]{1,2}-)?[a-z]{0,2}(?:[0-9]{1,5}|00[0-9]{4})|[a-z]{1,2}")
# Ids of the sandbox: the number of a user and 44 random bits, neither a number nor a text.
_SANDBOX = re.compile(
    r"(?:pair-)?[a-z]00(?P<drawn>[0-9a-f]{16})|[ce]-offline-00[0-9]{4}|e-ch[0-9]{4}-[0-9]{1,3}"
)
_RANDOM_DIGITS = 11
# How the importers name what stands in a conversation: padded, because events of one instant are ordered by id.
_PLACE = re.compile(
    r"(?P<of>.+)(?P<place>:[0-9]{5}(?::(?:message|response|reaction|regenerate))?|:character)", re.DOTALL
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:+-]{0,63}")
NAME_HINT = (
    "Use at most 64 characters: letters, digits and . _ - / : +. The name must not contain seven or more digits (a "
    "date is fine) or a long hex code."
)
_PART = re.compile(r"[A-Za-z0-9]+")
_CODE = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{24,}")
_LONG_NUMBER = re.compile(r"[0-9](?:[._/:+ ()-]*[0-9]){6,}")
_DAY = re.compile(
    r"(?<![0-9])20[0-9]{2}([._/-]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:T?(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?)?(?![0-9])"
)
_LANGUAGE = re.compile(
    r"(?P<core>[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?)(?P<rest>(?:-[A-Za-z0-9]{1,8})*)"
)


class Locale(NamedTuple):
    """A language tag as it is kept (language, script, region), and whether something was cut off."""

    tag: str
    is_cut: bool


def pseudonym(raw_id: str, key: bytes) -> str:
    """The keyed hash (HMAC-SHA256, 128 bits in hex) that replaces a user's id everywhere in the lake."""
    return "u_" + hmac.digest(key, raw_id.encode(), "sha256").hex()[:32]


def id_of(kind: IdKind, given: str, key: bytes) -> str:
    """The id as the lake holds it: itself if it is of a form that can name nobody, else its keyed hash.

    Where an importer names a place in a conversation, only the conversation is hashed, and the order stays.
    """
    if is_plain_id(given):
        return given
    if place := _PLACE.fullmatch(given):
        of: IdKind = "character" if place["place"] == ":character" else "conversation"
        return _hashed(of, place["of"], key) + place["place"]
    return _hashed(kind, given, key)


def name_of(kind: NameKind, given: str, key: bytes) -> str:
    """The name as the lake holds it: itself if it is a plain name, else its keyed hash."""
    return given if is_plain_name(given) else _hashed(kind, given, key)


def is_plain_id(given: str) -> bool:
    """Whether the id is too short, or by its form too random, to hold an identifier."""
    if len(given) > 32:
        return False
    if _SHORT.fullmatch(given):
        return True
    made = _SANDBOX.fullmatch(given)
    if made is None:
        return False
    drawn = made["drawn"]
    return drawn is None or not (
        drawn[-_RANDOM_DIGITS:].isdecimal() or _is_text(bytes.fromhex(drawn).strip(b"\0"))
    )


@lru_cache(maxsize=4_096)
def is_plain_name(given: str) -> bool:
    """Whether the text looks like the name of a thing: short, without signs of an address, a long number or a code.

    Seven digits, also with signs between them, are a number that may be somebody's; a day and its time are not. Hex of
    24 digits or more may be the hash of an address, and what decodes to an address or a long number (base64, base32,
    hex) is one.
    """
    if not _NAME.fullmatch(given) or _LONG_NUMBER.search(_DAY.sub(" day ", given)) or _DIGEST.search(given):
        return False
    codes = {*_CODE.findall(given), *(part for part in _PART.findall(given) if len(part) >= 8)}
    return not any(_names_somebody(text) for code in codes for text in _decoded(code))


def locale_of(given: str) -> Locale | None:
    """Language, script and region of a BCP-47 tag, with `_` read as `-`. None if it is no tag.

    Variants, extensions and private use can hold any text, and nothing in the lake reads them.
    """
    tag = _LANGUAGE.fullmatch(given.replace("_", "-"))
    return None if tag is None else Locale(tag["core"], bool(tag["rest"]))


def _hashed(kind: str, given: str, key: bytes) -> str:
    """Keyed hash (HMAC-SHA256, 128 bits in hex), with a key for each kind: equal texts of two kinds share nothing."""
    digest = hmac.digest(_key_of(kind, key), given.encode("utf-8", "surrogatepass"), "sha256")
    return _PREFIXES[kind] + digest.hex()[:32]


@lru_cache(maxsize=64)
def _key_of(kind: str, key: bytes) -> bytes:
    return hmac.digest(key, b"characterflywheel: ids of kind " + kind.encode(), "sha256")


def _decoded(word: str) -> Iterator[str]:
    """What a word says if it is base64, base32 or hex of text."""
    padded = word + "=" * (-len(word) % 4)
    attempts: tuple[Callable[[], bytes], ...] = (
        lambda: base64.b64decode(padded, altchars=b"-_" if set(word) & {"-", "_"} else None, validate=True),
        lambda: base64.b32decode(word.upper() + "=" * (-len(word) % 8)),
        lambda: bytes.fromhex(word),
    )
    for attempt in attempts:
        try:
            content = attempt()
        except ValueError:
            continue
        if _is_text(content):
            yield content.decode()


def _is_text(content: bytes) -> bool:
    return all(32 <= byte < 127 for byte in content)


def _names_somebody(text: str) -> bool:
    return "@" in text or _LONG_NUMBER.search(text) is not None
