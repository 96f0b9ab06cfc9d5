from pathlib import Path

from cryptography import x509

from deploy.kubeconfig import ensure_client
from deploy.pki import ensure_authority, ensure_certificate
from wherry.client.kubeconfig import load


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_certificates_are_signed_by_the_authority_and_carry_names(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    pair = ensure_certificate(authority, tmp_path, "a", "who", ("g1",), ("10.0.0.1", "localhost"))
    certificate = _read(pair.certificate)
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject.rfc4514_string() == "CN=who,O=g1"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(n) for n in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert pair.key.stat().st_mode & 0o777 == 0o600


def test_what_exists_and_fits_is_kept(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    first = ensure_certificate(authority, tmp_path, "a", "who", (), ("10.0.0.1",))
    held = first.certificate.read_bytes()
    again = ensure_authority(tmp_path)
    assert again.certificate == authority.certificate
    ensure_certificate(again, tmp_path, "a", "who", (), ("10.0.0.1",))
    assert first.certificate.read_bytes() == held


def test_other_names_or_another_authority_make_a_new_certificate(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path)
    pair = ensure_certificate(authority, tmp_path, "a", "who", (), ("10.0.0.1",))
    held = pair.certificate.read_bytes()
    ensure_certificate(authority, tmp_path, "a", "who", (), ("10.0.0.2",))
    renamed = pair.certificate.read_bytes()
    assert renamed != held
    other = ensure_authority(tmp_path / "other")
    ensure_certificate(other, tmp_path, "a", "who", (), ("10.0.0.2",))
    assert pair.certificate.read_bytes() != renamed


def test_a_kubeconfig_says_where_and_who(tmp_path: Path) -> None:
    authority = ensure_authority(tmp_path / "pki")
    path = ensure_client(authority, tmp_path, "admin", "https://10.0.0.1:6443", "me", ("masters",))
    config = load(path)
    assert config.server == "https://10.0.0.1:6443"
    assert path.stat().st_mode & 0o777 == 0o600
