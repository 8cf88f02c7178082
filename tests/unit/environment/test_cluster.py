"""PostgreSQL's folder belongs to its user, and who looks after it may be root."""

import os
import subprocess
from pathlib import Path

from runners.environment.host import cluster


def test_a_link_in_the_place_of_our_own_note_is_not_followed(tmp_path: Path) -> None:
    data, precious, password = tmp_path / "data", tmp_path / "precious", tmp_path / "password"
    data.mkdir()
    precious.write_text("precious")
    password.write_text("secret")
    (data / cluster.STAMP).symlink_to(precious)
    cluster._write_stamp(data, password, None)
    assert precious.read_text() == "precious"
    assert cluster.knows(data, password) and not (data / cluster.STAMP).is_symlink()


def test_who_may_log_in_is_compared_with_what_initdb_made(tmp_path: Path) -> None:
    made = tmp_path / cluster.INITIAL
    made.mkdir()
    for name in ("pg_hba.conf", "postgresql.conf"):
        (made / name).write_text(f"{name} as made")
        (tmp_path / name).write_text(f"{name} as made")
    assert cluster.edited(tmp_path) == {}
    (tmp_path / "pg_hba.conf").write_text("host all all 0.0.0.0/0 trust")
    (tmp_path / "postgresql.conf").unlink()
    assert cluster.edited(tmp_path) == {
        "pg_hba.conf": b"pg_hba.conf as made", "postgresql.conf": b"postgresql.conf as made",
    }  # fmt: skip


def test_the_pid_file_of_a_server_that_a_reboot_ended_keeps_no_other_from_starting(tmp_path: Path) -> None:
    """Its shared memory went with the machine, and its pid is some other process's by now: this one's."""
    lines = [
        str(os.getpid()),
        str(tmp_path),
        "1700000000",
        "5432",
        "",
        "127.0.0.1",
        f"  5432001    {2**31 - 7}",
        "ready",
    ]
    (tmp_path / "postmaster.pid").write_text("\n".join(lines))
    assert cluster.forget_lock(tmp_path)
    assert not cluster.forget_lock(tmp_path)


def test_the_pid_file_of_a_server_that_lives_stays(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as server:
        try:
            (tmp_path / "postmaster.pid").write_text(f"{server.pid}\n")
            assert not cluster.forget_lock(tmp_path)
        finally:
            server.kill()
