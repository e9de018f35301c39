"""The files of a saved model: which of them are the model, their hashes, and a manifest of those too big to copy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from infra.errors import RegistrationRefused

# What save_pretrained writes of a model and its tokenizer, and the calibration that goes with a classifier. Not the
# pickles of a trainer, which run code when they are read, nor anything that could hold an example.
_MODEL = (
    "config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json",
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja", "calibration.json",
)  # fmt: skip
_TOKENIZER = _MODEL[4:13]
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The files of a model.

    Attributes:
        place: absolute path or URI of the folder.
        files: name to (bytes, SHA-256).
        left: names of files in the folder that are not part of the model.
    """

    place: str
    files: dict[str, tuple[int, str]]
    left: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(size for size, _ in self.files.values())

    @property
    def weights_hash(self) -> str:
        """SHA-256 over names and contents of the weights."""
        return self._hash("*.safetensors")

    @property
    def content_hash(self) -> str:
        """SHA-256 over names and contents of all files."""
        return self._hash("*")

    @property
    def tokenizer_hash(self) -> str:
        """SHA-256 over names and contents of the tokenizer's files."""
        return self._hash(*_TOKENIZER)

    def _hash(self, *patterns: str) -> str:
        entries = [[name, *self.files[name]] for name in sorted(self.files) if _is(name, patterns)]
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def json(self) -> str:
        """The manifest as it is kept."""
        return json.dumps({"place": self.place, "files": self.files}, indent=1, sort_keys=True)


def manifest(folder: Path) -> Manifest:
    """What a `save_pretrained` folder holds.

    Raises:
        RegistrationRefused: it has no configuration or no weights in safetensors.
    """
    names = sorted(file.name for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []
    model_files = [name for name in names if _is(name, _MODEL)]
    if "adapter_config.json" in names:
        raise RegistrationRefused(
            f"{folder.name} is an adapter: the model that it adapts would be looked for where it lay",
            hint="Merge it first (merge_and_unload), then save_pretrained.",
        )
    if "config.json" not in model_files or not any(name.endswith(".safetensors") for name in model_files):
        raise RegistrationRefused(
            f"{folder.name} has no config.json with weights in safetensors",
            hint="Write it with save_pretrained.",
        )
    files = {name: (folder.joinpath(name).stat().st_size, _sha256(folder / name)) for name in model_files}
    return Manifest(str(folder.resolve()), files, tuple(name for name in names if name not in model_files))


def read_manifest(file: Path) -> Manifest:
    """A manifest that was kept. Raises RegistrationRefused when it is damaged."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in document["files"].items()}
        return Manifest(str(document["place"]), files)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise RegistrationRefused(f"a model's manifest cannot be read: {type(error).__name__}") from None


def check_unchanged(folder: Path, registered: Manifest) -> None:
    """Raises RegistrationRefused when a file of the manifest is gone from the folder or is another."""
    for name, (size, digest) in registered.files.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size or _sha256(file) != digest:
            raise RegistrationRefused(
                f"{name} of the model in {folder} is gone or is not what was registered",
                hint="Put the file back, or register what is there now.",
            )


def _is(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
