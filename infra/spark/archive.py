"""A class-data archive for Java: local Spark sessions start from it and save a third of a start's CPU seconds.

`flywheel setup` makes it once a user (some 200 MB): a short session does what every job does, and Java writes the
classes that it loaded. Java leaves an archive alone that does not fit (another Java, other jars) and starts without.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from infra.cache import user_cache
from infra.errors import EnvironmentMissing
from infra.settings import Settings
from infra.spark.jars import delta_jars, one_at_a_time
from infra.spark.java import java_command
from infra.storage import publish

_PATIENCE_SECONDS = 900
# Java reports on standard output that an archive does not fit, where a command's result stands.
_QUIET = "-Xlog:cds=off -Xlog:cds+dynamic=off"


def archive_options() -> str:
    """Java options that start from the archive; empty when there is none for this Java and these jars."""
    path = archive_path()
    return f"-XX:SharedArchiveFile={path} {_QUIET}" if path.exists() else ""


@cache
def archive_path() -> Path:
    """Where the archive lies: named by the Java, the place of Spark's jars, and Delta's jars."""
    java = Path(shutil.which(java_command()) or "java").resolve()
    package = find_spec("pyspark")
    spark = str(package.origin) if package else ""
    built = java.stat().st_mtime_ns if java.exists() else 0
    parts = "\n".join([str(java), str(built), spark, *delta_jars()])
    return user_cache() / "java" / f"{hashlib.sha256(parts.encode()).hexdigest()[:16]}.jsa"


def make_archive(settings: Settings) -> Path:
    """The archive, made if this user does not have it yet; of two processes at once, the second waits.

    Raises:
        EnvironmentMissing: the short session that it is made from failed.
    """
    path = archive_path()
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(path.parent / ".lock"):
        if not path.exists():
            folder = Path(tempfile.mkdtemp(prefix=".archive-", dir=path.parent))
            try:
                _dump(settings, folder / path.name)
                publish(folder / path.name, path)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    return path


def _dump(settings: Settings, draft: Path) -> None:
    """Let a process of its own run the session: Java writes the archive when it ends."""
    try:
        result = subprocess.run(
            [sys.executable, "-m", "infra.spark.archive", str(draft)],
            env=os.environ | {"FLYWHEEL_HOME": str(settings.home)},
            capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS,
        )  # fmt: skip
        problem = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        problem = f"it had not ended after {_PATIENCE_SECONDS} s"
    if not draft.exists():
        raise EnvironmentMissing(
            f"Spark did not start and end as it should: {problem}",
            hint="See what it says: python -m infra.spark.archive /tmp/test.jsa",
        )


def _warm_up(draft: Path) -> None:
    """Run what every job runs, and end Java such that it writes its classes to `draft`."""
    from pyspark import SparkContext
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    from infra.settings import load_settings
    from infra.spark import compile_queries, session, spark_conf

    settings = load_settings(spark={"master": "local[2]", "driver_memory": "2g"})
    options = spark_conf(settings)["spark.driver.extraJavaOptions"].replace(archive_options(), "")
    conf = {"spark.driver.extraJavaOptions": f"{options} -XX:ArchiveClassesAtExit={draft} {_QUIET}"}
    spark = session(settings.model_copy(update={"spark": settings.spark.model_copy(update={"conf": conf})}))
    table = str(draft.parent / "table")
    rows = spark.range(100).withColumn("ds", F.lit("2026-11-20").cast("date"))
    rows.write.format("delta").save(table)
    rows.write.format("delta").mode("overwrite").option("replaceWhere", "ds = '2026-11-20'").save(table)
    frame = spark.read.format("delta").option("versionAsOf", 1).load(table)
    frame.mapInArrow(lambda batches: batches, frame.schema).groupBy("ds").agg(F.countDistinct("id")).collect()
    # What a job on few rows does: it reads through Arrow, interprets its queries and is collected.
    compile_queries(spark, {}, compiled=False)
    few = spark.createDataFrame(frame.toArrow()).where(F.col("ds").isin([date(2026, 11, 20)]))
    latest = Window.partitionBy("ds").orderBy(F.col("id").desc())
    ranked = few.withColumn("rank", F.row_number().over(latest)).join(few.distinct(), "id", "left_semi")
    moment = F.struct("ds", "rank")
    ranked.groupBy("ds").agg(F.min_by("id", moment), F.count("*")).cache().limit(9).toArrow()
    java = SparkContext._gateway.proc
    spark.stop()
    SparkContext._gateway.shutdown()
    java.stdin.close()
    java.wait()


if __name__ == "__main__":
    _warm_up(Path(sys.argv[1]).absolute())
