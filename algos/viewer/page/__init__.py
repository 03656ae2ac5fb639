"""The page itself: its template, styles and scripts, which read what `writing/` puts into the file.

`scripts/` and `styles/` are plain files without a build step; `vendor/` is uPlot 1.6.32 with its
MIT licence, as its makers published it.

May not: read a run; text of others is never HTML here.

Read in this order: `page_files` (which files a page is made of, in order).
"""
