"""The plug-in: refuses pods, warns about pods and what makes pods, and checks namespaces' labels.

A pod in a namespace that says nothing costs one look at the namespace's labels.

Source: k8s.io/pod-security-admission/admission/admission.go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.admission.attributes import NAMESPACES, PODS, refuse
from apiserver.admission.interface import Attributes, Lister, Plugin
from apiserver.admission.pod_security.configuration import PodSecurityConfiguration
from apiserver.admission.pod_security.evaluations import ALLOW, DENY, Evaluations
from apiserver.admission.pod_security.existing import told_of_existing
from apiserver.admission.pod_security.levels import (
    MODES,
    PREFIX,
    PRIVILEGED,
    Policy,
    Standard,
    policy_of,
    strictness,
)
from apiserver.admission.pod_security.standards import details, violations
from apiserver.admission.pod_security.words import Tree, Violation
from wherry.api.errors import FieldError, go_quote, invalid_object, status_error
from wherry.api.scheme import BY_PLURAL, Resource

_IGNORED: Final = frozenset(
    {"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"}
)
_TEMPLATES: Final[Mapping[Resource, tuple[str, ...]]] = {
    BY_PLURAL["", "v1", "podtemplates"]: ("template",),
    BY_PLURAL["batch", "v1", "cronjobs"]: ("spec", "jobTemplate", "spec", "template"),
    **{
        BY_PLURAL[group, "v1", plural]: ("spec", "template")
        for group, plural in (
            ("", "replicationcontrollers"),
            ("apps", "replicasets"),
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("apps", "daemonsets"),
            ("batch", "jobs"),
        )
    },
}
_SECCOMP_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"
_NOTHING: Final[Mapping[str, Any]] = {}
_PRIVILEGED_POLICY: Final = str(Standard())


class PodSecurity(Plugin):
    name = "PodSecurity"
    about = frozenset({PODS, NAMESPACES, *_TEMPLATES})

    def __init__(
        self,
        configuration: PodSecurityConfiguration | None = None,
        evaluations: Evaluations | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration = configuration or PodSecurityConfiguration()
        self._evaluations = evaluations or Evaluations()
        self._seconds = seconds

    def validate(self, attributes: Attributes, lister: Lister) -> None:
        tree = attributes.tree
        if tree is None or attributes.operation not in ("CREATE", "UPDATE"):
            return
        if attributes.resource is PODS:
            self._pod(attributes, tree, lister)
        elif attributes.subresource:
            return
        elif attributes.resource is NAMESPACES:
            self._namespace(attributes, tree, lister)
        else:
            self._maker_of_pods(attributes, tree, lister)

    # --- pods and what makes them ---

    def _pod(self, attributes: Attributes, tree: Tree, lister: Lister) -> None:
        if attributes.subresource in _IGNORED or self._is_exempt(attributes):
            return
        policy, errors = self._policy(attributes, lister)
        if not errors and policy.is_privileged:
            attributes.annotate(PREFIX + "enforce-policy", _PRIVILEGED_POLICY)
            self._evaluations.count(ALLOW, policy.enforce, "enforce", attributes)
            return
        old = attributes.old
        if attributes.operation == "UPDATE" and old is not None and not is_significant(tree, old):
            return
        spec = tree.get("spec") or _NOTHING
        self._evaluate(attributes, policy, errors, tree["metadata"], spec, enforce=True)

    def _maker_of_pods(self, attributes: Attributes, tree: Tree, lister: Lister) -> None:
        """A workload is never refused, but who applies it is told what its pods will meet."""
        if self._is_exempt(attributes):
            return
        policy, errors = self._policy(attributes, lister)
        if not errors and policy.warn.level == policy.audit.level == PRIVILEGED:
            return
        template: Any = tree
        for field in _TEMPLATES[attributes.resource]:
            template = template.get(field) or _NOTHING
        if template:
            metadata, spec = template.get("metadata") or _NOTHING, template.get("spec") or _NOTHING
            self._evaluate(attributes, policy, errors, metadata, spec, enforce=False)

    def _is_exempt(self, attributes: Attributes) -> bool:
        configuration = self._configuration
        if attributes.namespace in configuration.namespaces:
            self._exempt(attributes, "namespace")
            return True
        if attributes.user.name in configuration.users:
            self._exempt(attributes, "user")
            return True
        return False

    def _exempt(self, attributes: Attributes, reason: str) -> None:
        attributes.annotate(PREFIX + "exempt", reason)
        self._evaluations.exempt(attributes)

    def _policy(self, attributes: Attributes, lister: Lister) -> tuple[Policy, list[FieldError]]:
        namespace = lister.get(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            why = f"failed to lookup namespace {go_quote(attributes.namespace)}"
            raise status_error("InternalError", f"Internal error occurred: {why}")
        labels = namespace["metadata"].get("labels") or _NOTHING
        return policy_of(labels, self._configuration.defaults)

    def _evaluate(
        self,
        attributes: Attributes,
        policy: Policy,
        errors: list[FieldError],
        metadata: Tree,
        spec: Tree,
        *,
        enforce: bool,
    ) -> None:
        if spec.get("runtimeClassName") in self._configuration.runtime_classes:
            self._exempt(attributes, "runtimeClass")
            return
        if errors:
            attributes.annotate(PREFIX + "error", f"Failed to parse policy: {_together(errors)}")
        seen: dict[Standard, tuple[Violation, ...]] = {}

        def found(standard: Standard) -> tuple[Violation, ...]:
            if standard not in seen:
                seen[standard] = violations(standard, metadata, spec)
            return seen[standard]

        refused: tuple[Violation, ...] = ()
        count = self._evaluations.count
        if enforce:
            attributes.annotate(PREFIX + "enforce-policy", str(policy.enforce))
            refused = found(policy.enforce)
            count(DENY if refused else ALLOW, policy.enforce, "enforce", attributes)
        if audited := found(policy.audit):
            words = f'would violate PodSecurity "{policy.audit}": {details(audited)}'
            attributes.annotate(PREFIX + "audit-violations", words)
            count(DENY, policy.audit, "audit", attributes)
        if refused:
            words = f'violates PodSecurity "{policy.enforce}": {details(refused)}'
            raise refuse(attributes, words)
        if warned := found(policy.warn):
            attributes.warn(f'would violate PodSecurity "{policy.warn}": {details(warned)}')
            count(DENY, policy.warn, "warn", attributes)

    # --- namespaces ---

    def _namespace(self, attributes: Attributes, tree: Tree, lister: Lister) -> None:
        labels: Mapping[str, str] = tree["metadata"].get("labels") or _NOTHING
        policy, errors = policy_of(labels, self._configuration.defaults)
        name = tree["metadata"].get("name", "")
        if attributes.operation == "CREATE" or attributes.old is None:
            if errors:
                raise invalid_object("", "Namespace", name, errors)
            self._warn_exempt(attributes, name, policy, labels)
            return
        before = attributes.old["metadata"].get("labels") or _NOTHING
        if before == labels:
            return
        old, old_errors = policy_of(before, self._configuration.defaults)
        if errors and errors != old_errors:
            raise invalid_object("", "Namespace", name, errors)
        if not is_stricter(policy.enforce, old.enforce):
            return
        if name in self._configuration.namespaces:
            self._warn_exempt(attributes, name, policy, labels)
            return
        exempt = self._configuration.runtime_classes
        for text in told_of_existing(lister, name, policy.enforce, exempt, self._seconds):
            attributes.warn(text)

    def _warn_exempt(
        self, attributes: Attributes, name: str, policy: Policy, labels: Mapping[str, str]
    ) -> None:
        """Labels on an exempt namespace do nothing: say so."""
        defaults = self._configuration.defaults
        if name not in self._configuration.namespaces:
            return
        if policy.is_privileged or policy == defaults:
            return
        said = ", ".join(
            f"{mode}={standard}"
            for mode, standard in zip(MODES, policy, strict=True)
            if standard.level != PRIVILEGED
            and (PREFIX + mode in labels or f"{PREFIX}{mode}-version" in labels)
        )
        words = f"is exempt from Pod Security, and the policy ({said}) will be ignored"
        attributes.warn(f'namespace "{name}" {words}')


def is_stricter(new: Standard, old: Standard) -> bool:
    """Whether pods that the old one let in may not be let in by the new one."""
    if new == old or new.level == PRIVILEGED:
        return False
    return new.version != old.version or strictness(new.level) > strictness(old.level)


def is_significant(pod: Tree, old: Tree) -> bool:
    """Whether an update of a pod changes something that checks look at."""
    notes = pod["metadata"].get("annotations") or _NOTHING
    old_notes = old["metadata"].get("annotations") or _NOTHING

    def differs(container: Tree, before: Tree) -> bool:
        if container.get("image") != before.get("image"):
            return True
        key = _SECCOMP_PREFIX + container.get("name", "")
        return notes.get(key) != old_notes.get(key)

    spec, before = pod["spec"], old["spec"]
    for field in ("containers", "initContainers"):
        now, then = spec.get(field) or (), before.get(field) or ()
        if len(now) != len(then) or any(map(differs, now, then)):
            return True
    known = {one["name"]: one for one in before.get("ephemeralContainers") or ()}
    return any(
        one["name"] not in known or differs(one, known[one["name"]])
        for one in spec.get("ephemeralContainers") or ()
    )


def _together(errors: list[FieldError]) -> str:
    texts = [str(error) for error in errors]
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
