"""The query language: one parser, one tree, one meaning everywhere. Others use :mod:`cxm.query.api`."""
