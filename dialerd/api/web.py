"""The application of `dialerd web`: the REST API over the database alone; the portal adds its pages to it."""

from fastapi import FastAPI

from dialerd import __version__
from dialerd.api import docs_page, openapi, problems
from dialerd.api.auth import FAILED_SIGN_INS_PER_S, MOST_FAILED_SIGN_INS, Rate
from dialerd.api.guard import Guard
from dialerd.api.live import Live
from dialerd.api.metrics import Measured, WebMetrics
from dialerd.api.parts import Parts
from dialerd.api.routes.accounts import accounts
from dialerd.api.routes.activity import activity
from dialerd.api.routes.agents import agents
from dialerd.api.routes.attempts import attempts
from dialerd.api.routes.audit_log import audit_log
from dialerd.api.routes.caller_ids import caller_ids
from dialerd.api.routes.campaigns import campaigns
from dialerd.api.routes.crm import crm
from dialerd.api.routes.dispositions import dispositions
from dialerd.api.routes.dnc import dnc
from dialerd.api.routes.history import history
from dialerd.api.routes.leads import leads
from dialerd.api.routes.live import live
from dialerd.api.routes.media import media
from dialerd.api.routes.menus import menus
from dialerd.api.routes.nodes import nodes
from dialerd.api.routes.pbx import pbx
from dialerd.api.routes.recordings import recordings
from dialerd.api.routes.session import session
from dialerd.api.routes.status import status
from dialerd.api.routes.tokens import tokens
from dialerd.api.routes.uploads import uploads
from dialerd.api.routes.users import users
from dialerd.api.routes.webhooks import webhooks

App = FastAPI

ROUTERS = (
    session,
    users,
    tokens,
    audit_log,
    campaigns,
    caller_ids,
    accounts,
    status,
    nodes,
    pbx,
    agents,
    dispositions,
    recordings,
    media,
    menus,
    live,
    webhooks,
    leads,
    uploads,
    crm,
    dnc,
    attempts,
    activity,
    history,
)


def create_web(parts: Parts, metrics: WebMetrics | None = None) -> FastAPI:
    """Its documentation is at /api/docs, with all that it loads. `metrics` are told of every request."""
    app = FastAPI(
        title="dialerd",
        version=__version__,
        description="Campaigns of leads, dialed through Asterisk. Every error is `application/problem+json`.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.state.live = Live(parts.stores, parts.clock, keep_for=parts.settings.webhooks.keep_for)
    app.state.rate = Rate(parts.settings.web.requests_per_minute)
    app.state.failed_sign_ins = Rate(MOST_FAILED_SIGN_INS, per_s=FAILED_SIGN_INS_PER_S)
    problems.install(app)
    app.add_middleware(Guard, hosts=parts.settings.web.hosts)
    if metrics is not None:
        app.add_middleware(Measured, metrics=metrics)
    for router in ROUTERS:
        app.include_router(router)
    docs_page.add_to(app)
    openapi.complete(app)
    return app
