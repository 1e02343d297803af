"""An example: a chat service that uses all five check-ups in its request path. See README.md beside this file."""
