from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import font_manager

from regard.looking import lettering as module
from regard.looking.lettering import in_legend, lettering, missing_note, readable, remark, visible
from regard.looking.style import new_figure, save, styled

STIX = Path(font_manager.findfont("STIXGeneral"))  # comes with matplotlib too, and has "℻" and "⁗" in other shapes
KOREAN, ARABIC, HINDI, MELTING = "개", "القطة", "हिन्दी", "\U0001fae0"


def drawn(shown: module.Lettering, path: Path) -> None:
    """Draw the texts; a letter without a glyph would be a warning, and so an error."""
    with styled():
        figure = new_figure(4, 2)
        for number, text in enumerate(shown.texts):
            figure.text(0.1, 0.9 - 0.1 * number, text, **shown.style)
        remark(figure, shown)
    save(figure, path)


def test_letters_that_no_font_has_become_boxes_and_no_warning(tmp_path: Path):
    shown = lettering([KOREAN, f"a{HINDI}", ARABIC, MELTING])
    assert shown.texts[0] == "□"
    assert shown.texts[1].startswith("a□")
    assert shown.texts[2] == ARABIC  # matplotlib's own font has these
    assert shown.texts[3] == "□"
    drawn(shown, tmp_path / "a.png")


def test_what_to_install_is_said_once_below_the_picture():
    figure = new_figure(4, 2)
    remark(figure, lettering([KOREAN, HINDI]), lettering(["고양이"]), lettering(["plain"]))
    (note,) = [text.get_text().replace("\n", " ") for text in figure.texts]
    # 개 고 양 이, and ह न द with two vowel signs; the virama has no shape of its own
    assert note.startswith("□: 9 characters that no installed font has; install ")
    assert note.endswith("Noto Sans CJK, Noto Sans Devanagari")


def test_one_missing_symbol_is_named_as_one():
    assert missing_note(lettering([MELTING])) == "□: 1 character that no installed font has; install Symbola"
    assert missing_note(lettering(["plain", ARABIC])) is None


def test_many_missing_scripts_are_shortened():
    note = missing_note(lettering(["개", "ह", "ა", "ཀ", "မ", "ក", "ක"]))
    assert note is not None
    assert note.endswith(" …")


def test_a_font_of_this_machine_is_found_for_the_letters_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    only_in_stix = "\u20d2\u1d84"
    assert lettering([only_in_stix]).fonts == ["DejaVu Sans"]
    module._fonts_for.cache_clear()
    bold_first = [STIX.with_name("STIXGeneralBol.ttf"), STIX]
    monkeypatch.setattr(module, "_installed", lambda: list(bold_first))
    shown = lettering([f"a{only_in_stix}", KOREAN])
    assert shown.fonts == ["DejaVu Sans", "STIXGeneral"]
    assert shown.texts == [f"a{only_in_stix}", "□"]
    drawn(shown, tmp_path / "a.png")


def test_a_face_that_will_not_be_drawn_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    bold_only = "\U0001d5d4"  # matplotlib's bold font has it, and the plain one, which is drawn, has not
    bold = Path(font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight="bold")))
    monkeypatch.setattr(module, "_installed", lambda: [bold])
    shown = lettering([bold_only])
    assert shown.texts == ["□"]
    drawn(shown, tmp_path / "a.png")


def test_dollars_are_dollars_in_any_style(tmp_path: Path):
    shown = lettering(["$\\bad{$", "$5$"])
    figure = new_figure(2, 1)
    for text in shown.texts:
        figure.text(0.1, 0.5, text, **shown.style)
    figure.savefig(tmp_path / "a.png")


def test_a_font_installed_since_is_made_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    new = tmp_path / "New-Regular.ttf"
    new.write_bytes(STIX.with_name("STIXSizOneSymReg.ttf").read_bytes())
    monkeypatch.setattr(module, "_installed", lambda: [new])
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [entry for entry in manager.ttflist if "OneSym" not in str(entry.fname)])
    assert lettering(["\u20ec"]).fonts == ["DejaVu Sans", "STIXSizeOneSym"]
    assert any(str(entry.fname) == str(new) for entry in manager.ttflist)
    font_manager.findfont("DejaVu Sans")


def test_files_that_are_no_fonts_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    broken = tmp_path / "Broken.ttf"
    broken.write_bytes(b"not a font")
    monkeypatch.setattr(module, "_installed", lambda: [broken, tmp_path / "absent.ttf"])
    assert lettering([KOREAN]).texts == ["□"]


def test_this_machines_fonts_are_listed_without_those_of_boxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.undo()
    files = [str(tmp_path / name) for name in ("NotoSerif-Regular.ttf", "NotoSans-Bold.ttf", "NotoSans-Regular.ttf")]
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*files, str(tmp_path / "LastResort.ttf")])
    listed = [file.name for file in module._installed()]
    assert (
        listed.index("NotoSans-Regular.ttf") < listed.index("NotoSans-Bold.ttf") < listed.index("NotoSerif-Regular.ttf")
    )
    assert not any(name.startswith(("LastResort", "STIX", "DejaVu", "cm")) for name in listed)


def test_characters_that_hide_or_turn_the_line_are_code_points():
    assert readable("a\u202eb\n\x00") == "aU+202EbU+000AU+0000"
    assert readable("soft\u00adhyphen\ufeff") == "softU+00ADhyphenU+FEFF"
    assert readable("می\u200cخواهم") == "می\u200cخواهم"  # this one shapes Persian
    assert visible("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert visible("\ud800") == "U+D800"


def test_long_texts_are_shortened_in_the_middle():
    assert readable("abcdefghij", limit=5) == "ab…ij"
    assert readable("abcdefghij", limit=6) == "ab…hij"
    assert readable("abcde", limit=5) == "abcde"
    assert all(len(readable("x" * length, limit=28)) <= 28 for length in range(60))


def test_invisible_marks_without_a_glyph_vanish():
    assert lettering(["❤\ufe0f\u1ac1"]).texts[0].startswith("❤")
    assert "□" not in lettering(["❤\ufe0f\u1ac1"]).texts[0]


def test_a_legend_shows_names_that_begin_with_an_underscore():
    assert in_legend("_run") == " _run"
    assert in_legend("run") == "run"
