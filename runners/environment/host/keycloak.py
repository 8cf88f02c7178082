"""Keycloak: where its distribution lies, a folder for one instance of it, and the command that is its server.

The server is started as `java` and not by `kc.sh`: that script waits for the JVM as its child, so killing, pausing or
orphaning the script would leave the JVM as it is.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from runners.environment.host.binaries import Binary, Broken

MAIN = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
_SHARED = ("conf", "lib", "providers", "themes")
_MEMORY = ("-Xms64m", "-Xmx512m", "-XX:MaxMetaspaceSize=256m")
_SHORT_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def find() -> Binary | Broken | None:
    """The kc.sh in TESTBED_BIN_DIR, else on PATH, that belongs to a distribution; None without any kc.sh.

    Its version is read, not asked for: that would start a JVM.
    """
    broken: Broken | None = None
    for path, chosen in ((os.environ.get("TESTBED_BIN_DIR"), True), (os.environ.get("PATH", os.defpath), False)):
        script = shutil.which("kc.sh", path=path) if path else None
        if script is None:
            continue
        home = home_of(Path(script))
        if home is None or shutil.which("java") is None:
            why = "it belongs to no Keycloak" if home is None else "there is no java on PATH"
            broken = broken or Broken(Path(script), why)
        else:
            version = re.search(r"\d+(?:\.\d+)+", _text(home / "version.txt"))
            folder = Path(script).parent
            return Binary(folder, version[0] if version else "of unknown version", str(folder), "kc.sh", chosen)
    return broken


def home_of(script: Path) -> Path | None:
    """The distribution that a kc.sh belongs to: its own, or the one whose kc.sh it calls."""
    called = [Path(match[0]) for match in re.finditer(r"/[^\s\"']+/bin/kc\.sh", _text(script)[:4096])]
    for candidate in (script.resolve(), *called):
        home = candidate.parent.parent
        if (home / "lib" / "quarkus-run.jar").is_file():
            return home
    return None


def instance(home: Path, folder: Path, realm: Path) -> Path:
    """A home of its own for the server's data, below `folder`; the distribution itself is only read.

    Its name tells the realm file's content: Keycloak imports a realm only where there is none, so a changed file starts
    from nothing.
    """
    own = place(folder, realm)
    imports = own / "data" / "import"
    imports.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder, own, own / "data", imports):
        path.chmod(0o700)
    for part in _SHARED:
        link = own / part
        if not link.is_symlink() or link.resolve() != (home / part).resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(home / part)
    target = imports / "observastack-realm.json"
    if not target.is_symlink():
        target.symlink_to(realm.resolve())
    return own


def place(folder: Path, realm: Path) -> Path:
    """Where the instance of this realm file lies."""
    return folder / (hashlib.sha256(realm.read_bytes()).hexdigest()[:16] if realm.exists() else "new")


def command(home: Path, own: Path, configuration: Path, *, java: str = "java") -> list[str]:
    """The server in the foreground. own: of `instance`; configuration: a keycloak.conf.

    --cache=local is given at the start: without it, a start after a kill waits half a minute for the dead member.
    """
    opens = [
        f"--add-opens=java.base/java.{part}=ALL-UNNAMED" for part in ("util", "util.concurrent", "security", "lang")
    ]
    return [
        java, *_MEMORY, *_SHORT_START, "-XX:+ExitOnOutOfMemoryError", "-Dfile.encoding=UTF-8", *opens,
        "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
        f"-Dkc.home.dir={own}", "-cp", str(home / "lib" / "quarkus-run.jar"), MAIN,
        f"--config-file={configuration}", "start", "--optimized", "--cache=local", "--import-realm",
    ]  # fmt: skip


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Make an instance for the role `keycloak`; prints the command, an argument a line, then `made` or `found`."""
    parser = argparse.ArgumentParser(prog="runners.environment.host.keycloak")
    for name in ("script", "folder", "realm", "configuration"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--check", action="store_true", help="make nothing")
    options = parser.parse_args(arguments)
    home, java = home_of(options.script), shutil.which("java")
    if home is None or java is None:
        missing = f"{options.script} belongs to no Keycloak" if home is None else "there is no java on PATH"
        print(missing, file=sys.stderr)
        return 2
    before = set(options.folder.glob("*"))
    make = instance if not options.check else lambda _home, folder, realm: place(folder, realm)
    own = make(home, options.folder, options.realm)
    print(*command(home, own, options.configuration, java=java), sep="\n")
    print("found" if own in before else "made")
    return 0


if __name__ == "__main__":
    sys.exit(main())
