"""`python -m durable_sim` is the same program as `durable-sim`."""

import sys

from durable_sim.cli import main

if __name__ == "__main__":
    sys.exit(main())
