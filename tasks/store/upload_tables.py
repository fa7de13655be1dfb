"""Where uploads wait for their run: sealed pieces, in the database, so that any worker on any machine finds them."""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()

uploads = sa.Table(
    "uploads",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("pieces", sa.Integer, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
)

upload_pieces = sa.Table(
    "upload_pieces",
    METADATA,
    sa.Column("upload_id", sa.Text, sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
