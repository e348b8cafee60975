"""The HTTP doors: the REST API and the live feed over the database alone; of the daemon, the dialplan's hooks and what a monitoring
system asks for."""
