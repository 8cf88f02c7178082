"""Every cause comes with what to do about it, from what servers really say."""

import pytest

from runners.environment.host.remedy import remedy

SERVICE = {"name": "redis", "port": 6379, "log": "/srv/env/local/logs/redis.log"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "Warning: Could not create server TCP listening socket 127.0.0.1:6379: bind: Address already in use",
            "port 6379",
        ),
        ('could not bind IPv4 address "127.0.0.1": Address already in use', "ss -ltnp"),
        ("FATAL:  could not write lock file: No space left on device", "df /srv/env/local"),
        ("*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***", "testbed rollback"),
        ('unrecognized configuration parameter "no_such_setting"', "testbed config show"),
        ('could not open file "postmaster.pid": Permission denied', "ls -la /srv/env/local"),
        ('FATAL:  password authentication failed for user "postgres"', "--rotate-secrets"),
        ("The data directory was initialized by PostgreSQL version 14, which is not compatible", "--fresh"),
        ("/opt/loki: No such file or directory", "testbed doctor"),
    ],
)
def test_what_servers_say_has_a_remedy(line: str, sentence: str) -> None:
    assert sentence in remedy(SERVICE, "it ends after its start, again and again", ["starting", line])


def test_a_reason_without_a_log_has_one_too() -> None:
    assert "run testbed up again" in remedy(SERVICE, "not ready in time: no answer within 2 s", [])


def test_what_nobody_knows_leads_to_the_log() -> None:
    assert remedy(SERVICE, "it ends after its start, again and again", ["Segmentation fault"]) == (
        "read its log: /srv/env/local/logs/redis.log"
    )
