"""What is handed out: one run with its verdicts, and several models side by side."""
