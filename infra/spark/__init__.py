"""The Spark session, and what it starts from: Java, Delta's jars, a class-data archive. Imports no Spark."""

from __future__ import annotations

from infra.spark.session import activity, has_ended, session, spark_conf
from infra.spark.small import compile_queries

__all__ = ["activity", "compile_queries", "has_ended", "session", "spark_conf"]
