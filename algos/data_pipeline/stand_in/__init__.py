"""A server on this machine in Gemini's place: the real client talks to it, and no key is needed.

May not: be told what is asked of its questions later; its record is read by reports alone.

Read in this order: `planted` (what can be wrong, and the record), `error_rates` (how often, and
where), `known_videos` (by content), `spoiling` (one question made wrong), `written_questions` (what
it writes about a video), `exchange` (one answer), `stored_files` (what was sent to it), `replying`
(what it says), `batches` (requests that wait), `server` (over HTTP).
"""
