"""The rules of dialing as pure functions over values: nothing in here waits, logs, or reads a clock."""
