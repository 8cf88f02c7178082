"""The messages of Loki push and Prometheus remote write 1.0, made from their field numbers: no generated code.

Sources: grafana/loki pkg/push/push.proto; prometheus/prometheus prompb/remote.proto and types.proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto

_STRING, _DOUBLE, _INT64, _INT32 = Field.TYPE_STRING, Field.TYPE_DOUBLE, Field.TYPE_INT64, Field.TYPE_INT32

# message -> (number, name, scalar type or message name, repeated)
_Fields = tuple[tuple[int, str, "int | str", bool], ...]
_MESSAGES: dict[str, _Fields] = {
    "Timestamp": ((1, "seconds", _INT64, False), (2, "nanos", _INT32, False)),
    "LabelPair": ((1, "name", _STRING, False), (2, "value", _STRING, False)),
    "Entry": (
        (1, "timestamp", "Timestamp", False), (2, "line", _STRING, False), (3, "metadata", "LabelPair", True),
    ),
    "Stream": ((1, "labels", _STRING, False), (2, "entries", "Entry", True)),
    "PushRequest": ((1, "streams", "Stream", True),),
    "Sample": ((1, "value", _DOUBLE, False), (2, "timestamp", _INT64, False)),
    # Native histograms and exemplars are not read, only counted: their bytes stay as they are.
    "TimeSeries": (
        (1, "labels", "LabelPair", True), (2, "samples", "Sample", True), (4, "histograms", Field.TYPE_BYTES, True),
    ),
    "WriteRequest": ((1, "timeseries", "TimeSeries", True),),
}  # fmt: skip


def _classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="observastack/foreign.proto", package="observastack.foreign", syntax="proto3")
    for message, fields in _MESSAGES.items():
        description = file.message_type.add(name=message)
        for number, name, kind, repeated in fields:
            field = description.field.add(number=number, name=name)
            field.label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = Field.TYPE_MESSAGE, f".observastack.foreign.{kind}"
            else:
                field.type = Field.Type.ValueType(kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"observastack.foreign.{name}"))
        for name in _MESSAGES
    }


_made = _classes()
PushRequest: Any = _made["PushRequest"]
WriteRequest: Any = _made["WriteRequest"]
