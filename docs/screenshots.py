"""Screenshots of pages that `regard look` wrote, for the README: PAGE.html#STATE becomes a PNG.

    python docs/screenshots.py look.html view=lines docs/pictures/look-lines.png

Needs chromium, and playwright from the extra `browser`. STATE is what stands in the page's address behind "#".
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
COLOURS = 128  # so that a picture stays small


def main() -> None:
    """Take one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("state")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1100)
    parser.add_argument("--dark", action="store_true")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=OPTIONS)
        scheme = "dark" if given.dark else "light"
        view = browser.new_page(viewport={"width": given.width, "height": 700}, color_scheme=scheme)
        view.goto(f"{given.page.resolve().as_uri()}#{given.state}")
        taken = view.screenshot(full_page=True)
        browser.close()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS).save(given.out, optimize=True)


if __name__ == "__main__":
    main()
