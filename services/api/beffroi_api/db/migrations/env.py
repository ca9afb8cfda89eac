"""Alembic's entry: migrates over the connection that `beffroi_api.db.migrations` opened."""

from alembic import context

from beffroi_api.db.tables import Base

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
