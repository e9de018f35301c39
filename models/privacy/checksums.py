"""Check digits of identifiers: a number that fails its checksum is not that identifier."""

from __future__ import annotations

import hashlib
from functools import lru_cache


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: payment cards, also some national numbers."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def card(digits: str) -> bool:
    """A payment-card number: issuer range, length and Luhn."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or not luhn(digits):
        return False
    length = len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)
    if digits[:2] in ("34", "37"):
        return length == 15
    if 51 <= int(digits[:2]) <= 55 or 2221 <= int(digits[:4]) <= 2720:
        return length == 16
    if (
        digits[:4] in ("6011",)
        or digits[:2] in ("65", "64")
        or digits[:2] in ("60", "81", "82", "62", "63", "67", "68", "69")
    ):
        return length >= 12
    if digits[:2] in ("30", "36", "38", "39"):
        return length in (14, 16)
    if digits[:4] in ("2131", "1800") or digits[:2] == "35":
        return length in (15, 16)
    return digits[:2] in ("50", "56", "57", "58")


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21,
    "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18,
    "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26,
    "UA": 29, "VG": 24, "XK": 20,
}  # fmt: skip


def iban(compact: str) -> bool:
    """ISO 13616: country length and mod-97 of an IBAN without spaces, upper case."""
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact[2:4].isdigit():
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def iban_length(country: str) -> int:
    """Length of a country's IBAN, 0 when the country has none."""
    return _IBAN_LENGTHS.get(country, 0)


_VERHOEFF_D = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)  # fmt: skip
_VERHOEFF_P = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7), (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)  # fmt: skip


def aadhaar(digits: str) -> bool:
    """Indian Aadhaar: twelve digits, first 2–9, Verhoeff check digit."""
    if len(digits) != 12 or digits[0] in "01" or digits == digits[::-1]:
        return False
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = _VERHOEFF_D[check][_VERHOEFF_P[position % 8][int(digit)]]
    return check == 0


def spanish_id(compact: str) -> bool:
    """Spanish DNI (eight digits, letter) or NIE (X, Y or Z, seven digits, letter)."""
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == compact[-1]


def us_ssn(digits: str) -> bool:
    """US social security number: the ranges that are issued."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def cpf(digits: str) -> bool:
    """Brazilian CPF: eleven digits, two of them check digits."""
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    for size in (9, 10):
        total = sum(int(digit) * (size + 1 - index) for index, digit in enumerate(digits[:size]))
        if (total * 10 % 11) % 10 != int(digits[size]):
            return False
    return True


def uk_nhs(digits: str) -> bool:
    """British NHS number: ten digits, modulo 11."""
    check = 11 - sum(int(digit) * (10 - index) for index, digit in enumerate(digits[:9])) % 11
    return check != 10 and (0 if check == 11 else check) == int(digits[9])


def chinese_id(compact: str) -> bool:
    """Chinese resident identity number: 17 digits with a birth date and an ISO 7064 mod 11-2 check character."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    if compact[6:8] not in ("19", "20") or not "01" <= compact[10:12] <= "12":
        return False
    return "10X98765432"[sum(int(d) * w for d, w in zip(compact, weights, strict=False)) % 11] == compact[17]


def italian_fiscal_code(compact: str) -> bool:
    """Italian codice fiscale: the sixteenth character checks the fifteen before it."""
    odd = "1 0 5 7 9 13 15 17 19 21 2 4 18 20 11 3 6 8 12 14 16 10 22 25 24 23".split(" ")  # noqa: SIM905
    values = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", map(int, odd), strict=True))
    values |= dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True))
    total = 0
    for index, char in enumerate(compact[:15]):
        total += values[char] if index % 2 == 0 else (int(char) if char.isdigit() else ord(char) - 65)
    return chr(65 + total % 26) == compact[15]


def french_nir(compact: str) -> bool:
    """French social security number: 13 digits (2A and 2B for Corsica) and a key of 97 minus the remainder."""
    body = compact[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(compact[13:])


def german_tax_id(digits: str) -> bool:
    """German Steuer-ID: eleven digits, ISO 7064 mod 11,10, one of the first ten digits two or three times."""
    if digits[0] == "0" or not 8 <= len(set(digits[:10])) <= 9:
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@lru_cache(maxsize=256)
def base58check(address: str) -> bool:
    """Bitcoin and its kin: base58 with a four-byte double-SHA-256 checksum."""
    number = 0
    for char in address:
        digit = _BASE58.find(char)
        if digit < 0:
            return False
        number = number * 58 + digit
    try:
        raw = number.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(address: str) -> bool:
    """BIP 173 and BIP 350: segregated-witness addresses (`bc1…`)."""
    charset = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix, _, data = address.lower().rpartition("1")
    if not prefix or len(data) < 8 or any(char not in charset for char in data):
        return False
    values = (
        [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [charset.find(c) for c in data]
    )
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum in (1, 0x2BC830A3)
