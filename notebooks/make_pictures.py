"""Draw the pictures of the README anew: `python notebooks/make_pictures.py`."""

from pathlib import Path

import durable_sim as ds
from durable_sim.files.scenario_file import load

HERE = Path(__file__).parent


def main() -> None:
    """Write notebooks/pictures/outcomes.png."""
    loaded = load(HERE.parent / "scenarios" / "order_fulfillment.toml")
    seed = loaded.file.seed
    comparison = ds.compare_scenario(loaded.scenario(seed), loaded.file.models, seed)
    faults = comparison.faults
    figure = comparison.matrix(
        title="320 orders, one flaky world, seven ways of running the workflow",
        subtitle=f"The correct workflow, with idempotency keys; {faults['fired']} crashes and deploys or more. Seed {seed}.",
    )
    pictures = HERE / "pictures"
    pictures.mkdir(exist_ok=True)
    figure.savefig(pictures / "outcomes.png", dpi=110)


if __name__ == "__main__":
    main()
