"""Tests that the documentation shows the lines that an export prints about reading it. The tests of the formats run them."""

import pytest
from checkout import ROOT
from documentation import fenced

from blurkit.export import FORMATS

PAGE = (ROOT / "docs/export.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("to", FORMATS)
def test_the_page_has_the_printed_lines(to):
    section = PAGE.partition(f"\n## {to}\n")[2].partition("\n## ")[0]
    lines = FORMATS[to].reading.format(out="exported", split="train")
    assert [block.rstrip() for _, block in fenced(section, "py")] == [lines]
    assert len([line for line in lines.splitlines() if line]) == 3
