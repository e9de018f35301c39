"""Every rate and knob of the simulated product, in one frozen model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.errors import SettingsError

Language = Literal["en", "es", "hi", "hi-Latn"]
Share = float


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BehaviourSettings(_Frozen):
    """How users act on what they read. Logits unless said otherwise."""

    return_base: float = Field(-1.1, description="logit of being active on a day at engagingness 0")
    return_slope: float = Field(2.6, ge=0, description="weight of the engagingness met so far on returning")
    continue_base: float = Field(-0.7, description="logit of going on within 10 minutes at engagingness 0")
    continue_slope: float = Field(3.2, ge=0, description="weight of engagingness on going on (section 2.3.2)")
    user_effect_sd: float = Field(0.5, ge=0, description="spread of users' own inclination, logits")
    continue_within_minutes: float = Field(10.0, gt=0, description="window of p(continue), section 2.3.2")
    late_reply_rate: Share = Field(0.04, ge=0, le=1, description="sessions that go on after 11 to 28 minutes")
    second_session_rate: Share = Field(
        0.3, ge=0, le=1, description="probability of one more session that day"
    )
    resume_rate: Share = Field(0.2, ge=0, le=1, description="sessions that resume an earlier conversation")
    greeting_rate: Share = Field(0.15, ge=0, le=1, description="new conversations that the character opens")
    consecutive_message_rate: Share = Field(0.06, ge=0, le=1, description="messages sent in two parts")
    unanswered_rate: Share = Field(0.015, ge=0, le=1, description="messages that get no response")
    no_character_rate: Share = Field(0.05, ge=0, le=1, description="conversations with no character")
    voiced_mood: Share = Field(
        0.0, ge=0, le=1, description="messages that say how the user liked the turns before"
    )
    regenerate_base: float = Field(-3.0, description="logit of regenerating at engagingness 0.5")
    regenerate_slope: float = Field(2.5, ge=0, description="how much dull responses are regenerated more")
    max_turns_per_session: int = Field(60, ge=1)


class BiasSettings(_Frozen):
    """What makes users' signals differ from the truth (section 3.5.5). Zero switches a bias off."""

    quality_slope: float = Field(
        3.0, ge=0, description="weight of true engagingness on reactions: the signal"
    )
    love_flattery: float = Field(1.6, ge=0, description="logits that flattery adds to love")
    delayed_feedback: Share = Field(
        0.35, ge=0, le=1, description="share of thumbs for a turn that are withheld and given to a later one"
    )
    verbosity: float = Field(0.5, ge=0, description="logits of thumb up per doubling of length over 20 words")
    ending: float = Field(1.5, ge=0, description="logits that the last turn of a session adds to thumb up")
    ending_flattery: Share = Field(
        0.5, ge=0, le=1, description="last responses that say a flattering goodbye"
    )
    topic_base_rate: float = Field(0.8, ge=0, description="spread of reaction base rates over topics, logits")
    prior_mood: float = Field(1.2, ge=0, description="weight of the turns before on the reaction to this one")
    annotator_emoji: float = Field(0.25, ge=0, description="what an emoji is worth to annotators")
    annotator_length: float = Field(
        0.25, ge=0, description="what a doubling of length is worth to annotators"
    )
    annotator_list: float = Field(0.35, ge=0, description="what a list is worth to annotators")
    annotator_noise: float = Field(0.6, ge=0, description="standard deviation of annotators' noise")


class ReactionSettings(_Frozen):
    """Base rates of reactions at engagingness 0.5 with no bias acting, as logits, and their delays."""

    love: float = -3.4
    thumb_up: float = -3.0
    thumb_down: float = -3.6
    emoji: float = -4.2
    feedback: float = -4.6
    removed_rate: Share = Field(0.03, ge=0, le=1, description="reactions that the user takes back")
    delay_median_seconds: float = Field(25.0, gt=0)


class PlantingSettings(_Frozen):
    """Rates of everything planted with gold. A rate is a share of what its name says."""

    identifiers_in_messages: Share = Field(0.02, ge=0, le=1)
    identifiers_in_responses: Share = Field(0.004, ge=0, le=1)
    identifiers_in_characters: Share = Field(0.08, ge=0, le=1)
    identifier_obfuscated: Share = Field(0.5, ge=0, le=1, description="planted identifiers in disguise")
    identifier_split: Share = Field(0.1, ge=0, le=1, description="planted in messages, split over two turns")
    unsafe_messages: Share = Field(0.012, ge=0, le=1)
    unsafe_multi_turn: Share = Field(0.25, ge=0, le=1, description="unsafe requests that need two messages")
    unsafe_responses: Share = Field(0.15, ge=0, le=1, description="unsafe requests that get an unsafe answer")
    lookalikes: Share = Field(0.012, ge=0, le=1, description="benign messages that look unsafe or private")
    near_duplicates: Share = Field(
        0.15, ge=0, le=1, description="new conversations opened by a family member"
    )
    near_duplicate_family_size: float = Field(4.0, ge=2)
    bursts: int = Field(1, ge=0, description="bursts of one character, a day each")
    burst_share: Share = Field(0.5, ge=0, le=1, description="new conversations of the day in the burst")
    bots: Share = Field(0.003, ge=0, le=0.05, description="users that are programs")
    users_in_two_arms: Share = Field(0.01, ge=0, le=1)
    late_events: Share = Field(0.01, ge=0, le=1, description="events received 1 to late_days_max days late")
    late_days_max: int = Field(40, ge=1, description="over the limit of 30 on purpose")
    future_events: Share = Field(0.002, ge=0, le=1, description="events of a clock far ahead")
    duplicate_events: Share = Field(0.01, ge=0, le=1, description="events delivered twice")
    conflicting_duplicates: Share = Field(0.001, ge=0, le=1, description="events with one id, two payloads")
    malformed_lines: Share = Field(0.002, ge=0, le=1, description="broken lines added, per event")
    huge_line_bytes: int = Field(1_500_000, ge=1_000)


class ExperimentSettings(_Frozen):
    """One experiment: arms are model versions, assignment by hash (appendix B)."""

    experiment_id: str = "exp-001"
    control: str = "V2"
    test: str = "V3"
    share_per_arm: Share = Field(0.3, gt=0, le=0.5, description="the paper runs 0.1 an arm")
    start_day: int = Field(0, ge=0, description="days after the first day")
    days: int = Field(7, ge=1, description="one week (section 2.5.2)")
    lift_users: int = Field(2000, ge=0, description="users run under both arms to know the true lift")

    @property
    def shares(self) -> dict[str, float]:
        """Arm to its share of the users."""
        return {"control": self.share_per_arm, "test": self.share_per_arm}


class AnnotatorSettings(_Frozen):
    """Who judges pairs of responses (sections 2.2.2 and 3.4.1). What they like beside the truth is in BiasSettings."""

    static_share: Share = Field(0.12, ge=0, le=1, description="users' turns that are judged from the log")
    interactive_share: Share = Field(
        0.4, ge=0, le=1, description="internal users' turns that they judge while conversing"
    )
    reviews: int = Field(3, ge=1, description="annotators of a static pair")
    pool: int = Field(12, ge=1, description="annotators of static pairs in all")
    tie_within: float = Field(0.1, ge=0, description="difference of scores that an annotator calls a tie")
    both_bad_below: float = Field(-0.3, description="score under which a response is bad")
    batch_days: int = Field(1, ge=1, description="days of traffic in a batch; its date is the last of them")
    context_messages: int = Field(10, ge=1, description="messages before the responses that are shown")
    guideline: str = "g1"

    @model_validator(mode="after")
    def _enough(self) -> AnnotatorSettings:
        if self.reviews > self.pool:
            raise ValueError("sandbox.annotators.pool is smaller than reviews")
        return self


class SandboxSettings(_Frozen):
    """The simulated live product: size, languages, versions, behaviour, biases and what is planted."""

    seed: int = Field(7, ge=0)
    start: date = date(2026, 11, 18)
    days: int = Field(3, ge=1, le=400)
    turns: int = Field(5000, ge=100, le=50_000_000, description="target of turns, met roughly")
    users: int | None = Field(None, ge=1, description="set to fix the users; the turns are then what comes")
    characters: int = Field(60, ge=4)
    languages: dict[Language, float] = {"en": 0.6, "es": 0.16, "hi": 0.12, "hi-Latn": 0.12}
    internal_share: Share = Field(0.1, ge=0, le=1, description="users who are vendors and experts")
    typo_rate: Share = Field(0.12, ge=0, le=1)
    code_mix_rate: Share = Field(0.15, ge=0, le=1, description="messages not in English that mix it in")
    corpus_line_rate: Share = Field(0.08, ge=0, le=1, description="messages that are lines of the corpus")
    short_message_rate: Share = Field(0.1, ge=0, le=1, description="messages such as ok")
    character_zipf: float = Field(1.1, ge=0, description="exponent of characters' popularity")
    versions: tuple[str, ...] = ("V1", "V2", "V3")
    live_version: str = "V2"
    behaviour: BehaviourSettings = BehaviourSettings()
    biases: BiasSettings = BiasSettings()
    reactions: ReactionSettings = ReactionSettings()
    planted: PlantingSettings = PlantingSettings()
    experiment: ExperimentSettings | None = ExperimentSettings()
    annotators: AnnotatorSettings | None = AnnotatorSettings()
    shard_users: int = Field(
        200, ge=1, description="users simulated together; part of what the bytes depend on"
    )

    @classmethod
    def of(cls, section: Mapping[str, Any], **overrides: Any) -> SandboxSettings:
        """The section `sandbox` of the settings, with some values replaced; None leaves a value as it is.

        Raises:
            SettingsError: names the setting and what is wrong with it.
        """
        changes = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate({**section, **changes})
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise SettingsError(
                first["msg"],
                setting=".".join(("sandbox", *(str(part) for part in first["loc"]))),
                hint="Change it in flywheel.toml, in a FLYWHEEL_SANDBOX__<NAME> variable, or by an option.",
            ) from None

    @model_validator(mode="after")
    def _check(self) -> SandboxSettings:
        if not self.languages or min(self.languages.values()) < 0 or sum(self.languages.values()) <= 0:
            raise ValueError("sandbox.languages needs at least one language with a positive share")
        used = {self.live_version}
        if self.experiment is not None:
            used |= {self.experiment.control, self.experiment.test}
        missing = sorted(used - set(self.versions))
        if missing:
            raise ValueError(f"sandbox.versions lacks {', '.join(missing)}; add them or change who uses them")
        return self
