"""Find secrets: keys by their prefix, passwords and tokens in code, JSON and addresses, and codes told in prose."""

# ruff: noqa: E501 — patterns read better unbroken.
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from models.screening.privacy import checksums
from models.screening.privacy.bounds import END, START, STARTED, UNSPACED, cue
from models.screening.privacy.rule import Rule, after, always, before
from models.screening.privacy.span import Span, placeholders

# Prefixes that issuers give their keys, from the rules of gitleaks and detect-secrets and the issuers' own pages.
_KNOWN_KEY = re.compile(
    rf"{START}(?:gh[pousr]_[A-Za-z0-9]{{20,255}}"
    r"|github_pat_\w{22,255}|(?:glpat|gldt|glrt|glcbt|glptt|glft|glsoat|glimt)-[\w\-.]{20,255}"
    r"|sk-(?:proj-|ant-|live-|or-|svcacct-|admin-)?[\w\-]{16,255}|[sprw]k_(?:live|test|prod)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{20,255}"
    r"|xox[abceoprs]-[\w\-]{10,255}|xapp-[\w\-]{10,255}|AIza[\w\-]{30,80}|ya29\.[\w\-]{20,255}|GOCSPX-[\w\-]{20,60}|SG\.[\w\-]{16,80}\.[\w\-]{16,80}"
    r"|eyJ[\w\-]{10,4000}\.[\w\-]{10,4000}\.[\w\-]{5,4000}"
    r"|(?:hf|api_org|gsk|r8|npm|figd|glsa|ntn|sbp|phc|phx|jina|lin_api|rubygems|dckr_pat|do[opr]_v1|lsv2_pt|lsv2_sk|pscale_tkn|pscale_pw|fw|e2b)_[\w\-.]{20,255}"
    r"|(?:fo1|fm2|shpat|shpss|shpca|shppa|sntrys|sntryu)_[\w\-./+=]{20,255}|(?:tvly|xai|pplx|csk|tskey|pypi|nvapi|NRAK|PMAK|xkeysib|sq0csp|sq0atp)-[\w\-]{16,255}"
    r"|ATATT3[\w\-=]{20,255}|(?:hv[sbr]|dp\.pt|dp\.st)\.[\w\-]{20,255}|dapi[0-9a-f]{32}|key-[0-9a-f]{32}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
    r"|hooks\.slack\.com/services/[\w/]{20,100})(?![A-Za-z0-9])",
    re.ASCII,
)
_CLOUD_KEY = re.compile(
    rf"{START}(?:(?:AKIA|ASIA|ABIA|ACCA|AROA)[0-9A-Z]{{16}}|LTAI[A-Za-z0-9]{{16,24}}){END}"
)
# Keys without a rare beginning: a long run of token characters is what the prefilter looks for.
_SHAPED_KEYS = {
    "telegram_bot": re.compile(rf"{START}\d{{8,10}}:AA[\w\-]{{33}}{END}"),
    "discord_bot": re.compile(
        rf"{START}[MNO][A-Za-z0-9_\-]{{23,25}}\.[A-Za-z0-9_\-]{{6}}\.[A-Za-z0-9_\-]{{27,45}}{END}"
    ),
    "airtable_key": re.compile(rf"{START}pat[A-Za-z0-9]{{14}}\.[0-9a-f]{{64}}{END}"),
    "private_key": re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    ),
}
_TOKEN = re.compile(r"(?<![A-Za-z0-9_/+\-])[A-Za-z0-9_/+\-]{20,256}={0,2}(?![A-Za-z0-9_/+\-])")
_TOKEN_CUE = cue(r"key|token|secret|auth|bearer|credential")
_HEX_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_WALLET_LIKE = re.compile(r"[13LDX9A][1-9A-HJ-NP-Za-km-z]{25,34}")
_HASH_CUE = cue(
    r"sha-?\d|hash|digest|checksum|commit|md5|\betag|fingerprint|\btx(?:id|n)?\b|transaction|block"
)

_WORDS = (
    rf"pass\s?(?:word|code|phrase)s?|passwd|{START}pwd?{END}|{START}pin(?: code| number)?{END}|contrase(?:ñ|n)a|{START}clave{END}|passwort|kennwort|mot de passe|{START}mdp{END}|senha"
    r"|पासवर्ड|पिन|密码|密碼|口令"
)
_KEY_WORDS = r"api[ _-]?key|secret(?: key)?|access[ _-]?token|auth(?:orization)?[ _-]?token|bearer|private key|seed key"
_IS = rf"(?:\s{{0,2}}(?:{START}(?:is|are|was|es|ist|est|è|hai|to|now|lautet){END}|है|是|为|=|:|->|→|[“\"'`])){{1,4}}\s{{0,2}}"
_TOLD = re.compile(
    rf"(?:{_WORDS}|{_KEY_WORDS}|{START}otp{END})(?: (?:for|de|para|für|pour|of|to) (?:the |my |la |el |mi |das |mein )?[\w.\-]{{1,20}})?{_IS}"
    rf"(?P<value>[^\s\"'`“”,;，。{UNSPACED}]{{4,128}})",
    re.IGNORECASE,
)
_TOLD_HINDI = re.compile(
    rf"(?:पासवर्ड|पिन|password|passcode|{START}pin)\s{{1,2}}(?P<value>[^\s\"'`“”,;{UNSPACED}]{{4,128}})\s{{0,2}}(?:है|hai{END})",
    re.IGNORECASE,
)
_PASSWORD = re.compile(_WORDS, re.IGNORECASE)
# A key of code, JSON or YAML and its value: `"password": "…"`, `DB_PASSWORD=…`, `clientSecret: '…'`, also inside an escaped string.
_KEYS = r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api[_\-]?key|apikey|access[_\-]?key(?:[_\-]?id)?|private[_\-]?key|encryption[_\-]?key|signing[_\-]?key|auth[_\-]?key|credentials?)"
_QUOTED = re.compile(
    rf"(?P<key>{_KEYS})(?P<more>[A-Za-z0-9_\-]{{0,20}})\\{{0,3}}[\"']?\s{{0,3}}(?:=>|:=|[:=])\s{{0,3}}\\{{0,3}}(?P<quote>[\"'`])(?P<value>[^\"'`\\\n]{{3,256}})\\{{0,3}}(?P=quote)",
    re.IGNORECASE,
)
_UNQUOTED = re.compile(
    rf"(?P<key>{_KEYS})(?P<more>[A-Za-z0-9_\-]{{0,20}})\s{{0,2}}(?:=|:\s)\s{{0,2}}(?P<value>[^\s\"'`&;,<>(){{}}\[\]{UNSPACED}]{{4,256}})",
    re.IGNORECASE,
)
_ARGUMENT = re.compile(
    r"(?:--?(?:password|passwd|token|api-?key|secret)[ =]|(?:-u|--user) [A-Za-z0-9._\-]{1,40}:)(?P<value>[^\s\"'`]{4,128})",
    re.IGNORECASE,
)
_USER_INFO = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,64}:(?P<value>[^\s\"'<>]{1,128})@[\w.\-\[]"
)
_LOGIN = re.compile(
    rf"{START}(?P<user>[A-Za-z][\w.\-]{{0,40}}):(?P<value>[^\s:@/\"'<>]{{6,64}})@[A-Za-z0-9\[]"
)
_NOT_A_USER = frozenset(
    "mailto mail email e-mail from to cc bcc contact sip xmpp skype reply-to name user login id".split()
)
_PLACEHOLDER = re.compile(
    r"[*x•.\-_#]+|(?:your|my|the|user|some|new|old|example|dummy|sample|test)?[_\-]?(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|key|api[_\-]?key)(?:[_\-]?here)?|null|none|nil|true|false|undefined"
    r"|string|str|text|hidden|redacted|required|wrong|incorrect|invalid|missing|empty|<.*|[$%{\[].*|string\(.*|varchar.*|process\.env.*|os\.environ.*|env\..*|self\..*|config\..*|settings\..*|request\..*|user\..*|input.*",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"<([^<>\s]{2,126})>")
_PROSE = re.compile(
    r"(?:wrong|right|same|different|secure|strong|weak|incorrect|correct|required|invalid|expired|protected|hidden|encrypted|safe|secret|missing|compromised|forgotten|outdated|stolen|leaked|simple|complex"
    r"|something|nothing|not|too|very|the|always|never|being|been|also|really|still|just|that|this|what|when|your|in|on|at|an?|so|saved|stored|changed|reset|correcta?|incorrecta?|segura?|falsch|richtig|sicher|faux|correct|galat|sahi|nahi|kya"
    r"|bad|good|fine|known|unknown|needed|asked|given|written|my|his|her|their|our|no|yes|ok|okay|like|about|because|and|or|but|if|long|short|easy|hard|important|private|public|personal|unique|random|set|gone|lost)",
    re.IGNORECASE,
)
_FIRST_PERSON = cue(
    r"\b(?:my|our|the|his|her|mi|mein|mon|mera|mere|tera|su|nuestra)\b[^.!?\n]{0,30}$|(?:मेरा|मेरे|我的)[^。.!?\n]{0,12}$|(?:^|[\n/|,;(])\s{0,3}$"
)

_CODE_KIND = (
    r"(?:otp|one[ \-]time (?:code|password|passcode|pin)|(?:verification|security|unlock|door|gate|alarm|access|entry|login|log-in|sign-in|sms|text|confirmation|auth(?:entication|enticator)?|2fa|two[ \-]factor|safe|locker|lock|garage|keypad|card|atm|phone|backup|recovery) (?:code|pin|passcode|combination)"
    r"|code (?:(?:that )?(?:they|you|he|she|it|google|whatsapp|the bank) |i (?:got|received|was) |for (?:the|my|our) (?:door|gate|safe|alarm|phone|card|house|garage|building|locker|account) )|combination (?:of|to|for) (?:the|my|our) (?:safe|lock|locker)|passcode|\bpin(?: code| number| no)?\s?(?:is|es|ist|est|hai|है|:|=|->)"
    r"|c[óo]digo (?:de (?:verificaci[óo]n|acceso|seguridad|la puerta|la alarma|desbloqueo|entrada)|que me (?:lleg[óo]|mandaron|enviaron|dieron)|sms|pin)|(?:sicherheits|bestätigungs|zugangs|tür|alarm|entsperr|sms|pin)-?code|code (?:de (?:la porte|s[ée]curit[ée]|v[ée]rification|l['’]immeuble|ma carte|d[ée]blocage)|d['’](?:entr[ée]e|acc[èe]s)|secret|re[çc]u|sms|porte)"
    r"|ओटीपी|वन टाइम पासवर्ड|पिन|कोड आया|验证码|驗證碼|door ka code|gate ka code|phone ka (?:lock|code|pin)|atm ka pin)"
)
_CODE = re.compile(
    rf"{_CODE_KIND}[^\d.!?\n。]{{0,40}}?[^\d.!?\n。A-Za-z]\s{{0,2}}(?P<value>\d{{3}}[ \-]\d{{3}}|\d{{4,8}})(?![\d%$€£]|[.,:/\-]\d)".replace(
        r"\b", START
    ),
    re.IGNORECASE,
)
_CODE_AFTER = re.compile(
    r"(?<![\d.,:/$€£\-#])(?P<value>\d{3}[ \-]\d{3}|\d{4,8}) (?:is|es|ist|est|hai|है) (?:the |my |your |our |mi |tu |mein |mon |ton |mera |मेरा )?(?:otp|ओटीपी|(?:verification|security|unlock|door|gate|alarm|access|login) code|c[óo]digo de verificaci[óo]n|sicherheitscode|pin\b|code de v[ée]rification)",
    re.IGNORECASE,
)
_NO_CODE = cue(
    r"error|status|postal|\bzip|area code|country code|promo|coupon|discount|year|salary|price|cost|exit code|\bmodel|page"
)
_SEED_WORDS = re.compile(
    rf"[A-Za-z]{STARTED}[a-z]{{2,7}}(?:(?:[ ,\n\t]{{1,3}}|[ ,\n]{{0,2}}\d{{1,2}}[.):]? ?)[a-z]{{3,8}}){{11,40}}{END}"
)
_SEED_SIZES = (24, 21, 18, 15, 12)


def entropy(token: str) -> float:
    """Shannon entropy of a token's characters, bits a character."""
    counts = Counter(token)
    return -sum(count / len(token) * math.log2(count / len(token)) for count in counts.values())


def _value(match: re.Match[str], value: str, kind: str, score: float) -> Span:
    return Span(match.start("value"), match.start("value") + len(value), kind, score)


def _is_odd(value: str) -> bool:
    """Whether no word of prose looks like that: digits beside letters, digits alone, or signs inside."""
    if any(map(str.isdigit, value)):
        return len(value) >= 6 or value.isdigit()
    return len(value) >= 6 and any(not c.isalnum() and c not in "'’-.…/)(*" and ord(c) < 0x900 for c in value)


def _known_key(match: re.Match[str]) -> Span | None:
    # A name of a package or of a topic ("sk-learn-based-pipeline") has no digit.
    return Span(*match.span(), "API_KEY", 1.0) if any(map(str.isdigit, match.group()[4:])) else None


def _told_secret(match: re.Match[str]) -> Span | None:
    value = match.group("value").rstrip(".!?)…")
    if bracketed := _BRACKETED.fullmatch(value):
        # Own words in brackets are no redaction; what redaction and templates write there is no secret.
        if placeholders(value) or _PLACEHOLDER.fullmatch(bracketed[1]):
            return None
        return _value(match, value, "PASSWORD", 0.8)
    if not value or value[0] in ")]}=+.,;<>" or _PLACEHOLDER.fullmatch(value):
        return None
    if _is_odd(value):
        return _value(match, value, "PASSWORD", 0.8)
    # One word: only what somebody calls their own password, and what is no word of an ordinary sentence.
    told = _PASSWORD.match(match.string, match.start()) and _FIRST_PERSON.search(before(match, 40))
    ends = re.match(
        r"\s{0,12}(?:$|[.,;!?)\n\"'”]|(?:and|but|ok(?:ay)?|thanks|y|und|et|hai)\b)", after_value(match, value)
    )
    if (
        told
        and ends
        and len(value) >= 6
        and value.isascii()
        and value.isalpha()
        and not _PROSE.fullmatch(value)
        and not _is_word(value)
    ):
        return _value(match, value, "PASSWORD", 0.6)
    return None


def after_value(match: re.Match[str], value: str) -> str:
    """The text behind the value of a match, up to twelve characters."""
    end = match.start("value") + len(value)
    return match.string[end : end + 12]


@lru_cache(maxsize=4096)
def _is_word(value: str) -> bool:
    """Whether it is a word of English, as far as frequencies know."""
    from wordfreq import zipf_frequency

    return zipf_frequency(value, "en") > 1.5 and value.islower()


def _assigned(match: re.Match[str]) -> Span | None:
    value = match.group("value").strip()
    key = match.group("key").lower()
    if len(value) < 3 or _PLACEHOLDER.fullmatch(value) or match.group("value")[0] in " +),;.]":
        return None
    if key == "pass" and (match.group("more") or before(match, 1).islower()):
        return None  # passes, compass
    if key.startswith(("pass", "pwd")):
        quoted = "quote" in match.re.groupindex
        # Without quotes a value may be code: a word, a call, an attribute.
        if not quoted and not _is_odd(value) and not re.search(r"[?&;]\w{0,20}$", before(match, 21)):
            return None
        if value.count(" ") > 3:
            return None  # a message about a password
        return _value(match, match.group("value"), "PASSWORD", 0.8)
    if " " in value or len(value) < 8 or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return None
    if _UUID.fullmatch(value) is None and entropy(value) < 2.5:
        return None
    return _value(match, match.group("value"), "API_KEY", 0.8)


def _argument(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    return (
        None if _PLACEHOLDER.fullmatch(value) or not _is_odd(value) else _value(match, value, "PASSWORD", 0.8)
    )


def _user_info(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    return None if _PLACEHOLDER.fullmatch(value) else _value(match, value, "PASSWORD", 0.9)


def _login(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    kinds = sum(any(map(test, value)) for test in (str.islower, str.isupper, str.isdigit)) + bool(
        re.search(r"[^\w.+\-]", value)
    )
    if match.group("user").lower() in _NOT_A_USER or kinds < 3 or _PLACEHOLDER.fullmatch(value):
        return None
    return _value(match, value, "PASSWORD", 0.8)


def _code(match: re.Match[str]) -> Span | None:
    value = match.group("value")
    if _NO_CODE.search(match.group()[: -len(value)]) or _NO_CODE.search(before(match, 12)):
        return None
    return _value(match, value, "PASSWORD", 0.8)


def _token(match: re.Match[str]) -> Span | None:
    token = match.group()
    near = before(match, 30)
    if _HEX_KEY.fullmatch(token):
        # 256 bits in hex are a private key or a hash: a hash says so, and an announced key is sure.
        if _TOKEN_CUE.search(near):
            return Span(*match.span(), "API_KEY", 0.8)
        return (
            None
            if _HASH_CUE.search(near) or _HASH_CUE.search(after(match, 20))
            else Span(*match.span(), "API_KEY", 0.45)
        )
    if near[-7:].upper() in ("SHA256:", "SHA512:"):
        return None  # the fingerprint of a public key
    digits = any(map(str.isdigit, token))
    kinds = sum((any(map(str.islower, token)), any(map(str.isupper, token)), digits))
    if kinds < 2 or not digits or _UUID.fullmatch(token) or token.count("/") > 2 or "--" in token:
        return None
    if token.count("-") > 4 or (_WALLET_LIKE.fullmatch(token) and checksums.base58check(token)):
        return None
    cued = _TOKEN_CUE.search(near)
    bits = entropy(token)
    if (bits >= 3.5 and cued) or (kinds == 3 and bits >= 4.0 and len(token) >= 28):
        return Span(*match.span(), "API_KEY", 0.8 if cued else 0.55)
    return None


@lru_cache(maxsize=1)
def _seed_list() -> tuple[frozenset[str], Callable[[str], bool]]:
    """The 2,048 English words of BIP 39, and the check of a phrase."""
    from mnemonic import Mnemonic

    english = Mnemonic("english")
    return frozenset(english.wordlist), english.check


def _seed_phrase(match: re.Match[str]) -> Span | None:
    words = list(re.finditer(r"[a-z]+", match.group(), re.IGNORECASE))
    known = [word.group().lower() in _seed_list()[0] for word in words]
    first = 0
    while first < len(words):
        last = first
        while last < len(words) and known[last]:
            last += 1
        size = next((size for size in _SEED_SIZES if size <= last - first), 0)
        phrase = [word.group().lower() for word in words[first : first + size]]
        # Few words again and again are a song, unless the last one holds the checksum of the others.
        if size and (len(set(phrase)) > size // 2 or _seed_list()[1](" ".join(phrase))):
            begin = match.start()
            # A word before the phrase may be in the list too: hide all that could be part of it.
            return Span(begin + words[first].start(), begin + words[last - 1].end(), "SEED_PHRASE", 0.9)
        first = last + 1
    return None


RULES = (
    Rule("known_key", _KNOWN_KEY, _known_key),
    Rule("cloud_key", _CLOUD_KEY, _known_key),
    *(Rule(name, pattern, always("API_KEY", 1.0)) for name, pattern in _SHAPED_KEYS.items()),
    Rule("told_secret", _TOLD, _told_secret),
    Rule("told_secret_hindi", _TOLD_HINDI, _told_secret),
    Rule("quoted_secret", _QUOTED, _assigned),
    Rule("unquoted_secret", _UNQUOTED, _assigned),
    Rule("secret_argument", _ARGUMENT, _argument),
    Rule("user_info", _USER_INFO, _user_info),
    Rule("login", _LOGIN, _login),
    Rule("told_code", _CODE, _code),
    Rule("told_code_after", _CODE_AFTER, _code),
    Rule("seed_phrase", _SEED_WORDS, _seed_phrase, words=12),
    Rule("token", _TOKEN, _token),
)
