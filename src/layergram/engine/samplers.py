"""Who samples the answers of a run: layergram, or vLLM. Both give token ids and nothing else.

What is measured of an answer is read from its ids by :mod:`layergram.engine.run`, whoever sampled
them.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import torch
from transformers import RepetitionPenaltyLogitsProcessor

from layergram.engine.sampling import Stream, generate, logit_rules
from layergram.errors import LayergramError, unknown_name
from layergram.models.edits import record_of_edits
from layergram.models.model import Model

OWN, VLLM = "layergram", "vllm"
SAMPLERS = (OWN, VLLM)

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 2.0
"""Temperatures above 0 that vLLM takes; it would raise a lower one without a word."""

SHARE = 0.5
"""Part of a GPU's free memory that vLLM may take; the rest is for reading the answers."""

Ids = tuple[int, ...]


class Sampler(Protocol):
    """Draws answers; each depends on its prompt and its stream."""

    def sample(self, prompts: Sequence[Sequence[int]], streams: Sequence[Stream]) -> list[Ids]:
        """The ids that follow each prompt, the stopping token included where one was reached."""

    def close(self) -> None:
        """Let go of what sampling needs."""


def check_sampler(name: str, *, temperature: float) -> None:
    """Refuse a sampler that there is not, or that is not installed, and what it cannot draw.

    Args:
        name: one of :data:`SAMPLERS`.
        temperature: of the draws.

    Raises:
        LayergramError: saying which.
    """
    if name not in SAMPLERS:
        raise unknown_name("sampler", name, SAMPLERS)
    if name == OWN:
        return
    vllm_version()
    if not LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE:
        raise LayergramError(
            f"temperature = {temperature} with the sampler {VLLM}",
            allowed=f"{LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE:g}",
            do=f"choose another temperature, or the sampler {OWN}",
        )


def record_of(name: str) -> dict[str, str]:
    """What ids depend on beside prompts, options and model; nothing for layergram's own sampler."""
    return {} if name == OWN else {"sampler": name, "sampler_version": vllm_version()}


def open_sampler(name: str, model: Model, *, batch: int, longest: int) -> Sampler:
    """A sampler for one model.

    Args:
        name: one of :data:`SAMPLERS`.
        model: the model that answers.
        batch: largest number of answers that layergram's own sampler makes together.
        longest: tokens of the longest prompt and its answer together.

    Raises:
        LayergramError: for a model whose answers vLLM would not give, or not on the model's device.
            Nothing is loaded then.
    """
    if name == OWN:
        return OwnSampler(model, batch)
    _check_device(model)
    _check_model(model)
    return VllmSampler(model, longest, vllm_version(), _repetition_penalty(model))


def vllm_version() -> str:
    """The version of vLLM.

    Raises:
        LayergramError: where it is not installed.
    """
    try:
        return version("vllm")
    except PackageNotFoundError:
        raise LayergramError(
            f"answers sampled with {VLLM}",
            got="an installation without vLLM",
            allowed="layergram with the extra 'vllm'",
            do=f"pip install 'layergram[vllm]', or choose the sampler {OWN}",
        ) from None


@dataclass(frozen=True)
class OwnSampler:
    """layergram's own sampler (:func:`layergram.engine.sampling.generate`)."""

    model: Model
    batch: int

    def sample(self, prompts: Sequence[Sequence[int]], streams: Sequence[Stream]) -> list[Ids]:
        """The ids that follow each prompt, the stopping token included where one was reached."""
        return generate(self.model, prompts, streams, batch=self.batch)

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class VllmSampler:
    """Answers from vLLM, which reads the model's files again, when the first one is asked for.

    Weights that were changed in place after loading are not seen.

    Prompts and answers are ids: vLLM is given no tokenizer. What it draws stays the same for an
    answer's own seed as far as its kernels round the same in another batch.

    Attributes:
        model: the model that answers.
        longest: tokens of the longest prompt and its answer together.
        version: of vLLM.
        penalty: the model's repetition penalty; 1 for none.
    """

    model: Model
    longest: int
    version: str
    penalty: float
    _llm: Any = field(default=None, repr=False, compare=False)

    def sample(self, prompts: Sequence[Sequence[int]], streams: Sequence[Stream]) -> list[Ids]:
        """The ids that follow each prompt, the stopping token included where one was reached.

        Raises:
            LayergramError: if vLLM cannot load the model, or answers in a way that is not known.
        """
        for prompt in prompts:
            self.model.check_ids(prompt)
        if self._llm is None:
            self._llm = self._start()
        import vllm

        outputs = self._llm.generate(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts],
            [vllm.SamplingParams(**self.parameters(stream)) for stream in streams],
            use_tqdm=False,
        )
        if len(outputs) != len(prompts):
            raise self._unknown(f"{len(outputs)} answers to {len(prompts)} prompts")
        return [
            self._ids(list(prompt), stream, output)
            for prompt, stream, output in zip(prompts, streams, outputs, strict=True)
        ]

    def close(self) -> None:
        """Let vLLM's engine go, and the memory that it takes."""
        if self._llm is not None:
            self._llm = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def parameters(self, stream: Stream) -> Mapping[str, Any]:
        """How one answer is drawn, as the arguments of ``vllm.SamplingParams``."""
        how = stream.sampling
        return {
            "max_tokens": how.max_new_tokens,
            "temperature": how.temperature,
            "top_p": how.top_p,
            "top_k": how.top_k or -1,  # all tokens
            "seed": stream.seed if how.temperature else None,
            "repetition_penalty": self.penalty,
            "stop_token_ids": list(self.model.stop_ids),
            "ignore_eos": True,  # no stopping tokens but these
            "detokenize": False,
        }

    def _start(self) -> Any:
        """vLLM with the model's weights, in the model's type."""
        import vllm

        model = self.model
        commit = "" if model.revision.startswith("sha256:") else model.revision
        room: dict[str, Any] = {}
        if model.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(model.device)
            room["gpu_memory_utilization"] = round(SHARE * free / total, 3)
        try:
            return vllm.LLM(
                model=model.place,
                revision=commit or None,
                dtype=str(model.dtype).removeprefix("torch."),
                max_model_len=self.longest,
                skip_tokenizer_init=True,
                generation_config="vllm",  # what the model's own settings ask for is in parameters
                **room,
            )
        except Exception as error:  # of a program that knows other models and other machines
            raise LayergramError(
                f"the model '{model.name}' in vLLM {self.version}",
                got=f"it could not be loaded: {' '.join(str(error).split())[:300]}",
                do=f"choose the sampler {OWN}, or a model, device and type that vLLM knows; vLLM "
                "loads the weights once more, beside those that are read",
                exit_code=1,
            ) from error

    def _ids(self, prompt: list[int], stream: Stream, output: Any) -> Ids:
        """The ids of one answer, if they are what was asked for."""
        [answer] = output.outputs
        ids, stops = tuple(map(int, answer.token_ids)), set(self.model.stop_ids)
        if list(output.prompt_token_ids) != prompt:
            raise self._unknown("an answer to another prompt")
        if answer.finish_reason not in ("stop", "length"):
            raise self._unknown(f"an answer that ended by '{answer.finish_reason}'")
        if not 1 <= len(ids) <= stream.sampling.max_new_tokens:
            raise self._unknown(f"an answer of {len(ids)} tokens")
        if (answer.finish_reason == "stop" and ids[-1] not in stops) or stops & set(ids[:-1]):
            raise self._unknown("an answer that did not end at a stopping token of the model")
        self.model.check_ids(ids)
        return ids

    def _unknown(self, got: str) -> LayergramError:
        return LayergramError(
            f"answers of '{self.model.name}' from vLLM {self.version}",
            got=got,
            do=f"choose the sampler {OWN}; what was finished before is kept",
            exit_code=1,
        )


def _check_model(model: Model) -> None:
    """Refuse a model that vLLM cannot load as it is here, or would draw from in another way."""
    asked = f"answers of '{model.name}' sampled with {VLLM}"
    if not model.place:
        raise LayergramError(
            asked,
            got="a model that was given as an object",
            allowed="a model that is loaded by its name, folder or file",
            do="save it with save_pretrained, and load it from that folder",
        )
    edits = record_of_edits(model)
    if edits:
        raise LayergramError(
            asked,
            got=f"a model under edits, which vLLM would not have ({edits['edits']})",
            do=f"choose the sampler {OWN}",
        )
    others = sorted({type(rule).__name__ for rule in _rules(model) if not _is_penalty(rule)})
    if others:
        raise LayergramError(
            asked,
            got=f"generation settings that vLLM does not have: {', '.join(others)}",
            allowed="a repetition penalty, or none",
            do=f"choose the sampler {OWN}, or remove them from generation_config.json",
        )


def _check_device(model: Model) -> None:
    """Refuse a device that vLLM would not take: it uses the first GPU, or the CPU without one."""
    device, gpu = model.device, torch.cuda.is_available()
    first = device.type == "cuda" and not device.index
    if first or (device.type == "cpu" and not gpu):
        return
    raise LayergramError(
        f"answers of '{model.name}' sampled with {VLLM}",
        got=f"a model on the device '{device}', where {VLLM} would not sample",
        allowed="cuda or cuda:0; for another GPU set CUDA_VISIBLE_DEVICES" if gpu else "cpu",
        do=f"load it with the device {'cuda' if gpu else 'cpu'}, or choose the sampler {OWN}",
    )


def _rules(model: Model) -> list[Any]:
    return list(logit_rules(model, 1, 1) or [])


def _is_penalty(rule: Any) -> bool:
    return isinstance(rule, RepetitionPenaltyLogitsProcessor)


def _repetition_penalty(model: Model) -> float:
    return next((float(rule.penalty) for rule in _rules(model) if _is_penalty(rule)), 1.0)
