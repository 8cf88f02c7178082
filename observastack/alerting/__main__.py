"""`python -m observastack.alerting --config FILE --out DIR`: prometheus.yml, alertmanager.yml, rules/, tokens/.

prometheus --config.file DIR/prometheus.yml --web.enable-remote-write-receiver …
alertmanager --config.file DIR/alertmanager.yml …
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from observastack import config as configuration
from observastack.alerting.documents import Timing, alertmanager, prometheus
from observastack.config import Config
from observastack.errors import EXIT_NOT_READY, ConfigError, PlatformError
from observastack.store.identities import TENANT_KEY, load_webhook_tokens

RULES = ("platform.yml", "tenants.yml")


def main(arguments: list[str] | None = None) -> int:
    """Write what differs; says how many files were. Exit code 2 with a sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="observastack.alerting", description="Configure a Prometheus and an Alertmanager for the platform."
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="configuration of the platform (JSON)")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the files; holds tokens")
    parser.add_argument("--platform-tenant", metavar="TENANT", help="who gets alerts about the platform itself")
    parser.add_argument("--interval", type=int, default=Timing.interval, metavar="S", help="of scrapes and rules")
    options = parser.parse_args(arguments)
    try:
        if options.platform_tenant is not None and not TENANT_KEY.fullmatch(options.platform_tenant):
            raise PlatformError(f"{options.platform_tenant!r} is not a tenant id", remedy=f"use {TENANT_KEY.pattern}")
        config = configuration.load(options.config)
        written = write(config, options.out.resolve(), Timing(interval=options.interval), options.platform_tenant)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_READY
    print(f"{len(written)} files written: {', '.join(written)}" if written else "up to date")
    return 0


def write(config: Config, folder: Path, timing: Timing, platform_tenant: str | None = None) -> list[str]:
    """The names of the files that were not there or said something else. Raises PlatformError."""
    if config.alertmanager_url is None:
        raise ConfigError("alertmanager_url is missing", file=config.file, remedy="add alertmanager_url")
    tokens = load_webhook_tokens(config.webhook_tokens_file)
    if not tokens:
        raise ConfigError("no tenant has a webhook token", file=config.file, remedy="add webhook_tokens_file")
    jobs = {
        "observastack-backend": _address(config.backend.host, config.backend.port),
        "observastack-ingest": _address(config.ingest.host, config.ingest.port),
    }
    if config.stores.prometheus_url is not None:
        jobs["prometheus"] = urlsplit(config.stores.prometheus_url).netloc
    rules = [folder / "rules" / name for name in RULES]
    secrets = {tenant: folder / "tokens" / tenant for tenant in tokens}
    content: dict[Path, str] = {
        folder / "prometheus.yml": _text(prometheus(jobs, config.alertmanager_url, rules, timing, platform_tenant)),
        folder / "alertmanager.yml": _text(alertmanager(f"http://{jobs['observastack-backend']}", secrets, timing)),
    }
    content |= {file: files("observastack.alerting").joinpath("rules", file.name).read_text() for file in rules}
    content |= {secrets[tenant]: token for tenant, token in tokens.items()}
    try:
        for part in (folder, folder / "rules", folder / "tokens"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = [str(file.relative_to(folder)) for file, text in content.items() if _written(file, text)]
        for file in (folder / "tokens").iterdir():
            if file not in content:  # of a tenant that is gone
                file.unlink()
    except OSError as error:
        raise PlatformError(f"cannot be written: {error.strerror}", file=folder, remedy="see --out") from error
    return written


def _written(file: Path, text: str) -> bool:
    if file.exists() and file.read_text() == text and file.stat().st_mode & 0o777 == 0o600:
        return False
    temporary = file.with_name(f"{file.name}.tmp")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(text)
    temporary.rename(file)
    return True


def _text(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"


def _address(host: str, port: int) -> str:
    """Where the process is reached from this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


if __name__ == "__main__":
    sys.exit(main())
