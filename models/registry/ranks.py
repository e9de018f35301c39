"""Several processes train one model, and one of them speaks for all."""

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
    """Let rank 0 call, and give what it returned or raised to every rank: all must come here.

    Raises:
        RegistrationRefused: a further rank has no process group to hear of rank 0's result by.
    """
    group = _group()
    if group is None or group.get_world_size() == 1:
        if is_first():
            return call()
        raise RegistrationRefused(
            f"rank {os.environ['RANK']} does not register what rank 0 does",
            hint="Call it while torch.distributed is initialised, or on rank 0 only.",
        )
    told: list[Any] = [None, None]
    if is_first():
        try:
            told[0] = call()
        except BaseException as error:  # the others wait for an answer, whatever it is
            told[1] = (
                error
                if isinstance(error, FlywheelError)
                else FlywheelError(f"rank 0: {type(error).__name__}")
            )
            group.broadcast_object_list(told)
            raise
    group.broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    result: T = told[0]
    return result


def _group() -> Any:
    import torch.distributed

    group = torch.distributed
    return group if group.is_available() and group.is_initialized() else None
