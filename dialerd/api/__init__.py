"""The HTTP doors: what a monitoring system asks for, served by the daemon's own event loop."""
