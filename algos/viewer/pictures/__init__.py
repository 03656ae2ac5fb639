"""The frames that a policy saw, in one sheet of small pictures per question; marks of time axes.

May not: know a page, a script or a run's folder.

Read in this order: `page_pictures` (what is asked for and what comes out), `drawing` (all questions
of a page), `time_marks` (cuts and speech of a video).
"""
