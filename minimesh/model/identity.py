"""Who a caller or a callee is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """A service within a trust domain (SPIFFE-ID, section 2)."""

    trust_domain: str
    service: str

    @property
    def spiffe_id(self) -> str:
        return f"spiffe://{self.trust_domain}/svc/{self.service}"

    def __str__(self) -> str:
        return self.spiffe_id
