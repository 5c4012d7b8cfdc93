"""``regard demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path("regard-demo"),
    data_only: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only write the corpus there: train, valid, test as .en and .de.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier demo in DIR.")] = False,
) -> None:
    """The whole story in at most three minutes: train, score, translate, look inside.

    The data is built in: a small grammar writes English sentences and their German translations, many of them a
    puzzle: what does "it" mean? The test sentences combine nouns that training never showed together.

    Examples:
    - `regard demo`

    - `regard demo --data-only toy` (a corpus to try `regard train` on)
    """
    from regard.data.builtin import sample

    if data_only is not None:
        sample.write(data_only)
        print(data_only)
        return
    from regard.cli.console import TrainingProgress, print_table
    from regard.runs.demo import LOOKING
    from regard.runs.demo import demo as run

    with TrainingProgress() as progress:
        story = run(out, progress, overwrite)
    print_table(
        f"{out}: {story.scores.lines} test pairs, {story.seconds:.0f} s in all",
        ("metric", "score", "95 %", "signature"),
        story.scores.rows(),
    )
    print(f"\nThe pronoun for “it” is right in {100 * story.pronouns:.1f} % of the test puzzles.")
    for word, chosen in story.heads.items():
        where = f"encoder layer {chosen.head.layer + 1}, head {chosen.head.head + 1}"
        share = f"{100 * chosen.share_on_test:.1f} % of the test puzzles"
        print(f"From {LOOKING[word]}, {where} (the best on the validation puzzles) prefers the right noun in {share}.")
    for english, german in story.examples:
        print(f"\n  {english}\n  {german}")
    print(f"\nPictures: {out}/learning.png alignment.png it.png adjective.png positions.png")
    print(f"Look inside, in a browser: {out}/look.html")
    print(f"Report:    {out}/run/report.html")
    print(f"Your own:  regard translate {out}/run    (type English, end with Ctrl-D)")
