"""Screening, pruning by embeddings, sampling under constraints (section 2.2.1 of the paper)."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Literal

from pydantic import Field, field_validator, model_validator

from infra.expressions import fault_of
from infra.settings.section import Section


class RecogniserSettings(Section):
    """An own kind of identifier, `[[screening.recognisers]]`. Its type is CUSTOM_ID, also in redacted texts."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]{0,39}$", description="Name, for messages.")
    pattern: str = Field(
        min_length=1, max_length=500, description="Regular expression; case does not matter."
    )
    checksum: str = Field(
        "",
        description="Module of python-stdnum that checks a match (`luhn`, `es.nif`, `iso7064.mod_97_10`). Empty: none.",
    )
    context: tuple[str, ...] = Field(
        (), description="A match counts only with one of these words within 40 characters. Empty: always."
    )
    score: float = Field(0.8, gt=0, le=1, description="Score of a match: see redact_at and span_review_at.")
    languages: tuple[str, ...] = Field((), description="Languages that it looks at. Empty: all.")

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        if fault := fault_of(pattern):
            raise ValueError(f"the pattern {fault}")
        return pattern

    @field_validator("checksum")
    @classmethod
    def _known(cls, checksum: str) -> str:
        named = re.fullmatch(r"[a-z_]+(?:\.[a-z0-9_]+)?", checksum) is not None
        try:
            known = named and callable(getattr(import_module(f"stdnum.{checksum}"), "is_valid", None))
        except ModuleNotFoundError:
            known = False
        if checksum and not known:
            raise ValueError(
                f"{checksum[:40]} is no module of python-stdnum with a checksum, such as luhn or es.nif"
            )
        return checksum


class ScreeningSettings(Section):
    """Phase I (section 2.2.1, "safety and privacy"; section 2.6): what passes, what is redacted, who decides."""

    languages: tuple[str, ...] = Field(
        ("en", "es", "hi", "hi-Latn", "de", "it", "fr", "zh"),
        description=(
            "Accepted languages. A language without detectors is an error. Text in other languages is "
            "rejected."
        ),
    )
    context_turns: int = Field(
        20, ge=0, le=200, description="W: number of turns before and after a turn that are screened with it."
    )
    review_at: float = Field(0.4, ge=0, le=1, description="Safety score from which a turn goes to review.")
    reject_at: float = Field(0.7, ge=0, le=1, description="Safety score from which a turn is rejected.")
    span_review_at: float = Field(
        0.35, ge=0, le=1, description="Identifier score from which a turn goes to review."
    )
    redact_at: float = Field(
        0.5, ge=0, le=1, description="Identifier score from which a span counts as an identifier."
    )
    reject_types: tuple[str, ...] = Field(
        (
            "API_KEY", "PASSWORD", "SEED_PHRASE", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "IN_AADHAAR",
            "IN_PAN", "ES_NIF", "ES_NIE", "IT_FISCAL_CODE", "FR_NIR", "DE_TAX_ID", "UK_NINO", "UK_NHS", "BR_CPF",
            "CN_RESIDENT_ID", "MX_CURP", "MX_RFC", "MX_CLABE", "US_PASSPORT", "IN_PASSPORT", "PASSPORT",
            "US_DRIVER_LICENSE", "US_BANK_NUMBER", "IN_VOTER", "NATIONAL_ID",
        ),
        description="High-risk identifiers: the turn is rejected. Others are redacted and the turn passes.",
    )  # fmt: skip
    on_detector_error: Literal["reject", "review"] = Field(
        "reject", description="Outcome of a turn if a detector fails on it. It never passes."
    )
    chunk_chars: int = Field(4_000, ge=200, description="Longer texts are split into chunks, not truncated.")
    chunk_overlap_chars: int = Field(400, ge=50, description="Overlap of the chunks.")
    max_text_chars: int = Field(200_000, ge=1_000, description="A longer text is rejected as oversize.")
    undetermined_max_letters: int = Field(
        40,
        ge=0,
        description=(
            "Length in letters. Text of unknown language is checked with the detectors of all languages. If it has "
            "words that none of them knows, text up to this length goes to review, and longer text is rejected."
        ),
    )
    deadline_seconds: float = Field(
        30.0, gt=0, description="Time limit of a detector for one text, or for a batch of 256."
    )
    allow: tuple[str, ...] = Field(
        (),
        description=(
            "Texts that stay although they look like identifiers, such as the address of your support. An entry "
            "between slashes is a regular expression. Case does not matter."
        ),
    )
    recognisers: tuple[RecogniserSettings, ...] = Field((), description="Own kinds of identifiers.")
    use_names: bool = Field(True, description="Detect names of people with the name model and name lists.")
    redaction: Literal["placeholder", "surrogate"] = Field(
        "placeholder",
        description=(
            "What replaces a person's name: <PERSON_1>, one number a person and conversation, or an invented "
            "name of the same script and likely gender. Other identifiers always become placeholders."
        ),
    )
    safety_model: str = Field(
        "",
        description=(
            "Classifier used in addition to the rules. Empty: the packaged one. Otherwise a trained "
            "classifier's folder, models:/NAME@ALIAS, or Llama Guard by hub id or folder (section 2.6)."
        ),
    )

    @field_validator("allow")
    @classmethod
    def _allowable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for number, entry in enumerate(entries, start=1):
            if len(entry.strip("/ ")) < 2:
                raise ValueError(f"entry {number} has less than two characters, so it would allow too much")
            if entry[0] == entry[-1] == "/" and (fault := fault_of(entry[1:-1])):
                raise ValueError(f"the pattern of entry {number} {fault}")
        return entries

    @field_validator("recognisers")
    @classmethod
    def _distinct(cls, recognisers: tuple[RecogniserSettings, ...]) -> tuple[RecogniserSettings, ...]:
        names = [recogniser.name for recogniser in recognisers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two recognisers are named {twice[0]}: give each a name of its own")
        return recognisers

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
        description=(
            "JSONL(.gz), Parquet or Delta with text (or context and response) and label. Relative to the "
            "project."
        ),
    )
    reviews: bool = Field(True, description="Also use reviewers' decisions of this lake as labels.")
    model: str = Field("safety", description="Name of the registered model.")
    alias: str = Field("candidate", description="Alias of the new version.")
    pass_error: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Maximum share of unsafe texts among texts that pass (95 % upper bound).",
    )
    reject_error: float = Field(
        0.1, gt=0, lt=1, description="Maximum share of safe texts among rejected texts (95 % upper bound)."
    )
    review_share: float = Field(
        0.25, ge=0, le=1, description="Maximum share of texts that a person must review."
    )


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
        ("en",), description="BCP-47 tags. A tag with a script must be listed itself."
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto",
        description="auto: torch on a GPU, else the faster one. The lake keeps the choice of the first run.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="auto: fp16 on a GPU, bf16 on a CPU where it is clearly faster. Kept like the backend.",
    )
    prompt: str = Field("", description="Prefix of every text, for models trained with one.")
    max_tokens: int = Field(
        0, ge=0, description="Longest window; 0: the model's limit. Longer texts have several windows."
    )
    dimension: int = Field(0, ge=0, description="Leading dimensions to keep (Matryoshka models); 0: all.")
    trust_remote_code: bool = Field(False, description="Run code that comes with the model. Read it first.")
    batch_tokens: int = Field(
        0, ge=0, description="Tokens per forward pass; 0: 1,024 on a CPU, 32,768 on a GPU."
    )


class DiversitySettings(Section):
    """Phase II: what counts as the same prompt and how much of a day is kept (section 2.2.1)."""

    recipe: str = Field(
        "prompt-1", description="Name of the recipe of prompt_text. A new name recomputes the vectors."
    )
    context_characters: int = Field(
        256, ge=0, description="Characters taken from the end of the last assistant message."
    )
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
        description="In order of preference: a text uses the first one that supports its language.",
    )
    unknown_share: float = Field(
        0.05, ge=0, le=1, description="With a larger share of unknown tokens, no semantic check."
    )
    similarity: float = Field(
        0.95, gt=0, le=1, description="t: cosine from which two prompts are near-duplicates."
    )
    lexical_similarity: float = Field(
        0.85, gt=0, le=1, description="Edit ratio from which two normalised prompts are near-duplicates."
    )
    keep_proportion: float = Field(0.8, ge=0, le=1, description="p: share of turns kept, per day and split.")
    horizon_days: int = Field(
        90, ge=0, description="H: number of earlier days whose kept turns a day is compared with."
    )
    sources: tuple[str, ...] = Field(("user",), description="Eligible traffic sources.")
    probes: int = Field(8, ge=1, description="Number of clusters searched for near-duplicates of a prompt.")
    exhaustive_rows: int = Field(
        20_000, ge=1, description="With fewer embeddings in a space, all pairs are compared."
    )
    rows_per_cluster: int = Field(
        256, ge=1, description="Target mean cluster size when centroids are trained."
    )
    centroids_version: int = Field(1, ge=1, description="Increase to train new centroids. Old ones are kept.")
    centroid_sample: int = Field(
        100_000, ge=1, description="Number of embeddings that centroids are trained on."
    )
    seed: int = Field(7, ge=0, description="Seed of the sample and of k-means.")
    memory_bytes: int = Field(
        256_000_000, ge=16_000_000, description="Maximum memory of one worker while it compares vectors."
    )


class ConstraintSettings(Section):
    """One more floor, cap or target on a level of a dimension of Table 1."""

    dimension: Literal[
        "first_turn", "character", "locale_language", "jtbd", "depth_band", "quality_band", "difficulty_band"
    ]
    level: str = Field(description="A value of the dimension. *: each value separately.")
    kind: Literal["floor", "cap", "target"]
    share: float | None = Field(None, ge=0, le=1, description="Share of the sample. Or set count.")
    count: int | None = Field(None, ge=0, description="Number of rows. Or set share.")
    weight: float = Field(1.0, gt=0, description="Weight of the distance to a target.")

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
        (1 / 3, 2 / 3), description="Quantiles of variance that separate easy, medium and hard."
    )

    @model_validator(mode="after")
    def _rising(self) -> DifficultyScoresSettings:
        if not 0 < self.quantiles[0] < self.quantiles[1] < 1:
            raise ValueError("quantiles must be two increasing shares between 0 and 1")
        return self


class SamplingSettings(Section):
    """Phase III: how a window of eligible turns becomes a dataset (section 2.2.1, Table 1)."""

    name: str = Field("default", pattern=r"^[a-z0-9_]+$", description="Prefix of the dataset_id.")
    seed: int = Field(7, ge=0, description="Random seed. The same seed and inputs give the same rows.")
    sample_size: dict[Literal["train", "evaluation"], int] = Field(
        default_factory=dict, description="K of a split in rows. Overrides sample_share."
    )
    sample_share: dict[Literal["train", "evaluation"], float] = Field(
        {"train": 0.1, "evaluation": 0.1},
        description="K of a split as a share of its eligible turns. A split with neither is not sampled.",
    )
    relax: tuple[str, ...] = Field(
        (),
        description=(
            "Floors and caps that may be relaxed, in this order, each by as few rows as possible: `cap "
            "character` or `floor locale_language=hi-IN/hi`. Default: none."
        ),
    )
    allow_smaller: bool = Field(
        False,
        description="Use the largest feasible K if the constraints conflict, after those in `relax` were relaxed.",
    )
    first_turn_floor: float = Field(
        0.10, ge=0, le=1, description="Minimum share of first turns (Table 1: 10 %)."
    )
    character_cap: float = Field(
        0.03, ge=0, le=1, description="Maximum share of one character (Table 1: 3 %). 1: no cap."
    )
    targets: dict[str, Literal["traffic"] | dict[str, float]] = Field(
        {
            "locale_language": "traffic",
            "jtbd": "traffic",
            "depth_band": "traffic",
            "difficulty_band": "traffic",
        },
        description="Maps a dimension to target shares by level. traffic: the shares of user turns before Phase I.",
    )
    target_weights: dict[str, float] = Field(
        default_factory=dict,
        description="Maps a dimension to the weight of its targets. Default: 1.",
    )
    constraints: tuple[ConstraintSettings, ...] = Field((), description="Further floors, caps and targets.")
    one_per_conversation: bool = Field(True, description="At most one turn of a conversation in a dataset.")
    depth_bands: tuple[int, ...] = Field(
        (1, 5, 20), description="Last turn_index of each depth band: 1, 2-5, 6-20. The last band is 21+."
    )
    quality_bands: tuple[float, ...] = Field(
        (0.507, 0.547),
        description="Prompt quality that separates low, middle and high. Default: thirds of real chat.",
    )
    difficulty_bands: tuple[float, float] = Field(
        (0.3, 0.45),
        description="Prompt difficulty that separates easy, medium and hard. Default: thirds of real chat.",
    )
    difficulty_scores: DifficultyScoresSettings | None = Field(
        None,
        description="Sets difficulty by the variance of these scores. Not set: estimated from the text.",
    )
    leak_similarity: float = Field(
        0.95,
        gt=0,
        le=1,
        description="Cosine from which a training turn counts as a duplicate of an evaluation turn.",
    )
    context_turns: int = Field(20, ge=1, description="Maximum turns of context before a sampled turn.")
    context_days: int = Field(7, ge=0, description="Context older than this many days is not read.")
    max_gap: float = Field(1e-4, gt=0, description="Optimality gap to reach before the search stops.")

    @model_validator(mode="after")
    def _consistent(self) -> SamplingSettings:
        if list(self.depth_bands) != sorted(set(self.depth_bands)) or min(self.depth_bands, default=1) < 1:
            raise ValueError("depth_bands must increase and start at 1 or later")
        if len(self.quality_bands) != 2 or self.quality_bands[0] >= self.quality_bands[1]:
            raise ValueError("quality_bands must be two increasing numbers")
        if self.difficulty_bands[0] >= self.difficulty_bands[1]:
            raise ValueError("difficulty_bands must be two increasing numbers")
        if any(not 0 < share <= 1 for share in self.sample_share.values()):
            raise ValueError("sample_share must lie in (0, 1]")
        if any(size < 1 for size in self.sample_size.values()):
            raise ValueError("sample_size must be at least 1")
        if any(weight <= 0 for weight in self.target_weights.values()):
            raise ValueError("target_weights must be positive")
        if bad := [rule for rule in self.relax if not re.fullmatch(r"(floor|cap) [a-z_]+(=.+)?", rule)]:
            raise ValueError(f"relax: {bad[0]!r} is not '<floor or cap> <dimension>[=<level>]'")
        return self
