"""From the beginning of a text to its continuation, all at once or while it is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from torch import nn

from regard.decoding.batches import prompt_batches
from regard.decoding.constraints import Constraints
from regard.decoding.continuation import Continuation, continued
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.inference import inference
from regard.decoding.interface import Decodable, TextCoder, Wrapping, most_tokens_of
from regard.decoding.penalty import LengthPenalty
from regard.decoding.rollout import steps
from regard.decoding.sample import chooser
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError, SettingError

Progress = Callable[[int], None]
GREEDY = DecodingSettings(beam=1)


@dataclass(frozen=True)
class Completion:
    """What a prompt was continued with: hypotheses, best first, or samples in the order of drawing; at least one.

    Their texts are the continuations alone, line breaks included: prompt + text is the whole.
    """

    n_best: tuple[Hypothesis, ...]

    @property
    def text(self) -> str:
        """The first continuation."""
        return self.n_best[0].text

    @property
    def ids(self) -> tuple[int, ...]:
        """Its tokens, without ``</s>``."""
        return self.n_best[0].ids

    @property
    def score(self) -> float:
        """Its log-probability in nats, divided by the length penalty."""
        return self.n_best[0].score


@dataclass(frozen=True)
class Prompt:
    """``text``: the ids of what the user wrote. ``ids``: what the model is fed, with whatever a text begins with."""

    text: list[int]
    ids: list[int]


class Completer:
    """A decoder by itself and its tokenizer."""

    def __init__(self, model: Decodable, tokenizer: TextCoder) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Decodable = model
        self.module: nn.Module = model
        self.tokenizer = tokenizer

    def complete(
        self, prompts: Sequence[str], settings: DecodingSettings = GREEDY, progress: Progress | None = None
    ) -> list[Completion]:
        """One completion for each prompt, in their order, of at most ``max_new`` tokens.

        It is shorter where the model ends it, or has no more positions. ``progress`` is called after every batch with
        the number of prompts done. Raises DataError for a prompt that is longer than the model's positions (or than
        ``max_source`` tokens, where the model knows no limit), before anything is written; CheckpointError where a
        logit is not a number.
        """
        read = self._read(prompts, settings)
        found: list[tuple[Hypothesis, ...]] = [()] * len(read)
        done = 0
        with inference(self.module, settings.threads) as device:
            sources = {number: prompt.ids for number, prompt in enumerate(read)}
            for batch in prompt_batches(sources, settings, device, most_tokens_of(self.model)):
                results = search(self.model, batch, settings, continues=True)
                for number, hypotheses in zip(batch.numbers.tolist(), results, strict=True):
                    found[number] = tuple(self._write(read[number], one) for one in hypotheses)
                done += len(results)
                if progress is not None:
                    progress(done)
        return [Completion(n_best) for n_best in found]

    def stream(self, prompt: str, settings: DecodingSettings = GREEDY) -> Iterator[str]:
        """The text of ``complete([prompt], settings)`` in pieces, each as soon as its characters are whole.

        Raises SettingError for a beam search or several outputs: their text is not known until the end; and what
        ``complete`` raises.
        """
        if not settings.sample and settings.beam != 1:
            raise SettingError.because("beam", settings.beam, "1 or sample, for a stream", "use beam=1")
        if settings.n_best != 1:
            raise SettingError.because("n_best", settings.n_best, "1, for a stream", "use n_best=1")
        (read,) = self._read([prompt], settings)
        return self._stream(read, settings)

    def _stream(self, prompt: Prompt, settings: DecodingSettings) -> Iterator[str]:
        reading = Continuation(self.tokenizer.decode, prompt.text)
        constraints = Constraints.of(settings, self.model.eos, continues=True)
        with inference(self.module, settings.threads) as device:
            (batch,) = prompt_batches({0: prompt.ids}, settings, device, most_tokens_of(self.model))
        choose = chooser(settings, batch.limits, batch.numbers)
        penalty = LengthPenalty.of(settings)
        writing = steps(self.model, batch.source, batch.limits, choose, constraints, penalty)
        finished = False
        while not finished:
            with inference(self.module, settings.threads):  # not while the caller has the word
                step = next(writing)
            token, finished = int(step.tokens[0]), bool(step.finished)
            piece = "" if token in constraints.ends else reading.add(token)
            if piece:
                yield piece
        if rest := reading.rest():
            yield rest

    def _read(self, prompts: Sequence[str], settings: DecodingSettings) -> list[Prompt]:
        most_tokens = most_tokens_of(self.model)
        most, rule = (settings.max_source, "max_source") if most_tokens is None else (most_tokens, "its positions")
        opening = self._opening()
        read = [Prompt(ids, [*opening, *ids] or [self._begin()]) for ids in self._encode(prompts)]
        for number, prompt in enumerate(read, start=1):
            if len(prompt.ids) > most:
                expected = f"at most {most} for this model ({rule})"
                raise DataError.because(f"prompt {number}", f"{len(prompt.ids)} tokens", expected, "shorten it")
        return read

    def _encode(self, prompts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.encode_batch(list(prompts)) if prompts else []

    def _opening(self) -> list[int]:
        """What a text of this kind begins with: ``<s>`` in LLaMA's, nothing in GPT's."""
        if not isinstance(self.tokenizer, Wrapping):
            return []
        return list(takewhile(lambda index: index != self.model.eos, self.tokenizer.wrap([]).ids))

    def _begin(self) -> int:
        """What an empty prompt is: the beginning of a text, or the end of the one before."""
        begin = getattr(self.tokenizer, "bos", None)
        return self.model.eos if begin is None else int(begin)

    def _write(self, prompt: Prompt, found: Hypothesis) -> Hypothesis:
        return replace(found, text=continued(self.tokenizer.decode, prompt.text, found.ids))
