"""What the pages under docs/ say is what the code does."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [
    page
    for page in sorted(DOCS.glob("*.md"))
    if page.stem not in ("reliability", "artifact") and "```python" in page.read_text()
]


def test_the_page_of_settings_is_that_of_the_declarations():
    spec = importlib.util.spec_from_file_location("settings_page", DOCS / "settings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_their_order(page, tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL))
    (tmp_path / "page.md").write_text(code)
    how = ["-m", "doctest", "page.md"] if ">>>" in code else ["page.md"]
    command = [sys.executable, "-W", "error", *how]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
