"""Whether the daemon lives, whether it can dial, and its figures. Nothing here tells of a lead, so nobody logs in."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Readiness = Callable[[], Mapping[str, bool | str]]
"""By need: True where it is there; else False, or why it is not."""


def health_routes(registry: CollectorRegistry, readiness: Readiness) -> APIRouter:
    """`readiness` names everything that dialing needs, and whether it is there."""
    router = APIRouter()

    # Not async on purpose: these run in a thread, since a scrape of many series would hold up the calls.
    @router.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        """The process lives and its event loop turns."""
        return JSONResponse({"alive": True})

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """200 while everything that dialing needs is there; else 503 with what is missing, and why where that is known."""
        missing = {need: why for need, why in sorted(readiness().items()) if why is not True}
        known = {need: why for need, why in missing.items() if why}
        body = {"ready": not missing, "missing": list(missing), **({"why": known} if known else {})}
        return JSONResponse(body, status_code=503 if missing else 200)

    return router
