"""Generated labelled text, for training without labels, from `corpus/<language>.toml`.

Safe and unsafe acts use the same frames, and every group, insult and substance also occurs in harmless
lines, so that neither frame nor topic reveals the label.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from random import Random
from typing import Any

from models.screening.hazards import CATEGORIES
from models.screening.safety.misspelling import misspelt
from models.text.language.romanised_hindi import corpus_lines

RECIPE = "templates-2"
_SLOT = re.compile(r"\{(\w+)\}")
_PER_ACT = 12
_PER_LINE = 8
_SLOT_COMBINATIONS = 16
_ORDINARY_DRAWS = 20
_WITH_ENDING = 0.3
_MISSPELT = 0.15
_SEED = 7
# What redaction leaves of contacts: a text that was redacted is judged again, and is as harmless as before.
_REDACTED = ["<EMAIL_ADDRESS>", "<PHONE_NUMBER>", "<LOCATION>", "<PERSON_1>", "<PERSON_2>"]
# Everyday talk from a package, as more safe text.
_ORDINARY = {
    "en": "english", "es": "spanish", "fr": "french", "de": "german", "it": "italian", "hi": "hindi",
    "hi-Latn": "hinglish", "zh": "chinese",
}  # fmt: skip


@dataclass(frozen=True)
class LabelledText:
    """A text, whether it is unsafe, its S category if known, and its source (rows of one source share a fold)."""

    text: str
    unsafe: bool
    category: str | None
    language: str
    source: str


def corpus_languages() -> tuple[str, ...]:
    """Languages that the generator writes in."""
    folder = resources.files("models.screening.safety") / "corpus"
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    )


@lru_cache(maxsize=1)
def corpus_hash() -> str:
    """Changes whenever the generated text may change."""
    digest = hashlib.sha256(
        f"{RECIPE}/{_PER_ACT}/{_PER_LINE}/{_SLOT_COMBINATIONS}/{_ORDINARY_DRAWS}/{_MISSPELT}/{_SEED}/{_REDACTED}".encode()
    )
    for language in corpus_languages():
        digest.update(
            (resources.files("models.screening.safety") / "corpus" / f"{language}.toml").read_bytes()
        )
        digest.update("\n".join(corpus_lines(_ORDINARY[language])).encode())
    return digest.hexdigest()[:12]


def generated() -> list[LabelledText]:
    """All generated text, the same on every machine."""
    rows: list[LabelledText] = []
    for language in corpus_languages():
        file = resources.files("models.screening.safety") / "corpus" / f"{language}.toml"
        rows += _labelled_texts(tomllib.loads(file.read_text(encoding="utf-8")), language)
        rows += [
            LabelledText(line, False, None, language, f"{language}/ordinary/{number}")
            for number, line in enumerate(corpus_lines(_ORDINARY[language]))
        ]
    return rows


def _labelled_texts(document: Mapping[str, Any], language: str) -> Iterator[LabelledText]:
    rng = Random(_SEED)
    slots = {**document["slots"], "contact": [*document["slots"]["contact"], *_REDACTED]}
    document = {**document, "slots": slots}
    sections = [*sorted(document["unsafe"].items()), (None, document["safe"])]
    for category, section in sections:
        if category is not None and category not in CATEGORIES:
            raise ValueError(f"unknown category {category}")
        templates = [("act", act) for act in section["acts"]]
        templates += [("line", line) for line in section["lines"]]
        templates += [("ordinary", line) for line in section.get("ordinary", ())]
        for number, (kind, template) in enumerate(templates):
            source = f"{language}/{category or 'safe'}/{number}"
            texts = _variants(kind, template, document, rng)
            texts += [misspelt(text, language, rng) for text in texts if rng.random() < _MISSPELT]
            for text in dict.fromkeys(texts):
                yield LabelledText(text, category is not None, category, language, source)


def _variants(kind: str, template: str, document: Mapping[str, Any], rng: Random) -> list[str]:
    if kind == "act":
        return _framed(template, document, rng)
    draws = _ORDINARY_DRAWS if kind == "ordinary" else _draws(template)
    return [_filled(template, document["slots"], rng) for _ in range(draws)]


def _draws(template: str) -> int:
    return _SLOT_COMBINATIONS if template.count("{") > 1 else _PER_LINE


def _framed(act: str, document: Mapping[str, Any], rng: Random) -> list[str]:
    frames: list[str] = document["frames"]
    texts = []
    for frame in rng.sample(frames, min(_PER_ACT, len(frames))):
        text = _filled(frame.replace("{act}", act), document["slots"], rng)
        if rng.random() < _WITH_ENDING:
            text = text.rstrip("?. ") + _filled(rng.choice(document["endings"]), document["slots"], rng)
        texts.append(text)
    return texts


def _filled(template: str, slots: Mapping[str, list[str]], rng: Random) -> str:
    return _SLOT.sub(lambda slot: rng.choice(slots[slot.group(1)]), template)
