"""train_model is the loop of the textbooks, for anybody's network and loader."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import timeseries
from timeseries.deeplearning.trainer import train_model
from timeseries.errors import DataError, SettingError, TrainingError


def loader():
    """23 rows in batches of 10, the last of which has 3."""
    X = torch.randn(23, 4, generator=torch.Generator().manual_seed(0))
    shuffled = torch.Generator().manual_seed(1)
    return DataLoader(TensorDataset(X, X.sum(1, keepdim=True)), 10, shuffle=True, generator=shuffled)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1))


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=0.01)


def test_it_is_the_loop_that_one_would_write_by_hand():
    ours, theirs = network(), network()
    torch.manual_seed(2)
    losses = timeseries.train_model(ours, loader(), adam(ours), nn.MSELoss(), epochs=3)
    torch.manual_seed(2)
    optimizer, criterion, expected, batches = adam(theirs), nn.MSELoss(), [], loader()
    for _ in range(3):
        total = 0.0
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = criterion(theirs(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        expected.append(total / 23)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)
    assert losses == pytest.approx(expected, rel=1e-6)


def test_ten_epochs_are_the_default_and_the_network_is_left_in_training_mode():
    model = network().eval()
    assert len(train_model(model, loader(), adam(model), nn.MSELoss())) == 10
    assert model.training


def test_a_recurrent_network_and_any_criterion_will_do():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(2, 8, batch_first=True), nn.Linear(8, 1)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])  # (B, 1)

    X = torch.randn(40, 5, 2)
    model = Last()
    rows = [(X[:20], X[:20, -1, :1]), (X[20:], X[20:, -1, :1])]
    losses = train_model(model, rows, adam(model), lambda found, y: (found - y).abs().mean(), epochs=30)
    assert losses[-1] < 0.7 * losses[0]


def test_what_cannot_be_trained_on_is_named():
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(DataError, match="train_loader gives none"):
        train_model(model, [], adam(model), nn.MSELoss())
    with pytest.raises(SettingError, match="epochs must be a whole number >= 1, got 0"):
        train_model(model, loader(), adam(model), nn.MSELoss(), epochs=0)
    assert all(torch.equal(before[name], part) for name, part in model.state_dict().items())
    steep = torch.optim.SGD(model.parameters(), lr=1e30)
    with pytest.raises(TrainingError, match=r"The loss of epoch 1 is (nan|inf): lower the learning rate, or"):
        train_model(model, loader(), steep, nn.MSELoss(), epochs=9)


X, Y = torch.ones(4, 3), torch.ones(4, 1)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X.numpy(), Y.numpy())], r"two tensors, got \(ndarray, ndarray\). torch.from_numpy"),
        ([(X, Y, Y)], r"two tensors, got \(Tensor, Tensor, Tensor\)"),
        ([X], r"two tensors, got \(Tensor\)"),
        ((pair for pair in [(X, Y)]), "gives none in epoch 2. A generator can be walked over once"),
    ],
    ids=["arrays", "three", "one", "generator"],
)
def test_batches_that_are_none_are_refused_with_what_makes_them(batches, message):
    model = nn.Linear(3, 1)
    with pytest.raises(DataError, match=message):
        train_model(model, batches, adam(model), nn.MSELoss())


def test_an_estimator_is_told_to_fit():
    with pytest.raises(SettingError, match=r"trains an nn.Module, got LSTMModel\(\).*fit\(X, y\)"):
        train_model(timeseries.LSTMModel(), [(X, Y)], adam(nn.Linear(1, 1)), nn.MSELoss())
