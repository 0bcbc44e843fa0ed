"""The documentation site: its reference pages, made from the code, and what mkdocs needs besides.

- `pages` has a row for each generated page; `settings`, `metrics`, `headers`, `errors`, `dialects`, `commands`, `paths`
  and `python_api` say what stands in it. Facts come from the objects: the model of the settings, the classes of errors,
  the table of dialects, the series of the exporter. `markdown` has the forms, `source` reads comments that are
  documentation;
- `python -m docsite` writes the pages (``make reference``), ``--check`` names those that are out of step;
- `hooks` is loaded by mkdocs: it makes pages of the files outside docs/ that pages link to;
- `picture` draws the README's picture, `record` records what it shows.
"""
