"""A project and its ports → the programs that the supervisor runs."""

from collections.abc import Mapping
from pathlib import Path

from minimesh.control.environment import environment
from minimesh.control.layout import Layout
from minimesh.model.project import Project
from minimesh.model.service import Process, Service, Task
from minimesh.spec.dotenv import read_env_file
from minimesh.spec.profiles import starting
from minimesh.supervise.program import Program, shell


def programs(project: Project, layout: Layout, inherited: Mapping[str, str]) -> list[Program]:
    """In the order of the file, tasks last. Raises minimesh.spec.SpecError for an env file that cannot be read."""
    files = EnvFiles()
    found: list[Program] = []
    for service in project.services.values():
        found += [_replica(project, layout, service, each, inherited, files) for each in range(1, service.replicas + 1)]
    return found + [_task(project, layout, task, inherited, files) for task in project.tasks.values()]


def selected(project: Project, names: tuple[str, ...], profiles: tuple[str, ...] = ()) -> frozenset[str]:
    """These and all that they depend on; where none is named, everything whose profile is on.

    Raises KeyError, and minimesh.spec.SpecError where something depends on what is off.
    """
    return frozenset(starting(project, names, profiles))


class EnvFiles:
    """Reads each file once."""

    def __init__(self) -> None:
        self._read: dict[Path, Mapping[str, str]] = {}

    def of(self, process: Process) -> dict[str, str]:
        """The variables of all files of a process, the later file wins."""
        variables: dict[str, str] = {}
        for file in process.env_files:
            if file.path not in self._read:
                there = not file.optional or file.path.exists()
                self._read[file.path] = read_env_file(file.path) if there else {}
            variables |= self._read[file.path]
        return variables


def _replica(
    project: Project, layout: Layout, service: Service, replica: int, inherited: Mapping[str, str], files: EnvFiles
) -> Program:
    if service.process is None:
        return Program(
            service.name,
            (),
            project.root,
            addresses=service.addresses,
            depends_on=service.depends_on,
            ready=service.ready,
            tls=service.tls,
        )
    rendered = environment(project, layout, service, replica, inherited, files.of(service.process))
    return Program(
        service.name,
        shell(rendered.argv[0]) if service.process.command.shell else rendered.argv,
        service.process.cwd,
        rendered.whole,
        replica,
        layout.replicas.get((service.name, replica)),
        depends_on=service.depends_on,
        ready=service.ready,
        restart=service.restart,
        stop=service.stop,
        datagrams=service.datagrams,
    )


def _task(project: Project, layout: Layout, task: Task, inherited: Mapping[str, str], files: EnvFiles) -> Program:
    rendered = environment(project, layout, task, 1, inherited, files.of(task.process))
    return Program(
        task.name,
        shell(rendered.argv[0]) if task.process.command.shell else rendered.argv,
        task.process.cwd,
        rendered.whole,
        depends_on=task.depends_on,
        stop=task.stop,
        task=True,
        when=task.when,
        recipe=_recipe(task.process, files),
    )


def _recipe(process: Process, files: EnvFiles) -> tuple[str, ...]:
    """What a task is made of, as it is written: other ports of the mesh are no reason to run it again."""
    own = files.of(process) | {name: str(value) for name, value in process.env.items()}
    return (str(process.command), str(process.cwd), *(f"{name}={value}" for name, value in sorted(own.items())))
