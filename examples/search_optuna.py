"""A search for networks that are good and fit: Optuna proposes, mcuplan says what a board has room for.

    pip install mcuplan "optuna>=5"
    python examples/search_optuna.py --board arduino-nano-33-ble-sense --trials 60

The search draws depthwise-separable networks for pictures of 96 x 96. It makes two things better at once: a stand-in
for accuracy (a real search would train the network here, for some epochs), and the arena. What does not pass on the
board is told to the sampler as a broken constraint, by how much, so that it learns to stay inside.
"""

from __future__ import annotations

import argparse
import math

import optuna

import mcuplan
from mcuplan.graph import Graph
from mcuplan.tflite import write
from mcuplan.zoo.builder import Builder

BLOCKS = 5


def network(trial: optuna.Trial) -> Graph:
    """The network that a trial proposes; yours would come from a converter, as bytes."""
    b = Builder(seed=1)
    x = b.conv2d(b.input((1, 96, 96, 1)), trial.suggest_int("stem", 8, 32, step=8), 3, stride=2)
    for i in range(BLOCKS):
        width = trial.suggest_int(f"width{i}", 16, 256, step=16)
        kernel = trial.suggest_categorical(f"kernel{i}", [3, 5])
        x = b.conv2d(b.depthwise_conv2d(x, kernel, stride=2 if i % 2 else 1), width, 1)
    return b.graph([b.softmax(b.fully_connected(b.reshape(b.mean(x, (1, 2)), (1, x.channels)), 2))])


def accuracy(macs: int, weights: int) -> float:
    """A stand-in: more work and more weights help, less and less. Train the network in its place."""
    return 1 - 0.5 * math.exp(-macs / 8e6) - 0.3 * math.exp(-weights / 60e3)


def search(board: str, trials: int, seed: int = 1) -> optuna.Study:
    """The study after so many trials; its best trials are the front of accuracy and arena, of what passes."""

    def objective(trial: optuna.Trial) -> tuple[float, int]:
        found = mcuplan.check(write(network(trial)), board=board, name=f"trial {trial.number}").result
        assert found.arena is not None
        assert found.flash is not None
        for limit in found.limits.rules:
            trial.set_constraint(limit.resource, limit.figure - limit.limit)
        trial.set_user_attr("verdict", found.verdict)
        return accuracy(found.macs or 0, found.flash.weights_bytes), found.arena.declare_bytes

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(seed=seed, population_size=20)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=trials)
    return study


def main() -> None:
    """Search, and print the front."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="arduino-nano-33-ble-sense")
    parser.add_argument("--trials", type=int, default=60)
    options = parser.parse_args()
    study = search(options.board, options.trials)
    fit = sum(trial.user_attrs["verdict"] == "pass" for trial in study.trials)
    print(f"{fit} of {len(study.trials)} networks pass on {options.board}; the front of accuracy and arena:")
    for trial in sorted(study.best_trials, key=lambda trial: trial.values[1]):
        print(f"  arena {trial.values[1]:>9,.0f} bytes, accuracy {trial.values[0]:.3f}, trial {trial.number}")


if __name__ == "__main__":
    main()
