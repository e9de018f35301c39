"""The Spark session: local by default, any master by setting, the same jobs.

Importing this module imports no Spark, so that DAGs can ask it for the configuration of a submission.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import EnvironmentMissing
from infra.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
# What Ivy leaves in its cache for DELTA_PACKAGE. Once all are there, local starts put them on the class path themselves
# (in this order, which a class-data archive relies on) and save Ivy's seconds.
_DELTA_JARS = ("io.delta_delta-spark_4.2_2.13-4.4.0.jar", "io.delta_delta-storage-4.4.0.jar")
MINIMUM_JAVA = 17
# Most runs on one machine are short and mostly Python: the first compiler tier and the serial collector start fastest
# and leave the second core to the workers. With one tier Java reserves 48 MB for code, which several jobs in one
# process fill: it then stops compiling.
_JAVA = {
    "short": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m",
    "long": "-XX:+UseParallelGC",
}


def delta_jars() -> list[str]:
    """Paths of Delta's jars in Ivy's cache, or nothing when they are not all there yet."""
    for folder in (Path.home() / ".ivy2.5.2" / "jars", Path.home() / ".ivy2" / "jars"):
        if all((folder / jar).exists() for jar in _DELTA_JARS):
            rest = sorted(
                str(p) for p in folder.glob("*.jar") if p.name not in _DELTA_JARS and "antlr4" in p.name
            )
            return [*(str(folder / jar) for jar in _DELTA_JARS), *rest]
    return []


def spark_conf(settings: Settings) -> dict[str, str]:
    """Every `spark.*` setting of a session or submission."""
    conf = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        "spark.driver.memory": settings.spark.driver_memory,
        # Spark logs a failed task with the worker's message, which may quote a row, on driver and executors: only who
        # asks for it sees that.
        "spark.log.level": "WARN" if os.environ.get("FLYWHEEL_DEBUG") else "FATAL",
        "spark.executor.syncLogLevel.enabled": "true",
        # A worker that hangs in native code, where no deadline of ours reaches it, is silent: it is killed, and its
        # task fails.
        "spark.sql.execution.pyspark.udf.idleTimeoutSeconds": "3600",
        "spark.sql.execution.pyspark.udf.killOnIdleTimeout": "true",
    }
    if settings.spark.is_local:
        conf |= {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": str(sys.stderr.isatty()).lower(),
            "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions or 4),
            "spark.databricks.delta.snapshotPartitions": "1",
            # The default of 10000 makes listing a small table take minutes.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
            "spark.driver.extraJavaOptions": _JAVA[settings.spark.local_runs],
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # Columnar caching of nested Arrow-made rows in small batches keeps a worker within its memory.
            "spark.sql.execution.arrow.maxRecordsPerBatch": "5000",
        }
    elif settings.spark.shuffle_partitions:
        conf["spark.sql.shuffle.partitions"] = str(settings.spark.shuffle_partitions)
    jars = delta_jars() if settings.spark.is_local else []
    if jars:
        conf["spark.driver.extraClassPath"] = os.pathsep.join(jars)
    else:
        conf["spark.jars.packages"] = DELTA_PACKAGE
    return conf | settings.spark.conf


def session(settings: Settings, name: str = "flywheel") -> SparkSession:
    """The session of this process, started if need be.

    Raises:
        EnvironmentMissing: no Java, or one that is too old.
    """
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    check_java()
    # Workers must run the Python that has our packages, not the first one on PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        # One thread a worker: Spark already runs one worker a core.
        os.environ.setdefault(variable, "1")
    builder = SparkSession.builder.appName(name).master(settings.spark.master)
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def has_ended(spark: SparkSession) -> bool:
    """Whether the engine is gone: Java ended, or stopped its context."""
    from py4j.protocol import Py4JError

    try:
        return bool(spark.sparkContext._jsc.sc().isStopped())
    except (Py4JError, OSError):  # nobody answers at the other end
        return True


def java_version() -> int | None:
    """Major version of the Java that Spark would use, or None when there is none."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        return None
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    digits = text.partition('"')[2].partition(".")[0].partition('"')[0]
    return int(digits) if digits.isdigit() else None


def check_java() -> None:
    """Say what to install when Java is missing or too old.

    Raises:
        EnvironmentMissing: with the command that installs it.
    """
    version = java_version()
    if version is None or version < MINIMUM_JAVA:
        raise EnvironmentMissing(
            f"Spark needs Java {MINIMUM_JAVA} or later; found {version or 'none'}",
            setting="JAVA_HOME",
            hint="Debian or Ubuntu: apt install openjdk-17-jre-headless. macOS: brew install openjdk@17.",
        )
