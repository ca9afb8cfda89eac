"""People who may use Beffroi. Made on the command line: `python -m beffroi_api.commands.users`."""
