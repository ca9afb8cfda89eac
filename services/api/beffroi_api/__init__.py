"""The api: what people and their consoles talk to.

`http` serves and renders errors, `authz` says who may do what, `db` and `bus` are the two things the api stands on,
`modules` has a folder per noun, each with the same file names. `services` wires them, `__main__` starts the process.
Nothing connects at import.
"""
