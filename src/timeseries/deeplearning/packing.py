"""A fitted network as plain arrays for the artifact, and back, checked on the way."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from timeseries.deeplearning.engine import Model, build
from timeseries.deeplearning.inventory import WEIGHTS
from timeseries.deeplearning.networks.base import ForecastNetwork
from timeseries.deeplearning.runtime import as_written, available_devices, seeded
from timeseries.deeplearning.strict_json import shorten
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import ArtifactError

Arrays = dict[str, npt.NDArray[Any]]
PROBE = "probe."
PROBE_TOLERANCE = 1e-3  # of a scaled forecast: kernels differ between machines, weights must not


def pack_network(network: ForecastNetwork, sizes: Sizes) -> Arrays:
    """Return the weights, and a probe: made-up windows with the forecasts that the network gives for them."""
    arrays = {WEIGHTS + name: tensor.cpu().numpy().copy() for name, tensor in network.state_dict().items()}
    probe = _probe(sizes)
    arrays |= {PROBE + name: part for name, part in probe.items()}
    arrays[PROBE + "forecast"] = _run_probe(network, probe)
    return arrays


def unpack_network(model: Model, sizes: Sizes, arrays: Arrays) -> ForecastNetwork:
    """Build the network, give it the stored weights, and see that it still answers the probe as it did.

    The network is first built without memory, and the names, shapes and types of its weights are compared
    with the stored ones, so that a file cannot ask for more memory than it has bytes.
    """
    with seeded(0, "cpu"), torch.device("meta"):
        network = build(model, sizes)
    stored = {name.removeprefix(WEIGHTS): a for name, a in arrays.items() if name.startswith(WEIGHTS)}
    weights = {name: torch.from_numpy(a) for name, a in stored.items()}
    expected = {name: (t.dtype, tuple(t.shape)) for name, t in network.state_dict().items()}
    found = {name: (t.dtype, tuple(t.shape)) for name, t in weights.items()}
    if expected != found:
        differing = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        raise ArtifactError(
            "The stored weights do not fit the stored settings: "
            + ", ".join(f"{shorten(k)} should be {expected.get(k)}, is {found.get(k)}" for k in differing[:5])
            + "."
        )
    with seeded(0, "cpu"):
        network = build(model, sizes)  # now with memory: a module may hold tensors that no file stores
    network.load_state_dict(weights)
    network.eval()
    _check_probe(network, arrays)
    if model.device not in available_devices():
        model.device = "cpu"  # fitted elsewhere: the weights are the same
    return network.to(model.device)


def _probe(sizes: Sizes) -> Arrays:
    draw = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"past": (2, sizes.context, sizes.past)}
    if sizes.future:
        shapes["future"] = (2, sizes.horizon, sizes.future)
    if sizes.static:
        shapes["static"] = (2, sizes.static)
    return {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def _run_probe(network: ForecastNetwork, probe: Arrays) -> npt.NDArray[Any]:
    device = next(network.parameters()).device
    window = Window(**{name: torch.from_numpy(part.copy()).to(device) for name, part in probe.items()})
    with torch.inference_mode(), as_written(device.type):
        return network(window).cpu().numpy()  # type: ignore[no-any-return]


def _check_probe(network: ForecastNetwork, arrays: Arrays) -> None:
    probe = {name.removeprefix(PROBE): part for name, part in arrays.items() if name.startswith(PROBE)}
    expected = probe.pop("forecast", None)
    if expected is None or "past" not in probe:
        raise ArtifactError("The file holds no probe to check the network with.")
    error = float(np.abs(_run_probe(network, probe) - expected).max())
    if not error <= PROBE_TOLERANCE:
        raise ArtifactError(
            f"The loaded network does not answer as the saved one did: its forecasts differ by {error:.3g}. "
            "The file does not belong to this version of the library, or was tampered with."
        )
