# SPDX-License-Identifier: GPL-2.0-only
"""A REST service of tasks, with events of what changes: web_rest.py [PORT].

curl -d '{"title": "milk"}' http://127.0.0.1:8000/tasks
curl -X PATCH -d '{"done": true}' http://127.0.0.1:8000/tasks/1
curl -N http://127.0.0.1:8000/events
"""

import sys

from pymongoose.web import App, abort

app = App()
tasks = {}
listeners = []
FIELDS = {"title": str, "done": bool}


def checked(given):
    """What a client said of a task, or the end of its request."""
    if not isinstance(given, dict):
        abort(400, "send a JSON object")
    for name, value in given.items():
        if name not in FIELDS or not isinstance(value, FIELDS[name]):
            abort(422, "%s is none of a task, or of another type" % name)
    return given


def task_of(id):
    if id not in tasks:
        abort(404, "there is no task %d" % id)
    return tasks[id]


def tell(what, task):
    for events in listeners:
        events.send(task, event=what)


@app.get("/tasks")
def index(request):
    found = sorted(tasks.values(), key=lambda task: task["id"])
    wanted = request.args.get("done")
    if wanted is not None:
        found = [task for task in found if task["done"] == (wanted == "true")]
    start = request.args.get("start", 0, type=int)
    return found[start : start + request.args.get("limit", 20, type=int)]


@app.post("/tasks")
def add(request):
    task = {"id": max(tasks, default=0) + 1, "title": "", "done": False}
    task.update(checked(request.json))
    if not task["title"]:
        abort(422, "a task has a title")
    tasks[task["id"]] = task
    tell("added", task)
    return task, 201, {"Location": "/tasks/%d" % task["id"]}


@app.get("/tasks/<int:id>")
def show(request, id):
    return task_of(id)


@app.patch("/tasks/<int:id>")
def change(request, id):
    task = task_of(id)
    task.update(checked(request.json))
    tell("changed", task)
    return task


@app.delete("/tasks/<int:id>")
def remove(request, id):
    tell("removed", task_of(id))
    del tasks[id]
    return "", 204


@app.sse("/events")
def events(request, events):
    listeners.append(events)
    events.on_close = lambda: listeners.remove(events)


def as_json(request, error):
    return {"error": error.message}


for status in (400, 404, 405, 422):
    app.errorhandler(status)(as_json)


@app.after_request
def fresh(request, response):
    response.set_header("Cache-Control", "no-store")


if __name__ == "__main__":
    app.run(port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
