"""Administration: tenants, users, settings, the audit log. Every act is audited, refused ones too.

A tenant_admin acts inside the own tenant and cannot tell other tenants' objects from missing ones; a platform admin acts
across tenants, here and nowhere else.
"""
