"""Llama Guard, or any causal language model that answers as it does: 'safe', or 'unsafe' and an S code.

The score is the probability of 'unsafe' against 'safe' at the first answer token (Llama Guard paper, section 3: the
probability of the first token is the classifier's score); the category is read from the generated S code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.errors import DetectorUnavailable
from models.screening.hazards import CATEGORIES
from models.screening.safety.interface import REVIEW, SAFE, SafetyScore

_CODE = re.compile(r"\bS(\d{1,2})\b")
_ANSWER_TOKENS = 16
_BATCH_TEXTS = 16
_LEAST_MASS = 0.5
_SMALL_FILE = 32_000_000
_UNNAMED = "S1"  # category of a hazard that the model finds likely but does not name
_NOT_FINITE = SafetyScore(None, float("nan"))  # no verdict: the caller fails closed on it


@dataclass(frozen=True)
class LlamaGuardModel:
    """A model by hub id or local path. A text is judged as a user's message in the model's own chat template."""

    model: str
    name: str = "llama-guard"

    @property
    def version(self) -> str:
        """Name and revision: the hub's commit, or a fingerprint of the folder. Loads the model."""
        return f"{self.model}@{self._loaded.revision}/first-token-1"

    def load(self) -> None:
        """Load tokenizer and weights. Raises DetectorUnavailable."""
        _ = self._loaded

    def supports(self, language: str) -> bool:
        """Every language: the model is multilingual, and the rules run as well."""
        return True

    @cached_property
    def _loaded(self) -> _Loaded:
        try:
            return _Loaded(self.model)
        except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
            raise DetectorUnavailable(
                f"the safety model {self.model} cannot be loaded: {type(error).__name__}",
                setting="screening.safety_model",
                hint="Give a hub id that this machine may download, or a folder that holds the model.",
            ) from error

    def score(self, texts: Sequence[str], language: str) -> list[SafetyScore]:
        """One score a text, in order; NaN where the model's answer is neither safe nor unsafe with a known code."""
        loaded = self._loaded
        prompts = [loaded.prompt(text) for text in texts]
        scores = [SAFE] * len(texts)
        order = sorted(range(len(texts)), key=lambda index: -len(prompts[index]))
        for start in range(0, len(order), _BATCH_TEXTS):
            batch = order[start : start + _BATCH_TEXTS]
            for index, score in zip(batch, loaded.answers([prompts[i] for i in batch]), strict=True):
                scores[index] = score
        return scores


class _Loaded:
    """Tokenizer and weights in memory, on the GPU when there is one."""

    def __init__(self, model: str) -> None:
        import torch
        import transformers

        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(model, padding_side="left")
        if not self._tokenizer.chat_template:
            raise ValueError("the tokenizer has no chat template")
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model: Any = (
            transformers.AutoModelForCausalLM.from_pretrained(
                model, dtype=torch.bfloat16 if self._device == "cuda" else torch.float32
            )
            .to(self._device)
            .eval()
        )
        self.revision = str(getattr(self._model.config, "_commit_hash", None) or _fingerprint(Path(model)))
        self._limit = int(self._model.config.max_position_embeddings) - _ANSWER_TOKENS
        self._safe, self._unsafe = self._first_token("safe"), self._first_token("unsafe")
        if self._safe == self._unsafe:
            raise ValueError("the tokenizer gives safe and unsafe the same first token")

    def _first_token(self, answer: str) -> int:
        return int(self._tokenizer.encode(answer, add_special_tokens=False)[0])

    def prompt(self, text: str) -> list[int]:
        """Token ids of the chat template with the text as the user's message."""
        return list(
            self._tokenizer.apply_chat_template(
                [{"role": "user", "content": text}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
            )
        )

    def answers(self, prompts: Sequence[list[int]]) -> list[SafetyScore]:
        """Scores of one batch; a prompt that does not fit the model is not judged."""
        fitting = [index for index, prompt in enumerate(prompts) if len(prompt) <= self._limit]
        scores = [_NOT_FINITE] * len(prompts)
        if fitting:
            for index, score in zip(fitting, self._generate([prompts[i] for i in fitting]), strict=True):
                scores[index] = score
        return scores

    def _generate(self, prompts: Sequence[list[int]]) -> list[SafetyScore]:
        torch = self._torch
        padded = self._tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            output = self._model.generate(
                **padded,
                max_new_tokens=_ANSWER_TOKENS,
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        first = self._first_answer_step(output)
        answers = self._tokenizer.batch_decode(
            output.sequences[:, padded["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [self._score(first[row], answers[row]) for row in range(len(prompts))]

    def _first_answer_step(self, output: Any) -> Any:
        """Logits, shape (batch, vocabulary), of the step that answers safe or unsafe; line breaks may precede it."""
        torch = self._torch
        steps = torch.stack([logits.float() for logits in output.logits], dim=1)
        new = output.sequences[:, -steps.shape[1] :]
        is_answer = torch.isin(new, torch.tensor([self._safe, self._unsafe], device=new.device))
        # If neither occurs, take the first step: the low probability of both then means that there is no verdict.
        place = torch.where(
            is_answer.any(dim=1),
            is_answer.float().argmax(dim=1),
            torch.zeros_like(is_answer[:, 0], dtype=torch.long),
        )
        return steps[torch.arange(len(steps)), place]

    def _score(self, logits: Any, answer: str) -> SafetyScore:
        torch = self._torch
        chances = torch.softmax(logits, dim=-1)
        safe, unsafe = float(chances[self._safe]), float(chances[self._unsafe])
        if not safe + unsafe >= _LEAST_MASS:
            return _NOT_FINITE
        return verdict(unsafe / (safe + unsafe), answer)


def _fingerprint(folder: Path) -> str:
    """Hash of a folder's files: names and sizes of all, contents of the small ones."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        digest.update(f"{file.relative_to(folder)}/{size}\n".encode())
        if size <= _SMALL_FILE:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def verdict(probability: float, answer: str) -> SafetyScore:
    """The score of an answer such as 'unsafe\\nS1,S10'; NaN when an unsafe answer names no category of the taxonomy.

    A text that the model calls safe is still reviewed if the probability of 'unsafe' is at least REVIEW.
    """
    ruling = answer.strip().lower()
    if ruling.startswith("safe"):
        return SafetyScore(_UNNAMED, probability) if probability >= REVIEW else SAFE
    if not ruling.startswith("unsafe"):
        return _NOT_FINITE
    codes = [f"S{code}" for code in _CODE.findall(answer) if f"S{code}" in CATEGORIES]
    return SafetyScore(codes[0], probability) if codes else _NOT_FINITE
