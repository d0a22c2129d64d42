"""A project without a file: one program behind the gateway."""

from collections.abc import Sequence
from pathlib import Path

from minimesh.model.project import Gateway, Project
from minimesh.model.route import Route
from minimesh.model.service import Command, Probe, Process, Ready, Restart, RestartPolicy, Service
from minimesh.model.template import literal
from minimesh.spec.find import FILE_NAME
from minimesh.spec.names import fitting

SERVICE_NAME = "app"


def default_project(argv: Sequence[str], root: Path, port: int | None = None) -> Project:
    """What `minimesh run --port 3000 -- CMD` runs: one service, `app`, that gets every request.

    port None: the mesh chooses one and gives it as $PORT. `file` of the project is not there.
    """
    service = Service(
        SERVICE_NAME,
        Process(Command(tuple(map(literal, argv)), shell=False), root),
        port=port,
        ready=Ready(Probe.TCP if port else Probe.RUNNING),
        restart=Restart(RestartPolicy.NO),
    )
    name = fitting(root.name)
    return Project(
        name=name,
        trust_domain=f"{name}.mesh",
        root=root,
        file=root / FILE_NAME,
        gateway=Gateway(routes=(Route(SERVICE_NAME),)),
        services={SERVICE_NAME: service},
    )
