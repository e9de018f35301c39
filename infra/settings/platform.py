"""Where things lie and run: the lake, the engine, the registry, the queue, upkeep."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from infra.settings.section import Section
from infra.storage.private import group_id

_SECRET = re.compile(
    r"secret|token|password|credential|access_key|account_key|private_key|sas", re.IGNORECASE
)
_SPARK_SECRET = re.compile(r"secret|token|password|(access|account|private)[._]?key|\bsas\b", re.IGNORECASE)
# Settings of Spark and Hadoop that say where a secret comes from, and hold none.
_NO_SECRET_ENDINGS = ("file", "path", "provider", "enabled", "class", "interval")
HADOOP = "spark.hadoop."


def is_spark_secret(name: str) -> bool:
    """Whether a setting of Spark holds a secret, by its name."""
    return _SPARK_SECRET.search(name) is not None and not name.lower().endswith(_NO_SECRET_ENDINGS)


class LakeSettings(Section):
    """Where tables lie. Access to raw text is access to `restricted_root`."""

    root: str = Field("lake", description="Folder or URI of the lake. Relative to the project.")
    restricted_root: str = Field(
        "", description="Raw text: landing, traffic, reviews. Default: <root>/restricted."
    )
    curated_root: str = Field("", description="All data after screening. Default: <root>/curated.")
    landing: str = Field("", description="Event files. Default: <restricted_root>/landing.")
    group: str = Field(
        "", description="Group that may read what is curated. Default: none, only the owner of the files."
    )
    restricted_group: str = Field(
        "", description="Group that may read raw text. Default: none, only the owner of the files."
    )
    storage_options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of an object store, with the names of delta-rs: aws_region, aws_endpoint_url, "
        "aws_allow_http. "
        "Keys and tokens come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY).",
    )
    lock_seconds: int = Field(
        300, ge=5, description="A writer that sends no heartbeat for this long counts as dead."
    )
    minimum_free_bytes: int = Field(
        500_000_000, ge=0, description="A job does not start with less free disk space."
    )

    @property
    def groups(self) -> tuple[str, str]:
        """The groups that may read somewhere in the lake; empty where none may."""
        return self.group, self.restricted_group

    @field_validator("group", "restricted_group")
    @classmethod
    def _is_ours(cls, group: str) -> str:
        if group:
            group_id(group)
        return group

    @field_validator("storage_options")
    @classmethod
    def _no_secret(cls, options: dict[str, str]) -> dict[str, str]:
        if secret := sorted(name for name in options if _SECRET.search(name)):
            raise ValueError(f"{secret[0]} is a secret: set it in the environment, never in the settings")
        return options


class SparkSettings(Section):
    """The distributed engine."""

    master: str = Field("local[*]", description="local[*], spark://..., yarn or k8s://...")
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(0, ge=0, description="0: 4 on local, Spark's default elsewhere.")
    local_runs: Literal["short", "long"] = Field(
        "short",
        description="On local. short: Java starts fast. long: Java compiles for throughput (from a few million rows).",
    )
    conf: dict[str, str] = Field(
        default_factory=dict,
        description="Further spark.* settings, applied last. A secret (spark.hadoop.fs.s3a.secret.key) comes from the "
        "environment: FLYWHEEL_SPARK__CONF='{...}'.",
    )

    @field_validator("conf")
    @classmethod
    def _secrets_reach_spark_unseen(cls, conf: dict[str, str]) -> dict[str, str]:
        names = (name for name in conf if is_spark_secret(name) and not name.startswith(HADOOP))
        if name := next(names, None):
            raise ValueError(
                f"{name} is a secret that Java needs when it starts, where every account can read it in the list of "
                "processes. Set it in spark-defaults.conf in SPARK_CONF_DIR, readable by you only"
            )
        return conf

    @property
    def is_local(self) -> bool:
        """Whether driver and executors share one process on this machine."""
        return self.master.startswith("local")


class SqlSettings(Section):
    """What a statement of `flywheel sql` may use. It spills nothing to disk: raw text would lie there."""

    row_limit: int = Field(10_000, ge=1, description="Rows printed unless --limit says otherwise.")
    time_limit_seconds: float = Field(300.0, gt=0, description="A statement that runs longer is stopped.")
    memory_limit_bytes: int = Field(
        4_000_000_000, ge=100_000_000, description="A statement that needs more memory is stopped."
    )


class TrackingSettings(Section):
    """Where runs, models and aliases are registered."""

    uri: str = Field("", description="MLflow's tracking URI. Default: SQLite in <project>/.flywheel.")
    copy_up_to_bytes: int = Field(
        4_000_000_000,
        ge=0,
        description="A larger model is not copied. It is registered by manifest: names, sizes, hashes.",
    )


class QueueSettings(Section):
    """Where GPU work is submitted, and when it is given up. A queue of several machines shares `home` and the lake."""

    kind: Literal["local", "slurm", "kubernetes"] = Field(
        "local", description="local: a process on this machine. slurm: sbatch. kubernetes: a job by kubectl."
    )
    heartbeat_minutes: float = Field(
        30.0,
        gt=0,
        description="A command that writes no output and no progress for this long is stopped.",
    )
    deadline_hours: float = Field(72.0, gt=0, description="A command that runs longer is stopped.")
    waiting_hours: float = Field(
        24.0, gt=0, description="A command that has not started after this long is cancelled."
    )
    poll_seconds: float = Field(15.0, gt=0, description="How often the queue is polled.")
    slurm_options: tuple[str, ...] = Field(
        (), description='Options of sbatch, such as "--partition=gpu", "--nodes=1", "--gres=gpu:8".'
    )
    kubernetes_namespace: str = "default"
    kubernetes_image: str = Field(
        "", description="Image that contains this project at the same path. Required on Kubernetes."
    )
    kubernetes_claim: str = Field(
        "", description="Volume claim with the project and the lake, mounted at kubernetes_mount."
    )
    kubernetes_mount: str = "/work"
    kubernetes_gpus: int = Field(1, ge=0, description="Number of GPUs of the pod (nvidia.com/gpu).")


class MaintenanceSettings(Section):
    """What keeps tables healthy."""

    keep_deleted_hours: int = Field(
        720,
        ge=0,
        description="Vacuum keeps files that were part of a table this recently: "
        "a running job or training may still read them.",
    )
    compact_above_files: int = Field(
        16, ge=1, description="`flywheel compact` rewrites a table with more files than this in a partition."
    )


class ReportSettings(Section):
    """The static report."""

    path: str = Field("report", description="Folder. Relative to the project.")
    examples: int = Field(10, ge=0, description="Near-duplicate examples shown, redacted.")
    map_points: int = Field(1_500, ge=0, description="Number of prompts on the embedding map. 0: no map.")


class SecretSettings(Section):
    """Keys. An unset user key is made once and kept in `<project>/.flywheel/user_key`, readable by its owner only."""

    user_key: SecretStr | None = Field(None, description="Key of every keyed hash (user ids, text hashes).")
