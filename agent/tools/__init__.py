"""What the agent runs: commands as data, what they print as values, and the one runner."""
