"""The frame of report.html: its style, and the places that ``report`` fills. It loads nothing and runs nothing."""

from __future__ import annotations

from string import Template

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --faint: #5f6873; --line: #d5dae0; --card: #f6f8fa;
  --accent: #0b63b6; --good: #007a5a; }
@media (prefers-color-scheme: dark) { :root { --page: #0f141a; --ink: #e6edf3; --faint: #98a2ae; --line: #333b45;
  --card: #171d25; --accent: #6cb2f5; --good: #3fc79a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 62rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .8rem; padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1rem; } a { color: var(--accent); }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; } .wide { overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .38rem .9rem .38rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
thead th { color: var(--faint); font-weight: 500; font-size: .875rem; }
tbody th { font-weight: 500; overflow-wrap: break-word; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.pairs { width: auto; min-width: 24rem; max-width: 100%; } .pairs td.number { text-align: left; }
td table { margin: 0; } td table tr:last-child > * { border-bottom: 0; }
.tiles { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1.2rem 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .55rem .95rem; }
.tiles dt { color: var(--faint); font-size: .8rem; }
.tiles dd { margin: 0; font-size: 1.12rem; overflow-wrap: anywhere; }
code, pre { font: .85rem/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
td code { color: var(--faint); font-size: .78rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; overflow-x: auto; }
figure { margin: 1.2rem 0; } figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: var(--faint); font-size: .875rem; }
summary { cursor: pointer; color: var(--accent); padding: .3rem 0; }
.sample { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .7rem 1rem;
  margin: .7rem 0; display: grid; grid-template-columns: 7.5rem 1fr; gap: .2rem .8rem; }
.sample dt { color: var(--faint); font-size: .875rem; } .sample dd { margin: 0; overflow-wrap: anywhere; }
.sample .same { color: var(--good); }
.note, footer { color: var(--faint); font-size: .9rem; }
@media (max-width: 40rem) { .sample { grid-template-columns: 1fr; } .sample dd { margin-bottom: .4rem; } }
@media print { body { max-width: none; } .sample, figure, tr { break-inside: avoid; } }
"""

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1><bdi dir="auto">$title</bdi></h1>
$tiles
<nav>$links</nav></header>
<main>
$sections
</main>
<footer><p>One file, made by regard; it needs no network.</p></footer>
</body>
</html>
""")
