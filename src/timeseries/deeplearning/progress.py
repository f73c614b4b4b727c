"""How far training is: on one line of the terminal, or in two plain lines where there is none."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from timeseries.deeplearning.history import Callback, Callbacks, EpochRecord
from timeseries.deeplearning.plan import Plan
from timeseries.errors import SettingError, require_switch, shown

REFRESH_SECONDS = 0.2  # between two drawings of the line: often enough to look alive, too seldom to cost
VERBS = ("watch", "begin", "step", "epoch", "end")  # of a callback
LONG_SECONDS = 5.0  # of a training that deserves a line where nothing can be drawn


def listeners(callbacks: Iterable[Callback], *, verbose: bool) -> Callback:
    """Return all who are told how training goes: the caller's own, and a line of progress if wanted."""
    require_switch(verbose=verbose)
    own = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    strangers = [callback for callback in own if not isinstance(callback, Callback)]
    if strangers:
        raise SettingError(f"callbacks must hold objects derived from Callback, got {shown(strangers[0])}.")
    deaf = [callback for callback in own if not any(_hears(callback, verb) for verb in VERBS)]
    if deaf:
        raise SettingError(
            f"The callback {shown(deaf[0])} would never do anything: it has none of {', '.join(VERBS)}."
        )
    return Callbacks([*([progress_line()] if verbose else []), *own])


def _hears(callback: Callback, verb: str) -> bool:
    """Tell whether a callback has a method of its own of that name."""
    return getattr(type(callback), verb) is not getattr(Callback, verb) or verb in vars(callback)


def progress_line() -> Callback:
    """Return a callback that draws one line, or one that writes two where there is no terminal to draw on."""
    console = Console(stderr=True, highlight=False)
    return ProgressLine(console) if console.is_terminal else ProgressNotes(console)


class _Progress(Callback):
    """Counts epochs and steps, and words how far they are."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Start to count."""
        self.plan, self.steps, self.before, self.epochs = plan, before, before, 0
        self.losses = ""
        self.began = time.perf_counter()

    def step(self) -> None:
        """Count a step."""
        self.steps += 1

    def epoch(self, record: EpochRecord) -> None:
        """Take over the losses of an epoch."""
        self.epochs = record["epoch"] + 1
        validation = "" if record["val_loss"] is None else f"  val_loss {record['val_loss']:#.4g}"
        self.losses = f"  train_loss {record['train_loss']:#.4g}{validation}"

    def _state(self, now: float) -> str:
        return (
            f"epoch {self.epochs}/{len(self.plan.epochs)}  step {self.steps}/{self.plan.steps}{self.losses}"
            f"  {duration(now - self.began)}"
        )

    def _left(self, now: float) -> str:
        pace = (now - self.began) / (self.steps - self.before)  # seconds per step
        return "about " + duration(pace * (self.plan.steps - self.steps))


class ProgressLine(_Progress):
    """Show epoch, step, losses, the time taken and the time left.

    Parameters
    ----------
    console : Console
        Where the line is drawn; it decides about colour and cursor (``NO_COLOR``, ``TERM=dumb``).
    """

    wants_estimate = True

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.live = Live(console=console, auto_refresh=False, redirect_stdout=False)

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Draw the estimate."""
        super().begin(plan, before)
        self.due = self.began + REFRESH_SECONDS
        about = "" if plan.seconds is None else f"about {duration(plan.seconds)} for "
        self.live.update(_line(f"{about}{plan.steps} steps"))
        self.live.start(refresh=True)

    def step(self) -> None:
        """Count a step and draw the line if it is time to."""
        super().step()
        now = time.perf_counter()
        if now >= self.due:
            self.due = now + REFRESH_SECONDS
            self.live.update(_line(f"{self._state(now)}, {self._left(now)} left"), refresh=True)

    def end(self) -> None:
        """Leave one line behind that says how it went."""
        self.live.update(_line(self._state(time.perf_counter())))
        self.live.stop()


class ProgressNotes(_Progress):
    """Write one line when a training turns out to be long, and one at its end; a short one is left unsaid.

    Parameters
    ----------
    console : Console
        Where the lines are written.
    """

    def begin(self, plan: Plan, before: int = 0) -> None:
        """Start to count; nothing is said yet."""
        super().begin(plan, before)
        self.said = False

    def step(self) -> None:
        """Count a step, and say once how long all of them will take."""
        super().step()
        now = time.perf_counter()
        if not self.said and now - self.began >= LONG_SECONDS:
            self.said = True
            self._say(f"Training: step {self.steps}/{self.plan.steps}, {self._left(now)} left.")

    def end(self) -> None:
        """Say how a long training went."""
        if self.said:
            self._say(f"Trained: {self._state(time.perf_counter())}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def _line(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def duration(seconds: float) -> str:
    """Return a time for people.

    Examples
    --------
    >>> duration(0.25), duration(42.3), duration(125), duration(7260)
    ('0.2 s', '42 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
