"""The instances that serve a tenant: what their telemetry says about itself."""

from __future__ import annotations

from runners.datagen.topology import SERVICES
from runners.ledger.identity import Identity, derive, mix
from runners.ledger.items import RUN_ATTRIBUTE, TENANT_ATTRIBUTE, Resource

_SDK_VERSIONS = {
    "go": "1.38.0",
    "java": "1.55.0",
    "dotnet": "1.13.1",
    "nodejs": "2.2.0",
    "rust": "0.31.0",
    "python": "1.38.0",
}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def fleet(identity: Identity, seed: int, tenant: int, instances: int) -> tuple[Resource, ...]:
    """Resources in order: all instances of the first service, then of the next. The last of several runs the next version."""
    found = []
    for index, service in enumerate(SERVICES):
        for number in range(instances):
            ordinal = index * instances + number
            name = identity.tenants[tenant]
            pod = f"{service.name}-{_word(derive(seed, name, service.name), 9)}-{_word(derive(seed, name, ordinal), 5)}"
            instance = identity.instance_id(tenant, ordinal)
            canary = instances > 1 and number == instances - 1
            found.append(
                Resource(
                    service.name,
                    instance,
                    {
                        "service.name": service.name,
                        "service.namespace": "shop",
                        "service.version": service.next_version if canary else service.version,
                        "service.instance.id": instance,
                        "deployment.environment.name": "production",
                        "host.name": f"node-{derive(seed, name, 'node', ordinal) % 24:02d}",
                        "k8s.namespace.name": "shop",
                        "k8s.pod.name": pod,
                        "telemetry.sdk.name": "opentelemetry",
                        "telemetry.sdk.language": service.language,
                        "telemetry.sdk.version": _SDK_VERSIONS[service.language],
                        TENANT_ATTRIBUTE: name,
                        RUN_ATTRIBUTE: identity.run,
                    },
                )
            )
    return tuple(found)


def _word(number: int, length: int) -> str:
    """As Kubernetes makes the random part of a pod's name: no vowels, no ambiguous digits."""
    letters = []
    for _ in range(length):
        number, letter = divmod(mix(number), len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)
