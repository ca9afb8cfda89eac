"""One module a rule, each with one `RULE`. A town adds its own from a folder `beffroi_rules/rules` on Python's path."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
