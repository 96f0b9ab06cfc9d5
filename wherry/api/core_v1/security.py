"""Security contexts."""

from __future__ import annotations

from wherry.api.model import Int64, Model, wire


class Capabilities(Model):
    add: list[str] = wire([], list_type="atomic")
    drop: list[str] = wire([], list_type="atomic")


class SELinuxOptions(Model):
    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


class WindowsSecurityContextOptions(Model):
    gmsa_credential_spec_name: str | None = None
    gmsa_credential_spec: str | None = None
    run_as_user_name: str | None = None
    host_process: bool | None = None


class SeccompProfile(Model):
    type: str = wire(
        "", required=True, zero="kept", enum=("Localhost", "RuntimeDefault", "Unconfined")
    )
    localhost_profile: str | None = None


class AppArmorProfile(Model):
    type: str = wire(
        "", required=True, zero="kept", enum=("Localhost", "RuntimeDefault", "Unconfined")
    )
    localhost_profile: str | None = None


class Sysctl(Model):
    name: str = wire("", required=True, zero="kept")
    value: str = wire("", required=True, zero="kept")


class SecurityContext(Model):
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    se_linux_options: SELinuxOptions | None = None
    run_as_user: Int64 | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    run_as_group: Int64 | None = None
    proc_mount: str | None = wire(None, enum=("Default", "Unmasked"))
    windows_options: WindowsSecurityContextOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None


class PodSecurityContext(Model):
    se_linux_options: SELinuxOptions | None = None
    run_as_user: Int64 | None = None
    run_as_non_root: bool | None = None
    supplemental_groups: list[Int64] = wire([], list_type="atomic")
    fs_group: Int64 | None = None
    run_as_group: Int64 | None = None
    sysctls: list[Sysctl] = wire([], list_type="atomic")
    windows_options: WindowsSecurityContextOptions | None = None
    fs_group_change_policy: str | None = wire(None, enum=("Always", "OnRootMismatch"))
    seccomp_profile: SeccompProfile | None = None
    app_armor_profile: AppArmorProfile | None = None
    supplemental_groups_policy: str | None = wire(None, enum=("Merge", "Strict"))
    se_linux_change_policy: str | None = None
