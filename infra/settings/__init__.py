"""Every setting, typed and checked before anything starts; constants from the paper stand here with their section.

Values come, in rising order, from the defaults below, `flywheel.toml` and the environment
(`FLYWHEEL_SAMPLING__SAMPLE_SHARE=0.2`). Secrets come from the environment or a file outside the lake, never from TOML.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets as secrets_module
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from infra.errors import SettingsError
from infra.settings.curation import (
    ConstraintSettings,
    DifficultyScoresSettings,
    DiversitySettings,
    EncoderSettings,
    SafetyTrainingSettings,
    SamplingSettings,
    ScreeningSettings,
)
from infra.settings.days import parse_days, span_of
from infra.settings.measurement import ExperimentsSettings, SignalsSettings
from infra.settings.modelling import (
    HandoffSettings,
    PreferencesSettings,
    PreherdingSettings,
    RewardOverrideSettings,
    SignalModelsSettings,
    TrainingSettings,
)
from infra.settings.platform import (
    LakeSettings,
    MaintenanceSettings,
    QueueSettings,
    ReportSettings,
    SecretSettings,
    SparkSettings,
    TrackingSettings,
)
from infra.settings.traffic import LandingSettings, SplitSettings, TurnsSettings
from infra.storage import create_file, is_uri


class Settings(BaseSettings):
    """All sections together. Build it with `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix="FLYWHEEL_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(default_factory=Path.cwd, description="Project folder, with flywheel.toml.")
    lake: LakeSettings = LakeSettings()
    spark: SparkSettings = SparkSettings()
    landing: LandingSettings = LandingSettings()
    turns: TurnsSettings = TurnsSettings()
    screening: ScreeningSettings = ScreeningSettings()
    safety_training: SafetyTrainingSettings = SafetyTrainingSettings()
    split: SplitSettings = SplitSettings()
    diversity: DiversitySettings = DiversitySettings()
    sampling: SamplingSettings = SamplingSettings()
    signals: SignalsSettings = SignalsSettings()
    preferences: PreferencesSettings = PreferencesSettings()
    experiments: ExperimentsSettings = ExperimentsSettings()
    report: ReportSettings = ReportSettings()
    sandbox: dict[str, Any] = Field(
        default_factory=dict, description="The simulator's own section, checked by infra/sandbox/settings.py."
    )
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
        return place if is_uri(place) or Path(place).is_absolute() else str(self.home / place)

    def user_key(self) -> bytes:
        """The key of all keyed hashes, made on first use when none is given."""
        if self.secrets.user_key is not None:
            return self.secrets.user_key.get_secret_value().encode()
        return _stored_key(self.home / ".flywheel" / "user_key")

    def hash_of(self, names: Sequence[str], extra: Mapping[str, str] | None = None) -> str:
        """Hash of some sections' or single settings' (`section.name`) values.

        It is part of what decides whether a job's last result still stands.
        """
        values: dict[str, Any] = {}
        for path in sorted(names):
            section, _, name = path.partition(".")
            dump = getattr(self, section).model_dump(mode="json")
            values[path] = dump[name] if name else dump
        text = json.dumps({"sections": values, "extra": dict(extra or {})}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def value(self, dotted: str) -> Any:
        """The value of `section.name`."""
        section, _, name = dotted.partition(".")
        return getattr(getattr(self, section), name)


def find_home() -> Path:
    """The project directory: FLYWHEEL_HOME, else the nearest parent that holds flywheel.toml, else this checkout."""
    if home := os.environ.get("FLYWHEEL_HOME"):
        return Path(home).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "flywheel.toml").exists():
            return folder
    return Path(__file__).resolve().parents[2]


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
        raise SettingsError(f"flywheel.toml cannot be read: {error}", hint="Fix the file.") from None


@cache
def _stored_key(path: Path) -> bytes:
    if not path.exists():
        # Of two first runs at once, both read the key of the faster.
        with contextlib.suppress(FileExistsError):
            create_file(path, secrets_module.token_hex(32), mode=0o600)
    return path.read_bytes()


__all__ = [
    "ConstraintSettings", "DifficultyScoresSettings", "DiversitySettings", "EncoderSettings",
    "ExperimentsSettings", "HandoffSettings", "LakeSettings", "LandingSettings", "MaintenanceSettings",
    "PreferencesSettings", "PreherdingSettings", "QueueSettings", "ReportSettings",
    "RewardOverrideSettings", "SafetyTrainingSettings", "SamplingSettings", "ScreeningSettings",
    "SecretSettings", "Settings",
    "SignalModelsSettings", "SignalsSettings", "SparkSettings", "SplitSettings", "TrackingSettings",
    "TrainingSettings", "TurnsSettings", "find_home", "load_settings", "parse_days", "span_of",
]  # fmt: skip
