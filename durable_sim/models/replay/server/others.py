"""What runs have to do with each other: children and their parents, signals and requests to cancel between workflows.

Each step towards another run is an operation of its own, after the one that asked for it. Always holds: a parent hears
of a child's end once, or never because it has ended itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from durable_sim import trace
from durable_sim.models.executions import Execution
from durable_sim.models.replay import events as kinds
from durable_sim.models.replay.server.journal import Journal
from durable_sim.models.replay.server.messages import Messages
from durable_sim.models.replay.server.runs import Runs
from durable_sim.models.replay.server.state import UNWRITTEN, PendingChild, PendingRequest, Run, StartOptions
from durable_sim.workflows.commands import CancelExternal, SignalExternal, StartChild

_CHILD_ENDS = {
    "COMPLETED": kinds.CHILD_COMPLETED,
    "FAILED": kinds.CHILD_FAILED,
    "CANCELED": kinds.CHILD_CANCELED,
    "TERMINATED": kinds.CHILD_TERMINATED,
    "TIMED_OUT": kinds.CHILD_TIMED_OUT,
}


class Others:
    """Everything that goes from run to run."""

    def __init__(self, journal: Journal, runs: Runs, messages: Messages) -> None:
        self._journal = journal
        self._runs = runs
        self._messages = messages

    # --- children ---------------------------------------------------------------------------------------------------
    def start_child(self, run: Run, command: StartChild, completed: int) -> None:
        """A workflow wants a child."""
        attributes = {
            "workflow_id": command.workflow_id,
            "workflow_type": command.workflow_type,
            "task_queue": command.task_queue or run.options.task_queue,
            "input": list(command.arguments),
            "execution_timeout_us": command.execution_timeout_us,
            "run_timeout_us": command.run_timeout_us,
            "task_timeout_us": command.task_timeout_us or 10_000_000,
            "parent_close_policy": command.parent_close_policy,
            "id_reuse_policy": command.id_reuse_policy,
            "retry_policy": command.retry_policy,
            "workflow_task_completed_event_id": completed,
            "step": command.step,
        }
        event_id = self._journal.append(run, kinds.CHILD_INITIATED, attributes)
        child = PendingChild(
            command.step, command.workflow_id, command.workflow_type, command.parent_close_policy, event_id
        )
        run.children[event_id] = child
        self._journal.later(self.begin_child, run, child)

    def begin_child(self, run: Run, child: PendingChild) -> None:
        """Start a child that has been asked for, and tell the parent."""
        if not run.open or child.run_id is not None or run.children.get(child.initiated_event_id) is not child:
            return
        told = run.history[child.initiated_event_id - 1].attributes
        taken = self._runs.current(child.workflow_id)
        if taken is not None and taken.options.parent == _parent(run, child.initiated_event_id):
            self._child_started(run, child, taken)  # begun for the run that this one was reset from
            if not taken.open:
                self._journal.later(self.tell_parent, taken)
            return
        if taken is not None and not may_follow(taken, told["id_reuse_policy"]):
            self._child_not_started(run, child, told)
            return
        if taken is not None and taken.open:
            self._runs.terminate(taken, "TerminateIfRunning WorkflowIdReusePolicy", [])
        options = _child_options(run, child.initiated_event_id)
        self._child_started(run, child, self._runs.start(self._execution(run, child), options))

    def _child_started(self, run: Run, child: PendingChild, started: Run) -> None:
        child.run_id = started.first_run_id
        self._journal.note(trace.CHILD_STARTED, run, data={"child": child.workflow_id}, step=child.step)
        attributes = {
            "initiated_event_id": child.initiated_event_id,
            "workflow_id": child.workflow_id,
            "run_id": started.first_run_id,
            "workflow_type": child.workflow_type,
        }
        child.started_event_id = UNWRITTEN if run.task_started else len(run.history) + 1
        self._journal.happened(run, (kinds.CHILD_STARTED, attributes))

    def _execution(self, run: Run, child: PendingChild) -> Execution:
        return Execution(child.workflow_id, None, -1, self._journal.now_us)

    def _child_not_started(self, run: Run, child: PendingChild, told: dict[str, Any]) -> None:
        del run.children[child.initiated_event_id]
        attributes = {
            "workflow_id": child.workflow_id,
            "workflow_type": child.workflow_type,
            "cause": "WORKFLOW_ALREADY_EXISTS",
            "initiated_event_id": child.initiated_event_id,
            "workflow_task_completed_event_id": told["workflow_task_completed_event_id"],
        }
        self._journal.happened(run, (kinds.CHILD_START_FAILED, attributes))

    def run_ended(self, run: Run) -> None:
        """A run is over: its children are treated as they were asked for, and its parent hears of it."""
        for child in run.children.values():
            self._journal.later(self._leave_child, run, child)
        if run.next_run_id is None and run.options.parent is not None:
            self._journal.later(self.tell_parent, run)

    recover = run_ended
    """Do again what a server that went down may not have come to."""

    def hand_over_children(self, base: Run, run: Run) -> None:
        """After a reset, the children that the copied part had begun belong to the new run."""
        for child in run.children.values():
            base.children.pop(child.initiated_event_id, None)
            for one in (self._runs.by_id[run_id] for run_id in self._runs.chains.get(child.workflow_id, ())):
                if _is_run_of(one, child, _lineage(base)):
                    # what its history says stays as it was
                    one.options = replace(one.options, parent=_parent(run, child.initiated_event_id))
                    self._journal.changed[one.run_id] = one
            now = self._runs.current(child.workflow_id)
            if now is not None and not now.open and child.run_id is not None:
                self._journal.later(self.tell_parent, now)
        self._journal.changed[base.run_id] = base

    def _leave_child(self, parent: Run, child: PendingChild) -> None:
        if parent.children.pop(child.initiated_event_id, None) is None:
            return
        self._journal.changed[parent.run_id] = parent
        run = self._runs.current(child.workflow_id)
        if run is None or not run.open or child.run_id is None or run.first_run_id != child.run_id:
            return
        if child.parent_close_policy == "TERMINATE":
            self._runs.terminate(run, "by parent close policy", [])
        elif child.parent_close_policy == "REQUEST_CANCEL":
            self._messages.request_cancel(run, "by parent close policy")

    def tell_parent(self, run: Run) -> None:
        """Tell a parent how its child has ended."""
        parent_of = run.options.parent
        parent = None if parent_of is None else self._runs.by_id.get(parent_of["run_id"])
        if parent_of is None or parent is None or not parent.open:
            return
        child = parent.children.pop(parent_of["initiated_event_id"], None)
        if child is None:
            return
        self._journal.note(
            trace.CHILD_ENDED, parent, data={"child": run.workflow_id, "status": run.status}, step=child.step
        )
        attributes: dict[str, Any] = {
            "initiated_event_id": child.initiated_event_id,
            "started_event_id": child.started_event_id,
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "workflow_type": run.options.workflow_type,
        }
        self._journal.happened(parent, (_CHILD_ENDS[run.status], attributes | _how(run)))

    # --- strangers --------------------------------------------------------------------------------------------------
    def signal(self, run: Run, command: SignalExternal, completed: int) -> None:
        """A workflow signals another."""
        attributes = {
            "workflow_id": command.workflow_id,
            "run_id": command.run_id,
            "signal_name": command.name,
            "input": list(command.arguments),
            "child_workflow_only": command.child,
            "workflow_task_completed_event_id": completed,
            "step": command.step,
        }
        self._request(run, command.step, kinds.SIGNAL_EXTERNAL_INITIATED, attributes)

    def cancel(self, run: Run, command: CancelExternal, completed: int) -> None:
        """A workflow asks another to cancel."""
        attributes = {
            "workflow_id": command.workflow_id,
            "run_id": command.run_id,
            "child_workflow_only": command.child,
            "workflow_task_completed_event_id": completed,
            "step": command.step,
        }
        self._request(run, command.step, kinds.CANCEL_EXTERNAL_INITIATED, attributes)

    def _request(self, run: Run, step: int, event_type: str, attributes: dict[str, Any]) -> None:
        event_id = self._journal.append(run, event_type, attributes)
        request = PendingRequest(step, event_type == kinds.SIGNAL_EXTERNAL_INITIATED, event_id)
        run.requests[event_id] = request
        self._journal.later(self.deliver, run, request)

    def deliver(self, run: Run, request: PendingRequest) -> None:
        """Take a signal or a request to cancel to its target, and tell the sender. One to itself finds nobody, as on
        the real server."""
        if not run.open or run.requests.pop(request.initiated_event_id, None) is None:
            return
        told = run.history[request.initiated_event_id - 1].attributes
        target = self._runs.current(told["workflow_id"])
        stranger = told["workflow_id"] != run.workflow_id
        found = stranger and target is not None and target.open and told["run_id"] in (None, target.run_id)
        if found and target is not None:
            if request.signal:
                self._messages.signal(target, told["signal_name"], told["input"], "workflow")
            else:
                self._messages.request_cancel(target, identity="workflow")
        self._reply(run, request, told, found)

    def _reply(self, run: Run, request: PendingRequest, told: dict[str, Any], found: bool) -> None:
        attributes = {
            "initiated_event_id": request.initiated_event_id,
            "workflow_id": told["workflow_id"],
            "run_id": told["run_id"],
        }
        if found:
            event_type = kinds.EXTERNAL_SIGNALED if request.signal else kinds.EXTERNAL_CANCEL_REQUESTED
        else:
            event_type = kinds.SIGNAL_EXTERNAL_FAILED if request.signal else kinds.CANCEL_EXTERNAL_FAILED
            attributes["cause"] = "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"
            attributes["workflow_task_completed_event_id"] = told["workflow_task_completed_event_id"]
        self._journal.happened(run, (event_type, attributes))


def _how(run: Run) -> dict[str, Any]:
    """What a child's end says besides who it was."""
    match run.status:
        case "COMPLETED":
            return {"result": run.result}
        case "FAILED":
            return {"failure": run.failure, "retry_state": _retry_state(run)}
        case "TIMED_OUT":
            return {"retry_state": _retry_state(run)}
        case "CANCELED":
            return {"details": []}
    return {}


def _retry_state(run: Run) -> str:
    return str(run.history[-1].attributes.get("retry_state", "RETRY_POLICY_NOT_SET"))


def may_follow(taken: Run, policy: str) -> bool:
    """Whether another run of the same workflow id may start."""
    if policy == "TERMINATE_IF_RUNNING":
        return True
    if taken.open or policy == "REJECT_DUPLICATE":
        return False
    return policy != "ALLOW_DUPLICATE_FAILED_ONLY" or taken.status not in ("COMPLETED", "CONTINUED_AS_NEW")


def _parent(run: Run, initiated_event_id: int) -> dict[str, Any]:
    """How a child names its parent."""
    return {"workflow_id": run.workflow_id, "run_id": run.run_id, "initiated_event_id": initiated_event_id}


def _lineage(run: Run) -> list[str]:
    """A run made by a reset, and those that it was made from."""
    return [run.run_id, *(told["base_run_id"] for _, _, _, told in run.history if "base_run_id" in told)]


def _is_run_of(run: Run, child: PendingChild, parents: list[str]) -> bool:
    """Whether a run is one of a child's, which a parent or one of those that it was made from has asked for."""
    if child.run_id is not None:
        return run.first_run_id == child.run_id
    parent = run.options.parent or {}
    return parent.get("run_id") in parents and parent["initiated_event_id"] == child.initiated_event_id


def _child_options(run: Run, initiated_event_id: int) -> StartOptions:
    told = run.history[initiated_event_id - 1].attributes
    own = {"workflow_id": run.workflow_id, "run_id": run.run_id}
    return StartOptions(
        told["workflow_id"],
        told["workflow_type"],
        list(told["input"]),
        told["task_queue"],
        told["execution_timeout_us"],
        told["run_timeout_us"],
        told["task_timeout_us"],
        told["retry_policy"],
        parent=_parent(run, initiated_event_id),
        root=run.options.root or own,
    )
