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
        description="Source to the reason why its unsafe pairs are kept and tagged: red-team sets hold them on "
        "purpose. Pairs of any other source are quarantined when unsafe. Privacy is screened all the same.",
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
    pairwise_config: str = Field("reward-pairwise-smoke", description="The same of the pairwise model.")
    reward_kinds: tuple[RewardKind, ...] = Field(
        ("pointwise", "pairwise"), min_length=1, description="Reward models that are trained."
    )
    apart: Literal["prompt", "whole"] = Field(
        "prompt",
        description="What of an evaluation pair may not be met in training, nearly or exactly: its prompt or the pair.",
    )
    matrix_batches: int = Field(
        0,
        ge=0,
        description="Newest batches that get a model in preherding.reward_matrix; the gate needs 2. 0: all (Table 8).",
    )
    agreement_reviews: int = Field(
        3, ge=2, description="Labels that a pair of the agreement study has at least."
    )
    signals_config: str = Field("signals-smoke", description="Run configuration of the signal models.")
    signals: tuple[Signal, ...] = Field(
        ("continued", "love", "thumb_up", "thumb_down", "feedback"),
        min_length=1,
        description="User signals that get a model (Table 2).",
    )
    signal_rows: int | None = Field(
        None,
        ge=0,
        description="Most training rows of a signal; 0: all. Default: 1,500 without GPUs, all with them.",
    )
    signal_calibration: Literal["platt", "isotonic"] = Field(
        "platt", description="How log-odds become probabilities. isotonic needs thousands of rows."
    )
    alias: str = Field("candidate", description="Alias of newly registered versions. Empty: none.")


class RewardOverrideSettings(Section):
    """One user-signal model that may be a reward all the same: who says so, why, and until when."""

    model: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+/[0-9]+$",
        description="name/version; an alias would move under the decision.",
    )
    approved_by: str = Field(min_length=2, description="Who answers for it.")
    reason: str = Field(min_length=10, description="Why the biases of section 3.5.5 do not matter here.")
    expires: date = Field(description="Last day, UTC, on which it holds.")


class SignalModelsSettings(Section):
    """What user-signal models may be used for (sections 2.3.2, 3.5.5): ranking candidates, and no reward."""

    reward_overrides: tuple[RewardOverrideSettings, ...] = Field(
        (), description="Exceptions; each is written on the model version when it is used."
    )


class PreherdingSettings(Section):
    """Which registered reward model scores responses for the next generation's sampling (section 3.5.4)."""

    name: str = Field(
        "scores", pattern=r"^[a-z0-9_]+$", description="First part of the id of a scored window."
    )
    score_model: str = Field(
        "",
        description="reward-pointwise/3, or reward-pointwise@candidate, which is resolved when a window is scored; the "
        "version stands in every row. Empty: nothing is scored.",
    )
