"""The line that says how far training is, drawn into a terminal made of text."""

import io
import sys

import numpy as np
import pytest
from rich.console import Console

from timeseries.deeplearning import progress
from timeseries.deeplearning.plan import Pace, Plan
from timeseries.deeplearning.progress import ProgressLine, listeners, progress_line
from timeseries.errors import SettingError

PLAN = Plan(full=50, steps=1000, pace=Pace(step=0.01, validation=0.1))  # 10 s and 20 times 0.1 s


class Terminal:
    """A terminal whose clock is moved by hand."""

    def __init__(self, monkeypatch, width=110, **environment):
        self.text, self.now = io.StringIO(), 0.0
        self.console = Console(
            file=self.text, force_terminal=True, width=width, _environ={"TERM": "xterm"} | environment
        )
        monkeypatch.setattr(progress.time, "perf_counter", lambda: self.now)

    def drawn(self):
        """Return every line that was drawn, without what moves the cursor."""
        plain = self.text.getvalue().replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\n", "\r")
        return [line for line in plain.replace("\x1b[2K", "").split("\r") if line]


def train(terminal, epochs=20, seconds=1 / 64):
    line = ProgressLine(terminal.console)
    line.begin(PLAN)
    for epoch in range(epochs):
        for _ in range(PLAN.full):
            terminal.now += seconds
            line.step()
        line.epoch({"epoch": epoch, "steps": 50, "train_loss": 0.5, "val_loss": 0.25, "seconds": 0.5})
    line.end()


def test_the_estimate_comes_first_and_the_outcome_stays(monkeypatch):
    terminal = Terminal(monkeypatch)
    train(terminal)
    lines = terminal.drawn()
    assert lines[0] == "about 12 s for 1000 steps"
    assert "epoch 5/20  step 260/1000  train_loss 0.5000  val_loss 0.2500  4.1 s, about 12 s left" in lines
    assert lines[-1] == "epoch 20/20  step 1000/1000  train_loss 0.5000  val_loss 0.2500  16 s"
    assert terminal.text.getvalue().endswith("\n\x1b[?25h")  # on a line of its own, with the cursor back


@pytest.mark.parametrize("seconds", [2**-17, 2**-10, 2**-6])
def test_many_short_epochs_do_not_flood_the_terminal(monkeypatch, seconds):
    terminal = Terminal(monkeypatch)
    train(terminal, seconds=seconds)
    assert len(terminal.drawn()) <= 2 + terminal.now * 10
    assert terminal.text.getvalue().count("\n") == 1


def test_a_narrow_terminal_still_has_one_line(monkeypatch):
    terminal = Terminal(monkeypatch, width=30)
    train(terminal)
    assert terminal.text.getvalue().count("\n") == 1
    assert max(map(len, terminal.drawn())) <= 30
    assert terminal.drawn()[-1].endswith("…")


def test_a_terminal_that_moves_no_cursor_gets_the_outcome_alone(monkeypatch):
    terminal = Terminal(monkeypatch, TERM="dumb")
    train(terminal)
    assert [line.strip() for line in terminal.drawn()] == [
        "epoch 20/20  step 1000/1000  train_loss 0.5000  val_loss 0.2500  16 s"
    ]


def test_the_line_has_no_colour_of_its_own(monkeypatch):
    terminal = Terminal(monkeypatch, NO_COLOR="1")
    train(terminal)
    assert "m" not in {part[-1] for part in terminal.text.getvalue().split("\x1b")[1:] if part[1:].isdigit()}
    assert "\x1b[3" not in terminal.text.getvalue()


def test_what_others_print_meanwhile_goes_where_they_print_it(monkeypatch, capsys):
    line = ProgressLine(Terminal(monkeypatch).console)
    line.begin(PLAN)
    print("data")
    line.end()
    assert capsys.readouterr().out == "data\n"


def test_a_second_run_has_a_line_of_its_own(monkeypatch):
    terminal = Terminal(monkeypatch)
    line = ProgressLine(terminal.console)
    for steps in (3, 2):
        line.begin(Plan(full=1, steps=steps))
        for _ in range(steps):
            line.step()
        line.end()
    assert [text for text in terminal.drawn() if text.startswith("epoch")] == [
        "epoch 0/3  step 3/3  0.0 s",
        "epoch 0/2  step 2/2  0.0 s",
    ]


def noted(monkeypatch, seconds, runs=1):
    """Return the lines that trainings leave where there is no terminal."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    clock = Terminal(monkeypatch)
    notes = progress_line()
    for _ in range(runs):
        notes.begin(PLAN)
        for epoch in range(20):
            for _ in range(PLAN.full):
                clock.now += seconds
                notes.step()
            notes.epoch({"epoch": epoch, "steps": 50, "train_loss": 0.5, "val_loss": None, "seconds": 0.5})
        notes.end()
    return sys.stderr.getvalue().splitlines()


def test_a_long_training_leaves_two_plain_lines_without_a_terminal(monkeypatch):
    first, last = noted(monkeypatch, 1 / 64)
    assert first == "Training: step 320/1000, about 11 s left."  # 320 / 64 are five seconds, 680 / 64 follow
    assert last == "Trained: epoch 20/20  step 1000/1000  train_loss 0.5000  16 s"
    assert len(noted(monkeypatch, 1 / 64, runs=2)) == 4


def test_a_short_training_says_nothing_without_a_terminal(monkeypatch):
    assert noted(monkeypatch, 1 / 256) == []


def test_there_is_a_line_on_the_standard_error_stream_of_a_terminal(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    line = progress_line()
    line.begin(PLAN)
    line.end()
    assert "step 0/1000" in screen.getvalue()


@pytest.mark.parametrize("verbose", [None, "yes", np.ones(2)])
def test_verbose_is_true_or_false(verbose):
    with pytest.raises(SettingError, match="verbose must be True or False"):
        listeners((), verbose=verbose)
