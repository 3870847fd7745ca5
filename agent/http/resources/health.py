"""/health"""

import falcon

from agent.http.health import Health


class HealthCheck:
    """/health"""

    def __init__(self, health: Health) -> None:
        self._health = health

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Say whether libvirt, its pool and Open vSwitch answer; 503 when one does not."""
        resp.media = report = self._health.report()
        resp.status = falcon.HTTP_200 if report["status"] == "ok" else falcon.HTTP_503
        resp.cache_control = ["no-store"]
