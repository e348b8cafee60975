"""The page that shows the API's description to people, and loads nothing from elsewhere."""

import base64
import hashlib
import re
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

PAGE = "/api/docs"
_FILES = f"{PAGE}/files"
_FOLDER = Path(fastapi_offline.__file__).parent / "static"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def add_to(app: FastAPI) -> None:
    """At PAGE, with what it loads under it."""
    app.mount(_FILES, StaticFiles(directory=_FOLDER), name="docs-files")
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title="dialerd: the API",
        oauth2_redirect_url=None,
        swagger_js_url=f"{_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{_FILES}/favicon.png",
    )
    body = bytes(page.body)
    policy = _policy(body)

    @app.get(PAGE, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(body, headers={"Content-Security-Policy": policy})


def _policy(body: bytes) -> str:
    """Of scripts, our file and the page's own few lines, by their hash. Swagger UI styles what it draws by attributes."""
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT.findall(body)]
    scripts = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
