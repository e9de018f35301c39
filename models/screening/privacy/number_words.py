"""Words of spoken numbers below a thousand, as people read out telephone and card numbers, by language."""

# ruff: noqa: E501 — lists of words read better unbroken.

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from models.text.compatibility import nfkc

Role = Literal["digit", "sound", "whole", "tens", "hundred", "hundreds", "repeat", "and"]


class NumberWord(NamedTuple):
    """A word of a spoken number.

    Attributes:
        value: what it stands for; of a `repeat` how many times the next digit counts.
        role: digit: 0 to 9. sound: a word that sounds like one ("ate"). whole: 10 to 99, complete. tens: 20 to 90, a
            digit may follow. hundred: times the digit before it. hundreds: 100 to 900 in one word. repeat: "double".
            and: what stands between the parts of one number.
    """

    value: int
    role: Role

    @property
    def digits(self) -> int:
        """The most digits that the word adds to a number."""
        if self.role == "repeat":
            return self.value - 1
        return {"and": 0, "hundred": 3}.get(self.role, len(str(self.value)))


# Zero to nine. Languages without detectors are listed too: such a text may be short, or taken for another language.
_DIGITS = (
    "zero oh nought naught cero null zéro nil शून्य ज़ीरो जीरो ज़ीरो shunya sifar nul sifir nol",
    "one uno una un eins एक वन ek um een bir satu isa",
    "two dos due zwei zwo deux दो टू do dois duas twee iki dua dalawa",
    "three tres tre drei trois तीन थ्री teen tin três drie üç tiga tatlo",
    "four cuatro quattro vier quatre चार फोर char chaar quatro dört empat apat",
    "five cinco cinque fünf cinq पांच पाँच फाइव paanch panch vijf beş lima",
    "six seis sei sechs छह छः छे सिक्स chhe chhah cheh meia zes alti enam anim",
    "seven siete sette sieben sept सात सेवन saat sat sete zeven yedi tujuh pito",
    "eight ocho otto acht huit आठ एट aath ath oito sekiz delapan walo",
    "nine nueve nove neun neuf नौ नाइन nau negen dokuz sembilan siyam",
)
# They count only among digits: see `spoken.py`.
_SOUNDS = {
    "o": 0,
    "owe": 0,
    "won": 1,
    "to": 2,
    "too": 2,
    "tree": 3,
    "for": 4,
    "fore": 4,
    "fife": 5,
    "ate": 8,
    "niner": 9,
}
_REPEATS = {"double": 2, "doble": 2, "doppel": 2, "dabal": 2, "डबल": 2, "triple": 3, "treble": 3, "ट्रिपल": 3}
_AND = "and y e et und"
_TEENS = (
    "ten diez zehn dieci dix dez tien दस das dus",
    "eleven once elf undici onze ग्यारह gyarah gyara gyaarah",
    "twelve doce zwölf dodici douze doze twaalf बारह barah baarah",
    "thirteen trece dreizehn tredici treize treze dertien तेरह terah",
    "fourteen catorce vierzehn quattordici quatorze catorze veertien चौदह chaudah chauda choudah",
    "fifteen quince fünfzehn quindici quinze vijftien पंद्रह पन्द्रह pandrah pandra pundrah",
    "sixteen dieciséis dieciseis sechzehn sedici seize dezesseis zestien सोलह solah sola",
    "seventeen diecisiete siebzehn diciassette dezessete zeventien सत्रह satrah satra sattrah",
    "eighteen dieciocho achtzehn diciotto dezoito achttien अठारह अट्ठारह atharah athara attharah",
    "nineteen diecinueve neunzehn diciannove dezenove negentien उन्नीस unnis unnees",
)
_TENS = (
    "twenty veinte zwanzig venti vingt vingts vinte twintig बीस bees bis",
    "thirty treinta dreißig dreissig trenta trente trinta dertig तीस tees tis",
    "forty fourty cuarenta vierzig quaranta quarante quarenta veertig चालीस chalis chaalis chalees",
    "fifty cincuenta fünfzig cinquanta cinquante cinquenta vijftig पचास pachas pachaas pacchas",
    "sixty sesenta sechzig sessanta soixante sessenta zestig साठ saath sath",
    "seventy setenta siebzig settanta septante zeventig सत्तर sattar satar",
    "eighty ochenta achtzig ottanta huitante octante oitenta tachtig अस्सी assi asi",
    "ninety noventa neunzig novanta nonante negentig नब्बे nabbe nabe navve",
)
_HUNDRED = "hundred hundert cent cents cento सौ sau honderd"
_HUNDREDS = (
    "cien ciento", "doscientos doscientas duecento", "trescientos trescientas trecento", "cuatrocientos quattrocento",
    "quinientos cinquecento", "seiscientos seicento", "setecientos settecento", "ochocientos ottocento",
    "novecientos novecento",
)  # fmt: skip
_SPANISH = (
    "veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
)
# Twenty-one to ninety-nine, where a language has a word for each; every tenth is above.
_HINDI = (
    "इक्कीस बाईस तेईस चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस,अठाईस उनतीस | इकतीस,इकत्तीस बत्तीस तैंतीस,तेतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस,उनचालीस | "
    "इकतालीस बयालीस तैंतालीस,तिरतालीस चौवालीस,चवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास | इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन अट्ठावन,अठावन उनसठ | "
    "इकसठ बासठ तिरसठ चौंसठ,चौसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर | इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी,उन्यासी | "
    "इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी,अठासी नवासी | इक्यानवे बानवे तिरानवे चौरानवे पंचानवे,पचानवे छियानवे सत्तानवे अट्ठानवे,अठानवे निन्यानवे"
)
_ROMANISED_HINDI = (
    "ikkis,ikkees,ekkis bais,baees,baais teis,teyis chaubis,chaubees,chobis pachis,pachchis,pacchis,pachees "
    "chhabbis,chabbis,chhabis sattais,satais athais,atthais,attais untis,unatis,untees | "
    "ikattis,iktis,ikatis battis,batis taintis,tentis,taitis chauntis,chautis,chountis paintis,pentis,paitis "
    "chhattis,chattis,chhatis saintis,sentis,saitis adtis,artis,adatis untalis,unchalis,untaalis | "
    "iktalis,iktaalis bayalis,byalis,bayaalis taintalis,tetalis,tirtalis,taitalis chawalis,chavalis,chauvalis,chouvalis "
    "paintalis,pentalis,paitalis chhiyalis,chiyalis,chhialis saintalis,sentalis,saitalis adtalis,artalis unchas,unachas | "
    "ikyavan,ikyawan,ikkyavan,ikawan bavan,bawan,baavan tirpan,tirepan chauvan,chawwan,chauwan,chavvan pachpan,pacchpan "
    "chhappan,chappan,chhapan sattavan,satavan,sattawan atthavan,athavan,atthawan,attawan unsath,unasath | "
    "iksath,ikasath basath,baasath tirsath,tresath chaunsath,chausath,chonsath painsath,pensath,paisath "
    "chhiyasath,chiyasath sadsath,sarsath adsath,arsath unhattar,unahattar | "
    "ikhattar,ikahattar,ekhattar bahattar,bahatar tihattar,tehattar chauhattar,chohattar "
    "pachhattar,pachattar,pichhattar,pachahattar chhihattar,chhiattar,chihattar,chhiyattar,chiyattar "
    "satahattar,sathattar,satattar athhattar,athattar,athahattar,atthattar unasi,unyasi,unnasi | "
    "ikyasi,ikasi,ikkyasi bayasi,byasi tirasi,tiraasi chaurasi,chorasi pachasi,pachaasi,pichasi chhiyasi,chiyasi,chhiasi "
    "sattasi,satasi atthasi,athasi,attasi navasi,nawasi | "
    "ikyanve,ikyanave,ikyanwe,ikkyanve banve,baanve,banave,banwe tiranve,tiranave,tiranwe chauranve,chauranave,chouranve "
    "pachanve,panchanve,pichanve,pachanave,panchanave chhiyanve,chhianve,chiyanve,chhiyanave "
    "sattanve,satanve,sattanave,satanave atthanve,athanve,attanve,atthanave,athanave ninyanve,ninyanave,ninanve"
)
# Chinese digits stand without blanks.
HAN_DIGITS = {
    char: digit
    for digit, chars in enumerate(
        ("零〇", "一幺壹", "二两貳贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
    )
    for char in chars
}


def _german() -> Iterator[tuple[str, int]]:
    digits = "ein zwei drei vier fünf sechs sieben acht neun".split()
    for tens, words in enumerate(_TENS, start=2):
        for ten in [word for word in words.split() if word.endswith(("zig", "ßig", "ssig"))]:
            yield from ((f"{digit}und{ten}", 10 * tens + value) for value, digit in enumerate(digits, 1))


def _italian() -> Iterator[tuple[str, int]]:
    tens = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta".split()
    for number, ten in enumerate(tens, start=2):
        for value, digit in enumerate("uno due tre quattro cinque sei sette otto nove".split(), 1):
            stem = ten[:-1] if digit in ("uno", "otto") else ten
            yield f"{stem}{'tré' if digit == 'tre' else digit}", 10 * number + value
            yield f"{stem}{digit}", 10 * number + value


def _listed(decades: str) -> Iterator[tuple[str, int]]:
    for tens, decade in enumerate(decades.split("|"), start=2):
        for digit, spellings in enumerate(decade.split(), start=1):
            yield from ((word, 10 * tens + digit) for word in spellings.split(","))


def _number_words() -> Iterator[tuple[str, NumberWord]]:
    yield from ((word, NumberWord(0, "and")) for word in _AND.split())
    yield from ((word, NumberWord(value, "sound")) for word, value in _SOUNDS.items())
    yield from ((word, NumberWord(times, "repeat")) for word, times in _REPEATS.items())
    for words, role, first, step in (
        ((_HUNDRED,), "hundred", 100, 0), (_HUNDREDS, "hundreds", 100, 100), (_TENS, "tens", 20, 10),
        (_TEENS, "whole", 10, 1), (_DIGITS, "digit", 0, 1),
    ):  # fmt: skip
        for place, spellings in enumerate(words):
            for word in spellings.split():
                yield word, NumberWord(first + place * step, role)  # type: ignore[arg-type]
    for listed in (
        _german(), _italian(), _listed(_HINDI), _listed(_ROMANISED_HINDI),
        zip(_SPANISH.split(), range(21, 30), strict=True), zip(("veintidos", "veintitres", "veintiseis"), (22, 23, 26), strict=True),
    ):  # fmt: skip
        yield from ((word, NumberWord(value, "whole")) for word, value in listed)


NUMBER_WORDS: dict[str, NumberWord] = {nfkc(word): meaning for word, meaning in _number_words()}
"""Every word, as the normalised view of a lower-cased text has it."""
