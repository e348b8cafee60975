"""The application of `dialerd web`: the REST API, and later the portal, over the database alone."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from dialerd import __version__
from dialerd.api import problems
from dialerd.api.auth import Rate
from dialerd.api.parts import Parts
from dialerd.api.routes.campaigns import campaigns
from dialerd.api.routes.session import session

App = FastAPI

ROUTERS = (session, campaigns)


def create_web(parts: Parts) -> FastAPI:
    """Its documentation is at /api/docs, with all that it loads."""
    app: FastAPI = FastAPIOffline(
        title="dialerd",
        version=__version__,
        description="Campaigns of leads, dialed through Asterisk. Every error is `application/problem+json`.",
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
    )
    app.state.parts = parts
    app.state.rate = Rate(parts.settings.web.requests_per_minute)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
