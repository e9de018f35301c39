"""Find identifiers by cue words: self-introduced names, dates of birth and postal addresses (en, es, hi, de, it, fr, zh)."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import re

from models.screening.privacy.evidence import WORD, commonness, lists, plain
from models.screening.privacy.rule import Judge, Rule, always
from models.screening.privacy.span import Span

_MONTHS = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
    r"|januar|märz|mai|juni|juli|oktober|dezember|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre"
    r"|janvier|février|mars|avril|juin|juillet|août|septembre|octobre|novembre|décembre"
    r"|जनवरी|फरवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर|अक्टूबर|नवंबर|दिसंबर)"
)
_DATE = (
    rf"(?:\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}|\d{{1,2}}(?:st|nd|rd|th|er|\.|º)?\s*(?:of |de |ko )?{_MONTHS}\.?,?\s*(?:de |del )?(?:\d{{2,4}})?"
    rf"|{_MONTHS}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?(?:\s+\d{{4}})?|\d{{4}}年\d{{1,2}}月\d{{1,2}}[日号]?)"
)
_BIRTH_CUE = (
    r"(?:\bborn\b|\bd\.?[ \n\t]?o\.?[ \n\t]?b\b|date of birth|birth\s?date|birthday|\bnac[íi]\b|\bnacid[oa]\b|nacimiento|cumpleaños|geboren|"
    r"geburts(?:datum|tag)|\bn[ée]e?\b le|naissance|anniversaire|\bnat[oa]\b|nascita|compleanno|जन्म(?:दिन|तिथि)?|janm(?:din|tithi)?|paida|出生|生日)"
)
_BIRTH = re.compile(rf"{_BIRTH_CUE}[^.!?\n\d]{{0,40}}?(?P<date>{_DATE})", re.IGNORECASE)
_BIRTH_AFTER = re.compile(
    rf"(?P<date>{_DATE})[^.!?\n\d]{{0,25}}?(?:को जन्म|ko (?:janm|paida)|my birthday|is my (?:date of birth|dob|birthday)|出生)",
    re.IGNORECASE,
)
# A date of birth in words. The year ends with number words only.
_ORDINAL = (
    r"(?:(?:twenty|thirty)[ \-])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|"
    r"(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth)"
)
_YEAR_WORD = (
    r"(?:oh|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred)"
)
_YEAR = rf"(?:\d{{4}}|(?:nineteen|twenty|two thousand)(?:[ \-](?:and )?{_YEAR_WORD}){{0,3}})"
_BIRTH_SPELLED = re.compile(
    rf"{_BIRTH_CUE}[^.!?\n\d]{{0,20}}?(?P<date>(?:the )?{_ORDINAL}(?: of)? {_MONTHS},? {_YEAR}|{_MONTHS} (?:the )?{_ORDINAL},? {_YEAR}"
    rf"|[a-zñéóúí]{{3,12}}(?: y [a-z]{{3,6}})? de {_MONTHS} del? (?:mil|dos mil)(?: [a-zñéóúí]{{1,12}}){{0,4}}|[a-zäöüß]{{4,25}}te[nr] {_MONTHS} (?:neunzehnhundert|zweitausend)[a-zäöüß]{{0,25}}"
    rf"|[a-zé\-]{{3,14}} {_MONTHS} (?:mille neuf cent|deux mille)(?:[ \-][a-zé]{{2,9}}){{0,4}})",
    re.IGNORECASE,
)

# An introduced name: one to four words after the cue, capitalised unless the cue is unmistakable. A longer word is no
# name: without a limit each of many cues would read the text to its end.
_LETTERS = r"(?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f]|['’\-](?=[^\W\d_])){0,60}+"
_WORD = rf"[^\W\d_]['’\-]?{_LETTERS}"
_CAPITAL = rf"(?:[A-ZÀ-ÖØ-Þ]|[\u0900-\u097f]){_LETTERS}"
_FULL = rf"{_CAPITAL}(?: (?:(?:de|del|della|di|van|von|der|den|la|le|bin|al|da|dos|y) ){{0,2}}(?:[A-Z]\. ?)?{_CAPITAL}){{0,3}}"
_LOWER_FULL = rf"{_WORD} {_WORD}(?![^\W\d_])(?= ?(?:[.,;!?\n]|$|and\b|und\b|y\b|e\b|et\b|है|hai\b|hoon\b|hun\b|from\b|i\b))"
_INTRODUCED = (
    r"(?:(?i:\bmy (?:full |real |legal |last |first )?name(?: is|'s|’s| =|:)|\bname(?: on (?:it|the \w+))? is|\bfull name:|\b(?:name|surname|nombre(?: completo)?|apellidos?|cognome|nachname|nom|pr[ée]nom):"
    r"|(?:\bi am|\bi'm|\bi’m|\bthis is) (?:called |named )"
    r"|(?:\bme llamo|\bmi nombre (?:completo )?es|\bse llama|\bich hei(?:ß|ss)e|\bmein name ist|\bmi chiamo|\bil mio nome è|\bje m['’]appelle"
    r"|\bmon nom est|\bmera (?:poora |pura )?naa?m|मेरा (?:पूरा )?नाम|我叫|我的名字是|我的名字叫|\bsigned,|\byours sincerely,)))\s*"
)
_NAME_CUED = re.compile(rf"{_INTRODUCED}(?P<name>{_FULL}|{_LOWER_FULL})")
_CHINESE_NAME = re.compile(
    r"(?:我叫|我的名字(?:是|叫)|姓名[:：是])\s*(?P<name>[\u4e00-\u9fff]{2,4}?)(?=[，。！？,.!?\s我来今是]|$)"
)
_TITLED = re.compile(
    rf"\b(?:(?i:mr|mrs|ms|miss|mx|dr|prof|sr|sra|srta|herr|frau|signor|signora|monsieur|madame|mme|shri|smt)\.?) (?P<name>{_CAPITAL}(?: {_CAPITAL}){{1,2}})"
)
# "Mr. D." and "Dr. Patel" too: who is called so is somebody.
_TITLED_SHORT = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Sra?|Srta|Herr|Frau|Signora?|Monsieur|Madame|Mme|Mlle|Shri|Smt|Don|Doña|श्री|श्रीमती)\.? (?P<name>[A-Z]\.|{_CAPITAL})"
)
_GREETED = re.compile(
    rf"(?:^|\n)[ \t]{{0,4}}(?i:hi|hello|hey|dear|hola|querid[oa]|estimad[oa]|liebe[rs]?|hallo|bonjour|salut|ch[eè]re?|namaste|ciao|car[oa]|good (?:morning|afternoon|evening)"
    rf"|guten (?:tag|morgen)|buenos d[ií]as|buenas tardes),? (?P<name>{_FULL})(?= ?(?:[,!:;\n]|$))"
)
_SIGNED = re.compile(
    r"(?i:\b(?:regards|wishes|sincerely|truly|faithfully|best|cheers|thanks|thanks again|thank you|love|hugs|xoxo|saludos|cordiales|atentamente|abrazo|besos|grüßen?|grüssen?|gruß"
    rf"|cordialement|amicalement|bisous|saluti|dhanyavaad|yours))[,.!]?[ \t]{{0,3}}\n\s{{0,4}}(?:[-–—] ?)?(?P<name>{_FULL})(?=[ .,]?(?:\n|$))"
)
_NOT_A_NAME = frozenset(
    "not the a an so very just here fine good tired happy sad sorry from in at on going bored ok okay sure really also your "
    "my what it i he she they we you that this is are was hai hain hoon kya nahi aur mera tum aap un una el la no es de y que "
    "bueno same nothing secret private unknown important irrelevant all everything difficult mat igual como same too not mi mis tu".split()
)
# A word above this Zipf frequency is a word, unless it is on a list of names.
_RARE = 3.5
_TRAILING = re.compile(r"(?: (?:and|I|The|But|So|What|How|Please|My|Hai|हैं|है|और|मैं|hai|hoon)){1,8}$")

_STREET_EN = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|crescent|cres|place|pl|square|sq|terrace|"
    r"parkway|pkwy|highway|hwy|circle|cir|trail|trl|close|gardens|grove|row|mews|plaza|walk|alley|route|way|loop|ridge|run|path|point|mount|"
    r"heights|hills?|isle|knolls?|mills?|pass|pike|pines?|ports?|ranch|rapids?|shoals?|shores?|springs?|spurs?|station|stream|summit|throughway|"
    r"trace|track|trafficway|tunnel|turnpike|underpass|unions?|valleys?|via|viaduct|views?|villages?|ville|vista|walks|wall|wells?|"
    r"meadows?|manors?|lodge|locks?|landing|lakes?|keys?|junctions?|islands?|inlet|hollow|haven|harbors?|groves|greens?|glens?|gateway|garden|"
    r"freeway|forks?|forges?|forest|fords?|flats?|ferry|falls?|extensions?|expressway|estates?|drives|divide|dam|curve|crossroad|crossing|crest|"
    r"creek|course|courts|corners?|common|cove|club|cliffs?|centers?|causeway|canyon|camp|bypass|burgs?|brooks?|bridge|branch|bottom|bluffs?|"
    r"beach|bayou|annex|nagar|marg|chowk|gali|colony|vihar|puram|enclave|sector|society|apartments?)"
)
_SURE_STREET_EN = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|crescent|terrace|parkway|pkwy|highway|hwy|circle|"
    r"nagar|marg|chowk|colony|vihar)"
)
_UNIT = r"(?:,?\s*(?:apt|apartment|suite|ste|unit|flat|floor|fl|#|piso|planta|puerta|bajo|box|office|stock)\.?\s?(?:no\.?\s?)?[\w\-ºª]{1,6})?"
_CITY_TAIL = r"(?:\s*[,\n]\s*(?:[A-ZÀ-Þ][\w'’.\-]+(?: (?:de|del|la|[A-ZÀ-Þ][\w'’.\-]+)){0,3}))?(?:,?\s*[A-Z]{2}\b)?(?:,?\s*(?:[A-Z]{1,2}\d[\dA-Z]? ?\d[A-Z]{2}|\d{5}(?:-\d{4})?|\d{6}|\d{3} ?\d{3}))?"
_ADDRESS_EN = re.compile(
    rf"\b\d{{1,6}}[A-Za-z]?(?:[/\-]\d{{1,4}})?,?[ \n](?:(?:[NSEW]|north|south|east|west)\.? )?(?:(?:[A-Z][\w'’.\-]*|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}(?i:{_STREET_EN})\b\.?"
    rf"{_UNIT}{_CITY_TAIL}{_UNIT}"
)
_ADDRESS_EN_LOWER = re.compile(
    rf"\b\d{{1,5}} (?:[a-z'’\-]{{3,}} |\d{{1,3}}(?:st|nd|rd|th) ){{1,3}}{_SURE_STREET_EN}\b\.?{_UNIT}(?:,?\s*\d{{5}}\b)?",
    re.IGNORECASE,
)
_WORDS_BEFORE_STREET = re.compile(
    r"\b(?:the|of|for|on|in|at|to|down|and|from|with|my|your|his|her|people|cars?|minutes?|miles?|blocks?|hours?|days?|years?|times?|a|is|was)\b",
    re.IGNORECASE,
)
_HOUSE_IN = re.compile(
    r"\b(?:flat|house|plot|h\.?\s?no|door|makaan|makan|ghar|block)\.?\s?(?:no\.?|number|nambar)?\s?[#:]?\s?[A-Za-z]?-?\d[\w/\-]{0,6},\s?[^.!?\n]{3,80}?(?:\b\d{6}\b|\b\d{3} \d{3}\b|nagar|colony|marg|road|street|vihar|sector \d+|gali|mohalla)(?:[, ]+[A-Z][\w]+){0,3}(?:[ ,\-]+\d{6})?",
    re.IGNORECASE,
)
_ADDRESS_HI = re.compile(
    r"(?:मकान|फ्लैट|घर|प्लॉट)\s?(?:नंबर|नं\.?|संख्या)?\s?\d[\w/\-]*[,\s][^।.!?\n]{3,80}?(?:नगर|गली|मार्ग|रोड|कॉलोनी|मोहल्ला|सेक्टर|\d{6})(?:[^।!?\n]{0,40}?\d{6})?"
)
_ADDRESS_ES = re.compile(
    r"\b(?:calle|c/|avda?\.?|avenida|paseo|plaza|plza\.?|pza\.?|camino|ronda|carrera(?=\s(?-i:[A-ZÁÉÍÓÚÑ]))|cra\.?|callejón|pasaje|travesía|glorieta|rambla|vial|cuesta|cañada|"
    r"urbanización|urb\.?|via|vía|acceso|alameda)\s(?:(?:de|del|la|el|las|los|san|santa|[A-ZÁÉÍÓÚÑ][\wáéíóúñü'\-]*\.?)\s){0,5}?[A-ZÁÉÍÓÚÑ][\wáéíóúñü'\-]*"
    r"\s?,?\s?(?:n[º°ro.]*\s?|número\s)?#?\s?\d{1,4}\b(?:\s?-\s?\d{1,3})?(?:,?\s*(?:piso|planta|puerta|bajo|apt\.?|apartamento|esc\.?|\d{1,2}[ºª°])\s?[\w\-ºª]{0,3})?"
    r"(?:\s*[,\n]\s*[A-ZÁÉÍÓÚÑ][\wáéíóúñ]+)?(?:,?\s*\d{5}\b)?(?:\s*,?\s+[A-ZÁÉÍÓÚÑ][\wáéíóúñ]+)?",
    re.IGNORECASE,
)
_ADDRESS_ES_CAPITAL = re.compile(
    r"\b(?:Ampliación|Andador|Calzada|Cerrada|Circuito|Circunvalación|Continuación|Corredor|Diagonal|Eje [Vv]ial|Peatonal|"
    r"Periférico|Privada|Prolongación|Retorno|Viaducto|Boulevard|Bulevar|Blvd\.?|Pasadizo|Avenida|Calle|Callejón|Pasaje)"
    r"(?: (?:de|del|la|el|las|los|y|[A-ZÁÉÍÓÚÑ][\wáéíóúñü'\-]*\.?)){1,6},? \d{1,5}\b"
    r"(?:[ ,]{1,3}(?:(?:Interior|Int\.?|Edif\.?|Depto\.?|Apt\.?|Piso|Puerta|Local) ?)?\d{1,4}\b){0,3}"
    r"(?:\s?[,\n]\s?(?:[A-ZÁÉÍÓÚÑ][\wáéíóúñü'\-]*[ ,]{1,2}|(?:de|del|la|el|las|los|altos|bajos)[ ,]{1,2}){1,7}"
    r"(?:[A-Z.]{2,5} ?){0,2}\d{5}(?:-\d{4})?\b)?"
)
# A number, capitalised words and the post code that closes an address: India, then Britain.
_ADDRESS_IN_PIN = re.compile(
    r"(?<![\w/])(?:H\.? ?No\.? ?)?\d{1,5}[A-Z]?(?:/\d{1,5})?[,\n]{0,2} ?(?:[A-Z][\w'.\-]*[ ,\n]{1,2}){0,6}[A-Z][\w'.\-]*?[ ,\-]{1,2}\d{6}\b"
)
_ADDRESS_HI_PIN = re.compile(
    r"(?<![\w/])\d{1,5}(?:/\d{1,5})?[,\n]{0,2} ?(?:[\u0900-\u0963\u0970-\u097f'’.\-]{2,}[ ,\n]{1,2}){0,6}[\u0900-\u0963\u0970-\u097f'’.\-]{2,}?[ ,\-]{1,2}\d{6}(?!\d)"
)
_ADDRESS_GB = re.compile(
    r"(?<!\w)(?:(?:Flat|Studio|Apartment|Unit|Room) \d{1,4}[A-Za-z]?,?\s(?:\d{1,4}[A-Za-z]? )?|\d{1,4}[A-Za-z]?,? )"
    r"(?:[A-Z][\w'\-]*[ ,\n]{1,2}){1,7}[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b"
)
_ADDRESS_DE = re.compile(
    r"\b[A-ZÄÖÜ][\wäöüß.\-]*?(?:straße|strasse|str\.|weg|allee|gasse|platz|ring|damm|ufer|chaussee|laan|straat|plein|baan|steenweg)\s\d{1,4}(?:[a-z]\b)?(?:/\d+)*(?:,?\s*\d{5}(?:\s[A-ZÄÖÜ][\wäöüß\-]+)?)?"
    r"|\b[A-ZÄÖÜ][\wäöüß\-]+(?:-| )(?:Straße|Strasse|Str\.|Weg|Allee|Gasse|Platz|Ring)\s\d{1,4}(?:[a-z]\b)?(?:,?\s*\d{5}(?:\s[A-ZÄÖÜ][\wäöüß\-]+)?)?"
)
_ADDRESS_IT = re.compile(
    r"\b(?:via|viale|piazza|piazzale|corso|vicolo|largo|strada|contrada|borgo|canale|incrocio|rotonda|stretto|viuzza)\s(?:(?:di|del|della|dei|san|santa|[A-ZÀ-Þ][\wà-ÿ'’]*\.?)\s){0,4}?[A-ZÀ-Þ][\wà-ÿ'’]*\s?,?\s?\d{1,4}\b"
    r"(?:[\s,]+(?:appartamento|piano|int\.?)\s?\d+)?(?:[,\s]+\d{5}(?:,?\s[A-ZÀ-Þ][\wà-ÿ]+)?)?",
    re.IGNORECASE,
)
_ADDRESS_FR = re.compile(
    r"\b\d{1,4}(?:\s?(?:bis|ter))?,?\s(?:(?:rue|avenue|av\.|boulevard|bd|impasse|allée|chemin|quai)\s(?:(?:de|du|des|la|le|les|l['’])\s?)*|(?:place|cours|route|passage|square)\s(?:(?:de|du|des|la|le|les|l['’])\s?)*(?-i:(?=[A-ZÀ-Þ])))[A-ZÀ-Þ][\wà-ÿ'’\-]*(?:[ \-][A-ZÀ-Þ][\wà-ÿ'’\-]*){0,3}(?:[,\s]+\d{5}(?:\s[A-ZÀ-Þ][\wà-ÿ\-]+)?)?"
    r"|\b(?:rue|avenue|boulevard|impasse|chemin)\s(?:(?:de|du|des|la|le|les)\s)*[A-ZÀ-Þ][\wà-ÿ'’\-]*(?:[ \-][A-ZÀ-Þ][\wà-ÿ'’\-]*){0,3},?\s\d{1,4}\b(?:[,\s]+\d{5}(?:\s[A-ZÀ-Þ][\wà-ÿ\-]+)?)?",
    re.IGNORECASE,
)
# Behind its first character each part ends with the next 省, 市, 区 or 县: if they could also stand inside a part, a row
# of them could be read in very many ways.
_REGION_ZH = r"(?![省市区县])[\u4e00-\u9fff]"
_ADDRESS_ZH = re.compile(
    rf"(?:[\u4e00-\u9fff](?:{_REGION_ZH}){{0,7}}[省市区县]{{1,3}}(?:(?:{_REGION_ZH}){{1,8}}[省市区县]{{1,3}}){{0,3}})?"
    r"[\u4e00-\u9fff]{1,10}(?:路|街|道|巷|弄)\s?\d{1,5}\s?(?:号|弄)(?:[\u4e00-\u9fff\d\-]{0,12}(?:室|楼|栋|单元))?"
)
_ADDRESS_US = re.compile(
    r"\b\d{1,6} [A-Z][\w'’.\- ]{2,60}?,? [A-Z][\w'’.\- ]{1,40}, [A-Z]{2} \d{5}(?:-\d{4})?\b|\b(?:USN?S|USCGC|PSC|Unit) [\w ,]{2,30}?(?: Box \d+)?,? (?:[AFD]PO) A[AEP] \d{5}"
)
_PO_BOX = re.compile(
    r"\bp\.?\s?o\.?\s?box\s\d{1,6}\b|\bapartado(?: de correos)?\s\d{1,6}\b|\bpostfach\s\d{1,6}\b",
    re.IGNORECASE,
)
_FICTION = re.compile(r"221\s?b,? baker street", re.IGNORECASE)  # a famous fictional address
_LIVE_CUE = re.compile(
    r"(?:\b(?:my|home|billing|shipping|mailing|delivery|postal|our|his|her|their) address(?: is|:)|\baddress:|\bi live at|\bwe live at|\bmi direcci[óo]n es|\bdirecci[óo]n:|\bvivo en"
    r"|\bmeine adresse(?: ist|:)|\bich wohne in der|\bmio indirizzo è|\babito in|\bmon adresse est|\bj['’]habite (?:au|à)|मेरा पता(?: है)?|\bmera (?:pata|address)(?: hai)?|我的地址是|我家住)"
    r"\s*(?P<value>[^!?\n]{0,120}?\d[^!?\n]{0,60}?)(?=[!?\n]|(?<![Aa]pt)(?<!APT)(?<![Ss]te)(?<!STE)\.(?:\s|$)|$|;)",
    re.IGNORECASE,
)


def _birth(match: re.Match[str]) -> Span | None:
    date = match.group("date").rstrip(" ,")
    if not re.search(r"\d{4}|\d[-/.]\d+[-/.]\d", date):
        return None
    return Span(match.start("date"), match.start("date") + len(date), "DATE_TIME", 0.8)


def _address(score: float) -> Judge:
    def judge(match: re.Match[str]) -> Span | None:
        fictional = _FICTION.match(match.string, match.start())
        return None if fictional else Span(*match.span(), "LOCATION", score)

    return judge


def _lower_address(match: re.Match[str]) -> Span | None:
    return None if _WORDS_BEFORE_STREET.search(match.group()) else _address(0.6)(match)


def _cued_address(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    if not 5 <= len(value.strip()) <= 120 or not value.rstrip(" .,"):
        return None
    start = match.start("value") + len(value) - len(value.lstrip())
    if _FICTION.match(match.string, start):
        return None
    return Span(start, match.start("value") + len(value.rstrip(" .,")), "LOCATION", 0.75)


def _name(score: float) -> Judge:
    def judge(match: re.Match[str]) -> Span | None:
        name = _TRAILING.sub("", match.group("name"))
        if name.split(" ")[0].lower() in _NOT_A_NAME or len(name) < 2:
            return None
        return Span(match.start("name"), match.start("name") + len(name), "PERSON", score)

    return judge


def _short_name(score: float) -> Judge:
    """A name that stands where also other words stand: its words are on a list of names, or rare."""

    def judge(match: re.Match[str]) -> Span | None:
        words = [plain(word) for word in WORD.findall(match.group("name"))]
        first, last = lists()
        ordinary = (word for word in words if len(word) > 1 and word not in first and word not in last)
        if any(word in _NOT_A_NAME or commonness().get(word, 0.0) > _RARE for word in ordinary):
            return None
        return Span(*match.span("name"), "PERSON", score)

    return judge


RULES = (
    Rule("birth", _BIRTH, _birth),
    Rule("birth_spelled", _BIRTH_SPELLED, always("DATE_TIME", 0.8, "date")),
    Rule("birth_after", _BIRTH_AFTER, _birth),
    *(
        Rule(f"address_{name}", pattern, _address(0.8))
        for name, pattern in {
            "en": _ADDRESS_EN, "us": _ADDRESS_US, "in": _HOUSE_IN, "hi": _ADDRESS_HI, "es": _ADDRESS_ES, "es_capital": _ADDRESS_ES_CAPITAL,
            "in_pin": _ADDRESS_IN_PIN, "hi_pin": _ADDRESS_HI_PIN, "gb": _ADDRESS_GB, "de": _ADDRESS_DE,
            "it": _ADDRESS_IT, "fr": _ADDRESS_FR, "zh": _ADDRESS_ZH, "po_box": _PO_BOX,
        }.items()
    ),
    Rule("address_lower", _ADDRESS_EN_LOWER, _lower_address),
    Rule("address_told", _LIVE_CUE, _cued_address),
    Rule("name_told", _NAME_CUED, _name(0.85)),
    Rule("name_zh", _CHINESE_NAME, _name(0.8)),
    Rule("name_titled", _TITLED, _name(0.7)),
    Rule("name_titled_short", _TITLED_SHORT, _short_name(0.7)),
    Rule("name_greeted", _GREETED, _short_name(0.7)),
    Rule("name_signed", _SIGNED, _short_name(0.7)),
)  # fmt: skip
