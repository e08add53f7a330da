"""A stand-in for vLLM's public classes, as a package on the path: transformers behind them.

It knows the arguments that are used, and no others; what it was asked is in ``LLM.made`` and
``LLM.asked``, and how many prompts each call had in ``LLM.calls``. Tokens are drawn with a
generator of the request's own seed.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar

import torch
from transformers import AutoModelForCausalLM


@dataclass
class SamplingParams:
    max_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    repetition_penalty: float = 1.0
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    detokenize: bool = True

    def __post_init__(self):
        assert 0 < self.top_p <= 1 and self.top_k >= -1 and 0 <= self.temperature <= 2


@dataclass
class CompletionOutput:
    index: int
    token_ids: list[int]
    finish_reason: str


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput]


class LLM:
    made: ClassVar[list] = []
    asked: ClassVar[list] = []
    calls: ClassVar[list[int]] = []
    answer: ClassVar = None  # what every answer is instead, for tests of odd ones
    fails: ClassVar[str] = ""

    def __init__(
        self,
        model,
        *,
        revision=None,
        dtype="auto",
        max_model_len=None,
        skip_tokenizer_init=False,
        generation_config="auto",
        gpu_memory_utilization=None,
    ):
        if LLM.fails:
            raise ValueError(LLM.fails)
        given = {"model": model, "revision": revision, "dtype": dtype}
        given |= {"max_model_len": max_model_len, "gpu_memory_utilization": gpu_memory_utilization}
        LLM.made.append(given)
        assert skip_tokenizer_init and generation_config == "vllm"
        self.most = max_model_len
        kind = getattr(torch, dtype)
        self.network = AutoModelForCausalLM.from_pretrained(model, dtype=kind).eval()

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True):
        assert len(prompts) == len(sampling_params) and not use_tqdm
        LLM.calls.append(len(prompts))
        return list(map(self._one, prompts, sampling_params))

    def _one(self, prompt, how):
        assert set(prompt) == {"prompt_token_ids"} and how.ignore_eos and not how.detokenize
        given = list(prompt["prompt_token_ids"])
        LLM.asked.append((tuple(given), how))
        if LLM.answer is not None:
            return RequestOutput(given, [CompletionOutput(0, *LLM.answer)])
        assert len(given) + how.max_tokens <= self.most
        random = None if how.seed is None else torch.Generator().manual_seed(how.seed)
        ids, reason = list(given), "length"
        while len(ids) < len(given) + how.max_tokens:
            ids.append(self._next(ids, how, random))
            if ids[-1] in how.stop_token_ids:
                reason = "stop"
                break
        return RequestOutput(given, [CompletionOutput(0, ids[len(given) :], reason)])

    @torch.no_grad()
    def _next(self, ids, how, random):
        logits = self.network(torch.tensor([ids])).logits[0, -1].float()
        seen = torch.tensor(sorted(set(ids)))
        known = logits[seen]
        by = how.repetition_penalty
        logits[seen] = torch.where(known > 0, known / by, known * by)
        if how.temperature == 0:
            return int(logits.argmax())
        logits /= how.temperature
        if how.top_k > 0:
            logits[logits < logits.topk(how.top_k).values[-1]] = -torch.inf
        below = logits.double().softmax(-1).cumsum(-1)  # another way to draw than layergram's
        return min(int((below < torch.rand((), generator=random)).sum()), len(below) - 1)


def install(folder, monkeypatch, version="0.33.0") -> ModuleType:
    """Put the stand-in on the path as the package vllm of a version, as pip would."""
    package, about = folder / "vllm", folder / f"vllm-{version}.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    source = inspect.getsource(sys.modules[__name__])
    (package / "__init__.py").write_text(source, encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, "vllm", importlib.import_module("vllm"))
    return sys.modules["vllm"]
