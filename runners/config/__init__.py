"""Settings and user files: one YAML grammar, one precedence, errors that name file and line."""
