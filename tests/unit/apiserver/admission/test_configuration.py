"""--admission-control-config-file."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from apiserver.admission.chain import ALL_NAMES, Settings, plugins
from apiserver.admission.configuration import BadConfiguration, read

HEAD = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "admission.yaml"


def test_inline_and_by_path(file: Path) -> None:
    (file.parent / "events.yaml").write_text("kind: Configuration\n")
    file.write_text(
        HEAD
        + dedent("""
        plugins:
        - name: PodSecurity
          configuration: {kind: PodSecurityConfiguration}
        - name: EventRateLimit
          path: events.yaml
        - name: ImagePolicyWebhook
        """)
    )
    assert read(file, ALL_NAMES) == {
        "PodSecurity": {"kind": "PodSecurityConfiguration"},
        "EventRateLimit": {"kind": "Configuration"},
    }


def test_the_old_version_and_no_plugins(file: Path) -> None:
    file.write_text("apiVersion: apiserver.k8s.io/v1alpha1\nkind: AdmissionConfiguration\n")
    assert read(file, ALL_NAMES) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "is no YAML"),
        ("- a", "is not a mapping"),
        ("kind: Pod\napiVersion: v1\n", "is kind 'Pod' of apiVersion 'v1', not Admission"),
        (HEAD + "plugin: []\n", 'unknown field "plugin"'),
        (HEAD + "plugins: {}\n", "plugins is not a list"),
        (HEAD + "plugins: [x]\n", r"plugins\[0\] is not a mapping"),
        (HEAD + "plugins: [{name: Nope}]\n", r"plugins\[0\].name: 'Nope' is no admission plugin"),
        (HEAD + "plugins: [{path: x}]\n", r"plugins\[0\].name: None is no admission plugin"),
        (HEAD + "plugins: [{name: PodSecurity, config: {}}]\n", r'"plugins\[0\].config"'),
        (
            HEAD + "plugins: [{name: PodSecurity}, {name: PodSecurity}]\n",
            "PodSecurity is configured twice",
        ),
        (
            HEAD + "plugins: [{name: PodSecurity, path: x, configuration: {}}]\n",
            "either path or configuration",
        ),
        (HEAD + "plugins: [{name: PodSecurity, path: gone.yaml}]\n", "gone.yaml: No such file"),
    ],
)
def test_nonsense_in_one_line_that_names_the_file(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(BadConfiguration, match=words) as error:
        read(file, ALL_NAMES)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_too_large(file: Path) -> None:
    file.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(BadConfiguration, match="larger than"):
        read(file, ALL_NAMES)


def test_the_plugin_that_does_not_like_it_is_named() -> None:
    with pytest.raises(BadConfiguration, match=r"^PodSecurity: is kind None"):
        plugins(["PodSecurity"], Settings(configurations={"PodSecurity": {}}))


def test_a_configuration_that_nobody_reads_is_told(caplog: pytest.LogCaptureFixture) -> None:
    plugins([], Settings(configurations={"ResourceQuota": {}, "PodNodeSelector": {}}))
    assert caplog.messages == ["the configuration of admission plugin ResourceQuota is not used"]
