"""Runs of digits as people write numbers, with the words around them that tell which number it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from models.screening.privacy.bounds import LATIN, cue

# Digits with the separators that people put between them; (), + and dots as phone numbers have them.
RUN = re.compile(
    r"(?<![A-Za-z0-9_.%/])(?<!\d,)[+(]{0,3}(?:(?<=\+)[ .\-])?\d(?:[\s\-.()/+_]{0,3}\d){5,}(?![A-Za-z0-9_]*@)"
)
_REACH = 40
_DECIMAL = re.compile(r"[+(]?\d+\.\d+\)?")
_SUM = re.compile(r"\d ?\+ ?\d")
_EQUALS = re.compile(r"\s?(?:=|<<|>>)")
_CODE_BEFORE = re.compile(r"[A-Za-z0-9][\-_]\Z")
_CODE_AFTER = re.compile(rf"[\-_]?[{LATIN}]")
_CUES = {
    "PHONE_NUMBER": cue(
        r"phone|mobile|cell|call|whats\s?app|telegram|\btel\b|\btel[ée]fono|m[óo]vil|celular|ll[áa]ma|\btext me|\bsms\b"
        r"|contact|\bfax\b|reach (?:me|him|her|us|them)|\bdial\b|ring me|\bdigits\b|hotline|landline|voicemail"
        r"|\bnumber(?:'s| is|:)|\bnumero\b|n[úu]mero|handy|\banruf|telefon|rufnummer|portable|t[ée]l[ée]phone|cellulare"
        r"|answering at|\boffice\b|फ़?ोन|फोन|फ़ोन|नंबर|नम्बर|मोबाइल|कॉल|电话|手机|號碼|号码|微信|\bnambar\b|\bph\b|\bmob\b"
        r"|\bmy no\b|\bnum\b|\bnombor|telem[óo]vel|電話|전화|โทร"
    ),
    "US_SSN": cue(r"\bssn\b|social[\s-]?security|\bsoc\b|\bitin\b|\btax ?payer"),
    "IN_AADHAAR": cue(r"aadh?aa?r|adhaar|\buidai?\b|आधार"),
    "UK_NHS": cue(r"\bnhs\b"),
    "DE_TAX_ID": cue(r"steuer"),
    "FR_NIR": cue(r"s[ée]cu(?:rit[ée] sociale)?\b|\bnir\b|\binsee\b"),
    "CREDIT_CARD": cue(
        r"\bcards?\b|\bcc\b|credit|debit|tarjeta|visa|master\s?card|amex|kreditkarte|carte|carta|कार्ड|卡|karte"
    ),
    "US_BANK_NUMBER": cue(r"account|acct|\ba/c\b|bank|routing|cuenta|konto|khata|खाता|账号|账户"),
    "IN_PASSPORT": cue(r"passport|pasaporte|reisepass|passeport|passaporto|पासपोर्ट|护照"),
    "US_DRIVER_LICENSE": cue(r"driver'?s?\W{1,3}licen[cs]e|driving licen[cs]e|\bdl (?:no|number|#)"),
    "CN_RESIDENT_ID": cue(r"身份证|身份證|resident id|identity"),
    "IP_ADDRESS": cue(r"\bip\b|ip address"),
    "BR_CPF": cue(r"\bcpf\b"),
    "NATIONAL_ID": cue(
        r"social insurance|\bsin (?:is|no|number|nr|#|:)|\btfn\b|tax file|\bbsn\b|burgerservice|\bpesel\b|personnummer"
        r"|\bcpr\b|f[øo]dselsnummer|\bahv\b|\bavs\b|rijksregister|num[ée]ro national|\bkimlik|\btckn\b|\bcui[tl]\b"
        r"|\bcnp\b"
        r"|\begn\b|\bmedicare (?:no|number|card|\d)|sozialversicherung|\bsvnr\b|\bcontribuinte|\bnational id"
        r"|주민등록|マイナンバー"
    ),
    "MX_CLABE": cue(r"\bclabe\b|transferencia|dep[óo]sit|\bspei\b|cuenta"),
}


def cued(kind: str, words: str) -> bool:
    """Whether `words` contain a cue word for this kind of number."""
    return _CUES[kind].search(words) is not None


@dataclass(frozen=True)
class Run:
    """A run of digits of a text: its range, its text as written, its digits and the words around it."""

    start: int
    end: int
    written: str
    digits: str
    before: str
    after: str

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Run:
        """The run in `text[start:end]`, without an opening bracket that nothing closes."""
        written = text[start:end]
        if written.startswith("(") and ")" not in written:
            start, written = start + 1, written[1:]
        return cls(
            start,
            end,
            written,
            "".join(filter(str.isdigit, written)),
            text[max(0, start - _REACH) : start],
            text[end : end + _REACH],
        )

    @cached_property
    def around(self) -> str:
        """The words before and after."""
        return f"{self.before}\0{self.after}"

    @cached_property
    def groups(self) -> list[str]:
        """The groups of digits as written."""
        return re.findall(r"\d+", self.written)

    @cached_property
    def is_arithmetic(self) -> bool:
        """Whether it is a decimal, a sum, or the left side of an equation."""
        return (
            _DECIMAL.fullmatch(self.written) is not None
            or _SUM.search(self.written) is not None
            or (len(self.groups) > 1 and _EQUALS.match(self.after) is not None)
        )

    @cached_property
    def is_part_of_code(self) -> bool:
        """Whether letters or digits go on before it or behind it, as in the parts of a UUID."""
        return _CODE_BEFORE.search(self.before) is not None or _CODE_AFTER.match(self.after) is not None

    def cued(self, kind: str) -> bool:
        """Whether a cue word for this kind of number stands near."""
        return cued(kind, self.around)
