"""Run a call on rank 0 only, and share its result with all ranks of a distributed training run."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from infra.errors import FlywheelError, RegistrationRefused

T = TypeVar("T")


def is_first() -> bool:
    """Whether this process is rank 0, or the only one."""
    group = _group()
    return int(group.get_rank() if group else os.environ.get("RANK", 0)) == 0


def once(call: Callable[[], T]) -> T:
    """Make the call on rank 0; every rank returns or raises its outcome. All ranks must call this function.

    Raises:
        RegistrationRefused: another rank than 0 has no process group, so it cannot get the result.
    """
    group = _group()
    if group is None or group.get_world_size() == 1:
        if is_first():
            return call()
        raise RegistrationRefused(
            f"rank {os.environ['RANK']} cannot get the result of rank 0 without a process group",
            hint="Call it while torch.distributed is initialised, or on rank 0 only.",
        )
    outcome: list[Any] = [None, None]
    if is_first():
        try:
            outcome[0] = call()
        except BaseException as error:  # the other ranks wait for an outcome
            outcome[1] = (
                error
                if isinstance(error, FlywheelError)
                else FlywheelError(f"rank 0: {type(error).__name__}")
            )
            group.broadcast_object_list(outcome)
            raise
    group.broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result


def _group() -> Any:
    import torch.distributed

    group = torch.distributed
    return group if group.is_available() and group.is_initialized() else None
