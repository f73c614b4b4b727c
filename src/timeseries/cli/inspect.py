"""``timeseries inspect``: what a model file holds, without loading the model."""

from pathlib import Path
from typing import Any

import click

from timeseries.cli.options import FILE
from timeseries.cli.output import output_options, show, wants_json

MOST_LEVELS = 1000  # of intervals to describe: pairs of levels take the square of them


@click.command(short_help="Say what a model file holds.")
@click.argument("model", type=FILE)
@output_options
def inspect(model: Path) -> None:
    """Say what the model file MODEL holds, after checking that no byte of it has changed."""
    from timeseries.deeplearning.artifact import read_manifest
    from timeseries.deeplearning.inventory import check_inventory
    from timeseries.errors import ArtifactError

    manifest, entries = read_manifest(model)
    held = {name: value for name, value in manifest.items() if name != "_artifact"}
    try:
        check_inventory(held, {entry.name: entry for entry in entries})
    except ArtifactError as error:
        raise ArtifactError(f"{model} lacks a part of a model or holds a wrong one: {error}.") from None
    if wants_json():
        tensors = [{"name": e.name, "dtype": e.dtype, "shape": list(e.shape)} for e in entries]
        show(manifest | {"tensors": tensors})
        return
    weights = [e.nbytes // 4 for e in entries if e.name.startswith("network.") or ".network." in e.name]
    described = _described_ensemble if manifest["kind"] == "ensemble" else _described
    lines = described(manifest) | {"weights": f"{sum(weights):,} numbers in {len(weights)} tensors"}
    for name, value in lines.items():
        click.echo(f"{name:>16}  {_printable(str(value))}")


def _printable(text: str) -> str:
    """Escape what a terminal would obey instead of showing."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def _described(manifest: Any) -> dict[str, object]:
    """Return what people want to know first."""
    settings = manifest["settings"]
    lines: dict[str, object] = {
        "kind": f"{manifest['kind']} {manifest['model']}",
        "written by": manifest["_artifact"]["created_by"],
        "horizon": settings["horizon"],
        "context": settings["sequence_length"],
    }
    if manifest["kind"] == "forecaster":
        lines |= _table(manifest) | {"intervals": _intervals(manifest)}
    return lines | {"settings": _settings(settings), "epochs run": len(manifest["history"])}


def _described_ensemble(manifest: Any) -> dict[str, object]:
    """Return what people want to know first of an ensemble: what its members share, then each of them."""
    members = manifest["members"]
    first = members[0]["settings"]
    lines: dict[str, object] = {
        "kind": f"ensemble of {len(members)}, combined by their {manifest['combine']}",
        "written by": manifest["_artifact"]["created_by"],
        "horizon": first["horizon"],
    }
    if manifest["combine"] == "weighted":
        lines["kind"] = f"ensemble of {len(members)}, combined by a weighted mean"
    if manifest["snapshots"] > 1:
        lines["snapshots"] = f"{manifest['snapshots']} members of each training"
    lines |= _table(manifest) | {"intervals": _intervals(manifest | {"settings": first})}
    for number, member in enumerate(members):
        settings, epochs = member["settings"], len(member["history"])
        told = f"context {settings['sequence_length']}, {epochs} epochs run, {_settings(settings)}"
        lines[f"member {number}"] = f"{member['model']}: {told}"
    return lines


def _table(manifest: Any) -> dict[str, object]:
    """Return what a forecaster knows of its table, and the rules of its answers."""
    series = manifest["series"]
    more = f" and {len(series) - 5} more" if len(series) > 5 else ""
    lines: dict[str, object] = {"series": f"{len(series)}: {', '.join(map(str, series[:5]))}{more}"}
    lines |= {"frequency": manifest["frequency"]} | _clocks(manifest)
    lines |= {role: ", ".join(names) for role, names in manifest["columns"].items() if names}
    return lines | {"forecasts": _rules(manifest["answers"])}


def _settings(settings: Any) -> str:
    """Write settings that are not named elsewhere."""
    named = ("horizon", "sequence_length", "input_size", "output_size")
    return ", ".join(f"{k}={v}" for k, v in settings.items() if k not in named and v is not None)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _clocks(manifest: Any) -> dict[str, object]:
    """Return what the stamps and the seasons of a table follow."""
    layout, lines = manifest["layout"], {}
    if manifest["time"] == "stamps":
        lines["time zone"] = manifest["zone"] or "none: stamps as the table writes them"
    if layout["season"] is not None:
        lines["season"] = f"{layout['season']} rows"
    if layout.get("season_zone") is not None:
        lines["season clock"] = f"{layout['season_zone']}: seasons follow its clock when it is changed"
    return lines


def _rules(answers: Any) -> str:
    """Say what every forecast and interval keeps to."""
    rules = ["whole numbers"] if answers["integer"] else []
    rules += [f"not below {answers['lower']:g} (lower)"] if answers["lower"] is not None else []
    rules += [f"not above {answers['upper']:g} (upper)"] if answers["upper"] is not None else []
    return ", ".join(rules) or "any number: no bounds"


def _intervals(manifest: Any) -> str:
    """Say which intervals a forecast carries, and what they rest on."""
    from timeseries.metrics import central_intervals

    asked, own = manifest["answers"]["levels"], manifest["settings"].get("quantiles")
    levels = own if asked is None else asked
    if levels is None:
        return "none: a point forecast"
    if not isinstance(levels, list) or len(levels) > MOST_LEVELS or not all(map(_is_number, levels)):
        return "quantiles that no model has; see --json"  # only loading compares settings with their rules
    shares = ", ".join(f"{interval.name} %" for interval in central_intervals(levels))
    named = f"{shares or 'none that is central'} (quantiles {', '.join(f'{level:g}' for level in levels)})"
    if manifest["calibration"] is None:
        return f"{named}; not calibrated: the network's own"
    return f"{named}; calibrated on held-out rows. {' '.join(manifest['calibration'])}"
