"""Find postal addresses without a house number, with one in words, and in further languages; see also `personal.py`."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy.expression import WORD_STARTS, Need, with_word_starts
from models.screening.privacy.number_words import NUMBER_WORDS
from models.screening.privacy.rule import Rule, before
from models.screening.privacy.span import Span
from models.screening.privacy.spoken import digits_of
from models.screening.privacy.view import View

_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀ-ŽƏ][\w'’\-]{0,30}\.?"
_STREET = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Crescent|Cres|Place|Square|Terrace|Parkway|Pkwy|Highway|Close|"
    r"Gardens?|Grove|Row|Mews|Walk|Alley|Rise|Way|Hill|Circle|Trail|Nagar|Marg|Vihar|Colony)"
)
STREET_NAME = rf"(?:{_CAPITAL} ){{1,3}}(?i:{_STREET})\b\.?"
_POSTCODE_GB = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
# A street, perhaps a town, and the post code that closes a British address.
_WITH_POSTCODE = re.compile(
    rf"\b{STREET_NAME}(?:,? (?:in|near|at|off) |,? )(?:{_CAPITAL},? ){{0,3}}{_POSTCODE_GB}\b"
)
_POSTCODE = re.compile(rf"(?<![\w\-]){_POSTCODE_GB}(?![\w\-])")
_HOME = re.compile(
    r"post ?code|\blive|\bhome\b|\bhouse\b|address|\bflat\b|\bplace\b|\bdoor\b|\bdeliver|\bsend\b|\bship",
    re.IGNORECASE,
)
# Somebody's street, told without a number.
_OWN_STREET = re.compile(
    rf"\b(?i:(?:i|we|he|she|they)(?:'m| am| are|'re|'s| is)? (?:live|lives|stay|stays|living|staying|reside|moved|grew up)(?: just| right| now| over)? (?:on|in|at|off|near|to|by)"
    rf"|(?:house|home|place|flat|door|street|address) (?:is|was)(?: just| right)?(?: (?:on|in|at|off|near|by))?|end of|corner of|last house on|next door on)(?: the)? "
    rf"(?P<value>{STREET_NAME})"
)
_FAMOUS = re.compile(
    r"(?:sesame|elm|baker|wall|fleet|downing|coronation|main|high|easy|oxford|regent|fifth|bourbon|beale) (?:street|st|avenue)\b|(?:penny|memory|wisteria|drury|fast) lane"
    r"|privet drive|evergreen terrace|abbey road|sunset boulevard|times square|trafalgar square|tiananmen square|park avenue|silk road",
    re.IGNORECASE,
)
# Streets with a number in languages whose words for a street are before it, then behind it, then glued to it.
_NUMBER = r"[,.]{0,2} ?(?:(?i:n[º°r]|no|num|number|número|numero|numéro|nambar|nomor)\.?:? ?|nº ?)?\d{1,5}(?:[A-Za-z]\b)?(?:/\d{1,4})?"
_NAME = r"(?:(?:d[aeoi]s?|del|dello|della|la|e|san|lui|cel) ){0,3}[^\W\d_][\w'’\-]{1,30}\.?(?: [^\W\d_][\w'’\-]{0,30}){0,3}"
_STREET_BEFORE = re.compile(
    rf"(?<!\w)(?i:rua|avenida|travessa|alameda|pra[çc]a|estrada|rodovia|ladeira|ul\.|ulica|ulicy|aleja|osiedle|strada|str\.|bulevardul|calea|jalan|jl\.?|jln\.?|"
    rf"kalye|barangay|brgy\.?|purok|gali|gully|mohalla) {_NAME}{_NUMBER}|(?<!\w)rue {_NAME},? (?:numéro|n[°º]|no\.?) ?\d{{1,4}}"
)
_STREET_BEHIND = re.compile(
    rf"(?<!\w){_CAPITAL}(?: {_CAPITAL})? (?i:soka[kğ]i?|sok\.|sk\.|cadde(?:si)?|cad\.|cd\.|mahallesi|mah\.|bulvari|utca|út|útja|theru|salai|vei|katu){_NUMBER}"
    rf"|(?<!\w)\d{{1,5}}[A-Za-z]?,? {_CAPITAL}(?: {_CAPITAL})? (?i:theru|salai|kalye)\b"
)
_STREET_GLUED = re.compile(
    r"(?<!\w)[A-ZÀ-ÞĀ-Ž][^\W\d_]{3,30}?(?:gatan|vägen|gata|veien|vegen|gade|vejen|vej|allé|katu|laan|straat|plein|gracht|dreef)\s\d{1,4}\b"
)
_HOUSE_IN = re.compile(
    r"(?<![^\W_])(?:गली|मकान|फ्लैट|gali|gully|makaan|makan|house|flat|[A-Z]-?\d{1,4}[,]?(?= ))\s?(?:नंबर|नं\.?|number|nambar|no\.?)?\s?(?:\d[\w/\-]{0,5},?\s){0,2}"
    r"[^.!?।\n]{2,60}?(?:नगर|कॉलोनी|विहार|मोहल्ला|\bnagar|\bcolony|\bvihar|\bmohalla|\benclave|\bpuram)\b(?:, ?[^\W\d_]{3,20}(?= me\b| में|,|$))?",
    re.IGNORECASE,
)
_LOCALITY_FIRST = re.compile(
    r"(?<![^\W_])(?:[^\W\d_][\w\u0900-\u0963]{1,20} ){1,2}(?:nagar|colony|vihar|mohalla|enclave|नगर|कॉलोनी|विहार|मोहल्ला),? "
    r"(?:(?:gali|gully|makaa?n|house|flat|sector|plot|block|गली|मकान|फ्लैट|सेक्टर|प्लॉट) ?(?:no\.?|number|nambar|नंबर)? ?\d{1,4}[A-Za-z]?,? ?){1,3}",
    re.IGNORECASE,
)
# Words that end few names of streets, and open many headlines in lower case.
_RARE_STREET = re.compile(
    rf"(?<!\w)\d{{1,4}}[A-Za-z]? (?:{_CAPITAL} ){{1,3}}(?:Rise|Hollow|Mead|Croft|Wynd|Brae|Drove|Quay|Wharf|Vale|Chase|Dene)\b"
)
_ADDRESS_ZH = re.compile(
    r"[\u4e00-\u9fff]{2,10}(?:路|街|道|巷|弄)[一二三四五六七八九十百零〇两\d]{1,6}[号弄](?:[\u4e00-\u9fff\d]{0,10}(?:室|楼|栋|单元))?"
)
# "I live at", "my address is" in languages of neighbours, which a short text may be in, and the address behind it.
_LIVE = (
    r"(?:moro (?:na|no|em)|minha casa (?:é|fica)(?: na| no| em)?|meu endere[çc]o (?:é|fica)|resido (?:na|en|em)|nakatira (?:(?:ako|kami|siya) )?sa|"
    r"bahay (?:ko|namin)(?: ay)?|tirahan ko|evim|evimiz|adresim(?:iz)?|mieszkam (?:na|przy|w)|m[óo]j adres(?: to)?|alamat(?:ku|nya)?(?: di| adalah)?|rumah(?:ku| saya)(?: di)?|"
    r"tinggal di|ik woon (?:op de|op het|op|in de|in|aan de)|mijn adres is|jag bor på|min adress är|jeg bor (?:i|på)|min adresse er|asun|osoitteeni on|stau pe|"
    r"locuiesc pe|adresa mea(?: e| este)?|bydl[ií]m v?|lakom|(?:a )?címem|enga veedu|en veedu|my street is|mi casa (?:es|está en)|vivimos en|abitiamo in|la mia casa è in|"
    r"wir wohnen (?:in der|im|am)?|ich wohne|notre adresse(?: est)?|nous habitons|mera ghar|hamara ghar|mi direcci[óo]n)"
)
_TOLD = re.compile(
    rf"(?<!\w)(?i:{_LIVE})[ :,]{{1,3}}(?P<value>(?:\d{{1,5}}[A-Za-z]?(?:[/\-]\d{{1,4}})?,? {_CAPITAL}(?: {_CAPITAL}){{0,3}}(?:,? {_CAPITAL}){{0,2}}"
    rf"|(?:[^\W\d_][\w'’.\-]{{0,30}} ){{0,4}}{_CAPITAL}{_NUMBER}(?:,? {_CAPITAL}){{0,2}}))"
)
_NO_HOUSE = re.compile(
    r"\b(?:zimmer|room|etage|stock|floor|habitaci[óo]n|chambre|stanza) |\d (?:years?|a[ñn]os|jahren?|wochen|ans|anni|anos|lata?|yil|saal|minut|km|personas?|people|hours?|days?|euros?|%)|\b(?:desde|seit|depuis|dal|since|from) ",
    re.IGNORECASE,
)
# A house number in words stands before the name of a street or before a French street, or behind the name of a street.
_STREET_AFTER = re.compile(
    rf"(?:{_CAPITAL} ){{1,3}}(?i:street|road|avenue|lane|boulevard|court|crescent|square|terrace|gardens|grove)\b|(?<!\w)(?i:rue|avenue|boulevard|chemin|impasse|allée) "
)
_BEFORE_NUMBER = re.compile(
    rf"(?i:stra(?:ß|ss)e|weg|platz|allee|gasse|portal|n[úu]mero|numéro|number|nambar|नंबर|gali|gully|makaa?n|flat|गली|मकान|फ्लैट),? "
    rf"|(?<!\w)(?i:via|viale|corso|piazza|calle|paseo|avenida|rua)(?: [^\W\d_][\w'’]{{0,20}}){{0,3}} {_CAPITAL},? "
)
_PLACES = frozenset(
    [
        f" {word}"
        for word in "street road avenue lane boulevard court crescent square terrace gardens grove".split()
    ]
    + [
        f"{word} "
        for word in "rue avenue boulevard chemin impasse allée via viale corso piazza calle paseo avenida rua".split()
    ]
    + [
        word + sign
        for word in (
            "straße strasse weg platz allee gasse portal número numero numéro number nambar नंबर gali gully makan makaan flat गली मकान फ्लैट"
        ).split()
        for sign in " ,"
    ]
)
_COUNTS = frozenset(
    word
    for word, meaning in NUMBER_WORDS.items()
    if meaning.role in ("digit", "whole", "tens", "hundred") and len(word) > 2
)
HOUSE_NUMBER_NEEDS = Need(
    (
        frozenset(map(with_word_starts, _PLACES)),
        frozenset(with_word_starts(WORD_STARTS + word) for word in _COUNTS),
    ),
    digits=0,
    run=0,
)
_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f\u0951-\u0957])*")
_REACH = 60


def house_numbers(view: View) -> View | None:
    """The view with house numbers in words written as digits: 'forty-eight twenty-one Larkspur Court'."""
    text, numbers = view.text, set[tuple[int, int]]()
    for match in _STREET_AFTER.finditer(text):
        # The name of the street may begin with the number, in capitals too.
        for word in _TOKEN.finditer(text, *match.span()):
            start = _number_before(text, word.start())
            if start < word.start():
                numbers.add((start, word.start() - 1))
    for match in _BEFORE_NUMBER.finditer(text):
        end = _number_behind(text, match.end())
        if end > match.end():
            numbers.add((match.end(), end))
    edits = [(start, end, digits) for start, end in sorted(numbers) if (digits := digits_of(text[start:end]))]
    return view.edited(_apart(edits)) if edits else None


def _number_before(text: str, end: int) -> int:
    """Where the number words begin that end before the blank at `end` - 1; `end` if there are none."""
    begin = end
    for word in reversed(list(_TOKEN.finditer(text, max(0, end - _REACH), end))):
        if begin - word.end() != 1 or text[word.end()] not in " -" or word.group().lower() not in _COUNTS:
            break
        begin = word.start()
    return begin


def _number_behind(text: str, start: int) -> int:
    """Where the number words end that begin at `start`; `start` if there are none."""
    end = start
    for word in _TOKEN.finditer(text, start, start + _REACH):
        if word.start() - end != (end > start) or word.group().lower() not in _COUNTS:
            break
        end = word.end()
    return end


def _apart(edits: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """The edits without those that overlap an earlier one."""
    kept: list[tuple[int, int, str]] = []
    for edit in edits:
        if not kept or edit[0] >= kept[-1][1]:
            kept.append(edit)
    return kept


def _street(match: re.Match[str]) -> Span | None:
    group = "value" if "value" in match.re.groupindex else 0
    name = match.group(group)
    is_name = not _FAMOUS.search(name) and (not name.isupper() or any(map(str.isdigit, name)))
    return Span(*match.span(group), "LOCATION", 0.6) if is_name else None


def _told(match: re.Match[str]) -> Span | None:
    value = match.group("value").rstrip(" ,.")
    if _NO_HOUSE.search(match.string[match.start("value") : match.end() + 12]):
        return None
    return Span(match.start("value"), match.start("value") + len(value), "LOCATION", 0.7)


def _postcode(match: re.Match[str]) -> Span | None:
    return Span(*match.span(), "LOCATION", 0.6) if _HOME.search(before(match, 60)) else None


RULES = (
    Rule("address_postcode", _WITH_POSTCODE, _street),
    Rule("postcode_gb", _POSTCODE, _postcode),
    Rule("address_own_street", _OWN_STREET, _street),
    Rule("address_street_before", _STREET_BEFORE, _street),
    Rule("address_street_behind", _STREET_BEHIND, _street),
    Rule("address_street_glued", _STREET_GLUED, _street),
    Rule("address_in_words", _HOUSE_IN, _street),
    Rule("address_locality_first", _LOCALITY_FIRST, _street),
    Rule("address_rare_street", _RARE_STREET, _street),
    Rule("address_zh_words", _ADDRESS_ZH, _street),
    Rule("address_live", _TOLD, _told),
)
