"""GitLab over https with a certificate authority of its own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tasks.gitlab.support import TOKEN, settings_for
from workflows.core.errors import PermanentError
from workflows.local.gitlab_server.server import GitLabServer
from workflows.tasks.gitlab import GitLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Secure:
    """A GitLab on https, and the file of who signed its certificate."""

    lab: GitLabServer
    url: str
    authority: str
    other_authority: str


def signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> bytes:
    """A certificate for 127.0.0.1 for a day, or for an authority if it signs itself."""
    now, itself = datetime.now(UTC), name == issuer
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, issuer)]
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    usage = x509.KeyUsage(
        digital_signature=not itself,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=itself,
        crl_sign=itself,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder(names[1], names[0], key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=itself, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(usage, critical=True)
    )
    return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder: Path = tmp_path_factory.mktemp("tls")
    ours, others, servers = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    files = {
        "ca.pem": signed("Our CA", ours, "Our CA", ours),
        "other.pem": signed("Other CA", others, "Other CA", others),
        "server.pem": signed("GitLab", servers, "Our CA", ours),
        "server.key": servers.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lab = GitLabServer(folder / "gitlab")
    lab.create_token(lab.admin, value=TOKEN)
    tls = (str(folder / "server.pem"), str(folder / "server.key"))
    with lab.serve(tls=tls) as url:
        yield Secure(lab, url, str(folder / "ca.pem"), str(folder / "other.pem"))


def test_an_authority_of_its_own_is_trusted_by_name(secure: Secure) -> None:
    """GIT_SSL_CAINFO, as for git."""
    settings = settings_for(secure.url, git_ca_file=secure.authority)

    with GitLab.connect(settings) as client:
        me = client.me()

    assert secure.url.startswith("https://")
    assert (me.username, me.web_url) == ("root", f"{secure.url}/root")


@pytest.mark.parametrize("trusted", ["nobody", "another"])
def test_an_unknown_authority_gets_no_request(secure: Secure, trusted: str) -> None:
    """No retry helps, and the error says which variable does."""
    secure.lab.requests.clear()
    waits_s: list[float] = []
    authority = secure.other_authority if trusted == "another" else None
    settings = settings_for(secure.url, git_ca_file=authority)

    with (
        GitLab.connect(settings, sleep=waits_s.append) as client,
        pytest.raises(PermanentError, match="not trusted") as caught,
    ):
        client.me()

    assert "GIT_SSL_CAINFO" in caught.value.fix
    assert (secure.lab.requests, waits_s) == ([], [])
