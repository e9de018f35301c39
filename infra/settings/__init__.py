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
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from infra.errors import KeyMismatch, SettingsError
from infra.nearest import did_you_mean
from infra.settings.curation import (
    ConstraintSettings,
    DifficultyScoresSettings,
    DiversitySettings,
    EncoderSettings,
    SafetyTrainingSettings,
    SamplingSettings,
    ScreeningSettings,
)
from infra.settings.days import parse_day, parse_days, span_of
from infra.settings.measurement import ExperimentsSettings, SignalsSettings
from infra.settings.modelling import (
    CandidateSettings,
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
    SqlSettings,
    TrackingSettings,
    is_spark_secret,
)
from infra.settings.traffic import LandingSettings, SplitSettings, TurnsSettings
from infra.storage import create_file, is_uri
from infra.storage.private import keep_private

LEAST_KEY_BYTES = 16
_PREFIX, _NESTED = "FLYWHEEL_", "__"
_KEY_VARIABLE = f"{_PREFIX}SECRETS{_NESTED}USER_KEY"


class Settings(BaseSettings):
    """All sections together. Build it with `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter=_NESTED,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(default_factory=Path.cwd, description="Project folder, with flywheel.toml.")
    lake: LakeSettings = LakeSettings()
    spark: SparkSettings = SparkSettings()
    sql: SqlSettings = SqlSettings()
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
    candidate: CandidateSettings = CandidateSettings()
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
        return init_settings, env_settings, _TomlWithoutSecrets(settings_cls, home / "flywheel.toml")

    def resolve(self, place: str) -> str:
        """An absolute path or URI for a place that may be relative to the project."""
        return place if is_uri(place) or Path(place).is_absolute() else str(self.home / place)

    def user_key(self, create: bool = False) -> bytes:
        """The key of keyed hashes that these settings give; `infra.lake.facts.user_key` checks that it is the lake's.

        Args:
            create: make a key where there is none. Only for a lake without rows.

        Raises:
            KeyMismatch: there is no key.
            SettingsError: it is too short, or its file can be read by others.
        """
        given = self.secrets.user_key
        key = _stored_key(self._key_file, create) if given is None else given.get_secret_value().encode()
        if len(key) < LEAST_KEY_BYTES:
            raise SettingsError(
                f"{self.user_key_place} has {len(key)} bytes, at least {LEAST_KEY_BYTES} are needed",
                setting="secrets.user_key", hint=self.user_key_remedy,
            )  # fmt: skip
        return key

    @property
    def _key_file(self) -> Path:
        return self.home / ".flywheel" / "user_key"

    @property
    def user_key_place(self) -> str:
        """Where the key comes from, in words."""
        if self.secrets.user_key is not None:
            return f"the key in {_KEY_VARIABLE}"
        return f"the key in {self._key_file}"

    @property
    def user_key_remedy(self) -> str:
        """What to do where the key is not the right one."""
        return f"Restore {self._key_file} from a backup, or set {_KEY_VARIABLE} to the key."

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
    """Read and check all settings. What this process writes from now on is closed to other accounts (its umask).

    Every door comes through here before it writes, and who may read is a setting.

    Raises:
        SettingsError: one names the setting, what is wrong with it, and where settings come from.
    """
    _check_variables()
    try:
        settings = Settings(home=overrides.pop("home", find_home()), **overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == "extra_forbidden":
            raise _unknown([str(part) for part in first["loc"]]) from None
        raise SettingsError(
            first["msg"],
            setting=".".join(str(part) for part in first["loc"]) or "(several)",
            hint="Change it in flywheel.toml or in a FLYWHEEL_<SECTION>__<NAME> variable.",
        ) from None
    except ValueError as error:  # TOML that does not parse
        raise SettingsError(f"flywheel.toml cannot be read: {error}", hint="Fix the file.") from None
    keep_private(*settings.lake.groups)
    return settings


def _check_variables() -> None:
    """Raises SettingsError for a variable whose section does not exist: pydantic would pass over it."""
    for variable in os.environ:
        section, nested, _ = variable.removeprefix(_PREFIX).partition(_NESTED)
        if variable.startswith(_PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise _unknown([section.lower()], variable)


def _unknown(place: Sequence[str], variable: str = "") -> SettingsError:
    """The error for a setting or a section that does not exist."""
    fields: Mapping[str, FieldInfo] = Settings.model_fields
    above: list[str] = []
    for part in place[:-1]:
        model = fields[part].annotation if part in fields else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            break
        above.append(part)
        fields = model.model_fields
    named = ".".join(place)
    what = "setting" if "." in named else "section"
    return SettingsError(
        f"there is no {what} {named}" + (f", which {variable} names" if variable else ""), setting=named,
        hint=did_you_mean(named, [".".join([*above, name]) for name in fields],
                          "Settings stand in flywheel.toml and in FLYWHEEL_<SECTION>__<NAME> variables."),
    )  # fmt: skip


def _stored_key(path: Path, create: bool) -> bytes:
    if create and not path.exists():
        # Of two first runs at once, both read the key of the faster.
        with contextlib.suppress(FileExistsError):
            create_file(path, secrets_module.token_hex(32), mode=0o600)
    try:
        key, mode = path.read_bytes(), path.stat().st_mode
    except FileNotFoundError:
        raise KeyMismatch(
            f"there is no key at {path}", setting="secrets.user_key",
            hint=f"Restore it from a backup, or set {_KEY_VARIABLE}. A new lake gets a key by flywheel migrate.",
        ) from None  # fmt: skip
    if mode & 0o077:
        raise SettingsError(
            f"others may read the key in {path}", setting="secrets.user_key", hint=f"Run: chmod 600 {path}"
        )
    return key


class _TomlWithoutSecrets(TomlConfigSettingsSource):
    """`flywheel.toml`, which is committed and shared: a secret in it is refused."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path) -> None:
        super().__init__(settings_cls, file)
        if "secrets" in self.toml_data:
            raise SettingsError(
                f"{file} holds secrets", setting="secrets",
                hint=f"Remove the section. Keys come from the environment ({_KEY_VARIABLE}) or from their own file.",
            )  # fmt: skip
        conf = self.toml_data.get("spark", {}).get("conf", {})
        if secret := next((name for name in conf if is_spark_secret(name)), None):
            raise SettingsError(
                f"{file} holds a secret, {secret}", setting="spark.conf",
                hint=f"Remove it there, and set FLYWHEEL_SPARK__CONF='{{\"{secret}\": \"...\"}}' in the environment.",
            )  # fmt: skip


__all__ = [
    "CandidateSettings", "ConstraintSettings", "DifficultyScoresSettings", "DiversitySettings", "EncoderSettings",
    "ExperimentsSettings", "HandoffSettings", "LakeSettings", "LandingSettings", "MaintenanceSettings",
    "PreferencesSettings", "PreherdingSettings", "QueueSettings", "ReportSettings",
    "RewardOverrideSettings", "SafetyTrainingSettings", "SamplingSettings", "ScreeningSettings",
    "SecretSettings", "Settings",
    "SignalModelsSettings", "SignalsSettings", "SparkSettings", "SplitSettings", "SqlSettings", "TrackingSettings",
    "TrainingSettings", "TurnsSettings", "find_home", "load_settings", "parse_day", "parse_days", "span_of",
]  # fmt: skip
