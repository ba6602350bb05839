"""The state machine model: definitions in the Amazon States Language, kept as a history of events."""
