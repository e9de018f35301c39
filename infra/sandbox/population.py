"""The population: users, the popularity of characters, and bursts."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from infra.assignment import stable_hash
from infra.sandbox.characters import Character, make_characters
from infra.sandbox.engagingness import Engagingness
from infra.sandbox.grammar import topics
from infra.sandbox.settings import SandboxSettings
from infra.sandbox.words import Speaker, speaker

LOCALES = {
    "en": ("en-US", "en-US", "en-GB", "en-IN"),
    "es": ("es-MX", "es-ES", "es-AR"),
    "hi": ("hi-IN",),
    "hi-Latn": ("hi-Latn-IN",),
}
SURFACES = ("instagram", "whatsapp", "messenger", "web")
# Where internal vendors and experts spend their time, against users' Zipf over characters.
INTERNAL_TOPICS = ("knowledge", "technology", "advice", "image")
MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """A 64-bit seed of whole numbers, well spread (splitmix64 steps), the same on every machine."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state ^ (part & MASK)) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state


@dataclass(frozen=True)
class User:
    """One simulated user. `effect` is the inclination to return and go on, in logits."""

    index: int
    user_id: str
    language: str
    locale: str
    surface: str
    source: str
    is_bot: bool
    in_two_arms: bool
    effect: float
    favourites: tuple[int, ...]
    speaker: Speaker


@dataclass(frozen=True)
class World:
    """All that shards share; rebuilt in each process from the settings alone."""

    settings: SandboxSettings
    characters: tuple[Character, ...]
    popularity: tuple[float, ...]  # cumulative, ends at 1
    bursts: Mapping[int, int]  # day -> character
    topic_shift: Mapping[str, float]  # -1..1, base rate of reactions
    truth: Engagingness
    families_per_language: Mapping[str, int]

    def popular(self, place: float) -> int:
        """The index of the character at a place in 0..1 of the popularity scale."""
        return min(bisect(self.popularity, place), len(self.characters) - 1)


def make_world(settings: SandboxSettings) -> World:
    """Build what is common to all users."""
    languages = {str(tag): share for tag, share in settings.languages.items()}
    characters = make_characters(settings.seed, settings.characters, languages)
    weights = [1.0 / (rank + 1) ** settings.character_zipf for rank in range(len(characters))]
    total = sum(weights)
    draw = Random(mix(settings.seed, 11))
    bursts = {
        int(draw.random() * settings.days): int(draw.random() * len(characters))
        for _ in range(settings.planted.bursts)
    }
    shifts = {topic: draw.uniform(-1.0, 1.0) for topic in topics()}
    # Role play is loved, image requests are not: fixed signs, seeded sizes.
    shifts["roleplay"], shifts["image"] = abs(shifts["roleplay"]), -abs(shifts["image"])
    # About a quarter of the turns open a conversation.
    members = settings.turns * 0.25 * settings.planted.near_duplicates
    share = sum(languages.values())
    return World(
        settings=settings,
        characters=characters,
        popularity=tuple(accumulate(weight / total for weight in weights)),
        bursts=bursts,
        topic_shift=shifts,
        truth=Engagingness(settings.seed),
        families_per_language={
            tag: max(1, round(members * weight / share / settings.planted.near_duplicate_family_size))
            for tag, weight in languages.items()
        },
    )


def make_user(world: World, index: int) -> User:
    """The user with an index: drawn from a stream of their own."""
    settings = world.settings
    draw = Random(mix(settings.seed, 1, index))
    tags: Sequence[str] = tuple(settings.languages)
    language = draw.choices(tags, weights=tuple(settings.languages.values()))[0]
    source = "internal" if draw.random() < settings.internal_share else "user"
    is_bot = draw.random() < settings.planted.bots and source == "user"
    in_two_arms = draw.random() < settings.planted.users_in_two_arms
    locales = LOCALES[language]
    favourites = [world.popular(draw.random()) for _ in range(2)]
    if source == "internal":
        candidates = [i for i, c in enumerate(world.characters) if c.topic in INTERNAL_TOPICS]
        favourites = (
            [candidates[int(draw.random() * len(candidates))] for _ in range(2)] if candidates else favourites
        )
    return User(
        index=index,
        user_id=f"u{stable_hash(f'{settings.seed}|user|{index}'):016x}",
        language=language,
        locale=locales[int(draw.random() * len(locales))],
        surface=SURFACES[int(draw.random() * 4)] if source == "user" else "web",
        source=source,
        is_bot=is_bot,
        in_two_arms=in_two_arms,
        effect=draw.gauss(0.0, settings.behaviour.user_effect_sd),
        favourites=tuple(favourites),
        speaker=speaker(settings, language, source),
    )
