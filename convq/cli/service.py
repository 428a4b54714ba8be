"""The commands that look at the service as a whole."""

from __future__ import annotations

from convq.cli.options import AsJson, Url


def queue(as_json: AsJson = False, url: Url = None) -> None:
    """Show how much work there is."""
    from convq.cli.console import answered, out, print_json
    from convq.cli.tables import queue_view
    from convq.client import Client

    with Client(url) as client:
        found = client.queue()
    if as_json:
        print_json(answered(found))
    else:
        out.print(queue_view(found))


def workers(as_json: AsJson = False, url: Url = None) -> None:
    """List the workers and what they compute on."""
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.tables import workers_table
    from convq.client import Client

    with Client(url) as client:
        found = client.workers()
    if as_json:
        print_json({"workers": [answered(worker) for worker in found]})
    elif found:
        out.print(workers_table(found))
    else:
        err.print("no workers; start one with: convq worker NAME")
