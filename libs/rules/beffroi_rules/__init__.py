"""The rules: what each one needs, checks, remembers and says. Pure: no bus, no web, no pictures.

`registry` finds one module a rule in `beffroi_rules.rules`; `fitting` puts a camera's rules on their geometry; `engine`
carries them over one picture after another; `primitives` are what rules are made of.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
