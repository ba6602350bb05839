"""The language of state machines: definitions, data paths, conditions and retries; pure, no clock and no SimPy."""
