"""The registered reward model that `preherding.score` asks, found and checked without an engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from infra.errors import SettingsError
from infra.settings import Settings, TrackingSettings

_KIND = "reward-pointwise"
_OTHERS = ("signal-", "reward-pairwise")


def check(settings: Settings) -> None:
    """Raise what is wrong with `preherding.score_model`, before an engine starts; nothing where it is not set.

    Raises:
        ModelUnknown, RegistryUnavailable, SettingsError: see `Scorer.of`.
    """
    reference = settings.preherding.score_model
    name = reference.removeprefix("models:/").partition("@")[0].partition("/")[0]
    if name.startswith(_OTHERS):  # as flywheel names them: told without asking the registry
        raise _no_scorer(reference)
    if reference:
        _described(settings)


@dataclass(frozen=True)
class Scorer:
    """A registered reward model, as a worker finds it.

    Attributes:
        name, version: in the registry.
        trained_until: last day of what it was trained on.
        longest: most tokens of a sequence that it was trained with.
        folder: its files on the driver, and on workers that share its file system.
        home, tracking: where a worker without that folder fetches it.
    """

    name: str
    version: int
    trained_until: date
    longest: int
    folder: str
    home: Path
    tracking: TrackingSettings

    @classmethod
    def of(cls, settings: Settings) -> Scorer:
        """The model that `preherding.score_model` names now.

        Raises:
            ModelUnknown, RegistryUnavailable: see `models.registry.register.fetch`.
            SettingsError: it is not a pointwise reward model, or it does not say until which day its data reach.
        """
        from models.registry.register import fetch

        named, trained_until, longest = _described(settings)
        name, _, version = named.partition("/")
        return cls(
            name, int(version), trained_until, longest, str(fetch(settings, named)), settings.home, settings.tracking,
        )  # fmt: skip


def _described(settings: Settings) -> tuple[str, date, int]:
    """`name/version`, last day of the training rows, and most tokens of a sequence, of `preherding.score_model`."""
    from models.registry import tracking
    from models.registry.pins import model

    registered = model(settings, settings.preherding.score_model)
    if not (trained_until := registered.tags.get("trained_until")):
        raise SettingsError(
            f"{registered.named} has no record of the last day that it was trained on",
            setting="preherding.score_model",
            hint="Train and register it from tables with days: flywheel train reward.",
        )
    with tracking.registry_errors(settings):
        run = tracking.client(settings).get_run(registered.tags["run_id"])
    if run.data.params.get("job", _KIND) != _KIND:
        raise _no_scorer(registered.named)
    return (
        registered.named,
        date.fromisoformat(trained_until),
        int(run.data.params.get("max_length", 1 << 30)),
    )


def _no_scorer(named: str) -> SettingsError:
    return SettingsError(
        f"{named} does not score single responses", setting="preherding.score_model",
        hint=f"Name a pointwise reward model, e.g. {_KIND}@candidate.",
    )  # fmt: skip
