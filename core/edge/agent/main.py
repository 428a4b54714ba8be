"""The command of an agent: ``agent --server URL --group G --key KEY --input WHAT``."""

import argparse
import os
import signal
import sys
import threading
import time
from typing import Any, Dict, List, Optional

from core.edge.agent.trying import SELF_TEST, run_self_test
from core.edge.runtime.errors import EdgeError

_FAILED, _USAGE, _HUNG = 1, 2, 75
_FOLDER = "convq-edge"
# Between two looks at an empty folder, and after trouble with a full one.
_LOOK, _TROUBLE = 0.2, 1.0


def main(
    standalone: "Optional[str]" = None,
    arguments: "Optional[List[str]]" = None,
    program: "Optional[List[str]]" = None,
) -> None:
    """Run the command and leave the process.

    Parameters
    ----------
    standalone : str, optional
        The public key, in hexadecimal, of the bundle that this program is a part of.
    arguments : list of str, optional
        By default those of the process.
    program : list of str, optional
        What runs this command again, before its arguments; by default this module.
    """
    given = sys.argv[1:] if arguments is None else arguments
    again = program or [sys.executable, "-m", "core.edge.agent"]
    if given[:1] == [SELF_TEST]:
        run_self_test(*given[1:3])
        return
    options = _parser(standalone).parse_args(given)
    try:
        Agent(options, again, given, standalone).run()
    except EdgeError as error:
        _say("error: {}".format(error))
        sys.exit(_USAGE if type(error) is EdgeError else _FAILED)
    except OSError as error:
        _say("error: {}".format(error))
        sys.exit(_FAILED)
    except KeyboardInterrupt:
        sys.exit(130)


class Agent:
    """All parts of an agent, put together.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command.
    program, arguments : list of str
        What runs this command, and what it was given.
    standalone : str, optional
        As for `main`.

    Raises
    ------
    EdgeError
        An option is not acceptable, or a file of the agent's is damaged.
    """

    def __init__(
        self,
        options: "Any",
        program: "List[str]",
        arguments: "List[str]",
        standalone: "Optional[str]" = None,
    ) -> None:
        # Threads that wait for small products cost memory and take the cores from others.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from core.edge.agent.disk import Disk
        from core.edge.agent.identity import Identity
        from core.edge.agent.installed import Installed
        from core.edge.agent.jobs import Jobs
        from core.edge.agent.models import Models
        from core.edge.agent.net import Net
        from core.edge.agent.spool import Spool
        from core.edge.agent.trying import checked, self_test
        from core.edge.agent.updating import Updating
        from core.edge.runtime.main import public_key

        self._options, self._again = options, program + arguments
        self._stop = threading.Event()
        self._disk = Disk()
        key = public_key(options.key or standalone)
        if key is None:
            raise EdgeError(
                "an agent must know who signs its bundles",
                "--key",
                accepted="the public key that `convq edge key` printed",
            )
        os.makedirs(options.state, mode=0o700, exist_ok=True)
        self._identity = Identity(self._disk, options.state)
        self._models = Models(
            Installed(self._disk, options.state),
            lambda path: Net(path, key, not options.numpy),
            _say,
        )
        self._spool = Spool(self._disk, os.path.join(options.state, "spool"), options.spool)
        self._jobs = Jobs(
            self._service,
            self._models,
            Spool(self._disk, os.path.join(options.state, "jobs"), options.spool),
            _say,
            options.poll,
        )
        self._updating = Updating(
            self._disk,
            self._models,
            lambda path, digest: checked(path, key, digest, options.any_board),
            lambda path: self_test(program, path, key, options.watchdog),
        )
        self._bundle = options.bundle or (sys.argv[0] if standalone else None)

    def run(self) -> None:
        """Predict and keep up to date until asked to stop (SIGTERM)."""
        from core.edge.agent.notify import notify
        from core.edge.agent.updating import take

        signal.signal(signal.SIGTERM, lambda number, frame: self._stop.set())
        self._models.start()
        if self._bundle is not None:
            take(self._disk, self._updating, self._models, self._bundle)
        step = self._source()
        uplink = self._uplink()
        threads = [
            threading.Thread(target=work, args=(self._stop,), daemon=True)
            for work in (uplink.run, self._jobs.run, self._watch)
        ]
        for thread in threads:
            thread.start()
        notify("READY=1")
        said = None
        while not self._stop.is_set():
            try:
                worked, said = step(), None
            except (EdgeError, OSError) as error:
                # The disk or the spool is full, the camera is gone: it may pass.
                if str(error) != said:
                    said = str(error)
                    _say("input: {}".format(said))
                worked = 0
                self._stop.wait(_TROUBLE)
            self._models.tend(self._options.trial)
            if not worked:
                self._stop.wait(_LOOK)
        notify("STOPPING=1")
        # A request that goes on is finished, and a job is given back; results that were not
        # delivered stay in the spools.
        for thread in threads[:2]:
            thread.join(timeout=self._options.watchdog)

    def _source(self) -> "Any":
        """Return what takes inputs when it is called, and says how many it took."""
        from core.edge.runtime.main import HTTP, PREFIX, port_of

        source, spool = self._options.input, self._spool
        if source.startswith(PREFIX):
            from core.edge.agent.watching import Watching
            from core.edge.runtime.camera import Camera

            interval = self._options.interval
            return Watching(lambda: Camera(source), source, self._models, spool, interval).step
        if source != HTTP and not source.startswith(HTTP + ":"):
            from core.edge.agent.inbox import Inbox

            return Inbox(self._disk, source, spool, self._models.predict).step
        from core.edge.runtime.serve import server

        spool.let_go()
        made = server(port_of(source), self._accept, lambda: self._health(None))
        made.timeout = _LOOK
        _say("POST /predict on http://127.0.0.1:{}".format(made.server_address[1]))

        def step() -> int:
            made.handle_request()
            return 1

        return step

    def _accept(self, data: bytes) -> "Dict[str, Any]":
        """Predict what was posted; the answer says that its result will be delivered."""
        result = self._models.predict(data)
        if "error" in result:
            raise EdgeError(result["error"], "image")
        self._spool.add(dict(result, input=None))
        self._spool.let_go()
        return result

    def _uplink(self) -> "Any":
        from core.edge.agent.service import Service
        from core.edge.agent.uplink import Uplink

        options = self._options

        def service(key: "Optional[str]") -> Service:
            return Service(options.server, key)

        service(None)  # the address is looked at now, not when the service is first asked
        return Uplink(
            service,
            self._identity,
            lambda connection: self._identity.enrol(connection, options.group, options.token),
            self._updating,
            self._models,
            self._spool,
            self._health,
            options.poll,
            options.report,
            _say,
        )

    def _service(self) -> "Optional[Any]":
        """Return the service as this box sees it, once it is enrolled."""
        from core.edge.agent.service import Service

        key = self._identity.key
        return None if key is None else Service(self._options.server, key)

    def _health(self, problem: "Optional[str]") -> "Dict[str, Any]":
        from core.edge.agent.health import health

        problems = [text for text in (problem, self._jobs.problem) if text is not None]
        return health(self._models, self._spool, "; ".join(problems) or None)

    def _watch(self, stop: threading.Event) -> None:
        """Begin the program anew when a prediction hangs; tell systemd that all is well."""
        from core.edge.agent.notify import notify

        limit = self._options.watchdog
        while not stop.wait(min(1.0, limit / 4)):
            if self._models.hangs(limit):
                _say("a prediction hangs; the agent begins anew")
                try:
                    os.execv(self._again[0], self._again)  # noqa: S606 - this program
                finally:
                    os._exit(_HUNG)
            notify("WATCHDOG=1")


def _parser(standalone: "Optional[str]") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Predict, deliver the results to convq, and keep the model up to date."
    )
    add = parser.add_argument
    add("--server", required=True, metavar="URL", help="address of the service")
    add("--group", required=True, help="the group of boxes that this one belongs to")
    add(
        "--input",
        required=True,
        help="a folder whose files are taken, http[:PORT], or camera:DEVICE",
    )
    add("--token", help="one-time token, for the first start: convq edge enrol prints one")
    add("--key", help="public key that must have signed bundles")
    add("--state", default=_FOLDER, help="the agent's own folder; by default " + _FOLDER)
    add("--bundle", help="what to run before the service was reached")
    add("--poll", type=float, default=30.0, help="seconds between two looks for a version")
    add("--report", type=float, default=60.0, help="seconds between two reports of its health")
    add("--trial", type=float, default=60.0, help="seconds that a new version must last")
    add("--watchdog", type=float, default=30.0, help="seconds that a prediction may take")
    add("--spool", type=int, default=64 << 20, help="bytes of results that wait")
    add("--interval", type=float, default=1.0, help="seconds between two images of a camera")
    add("--any-board", action="store_true", help="run bundles for other boards, too")
    add("--numpy", action="store_true", help="do not use machine code")
    return parser


def _say(text: str) -> None:
    sys.stderr.write("{} {}\n".format(time.strftime("%Y-%m-%dT%H:%M:%S"), text))
    sys.stderr.flush()
