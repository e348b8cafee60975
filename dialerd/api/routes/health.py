"""Whether the daemon lives, whether it can dial, and its figures. Nothing here tells of a lead, so nobody logs in."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Readiness = Callable[[], Mapping[str, bool]]


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
        """200 while everything that dialing needs is there; else 503 with what is missing."""
        missing = sorted(need for need, there in readiness().items() if not there)
        return JSONResponse({"ready": not missing, "missing": missing}, status_code=503 if missing else 200)

    return router
