"""A Task Runner: jobs over HTTP, carried out by a mock, by processes here, or by Cloud Run."""

from workflows.task_runner.backends.images import ImageMap
from workflows.task_runner.backends.mock import Mock
from workflows.task_runner.backends.mock_plan import MockPlan
from workflows.task_runner.backends.process import Processes
from workflows.task_runner.job import TaskJob, TaskJobState
from workflows.task_runner.server import TaskRunner

__all__ = ["ImageMap", "Mock", "MockPlan", "Processes", "TaskJob", "TaskJobState", "TaskRunner"]
