"""A project in which some wait for nobody."""

from collections.abc import Collection
from dataclasses import replace

from minimesh.model.project import Project


def without_order(project: Project, names: Collection[str]) -> Project:
    """The project where the named ones wait for nobody; they may still call whom they could."""
    services = {
        name: replace(service, depends_on=(), calls=service.callees) if name in names else service
        for name, service in project.services.items()
    }
    tasks = {
        name: replace(task, depends_on=(), calls=task.callees) if name in names else task
        for name, task in project.tasks.items()
    }
    return replace(project, services=services, tasks=tasks)
