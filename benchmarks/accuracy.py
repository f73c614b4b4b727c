"""How good the recipes are, and how fast they are fitted, beside the simplest forecasts and a loop by hand.

    TIMESERIES_DATA=... python benchmarks/accuracy.py                # on validation: for choosing
    TIMESERIES_DATA=... python benchmarks/accuracy.py --part test    # on test: once, with what was chosen

The sets and how they are divided: sets.py. A recipe is fitted on the rows before the part. Where a published
protocol divides the rows, the network that is tested learns from the training rows and validation only
chooses its epoch; elsewhere it learns from the validation rows too. Measures are computed here, in numpy.

"in 80 %" is the share of the truth that fell into the 80 % interval. Skill is 1 - the first measure / that
of the seasonal naive forecast, or of the last value without a season. "time" is the fitting time over that of
300 steps of a textbook loop on windows of the same rows (LSTM 2x64, Adam, batch 128, all windows stacked
before the clock starts), run just before.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

import sets
from machine import describe
from timeseries import Backtest, Forecaster, Panel, TableLayout, baselines
from timeseries.backtesting import backtest
from timeseries.metrics import seasonal_scale
from timeseries.recipes import RECIPES
from timeseries.splits import Origins, rolling_origins, training_rows

Floats = npt.NDArray[np.float64]
Measure = Callable[[Floats, Floats, "Scored"], float]
BEFORE: dict[sets.Part, sets.Part] = {"validation": "train", "test": "validation"}
HAND_STEPS, HAND_BATCH = 300, 128


@dataclass(frozen=True, eq=False)
class Scored:
    """What forecasts of a part are measured with; S series, M pairs of series and origin, H steps."""

    panel: Panel
    origins: Origins
    step: int  # rows between the origins of a series
    truth: Floats  # (M, H)
    scale: Floats  # (M,) mean absolute seasonal difference of the rows before the part
    rivals: dict[str, Floats]  # (M, H) each; skill is measured against the first


def mse(truth: Floats, forecast: Floats, _: Scored) -> float:
    """Return the mean squared error."""
    return float(np.mean((truth - forecast) ** 2))


def mae(truth: Floats, forecast: Floats, _: Scored) -> float:
    """Return the mean absolute error."""
    return float(np.mean(np.abs(truth - forecast)))


def rmse(truth: Floats, forecast: Floats, scored: Scored) -> float:
    """Return the root of the mean squared error."""
    return mse(truth, forecast, scored) ** 0.5


def mape(truth: Floats, forecast: Floats, _: Scored) -> float:
    """Return the mean absolute error in percent of the truth."""
    return float(100 * np.mean(np.abs(truth - forecast) / np.abs(truth)))


def smape(truth: Floats, forecast: Floats, _: Scored) -> float:
    """Return the symmetric error of the M4 competition, in percent."""
    return float(200 * np.mean(np.abs(truth - forecast) / (np.abs(truth) + np.abs(forecast))))


def mase(truth: Floats, forecast: Floats, scored: Scored) -> float:
    """Return the mean absolute error of each series in units of its scale, as in the M4 competition."""
    return float(np.mean(np.abs(truth - forecast).mean(axis=1) / scored.scale))


def r2(truth: Floats, forecast: Floats, scored: Scored) -> float:
    """Return the mean over the series of the share of variance that is explained."""
    shares = []
    for s in range(len(scored.panel.ids)):
        mine = scored.origins.series == s  # (M,)
        around = truth[mine] - truth[mine].mean()
        shares.append(1 - np.sum((truth[mine] - forecast[mine]) ** 2) / np.sum(around**2))
    return float(np.mean(shares))


MEASURES: dict[str, dict[str, Measure]] = {  # the first one is also shown by step and as skill
    "etth1": {"MSE": mse, "MAE": mae},
    "etth2": {"MSE": mse, "MAE": mae},
    "exchange_rate": {"MSE": mse, "MAE": mae},
    "pjm": {"MAPE %": mape, "RMSE": rmse, "R2": r2},
    "dow": {"MAPE %": mape, "R2": r2},
    "m4_hourly": {"MASE": mase, "sMAPE %": smape},
}


def prepare(panel: Panel, protocol: sets.Protocol, part: sets.Part, step: int) -> Scored:
    """Return the truth of every origin of a part, and what the simplest forecasts say there."""
    windows, horizon = protocol.windows(part, step), protocol.horizon
    origins = rolling_origins(panel.offsets, horizon, windows, step)
    values = panel.values  # (N, 1)
    stops = training_rows(panel.offsets, origins)  # (S,)
    scale = seasonal_scale(values, panel.offsets, stops, protocol.season)[:, 0]  # (S,)
    rivals = {"last value": baselines.last_value(values, panel.offsets, origins.row, horizon)}
    if protocol.season > 1:
        naive = baselines.seasonal_naive(values, panel.offsets, origins.row, horizon, protocol.season)
        rivals = {"seasonal naive": naive} | rivals
    return Scored(
        panel=panel,
        origins=origins,
        step=step,
        truth=values[origins.row[:, None] + np.arange(1, horizon + 1), 0],
        scale=scale[origins.series],
        rivals={title: forecast[..., 0] for title, forecast in rivals.items()},
    )


def score(name: str, scored: Scored, forecast: Floats) -> dict[str, float]:
    """Return every measure of a set over all steps, and the first one at single steps and as skill."""
    truth, measures = scored.truth, MEASURES[name]
    first = next(iter(measures.values()))
    scores = {title: measure(truth, forecast, scored) for title, measure in measures.items()}
    single = [slice(step, step + 1) for step in range(truth.shape[1])]
    steps = [first(truth[:, one], forecast[:, one], scored) for one in single]
    reference = first(truth, next(iter(scored.rivals.values())), scored)
    skill = 1 - first(truth, forecast, scored) / reference
    return scores | {"step 1": steps[0], "largest step": max(steps), "skill": skill}


def hand_seconds(panel: Panel, protocol: sets.Protocol, seed: int) -> float:
    """Return the seconds of a textbook training loop on random windows of a panel's rows."""
    torch.manual_seed(seed)
    batches = stacked_windows(panel, protocol, seed)  # (steps, B, T + H)
    lstm = nn.LSTM(1, 64, num_layers=2, dropout=0.2, batch_first=True)
    head = nn.Linear(64, protocol.horizon)
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], lr=1e-3, fused=True)
    began = time.perf_counter()
    for batch in batches:
        states, _ = lstm(batch[:, : protocol.context, None])  # (B, T, 64)
        loss = nn.functional.mse_loss(head(states[:, -1]), batch[:, protocol.context :])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def stacked_windows(panel: Panel, protocol: sets.Protocol, seed: int) -> torch.Tensor:
    """Return random windows of scaled rows, (steps, B, T + H)."""
    span = protocol.context + protocol.horizon
    parts = np.split(panel.values[:, 0], panel.offsets[1:-1])  # S times (rows,)
    scaled = np.concatenate([(part - part.mean()) / (part.std() or 1.0) for part in parts])  # (N,)
    ends = panel.offsets[1:] - span + 1  # (S,) behind the last start
    starts = np.concatenate([np.arange(*pair) for pair in zip(panel.offsets[:-1], ends, strict=True)])  # (W,)
    drawn = np.random.default_rng(seed).choice(starts, size=(HAND_STEPS, HAND_BATCH, 1))
    return torch.from_numpy(scaled[drawn + np.arange(span)].astype(np.float32))


def fit(forecaster: Forecaster, table: pd.DataFrame, protocol: sets.Protocol, part: sets.Part) -> float:
    """Fit on the rows before a part and return the seconds."""
    watched = protocol.validation if part == "test" and protocol.published else None
    rows = sets.up_to(BEFORE[part], table, protocol)
    began = time.perf_counter()
    forecaster.fit(rows, val_size=watched, keep_validation=watched is not None)
    return time.perf_counter() - began


def forecasts(forecaster: Forecaster, scored: Scored) -> Backtest:
    """Return what a fitted forecaster says at every origin."""
    result = backtest(
        lambda _: forecaster.fitted_,
        scored.panel,
        horizon=forecaster.horizon,
        windows=int(scored.origins.window.max()) + 1,
        step=scored.step,
    )
    np.testing.assert_array_equal(result.truth[..., 0], scored.truth)
    return result


def run(name: str, part: sets.Part, recipes: list[str], seeds: int) -> None:
    """Print the table of one set."""
    table, protocol = sets.SETS[name]()
    layout = TableLayout(season=protocol.season)
    panel = Panel.from_frame(sets.up_to(part, table, protocol), layout)
    before = Panel.from_frame(sets.up_to(BEFORE[part], table, protocol), layout)
    boards = [Board(name, prepare(panel, protocol, part, step)) for step in sorted({1, protocol.step})]
    for seed in range(seeds):
        hand = hand_seconds(before, protocol, seed)
        for recipe in recipes:
            forecaster = Forecaster(
                recipe,
                horizon=protocol.horizon,
                context_length=protocol.context,
                season=protocol.season,
                seed=seed,
            )
            seconds = fit(forecaster, table, protocol, part)
            for board in boards:
                board.add(recipe, seed, forecasts(forecaster, board.scored), seconds, hand)
    for board in boards:
        board.show(f"{name}, {part} part, context {protocol.context}, horizon {protocol.horizon}")


class Board:
    """The scores of one set at one distance between origins."""

    def __init__(self, name: str, scored: Scored) -> None:
        self.name, self.scored = name, scored
        rivals = {title: score(name, scored, forecast) for title, forecast in scored.rivals.items()}
        self.rows = [{"forecast": title} | scores for title, scores in rivals.items()]

    def add(self, recipe: str, seed: int, result: Backtest, seconds: float, hand: float) -> None:
        """Score one fitted forecaster, and say so at once."""
        row = {"forecast": recipe, "seed": seed} | score(self.name, self.scored, result.point[..., 0])
        observed = result.coverage()["observed"]
        row |= {f"in {interval}": share for interval, share in observed.items()}
        self.rows.append(row | {"fit s": seconds, "by hand s": hand, "time": seconds / hand})
        print(f"{self.name}: {recipe}, seed {seed}, fitted in {seconds:.1f} s", file=sys.stderr, flush=True)

    def show(self, title: str) -> None:
        """Print every run, and for each recipe the mean of its seeds with the smallest and the largest."""
        frame = pd.DataFrame(self.rows).astype({"seed": "Int64"})
        print(f"\n{title}, {len(self.scored.truth)} forecasts, origins {self.scored.step} rows apart")
        print(frame.to_string(index=False, float_format="{:.4f}".format, na_rep=""))
        runs = frame.dropna(subset="seed").drop(columns="seed").groupby("forecast", sort=False)
        print("\nover the seeds: mean [smallest, largest]")
        print(runs.agg(spread).to_string(), flush=True)


def spread(values: pd.Series) -> str:
    """Return the mean of a few runs with the smallest and the largest."""
    return f"{values.mean():.4f} [{values.min():.4f}, {values.max():.4f}]"


def main() -> None:
    """Print a table per set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=list(BEFORE), default="validation")
    parser.add_argument(
        "--sets", nargs="+", choices=list(MEASURES), default=["etth1", "pjm", "dow", "m4_hourly"]
    )
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(describe())
    for name in options.sets:
        run(name, options.part, options.recipes, options.seeds)


if __name__ == "__main__":
    main()
