"""Find places given as numbers: coordinates precise to a house, and plus codes."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy.bounds import END, cue
from models.screening.privacy.rule import Rule, after, always, before
from models.screening.privacy.span import Span

# Four decimals of a degree are eleven metres.
_DECIMAL = re.compile(
    r"(?<![\d.,A-Za-z])(?P<lat>[+\-]?\d{1,2}\.\d{4,15})\s?°?\s?(?P<ns>[NS])?\s{0,2}[,;/ ]\s{0,2}(?P<lon>[+\-]?\d{1,3}\.\d{4,15})\s?°?\s?(?P<ew>[EWO](?![A-Za-z]))?(?![\d%])"
)
_LABELLED = re.compile(
    r"lat(?:itude?|itud|\.)?[\"']?\s?[:=]?\s?(?P<lat>[+\-]?\d{1,2}\.\d{4,15})[^\d\n+\-]{1,20}?lo?ng?(?:itude?|itud|\.)?[\"']?\s?[:=]?\s?(?P<lon>[+\-]?\d{1,3}\.\d{4,15})",
    re.IGNORECASE,
)
_DEGREES = re.compile(
    r"(?<![\d.])\d{1,2}\s?°\s?\d{1,2}\s?['′’]\s?\d{1,2}(?:\.\d{1,4})?\s?(?:[\"″”]|'')\s?[NS][,;\s]{0,3}\d{1,3}\s?°\s?\d{1,2}\s?['′’]\s?\d{1,2}(?:\.\d{1,4})?\s?(?:[\"″”]|'')\s?[EWO]"
)
# Open Location Code: the alphabet without vowels and look-alikes; the first pair is at most 90° north and 180° east.
_OLC = "23456789CFGHJMPQRVWX"
_PLUS_CODE = re.compile(
    rf"(?<![A-Za-z0-9])[2-9C][2-9CFGHJMPQRV][{_OLC}]{{6}}\+[{_OLC}]{{2,7}}{END}", re.IGNORECASE
)
_SHORT_PLUS_CODE = re.compile(rf"(?<![A-Za-z0-9+])[{_OLC}]{{4}}(?:[{_OLC}]{{2}})?\+[{_OLC}]{{2,4}}{END}")
_PLACE_CUE = cue(
    r"plus ?code|\bdoor\b|address|\blocation|\bmap|\blives?\b|house|\bhome\b|dirección|\bplace\b|पता|地址|, [A-Z]"
)
_DATA_CUE = cue(
    r"\bloss|accuracy|vector|embedding|weights?|matrix|array|tensor|score|probabilit|\bmean\b|\bstd\b|\bp-?value|coefficient"
)


def _coordinates(match: re.Match[str]) -> Span | None:
    lat, lon = float(match.group("lat")), float(match.group("lon"))
    if abs(lat) > 90 or abs(lon) > 180 or (abs(lat) < 1 and abs(lon) < 1):
        return None
    # A row of decimals is data: another one stands beside the two.
    if re.search(r"\d\.\d+[,;\s\]]{1,3}$", before(match, 12)) or re.match(
        r"\s?[,;]\s?[+\-]?\d+\.\d", after(match, 8)
    ):
        return None
    return None if _DATA_CUE.search(before(match, 40)) else Span(*match.span(), "LOCATION", 0.8)


def _plus_code(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "LOCATION", 0.85) if any(map(str.isdigit, match.group())) else None


def _short_plus_code(match: re.Match[str]) -> Span | None:
    written = match.group()
    told = _PLACE_CUE.search(before(match, 40)) or re.match(r",? [A-ZÀ-Þ]", after(match, 4))
    return (
        Span(*match.span(), "LOCATION", 0.6)
        if told and any(map(str.isdigit, written)) and any(map(str.isalpha, written))
        else None
    )


RULES = (
    Rule("coordinates", _DECIMAL, _coordinates),
    Rule("coordinates_labelled", _LABELLED, _coordinates),
    Rule("coordinates_degrees", _DEGREES, always("LOCATION", 0.85)),
    Rule("plus_code", _PLUS_CODE, _plus_code),
    Rule("plus_code_short", _SHORT_PLUS_CODE, _short_plus_code),
)
