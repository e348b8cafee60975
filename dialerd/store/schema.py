"""Whether the tables are those that this version needs, asked without changing anything."""

from dialerd.store.migrate import migrations
from dialerd.store.pool import Pool, store_call
from dialerd.store.queries import queries_of

_sql = queries_of("schema")


@store_call
async def missing_migrations(pool: Pool) -> list[str]:
    """The names of the migrations that `migrate` would apply."""
    applied: set[str] = set()
    if await _sql.schema_is_known(pool):
        applied = {row["name"] async for row in _sql.applied_migrations(pool)}
    return [migration.name for migration in migrations() if migration.name not in applied]
