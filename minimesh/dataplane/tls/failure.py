"""Why a connection could not be secured, or is not secure any more: a closed list, and what OpenSSL says of it."""

import ssl
from enum import StrEnum


class Why(StrEnum):
    """What went wrong, as counters and records have it."""

    NO_CERTIFICATE = "no_certificate"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    FOREIGN_AUTHORITY = "foreign_authority"
    BAD_CERTIFICATE = "bad_certificate"
    WRONG_IDENTITY = "wrong_identity"
    WRONG_NAME = "wrong_name"
    NOT_TLS = "not_tls"
    OLD_VERSION = "old_version"
    NOTHING_IN_COMMON = "nothing_in_common"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    BROKEN = "broken"


class TlsError(ConnectionError):
    """`why` for programs, `detail` for people."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


# X509_verify_cert(3), the codes that a peer can cause.
_VERIFY = {
    9: Why.NOT_YET_VALID,
    10: Why.EXPIRED,
    2: Why.FOREIGN_AUTHORITY,
    18: Why.FOREIGN_AUTHORITY,
    19: Why.FOREIGN_AUTHORITY,
    20: Why.FOREIGN_AUTHORITY,
    21: Why.FOREIGN_AUTHORITY,
    7: Why.FOREIGN_AUTHORITY,
    23: Why.REVOKED,
    62: Why.WRONG_NAME,
    64: Why.WRONG_NAME,
}

# Reasons of OpenSSL (sslerr.h), as Python names them.
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Why.NO_CERTIFICATE,
    "HTTP_REQUEST": Why.NOT_TLS,
    "HTTPS_PROXY_REQUEST": Why.NOT_TLS,
    "WRONG_VERSION_NUMBER": Why.NOT_TLS,
    "UNEXPECTED_MESSAGE": Why.NOT_TLS,
    "RECORD_LAYER_FAILURE": Why.NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": Why.NOT_TLS,
    "RECORD_LENGTH_MISMATCH": Why.NOT_TLS,
    "UNSUPPORTED_PROTOCOL": Why.OLD_VERSION,
    "VERSION_TOO_LOW": Why.OLD_VERSION,
    "TLSV1_ALERT_PROTOCOL_VERSION": Why.OLD_VERSION,
    "NO_SHARED_CIPHER": Why.NOTHING_IN_COMMON,
    "NO_SUITABLE_SIGNATURE_ALGORITHM": Why.NOTHING_IN_COMMON,
    "NO_SUITABLE_KEY_SHARE": Why.NOTHING_IN_COMMON,
    "NO_APPLICATION_PROTOCOL": Why.NOTHING_IN_COMMON,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": Why.NOTHING_IN_COMMON,
    "UNEXPECTED_EOF_WHILE_READING": Why.CLOSED,
}


def failure_of(error: ssl.SSLError) -> TlsError:
    """What an error of OpenSSL means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _VERIFY.get(error.verify_code, Why.BAD_CERTIFICATE)
        return TlsError(why, f"its certificate is not accepted: {error.verify_message}")
    reason = error.reason or ""
    said = reason.lower().replace("_", " ") or "it does not speak TLS"
    if "_ALERT_" in reason:
        words = said.partition(" alert ")[2]
        return TlsError(_REASONS.get(reason, Why.REFUSED), f"it answered with an alert: {words}")
    return TlsError(_REASONS.get(reason, Why.BROKEN), said)
