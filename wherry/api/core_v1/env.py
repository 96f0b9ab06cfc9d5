"""Environment variables and their sources."""

from __future__ import annotations

from wherry.api.model import Model, Quantity, wire


class ObjectFieldSelector(Model):
    ATOMIC = True

    api_version: str = ""
    field_path: str = wire("", required=True, zero="kept")


class ResourceFieldSelector(Model):
    ATOMIC = True

    container_name: str = ""
    resource: str = wire("", required=True, zero="kept")
    divisor: Quantity = wire("", zero="kept")


class ConfigMapKeySelector(Model):
    ATOMIC = True

    name: str = wire("", number="1.1")
    key: str = wire("", required=True, zero="kept", number="2")
    optional: bool | None = None


class SecretKeySelector(Model):
    ATOMIC = True

    name: str = wire("", number="1.1")
    key: str = wire("", required=True, zero="kept", number="2")
    optional: bool | None = None


class FileKeySelector(Model):
    ATOMIC = True

    volume_name: str = wire("", required=True, zero="kept")
    path: str = wire("", required=True, zero="kept")
    key: str = wire("", required=True, zero="kept")
    optional: bool | None = None


class EnvVarSource(Model):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(Model):
    name: str = wire("", required=True, zero="kept")
    value: str = ""
    value_from: EnvVarSource | None = None


class ConfigMapEnvSource(Model):
    name: str = wire("", number="1.1")
    optional: bool | None = wire(None, number="2")


class SecretEnvSource(Model):
    name: str = wire("", number="1.1")
    optional: bool | None = wire(None, number="2")


class EnvFromSource(Model):
    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None
