"""Why the mesh answered instead of the service: the closed list of reasons."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Who has to do something about it."""

    MESH = "mesh"
    APP = "app"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Reason:
    """A short code, its HTTP status, a sentence with `{service}` in it, and whose fault it is. lasting: to try again
    changes nothing."""

    code: str
    status: int
    title: str
    fault: Fault
    lasting: bool = False


BAD_REQUEST = Reason("bad_request", 400, "the request is not well-formed HTTP", Fault.CLIENT)
BAD_MESSAGE = Reason("bad_message", 400, "the request is not one that {service} can be asked", Fault.CLIENT)
CREDENTIALS_MISSING = Reason("credentials_missing", 401, "{service} wants to know who asks", Fault.CLIENT)
CREDENTIALS_BAD = Reason("credentials_bad", 401, "the credential that was shown is not good", Fault.CLIENT)
ACCESS_DENIED = Reason("access_denied", 403, "who decides about {service} does not let this request pass", Fault.CLIENT)
AUTH_UNAVAILABLE = Reason("auth_unavailable", 503, "it could not be found out who asks", Fault.APP)
CROSS_SITE = Reason("cross_site", 403, "a web page of another site may not call as a service", Fault.CLIENT)
IP_NOT_ALLOWED = Reason("ip_not_allowed", 403, "callers from this address may not come in", Fault.CLIENT)
CORS_ORIGIN = Reason("cors_origin", 403, "pages of this origin may not call {service}", Fault.CLIENT)
CORS_PREFLIGHT = Reason("cors_preflight", 204, "a browser asked whether a page may call {service}", Fault.CLIENT)
UNATTESTED = Reason("unattested", 403, "only processes of its callers may call {service} here", Fault.CLIENT)
NO_PROXY_REQUEST = Reason(
    "no_proxy_request", 400, "this is a forward proxy: it is asked for http://HOST/PATH, or by CONNECT", Fault.CLIENT
)
EGRESS_REFUSED = Reason("egress_refused", 403, "the host is none that may be called from here", Fault.CLIENT, True)
NOT_CALLED = Reason("not_called", 403, "the caller has no way to this service by the proxy", Fault.CLIENT)
DENIED = Reason("denied", 403, "{service} does not allow this call", Fault.CLIENT)
NO_ROUTE = Reason("no_route", 404, "no route matches this host and path", Fault.CLIENT)
NO_METHOD = Reason("no_method", 404, "{service} has no call for this method and path", Fault.CLIENT)
METHOD_NOT_ALLOWED = Reason("method_not_allowed", 405, "CONNECT and TRACE are not forwarded", Fault.CLIENT)
NOT_TLS = Reason("not_tls", 400, "the connection does not begin with a TLS ClientHello", Fault.CLIENT)
CLIENT_TIMEOUT = Reason("client_timeout", 408, "the request did not arrive in time", Fault.CLIENT)
MESSAGE_TOO_LARGE = Reason("message_too_large", 413, "a message is larger than 4 MiB", Fault.CLIENT)
TARGET_TOO_LONG = Reason("target_too_long", 414, "the request target is too long", Fault.CLIENT)
EXPECTATION_FAILED = Reason("expectation_failed", 417, "the only expectation known here is 100-continue", Fault.CLIENT)
FOREIGN_HOST = Reason("foreign_host", 421, "this address does not answer for that host", Fault.CLIENT)
HEAD_TOO_LARGE = Reason("head_too_large", 431, "the request head is too large", Fault.CLIENT)
NOT_IMPLEMENTED = Reason("not_implemented", 501, "the transfer coding is not known here", Fault.CLIENT)
UPSTREAM_PROTOCOL = Reason("upstream_protocol", 502, "{service} sent an answer that is not well-formed HTTP", Fault.APP)
UPSTREAM_RESET = Reason(
    "upstream_reset", 502, "{service} closed the connection before its answer was complete", Fault.APP
)
CERTIFICATE_UNTRUSTED = Reason(
    "certificate_untrusted", 502, "the certificate of {service} comes from nobody who is trusted", Fault.APP, True
)
CERTIFICATE_EXPIRED = Reason(
    "certificate_expired", 502, "the certificate of {service} is not valid now", Fault.APP, True
)
CERTIFICATE_WRONG_NAME = Reason(
    "certificate_wrong_name", 502, "the certificate of {service} is for another name", Fault.APP, True
)
UPSTREAM_TLS = Reason("upstream_tls", 502, "the TLS handshake with {service} failed", Fault.APP)
HOST_NOT_FOUND = Reason("host_not_found", 502, "the name of the host has no address", Fault.APP)
UPSTREAM_REFUSED = Reason("upstream_refused", 503, "{service} refused the connection", Fault.APP)
NO_ENDPOINT = Reason("no_endpoint", 503, "{service} has no endpoint that is ready", Fault.APP)
NOT_REFLECTED = Reason("not_reflected", 503, "{service} has not told yet what it can be asked", Fault.APP)
OVERLOADED = Reason("overloaded", 503, "{service} has as many requests as it may have", Fault.APP)
OUT_OF_DESCRIPTORS = Reason(
    "out_of_descriptors", 503, "the mesh has no file descriptor left for a connection to {service}", Fault.MESH
)
DRAINING = Reason("draining", 503, "the mesh is stopping", Fault.MESH)
VERSION_NOT_SUPPORTED = Reason("version_not_supported", 505, "HTTP/1.0 and HTTP/1.1 are spoken here", Fault.CLIENT)
CONNECT_TIMEOUT = Reason("connect_timeout", 504, "{service} could not be connected to in time", Fault.APP)
TIMEOUT = Reason("timeout", 504, "{service} did not answer in time", Fault.APP)
INTERNAL = Reason("internal", 500, "the mesh made a mistake", Fault.MESH)

REASONS: dict[str, Reason] = {
    reason.code: reason
    for reason in (
        BAD_REQUEST,
        NOT_TLS,
        BAD_MESSAGE,
        CREDENTIALS_MISSING,
        CREDENTIALS_BAD,
        ACCESS_DENIED,
        AUTH_UNAVAILABLE,
        CROSS_SITE,
        IP_NOT_ALLOWED,
        CORS_ORIGIN,
        CORS_PREFLIGHT,
        UNATTESTED,
        NO_PROXY_REQUEST,
        EGRESS_REFUSED,
        NOT_CALLED,
        DENIED,
        NO_ROUTE,
        NO_METHOD,
        METHOD_NOT_ALLOWED,
        CLIENT_TIMEOUT,
        MESSAGE_TOO_LARGE,
        TARGET_TOO_LONG,
        EXPECTATION_FAILED,
        FOREIGN_HOST,
        HEAD_TOO_LARGE,
        NOT_IMPLEMENTED,
        UPSTREAM_PROTOCOL,
        UPSTREAM_RESET,
        CERTIFICATE_UNTRUSTED,
        CERTIFICATE_EXPIRED,
        CERTIFICATE_WRONG_NAME,
        UPSTREAM_TLS,
        HOST_NOT_FOUND,
        UPSTREAM_REFUSED,
        NO_ENDPOINT,
        NOT_REFLECTED,
        OVERLOADED,
        OUT_OF_DESCRIPTORS,
        DRAINING,
        VERSION_NOT_SUPPORTED,
        CONNECT_TIMEOUT,
        TIMEOUT,
        INTERNAL,
    )
}


class Cut(StrEnum):
    """How an exchange ended that has no whole answer, or that never had one to give."""

    CLIENT_GONE = "client_gone"
    UPSTREAM_CUT = "upstream_cut"
    SLOW_READER = "slow_reader"
    SLOW_BODY = "slow_body"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    STOPPED = "stopped"
