"""Every block of the README runs, in its order, as a newcomer would run it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def run(command, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_blocks_of_the_readme_run_in_their_order(tmp_path):
    commands = [(language, code) for language, code in BLOCKS if not code.startswith("make ")]
    assert [language for language, _ in commands] == ["python"] * 4 + ["sh"]
    for language, code in commands:
        run([sys.executable, "-c", code] if language == "python" else ["bash", "-e", "-c", code], tmp_path)
    assert (tmp_path / "forecast.svg").stat().st_size > 1000
    assert (tmp_path / "forecast.csv").read_text().startswith("ds,y,y_q0.025,")


def test_the_make_targets_of_the_readme_exist():
    targets = re.findall(r"^make (\S+)", "\n".join(code for _, code in BLOCKS), flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_links_between_the_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} -> {link}"
