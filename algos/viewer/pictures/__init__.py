"""The frames that a policy saw, in one sheet of small pictures per question; marks of time axes.

May not: know a page, a script or a run's folder.

Read in this order: `scene_cuts` and `time_marks` (what a time axis shows of the video itself),
`page_pictures` (what is asked for and what comes out), `wanted_frames` (equal frames once),
`seen_frames` (decoded anew), `carried_pictures` (those that a trace brings), `picture_sheet` (many
pictures in one), `size_choice` (within a number of bytes), `kept_sheets` (finished ones),
`question_sheets` (of one video), `drawing` (all questions of a page), `clip_moments`, `clip_axis`,
`clip_picture` and `clips` (an episode as a film for slides).
"""
