"""Screening, pruning by embeddings, sampling under constraints (section 2.2.1 of the paper)."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, model_validator

from infra.settings.section import Section


class ScreeningSettings(Section):
    """Phase I (section 2.2.1, "safety and privacy"; section 2.6): what passes, what is redacted, who decides."""

    languages: tuple[str, ...] = Field(
        ("en", "es", "hi", "hi-Latn", "de", "it", "fr", "zh"),
        description="Languages let in; one without detectors is an error, any other text is rejected.",
    )
    context_turns: int = Field(
        20, ge=0, le=200, description="W: turns before and after that a turn is judged with."
    )
    review_at: float = Field(0.4, ge=0, le=1, description="Safety score from which a person decides.")
    reject_at: float = Field(0.7, ge=0, le=1, description="Safety score from which a turn is rejected.")
    span_review_at: float = Field(
        0.35, ge=0, le=1, description="Identifier score from which a person decides."
    )
    redact_at: float = Field(
        0.5, ge=0, le=1, description="Identifier score from which a span is an identifier."
    )
    reject_types: tuple[str, ...] = Field(
        (
            "API_KEY", "PASSWORD", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "IN_AADHAAR", "IN_PAN", "ES_NIF",
            "ES_NIE", "IT_FISCAL_CODE", "FR_NIR", "DE_TAX_ID", "UK_NINO", "UK_NHS", "BR_CPF", "CN_RESIDENT_ID",
            "US_PASSPORT", "IN_PASSPORT", "US_DRIVER_LICENSE", "US_BANK_NUMBER", "IN_VOTER", "NATIONAL_ID",
        ),
        description="High-risk identifiers: the turn is rejected; any other is redacted and the turn passes.",
    )  # fmt: skip
    on_detector_error: Literal["reject", "review"] = Field(
        "reject", description="Fate of a turn on which a detector failed; it never passes."
    )
    chunk_chars: int = Field(4_000, ge=200, description="Longer texts are read in chunks, never cut off.")
    chunk_overlap_chars: int = Field(400, ge=50, description="Overlap of the chunks.")
    max_text_chars: int = Field(200_000, ge=1_000, description="A longer text is rejected as oversize.")
    undetermined_max_letters: int = Field(
        40,
        ge=0,
        description="A text of unknown language up to this long is read by every language's detectors.",
    )
    deadline_seconds: float = Field(
        30.0, gt=0, description="A detector busy for longer with a text, or 256 of them, has failed on it."
    )
    use_names: bool = Field(True, description="Look for full names with the entity model and name lists.")
    safety_model: str = Field(
        "",
        description="Beside the rules: empty for the packaged classifier, else a trained classifier's folder, "
        "models:/NAME@ALIAS, or Llama Guard by hub id or folder (section 2.6).",
    )

    @model_validator(mode="after")
    def _in_order(self) -> ScreeningSettings:
        if self.review_at > self.reject_at or self.span_review_at > self.redact_at:
            raise ValueError("review thresholds must not exceed the thresholds of rejection and redaction")
        if self.chunk_overlap_chars * 2 > self.chunk_chars:
            raise ValueError("chunk_overlap_chars must be at most half of chunk_chars")
        return self


class SafetyTrainingSettings(Section):
    """How the safety classifier is trained (section 2.6)."""

    labels: str = Field(
        "",
        description="JSONL(.gz), Parquet or Delta with text (or context and response) and label, from the project.",
    )
    reviews: bool = Field(True, description="Reviewers' decisions of this lake are labels too.")
    model: str = Field("safety", description="Name of the registered model.")
    alias: str = Field("candidate", description="Alias that the new version gets.")
    pass_error: float = Field(
        0.05, gt=0, lt=1, description="Most unsafe texts among those that pass: 95 % upper bound."
    )
    reject_error: float = Field(
        0.1, gt=0, lt=1, description="Most safe texts among those that are rejected: 95 % upper bound."
    )
    review_share: float = Field(0.25, ge=0, le=1, description="Largest share that a person must look at.")


class EncoderSettings(Section):
    """One text encoder: where its weights are and which languages it is trusted with."""

    kind: Literal["transformer", "use"] = Field(
        "transformer",
        description="transformer: sentence-transformers layout; use: packaged multilingual USE v3.",
    )
    model: str = Field(
        "", description="Hub id or local path; empty: packaged MiniLM. Paper: DRAMA-1B (section 2.2.1)."
    )
    languages: tuple[str, ...] = Field(
        ("en",), description="BCP-47 tags; a tag with a script counts only when named."
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="auto: torch on a GPU, else the faster; what the first run chose is pinned in the lake.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="auto: fp16 on a GPU, bf16 on a CPU that is clearly faster so; pinned with the backend.",
    )
    prompt: str = Field("", description="Put before every text, for a model trained with one.")
    max_tokens: int = Field(
        0, ge=0, description="Longest window; 0: the model's own. Longer texts have many."
    )
    dimension: int = Field(0, ge=0, description="Leading dimensions to keep (Matryoshka models); 0: all.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the model. Read it first.")
    batch_tokens: int = Field(
        0, ge=0, description="Tokens in one forward pass; 0: 1,024 on a CPU, 32,768 on a GPU."
    )


class DiversitySettings(Section):
    """Phase II: what counts as the same prompt and how much of a day is kept (section 2.2.1)."""

    recipe: str = Field(
        "prompt-1", description="Version of what prompt_text is made of; new name, new vectors."
    )
    context_characters: int = Field(256, ge=0, description="Of the last assistant message, from its end.")
    context_days: int = Field(7, ge=0, description="A last assistant message older than this is not context.")
    encoders: tuple[EncoderSettings, ...] = Field(
        (
            EncoderSettings(),
            EncoderSettings(
                kind="use",
                languages=(
                    *("ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr"),
                    *("zh", "zh-Hans", "zh-Hant"),
                ),
            ),
        ),
        description="In order of preference: a text goes to the first that knows its language.",
    )
    unknown_share: float = Field(0.05, ge=0, le=1, description="More unknown tokens: no semantic check.")
    similarity: float = Field(
        0.95, gt=0, le=1, description="t: cosine from which two prompts are near-duplicates."
    )
    lexical_similarity: float = Field(
        0.85, gt=0, le=1, description="Edit ratio from which two normalised prompts are near-duplicates."
    )
    keep_proportion: float = Field(0.8, ge=0, le=1, description="p: share of a day and split that is kept.")
    horizon_days: int = Field(
        90, ge=0, description="H: a day is compared with what this many days before it kept."
    )
    sources: tuple[str, ...] = Field(
        ("user",), description="Traffic that is ranked; other sources are ineligible."
    )
    probes: int = Field(8, ge=1, description="Clusters in which a prompt looks for near-duplicates.")
    exhaustive_rows: int = Field(
        20_000, ge=1, description="With fewer embeddings in a space everything is compared with everything."
    )
    rows_per_cluster: int = Field(
        256, ge=1, description="Mean cluster size aimed at when centroids are trained."
    )
    centroids_version: int = Field(1, ge=1, description="Raise it to train new centroids; old ones stay.")
    centroid_sample: int = Field(100_000, ge=1, description="Embeddings that centroids are trained on.")
    seed: int = Field(7, ge=0, description="Of the sample and of k-means.")
    memory_bytes: int = Field(
        256_000_000, ge=16_000_000, description="What one worker may hold while it compares vectors."
    )


class ConstraintSettings(Section):
    """One more floor, cap or target on a level of a dimension of Table 1."""

    dimension: Literal[
        "first_turn", "character", "locale_language", "jtbd", "depth_band", "quality_band", "difficulty_band"
    ]
    level: str = Field(description="A value of the dimension; * for each value on its own.")
    kind: Literal["floor", "cap", "target"]
    share: float | None = Field(None, ge=0, le=1, description="Of the sample; or give count.")
    count: int | None = Field(None, ge=0, description="Rows; or give share.")
    weight: float = Field(1.0, gt=0, description="Price of a row's distance to a target.")

    @model_validator(mode="after")
    def _one_amount(self) -> ConstraintSettings:
        if (self.share is None) == (self.count is None):
            raise ValueError(f"the {self.kind} of {self.dimension}={self.level} needs a share or a count")
        return self


class DifficultyScoresSettings(Section):
    """Which scores of an earlier generation difficulty is read from (section 3.5.4)."""

    model: str = Field(description="Reward model, as in preherding.scores.")
    model_version: str = Field(description="Its registered version, trained on days before the window.")
    table_version: int = Field(ge=0, description="Delta version of preherding.scores to read.")
    quantiles: tuple[float, float] = Field(
        (1 / 3, 2 / 3), description="Shares of scored turns that divide easy, medium and hard by variance."
    )

    @model_validator(mode="after")
    def _rising(self) -> DifficultyScoresSettings:
        if not 0 < self.quantiles[0] < self.quantiles[1] < 1:
            raise ValueError("quantiles must be two rising shares between 0 and 1")
        return self


class SamplingSettings(Section):
    """Phase III: how a window of eligible turns becomes a dataset (section 2.2.1, Table 1)."""

    name: str = Field("default", pattern=r"^[a-z0-9_]+$", description="First part of the dataset_id.")
    seed: int = Field(7, ge=0, description="Of every draw: the same seed and inputs give the same rows.")
    sample_size: dict[Literal["train", "evaluation"], int] = Field(
        default_factory=dict, description="K of a split in rows; wins over its share."
    )
    sample_share: dict[Literal["train", "evaluation"], float] = Field(
        {"train": 0.1, "evaluation": 0.1},
        description="K of a split as a share of its eligible turns. A split with neither is not sampled.",
    )
    relax: tuple[str, ...] = Field(
        (),
        description="Floors and caps that may give way, the first one first, by the fewest rows the others need: "
        "`cap character` or `floor locale_language=hi-IN/hi`. None by default.",
    )
    allow_smaller: bool = Field(
        False,
        description="Take the largest K at which all hard constraints hold (those of `relax` gave way before).",
    )
    first_turn_floor: float = Field(
        0.10, ge=0, le=1, description="Least share of first turns (Table 1: 10 %)."
    )
    character_cap: float = Field(
        0.03, ge=0, le=1, description="Largest share of one character (Table 1: 3 %); 1 switches it off."
    )
    targets: dict[str, Literal["traffic"] | dict[str, float]] = Field(
        {
            "locale_language": "traffic",
            "jtbd": "traffic",
            "depth_band": "traffic",
            "difficulty_band": "traffic",
        },
        description="Dimension to target shares by level, or to those of the user turns before Phase I.",
    )
    target_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Dimension to the price of a row's distance to its targets; 1 if unnamed.",
    )
    constraints: tuple[ConstraintSettings, ...] = Field((), description="Further floors, caps and targets.")
    one_per_conversation: bool = Field(True, description="At most one turn of a conversation in a dataset.")
    depth_bands: tuple[int, ...] = Field(
        (1, 5, 20), description="Last turn_index of each depth band but the open one: 1, 2-5, 6-20, 21+."
    )
    quality_bands: tuple[float, ...] = Field(
        (0.507, 0.547), description="Prompt quality that divides low, middle and high: thirds of real chat."
    )
    difficulty_bands: tuple[float, float] = Field(
        (0.3, 0.45), description="Prompt difficulty that divides easy, medium and hard: thirds of real chat."
    )
    difficulty_scores: DifficultyScoresSettings | None = Field(
        None,
        description="Band difficulty by the variance of these scores; unset: by an estimate of the text.",
    )
    leak_similarity: float = Field(
        0.95, gt=0, le=1, description="Cosine from which a training turn duplicates an evaluation turn."
    )
    context_turns: int = Field(20, ge=1, description="Most turns of context before a sampled one.")
    context_days: int = Field(7, ge=0, description="Context older than this many days is not read.")
    max_gap: float = Field(1e-4, gt=0, description="Optimality gap to reach before the search stops.")

    @model_validator(mode="after")
    def _consistent(self) -> SamplingSettings:
        if list(self.depth_bands) != sorted(set(self.depth_bands)) or min(self.depth_bands, default=1) < 1:
            raise ValueError("depth_bands must rise and start at 1 or later")
        if len(self.quality_bands) != 2 or self.quality_bands[0] >= self.quality_bands[1]:
            raise ValueError("quality_bands must be two rising numbers")
        if self.difficulty_bands[0] >= self.difficulty_bands[1]:
            raise ValueError("difficulty_bands must be two rising numbers")
        if any(not 0 < share <= 1 for share in self.sample_share.values()):
            raise ValueError("sample_share must lie in (0, 1]")
        if any(size < 1 for size in self.sample_size.values()):
            raise ValueError("sample_size must be at least 1")
        if any(weight <= 0 for weight in self.target_weights.values()):
            raise ValueError("target_weights must be positive")
        if bad := [rule for rule in self.relax if not re.fullmatch(r"(floor|cap) [a-z_]+(=.+)?", rule)]:
            raise ValueError(f"relax names '<floor or cap> <dimension>[=<level>]', which {bad[0]!r} is not")
        return self
