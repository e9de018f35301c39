"""What speaks for a word being a person's name: lists of names, how common the word is, how and where it is written.

The weights are a logistic regression on the tuning parts of two public sets: docs/measurements/curation/privacy.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

import numpy as np

from models.screening.privacy.rampart import ADDRESS, FAMILY, GIVEN, PLACE, Floats
from models.text.language.romanised_hindi import transliterate
from models.text.names import name_lists

WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0900-\u0903\u093a-\u094f]|['’\-](?=[^\W\d_]))*")
_LOCALES = (
    "en_US", "en_GB", "en_IN", "en_NZ", "en_NG", "en_PK", "en_KE", "es_ES", "es_MX", "es_CO", "de_DE", "it_IT", "fr_FR",
    "nl_NL", "pt_BR", "sv_SE", "pl_PL", "cs_CZ", "hr_HR", "tr_TR", "hi_IN",
)  # fmt: skip
_LANGUAGES = ("en", "es", "de", "fr", "it")
_BILLION = 9
DEVANAGARI = re.compile("[\u0900-\u097f]")

TITLES = frozenset(
    "mr mrs ms miss mx dr prof professor sir madam sr sra srta señor señora herr frau signor signora "
    "monsieur madame mme mlle don doña shri smt sri ji uncle aunt auntie tía tío tante onkel oncle श्री "
    "श्रीमती डॉ".split()
)
CUES = frozenset(
    "with by from to for and said says met named called call ask asked tell told hi hello hey hola dear "
    "querido querida lieber liebe cher chère hallo bonjour thanks sincerely regards love best cheers cc "
    "attn signed friend amigo amiga freund freundin ami amie dost sister brother mother father mom dad "
    "wife husband son daughter hermana hermano hija hijo esposa marido boss jefe jefa chef chefin "
    "boyfriend girlfriend partner neighbour neighbor vecina vecino teacher maestra colleague cousin "
    "roommate bhai behen didi naam name".split()
)
_AFTER = frozenset(
    "said says is was has had lives works asked told called wrote and es era tiene vive dijo ist war hat "
    "wohnt sagte est était habite dit ji ne ko ka ki se hai tha thi".split()
)
_ORGANISATION = frozenset(
    "ltd inc incorporated llc corp co gmbh ag sa group company associates systems office technologies "
    "solutions agency bank university college school hospital hotel street road avenue park stadium "
    "center centre award awards cup day church river county city club country beach island bay lake "
    "valley fc united foundation institute museum airport station casa".split()
)
_JOINS = re.compile(r"[ \t]{1,2}|\. ?")
_OPENS = re.compile(r"[.!?…\n:;\"“”]")

FEATURES = (
    "given", "family", "logit", "lower_logit", "first_logit", "lower_unknown_logit", "before_model",
    "after_model", "place", "address", "capital", "capitals", "opens", "is_first", "is_last",
    "capital_first", "capital_last", "zipf", "lower_zipf", "unknown", "title", "cue_before",
    "cue_after", "organisation_after", "organisation_before", "capital_before", "capital_after",
    "first_before", "last_after", "capital_share", "short", "after_comma",
)  # fmt: skip


@lru_cache(maxsize=1)
def lists() -> tuple[frozenset[str], frozenset[str]]:
    """First and last names of many countries, lower-cased; Hindi ones also in Latin letters."""
    first, last = ({word for word in words if len(word) > 1} for words in name_lists(_LOCALES))
    for words in (first, last):
        words.update([transliterate(word) for word in words if DEVANAGARI.match(word)])
    return frozenset(first), frozenset(last)


@lru_cache(maxsize=1)
def commonness() -> dict[str, float]:
    """Word to its Zipf frequency (log10 of occurrences in 10^9 words) in the language that has it most often.

    Romanised Hindi has no list of its own: its words are those of Hindi in Latin letters.
    """
    zipf = dict(latin_commonness())
    for word, frequency in _frequencies(("hi",)).items():
        for spelling in (word, transliterate(word)):
            zipf[spelling] = max(zipf.get(spelling, 0.0), frequency)
    return zipf


@lru_cache(maxsize=1)
def latin_commonness() -> dict[str, float]:
    """The same for languages that write names with a capital letter."""
    return _frequencies(_LANGUAGES)


def _frequencies(languages: Sequence[str]) -> dict[str, float]:
    import wordfreq

    most: dict[str, float] = {}
    for language in languages:
        for word, share in wordfreq.get_frequency_dict(language, "small").items():
            if share > most.get(word, 0.0):
                most[word] = share
    return {word: math.log10(share) + _BILLION for word, share in most.items()}


def plain(word: str) -> str:
    """A word as lists hold it: lower-cased, without a possessive."""
    return word.lower().replace("’", "'").replace("ß", "ss").removesuffix("'s")


def features(text: str, words: Sequence[re.Match[str]], model: Floats) -> Floats:
    """FEATURES of each word, shape (words, FEATURES); `model` is what Rampart says of them."""
    first, last = lists()
    common = commonness()
    lowered = [plain(word.group()) for word in words]
    names = model[:, GIVEN] + model[:, FAMILY]
    size = len(words)
    capital_share = sum(word.group()[0].isupper() for word in words) / max(1, size)
    rows = np.zeros((size, len(FEATURES)), np.float32)
    for place, match in enumerate(words):
        word, low = match.group(), lowered[place]
        gap = text[words[place - 1].end() : match.start()] if place else "\n"
        gap_after = text[match.end() : words[place + 1].start()] if place + 1 < size else "\n"
        joins, joins_after = bool(_JOINS.fullmatch(gap)), bool(_JOINS.fullmatch(gap_after))
        before = lowered[place - 1] if place and joins else ""
        after = lowered[place + 1] if place + 1 < size and joins_after else ""
        zipf = common.get(low, 0.0)
        capital = word[0].isupper()
        share = min(max(float(names[place]), 1e-3), 1 - 1e-3)
        logit = math.log(share / (1 - share))
        rows[place] = (
            model[place, GIVEN], model[place, FAMILY], logit, 0 if capital else logit, logit if low in first else 0,
            logit if zipf == 0 and not capital else 0,
            names[place - 1] if before else 0, names[place + 1] if after else 0,
            model[place, PLACE], model[place, ADDRESS],
            capital, len(word) > 1 and word.isupper(), _OPENS.search(gap) is not None,
            low in first, low in last, capital and low in first, capital and low in last,
            zipf, 0 if capital else zipf, zipf == 0,
            before in TITLES, before in CUES, after in _AFTER, after in _ORGANISATION, before in _ORGANISATION,
            bool(before) and words[place - 1].group()[0].isupper(),
            bool(after) and words[place + 1].group()[0].isupper(),
            before in first, after in last, capital_share, size <= 3, "," in gap,
        )  # fmt: skip
    return rows


def scores(text: str, words: Sequence[re.Match[str]], model: Floats) -> Floats:
    """How likely each word belongs to a person's name, in [0, 1]: shape (words,)."""
    return cast(Floats, 1 / (1 + np.exp(-(features(text, words, model) @ _COEFFICIENTS + _INTERCEPT))))


_WEIGHTS = {
    "given": -1.48, "family": -0.25, "logit": 0.49, "lower_logit": 0.11, "first_logit": 0.20,
    "lower_unknown_logit": -0.13, "before_model": 0.72, "after_model": 1.46, "place": -2.38, "address": -1.19,
    "capital": 3.02, "capitals": -0.89, "opens": -0.92, "is_first": 2.63, "is_last": 1.73, "capital_first": -0.57,
    "capital_last": -0.64, "zipf": -0.41, "lower_zipf": -0.07, "unknown": -1.20, "title": 0.96, "cue_before": 0.64,
    "cue_after": 0.69, "organisation_after": -2.51, "organisation_before": -1.44, "capital_before": -0.37,
    "capital_after": 0.39, "first_before": 2.20, "last_after": 0.85, "capital_share": -1.66, "short": -0.85,
    "after_comma": 0.23,
}  # fmt: skip
_INTERCEPT = -1.37
_COEFFICIENTS = np.array([_WEIGHTS[name] for name in FEATURES], np.float32)
