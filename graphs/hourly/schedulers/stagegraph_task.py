"""Runs stagegraph for a scheduler written in Python, and leaves nothing behind.

    task = StagegraphTask("hourly")
    status = task.run(log.info)     # each line as it comes; -15 if stagegraph died of SIGTERM

stop(), from a signal handler, asks stagegraph to end its jobs; run() returns when it has. It is
stopped, too,

- when an exception of the scheduler's comes out of run();
- when the process that started this one is gone: a worker that was killed can't cancel its tasks
  any more, and nobody else would;
- when this process itself is killed, by setpriv's parent death signal.

stagegraph is found in PATH, its graph is $STAGEGRAPH_GRAPH. It takes Linux, util-linux for setpriv,
and Python 3.10.
"""

import contextlib
import os
import select
import subprocess


class StagegraphTask:
    def __init__(self, *arguments):
        self.last_line = ""
        self.stopped = False
        self._rest = b""
        # In a session of its own: a signal to the scheduler's whole process group comes once, by
        # stop(). Two of them would skip the grace that jobs have to end in.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "stagegraph", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self):
        if not self.stopped:
            self.stopped = True
            self._process.terminate()

    def run(self, say):
        try:
            self._relay(say)
        except BaseException:
            # What it says while it ends has to be read, or it would wait for room in the pipe.
            self.stop()
            self._relay(lambda line: _try_to(say, line))
            raise
        return self._process.wait()

    def _relay(self, say):
        output = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        with _parent() as parent:
            if parent is not None:
                poll.register(parent, select.POLLIN)
            while True:
                ready = [fd for fd, _ in poll.poll()]
                if parent in ready:
                    self.stop()
                    poll.unregister(parent)
                if output not in ready:
                    continue
                piece = os.read(output, 65536)
                *lines, self._rest = (self._rest + piece).split(b"\n")
                if not piece and self._rest:
                    lines, self._rest = [self._rest], b""
                for line in lines:
                    text = line.decode(errors="replace")
                    if text.strip(" ="):
                        self.last_line = text
                    say(text)
                if not piece:
                    return


@contextlib.contextmanager
def _parent():
    """A descriptor that poll() finds ready when the process that started this one has ended."""
    pid = os.getppid()
    if pid <= 1:  # it has already, or there is none, in a container
        yield None
        return
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def _try_to(say, line):
    with contextlib.suppress(Exception):
        say(line)


def meaning(status):
    """What a scheduler makes of an exit status: done, waiting, retry, stopped or failed."""
    if status == 0:
        return "done"
    if status in (3, 4):  # an input is not there yet, or another run has it: the next run makes it
        return "waiting"
    if status in (71, 74):  # no room on this machine, or the store is away
        return "retry"
    if status < 0:
        return "stopped"
    return "failed"  # 1 and 5 a job, 2 the graph file or the command line, 70 a bug
