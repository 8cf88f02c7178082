"""What is wrong at a tenant raises its alert, and nothing else does: the shipped rules in Prometheus' own test tool."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

RULES = files("observastack") / "alerting" / "rules" / "tenants.yml"
BOUNDS = ("0.5", "1.0", "2.5", "+Inf")


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    told = ",".join(f'{key}="{value}"' for key, value in {"tenant": "acme", **labels}.items())
    return {"series": f"{name}{{{told}}}", "values": values}


def durations(
    service: str, steps: tuple[float, ...], *, name: str = "traces_span_metrics_duration"
) -> list[dict[str, str]]:
    """A histogram whose buckets grow by so much every 10 s."""
    found = [
        series(f"{name}_bucket", f"0+{step}x60", service=service, le=bound)
        for bound, step in zip(BOUNDS, steps, strict=True)
    ]
    return [*found, series(f"{name}_count", f"0+{steps[-1]}x60", service=service)]


def fired(folder: Path, alert: str, inputs: list[dict[str, str]], expected: list[dict[str, str]], at: str) -> None:
    """Fails unless exactly these alerts of that name fire then. Labels that all have are added; words are left out."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on PATH")
    wanted: list[dict[str, Any]] = [
        {"exp_labels": {"tenant": "acme", "source": "prometheus", **one}} for one in expected
    ]
    lines = [
        line for line in RULES.read_text().splitlines() if not line.lstrip().startswith(("annotations:", "summary:"))
    ]
    (folder / "rules.yml").write_text("\n".join(lines))
    test = {
        "rule_files": ["rules.yml"], "evaluation_interval": "5s",
        "tests": [{
            "interval": "10s", "input_series": inputs,
            "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": wanted}],
        }],
    }  # fmt: skip
    (folder / "test.yml").write_text(json.dumps(test))
    done = subprocess.run([promtool, "test", "rules", folder / "test.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SLOW = durations("payment", (1, 2, 10, 20))  # the 95th percentile lies above 2.5 s
FAST = durations("catalog", (19.8, 20, 20, 20))
RARE = durations("admin", (0, 0, 0, 0.1))  # one request in a hundred seconds


def test_a_service_is_slow_by_its_histogram(tmp_path: Path) -> None:
    wanted = {"service": "payment", "severity": "warning"}
    fired(tmp_path, "ServiceSlow", [*SLOW, *FAST, *RARE], [wanted], "4m")
    fired(tmp_path, "ServiceSlow", [*FAST, *RARE], [], "4m")
    seconds = durations("payment", (1, 2, 10, 20), name="traces_span_metrics_duration_seconds")
    fired(tmp_path, "ServiceSlow", seconds, [wanted], "4m")


def test_a_service_fails_by_the_share_of_its_calls(tmp_path: Path) -> None:
    calls = [
        series("traces_span_metrics_calls", f"0+{step}x60", service=service, status_code=code)
        for service, code, step in (
            ("payment", "STATUS_CODE_ERROR", 2), ("payment", "STATUS_CODE_UNSET", 10),
            ("catalog", "STATUS_CODE_ERROR", 1), ("catalog", "STATUS_CODE_UNSET", 99),
        )
    ]  # fmt: skip
    fired(tmp_path, "ServiceErrors", calls, [{"service": "payment", "severity": "error"}], "3m")


def test_a_disk_is_nearly_full_and_a_service_silent(tmp_path: Path) -> None:
    disks = [
        series("system_filesystem_utilization", "0.97+0x60", service="accounts"),
        series("system_filesystem_utilization", "0.9+0x60", service="catalog"),
    ]
    fired(tmp_path, "DiskNearlyFull", disks, [{"service": "accounts", "severity": "warning"}], "2m")
    heard = series("process_thread_count", "8+0x60", service="catalog")
    ended = series("process_thread_count", "8+0x12", service="search")
    fired(tmp_path, "ServiceSilent", [heard, ended], [], "2m30s")
    fired(tmp_path, "ServiceSilent", [heard, ended], [{"service": "search", "severity": "error"}], "5m")
    fired(tmp_path, "ServiceSilent", [ended], [], "5m")
