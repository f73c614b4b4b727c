"""``timeseries datasets``: named public data sets."""

from pathlib import Path

import click

from timeseries.cli.options import FILE
from timeseries.cli.output import check_outputs, deliver, note, output_options, show, wants_json


@click.group()
def datasets() -> None:
    """Public data sets to try things on: list them, get one."""


@datasets.command("list")
@output_options
def list_datasets() -> None:
    """Say which data sets there are, with their licences; the network is left alone."""
    from timeseries.datasets import DATASETS

    if wants_json():
        show(
            {
                "datasets": [
                    {
                        "name": name,
                        "about": dataset.about,
                        "licence": dataset.licence,
                        "here": dataset.is_here,
                        "files": [
                            {"url": file.url, "sha256": file.sha256, "bytes": file.size}
                            for file in dataset.files
                        ],
                    }
                    for name, dataset in DATASETS.items()
                ]
            }
        )
        return
    for name, dataset in DATASETS.items():
        size = sum(file.size for file in dataset.files) / 1e6
        where = "On this machine" if dataset.is_here else f"To fetch, {size:.1f} MB"
        click.echo(f"{name}\n    {dataset.about}\n    Licence: {dataset.licence}. {where}.")


@datasets.command("get", epilog="Example: timeseries datasets get etth1 --output etth1.csv")
@click.argument("name")
@click.option("--output", "-o", type=FILE, help="CSV to write [standard output].")
@output_options
def get(name: str, output: Path | None) -> None:
    """Write the data set NAME as a tidy table; it is fetched first if it is not on this machine.

    A fetched file is tested against its checksum and kept in $XDG_CACHE_HOME/timeseries.
    """
    from timeseries.datasets import DATASETS, load_dataset

    check_outputs(output)
    table = load_dataset(name, download=True)
    note(f"{DATASETS[name].about} Licence: {DATASETS[name].licence}.")
    deliver(table, output, {"name": name, "licence": DATASETS[name].licence})
