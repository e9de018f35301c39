"""Safety race: recall at the review threshold beside false refusals, for rules, the default and a trained classifier.

Every figure is of the held-out half of each set (by hash of the source prompt); rules, generated text, thresholds and
the trained classifier saw the other half only. Without the public sets the generator's own templates are
split the same way, and the output says so. `--size` is the most examples that are taken of one set.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.race import alternate, arguments, close, table
from benchmarks.safety_sets import Example, load, message
from infra.settings import ScreeningSettings
from models.calibration import calibration_error
from models.screening.detection import Detectors, Question, examine
from models.screening.privacy import PrivacyModel, Span
from models.screening.safety import LexiconModel, ProfanityModel, SafetyModel
from models.screening.safety.classifier import ClassifierModel, Thresholds
from models.screening.safety.corpus import LabelledText, generated
from models.screening.safety.evaluate import Bounds, wilson
from models.screening.safety.named import safety_models
from models.screening.safety.train import LabelledRow, Trained, train
from models.screening.verdict import ScreeningPolicy, TurnVerdict, screen_conversations

FALSE_REFUSALS, CHAT_REVIEW_SHARE, SLOWDOWN, RECALL_GAIN = 0.10, 0.05, 2.0, 2.0
_ANYTHING_GOES = Bounds(1.0, 1.0, 1.0)
_SPEED_TEXTS = 4_000


class _NoPrivacy:
    """Finds no identifiers: this race is about safety."""

    version = "none"

    def load(self, languages: Sequence[str]) -> None:
        """Nothing to load."""

    def find(
        self, texts: Sequence[str], languages: Sequence[str], allowed_names: Sequence[Sequence[str]] = ()
    ) -> list[tuple[Span, ...]]:
        """No spans."""
        return [()] * len(texts)


@dataclass
class Share:
    """Hits among trials."""

    hits: int = 0
    of: int = 0

    @property
    def value(self) -> float:
        """The share."""
        return self.hits / max(self.of, 1)

    def __str__(self) -> str:
        low, high = wilson(self.hits, self.of)
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}] of {self.of}" if self.of else "–"


Key = tuple[str, bool]


def flagged(safety: tuple[SafetyModel, ...], examples: Sequence[Example]) -> dict[Key, Share]:
    """Share of examples, by set and label, whose safety score reaches the review threshold; chat counts by turn."""
    settings = ScreeningSettings()
    detectors = Detectors(privacy=_NoPrivacy(), safety=safety)
    detectors.load(settings.languages)
    policy = ScreeningPolicy.of(settings, detectors)
    shares: dict[Key, Share] = {}
    for example, verdicts in zip(
        examples,
        screen_conversations([e.turns for e in examples], policy, detectors=detectors),
        strict=True,
    ):
        name = f"chat_{example.language}" if example.dataset == "chat" else example.dataset
        flags = [_is_flagged(verdict, settings) for verdict in verdicts]
        if example.dataset != "chat":
            flags = [any(flags)] if example.whole else flags[-1:]
        for key in ((name, example.unsafe), *([("chat", False)] if example.dataset == "chat" else [])):
            share = shares.setdefault(key, Share())
            share.hits += sum(flags)
            share.of += len(flags)
    return shares


def _is_flagged(verdict: TurnVerdict, settings: ScreeningSettings) -> bool:
    errors = any(reason.startswith("detector_error") for reason in verdict.reasons)
    return errors or (verdict.safety_score or 0.0) >= settings.review_at


def trained_on(
    examples: Sequence[Example], default: SafetyModel, seed: int
) -> tuple[ClassifierModel, Trained]:
    """A classifier of the tune half, at the review share of ordinary tune chat that the default classifier has."""
    draw = Random(seed)
    rows: list[LabelledRow] = []
    chat: list[str] = []
    for example in examples:
        if example.dataset in ("mhj", "hh_rlhf"):
            continue  # labels of whole conversations, or no labels
        source = f"{example.dataset}/{example.group}"
        turns = example.turns if example.dataset == "chat" else example.turns[-1:]
        for turn in turns:
            text_content = (
                turn.response if example.dataset == "diasafety" else turn.user_message or turn.response
            )
            if not text_content.strip() or (example.dataset == "chat" and draw.random() > 0.5):
                continue
            category = example.category if example.unsafe else None
            text = LabelledText(text_content, example.unsafe, category, example.language, source)
            is_kept_apart = hashlib.sha256(source.encode()).digest()[1] < 64
            rows.append(LabelledRow(text, is_kept_apart))
            if example.dataset == "chat" and is_kept_apart:
                chat.append(text_content)
    trained = train(rows, _ANYTHING_GOES)
    scores = [s.score for s in default.score(chat, "en")]
    share = sum(score >= ScreeningSettings().review_at for score in scores) / max(len(scores), 1)
    review_at = float(np.quantile(trained.model.probabilities(chat), 1 - share)) if chat else 0.5
    thresholds = Thresholds(round(max(review_at, 1e-6), 6))
    version = f"{trained.model.version}-at-{thresholds.review_at}"
    return replace(trained.model, thresholds=thresholds, version=version), trained


def from_templates() -> list[Example]:
    """The generator's templates as a set, for machines without the public ones."""
    return [
        Example(
            "templates",
            row.source,
            (message(row.text),),
            row.unsafe,
            row.category,
            row.language,
        )
        for row in generated()
    ]


def slowdown(examples: Sequence[Example], sides: Mapping[str, tuple[SafetyModel, ...]]) -> dict[str, float]:
    """Texts a CPU second of the whole screening, by side; both must find the same identifiers and languages."""
    settings = ScreeningSettings()
    texts = [
        Question(text)
        for example in examples
        for turn in example.turns
        for text in (turn.user_message, turn.response)
        if text
    ]
    questions = list(dict.fromkeys(texts))[:_SPEED_TEXTS]
    chosen = {name: Detectors(privacy=PrivacyModel(), safety=models) for name, models in sides.items()}
    for detectors in chosen.values():
        examine(questions[:200], settings, detectors)
    seconds, answers = alternate(
        {name: (lambda d=d: examine(questions, settings, d)) for name, d in chosen.items()}  # type: ignore[misc]
    )
    first, second = answers.values()
    if [(f.language, f.spans) for f in first] != [(f.language, f.spans) for f in second]:
        raise AssertionError("the classifier changed what the other detectors find")
    return {name: len(questions) / spent for name, spent in seconds.items()}


def main() -> bool:
    """Run the race; true when every goal is met."""
    options = arguments(__doc__, size=700)
    examples = _sample(load(Path(options.data)), options.size, options.seed)
    is_real = bool(examples)
    examples = examples or _sample(from_templates(), options.size, options.seed)
    held_out = [e for e in examples if e.half == "held_out"]
    rules: tuple[SafetyModel, ...] = (LexiconModel(), ProfanityModel())
    default = safety_models()
    sides: dict[str, tuple[SafetyModel, ...]] = {"rules": rules, "default": default}
    figures: dict[str, object] = {"data": "public sets" if is_real else "generated templates"}
    if is_real:
        classifier, trained = trained_on([e for e in examples if e.half == "tune"], default[-1], options.seed)
        sides["trained"] = (*rules, classifier)
        figures["calibration_error"] = round(calibration_error(trained.reliability), 4)
    shares = {name: flagged(models, held_out) for name, models in sides.items()}
    print(f"Held-out half, {len(held_out):,} examples ({figures['data']}); share flagged [95 % Wilson].\n")
    keys = sorted({key for by_key in shares.values() for key in by_key})
    rows = [
        [name, "unsafe" if unsafe else "safe", *(str(shares[s].get((name, unsafe), Share())) for s in shares)]
        for name, unsafe in keys
    ]
    print(table(["set", "label", *shares], rows))
    rates = slowdown(
        [e for e in held_out if e.dataset == "chat"] or held_out, {"rules": rules, "default": default}
    )
    ratio = rates["rules"] / rates["default"]
    print(
        table(["screening with", "texts / CPU s"], [[name, f"{rate:,.0f}"] for name, rate in rates.items()])
    )
    pair = "xstest" if is_real else "templates"
    before, after = shares["rules"], shares["default"]
    figures |= {
        "recall": {s: round(shares[s][pair, True].value, 4) for s in shares},
        "false_refusals": {s: round(shares[s][pair, False].value, 4) for s in shares},
        "chat_review_share": {s: round(shares[s].get(("chat", False), Share()).value, 4) for s in shares},
        "slowdown": round(ratio, 3),
    }
    met = {
        "recall_gain": after[pair, True].value >= RECALL_GAIN * before[pair, True].value,
        "false_refusals": after[pair, False].value <= FALSE_REFUSALS,
        "chat_review_share": after.get(("chat", False), Share()).value <= CHAT_REVIEW_SHARE,
        "slowdown": ratio <= SLOWDOWN,
    }
    goal = {
        "recall_gain": RECALL_GAIN,
        "false_refusals": FALSE_REFUSALS,
        "chat_review_share": CHAT_REVIEW_SHARE,
        "slowdown": SLOWDOWN,
    }
    return close("safety", figures, goal, met)


def _sample(examples: list[Example], size: int, seed: int) -> list[Example]:
    """At most `size` examples of each set."""
    sets: dict[str, list[Example]] = {}
    for example in examples:
        sets.setdefault(example.dataset, []).append(example)
    draw = Random(seed)
    return [
        example
        for _, some in sorted(sets.items())
        for example in (some if len(some) <= size else draw.sample(some, size))
    ]


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
