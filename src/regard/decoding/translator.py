"""From lines of text to lines of text: one in, one out, in order, whatever the batches were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from torch import nn

from regard.decoding.batches import source_batches
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.inference import inference
from regard.decoding.interface import Decodable, TextCoder, most_tokens_of, wrap_source
from regard.decoding.native.choice import Engines, cores
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError

Progress = Callable[[int], None]
PAPER = DecodingSettings()
EMPTY = Hypothesis(ids=(), log_probability=0.0, score=0.0, token_log_probabilities=())


@dataclass(frozen=True)
class Translation:
    """What became of one line: hypotheses, best first, or samples in the order of drawing. There is at least one."""

    n_best: tuple[Hypothesis, ...]

    @property
    def text(self) -> str:
        """The first hypothesis, as one line."""
        return self.n_best[0].text

    @property
    def score(self) -> float:
        """Its log-probability in nats, divided by the length penalty."""
        return self.n_best[0].score

    @property
    def ids(self) -> tuple[int, ...]:
        """Its tokens, without ``</s>``."""
        return self.n_best[0].ids


class Translator:
    """A model between two tokenizers. An empty line becomes an empty line; the model does not see it.

    A source is wrapped as its tokenizer knows (``</s>`` at its end, where it knows no other way); a prefix, such as
    T5's, is the caller's.
    """

    def __init__(self, model: Decodable, source: TextCoder, target: TextCoder) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"the model is a {type(model).__name__}, not a torch module")
        self.model: Decodable = model
        self.module: nn.Module = model
        self.source = source
        self.target = target
        self.engines = Engines(model)

    def translate(
        self, texts: Sequence[str], settings: DecodingSettings = PAPER, progress: Progress | None = None
    ) -> list[Translation]:
        """One translation for each text, in their order.

        ``progress`` is called after every batch with the number of texts done. Raises DataError, before anything is
        translated, for a text that is longer than ``max_source`` tokens, or longer than the model has positions for,
        or is no Unicode text; CheckpointError where a logit of the model is not a number.
        """
        return self._translate(list(texts), settings, "input", 0, progress)

    def translate_stream(
        self,
        lines: Iterable[str],
        settings: DecodingSettings = PAPER,
        *,
        window: int = 1000,
        name: str = "input",
        progress: Progress | None = None,
    ) -> Iterator[Translation]:
        """The same for lines that need not fit in memory: ``window`` of them are held and batched at a time.

        ``name`` is what an error calls the input. Whatever the window, a line gets the translation of ``translate``.
        """
        remaining = iter(lines)
        done = 0
        while texts := list(islice(remaining, window)):
            yield from self._translate(texts, settings, name, done, progress)
            done += len(texts)

    def _translate(
        self, texts: list[str], settings: DecodingSettings, name: str, first: int, progress: Progress | None
    ) -> list[Translation]:
        """Translate lines number ``first``, ``first + 1`` … (counted from 0) of an input."""
        encoded = enumerate(self._encode(texts, settings.max_source, name, first), start=first)
        sources = {number: wrap_source(self.source, ids, self.model.eos) for number, ids in encoded if ids}
        most_tokens = most_tokens_of(self.model)
        self._check_positions(sources, most_tokens, name)
        found: list[tuple[Hypothesis, ...]] = [(EMPTY,)] * len(texts)
        done = first + len(texts) - len(sources)
        if not sources:
            return [Translation(n_best) for n_best in found]
        tell = None if progress is None else lambda more: progress(done + more)
        for numbers, results in self._search(sources, settings, most_tokens, tell):
            for number, hypotheses in zip(numbers, results, strict=True):
                found[number - first] = self._read(hypotheses)
        return [Translation(n_best) for n_best in found]

    def _search(
        self, sources: dict[int, list[int]], settings: DecodingSettings, most_tokens: int | None, tell: Progress | None
    ) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
        """The numbers of some sentences and what was found for each; ``tell`` hears how many are done."""
        engine = self.engines.choose(settings).engine
        if engine is not None:
            workers = settings.workers or cores()
            yield list(sources), engine.search(list(sources.values()), settings, workers, tell)
            return
        done = 0
        with inference(self.module, settings.threads) as device:
            for batch in source_batches(sources, self._pad(), settings, device, most_tokens):
                results = search(self.model, batch, settings)
                yield batch.numbers.tolist(), results
                done += len(results)
                if tell is not None:
                    tell(done)

    def _pad(self) -> int:
        return self.model.eos if self.model.source_pad is None else self.model.source_pad

    def _check_positions(self, sources: dict[int, list[int]], most_tokens: int | None, name: str) -> None:
        for number, source in sources.items():
            if most_tokens is not None and len(source) > most_tokens:
                expected = f"at most {most_tokens}, the model's positions"
                got = f"{len(source)} tokens with the special ones"
                raise DataError.at(name, number + 1, got, expected, "split the line into sentences")

    def _encode(self, texts: list[str], longest: int, name: str, first: int) -> list[list[int]]:
        for line, text in enumerate(texts, start=first + 1):
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                got = f"half of a surrogate pair at character {error.start + 1}"
                raise DataError.at(name, line, got, "Unicode text", "repair the line") from error
        sources = self.source.encode_batch([text if text.strip() else "" for text in texts])
        for line, ids in enumerate(sources, start=first + 1):
            if len(ids) > longest:
                expected = f"at most max_source ({longest})"
                action = "split the line into sentences, or raise max_source"
                raise DataError.at(name, line, f"{len(ids)} tokens", expected, action)
        return sources

    def _read(self, hypotheses: list[Hypothesis]) -> tuple[Hypothesis, ...]:
        """The hypotheses with their texts, each on one line, whatever line breaks a vocabulary of bytes has written."""
        texts = [self.target.decode(one.ids).replace("\r", " ").replace("\n", " ") for one in hypotheses]
        return tuple(replace(one, text=text) for one, text in zip(hypotheses, texts, strict=True))
