"""PostgreSQL's folder belongs to its user, and who looks after it may be root."""

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
