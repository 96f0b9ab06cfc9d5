"""The base of every API type: how a Python class stands for a Kubernetes type on the wire.

A model is the single source of a type's fields: their Python and wire names, their types, and the
*traits* the wire needs beyond types (list-merge keys, enum values, how an empty value is written).

Defaults are Go's zero values, never Kubernetes' defaults: a client that reads an object and puts it
back must not write values it never chose. So `pod.spec.node_name == ""` means "not set", a pointer
field is `None` when absent, and a struct that is not a pointer is always there.

Source of the zero rule: Go's encoding/json `omitempty` as the types of k8s.io/api use it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict
from pydantic_core import PydanticUndefined

# Words of a snake_case name that the wire spells in capitals, wherever they are not the first word.
ACRONYMS = {
    **{
        word: word.upper()
        for word in (
            "cidr", "dn", "fqdn", "gid", "id", "io", "ip", "ipc", "os", "pid", "qps",
            "uid", "uri", "url", "uuid", "wwn",
        )
    },
    "cidrs": "CIDRs",
    "ips": "IPs",
    "urls": "URLs",
    "wwns": "WWNs",
}  # fmt: skip


def wire_name(snake: str) -> str:
    """The wire's spelling of a Python field name: `pod_ip` → `podIP`, `continue_` → `continue`."""
    first, *rest = snake.rstrip("_").split("_")
    return first + "".join(ACRONYMS.get(word, word.capitalize()) for word in rest)


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as metav1.Time is written."""
    # Many times as fast as strftime, on the way of every write.
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:-6] + "Z"


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals, as metav1.MicroTime is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def parse_time(text: str) -> datetime:
    """The moment an RFC 3339 text names; ValueError when it is none."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    return datetime.fromisoformat(text.upper())


def _decode_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


class Format(NamedTuple):
    """Marks a scalar whose wire form needs a name: int32, int64, quantity, int-or-string, time..."""

    name: str


Int32 = Annotated[int, Format("int32")]
Int64 = Annotated[int, Format("int64")]
Time = Annotated[datetime, Strict(False), PlainSerializer(format_time), Format("time")]
MicroTime = Annotated[
    datetime, Strict(False), PlainSerializer(format_micro_time), Format("micro-time")
]
Quantity = Annotated[str, Strict(False), Field(coerce_numbers_to_str=True), Format("quantity")]
IntOrString = Annotated[int | str, Format("int-or-string")]
Base64 = Annotated[
    bytes,
    BeforeValidator(_decode_base64),
    PlainSerializer(lambda data: base64.b64encode(data).decode()),
    Format("byte"),
]
RawObject = Annotated[dict[str, Any], Format("object")]

Zero = Literal["", "kept", "omitzero"]


class Traits(NamedTuple):
    """What a field's type does not say.

    required:  upstream's OpenAPI lists it as required
    zero:      "" = omitted when empty, but structs that are not pointers are always written;
               "kept" = always written; "omitzero" = a struct omitted when empty
    list_type: "", "atomic", "set" or "map" (server-side apply's merge of lists)
    keys:      the keys of a "map" list
    merge_key: strategic merge patch's key; None = no merge strategy at all (the list is replaced),
               "" = a list of scalars merged as a set
    map_type:  "" or "atomic"
    retain_keys: strategic merge's `retainKeys` strategy
    enum:      the values upstream lists, empty when any is allowed
    number:    the field's number in the protobuf encoding, where it is not one more than the field
               before; "2.3" is field 3 of an inlined struct that is field 2
    """

    required: bool = False
    zero: Zero = ""
    list_type: str = ""
    keys: tuple[str, ...] = ()
    merge_key: str | None = None
    map_type: str = ""
    retain_keys: bool = False
    enum: tuple[str, ...] = ()
    number: str = ""


NO_TRAITS = Traits()


def wire(
    default: Any = None,
    *,
    struct: Callable[[], Model] | None = None,
    alias: str | None = None,
    **traits: Any,
) -> Any:
    """A model field with traits (see `Traits`). `struct` is the class of a struct that is no pointer."""
    extra = {"traits": Traits(**traits)} if traits else None
    if struct is not None:
        return Field(default_factory=struct, alias=alias, json_schema_extra=extra)  # type: ignore[arg-type]  # any object is a legal "extra" here; it never reaches a JSON schema
    return Field(default=default, alias=alias, json_schema_extra=extra)  # type: ignore[arg-type]  # as above


def traits_of(model: type[Model], field: str) -> Traits:
    """The traits of a field, by its Python name."""
    extra = model.model_fields[field].json_schema_extra
    return extra["traits"] if isinstance(extra, dict) else NO_TRAITS  # type: ignore[return-value]  # only `wire` puts it there


class Model(BaseModel):
    """Any API type. Frozen: informers share objects between workers; change by `with_()`.

    ATOMIC: server-side apply owns a struct of this type whole (upstream's `structType=atomic`).
    """

    ATOMIC: ClassVar[bool] = False

    model_config = ConfigDict(
        alias_generator=wire_name,
        populate_by_name=True,
        frozen=True,
        strict=True,
        extra="ignore",
        defer_build=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make empty lists and maps by factory: pydantic would deep-copy each such default, which
        costs three times the rest of decoding a small object."""
        super().__pydantic_init_subclass__(**kwargs)
        for field in cls.model_fields.values():
            if isinstance(field.default, list | dict) and not field.default:
                field.default_factory = type(field.default)
                field.default = PydanticUndefined

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Make what reads and writes this type, when it is first used; of its inner types first.

        pydantic shares what is ready and copies what is not: from the outside in, a pod's spec would
        be there once for each kind with a pod template, which took a daemon a third of its memory.
        """
        if cls.__pydantic_complete__:
            return super().model_rebuild(**options)
        for inner in _inner_types(cls):
            if not inner.__pydantic_complete__ and inner not in _begun:
                _begun.add(inner)
                inner.model_rebuild()
        options["_parent_namespace_depth"] = options.get("_parent_namespace_depth", 2) + 1
        return super().model_rebuild(**options)

    def to_wire(self) -> dict[str, Any]:
        """The decoded-JSON tree of this value, without empty fields (the server adds what is kept)."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def to_json(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_defaults=True).encode()

    @classmethod
    def from_wire(cls, tree: Mapping[str, Any]) -> Self:
        """Read a decoded-JSON tree; pydantic.ValidationError when a type is wrong."""
        return cls.model_validate(tree)

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        return cls.model_validate_json(data)

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields replaced (by Python name)."""
        return self.model_copy(update=changes)


_begun: set[type[Model]] = set()  # types that are made already, or hold themselves


def _inner_types(model: type[Model]) -> Iterator[type[Model]]:
    """The models that a model's fields hold, as such or in lists, maps and unions."""
    types: list[Any] = [field.annotation for field in model.model_fields.values()]
    while types:
        one = types.pop()
        if isinstance(one, type) and issubclass(one, Model):
            yield one
        types += get_args(one)


class GroupVersionKind(NamedTuple):
    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The wire's `apiVersion`: `v1` for the core group, else `group/version`."""
        return f"{self.group}/{self.version}" if self.group else self.version


class TypedModel(Model):
    """A type that stands alone on the wire: it says its `kind` and `apiVersion`."""

    GVK: ClassVar[GroupVersionKind]

    def to_wire(self) -> dict[str, Any]:
        return {"kind": self.GVK.kind, "apiVersion": self.GVK.api_version, **super().to_wire()}

    def to_json(self) -> bytes:
        head = f'{{"kind":"{self.GVK.kind}","apiVersion":"{self.GVK.api_version}"'.encode()
        rest = super().to_json()
        return head + b"}" if rest == b"{}" else head + b"," + rest[1:]
