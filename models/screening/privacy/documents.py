"""Find what authorities and institutions give people: national ids with letters, passports, plates, and announced numbers."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy import checksums
from models.screening.privacy.bounds import END, START, STARTED, cue
from models.screening.privacy.payments import compact
from models.screening.privacy.rule import Judge, Rule, after, before
from models.screening.privacy.span import Span

_REACH_BEFORE, _REACH_AFTER = 40, 30

# --- by format and checksum ---------------------------------------------------------------------------------------

_NIF = re.compile(rf"{START}\d{{2}}[. ]?\d{{3}}[. ]?\d{{3}} ?-? ?[A-Z]{END}", re.IGNORECASE)
_NIE = re.compile(rf"{START}[XYZ][ \-]?\d{{7}} ?-? ?[A-Z]{END}", re.IGNORECASE)
_PAN = re.compile(rf"{START}[A-Z]{{3}}[ABCFGHJLPT][A-Z]\s?\d{{4}}\s?[A-Z]{END}", re.IGNORECASE)
_FISCAL = re.compile(rf"{START}[A-Z]{{6}}\d{{2}}[A-EHLMPRST]\d{{2}}[A-Z]\d{{3}}[A-Z]{END}", re.IGNORECASE)
_NINO = re.compile(
    rf"{START}[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{{2}} ?\d{{2}} ?\d{{2}} ?[A-D]{END}", re.IGNORECASE
)
_CHINESE = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{16}[\dXx](?![A-Za-z0-9])")
_CURP = re.compile(
    rf"{START}[A-Z][AEIOUX][A-Z]{{2}}\d{{2}}(?:0[1-9]|1[0-2])[0-3]\d[HMX][A-Z]{{2}}[B-DF-HJ-NP-TV-Z]{{3}}[A-Z\d]\d{END}",
    re.IGNORECASE,
)
_RFC = re.compile(
    rf"{START}[A-ZÑ&]{{3,4}}[ \-]?\d{{2}}(?:0[1-9]|1[0-2])[0-3]\d[ \-]?[A-Z\d]{{2}}[A\d]{END}", re.IGNORECASE
)
_VIN = re.compile(rf"{START}[A-HJ-NPR-Z0-9]{{13}}[0-9]{{4}}{END}", re.IGNORECASE)
_PASSPORT = re.compile(rf"{START}(?:[A-PR-WY][1-9][0-9]{{6}}|[A-Z]{{2}}[0-9]{{7}}){END}")

_PAN_CUE = cue(r"\bpan\b|पैन")
_NINO_CUE = cue(r"national insurance|\bni(?:no)?\b")
_NIF_CUE = cue(r"\bdni\b|\bnif\b|\bnie\b|documento|identidad")
_FISCAL_CUE = cue(r"codice fiscale|\bc\.?f\.?\b|fiscal code")
_CURP_CUE = cue(r"\bcurp\b")
_RFC_CUE = cue(r"\brfc\b|registro federal|factur")
_VIN_CUE = cue(
    r"\bvin\b|chassis|vehicle identification|fahrgestell|\bfin\b|bastidor|n[úu]mero de serie|telaio|châssis|चेसिस|车架号"
)
_BORDER_CUE = cue(
    r"passp|pasaporte|border|\bvisa\b|immigration|customs|embassy|consulate|travel document|check-?in desk|boarding|airport|frontera|aduana|embajada|grenze|botschaft|fronti[èe]re|douane|पासपोर्ट|वीज़ा|签证|海关|护照"
)


def _near(match: re.Match[str], words: re.Pattern[str]) -> bool:
    """Whether a cue word stands shortly before the match or after it."""
    return bool(words.search(before(match, _REACH_BEFORE)) or words.search(after(match, _REACH_AFTER)))


def _checked(kind: str, announced: re.Pattern[str]) -> Judge:
    """A judge that accepts matches with a valid checksum, and what is announced as that identifier."""

    def judge(match: re.Match[str]) -> Span | None:
        if checksums.valid(kind, compact(match.group())):
            return Span(*match.span(), kind, 0.95)
        return Span(*match.span(), kind, 0.7) if _near(match, announced) else None

    return judge


def _capitals_or_cued(kind: str, announced: re.Pattern[str], cued_score: float, score: float) -> Judge:
    """A judge that accepts matches in capitals or near a cue word."""

    def judge(match: re.Match[str]) -> Span | None:
        if _near(match, announced):
            return Span(*match.span(), kind, cued_score)
        return Span(*match.span(), kind, score) if match.group().isupper() else None

    return judge


def _vin(match: re.Match[str]) -> Span | None:
    written = match.group().upper()
    if len(written) != 17 or not any(map(str.isalpha, written)):
        return None
    if match.group().isupper() and checksums.vin(written):
        return Span(*match.span(), "VIN", 0.9)
    return Span(*match.span(), "VIN", 0.8) if _near(match, _VIN_CUE) else None


def _passport(match: re.Match[str]) -> Span | None:
    # The format alone is one of product numbers too: something must tell of a journey.
    return Span(*match.span(), "PASSPORT", 0.6) if _near(match, _BORDER_CUE) else None


# --- plates ---------------------------------------------------------------------------------------------------------

_IN_PLATE = re.compile(rf"{START}[A-Z]{{2}}[ -]?\d{{2}}[ -]?[A-Z]{{1,2}}[ -]?\d{{4}}{END}", re.IGNORECASE)
# Britain and France write what hardly anything else looks like; other plates need a word about vehicles beside them.
_SURE_PLATE = re.compile(
    rf"[A-HJ-PR-Y]{STARTED}[A-HJ-PR-Y](?:(?:0[2-9]|[1-7][0-9]) [A-HJ-PR-Z]{{3}}|-[0-9]{{3}}-[A-HJ-NP-TV-Z]{{2}}){END}"
)
# Spain, Germany, Italy and France, California, Britain, Brazil and Mexico, the Netherlands.
_SHAPES = (
    r"(?:[0-9]{4}[ \-]?[BCDFGHJKLMNPRSTVWXYZ]{3}|[A-ZÄÖÜ]{1,3}[ \-][A-Z]{1,2}[ \-]?[0-9]{1,4}[EH]?|[A-Z]{2}[ \-]?[0-9]{3}[ \-]?[A-Z]{2}|[0-9][A-Z]{3}[0-9]{3}"
    r"|[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[A-Z]{3}[ \-]?[0-9][A-Z0-9][0-9]{2}|[A-Z]{3}[ \-][0-9]{2,3}[ \-][0-9]{1,2}|[A-Z]{2}-[0-9]{3}-[A-Z]|[A-Z]-[0-9]{3}-[A-Z]{2}|[0-9]{2}-[A-Z]{2,3}-[0-9]{1,2})"
)
_VEHICLE_WORDS = (
    rf"(?:{START}(?i:cars?|plates?|trucks?|vans?|taxi|uber|cab|parked|parking|coche|carro|moto|placas?|auto|wagen|plaque|targa|gaa?di){END}"
    r"|(?i:vehicle|motorbike|motorcycle|scooter|matr[íi]cula|camioneta|kennzeichen|voiture|immatricul|macchina|registration|गाड़ी|वाहन|车牌|車牌|汽车))"
)
_PLATE = re.compile(rf"{_VEHICLE_WORDS}[^.!?\n]{{0,30}}?{START}(?P<value>{_SHAPES}){END}")
_PLATE_AFTER = re.compile(rf"{START}(?P<value>{_SHAPES}){END}[^.!?\n]{{0,25}}?{_VEHICLE_WORDS}")
_VEHICLE = cue(r"vehicle|\bcar\b|plate|registration|gaa?di|गाड़ी|वाहन")
_NOT_A_PLATE = cue(
    r"model|\bpart\b|version|order|\bref\b|product|serial|\bsku\b|chip|motherboard|laptop|camera|engine|flight"
)
_TOLD_PLATE = re.compile(
    rf"(?:(?:licen[cs]e|number|registration|vehicle) ?-?plates?|{START}plates? (?:number|no\.?|is|are|was|reads?|says?){END}|{START}plates?:|{START}reg(?:istration)? (?:number|no\.?){END}|matr[íi]cula|{START}placas?{END}|kennzeichen|nummernschild|plaque d['’]immatriculation|{START}immatriculation"
    r"|numero di targa|gaa?di (?:ka )?(?:number|nambar|no)|गाड़ी (?:का )?(?:नंबर|नम्बर)|नंबर प्लेट|车牌号?码?|車牌)"
    r"[^.!?\nA-Za-z0-9]{0,4}(?:[A-Za-z\u0900-\u097f]{1,9}[ :]{1,2}){0,4}(?P<value>[A-Z0-9ÄÖÜ]{1,8}(?:[ \-·][A-Z0-9]{1,4}){0,3})"
    rf"{END}",
    re.IGNORECASE,
)
_SMALL_WORDS = frozenset(
    "is was and in on it my the for to es y en hai ist or of at by so if but he she we you i a me pe ko ka".split()
)


def _plate(match: re.Match[str]) -> Span | None:
    near = match.string[max(0, match.start("value") - 20) : match.start("value")]
    return None if _NOT_A_PLATE.search(near) else Span(*match.span("value"), "LICENSE_PLATE", 0.7)


def _sure_plate(match: re.Match[str]) -> Span | None:
    return None if _NOT_A_PLATE.search(before(match, 20)) else Span(*match.span(), "LICENSE_PLATE", 0.6)


def _told_plate(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    while (
        value
        and (last := re.split(r"[ \-·]", value)[-1])
        and last.isalpha()
        and (last.lower() in _SMALL_WORDS or (last.islower() and len(last) > 3))
    ):
        value = value[: -len(last)].rstrip(" -·")
    size, digits = sum(map(str.isalnum, value)), sum(map(str.isdigit, value))
    if not 4 <= size <= 10 or not digits or (digits == size and size < 5):
        return None
    return Span(match.start("value"), match.start("value") + len(value), "LICENSE_PLATE", 0.8)


# --- announced ------------------------------------------------------------------------------------------------------

_OF_PERSONS = r"student|employee|employment|staff|worker|member(?:ship)?|badge|roll|enrol+ment|matriculation|patient|medical record|medicare|medicaid|health (?:card|insurance)|insurance|policy|payroll|personnel|faculty|alumni|loyalty|frequent flyer|library(?: card)?|military|service|veteran|case worker|inmate|prisoner|applicant|candidate"
_ANNOUNCED = (
    r"(?P<PASSPORT>passport|pasaporte|reisepass|pass(?:port)?(?:nummer|nr)|passeport|passaporto|पासपोर्ट|护照)"
    rf"|(?P<US_DRIVER_LICENSE>(?:driver'?s?|driving)\W{{1,3}}licen[cs]e|{START}dl (?:no|number|#)|licencia de conducir|carn[ée] de conducir|führerschein|permis de conduire|patente di guida|ड्राइविंग लाइसेंस|driving laa?i?sence|驾照|驾驶证)"
    rf"|(?P<IN_VOTER>voter(?:'?s)? ?(?:id|card)?|{START}epic(?: no| number| card){END})"
    rf"|(?P<NATIONAL_ID>{START}id (?:card|number|no){END}|national id|identity (?:card|number|document)|personalausweis|ausweisnummer|c[ée]dula|{START}dni{END}|documento de identidad|carte d['’]identit[ée]|carta d['’]identit[àa]|codice fiscale|social insurance|{START}sin number|tax(?:payer)? id|पहचान पत्र)"
    rf"|(?P<PERSONAL_ID>{START}(?:{_OF_PERSONS}) ?(?:id|i\.d\.|no\.?|number|num|code|#){END}|{START}mrn{END}|matrikelnummer|personalnummer|mitgliedsnummer|versichertennummer|krankenversicherungsnummer|n[úu]mero de (?:empleado|estudiante|socio|afiliaci[óo]n|paciente|p[óo]liza)|num[ée]ro (?:d['’][ée]tudiant|d['’]adh[ée]rent|de s[ée]curit[ée] sociale|d['’]employ[ée])|matricola|学号|工号|रोल नंबर|roll nambar)"
)
_VALUE = (
    r"(?P<value>(?:[A-Za-z]{1,5}-?)?\d[A-Za-z0-9]{0,19}+(?:[\-/ ](?=[A-Za-z]{0,4}\d)[A-Za-z0-9]{1,19}+){0,4})"
)
_ID_TOLD = re.compile(rf"(?:{_ANNOUNCED})[^.!?\n]{{0,25}}?(?<![A-Za-z0-9$€£.,/\-]){_VALUE}", re.IGNORECASE)
_ID_AFTER = re.compile(
    rf"(?<![A-Za-z0-9$€£.,/\-]){_VALUE},? ?(?:is|was|es|ist|est|è|hai|है|是)? ?(?:my|his|her|our|the|your|mi|su|mein|meine|mon|ma|il mio|la mia|mera|meri|मेरा|我的)?,? ?(?:{_ANNOUNCED})",
    re.IGNORECASE,
)
_NO_ID = re.compile(
    r"\d{4}[\-/ ]\d{1,2}[\-/ ]\d{1,2}|\d{1,2}[\-/ ]\d{1,2}[\-/ ]\d{2,4}|(?:19|20)\d\d|(?:19|20)\d\d[\-/](?:19|20)?\d\d|\d{1,3}(?:st|nd|rd|th)?"
)
_UNIT = re.compile(
    r"\s?(?:%|€|£|\$|years?|days?|weeks?|months?|hours?|minutes?|euros?|dollars?|usd|eur|rupees?|people|pages?|kg|km|miles?)(?![A-Za-z])|[.,:]\d",
    re.IGNORECASE,
)


def _announced(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    digits, size = sum(map(str.isdigit, value)), sum(map(str.isalnum, value))
    if digits < 3 or not 5 <= size <= 24 or _NO_ID.fullmatch(value):
        return None
    if _UNIT.match(match.string, match.end("value")):
        return None
    kind = next(name for name, group in match.groupdict().items() if group is not None and name != "value")
    if kind == "PASSPORT" and re.fullmatch(r"[A-Za-z]\d{7}", value):
        kind = "IN_PASSPORT"
    return Span(*match.span("value"), kind, 0.75)


RULES = (
    Rule("es_nif", _NIF, _checked("ES_NIF", _NIF_CUE)),
    Rule("es_nie", _NIE, _checked("ES_NIE", _NIF_CUE)),
    Rule("cn_resident_id", _CHINESE, _checked("CN_RESIDENT_ID", cue(r"身份证|身份證|resident id"))),
    Rule("it_fiscal_code", _FISCAL, _checked("IT_FISCAL_CODE", _FISCAL_CUE)),
    Rule("in_pan", _PAN, _capitals_or_cued("IN_PAN", _PAN_CUE, 0.9, 0.75)),
    Rule("uk_nino", _NINO, _capitals_or_cued("UK_NINO", _NINO_CUE, 0.9, 0.75)),
    Rule("mx_curp", _CURP, _capitals_or_cued("MX_CURP", _CURP_CUE, 0.9, 0.85)),
    Rule("mx_rfc", _RFC, _checked("MX_RFC", _RFC_CUE)),
    Rule("vin", _VIN, _vin),
    Rule("passport", _PASSPORT, _passport),
    Rule("in_plate", _IN_PLATE, _capitals_or_cued("IN_VEHICLE_REGISTRATION", _VEHICLE, 0.8, 0.55)),
    Rule("plate_sure", _SURE_PLATE, _sure_plate),
    Rule("plate", _PLATE, _plate, digits=2),
    Rule("plate_after", _PLATE_AFTER, _plate, digits=2),
    Rule("plate_told", _TOLD_PLATE, _told_plate),
    Rule("id_told", _ID_TOLD, _announced, digits=3),
    Rule("id_after", _ID_AFTER, _announced, digits=3),
)
