"""Timestamps (RFC 3161) with the openssl command: verifying one, and being an authority for a test."""

import pathlib
import subprocess
import tempfile
from datetime import datetime, timezone

CONFIGURATION = """[tsa]
default_tsa = t
[t]
serial = ./serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


def openssl(folder: str, *arguments: str) -> str:
    """Runs openssl in a folder; ValueError when it ends with a failure."""
    command = ["openssl", *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise ValueError("openssl refuses: " + run.stderr.strip().replace("\n", "; "))
    return run.stdout


def seen(token: bytes, head: str, authorities: str) -> str:
    """When a timestamp says that it saw a head, verified for that time; ValueError otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "token").write_bytes(token)
        pathlib.Path(folder, "head").write_bytes(head.encode())
        given = ("-in", "token", "-token_in")
        _, _, told = openssl(folder, "ts", "-reply", *given, "-text").partition("Time stamp: ")
        at = datetime.strptime(told.partition("\n")[0], "%b %d %H:%M:%S %Y GMT")
        at = at.replace(tzinfo=timezone.utc)
        trusted = ("-CAfile", str(pathlib.Path(authorities).absolute()))
        then = ("-attime", str(int(at.timestamp())))
        openssl(folder, "ts", "-verify", "-data", "head", *trusted, *then, *given)
        return at.isoformat()


def certify(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Makes an authority and its signer; the authority's certificate."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}")
    own = ("-keyout", f"{name}-key.pem", "-out", f"{name}.pem")
    openssl(folder, "req", "-x509", *key, *own, "-days", "9")
    openssl(folder, "req", "-new", *key, "-keyout", f"{name}-tsa-key.pem", "-out", f"{name}.csr")
    (folder / "extensions").write_text("extendedKeyUsage=critical,timeStamping\n")
    by = ("-CA", f"{name}.pem", "-CAkey", f"{name}-key.pem", "-CAcreateserial", "-days", "9")
    out = ("-extfile", "extensions", "-out", f"{name}-tsa.pem")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *by, *out)
    return folder / f"{name}.pem"


def stamp(folder: pathlib.Path, name: str, head: str) -> bytes:
    """A timestamp by an authority over a head."""
    (folder / "config").write_text(CONFIGURATION)
    (folder / "head").write_bytes(head.encode())
    openssl(folder, "ts", "-query", "-data", "head", "-sha256", "-cert", "-out", "query")
    signer = ("-signer", f"{name}-tsa.pem", "-inkey", f"{name}-tsa-key.pem", "-config", "config")
    openssl(folder, "ts", "-reply", "-queryfile", "query", *signer, "-token_out", "-out", "token")
    return (folder / "token").read_bytes()
