"""A Task Runner: jobs over HTTP, carried out by a mock, by processes here, or by Cloud Run."""

from workflows.local.task_runner.images import ImageMap
from workflows.local.task_runner.jobs import Job, State
from workflows.local.task_runner.mock import Mock
from workflows.local.task_runner.mock_plan import MockPlan
from workflows.local.task_runner.processes import Processes
from workflows.local.task_runner.server import TaskRunner

__all__ = ["ImageMap", "Job", "Mock", "MockPlan", "Processes", "State", "TaskRunner"]
