"""The only door to Beffroi: one application, one folder per noun, each with the same file names.

`endpoints` speak HTTP, `service` decides, `repository` speaks SQL, `schemas` are what travels. `services` wires them,
`app` puts the doors together, `__main__` starts the process. Nothing connects at import.
"""
