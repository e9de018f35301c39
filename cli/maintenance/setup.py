"""`flywheel setup`: prepare once what jobs would otherwise fetch, convert or fit in the middle of their work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.console import err, styled

if TYPE_CHECKING:
    from infra.settings import Settings


def setup() -> None:
    """Fetch jars, convert encoders and fit models, once.

    Skips what already exists, so a second call takes two seconds. Everything is kept in the user's cache
    (~/.cache/characterflywheel, or under XDG_CACHE_HOME). If something is missing, the job that needs it prepares it.

    \b
    Example:
      flywheel setup
    """
    from infra.progress import Heartbeat
    from infra.settings import load_settings

    settings = load_settings()
    for step, prepare in STEPS:
        started = time.monotonic()
        with Heartbeat(step, seconds=10.0):
            answer = prepare(settings)
        seconds = time.monotonic() - started
        err.print(styled(("ready", "green"), f"    {step}: {answer} ({seconds:.0f} s)"))


def _jars(settings: Settings) -> str:
    from infra.spark.jars import DELTA_VERSION, fetch_jars

    fetch_jars(settings.spark.conf.get("spark.jars.ivySettings"))
    return f"Delta {DELTA_VERSION}"


def _archive(settings: Settings) -> str:
    """Jobs run without it, only slower: where it cannot be made, set-up says so and goes on."""
    from infra.errors import EnvironmentMissing
    from infra.spark.archive import make_archive

    if not settings.spark.is_local:
        return "not needed on a cluster"
    try:
        return f"{make_archive(settings).stat().st_size / 1e6:.0f} MB"
    except EnvironmentMissing as error:
        return f"none. {error}"


def _encoders(settings: Settings) -> str:
    from models.text.encoders import prepare

    return ", ".join(prepare(spec) for spec in settings.diversity.encoders)


def _word_lists(settings: Settings) -> str:
    from models.text.language.vocabulary import vocabulary

    vocabulary(tuple(settings.screening.languages))
    return ", ".join(settings.screening.languages)


def _names(settings: Settings) -> str:
    from models.screening.privacy import names

    names.load(settings.screening.languages)
    return "Rampart"


def _safety(_: Settings) -> str:
    from models.screening.safety.packaged import packaged_classifier

    return f"version {packaged_classifier().version}"


def _base_model(settings: Settings) -> str:
    from models.training.base import base_model

    base = base_model(settings)
    setting = settings.training.base_model
    return setting if setting == base else f"{setting or 'embedded'}, {base.rpartition('/')[2]}"


STEPS: tuple[tuple[str, Callable[[Settings], str]], ...] = (
    ("Spark's jars", _jars),
    ("class archive for a faster start of Java", _archive),
    ("text encoders", _encoders),
    ("word lists of the languages", _word_lists),
    ("name model", _names),
    ("safety classifier", _safety),
    ("base model for reward and signal models", _base_model),
)
