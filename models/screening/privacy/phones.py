"""Find phone numbers: by a word that announces one, by a form that only they have, else by plausibility.

A bare number is more often a time, an id or an amount than a phone: nine in ten numbers of ten to thirteen digits are
valid somewhere. So a bare number counts only where a word, the language around it or the message itself tells of a phone.
"""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re
from functools import lru_cache

from models.screening.privacy.bounds import cue, is_latin
from models.screening.privacy.digits import Run
from models.screening.privacy.span import Span

_EXTENSION = re.compile(r"\s?(?:x|ext\.?|extension|#)\s?\d{1,6}(?![A-Za-z0-9])", re.IGNORECASE)
# Whoever says this speaks of a phone, whatever the digits look like.
_STRONG = cue(
    r"\b(?:call|text|ring|phone|dial|sms|whatsapp|message|msg|ping|reach|contact|buzz|hit)(?: me| us| him| her| them| my \w{1,12})?(?: up| back)?(?: on| at| @|:)?[\s:(]{0,3}$"
    r"|\b(?:call|text|ring|phone|whatsapp|message|ping|reach|contact|buzz)(?:ing)? (?:me|us|him|her|them|my|mom|dad)\b|\b(?:my|his|her|their|our|your|mera|meri|mi|tu|su|mein[e]?|mon|ma|il mio|o meu) (?:\w{1,12} )?(?:number|phone|cell|mobile|digits|no\b|num\b|n[úu]mero|m[óo]vil|tel[ée]fono|celular|nummer|handy|num[ée]ro|t[ée]l[ée]phone|cellulare|nambar|telem[óo]vel)"
    r"|(?:phone|mobile|cell|telephone|contact|whatsapp|fax|landline|office|work|home) ?(?:no\b|number|num\b|nr\b|#)|\btel\b|\bfax\b|\bwhats ?app\b|tel[ée]fono|m[óo]vil|celular|\bcel\b|area code|ll[áa]ma(?:me|nos|le)|appelle[- ]|rufnummer|telefon|t[ée]l[ée]phone|cellulare|\bmob\b|\bph\b"
    r"|नंबर|नम्बर|फ़ोन|फोन|मोबाइल|कॉल|电话|手机|號碼|号码|微信|電話|전화|โทร|telem[óo]vel|\bnambar\b|\bcall kar|\bphone kar|\bring me\b"
)
_SHORT_CUE = cue(r"phone|call|reach|mobile|\btel\b|tel[ée]f")
_NOT_PHONE = cue(
    r"order|invoice|ticket|version|\bv\d|isbn|issn|score|\bcase\b|\bref(?:erence)?\b|tracking|\broom\b|\bpage|serial|\bsku\b|\bmodel\b|\bbuild\b|release|pedido|factura|versi[óo]n|bestell|rechnung|commande|ordine|\bpi\b|\bresult"
    r"|patent|\bparcel|\bbatch|\blot\b|\bseats?\b|\bchapter|\bverse|\bflight|\bbooking|\bsolve|equation|\bequals?\b|\bsum\b|\btotal\b|आर्डर|ऑर्डर|订单|\bproduct\b|\bitem\b|\brecord\b|\bmarcador|\bresultado"
    r"|\$|€|£|₹|\busd\b|\beur\b|\bdollars|\bmillion|\bpopulation|\bcoordinates|\blatitude|\blongitude|\bfirmware|lotter|\blotto|\bdice\b|\bthrows?\b|\bbingo|\bsequence|winning|\bdraw\b|\bids?\b|_id\b|\bts\b|time ?stamp|epoch|\bunix|milli|second|\bhash|\bindex|\bport\b|\bpid\b|\buid\b|\bcount"
    r"|\bviews?\b|subscribers|followers|amount|balance|salary|budget|revenue|\bcosts?\b|\bprice|\bworth|\bpaid\b|\bbytes|\bsize\b|distance|barcode|\bupc\b|\bean\b|gtin|\bdoi\b|\bpmid|\bissue\b|\bbug\b|commit|\brow\b|\bcolumn|\bzone\b|\bzip\b|postal|\bcode\b|random|\bseed\b|\bdigits of|calculate|\d\s?[x*/=<>^]\s?$|\b(?:rose|grew|up|down|fell|increased?|gained|lost) by\b|\bjob\b|\bstream\b|\bpartition\b"
)
_NUMBERED = re.compile(
    r"(?:order|invoice|ticket|tracking|ref|case|pedido|factura|version|isbn|serial|model|patent|part|product|item|account|policy|registration)\W{0,4}(?:no\.?|number|id|code)?(?:\s(?:is|was|es|hai))?\W{0,3}$",
    re.IGNORECASE,
)
_AMOUNT_AFTER = re.compile(
    r"\s?(?:%|°|[$€£₹¥](?!\d)|(?:usd|eur|inr|rs|dollars?|euros?|rupees?|rupaye|pesos?|yen|bytes?|kb|mb|gb|km|kg|mm|cm|meters?|miles?|years?|people|users?|views?|times?|times|followers|subscribers|points?|coins?|ms|seconds?|secs?|votes?|units?)(?![A-Za-z]))",
    re.IGNORECASE,
)
_AMOUNT = cue(r"balance|amount|\bsum\b|\bworth|\bpaid|\bprice|\bcosts?\b|\btotal|saldo|betrag|solde")
_GAME = cue(r"\bdice\b|\bthrows?\b|lotter|\blotto\b|\bbingo\b|raffle|jackpot")
# A key of code before the number: quoted, with '=', or with an underscore or a capital inside.
_CODE_KEY = re.compile(
    r"(?:\"(?P<quoted>[^\"\n]{1,40})\"\s?:|'(?P<single>[^'\n]{1,40})'\s?:|(?<![A-Za-z0-9_.\-])(?P<key>[A-Za-z_][\w.\-]{0,40})\s?==?|(?<![A-Za-z])(?P<snake>[A-Za-z]{1,40}(?:_\w{1,30}|[a-z][A-Z]\w{0,30})):?)\s?[\"'\[(]?$"
)
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))(?:[ T]\d{1,2}(?:[:.]?\d{2}.*)?)?"
)
_YEARS = re.compile(
    r"(?:1[5-9]|20)\d\d(?:\s?[-/.,]\s?|\s)(?:(?:1[5-9]|20)\d\d|\d\d)(?:(?:\s?[-/.,]\s?|\s)(?:1[5-9]|20)\d\d)*"
)
_STAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{0,9}")
_NANP_SHAPE = re.compile(r"(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\)\s?[-. ]?|[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}")
_GROUPED_SHAPE = re.compile(r"\(?0?\d{1,4}\)?(?:[-. ]{1,2}\(?\d{2,5}\)?){1,4}")
_THOUSANDS = re.compile(r"\+?\d{1,3}(?:[ .]\d{3}){1,4}")
_INDIAN_SHAPE = re.compile(r"[6-9]\d{4}[ \-]\d{5}")
_HINDI = cue(
    r"[\u0900-\u097f]|\b(?:hai|hain|pe|par|ko|ka|ki|ke|mera|meri|mere|bhai|jana|aana|aa ja|karo|kar|karna|dena|lena|raat|le lo|ye lo|yeh|mujhe|tum|kal|abhi|nahi)\b"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

# Regions of numbers without a country code: of the supported languages, and wherever else people chat.
_REGIONS = tuple("US IN GB ES MX DE FR IT CN AU BR AR CO NL CH AT BE CA".split())
_TRUNK_REGIONS = (
    *_REGIONS,
    *"PH TW JP KR TH VN ID MY PK BD NG KE ZA GH EG TR SE FI IE NZ IL UA RO PE".split(),
)


@lru_cache(maxsize=65536)
def _dialable(digits: str, regions: tuple[str, ...]) -> bool:
    """Whether phonenumbers accepts the digits as a number of one of the regions (ZZ: international)."""
    import phonenumbers

    for region in regions:
        try:
            number = phonenumbers.parse(digits, None if region == "ZZ" else region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False


def dialable(digits: str) -> bool:
    """Whether the digits are a telephone number of a region whose languages are read."""
    return _dialable(digits, _REGIONS)


@lru_cache(maxsize=65536)
def _possible(digits: str) -> bool:
    """Whether an international number has a country's code and as many digits as numbers there have."""
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(digits, None)))
    except phonenumbers.NumberParseException:
        return False


def announces_phone(words: str) -> bool:
    """Whether the words are ones that only a phone number follows."""
    return _STRONG.search(words) is not None


def phone(run: Run, text: str) -> Span | None:
    """The phone number of a run of digits of `text`, with its extension."""
    extension = _EXTENSION.match(text, run.end)
    end = extension.end() if extension else run.end
    score = _score(run)
    if extension and score < 0.6 and not is_date(run) and 9 <= len(run.digits) <= 14:
        score = 0.75
    if not score or (is_latin(text[end : end + 1] or " ") and not announces_phone(run.before)):
        return None  # no phone number, or the beginning of a longer code
    start = run.start
    while text[start] in "(" and text[start:end].count("(") > text[start:end].count(")"):
        start += 1
    return Span(start, end, "PHONE_NUMBER", score)


def is_date(run: Run) -> bool:
    """Whether the run is a date, a span of years, or ends or begins a time."""
    return bool(_DATE.fullmatch(run.written) or _YEARS.fullmatch(run.written))


def is_amount(run: Run) -> bool:
    """Whether the run is an amount, by the words before it or the unit behind it."""
    return _AMOUNT.search(run.before[-24:]) is not None or _AMOUNT_AFTER.match(run.after) is not None


def _is_stamp(digits: str) -> bool:
    """Whether the digits are a time: seconds, milli-, micro- or nanoseconds since 1970, or begin with a date."""
    size = len(digits)
    epoch = size in (10, 13, 16, 19) and "0946684800" <= digits[:10] <= "2208988800"
    return epoch or (8 <= size <= 17 and _STAMP.fullmatch(digits) is not None)


def _cues(run: Run) -> tuple[bool, bool]:
    """Whether a phone is announced for sure, and whether a word near the number could announce one."""
    key = _CODE_KEY.search(run.before)
    if key is not None:
        # A value belongs to its own key, not to the key or the words before that.
        name = next(group for group in key.groups() if group is not None)
        told = cue_of_key(name)
        return told, told
    strong = announces_phone(run.before) or announces_phone(run.after[:25].split("\n")[0]) or _told_after(run)
    return strong, strong or run.cued("PHONE_NUMBER")


def _told_after(run: Run) -> bool:
    return (
        re.match(
            r",? (?:is|es|ist|hai|है|that'?s) (?:my|the|his|her|our|mi|mein|mera|मेरा)\b.{0,12}(?:number|phone|cell|mobile|digits|n[úu]mero|nummer|नंबर|फ़ोन|फोन)",
            run.after,
            re.IGNORECASE,
        )
        is not None
    )


_PHONE_KEY = cue(r"phone|mobile|\bcell|\btel|whats|fax|contact|\bmsisdn|n[úu]mero|celular|m[óo]vil|numb?er$")


def cue_of_key(key: str) -> bool:
    """Whether a key of code names a phone number."""
    return _PHONE_KEY.search(key) is not None and _NOT_PHONE.search(key) is None


def _score(run: Run) -> float:
    written, digits, size = run.written.strip(), run.digits, len(run.digits)
    if size > 17 or len(set(digits)) < 2 or is_date(run) or _NUMBERED.search(run.before):
        return 0.0
    strong, weak = _cues(run)
    excluded = (
        _NOT_PHONE.search(run.before[-24:]) is not None
        or is_amount(run)
        or _GAME.search(run.around) is not None
    )
    if excluded and strong:
        # The nearer word decides: "call me about order 4158675309".
        strong = announces_phone(run.before[-24:]) and not _NOT_PHONE.search(run.before[-12:])
    weak = weak and (strong or not excluded)
    if written.startswith(("+", "(+")) and 8 <= size <= 15:
        return _international(run, written, digits, strong, excluded)
    if len(run.groups) == 1:
        return _bare(run, digits, strong, weak, excluded)
    if excluded and not weak:
        return 0.0
    if written.startswith("00") and 10 <= size <= 17:
        return 0.85 if weak or _dialable("+" + digits[2:], ("ZZ",)) else 0.0
    short = len(run.groups) >= 3 and _SHORT_CUE.search(run.before)
    if weak and size <= 15 and (size >= 7 or short):
        return 0.85
    return 0.0 if size < 7 else _grouped(run, written, digits)


def _international(run: Run, written: str, digits: str, strong: bool, excluded: bool) -> float:
    """A number with a plus sign: a phone if it is valid or announced; else it may be a quantity with its sign."""
    if strong:
        return 0.95
    valid = _dialable("+" + digits, ("ZZ",))
    if excluded and (len(run.groups) == 1 or _THOUSANDS.fullmatch(written)):
        return 0.0
    if valid:
        return 0.95
    glued = re.search(r"[A-Za-z0-9)]\Z", run.before) is not None
    if _THOUSANDS.fullmatch(written) or glued or (len(run.groups) == 1 and not _possible("+" + digits)):
        return 0.0
    return 0.95 if run.cued("PHONE_NUMBER") else 0.6


def _bare(run: Run, digits: str, strong: bool, weak: bool, excluded: bool) -> float:
    """Digits without any sign between them."""
    size = len(digits)
    if strong and 7 <= size <= 15:
        return 0.85
    if (
        excluded
        or _is_stamp(digits)
        or _CODE_KEY.search(run.before)
        or run.before[-1:] in tuple("-#=&@~^*\\$€£₹<_'\"")
    ):
        return 0.0
    if (
        weak
        and 7 <= size <= 15
        and (_dialable(digits, _TRUNK_REGIONS) if size >= 10 else not digits.endswith("000"))
    ):
        return 0.85
    if digits.startswith("00"):
        return 0.85 if 11 <= size <= 17 and _dialable("+" + digits[2:], ("ZZ",)) else 0.0
    is_message = not run.before.strip(" \n.,:!") and not run.after.strip(" \n.,!?")
    likely = (
        (digits[0] == "0" and 10 <= size <= 11 and _dialable(digits, _TRUNK_REGIONS))
        or (is_message and 10 <= size <= 11 and _dialable(digits, _REGIONS))
        or (size == 10 and digits[0] in "6789" and _HINDI.search(run.around) is not None)
        or (size == 12 and digits[:2] == "91" and _dialable("+" + digits, ("ZZ",)))
        or (
            size == 11
            and digits[0] == "1"
            and digits[1] in "3456789"
            and _CHINESE.search(run.around) is not None
        )
    )
    return 0.6 if likely else 0.0


def _grouped(run: Run, written: str, digits: str) -> float:
    """Groups of digits that nothing announces."""
    size, groups = len(digits), run.groups
    if re.search(r"[A-Za-z0-9]-$", run.before) or _CODE_KEY.search(run.before):
        return 0.0  # the end of an id
    if _NANP_SHAPE.fullmatch(written):
        return 0.85
    if _INDIAN_SHAPE.fullmatch(written):
        return 0.7
    if written.startswith("(") and 7 <= size <= 13:
        return 0.75
    if len(groups) == 2 and "\n" in written:
        return 0.0
    if len(groups) == size and set(written) <= set("0123456789 "):
        # Single digits, as in a spelled-out number. Require a valid number, because lists of digits look the same.
        return 0.6 if 10 <= size <= 13 and _dialable(digits, _REGIONS) else 0.0
    if "/" in written or "_" in written or size > 13 or min(map(len, groups)) < 2:
        return 0.0
    if groups[0].startswith("0") and size >= 8:
        # Two digits each are rather the numbers of a lottery, unless they make a valid number.
        return (
            0.75 if _dialable(digits, _TRUNK_REGIONS) or (max(map(len, groups)) > 2 and size <= 12) else 0.0
        )
    dotted = "." in written
    if _THOUSANDS.fullmatch(written) and (digits.endswith("00") or not _dialable(digits, _REGIONS)):
        return 0.0
    if _GROUPED_SHAPE.fullmatch(written) and len(groups) >= 3 - (size == 7 or size >= 9) and not dotted:
        stands_alone = not re.search(r"\d[ \t]*\Z", run.before) and size >= 7
        even = [*map(len, groups)] == [3, 4] if size == 7 else 3 <= max(map(len, groups)) <= 5
        return 0.6 if stands_alone and even and (size >= 8 or "-" in written or " " in written) else 0.0
    return (
        0.7
        if dotted and size >= 9 and len(groups) == 3 and len(groups[0]) <= 3 and _dialable(digits, _REGIONS)
        else 0.0
    )
