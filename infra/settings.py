"""Every setting, typed and checked before anything starts; constants from the paper stand here with their section.

Values come, in rising order, from the defaults below, `flywheel.toml` and the environment
(`FLYWHEEL_SAMPLING__SAMPLE_SHARE=0.2`). Secrets come from the environment or a file outside the lake, never from TOML.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets as secrets_module
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from infra.errors import SettingsError
from infra.sandbox.settings import SandboxSettings


class Section(BaseModel):
    """One table of `flywheel.toml`: frozen, and an unknown name in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LakeSettings(Section):
    """Where tables lie. Access to raw text is access to `restricted_root`."""

    root: str = Field("lake", description="Directory or URI of the lake; relative to the project.")
    restricted_root: str = Field(
        "", description="Raw text: landing, traffic, reviews. Default: <root>/restricted."
    )
    curated_root: str = Field("", description="Everything after screening. Default: <root>/curated.")
    landing: str = Field("", description="Event files. Default: <restricted_root>/landing.")
    lock_seconds: int = Field(
        300, ge=5, description="A writer that shows no sign of life for this long is dead."
    )
    minimum_free_bytes: int = Field(
        500_000_000, ge=0, description="A job refuses to start with less disk left."
    )


class SparkSettings(Section):
    """The distributed engine."""

    master: str = Field("local[*]", description="local[*], spark://..., yarn or k8s://...")
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(0, ge=0, description="0: 4 on local, Spark's own default elsewhere.")
    local_runs: Literal["short", "long"] = Field(
        "short",
        description="On local: Java starts fast, or compiles for throughput (from some million rows).",
    )
    conf: dict[str, str] = Field(default_factory=dict, description="Further spark.* settings, applied last.")

    @property
    def is_local(self) -> bool:
        """Whether driver and executors share one process on this machine."""
        return self.master.startswith("local")


class LandingSettings(Section):
    """What a landed line must be to become an event."""

    late_limit_days: int = Field(30, ge=0, description="An older event goes to quarantine (too_late).")
    future_tolerance_seconds: int = Field(
        300, ge=0, description="An event further ahead of its receipt: future."
    )
    max_line_bytes: int = Field(
        1_000_000, ge=1_000, description="A longer line goes to quarantine (too_large)."
    )


class TurnsSettings(Section):
    """How events become turns."""

    session_gap_minutes: int = Field(30, ge=1, description="Silence that ends a session.")
    first_turn_scope: Literal["conversation", "session"] = Field(
        "conversation", description="Whose first turn counts as a first turn (Table 1)."
    )


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


class SplitSettings(Section):
    """Training and evaluation users are kept apart for ever: changing this on a filled lake is refused."""

    salt: str = "flywheel-split-1"
    evaluation_share: float = Field(0.1, ge=0, le=1)


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
        if bad := [one for one in self.relax if not re.fullmatch(r"(floor|cap) [a-z_]+(=.+)?", one)]:
            raise ValueError(f"relax names '<floor or cap> <dimension>[=<level>]', which {bad[0]!r} is not")
        return self


class SignalsSettings(Section):
    """What users did with a response, and until when one waits before saying that they did not (section 2.3.2)."""

    continue_minutes: int = Field(
        10, ge=1, description="Window of p(continue): the user's next message comes within it (Table 2)."
    )
    reaction_minutes: int = Field(
        120, ge=1, description="Window of reactions, feedback and regeneration after a response."
    )
    late_margin_minutes: int = Field(
        60, ge=0, description="How late an event may arrive before its absence counts as a no."
    )

    @property
    def lookahead_days(self) -> int:
        """Days after a response that must have landed before all its labels are known."""
        longest = max(self.continue_minutes, self.reaction_minutes) + self.late_margin_minutes
        return -(-longest // 1440)


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


class ExperimentsSettings(Section):
    """How experiments are read out (section 2.5.2, appendix B). What one experiment chooses is in its definition."""

    pre_period_days: int = Field(
        7, ge=1, description="Days before first exposure that CUPED, the bot rule and tenure look at."
    )
    max_window_days: int = Field(
        28, ge=1, le=90, description="Longest window that may be declared; the paper's is 7 (section 2.5.2)."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of intervals: z = 1.96 (equation 17).")
    sample_ratio_alpha: float = Field(
        0.001, gt=0, lt=0.5, description="Sample-ratio p below which no verdict is given."
    )


class ReportSettings(Section):
    """The static report."""

    path: str = Field("report", description="Directory; relative to the project.")
    examples: int = Field(10, ge=0, description="Near-duplicate examples shown, redacted.")
    map_points: int = Field(
        1_500, ge=0, description="Prompts on the embedding map (seconds to lay out); 0: none."
    )


class HandoffSettings(Section):
    """Data that leaves the lake for a trainer (`flywheel pull`)."""

    licence: str = Field(
        "Internal use only: no licence to share or redistribute is given.",
        description="Licence statement on the card of every pull.",
    )


class TrackingSettings(Section):
    """Where runs, models and aliases are registered."""

    uri: str = Field("", description="MLflow's tracking URI. Default: SQLite in <project>/.flywheel.")
    copy_up_to_bytes: int = Field(
        4_000_000_000,
        ge=0,
        description="A larger model stays where it is and is registered by manifest: names, sizes, hashes.",
    )


class TrainingSettings(Section):
    """What reward and signal models are trained from (sections 2.3.1, 2.3.2)."""

    base_model: str = Field(
        "",
        description="Hub id or folder of a Llama-like model: meta-llama/Llama-3.1-70B (the paper's reward models), "
        "meta-llama/Llama-3.1-8B (its signal models). Default: a tiny one that is trained here in seconds.",
    )
    pointwise_config: str = Field(
        "reward-pointwise-smoke",
        description="Run configuration of the scheduled training; *-cluster on GPUs.",
    )
    pairwise_config: str = Field("reward-pairwise-smoke", description="The same of the pairwise model.")


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


class QueueSettings(Section):
    """Where GPU work is submitted, and when it is given up. A queue of several machines shares `home` and the lake."""

    kind: Literal["local", "slurm", "kubernetes"] = Field(
        "local", description="A process of this machine, sbatch, or a Kubernetes job by kubectl."
    )
    heartbeat_minutes: float = Field(
        30.0,
        gt=0,
        description="A command that writes neither output nor progress for so long hangs: it is ended.",
    )
    deadline_hours: float = Field(72.0, gt=0, description="A command that runs for longer is ended.")
    waiting_hours: float = Field(
        24.0, gt=0, description="One that has not started after so long is taken back."
    )
    poll_seconds: float = Field(15.0, gt=0, description="How often the queue is asked.")
    slurm_options: tuple[str, ...] = Field(
        (), description='Of sbatch, such as "--partition=gpu", "--nodes=1", "--gres=gpu:8".'
    )
    kubernetes_namespace: str = "default"
    kubernetes_image: str = Field("", description="Image with this project at the same path; required there.")
    kubernetes_claim: str = Field(
        "", description="Volume claim that holds the project and the lake, mounted at kubernetes_mount."
    )
    kubernetes_mount: str = "/work"
    kubernetes_gpus: int = Field(1, ge=0, description="nvidia.com/gpu of the pod.")


class MaintenanceSettings(Section):
    """What keeps tables healthy."""

    keep_deleted_hours: int = Field(
        720,
        ge=0,
        description="Vacuuming leaves files alone that were part of a table this recently: a job or a training that is "
        "under way may be reading them.",
    )


class SecretSettings(Section):
    """Keys. An unset user key is made once and kept in `<project>/.flywheel/user_key`, readable by its owner only."""

    user_key: SecretStr | None = Field(None, description="Key of every keyed hash (user ids, text hashes).")


class Settings(BaseSettings):
    """All sections together. Build it with `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix="FLYWHEEL_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(default_factory=Path.cwd, description="The project: where flywheel.toml lies.")
    lake: LakeSettings = LakeSettings()
    spark: SparkSettings = SparkSettings()
    landing: LandingSettings = LandingSettings()
    turns: TurnsSettings = TurnsSettings()
    screening: ScreeningSettings = ScreeningSettings()
    split: SplitSettings = SplitSettings()
    diversity: DiversitySettings = DiversitySettings()
    sampling: SamplingSettings = SamplingSettings()
    signals: SignalsSettings = SignalsSettings()
    preferences: PreferencesSettings = PreferencesSettings()
    experiments: ExperimentsSettings = ExperimentsSettings()
    report: ReportSettings = ReportSettings()
    sandbox: SandboxSettings = SandboxSettings()
    handoff: HandoffSettings = HandoffSettings()
    tracking: TrackingSettings = TrackingSettings()
    training: TrainingSettings = TrainingSettings()
    signal_models: SignalModelsSettings = SignalModelsSettings()
    preherding: PreherdingSettings = PreherdingSettings()
    queue: QueueSettings = QueueSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    secrets: SecretSettings = SecretSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over `flywheel.toml`, which wins over the defaults."""
        home = Path(init_settings().get("home") or find_home())
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / "flywheel.toml")

    def resolve(self, place: str) -> str:
        """An absolute path or URI for a place that may be relative to the project."""
        return place if "://" in place or Path(place).is_absolute() else str(self.home / place)

    def user_key(self) -> bytes:
        """The key of all keyed hashes, made on first use when none is given."""
        if self.secrets.user_key is not None:
            return self.secrets.user_key.get_secret_value().encode()
        return _kept_key(self.home / ".flywheel" / "user_key")

    def hash_of(self, names: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
        """Hash of some sections' or single settings' (`section.name`) values.

        It is part of what decides whether a job's last result still stands.
        """
        values: dict[str, Any] = {}
        for whole in sorted(names):
            section, _, name = whole.partition(".")
            dump = getattr(self, section).model_dump(mode="json")
            values[whole] = dump[name] if name else dump
        text = json.dumps({"sections": values, "extra": dict(extra or {})}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def value(self, dotted: str) -> Any:
        """The value of `section.name`."""
        section, _, name = dotted.partition(".")
        return getattr(getattr(self, section), name)


def find_home() -> Path:
    """The project directory: FLYWHEEL_HOME, else the nearest parent that holds flywheel.toml, else this checkout."""
    if given := os.environ.get("FLYWHEEL_HOME"):
        return Path(given).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "flywheel.toml").exists():
            return folder
    return Path(__file__).resolve().parent.parent


def load_settings(**overrides: Any) -> Settings:
    """Read and check all settings.

    Raises:
        SettingsError: one names the setting, what is wrong with it, and where settings come from.
    """
    try:
        return Settings(home=overrides.pop("home", find_home()), **overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise SettingsError(
            first["msg"],
            setting=".".join(str(part) for part in first["loc"]) or "(several)",
            hint="Change it in flywheel.toml or in a FLYWHEEL_<SECTION>__<NAME> variable.",
        ) from None
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"flywheel.toml cannot be read: {error}", hint="Mend the file.") from None


@cache
def _kept_key(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            out.write(secrets_module.token_hex(32).encode())
        # A link fails when the name is taken: of two first runs at once, both read the key of the faster.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def span_of(days: Sequence[date]) -> str:
    """Sorted days as `parse_days` reads them: the first and the last, or the only one."""
    return f"{days[0]}" if len(days) == 1 else f"{days[0]}..{days[-1]}"


def parse_days(text: str) -> tuple[date, ...]:
    """`2026-11-20` or `2026-10-01..2026-11-20`, ends included, as sorted dates.

    Raises:
        SettingsError: the text is not one of the two forms, or the range runs backwards.
    """
    first, _, last = text.partition("..")
    try:
        start, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise SettingsError(
            "days must be a date or a range of dates",
            setting="days",
            hint="Write 2026-11-20 or 2026-10-01..2026-11-20.",
        ) from None
    if end < start:
        raise SettingsError(
            "the range of days runs backwards", setting="days", hint="Put the earlier day first."
        )
    return tuple(date.fromordinal(n) for n in range(start.toordinal(), end.toordinal() + 1))
