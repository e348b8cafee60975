"""One message to one receiver, by the guarded HTTP that nothing inside our network can be reached with."""

from datetime import timedelta
from http import HTTPStatus

from dialerd.errors import DialerdError
from dialerd.guarded_http.client import (
    AnswerTooLarge,
    AnswerUnusable,
    GuardedHttp,
    Limits,
    NoAnswer,
    RedirectsNowhere,
    Request,
    RequestRefused,
    Resolve,
    system_addresses,
)
from dialerd.webhooks.ports import Refused, Taken


class Sender:
    def __init__(self, limits: Limits, *, resolve: Resolve = system_addresses) -> None:
        self._limits = limits
        self._resolve = resolve

    async def send(self, request: Request) -> Taken | Refused:
        """A redirect is a refusal: what is sent is for this URL alone. What the receiver says beside its status does not matter."""
        try:
            async with GuardedHttp(self._limits, resolve=self._resolve, most_redirects=0) as http:
                return Taken(status=(await http.ask(request)).status)
        except RedirectsNowhere as nowhere:
            return Refused(error=nowhere.message)
        except (AnswerTooLarge, AnswerUnusable):
            return Taken(status=HTTPStatus.OK)  # only an answer of 2xx is read at all
        except RequestRefused as refused:
            return Refused(error=refused.message, status=refused.status)
        except NoAnswer as none:
            after = timedelta(seconds=none.after_s) if none.after_s is not None else None
            return Refused(error=none.message, status=none.status, after=after)
        except DialerdError as unusable:
            return Refused(error=unusable.message)
