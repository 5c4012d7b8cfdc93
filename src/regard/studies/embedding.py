"""Embeddings, from the beginning: a vector for each word by counting its neighbours, and by learning to tell them.

"You shall know a word by the company it keeps" (Firth 1957): a row of counts of that company is a vector already. The
study puts counts, weighted counts (PPMI) and learned vectors (skip-gram with negative sampling) of one text beside each
other, by cosine and by dot product, and measures how often the nearest word is of the same class.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace

from regard.config import setting
from regard.data.builtin import sample
from regard.data.corpus import read_lines
from regard.evaluation.interval import Interval, bootstrap
from regard.evaluation.retrieval import SIMILARITIES
from regard.evaluation.summaries import unicode_words
from regard.looking.intervals import growth, shares
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.word_vectors import pictures
from regard.studies.word_vectors.agreement import chance, shared
from regard.studies.word_vectors.classes import classes
from regard.studies.word_vectors.corpus import LEAST_WORDS, Corpus, read
from regard.studies.word_vectors.kinds import COUNTS, LEARNED, WEIGHTED, Groups, every_kind, with_run
from regard.studies.word_vectors.skipgram import SkipGram
from regard.studies.word_vectors.tables import class_table, shares_table
from regard.studies.word_vectors.verdict import hits, told, verdict

SHOWN = ("dog", "woman", "street", "book", "tired", "avoided")  # words whose neighbours are drawn
MAPPED = ("animal", "person", "place", "thing", "feeling", "moving")  # classes on the maps
MAPPED_EACH, MAPPED_WORDS = 9, 54  # words of a class on the maps, and of a text without classes
NEIGHBOURS = 10  # that two kinds of vectors may share


@dataclass(frozen=True)
class Embedding:
    """What the study does. ``sentences`` are the sizes of text, the last of which the pictures are of."""

    sentences: tuple[int, ...] = setting((100, 300, 1000, 3000, 10_000), help="sizes of text, in sentences")
    trials: int = setting(5, help="times that vectors are learned, unless --seeds says otherwise", minimum=1)
    window: int = setting(3, help="how many words away a word still counts as near", minimum=1)
    most_words: int = setting(2000, help="words that get a vector, the most frequent ones", minimum=LEAST_WORDS)
    least_count: int = setting(2, help="occurrences below which a word gets none", minimum=1)
    most_lines: int = setting(50_000, help="lines that are read of a text of yours", minimum=1)
    learning: SkipGram = field(default_factory=lambda: SkipGram(epochs=10))


FULL = Embedding()
QUICK = replace(FULL, sentences=(100, 1000, 3000), trials=2, most_lines=10_000)


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for a text that is too short, CheckpointError for a run without embeddings."""
    settings = QUICK if order.quick else FULL
    settings = replace(settings, trials=order.repeats or settings.trials)
    return _of_text(order, settings) if order.text else _of_sample(order, settings)


def _of_sample(order: Order, settings: Embedding) -> Findings:
    texts = [sample.words(pair.english.lower()) for pair in sample.splits()["train"]]
    kinds = classes()
    curves: dict[str, list[tuple[float, Interval]]] = {COUNTS: [], WEIGHTED: [], LEARNED: []}
    for size in settings.sentences:
        corpus = read(texts[:size], settings.most_words, settings.least_count)
        groups = _groups(corpus, settings, order, size)
        for name, points in curves.items():
            points.append((size, bootstrap(hits(groups[name], kinds).mean(0))))
    groups = with_run(groups, corpus, order)
    words = next(iter(groups.values()))[0].words
    measured = {
        name: {way: bootstrap(hits(group, kinds, way).mean(0)) for way in SIMILARITIES}
        for name, group in groups.items()
    }
    by_chance = chance(words, kinds)
    counted = {name: hits(groups[name], kinds)[0] for name in (COUNTS, WEIGHTED)}
    held, differences = verdict(hits(groups[LEARNED], kinds), counted)
    firsts = [group[0] for group in groups.values()]
    asked = [word for word in SHOWN if word in words]
    mapped = [word for kind in MAPPED for word in [one for one in words if kinds.get(one) == kind][:MAPPED_EACH]]
    label = "words whose nearest word is of the same class, %"
    figures = [
        Picture("same-class", shares(measured, label, "Is the nearest word of the same class?", by_chance), _BARS),
        Picture("by-size", growth(curves, "sentences of text", "% of the words", _CURVE_TITLE), _CURVE),
        *(pictures.tables(firsts, asked, kinds, way) for way in SIMILARITIES),
        pictures.maps(firsts, mapped, kinds, "PCA", order.seed),
        *([] if order.quick else [pictures.maps(firsts, mapped, kinds, "t-SNE", order.seed)]),
    ]
    best = {name: f"{100 * row['cosine'].value:.1f} %" for name, row in measured.items()}
    found = ", ".join(f"{share} by {name}" for name, share in best.items())
    sentence = (
        f"In {settings.sentences[-1]:,} sentences the nearest word by cosine is of the same class for {found}, "
        f"where chance would give {100 * by_chance:.1f} %: {told(held, differences)}"
    )
    numbers = {
        "words": len(words),
        "words_with_class": sum(word in kinds for word in words),
        "chance": by_chance,
        "same_class": {name: {way: asdict(one) for way, one in row.items()} for name, row in measured.items()},
        "learned_minus": {name: asdict(one) for name, one in differences.items()},
        "by_sentences": {name: [{"sentences": n, **asdict(one)} for n, one in line] for name, line in curves.items()},
        "seeds": hits(groups[LEARNED], kinds).mean(1).tolist(),
    }
    tables = [shares_table(groups, measured), class_table(groups, kinds)]
    return Findings(sentence, numbers, tables, figures, _settings(settings, order, "built in"), _NOTES, held)


def _of_text(order: Order, settings: Embedding) -> Findings:
    assert order.text is not None
    lines = [line for _, line in zip(range(settings.most_lines), read_lines(order.text), strict=False)]
    corpus = read(map(unicode_words, lines), settings.most_words, max(5, settings.least_count))
    groups = with_run(_groups(corpus, settings, order, len(lines)), corpus, order)
    firsts = {name: group[0] for name, group in groups.items()}
    words = firsts[COUNTS].words
    others = {name: vectors for name, vectors in firsts.items() if name != LEARNED}
    if settings.trials > 1:
        others["learned from another seed"] = groups[LEARNED][1]
    k = min(NEIGHBOURS, len(words) - 1)
    common = {
        f"learned and {name}": {"shared": bootstrap(shared(firsts[LEARNED], vectors, k))}
        for name, vectors in others.items()
    }
    start = min(100, len(words) // 5)  # before that mostly words like "the"
    asked, mapped = words[start : start + 6], words[start : start + MAPPED_WORDS]
    kinds: dict[str, str] = {}
    label = f"of a word's {k} nearest words, those that both have, %"
    title = "How far do the vectors agree?"
    figures = [
        Picture("shared", shares(common, label, title, k / (len(words) - 1)), f"{title} By cosine; lines: 95 %."),
        *(pictures.tables(list(firsts.values()), asked, kinds, way) for way in SIMILARITIES),
        pictures.maps(list(firsts.values()), mapped, kinds, "PCA", order.seed),
        *([] if order.quick else [pictures.maps(list(firsts.values()), mapped, kinds, "t-SNE", order.seed)]),
    ]
    found = "; ".join(f"{name}: {100 * row['shared'].value:.0f} %" for name, row in common.items())
    sentence = (
        f"Of the {k} nearest words of each of {len(words):,} words these share: {found}. Which vectors are better "
        "cannot be said of a text whose words have no known classes; the built-in data has them."
    )
    numbers = {
        "lines": len(lines),
        "words": len(words),
        "shared": {name: asdict(row["shared"]) for name, row in common.items()},
    }
    rows = [(name, row["shared"].text()) for name, row in common.items()]
    table = Table("Neighbours in common", ("vectors", "% (95 %)"), rows, "Intervals: bootstrap over words.")
    return Findings(sentence, numbers, [table], figures, _settings(settings, order, order.text.name), _NOTES[3:])


def _groups(corpus: Corpus, settings: Embedding, order: Order, sentences: int) -> Groups:
    plan = replace(settings.learning, window=settings.window)
    return every_kind(corpus, plan, range(order.seed, order.seed + settings.trials), sentences)


def _settings(settings: Embedding, order: Order, text: str) -> dict[str, object]:
    plan = asdict(settings)
    learning = plan.pop("learning")
    learning["window"] = settings.window
    shown = {"text": text, "quick": order.quick, "first seed": order.seed, **plan, **learning}
    return {key: ", ".join(map(str, value)) if isinstance(value, tuple) else value for key, value in shown.items()}


_BARS = (
    "How often the nearest word is of the same class. By dot product, frequent words win wherever their rows are long; "
    "for vectors of length one dot product and cosine would be the same. Lines: 95 %, by bootstrap over words."
)
_CURVE_TITLE = "Nearest word (by cosine) of the same class, with more text"
_CURVE = "The same with more and more text, by cosine. Bands: 95 %, by bootstrap over words."
_NOTES = (
    "The rule: the claim holds where the learned vectors' nearest words are surely more often of the same class than "
    "those of either way of counting, over the words and over the seeds; it does not where they are surely less often "
    "so than those of one of them.",
    "The built-in text was written by a small grammar, so that words of one class stand in the same places: on natural "
    "text all numbers are lower.",
    "The verdict is about these settings: with a window of 2 words instead of 3, the three kinds are about equal here.",
    "Short texts are passed over more often when learning, so that every size has about as many updates.",
)

STUDY = Study(
    "embedding",
    "Embeddings, from the beginning",
    "Do vectors that are learned know more about words than plain counts of the words around them?",
    run,
    takes=("text", "run", "tensor"),
    claim="“Don't count, predict!”: vectors learned by foretelling a word's company know more about words than counts "
    "of that company. (Baroni, Dinu and Kruszewski 2014)",
)
