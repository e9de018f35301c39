"""Detectors that fail on purpose: honest ones, and one of them struck by a fault on each text that a mark names.

A text is struck when it holds a mark `#<detector>-<kind>#`. Without a mark the detectors find nothing, so every text
that is not struck passes: what fails to be rejected would be seen.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.screening.detection import Detectors
from models.screening.privacy import Span
from models.screening.safety import SAFE, SafetyScore
from models.text.language import Language
from models.text.language.vocabulary import Reading

DETECTORS = ("language", "reading", "privacy", "safety")
CANARY = "canary.4111@example.org"
_MARK = re.compile(r"#(\w+)-(\w+)#")
_RUNAWAY = re.compile(r"(?:a+)+b")


class Panic(BaseException):
    """What native extensions raise: no Exception."""


def _busy(_: str) -> None:
    while True:
        pass


def _swallowing(_: str) -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(30)


def _raises(kind: type[BaseException]) -> Callable[[str], None]:
    def fail(text: str) -> None:
        raise kind(f"cannot read {text}")

    return fail


def _unreachable(_: str) -> None:
    """Native code that no signal reaches."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(600)


# What happens before there is any answer, to the whole batch that holds the text.
BATCH: dict[str, Callable[[str], object]] = {
    "exception": _raises(ValueError), "runtime": _raises(RuntimeError), "memory": _raises(MemoryError),
    "recursion": _raises(RecursionError), "unicode": lambda text: "\ud800".encode(), "exit": _raises(SystemExit),
    "panic": _raises(Panic), "stop": _raises(StopIteration), "key": _raises(KeyError),
}  # fmt: skip
HANGS: dict[str, Callable[[str], object]] = {
    "sleep": lambda _: time.sleep(30), "busy": _busy, "regex": lambda _: _RUNAWAY.match("a" * 40),
    "swallowing": _swallowing, "wait": lambda _: threading.Event().wait(30),
}  # fmt: skip
# What happens to the list of answers.
LISTS: dict[str, Callable[[list[Any]], Any]] = {
    "truncated": lambda answers: answers[:-1], "too_many": lambda answers: [*answers, answers[-1]],
    "nothing": lambda _: None, "number": lambda _: 7, "lazy": lambda answers: (one for one in answers),
    "mapping": lambda answers: dict(enumerate(answers)), "words": lambda answers: "x" * len(answers),
    "empty": lambda _: [],
}  # fmt: skip
# What stands in place of the text's own answer.
ANSWERS: dict[str, dict[str, Any]] = {
    "language": {
        "nan": Language("en", math.nan), "infinite": Language("en", math.inf), "above": Language("en", 1.5),
        "below": Language("en", -0.1), "score_none": Language("en", None), "label": Language("__label__7", 0.9),
        "no_label": Language("", 0.9), "label_none": Language(None, 0.9), "none": None, "tuple": ("en", 0.9),
    },
    "reading": {
        "none": None, "bool": True, "words": "read", "read_none": Reading(None), "number": Reading(1),
        "known_none": Reading(True, None), "english_none": Reading(True, True, None), "pair": (True, True),
    },
    "privacy": {
        "none": None, "span_none": (None,), "beyond": (Span(0, 10**6, "PERSON", 0.9),), "number": 3,
        "backwards": (Span(3, 1, "PERSON", 0.9),), "negative": (Span(-4, 2, "PERSON", 0.9),),
        "nan": (Span(0, 2, "PERSON", math.nan),), "label": (Span(0, 2, "SHOE_SIZE", 0.9),), "words": "PERSON",
        "start_none": (Span(None, 2, "PERSON", 0.9),), "fraction": (Span(0.5, 2, "PERSON", 0.9),),
        "score_none": (Span(0, 2, "PERSON", None),), "label_list": (Span(0, 2, ["PERSON"], 0.9),), "pair": ((0, 2),),
    },
    "safety": {
        "none": None, "nan": SafetyScore("S1", math.nan), "nan_safe": SafetyScore(None, math.nan),
        "label": SafetyScore("S99", 0.1), "above": SafetyScore("S1", 1.1), "below": SafetyScore("S1", -0.5),
        "score_none": SafetyScore(None, None), "no_label": SafetyScore(None, 0.3), "words": "safe", "number": 0.0,
        "label_list": SafetyScore(["S1"], 0.1), "bool": SafetyScore("S1", False), "text": SafetyScore("S1", "0.0"),
    },
}  # fmt: skip


def kinds(detector: str) -> list[str]:
    """Every fault of a detector that takes no time."""
    return [*BATCH, *(f"list_{name}" for name in LISTS), *(f"answer_{name}" for name in ANSWERS[detector])]


def mark(detector: str, kind: str) -> str:
    """What a text must hold to be struck."""
    return f"#{detector}-{kind}#"


def is_struck(text: str | None) -> bool:
    """Whether a detector fails on the text."""
    return _MARK.search(text or "") is not None


@dataclass(frozen=True)
class Strikes:
    """The faulty detectors of one process; pickled to workers as what it is, never with its detectors."""

    once: Path | None = None

    def __call__(self) -> Detectors:
        """Detectors that find nothing, and fail where a mark says so."""
        return Detectors(
            language=self.language, reading=self.reading, privacy=_Privacy(self), safety=(_Safety(self),)
        )

    def language(self, texts: Sequence[str | None]) -> list[Language]:
        """English, for certain."""
        return self.answers("language", texts, Language("en", 0.99))

    def reading(self, texts: Sequence[str], languages: Sequence[str]) -> list[Reading]:
        """Every word is known."""
        return self.answers("reading", texts, Reading(True, True))

    def answers(self, detector: str, texts: Sequence[str | None], honest: object) -> Any:
        """One honest answer a text, with the faults of the batch."""
        found: list[Any] = [honest] * len(texts)
        shape: Callable[[list[Any]], Any] = list
        for place, text in enumerate(texts):
            for which, kind in _MARK.findall(text or ""):
                if which != detector:
                    continue
                family, _, name = kind.partition("_")
                if kind in BATCH or kind in HANGS:
                    (BATCH | HANGS)[kind](f"{text} {CANARY}")
                elif family == "list":
                    shape = LISTS[name]
                elif family == "answer":
                    found[place] = ANSWERS[detector][name]
                elif kind == "kill":
                    self._kill()
                elif kind == "unreachable":
                    _unreachable(kind)
        return shape(found)

    def _kill(self) -> None:
        """The worker dies as from the kernel's memory killer, the first time."""
        if self.once is not None and not self.once.exists():
            self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class _Privacy:
    strikes: Strikes
    version: str = "faulty"

    def load(self, languages: Sequence[str]) -> None:
        """Nothing to load."""

    def find(
        self, texts: Sequence[str], languages: Sequence[str], allowed_names: Sequence[Sequence[str]] = ()
    ) -> list[tuple[Span, ...]]:
        """No identifiers."""
        found: list[tuple[Span, ...]] = self.strikes.answers("privacy", texts, ())
        return found


@dataclass(frozen=True)
class _Safety:
    strikes: Strikes
    name: str = "faulty"
    version: str = "1"

    def load(self) -> None:
        """Nothing to load."""

    def supports(self, language: str) -> bool:
        """Every language."""
        return True

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """Safe."""
        found: list[SafetyScore] = self.strikes.answers("safety", texts, SAFE)
        return found
