"""HTTP once more, on h11 and h2: clear rather than fast. The oracle of the fast codec, and its stand-in."""

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.reference.client import ReferenceClient
from minimesh.dataplane.reference.http2.client import ReferenceHttp2Client
from minimesh.dataplane.reference.http2.server import ReferenceHttp2Server
from minimesh.dataplane.reference.server import ReferenceServer

REFERENCE = Codec("reference", ReferenceServer, ReferenceClient, ReferenceHttp2Server, ReferenceHttp2Client)
CODECS = {codec.name: codec for codec in (FAST, REFERENCE)}
"""Every codec that there is, for what must hold for all of them."""
