"""Where the tasks of a test stand that took too long: pytest-timeout shows threads only."""

import asyncio
import gc
import io


def pytest_exception_interact(call, report):
    if "from pytest-timeout" not in str(call.excinfo.value):
        return
    told = io.StringIO()
    for task in gc.get_objects():
        if isinstance(task, asyncio.Task) and not task.done():
            task.print_stack(file=told)
    report.sections.append(("Tasks", told.getvalue() or "none"))
