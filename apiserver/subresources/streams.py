"""pods/log, exec, attach and portforward: checked here, answered by the node's kubelet, passed through unread.

All but log are protocol upgrades end to end: the client's handshake goes to the kubelet, its 101 back to
the client, and from then on bytes are copied both ways, whatever the two agreed on (our kubelet speaks
WebSocket). Anything but a 101 is the client's answer as it is.

Source: kubernetes/pkg/registry/core/pod/{strategy,rest/log,rest/subresources,rest/authorize}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from apiserver.admission.chain import Chain
from apiserver.authz.authorizer import Authorizer, attributes_of, refusal
from apiserver.http.backend import SWITCHING_PROTOCOLS, Answer
from apiserver.http.exchange import Exchange
from apiserver.http.messages import Handshake, Messages
from apiserver.http.request_info import is_true
from apiserver.http.tunnel import Tunnel
from apiserver.registry.options import integer
from apiserver.registry.store import Registry
from apiserver.request import RequestContext, Response
from apiserver.subresources.connect import attach_options, exec_options, port_forward_options
from apiserver.subresources.kubelets import Call, Kubelets, internal_error
from wherry.api.errors import (
    ApiError,
    FieldError,
    bad_request,
    forbidden,
    forbidden_field,
    invalid,
    invalid_object,
    status_error,
)
from wherry.api.scheme import BY_PLURAL

PODS = BY_PLURAL["", "v1", "pods"]
NODES = BY_PLURAL["", "v1", "nodes"]
TEXT = "text/plain"

_LOG_NUMBERS = {"sinceSeconds": 1, "tailLines": 0, "limitBytes": 1}  # name → least value
_LOG_FLAGS = ("follow", "previous", "timestamps")
# Our parameter → the kubelet's.
_STREAM_FLAGS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
_HANDSHAKE = (
    "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol",
    "x-stream-protocol-version",
)  # fmt: skip


class StreamEndpoints:
    """GET pods/log; GET and POST pods/exec, attach, portforward."""

    def __init__(
        self, registry: Registry, kubelets: Kubelets, chain: Chain, authorizer: Authorizer
    ) -> None:
        self._registry = registry
        self._kubelets = kubelets
        self._chain = chain
        self._authorizer = authorizer

    async def log(self, ctx: RequestContext, exchange: Exchange) -> Response | Messages:
        query = log_query(ctx.query)
        handshake = Handshake.of(exchange.headers)
        pod = await self._pod(ctx)
        container = chosen_container(pod, ctx.query.get("container", ""))
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            return Response(200, b"", TEXT)
        target = _target("containerLogs", ctx, container, query)
        verify = not is_true(ctx.query.get("insecureSkipTLSVerifyBackend"))
        call = Call("GET", target, {"Connection": "close"}, verify)
        answer = await self._kubelets.call(self._node(node_name), call)
        if not 200 <= answer.status <= 206:
            raise await _relayed(answer, ctx.info.name)
        if handshake is not None:
            return Messages(handshake, answer.chunks())
        return Response(200, answer.chunks(), TEXT)

    async def execute(self, ctx: RequestContext, exchange: Exchange) -> Response | Tunnel:
        self._admit(ctx, exec_options(parameters_of(exchange)))
        pod = await self._pod(ctx)
        parameters = exec_query(parameters_of(exchange))
        container = chosen_container(pod, ctx.query.get("container", ""))
        return await self._upgrade(ctx, exchange, pod, _target("exec", ctx, container, parameters))

    async def attach(self, ctx: RequestContext, exchange: Exchange) -> Response | Tunnel:
        self._admit(ctx, attach_options(parameters_of(exchange)))
        pod = await self._pod(ctx)
        parameters = attach_query(parameters_of(exchange))
        container = chosen_container(pod, ctx.query.get("container", ""))
        target = _target("attach", ctx, container, parameters)
        return await self._upgrade(ctx, exchange, pod, target)

    async def port_forward(self, ctx: RequestContext, exchange: Exchange) -> Response | Tunnel:
        self._admit(ctx, port_forward_options(parameters_of(exchange)))
        pod = await self._pod(ctx)
        target = _target("portForward", ctx, "", ports_query(parameters_of(exchange)))
        return await self._upgrade(ctx, exchange, pod, target)

    def _admit(self, ctx: RequestContext, options: dict[str, Any]) -> None:
        """ApiError 403. A WebSocket begins with a GET, but who may only `get` shall not run commands."""
        self._chain.ask(ctx, "CONNECT", options)
        if ctx.info.verb == "create":
            return
        attributes = attributes_of(ctx.info, ctx.user)._replace(verb="create")
        decision = self._authorizer.authorize(attributes)
        if decision.error and not decision.allowed:
            raise refusal(attributes, decision)
        if not decision.allowed:
            raise forbidden(PODS.plural, ctx.info.name, decision.reason)

    async def _upgrade(
        self, ctx: RequestContext, exchange: Exchange, pod: Mapping[str, Any], target: str
    ) -> Response | Tunnel:
        """Pass the handshake on. The kubelet sees SPDY too: it may know better what is wrong."""
        node_name = pod["spec"].get("nodeName")
        if not node_name:
            raise bad_request(f"pod {ctx.info.name} does not have a host assigned")
        headers = upgrade_headers(exchange.headers)
        call = Call(exchange.scope["method"], target, headers)
        answer = await self._kubelets.call(self._node(node_name), call)
        if answer.status == SWITCHING_PROTOCOLS:
            return Tunnel(answer.head, answer.reader, answer.writer)
        text = await answer.text()
        if answer.status in (401, 403):
            raise _not_trusted(answer, text)
        return Response(answer.status, text.encode(), TEXT)

    async def _pod(self, ctx: RequestContext) -> Mapping[str, Any]:
        await self._registry.fresh()
        return self._registry.get(PODS, ctx.info.namespace, ctx.info.name)

    def _node(self, name: str) -> Mapping[str, Any]:
        return self._registry.get(NODES, "", name)


def _target(
    verb: str, ctx: RequestContext, container: str, query: Iterable[tuple[str, str]]
) -> str:
    parts = [ctx.info.namespace, ctx.info.name, *filter(None, [container])]
    path = f"/{verb}/{'/'.join(quote(part, '') for part in parts)}"
    parameters = urlencode(list(query))
    return f"{path}?{parameters}" if parameters else path


def parameters_of(exchange: Exchange) -> list[tuple[str, str]]:
    """Every query parameter in order: `command` and `ports` come more than once."""
    return parse_qsl(exchange.raw_query.decode("latin-1"), keep_blank_values=True)


def log_query(query: Mapping[str, str]) -> list[tuple[str, str]]:
    """The kubelet's parameters for PodLogOptions; ApiError 400 or 422 when one makes no sense."""
    errors: list[FieldError] = []
    found = [(name, "true") for name in _LOG_FLAGS if is_true(query.get(name))]
    for name, least in _LOG_NUMBERS.items():
        text = query.get(name)
        if not text:
            continue
        number = integer(query, name)
        assert number is not None, "there is a text"
        if number < least:
            words = "must be greater than 0" if least else "must be greater than or equal to 0"
            errors.append(invalid(name, number, words))
        found.append((name, text))
    if query.get("sinceTime"):
        found.append(("sinceTime", query["sinceTime"]))
        if query.get("sinceSeconds"):
            words = "at most one of `sinceTime` or `sinceSeconds` may be specified"
            errors.append(forbidden_field("", words))
    if query.get("stream"):
        found.append(("stream", query["stream"]))
    if errors:
        raise invalid_object("", "PodLogOptions", "", errors)
    return found


def exec_query(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The kubelet's parameters for PodExecOptions; ApiError 400 when they ask for nothing."""
    query = list(query)
    commands = [(name, value) for name, value in query if name == "command"]
    found = commands + attach_query(query)
    if not commands:
        raise bad_request("you must specify a command for the container to execute")
    return found


def attach_query(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The kubelet's parameters for PodAttachOptions; ApiError 400 when they ask for nothing."""
    asked = [name for name, value in query if name in _STREAM_FLAGS and is_true(value)]
    if not any(name != "tty" for name in asked):
        raise bad_request("you must specify at least one of stdin, stdout, stderr")
    return [(_STREAM_FLAGS[name], "1") for name in asked]


def ports_query(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The kubelet's parameters for PodPortForwardOptions: none when ports come in the stream."""
    ports = [port for name, value in query if name == "ports" for port in value.split(",")]
    return [("port", port) for port in ports]


def upgrade_headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The handshake to pass on; ApiError 400 when the request is none."""
    if not headers.get(b"upgrade"):
        raise bad_request("Upgrade request required")
    found = {"content-length": "0"}
    for name in _HANDSHAKE:
        value = headers.get(name.encode())
        if value is not None:
            found[name] = value.decode("latin-1")
    return found


def chosen_container(pod: Mapping[str, Any], asked: str) -> str:
    """The container meant; ApiError 400 when the pod has no such or more than one."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    groups = ("initContainers", "containers", "ephemeralContainers")
    known = {group: [one["name"] for one in spec.get(group) or ()] for group in groups}
    if asked:
        if not any(asked in names for names in known.values()):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(known["containers"]) == 1:
        only: str = known["containers"][0]
        return only
    choices = " ".join(known["containers"])
    message = f"a container name must be specified for pod {name}, choose one of: [{choices}]"
    if known["initContainers"]:
        message += f" or one of the init containers: [{' '.join(known['initContainers'])}]"
    raise bad_request(message)


async def _relayed(answer: Answer, name: str) -> ApiError:
    """A kubelet's refusal as ours. Source: registry/generic/rest/response_checker.go."""
    text = await answer.text()
    if answer.status == 400:
        return bad_request(text)
    if answer.status == 404:
        message = f"the server could not find the requested resource ( pods {name})"
        details = {"name": name, "kind": "pods", "causes": [_cause(text)]}
        return status_error("NotFound", message, details=details)
    if answer.status in (401, 403):
        return _not_trusted(answer, text)
    return internal_error(text or f"the kubelet answered {answer.status}")


def _not_trusted(answer: Answer, text: str) -> ApiError:
    return internal_error(f"the kubelet refused this server: {text or answer.status}")


def _cause(text: str) -> dict[str, str]:
    return {"reason": "UnexpectedServerResponse", "message": text}
