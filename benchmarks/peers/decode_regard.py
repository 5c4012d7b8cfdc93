"""Translate with our own model; bench_peers.py talks to it (lines.py has the translating)."""

from __future__ import annotations

from turns import Turns

TURNS = Turns()

from collections.abc import Sequence  # noqa: E402

from lines import parser, serve  # noqa: E402

import regard  # noqa: E402


def main() -> None:
    arguments = parser()
    arguments.add_argument("settings", nargs="*", help="of decoding, as key=value")
    options = arguments.parse_args()
    model = regard.load(options.model)
    translator = model.translator
    given = dict(setting.split("=", 1) for setting in options.settings)
    numbers = {name: int(value) if value.isdecimal() else value for name, value in given.items()}
    settings = model.settings(
        beam=options.beam,
        penalty="plain",
        length_penalty=1.0,
        rules="transformers",
        **numbers,
    )

    def translate(lines: Sequence[str]) -> tuple[list[str], int]:
        found = translator.translate(lines, settings)
        return [one.text for one in found], sum(len(one.ids) + 1 for one in found)

    serve(TURNS, f"regard {regard.__version__}", translate, options)


if __name__ == "__main__":
    main()
