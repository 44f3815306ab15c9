# SPDX-License-Identifier: Apache-2.0
"""Certificates for an engine behind TLS at 127.0.0.1, and for its clients."""

import shutil
import subprocess


def openssl(directory, *args):
    subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)


def make_certificates(directory):
    """ca.pem, server.pem and server.key; good/ is a DOCKER_CERT_PATH, bare/ one without the client's."""
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=ca", "-days", "2")
    for name, extra in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
        openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out",
                f"{name}.csr", "-subj", f"/CN={name}")
        (directory / "ext").write_text(extra)
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2", "-extfile", "ext")
    for place in ("good", "bare"):
        (directory / place).mkdir()
        shutil.copy(directory / "ca.pem", directory / place)
    shutil.copy(directory / "client.pem", directory / "good/cert.pem")
    shutil.copy(directory / "client.key", directory / "good/key.pem")


def environment(place):
    return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(place)}
