"""Check the checksums of identifiers: a number that fails its checksum is not that identifier.

python-stdnum does the arithmetic. This module adds what it lacks (issuer ranges of cards, wallets of other coins than
Bitcoin, CLABE, VIN), and looser checks for numbers that must be found although no authority would issue them.
"""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache
from importlib import import_module

from stdnum import bitcoin, luhn
from stdnum.iso7064 import mod_11_2

# Numbers that the library checks completely: our type to its module.
_MODULES = {
    "BR_CPF": "br.cpf", "DE_TAX_ID": "de.idnr", "ES_NIE": "es.nie", "ES_NIF": "es.dni",
    "FR_NIR": "fr.nir", "IBAN_CODE": "iban", "IN_AADHAAR": "in_.aadhaar", "IN_PAN": "in_.pan",
    "IT_FISCAL_CODE": "it.codicefiscale", "MX_RFC": "mx.rfc", "UK_NHS": "gb.nhs",
}  # fmt: skip


@lru_cache(maxsize=4096)
def valid(kind: str, number: str) -> bool:
    """Whether `number` (no spaces, upper case) is well-formed and passes the checksum of its kind."""
    if kind in _OWN:
        return _OWN[kind](number)
    module = import_module(f"stdnum.{_MODULES[kind]}")
    # Check ISO 13616 only: the banks' own check digits differ by country and decade.
    options = {"IBAN_CODE": {"check_country": False}, "MX_RFC": {"validate_check_digits": True}}.get(kind, {})
    return bool(module.is_valid(number, **options))


def _chinese_id(number: str) -> bool:
    """17 digits with a birth month, and a check character. The library would refuse former districts."""
    dated = number[6:8] in ("19", "20") and "01" <= number[10:12] <= "12"
    return dated and bool(mod_11_2.is_valid(number))


def clabe(digits: str) -> bool:
    """Mexican bank account: 17 digits weighted 3, 7 and 1, and the check digit that makes the sum of units a ten."""
    if len(digits) != 18:
        return False
    return (
        sum(
            int(digit) * weight % 10
            for digit, weight in zip(digits, itertools.cycle((3, 7, 1)), strict=False)
        )
        % 10
        == 0
    )


# Value of each letter in a vehicle identification number (ISO 3779, 49 CFR 565); I, O and Q are not used.
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(number: str) -> bool:
    """Vehicle identification number with the check digit of North America in its ninth place."""
    if len(number) != 17 or not all(char.isdigit() or char in _VIN_VALUES for char in number):
        return False
    total = sum(
        int(_VIN_VALUES.get(char, char)) * weight for char, weight in zip(number, _VIN_WEIGHTS, strict=True)
    )
    return number[8] == "0123456789X"[total % 11]


_OWN = {"CN_RESIDENT_ID": _chinese_id, "MX_CLABE": clabe}


def card(digits: str) -> bool:
    """A payment-card number: issuer range, length and Luhn."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) < 2 or not luhn.is_valid(digits):
        return False
    length = len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)
    if digits[:2] in ("34", "37"):
        return length == 15
    if 51 <= int(digits[:2]) <= 55 or 2221 <= int(digits[:4]) <= 2720:
        return length == 16
    if digits[:2] in ("30", "36", "38", "39"):
        return length in (14, 16)
    if digits[:4] in ("2131", "1800") or digits[:2] == "35":
        return length in (15, 16)
    return digits[:2] in ("50", "56", "57", "58", "60", "62", "63", "64", "65", "67", "68", "69", "81", "82")


def us_ssn(digits: str) -> bool:
    """US social security number in an issued range (including well-known printed examples)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def base58check(address: str) -> bool:
    """Addresses of Bitcoin and similar coins: base58 with a four-byte double-SHA-256 checksum."""
    try:
        raw = bitcoin.b58decode(address)
    except ValueError:
        return False
    return len(raw) == 25 and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def bech32(address: str) -> bool:
    """BIP 173 and BIP 350: segregated-witness addresses (`bc1…`)."""
    alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    prefix, _, data = address.lower().rpartition("1")
    if not prefix or len(data) < 8 or any(char not in alphabet for char in data):
        return False
    head = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    return bitcoin.bech32_checksum(head + [alphabet.index(char) for char in data]) in (1, 0x2BC830A3)
