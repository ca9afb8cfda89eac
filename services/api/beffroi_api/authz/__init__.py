"""Who may do what: roles, scope, policies."""
