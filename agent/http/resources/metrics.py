"""/metrics"""

import falcon

from agent.http.metrics import Metrics


class Scrape:
    """/metrics"""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return every metric as Prometheus reads them."""
        resp.data, resp.content_type = self._metrics.exposition(req.accept)
        resp.cache_control = ["no-store"]
