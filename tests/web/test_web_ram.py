# SPDX-License-Identifier: GPL-2.0-only
"""What an App takes of a board's memory."""

from textwrap import dedent


def test_an_app_with_ten_routes(device):
    device(
        dedent("""
        import gc
        import sys
        from pymongoose.web import App

        def handler(request, id=0):
            return "x"

        def build(manager):
            app = App(secret_key="k")
            for i in range(5):
                app.get("/things/%d" % i)(handler)
                app.post("/items/<int:id>/%d" % i)(handler)
            app.attach(manager, url("http"))
            return app

        if not MICROPYTHON:
            import tracemalloc
            tracemalloc.start()

        def used():
            gc.collect()
            gc.collect()
            return gc.mem_alloc() if MICROPYTHON else tracemalloc.get_traced_memory()[0]

        with Manager() as m:  # what is made once is made
            build(m)
        with Manager() as m:
            m.listen(url("http"))
            before = used()
            m.listen(url("http"))
            of_listener = used() - before
            before = used()
            app = build(m)
            taken = used() - before - of_listener
            print("RAM", taken)
            assert 500 < taken <= (2500 if sys.maxsize < 2**32 else 5000), taken
        """)
    ).finish()
