"""Preference data, hand-off, training and scoring (sections 2.3.1, 2.3.2 and 3.5)."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from infra.settings.section import Section

RewardKind = Literal["pointwise", "pairwise"]
Signal = Literal["continued", "love", "thumb_up", "thumb_down", "feedback"]


class PreferencesSettings(Section):
    """Judged pairs for reward models (section 2.2.2)."""

    keep_unsafe: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Maps a source to the reason why its unsafe pairs are kept and tagged, such as a red-team "
            "set. Unsafe pairs of other sources are quarantined. Privacy screening applies to all "
            "sources."
        ),
    )

    @model_validator(mode="after")
    def _with_reasons(self) -> PreferencesSettings:
        if bare := [source for source, reason in self.keep_unsafe.items() if not reason.strip()]:
            raise ValueError(f"keep_unsafe needs a reason for {', '.join(bare)}")
        return self


class HandoffSettings(Section):
    """Data that leaves the lake for a trainer (`flywheel pull`)."""

    licence: str = Field(
        "Internal use only: no licence to share or redistribute is given.",
        description="Licence statement on the card of every pull.",
    )


class TrainingSettings(Section):
    """What reward and signal models are trained from (sections 2.3.1, 2.3.2)."""

    base_model: str = Field(
        "",
        description="Hub id or folder of a Llama-like model: meta-llama/Llama-3.1-70B (the paper's reward models), "
        "meta-llama/Llama-3.1-8B (its signal models). Or an embedded one by name: tiny-llama (trained here in "
        "seconds; the default) or sentence-encoder (the packaged MiniLM: English only, 512 tokens at most).",
    )
    pointwise_config: str = Field(
        "reward-pointwise-small",
        description="Run configuration of the scheduled training; *-cluster on GPUs.",
    )
    pairwise_config: str = Field(
        "reward-pairwise-smoke", description="Run configuration of the pairwise model."
    )
    reward_kinds: tuple[RewardKind, ...] = Field(
        ("pointwise", "pairwise"), min_length=1, description="Reward models to train."
    )
    apart: Literal["prompt", "whole"] = Field(
        "prompt",
        description="What training may not share with evaluation, exactly or nearly: the prompt, or the whole pair.",
    )
    matrix_batches: int = Field(
        0,
        ge=0,
        description=(
            "Number of newest batches to train in preherding.reward_matrix; the gate needs 2. 0: all "
            "(Table 8)."
        ),
    )
    agreement_reviews: int = Field(3, ge=2, description="Minimum labels per pair in the agreement study.")
    signals_config: str = Field("signals-smoke", description="Run configuration of the signal models.")
    signals: tuple[Signal, ...] = Field(
        ("continued", "love", "thumb_up", "thumb_down", "feedback"),
        min_length=1,
        description="User signals to train models for (Table 2).",
    )
    signal_rows: int | None = Field(
        None,
        ge=0,
        description="Maximum training rows per signal; 0: all. Default: 1,500 without GPUs, all with GPUs.",
    )
    signal_calibration: Literal["platt", "isotonic"] = Field(
        "platt", description="Calibration method. isotonic needs thousands of rows."
    )
    alias: str = Field("candidate", description="Alias of newly registered versions. Empty: none.")


class CandidateSettings(Section):
    """What a model must show on held-out users before an alias moves to its version: noise is no candidate.

    A version that does not is registered all the same, without the alias, and a tag says why.
    """

    reward_accuracy_above: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Reward models: the lower end of the accuracy's 95 % interval must be above it. 0.5 is chance.",
    )
    pairwise_consistency_above: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Pairwise models: the share of pairs with one verdict in both orders; the lower end of its 95 % "
        "interval must be above it.",
    )
    signal_auc_above: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Signal models: the lower end of the AUC's 95 % interval must be above it. 0.5 is chance.",
    )
    beat_length: Literal["no", "estimate", "interval"] = Field(
        "estimate",
        description="All models against the length of the response alone. estimate: better on the same rows; interval: "
        "the whole 95 % interval of the difference is above 0; no: not asked.",
    )


class RewardOverrideSettings(Section):
    """One user-signal model that may be a reward all the same: who says so, why, and until when."""

    model: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+/[0-9]+$",
        description="name/version. No alias: it could later name another version.",
    )
    approved_by: str = Field(min_length=2, description="Person who is responsible.")
    reason: str = Field(min_length=10, description="Why the biases of section 3.5.5 do not matter here.")
    expires: date = Field(description="Last valid day, UTC.")


class SignalModelsSettings(Section):
    """What user-signal models may be used for (sections 2.3.2, 3.5.5): ranking candidates, and no reward."""

    reward_overrides: tuple[RewardOverrideSettings, ...] = Field(
        (), description="Exceptions. Each is recorded on the model version when it is used."
    )


class PreherdingSettings(Section):
    """Which registered reward model scores responses for the next generation's sampling (section 3.5.4)."""

    name: str = Field("scores", pattern=r"^[a-z0-9_]+$", description="Prefix of the id of a scored window.")
    score_model: str = Field(
        "",
        description=(
            "reward-pointwise/3 or reward-pointwise@candidate. An alias is resolved when a window is "
            "scored, and every row records the version. Empty: nothing is scored."
        ),
    )
