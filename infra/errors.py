"""Typed errors: each names the table, day and setting at fault and says what to do about it.

No message may hold text that a user wrote: details are names, dates, counts and paths.
"""

from __future__ import annotations

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded")


class FlywheelError(Exception):
    """Base of every error that the project raises on purpose.

    `what` says what went wrong; the keyword details say where; `hint` says what to do.
    """

    def __init__(
        self,
        what: str,
        *,
        table: str | None = None,
        day: object | None = None,
        setting: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.table, self.day, self.setting, self.hint = what, table, day, setting, hint
        places = [
            f"{name} {value}"
            for name, value in (("table", table), ("day", day), ("setting", setting))
            if value is not None
        ]
        where = f" [{', '.join(places)}]" if places else ""
        message = f"{what}{where}"
        # What went wrong may be a whole sentence already.
        super().__init__(f"{message}{'' if message.endswith('.') else '.'} {hint}" if hint else message)


class SettingsError(FlywheelError):
    """The settings contradict themselves or name something that does not exist."""


class ContractError(FlywheelError):
    """A frame or a table does not match its DDL in `schemas/`."""


class KeyMismatch(FlywheelError):
    """The key of keyed hashes is missing, or is not the one that the lake was filled with; nothing was changed."""


class MigrationRefused(ContractError):
    """A change of DDL would lose or reinterpret data."""


class ExpectationFailed(FlywheelError):
    """A critical expectation failed on the staged frame; the table is as it was."""


class LockHeld(FlywheelError):
    """Another run is writing the table."""


class UpstreamMissing(FlywheelError):
    """A day that the job reads has no successful run of the job that writes it."""


class LandingFileBroken(FlywheelError):
    """A landing file is half written or unreadable as a whole; the tables are as they were."""


class InputDamaged(FlywheelError):
    """A file that was given to a command cannot be read to its end."""


class DiskFull(FlywheelError):
    """The lake's disk has too little room; the tables are as they were."""


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk or quota is behind an error, in the words of whatever engine met it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        if any(words in str(cause) for words in _FULL_IN_WORDS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class InfeasibleConstraints(FlywheelError):
    """No sample satisfies all hard constraints together."""


class DetectorUnavailable(FlywheelError):
    """A screening detector cannot be loaded, so nothing may pass."""


class SnapshotRefused(FlywheelError):
    """A version of a table cannot be read exactly as was asked: its features, the condition or the split."""


class VersionGone(SnapshotRefused):
    """A version of a table is no longer there: its log was cleaned up or its files were vacuumed."""


class PullRefused(FlywheelError):
    """Rows may not be written to the folder that was named, or not without saying that they are raw."""


class ErasureFailed(FlywheelError):
    """Rows of an erased user are left, or files were lost that should have stayed."""


class TrainingRefused(FlywheelError):
    """A model cannot be trained from what was given, or not to the bounds that were asked for."""


class TooFewLabels(TrainingRefused):
    """There is nothing to train on, or nobody to judge it on: more data is needed, nothing is broken."""


class RegistrationRefused(FlywheelError):
    """A trained model may not become a version of the registry."""


class SubmissionFailed(FlywheelError):
    """A command on the GPU queue failed, fell silent or passed its deadline; it no longer runs."""


class RegistryUnavailable(FlywheelError):
    """The model registry cannot be asked; what depends on its answer was not done."""


class ModelUnknown(FlywheelError):
    """The registry has no such model, version or alias."""


class RewardRefused(FlywheelError):
    """A model is offered for a use that it may not have: a user-signal model as a reward."""


class EncoderUnavailable(FlywheelError):
    """An encoder's model or backend is not there or does not work on this machine."""


class TurnUnknown(FlywheelError):
    """No curated day has a turn of that id."""


class DefinitionRefused(FlywheelError):
    """An experiment's definition is wrong, or would change an experiment that has started."""


class ExperimentUnknown(FlywheelError):
    """No such experiment was declared, or it was not read out on the day asked for."""


class JobUnknown(FlywheelError):
    """No job, table or view of that name is declared."""


class QueryRefused(FlywheelError):
    """A statement of a user may not run: it is not one SELECT, or it names what it may not read."""


class QueryFailed(FlywheelError):
    """A statement of a user is wrong, or a value does not fit it."""


class QueryStopped(FlywheelError):
    """A statement of a user ran into its limit of time or memory."""


class EnvironmentMissing(FlywheelError):
    """Something that the machine must bring (Java, memory, a port) is not there."""
