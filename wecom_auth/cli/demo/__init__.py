"""`wecom-auth demo`: the product's story over real HTTP, against a platform that it brings along.

`story` holds the steps, `stage` what they work with, `report` what is printed.
"""

import time

from . import report
from .stage import set_up
from .story import STORY


def demo_command(as_json: bool = False) -> int:
    """Play the story and print it as it goes.

    Args:
        as_json: print one JSON document at the end instead of the table.

    Returns:
        The exit code: 0 only if every expectation held.

    Example:
        >>> demo_command()  # doctest: +SKIP
        0
    """
    began = time.perf_counter()
    story = []
    with set_up() as stage:
        if not as_json:
            report.opening(stage.url)
        for title, step in STORY:
            story.append(stage.play(title, step))
            if not as_json:
                report.line(story[-1])
    finish = report.as_json if as_json else report.closing
    finish(story, time.perf_counter() - began)
    return 0 if all(played.ok for played in story) else 1
