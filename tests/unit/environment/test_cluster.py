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
