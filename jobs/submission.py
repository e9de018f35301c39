"""Builds the `spark-submit` call with which an orchestrator starts jobs on any master. Imports no Spark."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.errors import EnvironmentMissing
from infra.settings import Settings
from infra.spark import spark_conf

REPOSITORY = Path(__file__).resolve().parent.parent
ENTRY = REPOSITORY / "jobs" / "submit.py"


@dataclass(frozen=True)
class Submission:
    """What `spark-submit` needs besides the job's name and days."""

    application: str
    master: str
    conf: dict[str, str]
    spark_binary: str
    env_vars: dict[str, str]


def submission(settings: Settings) -> Submission:
    """The submission of any job under these settings.

    Raises:
        EnvironmentMissing: spark-submit was not found next to this Python or on PATH.
    """
    beside = Path(sys.executable).parent / "spark-submit"
    binary = str(beside) if beside.exists() else shutil.which("spark-submit")
    if binary is None:
        raise EnvironmentMissing(
            "spark-submit was not found next to this Python or on PATH", hint="Run: make setup"
        )
    environment = {
        "FLYWHEEL_HOME": str(settings.home),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "GX_ANALYTICS_ENABLED": "false",
    }
    return Submission(str(ENTRY), settings.spark.master, spark_conf(settings), binary, environment)
