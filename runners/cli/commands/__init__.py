"""One module per group of commands. Each has `register(commands)`; it imports nothing heavy before it runs."""
