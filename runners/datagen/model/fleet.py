"""The instances that serve a tenant: what their telemetry says about itself."""

from __future__ import annotations

from runners.datagen.model.roster import Roster
from runners.datagen.shop import SERVICES
from runners.datagen.topology import Service
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


_NODES = 24


def fleet(identity: Identity, seed: int, tenant: int, roster: Roster) -> tuple[Resource, ...]:
    """Resources in the roster's order. The last of several instances of a service runs the next version from the beginning."""
    name, found = identity.tenants[tenant], []
    for ordinal, member in enumerate(roster.members):
        service = SERVICES[member.service]
        image = (member.generation,) if member.generation else ()
        pod = f"{service.name}-{_word(derive(seed, name, service.name, *image), 9)}-{_word(derive(seed, name, ordinal), 5)}"
        instance = identity.instance_id(tenant, ordinal)
        canary = not member.generation and roster.instances > 1 and member.slot == roster.instances - 1
        found.append(
            Resource(
                service.name,
                instance,
                {
                    "service.name": service.name,
                    "service.namespace": "shop",
                    "service.version": _version(service, member.generation or int(canary)),
                    "service.instance.id": instance,
                    "deployment.environment.name": "production",
                    "host.name": f"node-{node(seed, name, ordinal):02d}",
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


def node(seed: int, tenant: str, ordinal: int) -> int:
    """The number of the host that an instance runs on."""
    return derive(seed, tenant, "node", ordinal) % _NODES


def skews(seed: int, tenant: str, instances: int, most_ns: int) -> list[int]:
    """By ordinal, how many nanoseconds the clock of its host is fast (or slow, below 0): at most so much."""
    hosts = [derive(seed, "skew", host) % (2 * most_ns + 1) - most_ns for host in range(_NODES)]
    return [hosts[node(seed, tenant, ordinal)] for ordinal in range(instances)]


def _version(service: Service, step: int) -> str:
    """The version after so many releases."""
    if step < 2:
        return service.next_version if step else service.version
    head, _, patch = service.next_version.rpartition(".")
    return f"{head}.{int(patch) + step - 1}"


def _word(number: int, length: int) -> str:
    """As Kubernetes makes the random part of a pod's name: no vowels, no ambiguous digits."""
    letters = []
    for _ in range(length):
        number, letter = divmod(mix(number), len(_ALPHABET))
        letters.append(_ALPHABET[letter])
    return "".join(letters)
