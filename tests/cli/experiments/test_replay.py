"""`flywheel replay table10`: its counts as JSON, and a page that stands alone and flags what cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.console import Format
from cli.experiments.replay import replay_table10


def test_counts_are_printed_and_the_page_flags_three_intervals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "pages" / "table10.html"
    replay_table10(Format.json, page)
    rows = {(row["releases"], row["lift of"]): row for row in json.loads(capsys.readouterr().out)}
    assert rows["V8-V15", "both"]["positive"] == "6/8"
    assert rows["V8-V15", "depth"]["significantly negative"] == "V12"
    text = page.read_text()
    assert text.count("✗") == 3
    assert "V9 to V15, 7 of 15 reported" in text
    assert not re.search(r'(src|href)="?http', text)
    plots = json.loads(text.split('id="plots">', 1)[1].split("</script>", 1)[0])
    assert set(plots) == {"lifts-breadth", "lifts-depth", "win-rates", "cumulative"}
    depth = {trace["name"]: trace for trace in plots["lifts-depth"]["data"]}
    assert depth["significantly negative"]["x"] == ["V12"]
    assert depth["not significant"]["marker"]["symbol"] == ["circle-open", "circle-open"]
    assert depth["significantly positive"]["error_y"]["array"][0] == 3.5
    assert depth["significantly positive"]["error_y"]["arrayminus"][0] == 3.4
