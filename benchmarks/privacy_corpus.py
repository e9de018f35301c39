"""Texts with planted identifiers, disguised in many ways, and texts without any that look as if they had one.

Everything is made by Faker and python-stdnum from a seed. Templates come in two sets that share no sentence:
`TUNING` may be read while rules are written; `HELD_OUT` was written before any rule was run on it and is only measured.
"""

# ruff: noqa: E501 — one sentence a line.
from __future__ import annotations

import base64
import itertools
import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from faker import Faker

LANGUAGES = ("en", "es", "hi", "hi-Latn")
# Where names and addresses of a language come from: the locales whose name lists the detector reads, and others.
_LOCALES = {"en": ("en_US", "en_GB"), "es": ("es_ES", "es_MX"), "hi": ("hi_IN",), "hi-Latn": ("en_IN",)}
_UNSEEN_LOCALES = {"en": ("en_NZ", "en_PH"), "es": ("es_AR", "es_CO", "es_CL")}

Templates = Mapping[tuple[str, str], tuple[str, ...]]

TUNING: Templates = {
    ("PERSON", "en"): (
        "my name is {}", "I work with {} at the bakery.", "Have you met {}? She is lovely.", "This is {} speaking, how are you?",
        "Yesterday {} told me to call you.", "Please send the parcel to {}.", "{} is my doctor.", "signed, {}",
    ),
    ("PERSON", "es"): (
        "me llamo {}", "Trabajo con {} en la panadería.", "¿Conoces a {}? Es encantadora.", "Hola, soy {} y vivo aquí.",
        "Ayer {} me dijo que te llamara.", "Envía el paquete a {}.", "{} es mi médico.", "mi nombre es {}",
    ),
    ("PERSON", "hi"): (
        "मेरा नाम {} है", "मैं {} के साथ काम करता हूँ।", "क्या आप {} से मिले हैं?", "कल {} ने मुझे बताया।",
        "यह पार्सल {} को भेज दो।", "{} मेरे डॉक्टर हैं।",
    ),
    ("PERSON", "hi-Latn"): (
        "mera naam {} hai", "main {} ke saath kaam karta hoon", "kya aap {} se mile ho?", "kal {} ne mujhe bataya",
        "yeh parcel {} ko bhej do", "{} mere doctor hain",
    ),
    ("LOCATION", "en"): (
        "I live at {}", "my address is {}", "Send it to {}, please.", "The office is at {}.", "We moved to {} last year.", "{} is where I grew up.",
    ),
    ("LOCATION", "es"): (
        "vivo en {}", "mi dirección es {}", "Envíalo a {}, por favor.", "La oficina está en {}.", "Nos mudamos a {} el año pasado.",
    ),
    ("LOCATION", "hi"): (
        "मेरा पता {} है", "मैं {} में रहता हूँ।", "इसे {} पर भेज दो।", "हमारा दफ़्तर {} में है।",
    ),
    ("LOCATION", "hi-Latn"): (
        "mera pata {} hai", "main {} mein rehta hoon", "isko {} pe bhej do", "hamara office {} mein hai",
    ),
}  # fmt: skip

HELD_OUT: Templates = {
    ("PERSON", "en"): (
        "hey, you can write {} on the invitation", "My landlord {} keeps raising the rent.", "I think {} is cheating on the exam, what should I do?",
        "Could you draft a reference letter for {}?", "Everyone at school knows that {} likes me.", "I was married to {} for six years.",
        "The account belongs to {}, not to me.", "Tell {} that the meeting has moved to Friday.", "Best regards,\n{}",
        "Full name: {}", "I had lunch with {} and we talked about the divorce.", "her teacher, {}, never answers",
    ),
    ("PERSON", "es"): (
        "puedes poner {} en la invitación", "Mi casero {} sigue subiendo el alquiler.", "Creo que {} copia en el examen, ¿qué hago?",
        "¿Me ayudas a escribir una carta para {}?", "Todos en el colegio saben que le gusto a {}.", "Estuve casada con {} seis años.",
        "La cuenta es de {}, no mía.", "Dile a {} que la reunión pasa al viernes.", "Un saludo,\n{}",
        "Nombre completo: {}", "Comí con {} y hablamos del divorcio.", "su profesora, {}, nunca contesta",
    ),
    ("PERSON", "hi"): (
        "निमंत्रण पर {} लिख दो", "मेरे मकान मालिक {} किराया बढ़ाते रहते हैं।", "मुझे लगता है कि {} परीक्षा में नकल करता है।",
        "{} के लिए एक पत्र लिखने में मदद करो।", "स्कूल में सब जानते हैं कि {} मुझे पसंद करती है।", "यह खाता {} का है, मेरा नहीं।",
        "{} से कहो कि मीटिंग शुक्रवार को है।", "पूरा नाम: {}", "मैंने {} के साथ खाना खाया।",
    ),
    ("PERSON", "hi-Latn"): (
        "card par {} likh dena", "mere makaan maalik {} kiraya badhate rehte hain", "mujhe lagta hai ki {} exam mein cheating karta hai",
        "{} ke liye ek letter likhne mein madad karo", "school mein sab jaante hain ki {} mujhe pasand karti hai", "yeh khata {} ka hai, mera nahi",
        "{} se kaho ki meeting Friday ko hai", "poora naam: {}", "maine {} ke saath khana khaya",
    ),
    ("LOCATION", "en"): (
        "come over tonight, it's {}", "The package for {} never arrived.", "My grandparents' house at {} is for sale.", "Ship everything to {} before Monday!",
        "Is there a pharmacy near {}?", "They arrested him outside {} at noon.", "new place: {}", "I'm stuck at {}, can you pick me up?",
    ),
    ("LOCATION", "es"): (
        "ven esta noche, es {}", "El paquete para {} nunca llegó.", "La casa de mis abuelos en {} está en venta.", "Manda todo a {} antes del lunes.",
        "¿Hay una farmacia cerca de {}?", "Lo detuvieron delante de {} al mediodía.", "casa nueva: {}", "Estoy tirada en {}, ¿me recoges?",
    ),
    ("LOCATION", "hi"): (
        "आज रात आ जाओ, {}", "{} वाला पार्सल नहीं पहुँचा।", "{} पर मेरे दादा जी का घर बिक रहा है।", "सब कुछ {} पर सोमवार से पहले भेजो!",
        "क्या {} के पास कोई दवाई की दुकान है?", "नया पता: {}", "मैं {} पर फँस गया हूँ।",
    ),
    ("LOCATION", "hi-Latn"): (
        "aaj raat aa jao, {}", "{} wala parcel nahi pahuncha", "{} par mere dada ji ka ghar bik raha hai", "sab kuch {} par Monday se pehle bhejo",
        "kya {} ke paas koi medical store hai?", "naya pata: {}", "main {} par phas gaya hoon",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A text with one identifier at `text[start:end]`; `texts` are a speaker's messages when it is split over them."""

    kind: str
    disguise: str
    language: str
    text: str
    start: int
    end: int
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Harmless:
    """A text without an identifier; `allowed_names` are the role's own names, which the product knows."""

    kind: str
    text: str
    language: str = "en"
    allowed_names: tuple[str, ...] = ()


@lru_cache(maxsize=64)
def _faker(locale: str) -> Any:
    return Faker(locale)


def _seed(seed: int) -> random.Random:
    _faker.cache_clear()
    Faker.seed(seed)
    return random.Random(seed)


def _address(language: str, rng: random.Random) -> str:
    fake = _faker(rng.choice(_LOCALES[language]))
    return str(fake.address()).replace("\n", ", ")


def _full_name(language: str, rng: random.Random, locales: Mapping[str, tuple[str, ...]]) -> str:
    fake = _faker(rng.choice(locales[language]))
    return f"{fake.first_name()} {fake.last_name()}"


def names_and_addresses(
    templates: Templates, seed: int, size: int, *, unseen_names: bool = False, lower: bool = False
) -> list[Planted]:
    """`size` texts of each kind and language; `unseen_names` takes names of locales that no list of the detector holds."""
    rng = _seed(seed)
    planted = []
    for (kind, language), sentences in templates.items():
        if unseen_names and (kind != "PERSON" or language not in _UNSEEN_LOCALES):
            continue
        for index in range(size):
            template = sentences[index % len(sentences)]
            value = (
                _full_name(language, rng, _UNSEEN_LOCALES if unseen_names else _LOCALES)
                if kind == "PERSON"
                else _address(language, rng)
            )
            value = value.lower() if lower else value
            start = template.index("{}")
            planted.append(
                Planted(kind, "plain", language, template.format(value), start, start + len(value))
            )
    return planted


# --- structured identifiers -----------------------------------------------------------------------------------------


def _digits(rng: random.Random, count: int, first: str = "123456789") -> str:
    return rng.choice(first) + "".join(rng.choices(string.digits, k=count - 1))


def _luhn(rng: random.Random, prefix: str, size: int) -> str:
    from stdnum import luhn

    body = prefix + "".join(rng.choices(string.digits, k=size - 1 - len(prefix)))
    return body + str(luhn.calc_check_digit(body))


def _card(rng: random.Random) -> str:
    digits = _luhn(rng, rng.choice(("4", "4", "51", "55", "2221", "6011")), 16)
    sign = rng.choice(("", " ", "-"))
    return sign.join(digits[i : i + 4] for i in range(0, 16, 4))


def _aadhaar(rng: random.Random) -> str:
    from stdnum import verhoeff

    body = _digits(rng, 11, "23456789")
    number = body + str(verhoeff.calc_check_digit(body))
    return " ".join((number[:4], number[4:8], number[8:]))


def _dni(rng: random.Random) -> str:
    from stdnum.es import dni

    body = _digits(rng, 8)
    return body + str(dni.calc_check_digit(body))


def _nie(rng: random.Random) -> str:
    from stdnum.es import nie

    body = rng.choice("XYZ") + _digits(rng, 7)
    return body + str(nie.calc_check_digit(body))


def _cpf(rng: random.Random) -> str:
    from stdnum.br import cpf

    body = _digits(rng, 9)
    return str(cpf.format(body + str(cpf._calc_check_digits(body))))


def _steuer_id(rng: random.Random) -> str:
    from stdnum.de import idnr
    from stdnum.iso7064 import mod_11_10

    while True:
        body = _digits(rng, 10)
        number = body + str(mod_11_10.calc_check_digit(body))
        if idnr.is_valid(number):
            return number


def _nhs(rng: random.Random) -> str:
    from stdnum.gb import nhs

    while True:
        number = _digits(rng, 10)
        if nhs.is_valid(number):
            return str(nhs.format(number))


def _iban(rng: random.Random) -> str:
    from stdnum import iban

    body = {
        "GB": "".join(rng.choices(string.ascii_uppercase, k=4)) + _digits(rng, 14),
        "DE": _digits(rng, 18),
        "FR": _digits(rng, 23),
        "NL": "".join(rng.choices(string.ascii_uppercase, k=4)) + _digits(rng, 10),
        "IT": rng.choice(string.ascii_uppercase) + _digits(rng, 22),
    }
    country = rng.choice(sorted(body))
    number = country + str(iban.calc_check_digits(country + "00" + body[country])) + body[country]
    return number if rng.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _base58(rng: random.Random) -> str:
    import hashlib

    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    raw = b"\0" + rng.randbytes(20)
    number = int.from_bytes(raw + hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4], "big")
    written = ""
    while number:
        number, digit = divmod(number, 58)
        written = alphabet[digit] + written
    return "1" + written


def _token(rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    while True:
        key = "".join(rng.choices(alphabet, k=count))
        if any(map(str.isdigit, key)) and any(map(str.isupper, key)) and any(map(str.islower, key)):
            return key


def _jwt(rng: random.Random) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    return ".".join(
        (
            part(b'{"alg":"HS256","typ":"JWT"}'),
            part(b'{"sub":"' + _digits(rng, 8).encode() + b'"}'),
            part(rng.randbytes(32)),
        )
    )


def _fake(method: str, locale: str = "en_US") -> Callable[[random.Random], str]:
    return lambda rng: str(getattr(_faker(locale), method)())


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1950, 2008)
    return rng.choice(
        (f"{day:02d}/{month:02d}/{year}", f"{year}-{month:02d}-{day:02d}", f"{day}.{month}.{year}")
    )


def _ipv4(rng: random.Random) -> str:
    return ".".join((str(rng.choice((52, 86, 91, 144, 193))), *(str(rng.randint(1, 254)) for _ in range(3))))


@dataclass(frozen=True)
class IdentifierClass:
    """A class of identifiers: its type, how one is made, the sentences that hold it, and the disguises that fit it."""

    type: str
    make: Callable[[random.Random], str]
    sentences: tuple[str, ...]
    digits_only: bool = False
    splits: bool = True
    spaces: bool = True


CLASSES: dict[str, IdentifierClass] = {
    "card": IdentifierClass("CREDIT_CARD", _card, ("you can use card {} for it", "mi tarjeta es {}", "mera card number {} hai", "मेरा कार्ड {} है"), True),
    "amex": IdentifierClass("CREDIT_CARD", lambda r: _luhn(r, "37", 15), ("charge my amex {} please", "tarjeta {} gracias"), True),
    "e-mail": IdentifierClass("EMAIL_ADDRESS", _fake("ascii_safe_email"), ("just write to {} tonight", "mi correo es {}", "mujhe {} par likho", "मुझे {} पर लिखो")),
    "phone, US": IdentifierClass("PHONE_NUMBER", lambda r: f"+1 {r.randint(201, 989)}-{r.randint(200, 999)}-{r.randint(1000, 9999)}", ("ok so call me at {} later", "mi teléfono es {}"), True),
    "phone, India": IdentifierClass("PHONE_NUMBER", lambda r: _digits(r, 10, "6789"), ("mera phone number {} hai", "मेरा फोन नंबर {} है", "my number is {}"), True),
    "phone, Spain": IdentifierClass("PHONE_NUMBER", lambda r: f"+34 6{_digits(r, 8)}", ("llámame al {}", "you can reach me on {}"), True),
    "phone, Britain": IdentifierClass("PHONE_NUMBER", lambda r: f"07{_digits(r, 9)}", ("my mobile is {}", "text me on {}"), True),
    "IBAN": IdentifierClass("IBAN_CODE", _iban, ("my iban is {} thanks", "send the money to {} today", "mi cuenta es {}")),
    "SSN": IdentifierClass("US_SSN", _fake("ssn"), ("the ssn was {} I think", "my social security number is {}"), True),
    "Aadhaar": IdentifierClass("IN_AADHAAR", _aadhaar, ("my aadhaar is {}", "mera aadhar number {} hai", "मेरा आधार {} है"), True),
    "PAN": IdentifierClass("IN_PAN", lambda r: "".join(r.choices(string.ascii_uppercase, k=3)) + "P" + r.choice(string.ascii_uppercase) + _digits(r, 4) + r.choice(string.ascii_uppercase), ("my pan is {}", "mera PAN card {} hai")),
    "DNI": IdentifierClass("ES_NIF", _dni, ("mi dni es {}", "my Spanish id is {}")),
    "NIE": IdentifierClass("ES_NIE", _nie, ("mi nie es {}", "the number {} is on the form")),
    "CPF": IdentifierClass("BR_CPF", _cpf, ("my cpf is {}", "o cpf {} mesmo"), True),
    "codice fiscale": IdentifierClass("IT_FISCAL_CODE", _fake("ssn", "it_IT"), ("il mio codice fiscale è {}", "the tax code {} is mine")),
    "NINO": IdentifierClass("UK_NINO", lambda r: r.choice("ABCEGHJ") + r.choice("ABCEGHJ") + _digits(r, 6) + r.choice("ABCD"), ("my national insurance number is {}", "NI: {}")),
    "NHS": IdentifierClass("UK_NHS", _nhs, ("my nhs number is {}", "the NHS card says {}"), True),
    "Steuer-ID": IdentifierClass("DE_TAX_ID", _steuer_id, ("meine Steuer-ID ist {}", "Steuernummer {}"), True),
    "resident id, China": IdentifierClass("CN_RESIDENT_ID", _fake("ssn", "zh_CN"), ("我的身份证是 {}", "the id is {}")),
    "IPv4": IdentifierClass("IP_ADDRESS", _ipv4, ("log in on {} please", "mi ip es {}")),
    "IPv6": IdentifierClass("IP_ADDRESS", _fake("ipv6"), ("the server is {} now", "connect to {}")),
    "URL with user data": IdentifierClass("URL", lambda r: f"https://example.com/reset?email={_faker('en_US').user_name()}&token={_token(r, 8)}", ("here is the link {} ok", "abre {} por favor"), spaces=False),
    "wallet, base58": IdentifierClass("CRYPTO", _base58, ("send it to {} thanks", "mi wallet es {}")),
    "wallet, Ethereum": IdentifierClass("CRYPTO", lambda r: "0x" + r.randbytes(20).hex(), ("send it to {} thanks", "mera wallet {} hai")),
    "API key, AWS": IdentifierClass("API_KEY", lambda r: "AKIA" + "".join(r.choices(string.ascii_uppercase + string.digits, k=16)), ("use {} for the bucket", "la clave es {}")),
    "API key, GitHub": IdentifierClass("API_KEY", lambda r: "ghp_" + _token(r, 36), ("my token {} works", "mera token {} hai")),
    "API key, OpenAI": IdentifierClass("API_KEY", lambda r: "sk-" + _token(r, 40), ("use {} as the key", "prueba con {}")),
    "JWT": IdentifierClass("API_KEY", _jwt, ("the header is {} ok", "bearer {}"), spaces=False),
    "secret by entropy": IdentifierClass("API_KEY", lambda r: _token(r, 32), ("the api key is {} ok", "secret token: {}")),
    "date of birth": IdentifierClass("DATE_TIME", _date, ("I was born on {} in a small town", "nací el {}", "my date of birth is {}", "mera janm {} ko hua", "मेरा जन्म {} को हुआ"), True),
    "MAC address": IdentifierClass("MAC_ADDRESS", _fake("mac_address"), ("the device is {} ok", "mi router tiene {}")),
}  # fmt: skip

_WORDS = {
    "digit words, en": "zero one two three four five six seven eight nine".split(),
    "digit words, es": "cero uno dos tres cuatro cinco seis siete ocho nueve".split(),
    "digit words, hi": "शून्य एक दो तीन चार पांच छह सात आठ नौ".split(),
    "digit words, hi-Latn": "zero ek do teen char paanch chhe saat aath nau".split(),
}
_LOOK_ALIKES = str.maketrans("aceopxyABEKMHOPCTX", "асеорхуАВЕКМНОРСТХ")


def _in_words(words: list[str]) -> Callable[[str], str]:
    return lambda value: " ".join(words[int(char)] for char in value if char.isdigit())


def _full_width(value: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in value)


def _bold(value: str) -> str:
    def spell(char: str) -> str:
        if char.isdigit():
            return chr(0x1D7CE + int(char))
        if "a" <= char <= "z":
            return chr(0x1D41A + ord(char) - 97)
        return chr(0x1D400 + ord(char) - 65) if "A" <= char <= "Z" else char

    return "".join(map(spell, value))


def _compact(value: str) -> str:
    return "".join(char for char in value if not char.isspace())


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "zero-width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "full-width": _full_width,
    "mathematical bold": _bold,
    "no-break spaces": lambda value: value.replace(" ", "\u00a0"),
    "homoglyphs": lambda value: value.translate(_LOOK_ALIKES),
    "spaced out": lambda value: " ".join(_compact(value)),
    "dashed out": lambda value: "-".join(_compact(value)),
    "full-width and zero-width": lambda value: "\u2060".join(_full_width(value)),
    "at and dot": lambda value: value.replace("@", " at ").replace(".", " dot "),
    "[at] and [dot]": lambda value: value.replace("@", " [at] ").replace(".", " [dot] "),
    "Devanagari digits": lambda value: "".join(chr(0x966 + int(c)) if c.isdigit() else c for c in value),
    **{name: _in_words(words) for name, words in _WORDS.items()},
    "split in two": str,
    "split in three": str,
}  # fmt: skip


def fits(identifier: IdentifierClass, disguise: str) -> bool:
    """Whether a person would hide this class so: only numbers are spoken, only addresses have an @, links are not spelled."""
    if disguise.startswith("digit words"):
        return identifier.digits_only and identifier.type not in ("DATE_TIME",)
    if disguise in ("at and dot", "[at] and [dot]"):
        return identifier.type in ("EMAIL_ADDRESS",)
    if disguise in ("spaced out", "dashed out"):
        if identifier.type in ("DATE_TIME", "MAC_ADDRESS", "IP_ADDRESS"):
            return False
        return identifier.spaces and (disguise == "spaced out" or identifier.digits_only)
    if disguise.startswith("split"):
        return identifier.splits and identifier.type not in ("DATE_TIME", "MAC_ADDRESS", "URL")
    if disguise == "homoglyphs":
        return not identifier.digits_only
    if disguise == "Devanagari digits":
        return identifier.digits_only
    return True


def structured(seed: int, size: int) -> Iterator[Planted]:
    """`size` texts of each class and fitting disguise."""
    rng = _seed(seed)
    for name, identifier in CLASSES.items():
        for disguise, hide in DISGUISES.items():
            if not fits(identifier, disguise):
                continue
            for index in range(size):
                value = hide(identifier.make(rng))
                template = identifier.sentences[index % len(identifier.sentences)]
                start = template.index("{}")
                text = template.format(value)
                pieces: tuple[str, ...] = ()
                if disguise.startswith("split"):
                    pieces = _split(template, value, 2 if disguise.endswith("two") else 3, rng)
                yield Planted(name, disguise, "und", text, start, start + len(value), pieces)


def _split(template: str, value: str, parts: int, rng: random.Random) -> tuple[str, ...]:
    """The sentence up to a piece of the value, then the other pieces as messages of their own."""
    room = len(value) // parts
    cuts = [0, *(room * index + rng.randint(-1, 1) for index in range(1, parts)), len(value)]
    pieces = [value[a:b].strip() for a, b in itertools.pairwise(cuts)]
    return (template[: template.index("{}")] + pieces[0], *pieces[1:])


# --- texts without identifiers -----------------------------------------------------------------------------------------

_FICTIONAL = (
    "Sherlock Holmes", "Harry Potter", "Hermione Granger", "Darth Vader", "Luke Skywalker", "Frodo Baggins", "Bilbo Baggins",
    "Naruto Uzumaki", "Sasuke Uchiha", "Light Yagami", "Tony Stark", "Bruce Wayne", "Peter Parker", "Clark Kent", "Lara Croft",
    "Geralt of Rivia", "Katniss Everdeen", "Walter White", "Jon Snow", "Daenerys Targaryen", "Elizabeth Bennet", "Jane Eyre",
    "Atticus Finch", "Huckleberry Finn", "Don Quixote", "Sancho Panza", "Monkey Luffy", "Spike Spiegel", "Mickey Mouse",
    "Donald Duck", "Homer Simpson", "Rick Sanchez", "Ellen Ripley", "Indiana Jones", "James Bond", "Captain Ahab", "Han Solo",
    "Edward Cullen", "Bella Swan", "Percy Jackson", "Tyrion Lannister", "Draco Malfoy", "Obi-Wan Kenobi", "Hannibal Lecter",
)  # fmt: skip
_ROLE_PLAY = (
    "*{} draws the sword* You shall not pass!", "{} is my favourite character.", "Pretend you are {} and answer me.",
    "*smiles* I am {}, nice to meet you.", "What would {} say about this?", "{}: We ride at dawn.",
    "Quiero que seas {} por un día.", "kya tum {} ban sakte ho?", "I dreamed that {} came to my school.",
)  # fmt: skip


def _number_texts(rng: random.Random) -> dict[str, Callable[[], str]]:
    def n(low: int, high: int) -> int:
        return rng.randint(low, high)

    return {
        "version": lambda: rng.choice(("Update to version {}.{}.{}", "v{}.{}.{} is out", "Python {}.{}.{} broke my script", "firmware {}.{}.{}.7 released", "la versión {}.{}.{} va mejor")).format(n(0, 12), n(0, 30), n(0, 40)),
        "order number": lambda: rng.choice(("Order #{} has arrived", "your order number is {}", "Invoice {} is due", "pedido {} enviado", "tracking {} says delivered", "ticket #{} is closed", "mera order {} kahan hai?")).format(rng.choice((str(n(10**7, 10**8)), str(n(10**9, 10**10)), f"{n(100, 999)}-{n(10**6, 10**7)}-{n(10**6, 10**7)}", f"2026{n(10, 12)}-{n(1000, 9999)}"))),
        "score": lambda: rng.choice(("We won {}-{}, then lost {}-{}", "the score was {}:{} and later {}:{}", "ganamos {}-{} y perdimos {}-{}", "set points {}/{} {}/{}")).format(n(0, 9), n(0, 9), n(0, 30), n(0, 30)),
        "years": lambda: rng.choice(("It lasted from {}-{}", "between {} and {} nothing changed", "the {}/{} season", "de {} a {} viví fuera")).format(n(1800, 1990), n(1991, 2026)),
        "money": lambda: rng.choice(("I owe ${:,}", "it cost {:,} dollars", "unos {:,} euros", "₹{:,} only", "a budget of {:,} million")).format(n(1000, 10**9)),
        "ISBN": lambda: f"ISBN {_faker('en_US').isbn13()} is a good book",
        "long arithmetic": lambda: f"what is {n(1000, 10**6)} {rng.choice('+*-')} {n(1000, 10**6)}?",
        "decimals": lambda: f"the mean was {n(0, 99)}.{n(1000, 10**8)} over {n(100, 99999)} samples",
        "clock and date": lambda: f"meet me at {n(1, 12)}:{n(10, 59)} on 2026-{n(10, 12)}-{n(10, 28)}",
        "counting": lambda: rng.choice(("one two three go", "uno dos tres", "ek do teen", "1 2 3 4 5 6 7 8 9 10", "10 20 30 40 50 60 70")),
        "room and page": lambda: rng.choice(("room {}, page {}", "chapter {}, verse {}", "bus {} at gate {}", "flight LH{} seat {}")).format(n(10, 999), n(100, 99999)),
        "hash and id": lambda: f"commit {rng.randbytes(20).hex()} fixes it",
        "place without number": lambda: rng.choice(("I love walking down the street", "we drove {} miles on the highway", "the road was {} km long", "{} people live on my street")).format(n(2, 900)),
        "idle at and dot": lambda: rng.choice(("look at that dot com bubble", "I am at home. it was great", "meet me at the point", "we were at dinner dot dot dot")),
        "talk of names": lambda: rng.choice(("what is your name?", "call me later", "my name is the same as yours", "I forgot the name of that song", "me llamo igual que mi padre", "mera naam mat poocho", "my name is on the list")),
        "ordinary capitals": lambda: rng.choice(("Happy New Year everyone!", "I visited New York and Los Angeles", "The United States won", "Good Morning America is on TV", "We watched Star Wars on Friday", "I study at Stanford University", "La Casa Blanca es grande", "Feliz Año Nuevo", "The Great Gatsby is a book", "I speak Spanish and Hindi")),
        "game stats": lambda: f"level {n(1, 99)} mage with {n(100, 9999)} HP and {n(100, 99999)} XP",
    }  # fmt: skip


_TELLTALES = {
    "es": frozenset("la que de año unos pedido ganamos uno igual feliz".split()),
    "hi-Latn": frozenset("kya mera ek".split()),
}


def _language(text: str) -> str:
    words = set(text.lower().split())
    return next((language for language, telltales in _TELLTALES.items() if words & telltales), "en")


def harmless(seed: int, size: int) -> list[Harmless]:
    """`size` texts without an identifier, every kind equally often; a third of them are role play with fictional names."""
    rng = _seed(seed)
    makers = _number_texts(rng)
    texts = []
    for index in range(size):
        if index % 3 == 0:
            invented = index % 2 == 0
            name = _full_name("en", rng, _LOCALES) if invented else rng.choice(_FICTIONAL)
            text = rng.choice(_ROLE_PLAY).format(name)
            kind = "role's own name" if invented else "famous fiction"
            texts.append(Harmless(kind, text, _language(text), (name,) if invented else ()))
        else:
            kind = list(makers)[index % len(makers)]
            text = makers[kind]()
            texts.append(Harmless(kind, text, _language(text)))
    return texts
