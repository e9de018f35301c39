"""What users say about a response, and how it differs from the truth: the biases of section 3.5.5, each with a knob."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from infra.sandbox.grammar import grammar, pick
from infra.sandbox.settings import BiasSettings, ReactionSettings

EMOJI = ("😂", "😮", "😢", "🔥")
DRAWS = 8  # uniform draws per response, whatever happens


@dataclass(frozen=True)
class Seen:
    """A response as its reader experienced it."""

    turn_id: str
    served: float  # seconds since the epoch
    engagingness: float
    flattery: bool
    words: int
    topic_shift: float  # -1..1
    mood: float  # engagingness of the turns before, above the middle
    is_last: bool
    language: str


@dataclass(frozen=True)
class Reaction:
    """A reaction as logged: it stands at `turn_id`, and was caused by `caused_by` (gold)."""

    kind: str  # love, thumb_up, thumb_down, an emoji, or feedback
    turn_id: str
    caused_by: str
    at: float
    removed: bool
    text: str


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)), for the moderate values used here."""
    return 1.0 / (1.0 + math.exp(-value))


def reaction_logits(seen: Seen, biases: BiasSettings, rates: ReactionSettings) -> dict[str, float]:
    """Log-odds of each reaction to a response: the signal, and the biases on top."""
    signal = biases.quality_slope * (seen.engagingness - 0.5)
    shared = biases.topic_base_rate * seen.topic_shift + biases.prior_mood * seen.mood
    verbose = biases.verbosity * max(-2.0, math.log2(max(seen.words, 1) / 20))
    return {
        "love": rates.love + signal + shared + biases.love_flattery * seen.flattery,
        "thumb_up": rates.thumb_up + signal + shared + verbose + biases.ending * seen.is_last,
        "thumb_down": rates.thumb_down - signal - shared,
        "emoji": rates.emoji + signal + shared,
        "feedback": rates.feedback + abs(signal),
    }


class Reactor:
    """The reactions of one session: thumbs that are withheld wait for a later response."""

    def __init__(self, biases: BiasSettings, rates: ReactionSettings) -> None:
        self.biases = biases
        self.rates = rates
        self.withheld: list[tuple[str, str]] = []  # thumb, turn that caused it

    def react(self, seen: Seen, draws: list[float], words: Random) -> list[Reaction]:
        """The reactions logged at a response. `draws` holds `DRAWS` uniform numbers."""
        logits = reaction_logits(seen, self.biases, self.rates)
        logged: list[tuple[str, str]] = []
        if draws[0] < sigmoid(logits["love"]):
            logged.append(("love", seen.turn_id))
        delayed, self.withheld = self.withheld, []
        for place, thumb in ((1, "thumb_up"), (2, "thumb_down")):
            if draws[place] < sigmoid(logits[thumb]):
                if not seen.is_last and draws[3] < self.biases.delayed_feedback:
                    self.withheld.append((thumb, seen.turn_id))
                else:
                    logged.append((thumb, seen.turn_id))
                break
        logged.extend(delayed)
        if draws[4] < sigmoid(logits["emoji"]):
            logged.append((EMOJI[int(draws[7] * len(EMOJI))], seen.turn_id))
        if draws[5] < sigmoid(logits["feedback"]):
            logged.append(("feedback", seen.turn_id))
        return [self._log(kind, cause, seen, draws, words) for kind, cause in logged]

    def _log(self, kind: str, cause: str, seen: Seen, draws: list[float], words: Random) -> Reaction:
        delay = self.rates.delay_median_seconds * math.exp(1.2 * words.gauss(0.0, 1.0))
        text = ""
        if kind == "feedback":
            lexicon = grammar(seen.language)
            text = f"{pick(words, lexicon.short)}, {pick(words, lexicon.tails)}"
        removed = kind != "feedback" and draws[6] < self.rates.removed_rate
        return Reaction(kind, seen.turn_id, cause, seen.served + 2.0 + min(delay, 3600.0), removed, text)


def annotator_score(
    engagingness: float, words: int, emoji: int, is_list: bool, biases: BiasSettings, draw: Random
) -> float:
    """What an annotator would say a response is worth: noisy, and over-rewarding emoji, length and lists."""
    return (
        engagingness
        + biases.annotator_emoji * min(emoji, 3)
        + biases.annotator_length * max(-1.0, math.log2(max(words, 1) / 30))
        + biases.annotator_list * is_list
        + draw.gauss(0.0, biases.annotator_noise)
    )
