"""`asymptotics explore`: a page in the browser with sliders, answered by this machine alone."""

from __future__ import annotations

import errno
import webbrowser
from threading import Thread

import click

from asymptotics.errors import InvalidInput


@click.command("explore")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8642,
    show_default=True,
    help="Port on 127.0.0.1, part of every link; 0 is any free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
def command(port: int, no_browser: bool) -> None:
    """Accuracy curves and the phase diagram in a page of the browser, moved by sliders.

    The address holds all that is seen, and a button gives the command line and the Python code
    for the same numbers. The page is served to this machine only and loads nothing from elsewhere.
    Ctrl-C ends it.
    """
    from threadpoolctl import threadpool_limits

    from cli.explorer.server import ExploreServer

    try:
        server = ExploreServer(port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise InvalidInput(f"--port {port} cannot be opened: {error.strerror}") from None
        raise InvalidInput(
            f"--port {port} is in use, perhaps by another explore; --port 0 takes a free one"
        ) from None
    with server, threadpool_limits(1):
        click.echo(server.url)
        click.echo("Ctrl-C ends it", err=True)
        if not no_browser:
            # some browsers return only when they are closed
            Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            # the only way to end it, so nothing was cut short
            click.echo("", err=True)
