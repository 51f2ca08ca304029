"""What engines print while they load stays off the terminal, and the terminal comes back."""

from __future__ import annotations

import os
from threading import Event, Thread

from mobilevis.runtime.engines.base import quiet_native


def test_two_threads_that_load_at_once_give_stderr_back():
    before = os.fstat(2).st_ino
    first_in, second_in, first_out = Event(), Event(), Event()

    def first():
        with quiet_native():
            first_in.set()
            second_in.wait(5)
        first_out.set()

    def second():
        first_in.wait(5)
        with quiet_native():
            second_in.set()
            first_out.wait(5)

    threads = [Thread(target=first), Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.fstat(2).st_ino == before
