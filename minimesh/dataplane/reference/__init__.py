"""HTTP/1.1 once more, on h11: clear rather than fast. The oracle of the fast codec, and its stand-in."""

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.reference.client import ReferenceClient
from minimesh.dataplane.reference.server import ReferenceServer

REFERENCE = Codec("reference", ReferenceServer, ReferenceClient)
CODECS = {codec.name: codec for codec in (FAST, REFERENCE)}
"""Every codec that there is, for what must hold for all of them."""
