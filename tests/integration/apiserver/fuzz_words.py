"""What the fuzz draws from: names, texts, numbers, media types and parameters, good and odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMESPACES = ("fuzz-0", "fuzz-1")
NAMES = ("a", "b", "c", "d", "e")
DEPTH_MAX = 7
ODD_SHARE = 0.06  # of values
KNOWN_MAX = 200
JSON, YAML = "application/json", "application/yaml"
APPLY = "application/apply-patch+yaml"
PATCHES = (
    "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/json-patch+json", APPLY,
)  # fmt: skip
PROTOBUF = "application/vnd.kubernetes.protobuf"
CONTENT_TYPES = (
    *PATCHES, PROTOBUF, YAML, "text/plain", "application/cbor", "", "nonsense", "application/json;;",
)  # fmt: skip
ACCEPTS = (
    "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml", "text/html", ";", "",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", PROTOBUF,
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=Nonsense;v=v9;g=x",
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "-", "a" * 300, "ü", "𝄞", "\x00", "\n", "a/b", "..", "../..", "%", "0", "null", "{}", "*",
    "10.0.0.1", "::1", "999.1.1.1", "1Gi", "-1", "1e9", "100m", "1n", "9" * 40, "1E-400", "50%", "NaN",
    "9" * 5000, "²", "2026-11-21T17:00:00Z", "0000-00-00T00:00:00Z", "v1", "fuzz-0", "a=b,c in (d)", "example.com/x",
)  # fmt: skip
GOOD_TEXTS = ("a", "b", "main", "web", "nginx:1", "example.com/name", "10.96.7.7", "TCP", "1", "/x")
ODD_NUMBERS = (0, 1, -1, 80, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 2**64, 10**30)
ODD_JSON: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e300, "", "x", [], {}, [None], {"": None}, [[[]]], {"a": {"b": []}},
    2**70, [{}], {"name": 1},
)  # fmt: skip
QUERIES: Mapping[str, Sequence[str]] = {
    "limit": ("1", "2", "0", "-1", "x", "1_0", "9" * 30, "9" * 5000),
    "continue": (
        "x", "e30", "bnVsbA", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MWU5LCJzdGFydCI6W119", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhXHUwMDAwIn0", "===="),
    "resourceVersion": ("0", "1", "", "x", "-1", "99999999999999", "9" * 30, "9" * 5000),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "x", ""),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "((", "a==", "x y", ",", "a" * 400, "ü=ü", "a>1", f"a>{'9' * 5000}", "a,!b,c notin (d)", "a in ()"),
    "fieldSelector": (
        "metadata.name=a", "spec.nodeName=", "x=y", "==", "metadata.name!=a,", "\\", "metadata.namespace=fuzz-0",
        "spec.nodeName=n,status.phase!=Running", "metadata.name=" + "a" * 400,
    ),
    "watch": ("1", "true", "0", "x"),
    "timeoutSeconds": ("1", "0", "-1", "x", "9" * 18),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
    "dryRun": ("All", "", "x"),
    "fieldManager": ("m", "", "x" * 200, "\x00", "ü"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "x"),
    "force": ("true", "false", "x"),
    "gracePeriodSeconds": ("0", "1", "-1", "x", "9" * 30),
    "propagationPolicy": ("Orphan", "Background", "Foreground", "x"),
    "orphanDependents": ("true", "x"),
    "includeObject": ("None", "Object", "Metadata", "x"),
    "pretty": ("true", "x"),
    "\x00": ("\x00",), "": ("",), "unknown": ("x",),
}  # fmt: skip
READ_QUERIES = (
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector",
    "watch", "timeoutSeconds", "allowWatchBookmarks", "sendInitialEvents", "includeObject", "pretty",
)  # fmt: skip
WRITE_QUERIES = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")
