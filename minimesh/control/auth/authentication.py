"""The providers of [auth.*] as they run: made when a route asks for one, kept while its settings stay."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import anyio

from minimesh.control.auth.contents import dev_keys, from_dev_key, is_password, key_set, offload, users_in
from minimesh.control.auth.keyring import Keyring
from minimesh.control.auth.reading import from_file, from_url, port_of, service_at
from minimesh.control.auth.watched import Beats, Pace, Read, Watched, Written
from minimesh.control.paths import StateFolder
from minimesh.dataplane import DataPlane
from minimesh.dataplane.auth.apikeys import ApiKeys
from minimesh.dataplane.auth.bearer import Keys as IssuerKeys
from minimesh.dataplane.auth.bearer import Tokens
from minimesh.dataplane.auth.checker import Checker, Source
from minimesh.dataplane.auth.forward import Forwards
from minimesh.dataplane.auth.gate import AuthKeeper
from minimesh.dataplane.auth.passwords import Passwords
from minimesh.dataplane.destination import Destination
from minimesh.dataplane.gates import Side
from minimesh.model.address import Address, loopback
from minimesh.model.auth import DEV_ISSUER, Basic, Forward, Jwt, Keys, Provider
from minimesh.model.clock import Clock
from minimesh.model.project import Project
from minimesh.model.where import NOWHERE

FILES, URLS = Pace(1.0, 0.5), Pace(300.0, 5.0)
T = TypeVar("T")


class Authentication:
    """Made before the data plane, which its gates stand in; `serve` before the first snapshot. note: tells people."""

    def __init__(self, folder: StateFolder, keyring: Keyring, clock: Clock) -> None:
        self.keyring = keyring
        self.note: Callable[[str], None] = lambda text: None
        self.before = AuthKeeper(Side.CALLER, self._checker_of)
        self.behind = AuthKeeper(Side.SERVICE, self._checker_of)
        self._folder = folder
        self._clock = clock
        self._secret = os.urandom(32)
        self._project: Project | None = None
        self._plane: DataPlane | None = None
        self._checkers: dict[str, Checker] = {}
        self._watched: dict[str, list[Beats]] = {}

    def serve(self, plane: DataPlane) -> None:
        self._plane = plane

    def take(self, project: Project) -> None:
        """Another file. Whoever is in it no more is forgotten."""
        self._project = project
        for name in self._checkers.keys() - project.auth.keys():
            self._forget(name)

    async def run(self) -> None:
        """Looks at what may have changed, for as long as it runs."""
        try:
            while True:
                await anyio.sleep(FILES.every)
                for watched in [each for several in self._watched.values() for each in several]:
                    watched.beat()
        finally:
            for name in [*self._checkers]:
                self._forget(name)

    def _forget(self, name: str) -> None:
        self._checkers.pop(name, None)
        for watched in self._watched.pop(name, ()):
            watched.close()

    # --- providers as they run ---------------------------------------------------------------------------------

    def _checker_of(self, provider: Provider) -> Checker:
        plain = replace(provider, where=NOWHERE)
        known = self._checkers.get(provider.name)
        if known is None or replace(known.spec, where=NOWHERE) != plain:
            self._forget(provider.name)
            self._watched[provider.name] = []
            known = self._checkers[provider.name] = self._made(provider)
        return known

    def _made(self, provider: Provider) -> Checker:
        match provider.method:
            case Jwt() as rules:
                return Tokens(provider, rules, self._sources(provider.name, rules), self._clock.wall)
            case Keys() as keys:
                return ApiKeys(provider, keys, lambda: self.keyring.keys, self._clock.wall)
            case Basic() as basic:
                users = self._users(provider.name, basic)
                return Passwords(provider, basic, users, is_password, offload, self._secret)
            case Forward() as forward:
                plane = self._served_by
                return Forwards(provider, forward, lambda: self._asked_at(forward.url), plane.wheel, plane.traceparent)

    @property
    def _served_by(self) -> DataPlane:
        assert self._plane is not None, "`serve` comes first"
        return self._plane

    @property
    def _in_force(self) -> Project:
        assert self._project is not None, "`take` comes first"
        return self._project

    def _sources(self, name: str, rules: Jwt) -> dict[str, Source[IssuerKeys]]:
        sources: dict[str, Source[IssuerKeys]] = {}
        if isinstance(rules.jwks, Path):
            sources[rules.issuer] = self._watch(name, from_file(rules.jwks), key_set, FILES)
        elif rules.jwks is not None:
            read = from_url(rules.jwks, lambda: self._served_by, lambda: self._in_force)
            sources[rules.issuer] = self._watch(name, read, key_set, URLS)
        if rules.dev:
            sources[DEV_ISSUER] = self._watch(name, from_dev_key(self._folder.dev_key), dev_keys, FILES)
        return sources

    def _users(self, name: str, basic: Basic) -> Source[Mapping[str, str]]:
        if isinstance(basic.users, Path):
            return self._watch(name, from_file(basic.users), users_in, FILES)
        return Written(basic.users)

    def _watch(self, name: str, read: Read, parse: Callable[[bytes], T], pace: Pace) -> Watched[T]:
        def tell(text: str) -> None:
            self.note(f"[auth.{name}]: {text}")

        watched = Watched(read, parse, pace, self._clock.monotonic, tell)
        watched.look()
        self._watched[name].append(watched)
        return watched

    def _asked_at(self, url: str) -> Destination | None:
        service = service_at(url, self._in_force)
        if service is not None:
            return self._served_by.destination(service)
        parts = urlsplit(url)
        host, port = parts.hostname or "", port_of(parts)
        return self._served_by.elsewhere(loopback(port) if host == "localhost" else (Address(host, port),))
