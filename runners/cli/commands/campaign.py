from runners.cli.main import Commands


def register(commands: Commands) -> None:
    """Nothing yet."""
