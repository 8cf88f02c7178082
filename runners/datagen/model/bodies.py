"""What the body of a log record says: the message of a line, in the format in which its service writes."""

from __future__ import annotations

from collections.abc import Mapping

from runners.datagen.formats import Facts, compile_format
from runners.datagen.formats import Line as Written
from runners.datagen.formats.mix import USUAL, Mix, format_of
from runners.datagen.formats.novelty import novel_message
from runners.datagen.model.asides import aside
from runners.datagen.model.fields import VARIANTS
from runners.datagen.model.shapes import Visit
from runners.datagen.shop import SERVICES
from runners.datagen.topology import CLIENT, DEBUG, SERVER, Line

# The rarest variants of what only developers read: together one debug line in a hundred.
_NOISY = VARIANTS - 4
LANGUAGES = {service.name: service.language for service in SERVICES}


USUALLY, NOVEL, ASIDE = range(3)
MANNERS = 3
"""What a record says: what the topology names, a pattern that the service never wrote before, a remark beside the point."""


def spoken(visit: Visit, line: Line, variant: int, manner: int) -> Line:
    """The line, or the remark that stands in its place."""
    return aside(visit, line, variant) if manner == ASIDE else line


def written(visit: Visit, line: Line, fields: Mapping[str, str], *, manner: int = USUALLY, mix: Mix = USUAL) -> Written:
    """The line as its service writes it. mix: weights of the formats among the services."""
    operation = visit.operation
    service, language = operation.service, LANGUAGES[operation.service]
    novel, usual = manner == NOVEL, manner == USUALLY
    message = novel_message(service, "anomaly") if novel else line.body.format_map(fields) if usual else line.body
    about: dict[str, str | int] = {"worker": int(fields["worker"])}
    error, variant = None, int(fields["variant"])
    name = format_of(mix, service, language)
    if line.severity[1] == "ERROR" and visit.error is not None and visit.origin:
        error = (visit.error[0], visit.error[1].format_map(fields))
    if service == "gateway" and operation.kind == SERVER and usual:
        name = "nginx"
        about |= {
            "method": str(operation.attributes["http.request.method"]),
            "path": str(operation.attributes["url.path"]).format_map(fields),
            "status": visit.http_status or 200, "client": fields["client"], "agent": fields["agent"],
            "user": fields["user"],
        }  # fmt: skip
    elif operation.attributes.get("db.system.name") == "postgresql" and operation.kind == CLIENT and usual:
        name = "postgres"
        about["statement"] = str(operation.attributes["db.query.text"])
    elif line.severity is DEBUG and variant >= _NOISY and usual:
        name = "noise"
    facts = Facts(
        service, language, operation.name, line.severity[1], message, about, error, variant
    )  # fmt: skip
    return compile_format(name, facts)
