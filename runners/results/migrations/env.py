"""Alembic's entry: online with the connection given in `config.attributes`, offline to print SQL."""

from alembic import context

from runners.results.models import Base

config = context.config
connection = config.attributes.get("connection")
if connection is None:
    context.configure(
        url=config.get_main_option("sqlalchemy.url"), target_metadata=Base.metadata, literal_binds=True,
        transactional_ddl=False,
    )  # fmt: skip
else:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
context.run_migrations()
