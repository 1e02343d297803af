"""botocore's own model of the service, read from the server's side: routes, inputs, outputs, errors.

REST-JSON as the model describes it: members bound to the URI, to headers, to the payload or to the JSON body. A blob is
base64 in JSON and raw bytes as a payload. A document is any JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator

SERVED = (
    "Converse",
    "ConverseStream",
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "CountTokens",
    "ApplyGuardrail",
)


class ServiceError(Exception):
    """What the service answers instead of a result.

    Args:
        code: the error shape's name.
        message: for the caller.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Route:
    """One operation and the parameters that its path names."""

    operation: OperationModel
    uri: Mapping[str, str]


class Service:
    """The model of ``bedrock-runtime``."""

    def __init__(self) -> None:
        self.model = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
        self._routes = [
            (operation.http["method"], _pattern(operation.http["requestUri"]), operation)
            for operation in (self.model.operation_model(name) for name in SERVED)
        ]
        self._validator = ParamValidator()
        self.errors: Mapping[str, int] = {
            name: shape.metadata["error"]["httpStatusCode"]
            for name in self.model.shape_names
            if (shape := self.model.shape_for(name)).metadata.get("exception")
        }
        """HTTP status by the name of each error that the model declares."""

    def route(self, method: str, path: str) -> Route | None:
        """Which operation a request line asks for; None: none that is served here."""
        for known, pattern, operation in self._routes:
            if known == method and (found := pattern.fullmatch(path)):
                return Route(operation, {name: unquote(text) for name, text in found.groupdict().items()})
        return None

    def parse(self, route: Route, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The operation's input, as a client's keyword arguments would be.

        Args:
            route: where it goes.
            headers: by name in lower case.
            body: as it came.

        Raises:
            ServiceError: ValidationException, naming each member that is wrong.
        """
        shape = route.operation.input_shape
        made: dict[str, Any] = {}
        in_body: dict[str, Any] = {}
        payload = shape.serialization.get("payload")
        if payload is None:
            in_body = _json_object(body)
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            wire = member.serialization.get("name", name)
            if location == "uri":
                made[name] = route.uri[wire]
            elif location == "header":
                if (value := headers.get(wire.lower())) is not None:
                    made[name] = value
            elif name == payload:
                made[name] = body
            elif (value := in_body.pop(wire, None)) is not None:
                made[name] = value
        complaints: list[str] = []
        made = {name: _read(value, shape.members[name], name, complaints) for name, value in made.items()}
        report = self._validator.validate(made, shape)
        if report.has_errors():
            complaints.insert(0, report.generate_report())
        complaints.extend(f'Unknown parameter: "{name}"' for name in in_body)
        if complaints:
            raise ServiceError("ValidationException", "; ".join(complaints))
        return made

    def render(self, value: Any, shape: Shape) -> Any:
        """A value of a shape, ready for JSON.

        Raises:
            AssertionError: the server made what the model does not describe.
        """
        if shape.type_name == "structure" and shape.is_document_type:
            return value
        if shape.type_name == "structure":
            assert set(value) <= set(shape.members), (
                f"{shape.name}: {sorted(set(value) - set(shape.members))}"
            )
            missing = set(shape.required_members) - set(value)
            assert not missing, f"{shape.name} lacks {sorted(missing)}"
            return {
                member.serialization.get("name", name): self.render(value[name], member)
                for name, member in shape.members.items()
                if name in value
            }
        if shape.type_name == "list":
            return [self.render(each, shape.member) for each in value]
        if shape.type_name == "map":
            return {key: self.render(each, shape.value) for key, each in value.items()}
        return base64.b64encode(value).decode() if shape.type_name == "blob" else value

    def event_shape(self, operation: OperationModel, event: str) -> Shape:
        """The shape of one event of an operation's stream, or of an exception within it."""
        output = operation.output_shape
        return output.members[output.serialization["payload"]].members[event]

    def stream_error(self, operation: OperationModel, code: str) -> str:
        """The name under which a stream of the operation carries an error.

        Raises:
            KeyError: no stream of it does.
        """
        output = operation.output_shape
        for name, member in output.members[output.serialization["payload"]].members.items():
            if member.name == code:
                return str(name)
        raise KeyError(f"no stream of {operation.name} carries {code}")


@cache
def service() -> Service:
    """The model, read once a process."""
    return Service()


def _pattern(uri: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", uri))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body) if body else {}
    except (ValueError, RecursionError) as error:
        raise ServiceError("ValidationException", f"The request body is no JSON: {error}") from error
    if not isinstance(read, dict):
        raise ServiceError("ValidationException", "The request body is no JSON object")
    return read


def _read(value: Any, shape: Shape, name: str, complaints: list[str]) -> Any:
    """A value as botocore's validator wants it; complains of what that does not look at: enums, maxima, patterns."""
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type and isinstance(value, dict):
        members = shape.members
        return {
            key: _read(each, members[key], f"{name}.{key}", complaints) if key in members else each
            for key, each in value.items()
            if each is not None
        }
    if kind == "list" and isinstance(value, list):
        _limit(len(value), shape, name, complaints)
        return [_read(each, shape.member, f"{name}[{i}]", complaints) for i, each in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        return {key: _read(each, shape.value, f"{name}.{key}", complaints) for key, each in value.items()}
    if kind == "blob" and isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            complaints.append(f"Value at '{name}' is no base64")
            return value
    if kind in {"blob", "string"} and isinstance(value, str | bytes):
        _limit(len(value), shape, name, complaints)
    if kind == "string" and isinstance(value, str):
        if (known := shape.metadata.get("enum")) and value not in known:
            complaints.append(f"Value '{value}' at '{name}' is none of {', '.join(known)}")
        if (pattern := shape.metadata.get("pattern")) and not _compiled(pattern).fullmatch(value):
            complaints.append(f"Value '{value}' at '{name}' does not match {pattern}")
    if kind in {"integer", "long", "float", "double"} and isinstance(value, int | float):
        _limit(value, shape, name, complaints)
    return value


def _limit(value: float, shape: Shape, name: str, complaints: list[str]) -> None:
    most = shape.metadata.get("max")
    if most is not None and value > most:
        complaints.append(f"Value at '{name}' is {value}, at most {most}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def headers_of(output: Mapping[str, Any], shape: Shape) -> Iterator[tuple[str, str]]:
    """Those members of an output that travel as headers."""
    for name, member in shape.members.items():
        if member.serialization.get("location") == "header" and name in output:
            yield member.serialization["name"], str(output[name])
