"""``regard evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a trained run.")],
    source: Annotated[Path, typer.Option(metavar="FILE", help="Test text to translate.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Reference translations, line by line.")],
    against: Annotated[Path | None, typer.Option(metavar="RUN2", help="Another run, compared pair by pair.")] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="α of the length penalty.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the translations here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a run on a test set: BLEU, chrF and TER with sacreBLEU signatures and 95 % intervals, and perplexity.

    With `--against`, the paired bootstrap says how sure the difference of the two runs is.

    Examples:
    - `regard evaluate runs/de-en --source test.de --target test.en`

    - `regard evaluate runs/big --source test.de --target test.en --against runs/small --json`
    """
    from regard.cli.console import counting
    from regard.data.corpus import read_pairs
    from regard.evaluation.translation import against as compare_pairs
    from regard.runs.folder import load
    from regard.runs.measure import measure
    from regard.storage import write_file

    sources, references = map(list, zip(*read_pairs(source, target), strict=True))
    changes = {"beam": beam, "length_penalty": length_penalty}
    found = []
    for folder in [run, *([against] if against else [])]:
        model = load(folder)
        settings = model.settings(**{name: value for name, value in changes.items() if value is not None})
        with counting(f"translating with {folder.name}", len(sources)) as progress:
            found.append(measure(model, sources, references, settings, progress))
    if out:
        write_file(out, "".join(f"{line}\n" for line in found[0].translations))
    comparison = compare_pairs(found[1].translations, found[0].translations, references) if against else None
    if as_json:
        table = found[0].to_dict()
        print(json.dumps({**table, "against": comparison.to_dict()} if comparison else table, ensure_ascii=False))
    else:
        _show(run, found[0], comparison, against)


def _show(run: Path, measured: Any, comparison: Any, other: Path | None) -> None:
    from regard.cli.console import messages, print_table

    print_table(f"{run}", ("metric", "score", "95 %", "signature"), measured.scores.rows())
    surprise = measured.perplexity
    print(
        f"\nperplexity {surprise.perplexity:.3f} per token ({surprise.nats_per_token:.4f} nats; "
        f"{surprise.nats_per_word:.4f} nats per reference word)"
    )
    for note in measured.scores.notes:
        messages().print(note, markup=False)
    if comparison:
        columns = ("metric", str(other), str(run), "difference", "p", "signature")
        print()
        print_table("Paired bootstrap", columns, comparison.rows())
