"""Privacy race: our rules beside Presidio's, scrubadub and datafog, and what we find on planted and real texts.

    python -m benchmarks.privacy --data ../shared/data --seed 7 --size 20000

Speed is measured on real chat, quality on the seven structured entities of presidio_research; where --data has neither,
both are generated and the output says so. Peers run without models; rates are documents per CPU second.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks.privacy_corpus import (
    CLASSES,
    HELD_OUT,
    Planted,
    harmless,
    names_and_addresses,
    structured,
)
from benchmarks.race import alternate, arguments, close, table
from models.screening.privacy import PrivacyModel, Span
from models.screening.privacy.names import worth_reading
from models.screening.privacy.split import split_spans
from models.text.language.romanised_hindi import corpus_lines

SEVEN = ("CREDIT_CARD", "EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "URL")
# What the others call the seven; a name that is missing here is the same or is another entity.
_NAMES = {
    "DOMAIN_NAME": "URL", "EMAIL": "EMAIL_ADDRESS", "PHONE": "PHONE_NUMBER", "SSN": "US_SSN", "IBAN": "IBAN_CODE",
    "SOCIAL_SECURITY_NUMBER": "US_SSN",
}  # fmt: skip
SURE = 0.5  # from this score on, screening takes a span for an identifier by default
GOAL = {
    "f1": 0.95, "precision": 0.98, "times_presidio": 50, "planted_recall": 0.99, "held_out_recall": 0.95,
    "false_positive_share": 0.01,
}  # fmt: skip
_PEER_TEXTS = 1_500
_OURS_REPEATED = 20  # so that a round of ours is long enough to time
_PER_CLASS = 25

Finding = tuple[int, int, str]
Finder = Callable[[Sequence[str]], Sequence[Sequence[Finding]]]


@dataclass(frozen=True)
class Labelled:
    """A text and its true spans (start, end, type)."""

    text: str
    spans: tuple[Finding, ...]


# --- data ------------------------------------------------------------------------------------------------


def _lines(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def chat(data: Path, seed: int, size: int) -> tuple[list[tuple[str, str]], str]:
    """(text, language) of messages drawn from all chat logs, and what they are."""
    paths = sorted((data / "chatlogs").glob("*.jsonl.gz"))
    messages = [
        (message["content"], str(row.get("language") or "en").split("-")[0])
        for path in paths
        for row in _lines(path)
        for message in row["messages"]
        if message["content"]
    ]
    rng = random.Random(seed)
    if messages:
        return rng.sample(messages, min(size, len(messages))), f"real chat ({len(paths)} logs)"
    lines = [
        (line, language)
        for folder, language in (
            ("english", "en"),
            ("spanish", "es"),
            ("hinglish", "hi-Latn"),
            ("german", "de"),
        )
        for line in corpus_lines(folder)
    ]
    texts = [rng.choice(lines) for _ in range(size)]
    for planted in rng.sample(list(structured(seed, 2)), size // 200):
        texts[rng.randrange(size)] = (planted.text, "en")
    return texts, "lines of chatterbot-corpus, 1 in 200 with a planted identifier (no chat logs under --data)"


def seven_entities(data: Path, seed: int) -> tuple[list[Labelled], str]:
    """Texts with the seven structured entities marked, and what they are."""
    labelled = []
    for name in ("generated_large", "generated_small"):
        path = data / "presidio_research" / f"{name}.json.gz"
        if path.is_file():
            with gzip.open(path, "rt", encoding="utf-8") as file:
                labelled += [
                    Labelled(
                        row["full_text"],
                        tuple(
                            (span["start_position"], span["end_position"], _common_name(span["entity_type"]))
                            for span in row["spans"]
                        ),
                    )
                    for row in json.load(file)
                ]
    if labelled:
        return labelled, "presidio_research (generated_large, generated_small)"
    generated = [
        Labelled(planted.text, ((planted.start, planted.end, CLASSES[planted.kind].type),))
        for planted in structured(seed, _PER_CLASS)
        if planted.disguise == "plain"
    ]
    generated += [Labelled(harm.text, ()) for harm in harmless(seed, len(generated))]
    return generated, "generated text (no presidio_research under --data)"


def _common_name(kind: str) -> str:
    return _NAMES.get(kind.upper(), kind.upper())


# --- the sides -------------------------------------------------------------------------------------------


def ours(use_names: bool = False) -> Finder:
    """Our rules; with `use_names` the name lists and the entity model too."""
    model = PrivacyModel(use_names=use_names)

    def find(texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        return [_sure(spans) if spans else () for spans in model.find(texts, ["en"] * len(texts))]

    return find


def _sure(spans: Iterable[Span]) -> list[Finding]:
    return [(span.start, span.end, span.type) for span in spans if span.score >= SURE]


def presidio() -> Finder:
    """Presidio's own recognisers of the seven on a blank spaCy pipeline: its rules without any model."""
    import presidio_analyzer.predefined_recognizers as recognizers
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    # The list of public suffixes that the package carries, not one fetched at the first e-mail address.
    setattr(tldextract, "extract", tldextract.TLDExtract(suffix_list_urls=()))  # noqa: B010
    words = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    words.nlp = {"en": spacy.blank("en")}
    names = "CreditCard Email Phone Iban UsSsn Ip Url"
    registry = RecognizerRegistry(
        recognizers=[getattr(recognizers, f"{name}Recognizer")() for name in names.split()],
        supported_languages=["en"],
    )
    engine = AnalyzerEngine(registry=registry, nlp_engine=words, supported_languages=["en"])

    def find(texts: Sequence[str]) -> Sequence[Sequence[Finding]]:
        return [_strongest(engine.analyze(text, language="en")) for text in texts]

    return find


def _strongest(results: Sequence[Any]) -> list[Finding]:
    """Where Presidio reports several types for one place, the one it scores highest, as its own redaction does."""
    chosen: list[Any] = []
    for candidate in sorted(results, key=lambda result: (-result.score, result.start - result.end)):
        if all(candidate.end <= other.start or other.end <= candidate.start for other in chosen):
            chosen.append(candidate)
    return [(result.start, result.end, _common_name(result.entity_type)) for result in chosen]


def scrubadub() -> Finder:
    """scrubadub's default detectors."""
    import scrubadub as package

    scrubber = package.Scrubber()
    return lambda texts: [
        [(filth.beg, filth.end, _common_name(filth.type)) for filth in scrubber.iter_filth(text)]
        for text in texts
    ]


def datafog() -> Finder:
    """datafog's regular expressions."""
    import datafog as package

    return lambda texts: [
        [(entity.start, entity.end, _common_name(entity.type)) for entity in package.scan(text).entities]
        for text in texts
    ]


# --- figures ---------------------------------------------------------------------------------------------


def quality(
    rows: Sequence[Labelled], predictions: Sequence[Sequence[Finding]]
) -> dict[str, tuple[int, int, int]]:
    """By entity: true positives, false positives, false negatives (spans that overlap, types that agree)."""
    counts: Counter[tuple[str, str]] = Counter()
    for row, spans in zip(rows, predictions, strict=True):
        true = [span for span in row.spans if span[2] in SEVEN]
        predicted = [span for span in spans if span[2] in SEVEN]
        for span in true:
            counts[span[2], "tp" if any(_same(span, other) for other in predicted) else "fn"] += 1
        for span in predicted:
            counts[span[2], "fp"] += not any(_same(span, other) for other in true)
    return {kind: (counts[kind, "tp"], counts[kind, "fp"], counts[kind, "fn"]) for kind in SEVEN}


def _same(left: Finding, right: Finding) -> bool:
    return left[2] == right[2] and left[0] < right[1] and right[0] < left[1]


def rates(counts: Iterable[tuple[int, int, int]]) -> tuple[float, float, float]:
    """Precision, recall and F1 over all."""
    hits, wrong, missed = map(sum, zip(*counts, strict=True))
    precision, recall = hits / max(1, hits + wrong), hits / max(1, hits + missed)
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def interval(hits: int, size: int) -> str:
    """A share with its Wilson interval at 95 %."""
    if not size:
        return "–"
    bounds = binomtest(hits, size).proportion_ci(method="wilson")
    return f"{hits / size:.4f} ({bounds.low:.4f}–{bounds.high:.4f})"


def covered(planted: Planted, spans: Iterable[Span]) -> float:
    """The share of the planted characters that sure spans cover."""
    places = {place for span in spans if span.score >= SURE for place in range(span.start, span.end)}
    return len(places & set(range(planted.start, planted.end))) / (planted.end - planted.start)


def found_structured(planted: Sequence[Planted]) -> list[bool]:
    """Whether each identifier is covered whole; of a split one, whether every message that holds a piece is known."""
    model = PrivacyModel(use_names=False)
    unsplit = [item for item in planted if not item.texts]
    spans = iter(model.find([item.text for item in unsplit], ["und"] * len(unsplit)))
    answers = []
    for identifier in planted:
        if not identifier.texts:
            answers.append(covered(identifier, next(spans)) >= 0.99)
            continue
        pieces = split_spans(identifier.texts, reach=20)
        alone = model.find(identifier.texts, ["und"] * len(identifier.texts))
        answers.append(all(pieces.get(place) or alone[place] for place in range(len(identifier.texts))))
    return answers


def print_planted(planted: Sequence[Planted], answers: Sequence[bool]) -> tuple[int, int]:
    """Recall by class and by disguise, as tables; hits and size over all."""
    for title in ("kind", "disguise"):
        groups: dict[str, list[bool]] = defaultdict(list)
        for item, answer in zip(planted, answers, strict=True):
            groups[getattr(item, title)].append(answer)
        rows = [(name, len(hits), interval(sum(hits), len(hits))) for name, hits in groups.items()]
        print(table((title, "planted", "recall (95 % Wilson)"), rows))
    return sum(answers), len(answers)


def named_texts(rows: Sequence[Planted]) -> dict[tuple[str, str], tuple[int, int, float]]:
    """By kind and language: how many were found with their type, of how many, and the mean share covered."""
    model = PrivacyModel()
    found_spans = model.find([row.text for row in rows], [row.language for row in rows])
    groups: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    for one, spans in zip(rows, found_spans, strict=True):
        typed = any(s.type == one.kind and s.score >= SURE and s.overlaps(one.start, one.end) for s in spans)
        groups[one.kind, one.language].append((typed, covered(one, spans)))
    return {
        key: (sum(hit for hit, _ in hits), len(hits), sum(share for _, share in hits) / len(hits))
        for key, hits in groups.items()
    }


def false_positives(seed: int, size: int) -> dict[str, tuple[int, int]]:
    """By kind of harmless text: how many have a sure span, of how many."""
    rows = harmless(seed, size)
    found_spans = PrivacyModel().find(
        [r.text for r in rows], [r.language for r in rows], [r.allowed_names for r in rows]
    )
    counts: dict[str, tuple[int, int]] = {}
    for row, spans in zip(rows, found_spans, strict=True):
        wrong, total = counts.get(row.kind, (0, 0))
        counts[row.kind] = (wrong + bool(_sure(spans)), total + 1)
    return counts


def real_recall(data: Path) -> list[tuple[str, str, int, str]]:
    """(set, gold type, gold spans, share touched by a sure span) on texts that nobody generated or tuned on."""
    rows: list[tuple[str, str, int, str]] = []
    for name, language, texts in (("meddocan_es", "es", _meddocan(data)), ("wnut17", "en", _wnut(data))):
        found_spans = PrivacyModel().find([row.text for row in texts], [language] * len(texts))
        counts: dict[str, tuple[int, int]] = {}
        for row, spans in zip(texts, found_spans, strict=True):
            sure = _sure(spans)
            for start, end, kind in row.spans:
                hits, total = counts.get(kind, (0, 0))
                counts[kind] = (hits + any(a < end and start < b for a, b, _ in sure), total + 1)
        rows += [(name, kind, total, interval(hits, total)) for kind, (hits, total) in sorted(counts.items())]
    return rows


def _meddocan(data: Path) -> list[Labelled]:
    path = data / "meddocan_es" / "dev.jsonl.gz"
    rows = _lines(path) if path.is_file() else iter(())
    return [
        Labelled(row["text"], tuple((s["start"], s["end"], s["type"]) for s in row["spans"])) for row in rows
    ]


def _wnut(data: Path) -> list[Labelled]:
    path = data / "wnut17" / "emerging.dev.conll.txt.gz"
    if not path.is_file():
        return []
    rows = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for block in file.read().split("\n\n"):
            text, spans = "", list[Finding]()
            for word, tag in (line.split("\t")[:2] for line in block.splitlines() if "\t" in line):
                start = len(text)
                text += word + " "
                if tag.startswith("B-"):
                    spans.append((start, len(text) - 1, tag[2:]))
                elif tag.startswith("I-") and spans:
                    spans[-1] = (spans[-1][0], len(text) - 1, spans[-1][2])
            rows.append(Labelled(text, tuple(s for s in spans if s[2] in ("person", "location"))))
    return rows


def speed(texts: Sequence[str], languages: Sequence[str], model: PrivacyModel) -> float:
    """Documents per CPU second of one pass, after a first one on a few."""
    model.find(texts[:50], languages[:50])
    began = time.process_time()
    model.find(texts, languages)
    return len(texts) / (time.process_time() - began)


def race(texts: Sequence[str], rows: Sequence[Labelled]) -> tuple[dict[str, float], dict[str, Any]]:
    """All sides in turn on the same chat texts, then on the same labelled texts: rates, and quality by entity."""
    sides: Mapping[str, Finder] = {
        "ours": ours(), "presidio": presidio(), "scrubadub": scrubadub(), "datafog": datafog(),
    }  # fmt: skip
    for find in sides.values():
        find(texts[:20])
    repeats = {name: _OURS_REPEATED if name == "ours" else 1 for name in sides}
    seconds, _ = alternate(
        {
            name: lambda find=find, name=name: [find(texts) for _ in range(repeats[name])][-1]  # type: ignore[misc]
            for name, find in sides.items()
        }
    )
    documents = {name: repeats[name] * len(texts) / spent for name, spent in seconds.items()}
    return documents, {name: quality(rows, find([row.text for row in rows])) for name, find in sides.items()}


def _print_rules(
    texts: int,
    labelled: int,
    documents: Mapping[str, float],
    by_side: Mapping[str, Any],
    scores: Mapping[str, tuple[float, float, float]],
) -> None:
    """Speed and quality of every side."""
    print(f"## The rules, {texts:,} chat texts and {labelled:,} labelled ones\n")
    print(
        table(
            ("side", "docs/s/core", "ours is", "precision", "recall", "F1"),
            [
                (
                    name,
                    f"{rate:,.0f}",
                    f"{documents['ours'] / rate:.1f} ×",
                    *(f"{part:.3f}" for part in scores[name]),
                )
                for name, rate in documents.items()
            ],
        )
    )
    print(
        table(
            ("entity", "ours: true, false, missed", "presidio: true, false, missed"),
            [(kind, by_side["ours"][kind], by_side["presidio"][kind]) for kind in SEVEN],
        )
    )


def _print_paths(
    messages: Sequence[tuple[str, str]], planted: Sequence[Planted], seed: int
) -> tuple[dict[str, float], float]:
    """Our documents per CPU second by path, and the share of chat texts that the names are looked for in."""
    texts, languages = [text for text, _ in messages], [language for _, language in messages]
    plain = [(t, lang) for t, lang in messages if t.isascii()]
    numbers = [harm.text for harm in harmless(seed, 3_000)]
    hidden = [item.text for item in planted if not item.texts and item.disguise != "plain"]
    rules, full = PrivacyModel(use_names=False), PrivacyModel()
    rate = {
        "rules, all chat": speed(texts, languages, rules),
        "rules, plain (ASCII) chat": speed([t for t, _ in plain], [lang for _, lang in plain], rules),
        "rules, harmless texts full of numbers": speed(numbers, ["en"] * len(numbers), rules),
        "rules, disguised identifiers": speed(hidden, ["und"] * len(hidden), rules),
        "rules and names, all chat": speed(texts[:5_000], languages[:5_000], full),
    }
    read_share = sum(map(worth_reading, texts)) / len(texts)
    print("## Ours by path\n")
    print(table(("path", "docs/s/core"), [(name, f"{value:,.0f}") for name, value in rate.items()]))
    print(f"{100 * read_share:.1f} % of the chat texts needed the entity model or the name lists.\n")
    return rate, read_share


def _print_names(seed: int) -> dict[tuple[str, str], tuple[int, int, float]]:
    """Names and addresses in held-out sentences; returns those with names of known countries."""
    print("## Names and addresses on sentences held out from rule writing\n")
    held_out = named_texts(names_and_addresses(HELD_OUT, seed, 250))
    unseen = named_texts(names_and_addresses(HELD_OUT, seed, 250, unseen_names=True))
    print(
        table(
            ("kind, language", "recall (95 % Wilson)", "characters covered"),
            [
                (f"{kind}, {language}{note}", interval(found, total), f"{share:.3f}")
                for part, note in ((held_out, ""), (unseen, ", names of other countries"))
                for (kind, language), (found, total, share) in part.items()
            ],
        )
    )
    return held_out


def _print_harmless(seed: int) -> float:
    """Harmless texts that are flagged, by kind; returns their share."""
    wrong = false_positives(seed, 2_400)
    false_share = sum(n for n, _ in wrong.values()) / sum(total for _, total in wrong.values())
    print("## Harmless texts\n")
    print(table(("kind", "texts", "flagged"), [(kind, total, n) for kind, (n, total) in wrong.items()]))
    print(f"{100 * false_share:.2f} % flagged.\n")
    return false_share


def main() -> None:
    """Print the tables and the closing line."""
    args = arguments(__doc__, 20_000)
    messages, chat_is = chat(args.data, args.seed, args.size)
    rows, rows_are = seven_entities(args.data, args.seed)
    texts = [text for text, _ in messages]
    print(f"# Privacy\n\nSpeed on {chat_is}, quality on {rows_are}.\n")

    documents, by_side = race(texts[:_PEER_TEXTS], rows)
    scores = {name: rates(kinds.values()) for name, kinds in by_side.items()}
    _print_rules(len(texts[:_PEER_TEXTS]), len(rows), documents, by_side, scores)
    planted = list(structured(args.seed, _PER_CLASS))
    rate, read_share = _print_paths(messages, planted, args.seed)
    print(f"## Planted identifiers: {len(CLASSES)} classes, {_PER_CLASS} each in every disguise that fits\n")
    hits, size = print_planted(planted, found_structured(planted))
    print(f"All: {interval(hits, size)} of {size:,}.\n")

    held_out = _print_names(args.seed)
    false_share = _print_harmless(args.seed)
    real = real_recall(args.data)
    if real:
        print("## Texts that nobody generated, as they are\n")
        print(table(("set", "gold type", "spans", "touched by a span (95 % Wilson)"), real))

    precision, recall, f1 = scores["ours"]
    worst = min(found / total for found, total, _ in held_out.values())
    passed = {
        "f1": f1 >= GOAL["f1"],
        "precision": precision >= GOAL["precision"],
        "times_presidio": documents["ours"] >= GOAL["times_presidio"] * documents["presidio"],
        "planted_recall": hits / size >= GOAL["planted_recall"],
        "held_out_recall": worst >= GOAL["held_out_recall"],
        "false_positive_share": false_share <= GOAL["false_positive_share"],
    }
    figures = {
        "chat": chat_is,
        "labelled": rows_are,
        "f1": round(f1, 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "times_presidio": round(documents["ours"] / documents["presidio"], 1),
        "docs_per_second": {name: round(value) for name, value in {**documents, **rate}.items()},
        "names_asked_share": round(read_share, 4),
        "planted_recall": round(hits / size, 4),
        "held_out_recall": round(worst, 4),
        "false_positive_share": round(false_share, 4),
    }
    close("privacy", figures, GOAL, passed)


if __name__ == "__main__":
    main()
