"""The page itself: its template, styles and scripts, which read what `writing/` puts into the file.

May not: read a run; text of others is never HTML here.

Read in this order: `page_files` (which files a page is made of, in order).
"""
