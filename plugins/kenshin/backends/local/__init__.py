"""Embedded backends: SQLite files, a folder as lake, the packaged embedder."""
