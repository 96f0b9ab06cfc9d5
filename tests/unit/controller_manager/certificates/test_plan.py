"""Approving, signing and cleaning, decided."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controller_manager.certificates import authority, plan
from controller_manager.certificates.request import BadRequest, Request, read
from controller_manager.certificates.rules import takeover_refusal
from controller_manager.plan import Delete, Update
from wherry.api.certificates_v1 import CertificateSigningRequest
from wherry.api.core_v1 import Node
from wherry.api.model import format_time

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KUBELET = "kubernetes.io/kube-apiserver-client-kubelet"
REQUEST = Request("system:node:n1", ("system:nodes",))
USAGES = ["digital signature", "client auth"]


def csr(
    user="system:bootstrap:abc", signer=KUBELET, usages=USAGES, conditions=(), certificate="", age=0
):
    made = format_time(NOW - timedelta(seconds=age))
    status = {"conditions": [{"status": "True", **one} for one in conditions]}
    if certificate:
        status["certificate"] = certificate
    return CertificateSigningRequest.from_wire(
        {
            "metadata": {"name": "c", "uid": "u", "creationTimestamp": made},
            "spec": {
                "request": "", "signerName": signer, "usages": usages, "username": user,
            },
            "status": status,
        }
    )  # fmt: skip


def decided(kind, age=0):
    at = format_time(NOW - timedelta(seconds=age))
    return {"type": kind, "lastUpdateTime": at}


def test_a_bootstrapper_is_asked_for_nodeclient_a_node_for_its_own_first():
    assert [one.subresource for one in plan.questions(csr(), REQUEST)] == ["nodeclient"]
    own = plan.questions(csr("system:node:n1"), REQUEST)
    assert [one.subresource for one in own] == ["selfnodeclient", "nodeclient"]


@pytest.mark.parametrize(
    "other",
    [
        csr(signer="kubernetes.io/kube-apiserver-client"),
        csr(usages=["client auth"]),
        csr(conditions=[decided("Denied")]),
        csr(conditions=[decided("Approved")]),
    ],
)
def test_nobody_is_asked_about_other_requests(other):
    assert plan.questions(other, REQUEST) == []


PROXY = "wherry.io/kube-proxy-client"


def proxy_csr(user="system:node:n1", groups=("system:nodes",), **more):
    made = csr(user, PROXY, **more)
    return made.with_(spec=made.spec.with_(groups=list(groups)))


def test_a_node_gets_its_proxys_certificate_and_no_other_by_that_signer():
    for_proxy = Request("system:kube-proxy", ())
    assert plan.approves_proxy(proxy_csr(), for_proxy)
    assert not plan.approves_proxy(proxy_csr("jane", ["system:nodes"]), for_proxy)
    assert not plan.approves_proxy(proxy_csr(groups=[]), for_proxy)
    assert not plan.approves_proxy(proxy_csr("system:bootstrap:a", ["system:nodes"]), for_proxy)
    assert not plan.approves_proxy(csr("system:node:n1"), for_proxy)
    for wrong in (
        Request("system:kube-scheduler", ()),
        Request("system:kube-proxy", ("system:masters",)),
        Request("system:kube-proxy", (), dns_names=("kubernetes",)),
    ):
        assert not plan.approves_proxy(proxy_csr(), wrong)
        assert plan.refusal(proxy_csr(), wrong)


def ready_node(status="True"):
    ready = {"type": "Ready", "status": status}
    return Node.from_wire({"metadata": {"name": "n1"}, "status": {"conditions": [ready]}})


def test_a_token_does_not_get_the_identity_of_a_node_that_is_alive():
    token = "system:bootstrap:abcdef"
    assert "n1 is there and Ready" in takeover_refusal(REQUEST, token, ready_node())
    assert not takeover_refusal(REQUEST, token, ready_node("Unknown"))
    assert not takeover_refusal(REQUEST, token, None)
    assert not takeover_refusal(REQUEST, "system:node:n1", ready_node())


def test_a_denial_says_why():
    (action,) = plan.plan_denial(csr(), "why", NOW).actions
    (condition,) = action.object.status.conditions
    assert (condition.type, condition.reason, condition.message) == ("Denied", "NodeIsAlive", "why")


def test_an_approval_is_a_condition():
    (action,) = plan.plan_approval(csr(), plan.ANY_WORDS, NOW).actions
    assert isinstance(action, Update)
    assert action.subresource == "approval"
    (condition,) = action.object.status.conditions
    assert (condition.type, condition.reason) == ("Approved", "AutoApproved")
    assert not plan.is_undecided(action.object)


def test_only_what_is_approved_and_open_is_signed():
    approved = [decided("Approved")]
    assert plan.is_to_sign(csr(conditions=approved))
    assert not plan.is_to_sign(csr())
    assert not plan.is_to_sign(csr(conditions=[*approved, decided("Failed")]))
    assert not plan.is_to_sign(csr(conditions=approved, certificate="YQ=="))
    assert not plan.is_to_sign(csr(signer="example.com/mine", conditions=approved))


def test_what_a_signer_does_not_take_fails_and_says_why():
    wrong = csr(usages=["server auth"], conditions=[decided("Approved")])
    words = plan.refusal(wrong, REQUEST)
    (action,) = plan.plan_failure(wrong, words, NOW).actions
    condition = action.object.status.conditions[-1]
    assert (condition.type, condition.reason) == ("Failed", "SignerValidationFailure")
    assert "usages did not match" in condition.message
    assert not plan.is_to_sign(action.object)


def test_how_long_a_certificate_is_good_for():
    assert plan.granted_seconds(None, 3600) == 3600
    assert plan.granted_seconds(1800, 3600) == 1800
    assert plan.granted_seconds(7200, 3600) == 3600
    assert plan.granted_seconds(60, 3600) == 600


HOUR, DAY = 3600, 24 * 3600


@pytest.mark.parametrize(
    ("one", "expires", "goes"),
    [
        (csr(age=DAY + 1), None, True),
        (csr(age=DAY - 1), None, False),
        (csr(conditions=[decided("Denied", HOUR + 1)]), None, True),
        (csr(conditions=[decided("Denied", HOUR - 1)], age=2 * DAY), None, False),
        (csr(conditions=[decided("Approved", HOUR + 1)]), None, True),
        (csr(conditions=[decided("Failed", HOUR + 1)]), None, True),
        (csr(conditions=[decided("Approved", 10)]), NOW - timedelta(seconds=1), True),
        (csr(conditions=[decided("Approved", 10)]), NOW + timedelta(days=1), False),
    ],
)
def test_old_requests_are_cleared_away(one, expires, goes):
    found = plan.plan_cleaning(one, expires, NOW)
    if goes:
        (action,) = found.actions
        assert isinstance(action, Delete)
        assert action.uid == "u"
    else:
        assert found.actions == ()
        assert found.requeue_after == pytest.approx(1, abs=DAY)


def test_a_request_is_read(make_request):
    names = (x509.DNSName("n1"), x509.UniformResourceIdentifier("spiffe://a"))
    assert read(make_request("cn", "o1", "o2", names=names)) == Request(
        "cn", ("o1", "o2"), ("n1",), (), (), ("spiffe://a",)
    )
    with pytest.raises(BadRequest):
        read(b"nothing")
    with pytest.raises(BadRequest):
        read(b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")


def signed(pki, pem, usages=USAGES, seconds=DAY, now=NOW):
    signer = authority.FileAuthority(pki / "ca.crt", pki / "ca.key")
    made = x509.load_pem_x509_certificate(signer.sign(pem, usages, seconds, now))
    made.verify_directly_issued_by(signer.pair().certificate)
    return made


def test_a_certificate_has_the_requests_names_and_the_signers_rest(pki, make_request):
    names = (x509.DNSName("n1"),)
    now = datetime.now(UTC).replace(microsecond=0)
    made = signed(pki, make_request("cn", "o", names=names), now=now)
    assert made.subject.rfc4514_string() == "CN=cn,O=o"
    found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(found) == list(names)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert made.not_valid_before_utc == now - timedelta(minutes=5)
    assert made.not_valid_after_utc == now + timedelta(days=1) - timedelta(minutes=5)


def test_a_short_certificate_keeps_its_end_and_none_outlives_its_authority(pki, make_request):
    now = datetime.now(UTC).replace(microsecond=0)
    pem = make_request("cn")
    assert signed(pki, pem, seconds=600, now=now).not_valid_after_utc == now + timedelta(minutes=10)
    end = authority.read_pair(pki / "ca.crt", pki / "ca.key").certificate.not_valid_after_utc
    assert signed(pki, pem, seconds=100 * 365 * DAY, now=now).not_valid_after_utc == end


def test_a_new_authority_is_taken_up_and_half_of_one_is_not(pki, tmp_path, make_request):
    from deploy.pki import ensure_authority

    signer = authority.FileAuthority(pki / "ca.crt", pki / "ca.key")
    first = signer.pair()
    other = ensure_authority(tmp_path / "other")
    (pki / "ca.key").write_bytes((tmp_path / "other/ca.key").read_bytes())
    assert signer.pair() == first  # the new key, no certificate of it yet
    (pki / "ca.crt").write_bytes((pki / "ca.crt").read_bytes() + other.path.read_bytes())
    assert signer.pair().certificate == other.certificate  # whoever the key belongs to, wherever


def test_without_an_authority_there_is_an_error(tmp_path):
    with pytest.raises(authority.BadAuthority):
        authority.FileAuthority(tmp_path / "a", tmp_path / "b").pair()
