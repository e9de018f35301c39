"""Shared by the jobs that train reward models: the pairs at the run's version, run configurations, progress lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from infra.errors import TooFewLabels
from jobs.context import JobContext
from models.chat.preferences import TABLE
from models.reward.data import Data, open_pairs
from models.reward.evaluate import Kind
from models.reward.registration import memory_plan
from models.training.callbacks import Progress
from models.training.configuration import Configuration, configuration

_LARGE_MODEL_PARAMETERS = 100_000_000


def run_configuration(ctx: JobContext, kind: Kind) -> Configuration:
    """The run configuration of a kind of reward model, checked against the memory of this machine.

    Raises:
        SettingsError: there is no such configuration.
        TrainingRefused: it cannot fit, or the GPUs are not here.
    """
    training = ctx.settings.training
    chosen = configuration(training.pointwise_config if kind == "pointwise" else training.pairwise_config)
    plan = memory_plan(ctx.settings, chosen)
    if chosen.cluster.gpus or plan.parameters > _LARGE_MODEL_PARAMETERS:
        for line in plan.lines():
            ctx.say(line)
    return chosen


def pairs_so_far(ctx: JobContext, seed: int) -> Data | None:
    """Pairs of all batches up to the last day of the run, at the version that the run reads.

    None where a side of the split has no pair yet, which is said: a product whose annotation has just begun is not
    broken.
    """
    until = f"{ctx.days[-1]:%y%m%d}"
    table = f"{TABLE}@{ctx.version_read(TABLE)}"
    try:
        data = open_pairs(ctx.settings, table, until, seed, ctx.settings.training.apart)
    except TooFewLabels as error:
        ctx.say(f"nothing is trained: {error.what}")
        return None
    ctx.say(f"reading {data.source} up to batch {until}")
    for side, counts in (("training", data.training_counts), ("evaluation", data.evaluation_counts)):
        ctx.say(f"labels for {side}: {counts_text(counts)}")
    return data


def say_cuts(ctx: JobContext, name: str, fates: Mapping[str, int]) -> None:
    """Say how many rows were shortened or left out because they are too long for the model."""
    if cut := {fate: rows for fate, rows in fates.items() if fate != "whole"}:
        text = counts_text(cut)
        if text:
            ctx.say(f"too long for the model, of {sum(fates.values()):,} {name}: {text}")


def progress_of(ctx: JobContext, name: str) -> Progress:
    """The progress of one training, as lines of the job."""

    def say(step: int, steps: int, loss: float) -> None:
        ctx.say(f"{name}: step {step} of {steps}, loss {loss:.3f}")

    return say


def counts_text(counts: Mapping[str, int]) -> str:
    """`12 kept, 3 too long`; what is zero is left out."""
    return ", ".join(f"{rows:,} {fate.replace('_', ' ')}" for fate, rows in counts.items() if rows)


def gate_lines(version: str, alias: str, reasons: Sequence[str]) -> list[str]:
    """Why a registered version did not get the alias, for people; nothing where it did."""
    if not (alias and reasons):
        return []
    return [
        f"{version} is registered, and is not {alias}: {reason} (settings: candidate.*)" for reason in reasons
    ]
