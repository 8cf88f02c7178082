"""The Keycloak realm as code: a realm file generated from the identities file; nothing is clicked."""
