"""One module a page: a question in, an answer out. What is shown stands in the template of the same name."""
