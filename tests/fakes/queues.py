"""Queues whose state a test sets."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dialerd.domain.queues import QueueSnapshot, unknown_queue


@dataclass
class FakeQueues:
    """Fulfils the port Queues."""

    snapshots: dict[str, QueueSnapshot] = field(default_factory=dict)
    wrapups: dict[str, float] = field(default_factory=dict)
    watchers: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    def put(self, *snapshots: QueueSnapshot) -> None:
        """The queues have changed: tell whoever watches them."""
        for snapshot in snapshots:
            self.snapshots[snapshot.name] = snapshot
            for queue, on_change in list(self.watchers):
                if queue == snapshot.name:
                    on_change()

    def names(self) -> list[str]:
        return [name for name, snapshot in self.snapshots.items() if snapshot.known]

    def strategies(self) -> dict[str, str]:
        return dict.fromkeys(self.names(), "rrmemory")

    def set_wrapup(self, queue: str, seconds: float) -> None:
        self.wrapups[queue] = seconds

    def snapshot(self, queue: str) -> QueueSnapshot:
        return self.snapshots.get(queue, unknown_queue(queue))

    def watch(self, queue: str, on_change: Callable[[], None]) -> Callable[[], None]:
        watcher = (queue, on_change)
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    @property
    def watched(self) -> list[str]:
        return [queue for queue, _ in self.watchers]
