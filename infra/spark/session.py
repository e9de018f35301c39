"""The Spark session: local by default, any master by setting, the same jobs.

Importing this module imports no Spark, so that DAGs can ask it for the configuration of a submission.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from infra import progress
from infra.settings import Settings
from infra.settings.platform import HADOOP, is_spark_secret
from infra.spark.archive import archive_options
from infra.spark.jars import DELTA_PACKAGE, delta_jars, fetch_jars
from infra.spark.java import check_java, quiet_start
from infra.storage.private import umask_for

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Most runs on one machine are short and mostly Python: the first compiler tier and the serial collector start fastest
# and leave the second core to the workers. With one tier Java reserves 48 MB for code, which several jobs in one
# process fill: it then stops compiling.
_JAVA = {
    "short": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m",
    "long": "-XX:+UseParallelGC",
}


def spark_conf(settings: Settings) -> dict[str, str]:
    """Every `spark.*` setting of a session or submission that is no secret: it stands on Java's command line."""
    conf = {
        # Hadoop sets the mode of every file that it makes, whatever the umask of the process.
        "spark.hadoop.fs.permissions.umask-mode": f"{umask_for(*settings.lake.groups):03o}",
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
            # Our own lines say how far it is.
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions or 4),
            "spark.databricks.delta.snapshotPartitions": "1",
            # The default of 10000 makes listing a small table take minutes.
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
            "spark.driver.extraJavaOptions": f"{_JAVA[settings.spark.local_runs]} {archive_options()}".strip(),
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
    return conf | {name: value for name, value in settings.spark.conf.items() if not is_spark_secret(name)}


def _hand_over_secrets(spark: SparkSession, settings: Settings) -> None:
    """Give Hadoop its secrets over the connection to Java; on a command line every account could read them."""
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    for name, value in settings.spark.conf.items():
        if is_spark_secret(name):
            hadoop.set(name.removeprefix(HADOOP), value)


def session(settings: Settings, name: str = "flywheel") -> SparkSession:
    """The session of this process, started if need be.

    Raises:
        EnvironmentMissing: no Java, one that is too old, or Delta's jars are missing and cannot be fetched.
    """
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    check_java()
    if settings.spark.is_local and "PYSPARK_GATEWAY_PORT" not in os.environ and not delta_jars():
        progress.show("Fetching Delta's jars, once (10 MB) ...")
        fetch_jars(settings.spark.conf.get("spark.jars.ivySettings"))
    # Workers must run the Python that has our packages, not the first one on PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        # One thread a worker: Spark already runs one worker a core.
        os.environ.setdefault(variable, "1")
    builder = SparkSession.builder.appName(name).master(settings.spark.master)
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    with quiet_start():
        spark = builder.getOrCreate()
    _hand_over_secrets(spark, settings)
    return spark


def has_ended(spark: SparkSession) -> bool:
    """Whether the engine has stopped: Java ended, or stopped its context."""
    from py4j.protocol import Py4JError

    try:
        return bool(spark.sparkContext._jsc.sc().isStopped())
    except (Py4JError, OSError):  # nobody answers at the other end
        return True


def activity() -> str:
    """What the engine of this process is doing, such as "3 of 8 tasks"; empty when it is idle or there is none."""
    if "pyspark" not in sys.modules:
        return ""
    from py4j.protocol import Py4JError
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is None:
        return ""
    try:
        tracker = context.statusTracker()
        steps = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    except (Py4JError, OSError):  # the engine is ending
        return ""
    tasks = sum(step.numTasks for step in steps if step)
    done = sum(step.numCompletedTasks for step in steps if step)
    return f"{done} of {tasks} tasks" if tasks else ""
